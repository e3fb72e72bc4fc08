//! What the fictitious PKI makes and what we judge, held against the command line tool of OpenSSL.

use super::demo::{Demo, Organisation};
use super::{Crl, KeyKind, Part, Profile, Responder};
use crate::chain::{Cache, Moment, Purpose};
use crate::fault::Kind;
use crate::revocation::Evidence;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::process::Command;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// The tool knows no other time, neither as a client nor as a responder.
#[expect(clippy::disallowed_methods, reason = "the tool's clock is the machine's")]
fn real() -> Timestamp {
    Timestamp::now()
}

/// A folder with the demo in it, and the tool; none where it is not installed.
struct Tool {
    folder: tempfile::TempDir,
}

impl Tool {
    fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(
                std::env::var_os("REQUIRE_SHARED").is_none(),
                "REQUIRE_SHARED is set, and there is no openssl"
            );
            println!("skipped: no openssl on the path");
            return None;
        }
        let tool = Self { folder: tempfile::tempdir().unwrap() };
        let demo = Demo::shared();
        for (name, certificate) in [
            ("root", demo.root.certificate()),
            ("issuing", demo.issuing.certificate()),
            ("leaf", demo.sender.signing.certificate()),
        ] {
            tool.write(&format!("{name}.pem"), &certificate.x509.to_pem().unwrap());
        }
        Some(tool)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    /// Whether it succeeds, and all that it says.
    fn run(&self, arguments: &str) -> (bool, String) {
        let folder: &Path = self.folder.path();
        let output =
            Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// The demo's CRLs, as one PEM file.
    fn crls(&self, revoked: Vec<(Vec<u8>, Timestamp)>) -> Evidence {
        let demo = Demo::shared();
        let own = demo.issuing.crl(&Crl { revoked, ..Crl::fresh(now()) }).unwrap();
        let root = demo.root.crl(&Crl::fresh(now())).unwrap();
        let mut all = Vec::new();
        for (name, der) in [("issuing", &own), ("root", &root)] {
            self.write(&format!("{name}.crl"), der);
            let (done, said) = self.run(&format!("crl -inform DER -in {name}.crl -out {name}.crl.pem"));
            assert!(done, "{said}");
            all.extend(self.read(&format!("{name}.crl.pem")));
        }
        self.write("crls.pem", &all);
        Evidence::default().with_crl(&own).unwrap().with_crl(&root).unwrap()
    }

    fn verify(&self) -> (bool, String) {
        let at = now().as_second();
        self.run(&format!(
            "verify -attime {at} -crl_check_all -x509_strict -CAfile root.pem -untrusted issuing.pem -CRLfile crls.pem leaf.pem"
        ))
    }
}

fn we(evidence: &Evidence) -> Result<(), Kind> {
    let demo = Demo::shared();
    let signer = demo.sender.signing.certificate();
    let moment = Moment { at: now(), now: now() };
    let judged = demo.anchors().judge(signer, &[], Purpose::Signing, moment, evidence, &Cache::default());
    judged.map(|_| ()).map_err(|refusal| refusal.fault.kind)
}

#[test]
fn chain_and_lists_hold_for_the_tool_too() {
    let Some(tool) = Tool::new() else { return };
    let evidence = tool.crls(Vec::new());
    let (good, said) = tool.verify();
    assert!(good, "{said}");
    assert_eq!(we(&evidence), Ok(()));
    let (good, said) = tool.run("crl -inform DER -in issuing.crl -CAfile issuing.pem -noout");
    assert!(good && said.contains("verify OK"), "{said}");

    let serial = Demo::shared().sender.signing.certificate().serial.clone();
    let evidence = tool.crls(vec![(vec![1], now()), (serial, now() - SignedDuration::from_hours(24))]);
    let (good, said) = tool.verify();
    assert!(!good && said.contains("certificate revoked"), "{said}");
    assert_eq!(we(&evidence), Err(Kind::CertificateRevoked));
    let (_, said) = tool.run("crl -inform DER -in issuing.crl -noout -text");
    assert!(
        said.contains("Revocation Date: Feb 28 12:00:00 2026 GMT") && said.contains("CRL Number"),
        "{said}"
    );
}

#[test]
fn parts_of_lists_mean_the_same_to_the_tool() {
    let Some(tool) = Tool::new() else { return };
    for (part, text) in [
        (Part::Users, "Only User Certificates"),
        (Part::Authorities, "Only CA Certificates"),
        (Part::Point("http://pki.example/part.crl".into()), "http://pki.example/part.crl"),
        (Part::DeltaOf(7), "Delta CRL Indicator: critical"),
        (Part::Indirect, "Indirect CRL"),
        (Part::SomeReasons, "Key Compromise"),
    ] {
        let crl = Demo::shared().issuing.crl(&Crl { part, ..Crl::fresh(now()) }).unwrap();
        tool.write("part.crl", &crl);
        let (_, said) = tool.run("crl -inform DER -in part.crl -noout -text");
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn our_responder_answers_the_tool_and_the_tool_answers_us() {
    let Some(tool) = Tool::new() else { return };
    let demo = Demo::shared();
    let signer = demo.sender.signing.certificate();
    let valid = super::demo::valid();
    let delegate = demo
        .issuing
        .issue(&Profile::responder("Demo OCSP", valid), super::Key::generate(KeyKind::Rsa2048).unwrap())
        .unwrap();
    let (good, said) = tool.run("ocsp -issuer issuing.pem -cert leaf.pem -no_nonce -reqout request.der");
    assert!(good, "{said}");
    let request = tool.read("request.der");
    assert_eq!(
        request,
        Evidence::wanted(signer, demo.issuing.certificate()).ocsp_request,
        "we ask as the tool does"
    );

    let real = real();
    let fresh = Responder::fresh(&demo.issuing, real);
    let revoked = vec![(signer.serial.clone(), real - SignedDuration::from_hours(24))];
    for (responder, text) in [
        (fresh.clone(), "leaf.pem: good"),
        (Responder { delegate: Some(&delegate), ..fresh.clone() }, "leaf.pem: good"),
        (Responder { revoked, ..fresh }, "leaf.pem: revoked"),
    ] {
        tool.write("answer.der", &responder.answer(&request).unwrap());
        let (good, said) = tool.run(
            "ocsp -issuer issuing.pem -cert leaf.pem -no_nonce -respin answer.der -CAfile root.pem -verify_other issuing.pem",
        );
        assert!(good && said.contains("Response verify OK") && said.contains(text), "{said}");
    }

    // And the tool as responder, with the CA's own key and with a delegate's.
    tool.write("issuing.key", &demo.issuing.key.pem(None).unwrap());
    tool.write("delegate.key", &delegate.key().pem(None).unwrap());
    tool.write("delegate.pem", &delegate.certificate().x509.to_pem().unwrap());
    let serial = signer.serial_hex().to_uppercase();
    for (index, standing) in [
        (format!("V\t490101000000Z\t\t{serial}\tunknown\t/CN=Demo\n"), None),
        (
            format!("R\t490101000000Z\t260101000000Z\t{serial}\tunknown\t/CN=Demo\n"),
            Some(Kind::CertificateRevoked),
        ),
    ] {
        tool.write("index.txt", index.as_bytes());
        for signer in ["issuing", "delegate"] {
            let (good, said) = tool.run(&format!(
                "ocsp -index index.txt -CA issuing.pem -rsigner {signer}.pem -rkey {signer}.key -reqin request.der -respout answer.der -ndays 1"
            ));
            assert!(good, "{said}");
            let roots = demo.root.crl(&Crl::fresh(real)).unwrap();
            let evidence =
                Evidence::default().with_crl(&roots).unwrap().with_ocsp(&tool.read("answer.der")).unwrap();
            let moment = Moment { at: real, now: real };
            let certificate = demo.sender.signing.certificate();
            let judged = demo.anchors().judge(
                certificate,
                &[],
                Purpose::Signing,
                moment,
                &evidence,
                &Cache::default(),
            );
            assert_eq!(judged.map_err(|r| r.fault.kind).err(), standing, "{signer}");
        }
    }
}

#[test]
fn an_authority_goes_on_from_its_files() {
    let made = &Demo::shared().issuing;
    let key = super::Key::from_pem(&made.key().pem(None).unwrap()).unwrap();
    let certificate = crate::Certificate::all_from(made.certificate().pem().as_bytes()).unwrap().remove(0);
    assert_eq!(certificate.thumbprint, made.certificate().thumbprint);
    let again = super::Authority::again(key, certificate, made.above().to_vec());
    let evidence = Evidence::default().with_crl(&again.crl(&Crl::fresh(now())).unwrap()).unwrap();
    let roots = Demo::shared().root.crl(&Crl::fresh(now())).unwrap();
    assert_eq!(we(&evidence.with_crl(&roots).unwrap()), Ok(()));
}

#[test]
fn key_files_open_with_the_tool_and_the_tools_files_with_us() {
    let Some(tool) = Tool::new() else { return };
    let pair = &Demo::shared().sender.signing;
    tool.write("ours.p12", &pair.pkcs12("passord").unwrap());
    let (good, said) = tool.run("pkcs12 -in ours.p12 -passin pass:passord -nokeys");
    assert!(good && said.contains("Demo Legekontor") && said.contains("Demo Issuing CA"), "{said}");
    tool.write("leaf.key", &pair.key().pem(None).unwrap());
    for way in ["", "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1"] {
        let (good, said) = tool.run(&format!(
            "pkcs12 -export -in leaf.pem -inkey leaf.key -certfile issuing.pem -passout pass:passord {way} -out theirs.p12"
        ));
        assert!(good, "{said}");
        let key = crate::keys::from_pkcs12(&tool.read("theirs.p12"), "passord").unwrap();
        assert_eq!(key.certificate().thumbprint, pair.certificate().thumbprint);
        assert_eq!(key.chain().len(), 1);
        let all = crate::keys::all_from_pkcs12(&tool.read("theirs.p12"), "passord").unwrap();
        assert_eq!(all[0].certificate().thumbprint, pair.certificate().thumbprint);
    }
    let (made, _) = tool.run(
        "pkcs12 -export -legacy -in leaf.pem -inkey leaf.key -certfile issuing.pem -passout pass:passord -out rc2.p12",
    );
    if made {
        let fault = crate::keys::from_pkcs12(&tool.read("rc2.p12"), "passord").unwrap_err();
        assert!(fault.message.contains("RC2"), "{fault}");
    }
    let (good, said) = tool.run("rsa -in leaf.key -aes256 -passout pass:passord -traditional -out old.key");
    assert!(good, "{said}");
    let key =
        crate::keys::from_parts(&tool.read("old.key"), Some("passord"), &pair.certificate().der).unwrap();
    assert_eq!(key.certificate().thumbprint, pair.certificate().thumbprint);
}

#[test]
fn a_demo_with_elliptic_keys_seals_with_rsa() {
    for kind in [KeyKind::P256, KeyKind::P384] {
        let demo = Demo::new(kind).unwrap();
        let evidence = demo.evidence(now(), &[]);
        let moment = Moment { at: now(), now: now() };
        let other = Organisation::new(&demo.issuing, "Demo Kommune", "310000124", kind).unwrap();
        for organisation in [&demo.sender, &demo.receiver, &other] {
            for (pair, purpose) in
                [(&organisation.signing, Purpose::Signing), (&organisation.sealing, Purpose::Sealing)]
            {
                let judge = demo.anchors().judge(
                    pair.certificate(),
                    &[],
                    purpose,
                    moment,
                    &evidence,
                    &Cache::default(),
                );
                assert_eq!(judge.unwrap().certificate().organisation, Some(organisation.number));
            }
            assert_eq!(organisation.keys().iter().count(), 2);
            assert_eq!(organisation.sealing.certificate().key.id(), openssl::pkey::Id::RSA);
        }
        assert!(other.signing.private_key().chain().len() == 1);
    }
    assert!(Organisation::new(&Demo::shared().issuing, "No number", "123456789", KeyKind::P256).is_err());
}
