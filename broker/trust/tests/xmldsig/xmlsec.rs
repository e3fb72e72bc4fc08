//! libxmlsec1's command line tool signs, and we verify; we sign, and it verifies.

use crate::people::people;
use crate::round_trips::{DOCUMENT, ENVELOPE, options, verify};
use crate::shared::documents;
use message_schemas::{Limits, xml};
use std::path::Path;
use std::process::Command;
use trust::pki::Pair;
use trust::xmldsig::{Attachment, Canonical, Options, Shape, sign};
use trust::{Digest, SignatureAlgorithm};

struct Tool {
    folder: tempfile::TempDir,
}

impl Tool {
    fn here() -> Option<Self> {
        let here = Command::new("xmlsec1").arg("--version").output().is_ok_and(|o| o.status.success());
        assert!(here || std::env::var_os("REQUIRE_SHARED").is_none(), "REQUIRE_SHARED is set; no xmlsec1");
        if !here {
            println!("skipped: no xmlsec1");
        }
        here.then(|| Self { folder: tempfile::tempdir().unwrap() })
    }

    fn file(&self, name: &str, content: &[u8]) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn certificate(&self, pair: &Pair) -> std::path::PathBuf {
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD.encode(&pair.certificate().der);
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        self.file("certificate.pem", pem.as_bytes())
    }

    /// Verifies with the key of this certificate only.
    fn verifies(&self, text: &str, pair: &Pair, attachments: &[Attachment<'_>]) -> bool {
        let document = self.file("document.xml", text.as_bytes());
        let mut command = Command::new("xmlsec1");
        command.args(["--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem"]);
        command.arg(self.certificate(pair));
        self.map(&mut command, attachments);
        command.arg(document).output().unwrap().status.success()
    }

    /// Says where attachments are.
    fn map(&self, command: &mut Command, attachments: &[Attachment<'_>]) {
        for (n, attachment) in attachments.iter().enumerate() {
            let file = self.file(&format!("part{n}"), attachment.bytes);
            command.arg(format!("--url-map:cid:{}", attachment.id)).arg(file);
        }
    }

    /// Fills in a template.
    fn signs(&self, template: &str, pair: &Pair, attachments: &[Attachment<'_>]) -> Option<String> {
        let template = self.file("template.xml", template.as_bytes());
        let key = self.file("key.pem", &pair.key().pem(None).unwrap());
        let certificate = self.certificate(pair);
        let mut command = Command::new("xmlsec1");
        command.args(["--sign", "--privkey-pem"]).arg(format!("{},{}", path(&key), path(&certificate)));
        self.map(&mut command, attachments);
        let output = command.arg(template).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A signature to be filled in; the canonical form of SignedInfo and of the document.
fn template(signed_info: &str, document: &str, method: &str, digest: &str) -> String {
    let transform = if document.is_empty() {
        String::new()
    } else {
        format!("<Transform Algorithm=\"{}</Transform>", document.replacen('>', "\">", 1))
    };
    // It cannot write the value of an EC key.
    let key_value = if method.contains("ecdsa") { "" } else { "<KeyValue/>" };
    format!(
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">\n <SignedInfo>\n  \
         <CanonicalizationMethod Algorithm=\"{}</CanonicalizationMethod><!-- c -->\n  \
         <SignatureMethod Algorithm=\"{method}\"/>\n  <Reference Id='r' URI=\"\"><Transforms>\
         <Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>{transform}</Transforms>\
         <DigestMethod Algorithm=\"{digest}\"/><DigestValue/></Reference></SignedInfo>\n<SignatureValue/>\
         <KeyInfo><KeyName/><X509Data><X509Certificate/></X509Data>{key_value}</KeyInfo></Signature>",
        signed_info.replacen('>', "\">", 1)
    )
}

/// Forms as an algorithm, a `>`, and the content of the element that names it.
const FORMS: [&str; 7] = [
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315>",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments>",
    "http://www.w3.org/2001/10/xml-exc-c14n#>",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments>",
    "http://www.w3.org/2001/10/xml-exc-c14n#><InclusiveNamespaces xmlns='http://www.w3.org/2001/10/xml-exc-c14n#' \
     PrefixList='t unused'/>",
    "http://www.w3.org/2001/10/xml-exc-c14n#><e:InclusiveNamespaces \
     xmlns:e='http://www.w3.org/2001/10/xml-exc-c14n#' PrefixList='#default e nowhere'/>",
    "http://www.w3.org/2001/10/xml-exc-c14n#><e:InclusiveNamespaces \
     xmlns:e='http://www.w3.org/2001/10/xml-exc-c14n#' PrefixList=''/>",
];

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

fn inside(text: &str, end_tag: &str, signature: &str) -> String {
    text.replacen(end_tag, &format!("{signature}{end_tag}"), 1)
}

#[test]
fn we_verify_what_xmlsec_signs() {
    let Some(tool) = Tool::here() else { return };
    let pair = &people().sender;
    for signed_info in FORMS {
        for document in FORMS.into_iter().chain([""]) {
            let template = template(signed_info, document, RSA_SHA256, SHA256);
            let text = tool.signs(&inside(DOCUMENT, "</m:Message>", &template), pair, &[]).unwrap();
            verify(&text, Shape::Enveloped, &[], pair)
                .unwrap_or_else(|f| panic!("{signed_info} {document}: {f}"));
        }
    }
}

#[test]
fn we_verify_every_algorithm_of_xmlsec() {
    let Some(tool) = Tool::here() else { return };
    let people = people();
    let more = "http://www.w3.org/2001/04/xmldsig-more#";
    for (method, pair) in [
        (format!("{more}rsa-sha256"), &people.sender),
        (format!("{more}rsa-sha384"), &people.sender),
        (format!("{more}rsa-sha512"), &people.sender),
        (format!("{more}ecdsa-sha256"), &people.p256),
        (format!("{more}ecdsa-sha384"), &people.p384),
        (format!("{more}ecdsa-sha512"), &people.p384),
    ] {
        for digest in [
            SHA256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384",
            "http://www.w3.org/2001/04/xmlenc#sha512",
        ] {
            let template = template(FORMS[2], FORMS[0], &method, digest);
            let text = tool.signs(&inside(DOCUMENT, "</m:Message>", &template), pair, &[]).unwrap();
            verify(&text, Shape::Enveloped, &[], pair).unwrap_or_else(|f| panic!("{method} {digest}: {f}"));
        }
    }
}

#[test]
fn xmlsec_verifies_what_we_sign() {
    let Some(tool) = Tool::here() else { return };
    use Digest::{Sha256, Sha384, Sha512};
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1};
    let people = people();
    for (algorithm, pair) in [
        (RsaPkcs1(Sha256), &people.sender),
        (RsaPkcs1(Sha384), &people.sender),
        (RsaPkcs1(Sha512), &people.sender),
        (Ecdsa(Sha256), &people.p256),
        (Ecdsa(Sha256), &people.p384),
        (Ecdsa(Sha384), &people.p384),
    ] {
        for (exclusive, comments, prefixes) in [
            (false, false, vec![]),
            (true, false, vec![]),
            (true, true, vec!["t".to_owned(), "#default".to_owned()]),
        ] {
            let options = Options {
                shape: Shape::Enveloped,
                canonical: Canonical { exclusive, comments, prefixes },
                algorithm: Some(algorithm),
            };
            let key = pair.private_key();
            let text = sign(DOCUMENT, &*key, &options, &[], &Limits::default()).unwrap();
            assert!(tool.verifies(&text, pair, &[]), "{options:?}");
            assert!(!tool.verifies(&text.replace("Ola", "Per"), pair, &[]), "the tool is asleep");
        }
    }
}

#[test]
fn xmlsec_verifies_our_envelopes() {
    let Some(tool) = Tool::here() else { return };
    let pair = &people().sender;
    let parts =
        [Attachment { id: "1@example", bytes: b"first" }, Attachment { id: "2@example", bytes: b"\0\r\n" }];
    for exclusive in [false, true] {
        let key = pair.private_key();
        let text =
            sign(ENVELOPE, &*key, &options(Shape::Ebxml, exclusive), &parts, &Limits::default()).unwrap();
        assert!(tool.verifies(&text, pair, &parts));
        let without_block = text.replace("<eb:SyncReply", "<eb:Other");
        assert!(tool.verifies(&without_block, pair, &parts), "it is for the next node");
        assert!(!tool.verifies(&text.replace(">x<", ">y<"), pair, &parts));
    }
}

/// What elements above SignedInfo hand down to it, in the inclusive form: `xml:` attributes, the nearest counts, and
/// every namespace.
#[test]
fn xmlsec_agrees_on_what_is_handed_down() {
    let Some(tool) = Tool::here() else { return };
    let pair = &people().sender;
    let envelope = ENVELOPE
        .replacen(
            "<SOAP:Envelope",
            "<SOAP:Envelope xml:lang='nb' xml:base='http://example.org/' xmlns='urn:d'",
            1,
        )
        .replacen(
            "<SOAP:Header>",
            "<SOAP:Header xml:space='preserve' xml:lang='nn' xmlns:eb='urn:other' xmlns=''>",
            1,
        )
        .replace("<eb:", "<eb:e")
        .replace("</eb:", "</eb:e");
    for exclusive in [false, true] {
        let key = pair.private_key();
        let options = options(Shape::Ebxml, exclusive);
        let text = sign(&envelope, &*key, &options, &[], &Limits::default()).unwrap();
        verify(&text, Shape::Ebxml, &[], pair).unwrap();
        assert!(tool.verifies(&text, pair, &[]), "exclusive {exclusive}");
        // The lie is seen: it does count.
        let changed = text.replacen("xml:lang='nn'", "xml:lang='se'", 1);
        assert!(!tool.verifies(&changed, pair, &[]));
    }
}

/// The deviations of the field: no XPath, another order, the exclusive form, empty Transforms at attachments.
#[test]
fn we_verify_envelopes_of_xmlsec() {
    let Some(tool) = Tool::here() else { return };
    let pair = &people().sender;
    let parts = [Attachment { id: "1@example", bytes: b"first" }];
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let enveloped = "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    let xpath = "<Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath \
        xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\">\n not(ancestor-or-self::node()[@S:actor=\
        'http://schemas.xmlsoap.org/soap/actor/next'] | ancestor-or-self::node()[@S:actor=\
        'urn:oasis:names:tc:ebxml-msg:actor:nextMSH'])\n</XPath></Transform>";
    let form = |uri: &str| format!("<Transform Algorithm=\"{uri}\"/>");
    let digest = format!("<DigestMethod Algorithm=\"{SHA256}\"/><DigestValue/></Reference>");
    for (name, transforms) in [
        ("as profiled", format!("{enveloped}{xpath}{}", form(inclusive))),
        ("no XPath", format!("{enveloped}{}", form(inclusive))),
        ("no canonical form", format!("{enveloped}{xpath}")),
        ("only enveloped", enveloped.to_owned()),
        ("another order", format!("{xpath}{enveloped}{}", form(inclusive))),
        ("exclusive", format!("{enveloped}{xpath}{}", form("http://www.w3.org/2001/10/xml-exc-c14n#"))),
    ] {
        for at_part in ["", "<Transforms/>"] {
            let signature = format!(
                "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>\
                 <CanonicalizationMethod Algorithm=\"{inclusive}\"/><SignatureMethod Algorithm=\"{RSA_SHA256}\"/>\
                 <Reference URI=\"\"><Transforms>{transforms}</Transforms>{digest}\
                 <Reference URI=\"cid:1@example\">{at_part}{digest}</SignedInfo><SignatureValue/><KeyInfo><X509Data>\
                 <X509Certificate/></X509Data></KeyInfo></Signature>"
            );
            let template = inside(ENVELOPE, "</SOAP:Header>", &signature);
            let text = tool.signs(&template, pair, &parts).unwrap();
            let covered = verify(&text, Shape::Ebxml, &parts, pair).unwrap_or_else(|f| panic!("{name}: {f}"));
            let with_block = String::from_utf8(covered).unwrap().contains("SyncReply");
            assert_eq!(with_block, !transforms.contains("XPath"), "{name}");
        }
    }
}

/// Every sample, signed by us in one form or the other, holds for libxmlsec1 too.
#[test]
fn every_sample_signed_by_us_holds_for_xmlsec() {
    let Some(tool) = Tool::here() else { return };
    let pair = &people().sender;
    let mut checked = 0;
    for (n, path) in documents().into_iter().enumerate() {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(decoded) = xml::decode(&bytes) else { continue };
        let plain = decoded.text.trim_start();
        let plain = match plain.strip_prefix("<?xml ").and_then(|p| p.split_once("?>")) {
            Some((_, rest)) => rest,
            None => plain,
        };
        let key = pair.private_key();
        let options = options(Shape::Enveloped, n % 2 == 0);
        let Ok(text) = sign(plain, &*key, &options, &[], &Limits::default()) else { continue };
        assert!(tool.verifies(&text, pair, &[]), "{}", path.display());
        verify(&text, Shape::Enveloped, &[], pair).unwrap();
        checked += 1;
    }
    assert!(checked > 50, "only {checked}");
    println!("{checked} samples signed by us hold for xmlsec1");
}
