//! The real process over real pipes: what `PROTOCOL.md` says, with documents signed by the `xmlsec1` tool.
#![expect(clippy::unwrap_used, reason = "a test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Engine {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Engine {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_budstikke-second-engine"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut engine = Self { child, input, output };
        let greeting = engine.answer().unwrap();
        assert_eq!(greeting["protocol"], 1);
        assert!(greeting["engine"].as_str().unwrap().starts_with("libxmlsec1 1."), "{greeting}");
        engine
    }

    fn answer(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length).ok()?;
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.output.read_exact(&mut bytes).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    fn send(&mut self, frame: &[u8]) {
        self.input.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).unwrap();
        self.input.write_all(frame).unwrap();
    }

    fn ask(&mut self, header: &Value, body: &[u8]) -> Option<Value> {
        self.send(&[header.to_string().as_bytes(), b"\n", body].concat());
        self.answer()
    }

    /// Closes the input and gives the exit code.
    fn end(self) -> Option<i32> {
        let Self { mut child, input, .. } = self;
        drop(input);
        child.wait().unwrap().code()
    }
}

/// A key, its certificate, and a place for documents.
struct Signer {
    folder: PathBuf,
    certificate: String,
}

impl Signer {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"])
            .args(["-subj", "/CN=A test", "-days", "2"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success());
        let pem = std::fs::read_to_string(folder.join("cert.pem")).unwrap();
        let certificate = pem.lines().filter(|l| !l.starts_with('-')).collect();
        Self { folder, certificate }
    }

    /// Fills a template in.
    fn sign(&self, template: &str, attachment: Option<(&str, &[u8])>) -> Vec<u8> {
        std::fs::write(self.folder.join("template.xml"), template).unwrap();
        let mut command = Command::new("xmlsec1");
        command.args(["--sign", "--privkey-pem", "key.pem", "--output", "signed.xml"]);
        if let Some((id, bytes)) = attachment {
            std::fs::write(self.folder.join("part"), bytes).unwrap();
            command.arg(format!("--url-map:cid:{id}")).arg("part");
        }
        let done = command.arg("template.xml").current_dir(&self.folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        std::fs::read(self.folder.join("signed.xml")).unwrap()
    }

    fn header(&self, shape: &str, document: &[u8]) -> Value {
        json!({"id": 7, "shape": shape, "certificate": self.certificate, "document": document.len()})
    }
}

const ENVELOPED: &str = "<Transform Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/>";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const XPATH: &str = r#"not(ancestor-or-self::node()[@S:actor="urn:oasis:names:tc:ebxml-msg:actor:nextMSH"] |
    ancestor-or-self::node()[@S:actor="http://schemas.xmlsoap.org/soap/actor/next"])"#;

fn reference(uri: &str, transforms: &str, digest: &str) -> String {
    let transforms =
        if transforms.is_empty() { String::new() } else { format!("<Transforms>{transforms}</Transforms>") };
    format!(
        "<Reference URI='{uri}'>{transforms}<DigestMethod Algorithm='http://www.w3.org/{digest}'/>\
         <DigestValue/></Reference>"
    )
}

fn signature(references: &str) -> String {
    format!(
        "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'><SignedInfo>\
         <CanonicalizationMethod Algorithm='http://www.w3.org/TR/2001/REC-xml-c14n-20010315'/>\
         <SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/>\
         {references}</SignedInfo><SignatureValue/></Signature>"
    )
}

fn document(references: &str) -> String {
    format!("<Head><Name>Kari</Name><!-- a word --><Signs/>{}</Head>", signature(references))
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

const SHA256: &str = "2001/04/xmlenc#sha256";

#[test]
fn what_holds_is_valid_and_what_was_changed_is_not() {
    let signer = Signer::new("enveloped");
    let signed = signer.sign(&document(&reference("", ENVELOPED, SHA256)), None);
    let other = document(&reference("", ENVELOPED, SHA256)).replace("Kari", "Kåre");
    let mut utf8 = signer.sign(&other, None);
    utf8.drain(..utf8.iter().position(|&b| b == b'\n').unwrap() + 1);
    let mut engine = Engine::start();
    let mut ask = |bytes: &[u8]| engine.ask(&signer.header("enveloped", bytes), bytes).unwrap();
    assert_eq!(ask(&signed), json!({"id": 7, "valid": true}));
    let changed = ask(&replaced(&signed, "Kari", "Kåri"));
    assert_eq!(changed, json!({"id": 7, "valid": false, "why": "digest of reference 0 differs"}));
    let changed = ask(&replaced(&signed, "rsa-sha256", "rsa-sha384"));
    assert_eq!(changed["valid"], false, "{changed}");
    // Comments are not covered, and do not matter.
    assert_eq!(ask(&replaced(&signed, "a word", "another"))["valid"], true);
    // The broker has read the document already, and its declaration with it.
    let declared = [b"<?xml version='1.0' encoding='ISO-8859-1'?>".as_slice(), &utf8].concat();
    assert_eq!(ask(&declared)["valid"], true);
    let declared = [b"<?xml version='1.0' encoding='UTF-16'?>".as_slice(), &utf8].concat();
    assert_eq!(ask(&declared)["valid"], true);
    assert_eq!(ask(&[b"\xEF\xBB\xBF".as_slice(), &utf8].concat())["valid"], true);
    // The engine goes on after refusals.
    assert_eq!(ask(&signed)["valid"], true);
    assert_eq!(engine.end(), Some(0));
}

#[test]
fn only_the_given_key_counts() {
    let (signer, other) = (Signer::new("one"), Signer::new("other"));
    let signed = signer.sign(&document(&reference("", ENVELOPED, SHA256)), None);
    let embedded = format!(
        "</SignatureValue><KeyInfo><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo>",
        signer.certificate
    );
    let tempting = replaced(&signed, "</SignatureValue>", &embedded);
    let mut engine = Engine::start();
    assert_eq!(engine.ask(&signer.header("enveloped", &tempting), &tempting).unwrap()["valid"], true);
    assert_eq!(engine.ask(&other.header("enveloped", &tempting), &tempting).unwrap()["valid"], false);
    let mut header = signer.header("enveloped", &signed);
    header["certificate"] = json!(STANDARD.encode(b"no certificate"));
    let answer = engine.ask(&header, &signed).unwrap();
    assert_eq!(answer, json!({"id": 7, "unable": "the certificate cannot be read"}));
}

#[test]
fn what_is_not_on_the_list_is_refused_by_name() {
    let signer = Signer::new("refused");
    let file = format!("file://{}", signer.folder.join("cert.pem").display());
    let xpath = "<Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'>\
                 <XPath>not(ancestor-or-self::Name)</XPath></Transform>";
    let whole = reference("", ENVELOPED, SHA256);
    let cases = [
        (document(&reference("", "", SHA256)), "does not take out the signature"),
        (document(&reference("", &format!("{ENVELOPED}{xpath}"), SHA256)), "not on the list"),
        (document(&format!("{whole}{}", reference(&file, "", SHA256))), "something else than the document"),
        (document(&format!("{whole}{whole}")), "two references"),
        (document(&reference("", ENVELOPED, "2000/09/xmldsig#sha1")), "SHA-1"),
        (document(&whole).replace("</Head>", "<Last/></Head>"), "last child"),
        (document(&whole).replace("<Signs/>", &signature(&whole)), "more than one signature"),
        (format!("<!DOCTYPE Head []>{}", document(&whole)), "DOCTYPE"),
    ];
    let mut engine = Engine::start();
    for (template, why) in cases {
        // All of these are signed in truth: it is the policy that refuses.
        let signed = signer.sign(&template, None);
        let answer = engine.ask(&signer.header("enveloped", &signed), &signed).unwrap();
        assert_eq!(answer["valid"], false, "{why}");
        assert!(answer["why"].as_str().unwrap().contains(why), "{answer} {why}");
    }
    // SHA-1 is there for whom it is allowed.
    let old = signer.sign(&document(&reference("", ENVELOPED, "2000/09/xmldsig#sha1")), None);
    let mut header = signer.header("enveloped", &old);
    header["sha1"] = json!(true);
    assert_eq!(engine.ask(&header, &old).unwrap()["valid"], true);
}

fn envelope(references: &str) -> String {
    format!(
        "<S:Envelope xmlns:S='{SOAP}'><S:Header><To>A</To>\
         <Sync S:actor='http://schemas.xmlsoap.org/soap/actor/next'/>{}</S:Header><S:Body/></S:Envelope>",
        signature(references)
    )
}

#[test]
fn an_envelope_covers_itself_and_its_parts() {
    let signer = Signer::new("ebxml");
    let selection = format!(
        "{ENVELOPED}<Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'>\
         <XPath xmlns:S='{SOAP}'>{XPATH}</XPath></Transform>"
    );
    let references = reference("", &selection, SHA256) + &reference("cid:a%40b", "", SHA256);
    // The tool resolves percent signs before it looks into its map.
    let signed = signer.sign(&envelope(&references), Some(("a@b", b"the part")));
    let mut engine = Engine::start();
    let mut ask = |document: &[u8], parts: &[(&str, &[u8])]| {
        let mut header = signer.header("ebxml", document);
        header["attachments"] =
            parts.iter().map(|(id, b)| json!({"id": id, "length": b.len()})).collect::<Vec<_>>().into();
        let body: Vec<u8> = document.iter().chain(parts.iter().flat_map(|(_, b)| *b)).copied().collect();
        engine.ask(&header, &body).unwrap()
    };
    assert_eq!(ask(&signed, &[("a@b", b"the part")]), json!({"id": 7, "valid": true}));
    let tampered = ask(&signed, &[("a@b", b"the pary")]);
    assert_eq!(tampered, json!({"id": 7, "valid": false, "why": "digest of reference 1 differs"}));
    assert_eq!(ask(&signed, &[])["valid"], false);
    assert_eq!(ask(&signed, &[("other", b"the part")])["valid"], false);
    let uncovered = ask(&signed, &[("a@b", b"the part"), ("more", b"x")]);
    assert_eq!(uncovered["why"], "a part is not covered by any reference");
    // What is addressed to the next node is not covered; all else is.
    let extra = "<New S:actor='http://schemas.xmlsoap.org/soap/actor/next'/><To>A</To>";
    assert_eq!(ask(&replaced(&signed, "<To>A</To>", extra), &[("a@b", b"the part")])["valid"], true);
    let extra = "<New S:actor='http://example.org/'/><To>A</To>";
    assert_eq!(ask(&replaced(&signed, "<To>A</To>", extra), &[("a@b", b"the part")])["valid"], false);
    // The other prefix makes it another expression.
    let rebound = replaced(&signed, &format!("<XPath xmlns:S=\"{SOAP}\""), "<XPath xmlns:S=\"urn:other\"");
    let answer = ask(&rebound, &[("a@b", b"the part")]);
    assert_eq!(answer["why"], "the XPath transform is not the one of ebXML 2.0");
}

#[test]
fn broken_documents_are_invalid_and_broken_questions_are_not_answered() {
    let signer = Signer::new("broken");
    let mut engine = Engine::start();
    for bytes in [&b""[..], b"<", b"<a>", b"<a/><b/>", b"\0\0\0", b"<a:b/>", b"<a b='1' b='2'/>", b"<Head/>"]
    {
        let answer = engine.ask(&signer.header("enveloped", bytes), bytes).unwrap();
        assert_eq!(answer["valid"], false, "{answer}");
    }
    let deep = "<a>".repeat(200_000);
    let answer = engine.ask(&signer.header("enveloped", deep.as_bytes()), deep.as_bytes()).unwrap();
    assert_eq!(answer["valid"], false, "{answer}");
    let bomb =
        "<!DOCTYPE a [<!ENTITY a '0123456789'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><a b='&b;'/>";
    let answer = engine.ask(&signer.header("enveloped", bomb.as_bytes()), bomb.as_bytes()).unwrap();
    assert_eq!(answer["why"], "the document has a DOCTYPE");

    // It has a number, so it gets an answer.
    let answer = engine.ask(&json!({"id": 9, "shape": "round"}), b"").unwrap();
    assert_eq!(answer, json!({"id": 9, "unable": "the header cannot be read"}));
    let mut header = signer.header("enveloped", b"<a/>");
    header["document"] = json!(5);
    let answer = engine.ask(&header, b"<a/>").unwrap();
    assert_eq!(answer["unable"], "the lengths in the header do not fit the frame");

    engine.send(b"no header");
    assert_eq!(engine.answer(), None);
    assert_eq!(engine.end(), Some(2));

    let mut engine = Engine::start();
    engine.input.write_all(&u32::MAX.to_be_bytes()).unwrap();
    assert_eq!(engine.end(), Some(2));

    let mut engine = Engine::start();
    engine.input.write_all(&[0, 0, 0, 9, 1]).unwrap();
    assert_eq!(engine.end(), Some(2));
}
