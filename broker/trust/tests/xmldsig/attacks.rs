//! Forgeries of an enveloped signature: each has a name, and each is refused with its kind.

use crate::people::{people, trusted};
use crate::round_trips::{options, sign_plain, verify, verify_allowing, without_key_info};
use message_schemas::Limits;
use trust::pki::Pair;
use trust::xmldsig::{Canonical, Options, Shape, sign, signed};
use trust::{Allowed, Kind};

pub(crate) const DOCUMENT: &str = "<MsgHead xmlns=\"urn:head\" xmlns:x=\"urn:type\" Id=\"all\">\
    <Patient Id=\"p\">Kari</Patient><Dose x:type=\"x:mg\">100</Dose></MsgHead>";

/// Signed by the sender, whom we trust.
fn good() -> String {
    sign_plain(DOCUMENT, &people().sender)
}

/// The Signature element of a document.
fn signature(text: &str) -> &str {
    let start = text.find("<ds:Signature ").unwrap();
    let end = text.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    text.get(start..end).unwrap()
}

/// One replacement that must hit.
pub(crate) fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in the document");
    text.replacen(old, new, 1)
}

fn refused(name: &str, text: &str, expected: Kind) {
    match verify(text, Shape::Enveloped, &[], &people().sender) {
        Ok(_) => panic!("{name}: accepted"),
        Err(fault) => assert_eq!(fault.kind, expected, "{name}: {fault}"),
    }
}

#[test]
fn the_document_without_an_attack_is_accepted() {
    verify(&good(), Shape::Enveloped, &[], &people().sender).unwrap();
}

#[test]
fn tampering() {
    let good = good();
    let forged_digest = {
        // The attacker can make every digest right, but not the value over it.
        let forged = sign_plain(&with(DOCUMENT, "100", "900"), &people().other);
        let digest = |t: &str| {
            let (_, rest) = t.split_once("<ds:DigestValue>").unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        with(&with(&good, "100", "900"), &digest(&good), &digest(&forged))
    };
    for (name, text) in [
        ("text", with(&good, "100", "900")),
        ("attribute", with(&good, "Id=\"p\"", "Id=\"q\"")),
        ("attribute added", with(&good, "<Dose", "<Dose b=\"\"")),
        ("attribute prefix", with(&good, "x:type=", "type=")),
        ("element added", with(&good, "<Dose", "<Dose/><Dose")),
        ("element renamed", with(&with(&good, "<Dose", "<Dosis"), "</Dose", "</Dosis")),
        ("namespace renamed", with(&good, "urn:head", "urn:hood")),
        ("white space added", with(&good, "<Dose", " <Dose")),
        ("instruction in front", format!("<?evil?>{good}")),
        ("instruction inside", with(&good, "Kari", "Kari<?evil?>")),
        ("instruction behind", format!("{good}<?evil?>")),
        ("namespace declared above", with(&good, "<MsgHead", "<MsgHead xmlns:evil=\"urn:evil\"")),
        ("xml:lang above", with(&good, "<MsgHead", "<MsgHead xml:lang=\"no\"")),
        ("digest made to fit", forged_digest),
        ("SignedInfo: white space", with(&good, "<ds:SignedInfo>", "<ds:SignedInfo> ")),
        ("SignedInfo: Id", with(&good, "<ds:SignedInfo>", "<ds:SignedInfo Id=\"x\">")),
        (
            "SignedInfo: Type",
            with(&good, "<ds:Reference", "<ds:Reference Type=\"http://www.w3.org/2000/09/xmldsig#Object\""),
        ),
        (
            "no KeyInfo, digest fits",
            without_key_info(&with(&good, "<ds:SignedInfo>", "<ds:SignedInfo Id=\"x\">")),
        ),
    ] {
        refused(name, &text, Kind::SignatureInvalid);
    }
}

#[test]
fn wrapping() {
    let good = good();
    let signature = signature(&good);
    let unsigned_forgery = with(DOCUMENT, "Kari", "Ola");
    let forged = |inside: &str| with(&unsigned_forgery, "</MsgHead>", &format!("{inside}</MsgHead>"));
    let own = sign_plain(&unsigned_forgery, &people().other);
    let own_signature = self::signature(&own);
    let by_id = with(signature, "URI=\"\"", "URI=\"#all\"");
    let object = |content: &str| {
        with(signature, "</ds:Signature>", &format!("<ds:Object>{content}</ds:Object></ds:Signature>"))
    };
    let shape = Kind::SignatureShape;
    let ambiguous = Kind::SignatureAmbiguous;
    let invalid = Kind::SignatureInvalid;
    for (name, text, kind) in [
        ("01 the signature over a forged document", forged(signature), invalid),
        ("02 the signed document inside a forged one", forged(&good), shape),
        (
            "03 the signed document inside, the signature moved out",
            forged(&format!("{DOCUMENT}{signature}")),
            invalid,
        ),
        ("04 the signed document inside, both signed", forged(&format!("{good}{own_signature}")), ambiguous),
        (
            "05 the original in ds:Object, referred to by Id",
            forged(&with(&object(DOCUMENT), "URI=\"\"", "URI=\"#all\"")),
            shape,
        ),
        ("06 the original in ds:Object, empty URI", forged(&object(DOCUMENT)), shape),
        ("07 the signed original in ds:Object", forged(&object(&good)), ambiguous),
        ("08 an Id that is there twice", forged(&format!("{DOCUMENT}{by_id}")), shape),
        ("09 signature over one element", with(&good, "URI=\"\"", "URI=\"#p\""), shape),
        (
            "10 signature over one element by XPointer",
            with(&good, "URI=\"\"", "URI=\"#xpointer(id('p'))\""),
            shape,
        ),
        ("11 the whole by XPointer, comments kept", with(&good, "URI=\"\"", "URI=\"#xpointer(/)\""), shape),
        (
            "12 two signatures, the attacker's first",
            with(&good, "<ds:Signature ", &format!("{own_signature}<ds:Signature ")),
            ambiguous,
        ),
        (
            "13 two signatures, the attacker's last",
            with(&good, "</MsgHead>", &format!("{own_signature}</MsgHead>")),
            ambiguous,
        ),
        (
            "14 the same signature twice",
            with(&good, "</MsgHead>", &format!("{signature}</MsgHead>")),
            ambiguous,
        ),
        (
            "15 signature moved to the front",
            with(&with(&good, signature, ""), "<Patient", &format!("{signature}<Patient")),
            shape,
        ),
        (
            "16 element behind the signature",
            with(&good, "</MsgHead>", "<Patient>Ola</Patient></MsgHead>"),
            shape,
        ),
        (
            "17 signature inside another element",
            with(&with(&good, signature, ""), "Kari", &format!("Kari{signature}")),
            shape,
        ),
        ("18 signature as document element, original in ds:Object", object(DOCUMENT), shape),
        (
            "19 a signature inside KeyInfo",
            with(&good, "<ds:KeyInfo>", &format!("<ds:KeyInfo>{own_signature}")),
            ambiguous,
        ),
        (
            "20 an empty Signature somewhere",
            with(&good, "Kari", "Kari<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>"),
            ambiguous,
        ),
        (
            "21 two SignedInfo",
            with(&good, "<ds:SignedInfo>", &format!("<ds:SignedInfo/>{}", "<ds:SignedInfo>")),
            shape,
        ),
        (
            "22 SignedInfo of another namespace in front",
            with(&good, "<ds:SignedInfo>", "<SignedInfo xmlns=\"urn:evil\"/><ds:SignedInfo>"),
            shape,
        ),
        (
            "23 ds:Manifest in place of the document",
            with(&good, "<ds:Reference URI=\"\">", "<ds:Manifest/><ds:Reference URI=\"\">"),
            shape,
        ),
        (
            "24 valid signature of another message",
            with(&good, signature, self::signature(&sign_plain("<other/>", &people().sender))),
            invalid,
        ),
    ] {
        refused(name, &text, kind);
    }
}

#[test]
fn transforms_and_references_that_are_not_on_the_list() {
    let good = good();
    let transform = |uri: &str, content: &str| {
        let new = format!("<ds:Transforms><ds:Transform Algorithm=\"{uri}\">{content}</ds:Transform>");
        with(&good, "<ds:Transforms>", &new)
    };
    let xpath = "<ds:XPath>not(self::Patient)</ds:XPath>";
    let enveloped = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let canonical = format!("<ds:Transform Algorithm=\"{inclusive}\"/>");
    let prefixes =
        "<e:InclusiveNamespaces xmlns:e=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"x\"/>";
    let reference = {
        let (_, rest) = good.split_once("<ds:Reference").unwrap();
        format!("<ds:Reference{}</ds:Reference>", rest.split_once("</ds:Reference>").unwrap().0)
    };
    for (name, text) in [
        ("XPath", transform("http://www.w3.org/TR/1999/REC-xpath-19991116", xpath)),
        ("XPath without an expression", transform("http://www.w3.org/TR/1999/REC-xpath-19991116", "")),
        ("XPath Filter 2", transform("http://www.w3.org/2002/06/xmldsig-filter2", "")),
        ("XSLT", transform("http://www.w3.org/TR/1999/REC-xslt-19991116", "<a/>")),
        ("base64", transform("http://www.w3.org/2000/09/xmldsig#base64", "")),
        ("Canonical XML 1.1", transform("http://www.w3.org/2006/12/xml-c14n11", "")),
        ("unknown transform", transform("urn:evil", "")),
        ("no Algorithm", with(&good, "<ds:Transforms>", "<ds:Transforms><ds:Transform/>")),
        (
            "canonical form first",
            with(&with(&good, &canonical, ""), "<ds:Transforms>", &format!("<ds:Transforms>{canonical}")),
        ),
        ("canonical form twice", with(&good, &canonical, &canonical.repeat(2))),
        ("enveloped twice", with(&good, enveloped, &enveloped.repeat(2))),
        ("not enveloped", with(&good, enveloped, "")),
        ("no transforms", with(&good, &format!("<ds:Transforms>{enveloped}{canonical}</ds:Transforms>"), "")),
        (
            "prefixes for the inclusive form",
            with(
                &good,
                &canonical,
                &format!("<ds:Transform Algorithm=\"{inclusive}\">{prefixes}</ds:Transform>"),
            ),
        ),
        ("two references", with(&good, "</ds:SignedInfo>", &format!("{reference}</ds:SignedInfo>"))),
        ("no reference", with(&good, &reference, "")),
        ("reference without URI", with(&good, " URI=\"\"", "")),
        ("http reference", with(&good, "URI=\"\"", "URI=\"http://example.org/\"")),
        ("file reference", with(&good, "URI=\"\"", "URI=\"file:///etc/hostname\"")),
        ("relative reference", with(&good, "URI=\"\"", "URI=\"other.xml\"")),
        ("attachment in an enveloped signature", with(&good, "URI=\"\"", "URI=\"cid:a\"")),
        (
            "second reference, by Id",
            with(
                &good,
                "</ds:SignedInfo>",
                &format!("{}</ds:SignedInfo>", with(&reference, "URI=\"\"", "URI=\"#p\"")),
            ),
        ),
        ("attribute on Reference", with(&good, "URI=\"\"", "URI=\"\" evil=\"\"")),
        ("element in DigestMethod", with(&good, "<ds:DigestValue>", "<ds:DigestMethod/><ds:DigestValue>")),
        (
            "SignatureValue in front",
            with(&good, "<ds:SignedInfo>", "<ds:SignatureValue>AA==</ds:SignatureValue><ds:SignedInfo>"),
        ),
        ("no SignatureValue", {
            let (before, rest) = good.split_once("<ds:SignatureValue>").unwrap();
            format!("{before}{}", rest.split_once("</ds:SignatureValue>").unwrap().1)
        }),
    ] {
        refused(name, &text, Kind::SignatureShape);
    }
}

#[test]
fn comments_and_entities() {
    let good = good();
    for value in ["DigestValue", "SignatureValue", "X509Certificate"] {
        for aside in ["<!---->", "<!--AAAA-->", "<?x?>"] {
            let tag = format!("<ds:{value}>");
            refused(value, &with(&good, &tag, &format!("{tag}AAAA{aside}")), Kind::SignatureShape);
            refused(value, &with(&good, &tag, &format!("{tag}{aside}")), Kind::SignatureShape);
        }
    }
    for (name, text) in [
        ("DOCTYPE", format!("<!DOCTYPE MsgHead>{good}")),
        ("entity", format!("<!DOCTYPE MsgHead [<!ENTITY e 'Kari'>]>{}", with(&good, "Kari", "&e;"))),
        ("external entity", format!("<!DOCTYPE MsgHead SYSTEM 'http://example.org/x'>{good}")),
        ("attribute default", format!("<!DOCTYPE MsgHead [<!ATTLIST Dose unit CDATA 'g'>]>{good}")),
        ("entity without DOCTYPE", with(&good, "Kari", "&e;")),
        ("value not base64", with(&good, "<ds:SignatureValue>", "<ds:SignatureValue>*")),
        ("value without padding", with(&good, "==</ds:SignatureValue>", "</ds:SignatureValue>")),
        ("value with more behind", with(&good, "</ds:SignatureValue>", "AAAA</ds:SignatureValue>")),
        ("element in a value", with(&good, "</ds:DigestValue>", "<x/></ds:DigestValue>")),
        ("text between", with(&good, "</ds:SignedInfo>", "</ds:SignedInfo>text")),
    ] {
        refused(name, &text, Kind::SignatureShape);
    }
    // A comment inside a value of the document is not covered, and does not come along: the text stands together.
    let text = with(&good, "100", "1<!-- 9 -->00");
    let covered = verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
    assert!(String::from_utf8(covered).unwrap().contains(">100<"));
    // White space, line ends and references in values change nothing.
    let text = with(&good, "<ds:SignatureValue>", "<ds:SignatureValue>\r\n &#13;&#xA;\t");
    verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
}

#[test]
fn algorithms_that_are_not_allowed() {
    let good = good();
    let (rsa, sha) =
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256");
    for method in [
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2009/xmldsig11#dsa-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "urn:none",
        "",
    ] {
        refused(method, &with(&good, rsa, method), Kind::AlgorithmNotAllowed);
    }
    for method in ["http://www.w3.org/2001/04/xmldsig-more#md5", "http://www.w3.org/2000/09/xmldsig#sha1", ""]
    {
        refused(method, &with(&good, sha, method), Kind::AlgorithmNotAllowed);
    }
    for method in ["http://www.w3.org/2006/12/xml-c14n11", "http://www.w3.org/2010/xml-c14n2", "urn:none"] {
        let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
        refused(method, &with(&good, inclusive, method), Kind::AlgorithmNotAllowed);
    }
    // A fault names the algorithm, but never repeats what the sender wrote.
    let fault = verify(&with(&good, rsa, "urn:Kari"), Shape::Enveloped, &[], &people().sender).unwrap_err();
    assert!(!fault.message.contains("Kari"), "{fault}");
    let hmac = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
    let fault = verify(&with(&good, rsa, hmac), Shape::Enveloped, &[], &people().sender).unwrap_err();
    assert!(fault.message.contains("HMAC-SHA256"), "{fault}");
}

#[test]
fn another_algorithm_than_was_signed_with() {
    let good = good();
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    for other in [
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    ] {
        refused(other, &with(&good, rsa, other), Kind::SignatureInvalid);
    }
}

#[test]
fn keys_that_come_with_the_message() {
    let people = people();
    let own = sign_plain(DOCUMENT, &people.other);
    refused("the attacker's certificate", &own, Kind::SignerUnknown);
    refused("the attacker's key without a certificate", &without_key_info(&own), Kind::SignatureInvalid);
    let certificate = |pair: &Pair| {
        let text = sign_plain("<a/>", pair);
        let (_, rest) = text.split_once("<ds:X509Certificate>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let (theirs, ours) = (certificate(&people.other), certificate(&people.sender));
    let both = format!("{ours}</ds:X509Certificate><ds:X509Certificate>{theirs}");
    refused(
        "the sender's certificate beside the attacker's",
        &with(&own, &theirs, &both),
        Kind::SignatureInvalid,
    );
    refused("the sender's certificate instead", &with(&own, &theirs, &ours), Kind::SignatureInvalid);
    let key_value = "<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus>\
                     <ds:Exponent>AQ==</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>\
                     <ds:RetrievalMethod URI=\"http://example.org/\"/><ds:X509Data><ds:X509SubjectName>x\
                     </ds:X509SubjectName></ds:X509Data>";
    let text = with(&own, "<ds:KeyInfo>", key_value);
    refused("KeyValue beside", &text, Kind::SignerUnknown);
    // And the sender's own signature holds whatever else stands in KeyInfo.
    let text = with(&good(), "<ds:KeyInfo>", key_value);
    verify(&text, Shape::Enveloped, &[], &people.sender).unwrap();
    let garbage = format!("AAAA</ds:X509Certificate><ds:X509Certificate>{ours}");
    let text = with(&good(), &ours, &garbage);
    verify(&text, Shape::Enveloped, &[], &people.sender).unwrap();
}

#[test]
fn values_that_are_no_signatures() {
    let allowed = Allowed::default();
    for pair in [&people().sender, &people().p256, &people().p384] {
        let good = sign_plain(DOCUMENT, pair);
        let (before, rest) = good.split_once("<ds:SignatureValue>").unwrap();
        let (_, after) = rest.split_once("</ds:SignatureValue>").unwrap();
        for length in [1, 3, 63, 64, 65, 72, 96, 255, 256, 257, 3000] {
            for byte in [0, 1, 0xFF] {
                use base64::Engine as _;
                let value = base64::engine::general_purpose::STANDARD.encode(vec![byte; length]);
                let text = format!("{before}<ds:SignatureValue>{value}</ds:SignatureValue>{after}");
                let fault = verify_allowing(allowed, &text, Shape::Enveloped, &[], pair).unwrap_err();
                assert_eq!(fault.kind, Kind::SignatureInvalid, "{length} of {byte}");
            }
        }
    }
}

#[test]
fn no_signature_and_one_in_another_namespace() {
    refused("none", DOCUMENT, Kind::NotSigned);
    refused("none, and none could be", "<a xmlns='relative'/>", Kind::NotSigned);
    let text = good().replace("http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2000/09/xmldsig");
    refused("almost the namespace", &text, Kind::NotSigned);
    let text = good().replacen("xmldsig#\"", "xmldsig&#35;\"", 1);
    verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
}

#[test]
fn the_exclusive_form_lets_nothing_in_that_is_not_covered() {
    let key = people().sender.private_key();
    let good = sign(DOCUMENT, &*key, &options(Shape::Enveloped, true), &[], &Limits::default()).unwrap();
    // A declaration that nothing uses by name is not covered, so it does not go on.
    let text = with(&good, "<Dose", "<Dose xmlns:evil=\"urn:evil\"");
    let covered = verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
    assert!(!String::from_utf8(covered).unwrap().contains("evil"));
    // A prefix that stands in values only comes to mean something else: the new meaning does not go on either.
    let document = with(DOCUMENT, "x:type=\"x:mg\"", "type=\"x:mg\"");
    let good = sign(&document, &*key, &options(Shape::Enveloped, true), &[], &Limits::default()).unwrap();
    let text = with(&good, "urn:type", "urn:evil");
    let covered = verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
    assert!(!String::from_utf8(covered).unwrap().contains("urn:evil"), "x is bound to nothing");
    // Listed, it is covered.
    let canonical = Canonical { exclusive: true, comments: false, prefixes: vec!["x".into()] };
    let options = Options { shape: Shape::Enveloped, canonical, algorithm: None };
    let good = sign(&document, &*key, &options, &[], &Limits::default()).unwrap();
    verify(&good, Shape::Enveloped, &[], &people().sender).unwrap();
    refused("a listed prefix", &with(&good, "urn:type", "urn:evil"), Kind::SignatureInvalid);
}

#[test]
fn a_wrong_guess_at_the_form_changes_nothing() {
    let lie = "<!-- SignedInfo Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"a b\" \
               Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#WithComments' SignedInfo -->";
    for exclusive in [false, true] {
        let key = people().sender.private_key();
        let options = options(Shape::Enveloped, exclusive);
        let good = sign(DOCUMENT, &*key, &options, &[], &Limits::default()).unwrap();
        for text in [format!("{good}{lie}"), with(&good, "</MsgHead>", &format!("{lie}</MsgHead>"))] {
            let covered = verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
            assert!(!String::from_utf8(covered).unwrap().contains("SignedInfo"));
            refused("lied to", &with(&text, "Kari", "Ola"), Kind::SignatureInvalid);
        }
    }
}

#[test]
fn bounds() {
    let good = good();
    let many = |what: &str, count: usize| what.repeat(count);
    for (name, text) in [
        ("large KeyInfo", with(&good, "<ds:KeyInfo>", &format!("<ds:KeyInfo><a>{}</a>", many("x", 300_000)))),
        (
            "many elements in KeyInfo",
            with(&good, "<ds:KeyInfo>", &format!("<ds:KeyInfo>{}", many("<a/>", 100_000))),
        ),
        (
            "many certificates",
            with(
                &good,
                "<ds:X509Data>",
                &format!("<ds:X509Data>{}", many("<ds:X509Certificate>AAAA</ds:X509Certificate>", 21)),
            ),
        ),
        (
            "many references",
            with(
                &good,
                "<ds:Reference",
                &format!(
                    "{}<ds:Reference",
                    many(
                        "<ds:Reference URI=\"\"><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
             <ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>",
                        201
                    )
                ),
            ),
        ),
        (
            "large value",
            with(&good, "<ds:SignatureValue>", &format!("<ds:SignatureValue>{}", many("A", 300_000))),
        ),
    ] {
        refused(name, &text, Kind::LimitExceeded);
    }
    let small = Limits { message_bytes: 100, ..Limits::default() };
    let fault = signed(&good, Shape::Enveloped, &[], Allowed::default(), &small).unwrap_err();
    assert_eq!(fault.kind, Kind::LimitExceeded);
}

/// The work for many namespaces and attributes must not grow with their square: some hundred kilobytes of them are read in a moment,
/// in both forms.
#[test]
fn many_namespaces_and_attributes_are_no_bomb() {
    let declarations: String = (0..190).map(|n| format!(" xmlns:p{n}=\"urn:{n}\"")).collect();
    let attributes: String = (0..190).rev().map(|n| format!(" p{n}:a=\"\"")).collect();
    let inner = format!("<b{attributes}/>").repeat(100) + &"<p0:c xmlns=\"urn:d\"/>".repeat(2_000);
    let document = format!("<a{declarations}>{inner}</a>");
    let prefixes = (0..64).map(|n| format!("p{n}")).collect();
    let key = people().p256.private_key();
    for canonical in [Canonical::default(), Canonical { exclusive: true, comments: false, prefixes }] {
        let options = Options { shape: Shape::Enveloped, canonical, algorithm: None };
        let text = sign(&document, &*key, &options, &[], &Limits::default()).unwrap();
        verify(&text, Shape::Enveloped, &[], &people().p256).unwrap();
    }
}

/// The exclusive form declares a prefix again at every sibling: few bytes of a document become many.
#[test]
fn a_long_namespace_written_again_and_again_is_no_bomb() {
    let long = "x".repeat(90_000);
    let document = format!("<a xmlns:p=\"urn:{long}\">{}</a>", "<p:b/>".repeat(50_000));
    let key = people().p256.private_key();
    let inclusive =
        sign(&document, &*key, &options(Shape::Enveloped, false), &[], &Limits::default()).unwrap();
    verify(&inclusive, Shape::Enveloped, &[], &people().p256).unwrap();
    let exclusive = with(
        &inclusive,
        "<ds:Transform Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/>",
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
    );
    refused("bomb", &exclusive, Kind::LimitExceeded);
}

#[test]
fn every_cut_and_every_changed_byte_is_refused_or_changes_nothing() {
    let pair = &people().p256;
    let good = sign_plain(DOCUMENT, pair);
    let trust = trusted(pair);
    let expected = verify(&good, Shape::Enveloped, &[], pair).unwrap();
    let outcome = |text: &str| {
        let read = signed(text, Shape::Enveloped, &[], Allowed::default(), &Limits::default());
        read.ok().flatten().and_then(|s| s.verify(&trust).ok()).map(trust::Verified::into_inner)
    };
    for at in 0..good.len() {
        assert_eq!(outcome(good.get(..at).unwrap()), None, "cut at {at}");
        for with in ['\0', ' ', 'A', '<'] {
            let mut changed: Vec<char> = good.chars().collect();
            changed[at] = with;
            let changed: String = changed.into_iter().collect();
            // Within KeyInfo, or one blank for another: what is covered stays the same.
            if let Some(covered) = outcome(&changed) {
                assert_eq!(covered, expected, "{with:?} at {at}");
            }
        }
    }
}
