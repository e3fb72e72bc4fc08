//! Keys read from files, ours and the shared ones.

use super::*;
use crate::fault::Kind;
use crate::shared;

const COUNTERPARTY: &str = "XVNQ2QEL1PrREwVD";
const HELSENORGE: &str = "drQhrTUSKyQCHYoY";

#[test]
fn old_pkcs12_files_open() {
    for (file, password, non_repudiation) in [
        ("Counterparty_Encryption.p12", COUNTERPARTY, false),
        ("Counterparty_Signature.p12", COUNTERPARTY, true),
        ("Helsenorge_Encryption.p12", HELSENORGE, false),
        ("Helsenorge_Signature.p12", HELSENORGE, true),
    ] {
        let Some(bytes) = shared(&format!("helsenorge/{file}")) else { return };
        let key = from_pkcs12(&bytes, password).unwrap();
        let certificate = key.certificate();
        assert_eq!(certificate.organisation.map(|o| o.to_string()).as_deref(), Some("983544622"));
        let usage = certificate.usage.unwrap();
        assert_eq!((usage.non_repudiation, usage.key_encipherment), (non_repudiation, !non_repudiation));
        assert_eq!(certificate.policies, ["2.16.578.1.26.1.0.3.2"]);
        assert_eq!(key.chain().len(), 1, "the issuing CA, and not the root");
        assert!(key.chain()[0].signed(certificate));
        assert_eq!(certificates_from_pkcs12(&bytes, password).unwrap().len(), 3);

        let fault = from_pkcs12(&bytes, "wrong").unwrap_err();
        assert_eq!(fault.kind, Kind::OwnKeyMissing);
        assert!(!format!("{fault:?}").contains(password) && !format!("{fault:?}").contains("wrong\""));
        assert!(!format!("{key:?}").contains("PRIVATE"));
        println!("{}", certificate.describe_from(file));
    }
}
