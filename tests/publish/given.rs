//! Versions of one document, and targets.

use adapters::publish::token::{ClientOptions, TokenOptions};
use adapters::publish::{Options, Publisher};
use jiff::Timestamp;
use message_schemas::Limits;
use message_schemas::document::{self, Attached, SharedDocument};
use message_schemas::xml::{self, Tree};
use openssl::pkey::{PKey, Private};
use sharing::codes::{Code, list};
use sharing::target::{Also, Environment, Kind};
use sharing::{Contents, Published, Submission, Target, Version, submission};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use system_tests::root;

/// A version of the same document, with its bytes.
pub(crate) fn version(msg_id: &str) -> (SharedDocument, Vec<u8>) {
    let path = root().join("message-schemas/samples/svarrapport/document-biochemistry-1.4/in.xml");
    let original = std::fs::read(path).expect("a sample");
    let text = xml::decode(&original).expect("text").text.into_owned();
    let tree = Tree::parse(&text, &Limits::default()).expect("XML");
    let mut document =
        document::translate(&text, &tree, &document::Options::default()).expect("a document").remove(0);
    document.keys.msg_id = msg_id.to_owned();
    let attached = Attached {
        number: 1,
        title: None,
        mime_type: "application/pdf".to_owned(),
        created: None,
        bytes: format!("%PDF-1.4 of {msg_id}").into_bytes(),
    };
    document.described.attachments = vec![attached];
    (document, original)
}

pub(crate) fn now() -> Timestamp {
    "2026-03-02T10:20:30Z".parse().expect("a time")
}

pub(crate) fn target(kind: Kind) -> Target {
    let mut target = Target::new(kind, Environment::Test, "2.999.1");
    target.source_root = Some("2.999.2".to_owned());
    target.repository = Some("2.999.3".to_owned());
    target.practice = Some(Code::new(list("8655"), "S03", "Indremedisin"));
    target.also = BTreeSet::from([Also::Fhir, Also::Attachments]);
    target
}

pub(crate) fn made(msg_id: &str, target: &Target, earlier: &[Published]) -> Submission {
    let (document, original) = version(msg_id);
    let fhir = format!("<Bundle xmlns=\"http://hl7.org/fhir\"><id value=\"{msg_id}\"/></Bundle>");
    let contents =
        Contents { document: &document, original: &original, fhir_xml: Some(fhir.as_bytes()), pdf: None };
    submission(&contents, Version::Whole, earlier, target, now()).expect("it may be published")
}

/// The publisher to a national store at this address, with a key in this folder.
pub(crate) fn national(url: &str, folder: &Path, key: &PKey<Private>) -> Publisher {
    let key_file = folder.join("key.pem");
    std::fs::write(&key_file, key.private_key_to_pem_pkcs8().expect("PEM")).expect("written");
    let mut options = Options::new(Kind::MhdNational, format!("{url}/R4/fhir"));
    options.document_path = Some("mhd/document".to_owned());
    options.source_system = Some("tests".to_owned());
    options.timeout = Duration::from_secs(2);
    options.token = Some(TokenOptions::Client(ClientOptions {
        url: format!("{url}/connect/token"),
        audience: None,
        client_id: "client-1".to_owned(),
        scope: "publish".to_owned(),
        key_file,
        key_id: Some("key-1".to_owned()),
        algorithm: None,
        dpop: true,
    }));
    Publisher::build(target(Kind::MhdNational), options).expect("a publisher")
}
