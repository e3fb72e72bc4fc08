//! Forgeries of an ebXML signature: each has a name, and each is refused with its kind.

use crate::attacks::with;
use crate::people::people;
use crate::round_trips::{ENVELOPE, options, verify};
use message_schemas::Limits;
use trust::Kind;
use trust::xmldsig::{Attachment, Shape, sign};

const PARTS: [Attachment<'static>; 2] =
    [Attachment { id: "a@x", bytes: b"first" }, Attachment { id: "b@x", bytes: b"second" }];

fn good() -> String {
    let key = people().sender.private_key();
    sign(ENVELOPE, &*key, &options(Shape::Ebxml, false), &PARTS, &Limits::default()).unwrap()
}

fn refused(name: &str, text: &str, parts: &[Attachment<'_>], expected: Kind) {
    match verify(text, Shape::Ebxml, parts, &people().sender) {
        Ok(_) => panic!("{name}: accepted"),
        Err(fault) => assert_eq!(fault.kind, expected, "{name}: {fault}"),
    }
}

fn signature(text: &str) -> String {
    let (_, rest) = text.split_once("<ds:Signature ").unwrap();
    format!("<ds:Signature {}</ds:Signature>", rest.split_once("</ds:Signature>").unwrap().0)
}

const NEXT_MSH: &str = "SOAP:actor=\"urn:oasis:names:tc:ebxml-msg:actor:nextMSH\"";

#[test]
fn attachments() {
    let good = good();
    let [a, b] = PARTS;
    verify(&good, Shape::Ebxml, &PARTS, &people().sender).unwrap();
    let part = |id, bytes| Attachment { id, bytes };
    for (name, parts, kind) in [
        ("none came", vec![], Kind::SignatureShape),
        ("one is missing", vec![a], Kind::SignatureShape),
        ("one more", vec![a, b, part("c@x", b"third")], Kind::NotCovered),
        ("one more without an id", vec![a, b, part("", b"third")], Kind::NotCovered),
        ("one changed", vec![a, part("b@x", b"forged")], Kind::SignatureInvalid),
        ("exchanged", vec![part("a@x", b"second"), part("b@x", b"first")], Kind::SignatureInvalid),
        ("one id twice, the right one first", vec![a, b, part("b@x", b"forged")], Kind::SignatureShape),
        ("one id twice, the right one last", vec![part("a@x", b"forged"), a, b], Kind::SignatureInvalid),
        ("letters of another case", vec![a, part("B@x", b"second")], Kind::NotCovered),
        ("brackets", vec![a, part("<b@x>", b"second")], Kind::NotCovered),
    ] {
        refused(name, &good, &parts, kind);
    }
    let (_, reference) = good.split_once("<ds:Reference URI=\"cid:a@x\">").unwrap();
    let reference = format!(
        "<ds:Reference URI=\"cid:a@x\">{}</ds:Reference>",
        reference.split_once("</ds:Reference>").unwrap().0
    );
    let empty = "<ds:Reference URI=\"cid:a@x\"><ds:Transforms/>";
    let transformed = "<ds:Reference URI=\"cid:a@x\"><ds:Transforms>\
        <ds:Transform Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/></ds:Transforms>";
    let start = "<ds:Reference URI=\"cid:a@x\">";
    for (name, text, kind) in [
        (
            "referred to twice",
            with(&good, "</ds:SignedInfo>", &format!("{reference}</ds:SignedInfo>")),
            Kind::SignatureShape,
        ),
        (
            "the same, percent-encoded",
            with(
                &good,
                "</ds:SignedInfo>",
                &format!("{}</ds:SignedInfo>", with(&reference, "cid:a@x", "cid:%61@x")),
            ),
            Kind::SignatureShape,
        ),
        ("bad percent", with(&good, "cid:a@x", "cid:%6"), Kind::SignatureShape),
        ("signs in a percent", with(&good, "cid:a@x", "cid:%+1@x"), Kind::SignatureShape),
        ("no reference to it", with(&good, &reference, ""), Kind::NotCovered),
        ("canonical form of an attachment", with(&good, start, transformed), Kind::SignatureShape),
        // As some senders write it; here it was not what was signed.
        ("empty transforms, added", with(&good, start, empty), Kind::SignatureInvalid),
        ("CID", with(&good, "cid:a@x", "CID:a@x"), Kind::SignatureShape),
        ("mid", with(&good, "cid:a@x", "mid:a@x"), Kind::SignatureShape),
        (
            "only attachments",
            with(&good, "<ds:Reference URI=\"\">", "<ds:Reference URI=\"cid:c\">"),
            Kind::SignatureShape,
        ),
    ] {
        refused(name, &text, &PARTS, kind);
    }
}

#[test]
fn the_document_itself_is_not_covered() {
    let good = good();
    let (before, rest) = good.split_once("<ds:Reference URI=\"\">").unwrap();
    let (_, after) = rest.split_once("</ds:Reference>").unwrap();
    refused("only attachments", &format!("{before}{after}"), &PARTS, Kind::NotCovered);
}

#[test]
fn wrapping() {
    let good = good();
    let signature = signature(&good);
    let bare = with(&good, &signature, "");
    let own = {
        let key = people().other.private_key();
        let options = options(Shape::Ebxml, false);
        sign(ENVELOPE, &*key, &options, &PARTS, &Limits::default()).unwrap()
    };
    let own_signature = self::signature(&own);
    let shape = Kind::SignatureShape;
    let soap = "xmlns:SOAP=\"http://schemas.xmlsoap.org/soap/envelope/\"";
    for (name, text, kind) in [
        ("01 in the Body", with(&bare, "<SOAP:Body>", &format!("<SOAP:Body>{signature}")), shape),
        ("02 beside the Header", with(&bare, "<SOAP:Body>", &format!("{signature}<SOAP:Body>")), shape),
        ("03 inside MessageHeader", with(&bare, ">x<", &format!(">x{signature}<")), shape),
        (
            "04 inside a block for the next node",
            with(&bare, "</SOAP:Header>", &format!("<e {NEXT_MSH}>{signature}</e></SOAP:Header>")),
            shape,
        ),
        (
            "05 in a Header inside the Body",
            with(&bare, "<SOAP:Body>", &format!("<SOAP:Body><SOAP:Header>{signature}</SOAP:Header>")),
            shape,
        ),
        (
            "06 in a second Header",
            with(&bare, "<SOAP:Body>", &format!("<SOAP:Header>{signature}</SOAP:Header><SOAP:Body>")),
            shape,
        ),
        (
            "07 a second Header without it",
            with(
                &good,
                "<SOAP:Body>",
                "<SOAP:Header><eb:MessageHeader>forged</eb:MessageHeader></SOAP:Header><SOAP:Body>",
            ),
            shape,
        ),
        (
            "08 the Header for the next node",
            with(&good, "<SOAP:Header>", &format!("<SOAP:Header {NEXT_MSH}>")),
            shape,
        ),
        (
            "09 the envelope for the next node",
            with(
                &good,
                "<SOAP:Envelope ",
                &format!("<SOAP:Envelope {soap} {NEXT_MSH} ").replace(&format!("{soap} "), ""),
            ),
            shape,
        ),
        (
            "10 the envelope inside another",
            format!("<SOAP:Envelope {soap}><SOAP:Header/><SOAP:Body>{good}</SOAP:Body></SOAP:Envelope>"),
            shape,
        ),
        (
            "11 the envelope inside another, the signature moved out",
            format!(
                "<SOAP:Envelope {soap}><SOAP:Header>{signature}</SOAP:Header><SOAP:Body>{bare}</SOAP:Body></SOAP:Envelope>"
            ),
            Kind::SignatureInvalid,
        ),
        (
            "12 two signatures",
            with(&good, "</SOAP:Header>", &format!("{own_signature}</SOAP:Header>")),
            Kind::SignatureAmbiguous,
        ),
        (
            "13 two signatures, one for the next node",
            with(&good, "</SOAP:Header>", &format!("<e {NEXT_MSH}>{own_signature}</e></SOAP:Header>")),
            Kind::SignatureAmbiguous,
        ),
        (
            "14 an envelope that is none",
            good.replace(
                "http://schemas.xmlsoap.org/soap/envelope/",
                "http://www.w3.org/2003/05/soap-envelope",
            ),
            shape,
        ),
        (
            "15 signed block passed off as one for the next node",
            with(&good, "<eb:MessageHeader ", &format!("<eb:MessageHeader {NEXT_MSH} ")),
            Kind::SignatureInvalid,
        ),
        (
            "16 Body passed off as for the next node",
            with(&good, "<SOAP:Body>", &format!("<SOAP:Body {NEXT_MSH}>")),
            Kind::SignatureInvalid,
        ),
        (
            "17 forged block for nobody in particular",
            with(&good, "</SOAP:Header>", "<eb:Forged/></SOAP:Header>"),
            Kind::SignatureInvalid,
        ),
        (
            "18 forged block for another actor",
            with(&good, "</SOAP:Header>", "<e SOAP:actor=\"urn:evil\"/></SOAP:Header>"),
            Kind::SignatureInvalid,
        ),
        (
            "19 actor of no namespace",
            with(&good, "</SOAP:Header>", &format!("<e {}/></SOAP:Header>", NEXT_MSH.replace("SOAP:", ""))),
            Kind::SignatureInvalid,
        ),
        ("20 signed by somebody else", own, Kind::SignerUnknown),
    ] {
        refused(name, &text, &PARTS, kind);
    }
    // Neither shape passes for the other.
    let fault = verify(&good, Shape::Enveloped, &[], &people().sender).unwrap_err();
    assert_eq!(fault.kind, shape);
    let enveloped = crate::round_trips::sign_plain(ENVELOPE, &people().sender);
    refused("enveloped", &enveloped, &[], shape);
}

#[test]
fn only_the_one_expression() {
    let good = good();
    let start = good.find("not(ancestor").unwrap();
    let end = good.find("</ds:XPath>").unwrap();
    let expression = good.get(start..end).unwrap();
    let changed = |new: &str| with(&good, expression, new);
    let side = "ancestor-or-self::node()[@SOAP-ENV:actor=\"urn:oasis:names:tc:ebxml-msg:actor:nextMSH\"]";
    for (name, text) in [
        ("nothing", changed("")),
        ("true", changed("true()")),
        ("one side", changed(&format!("not({side})"))),
        ("three sides", changed(&expression.replace(side, &format!("{side} | {side}")))),
        ("the same side twice", changed(&format!("not({side}|{side})"))),
        ("an alternative", changed(&format!("{expression} or true()"))),
        ("a condition", changed(&format!("{expression} and not(self::Patient)"))),
        ("another actor", changed(&expression.replace("nextMSH", "toPartyMSH"))),
        ("a blank in the actor", changed(&expression.replace(":nextMSH", ": nextMSH"))),
        ("not the ancestors", changed(&expression.replacen("ancestor-or-self", "self", 1))),
        ("another prefix", changed(&expression.replace("SOAP-ENV:", "eb:"))),
        ("no prefix", changed(&expression.replace("SOAP-ENV:", ""))),
        ("a comment in it", changed(&expression.replacen('(', "(<!---->", 1))),
        (
            "the prefix bound to something else",
            with(
                &good,
                "xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\"",
                "xmlns:SOAP-ENV=\"urn:evil\"",
            ),
        ),
        (
            "the prefix not bound",
            with(&good, " xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\"", ""),
        ),
    ] {
        refused(name, &text, &PARTS, Kind::SignatureShape);
    }
    // Written otherwise, it is still this one; but then it is not what was signed.
    for (name, text) in [
        ("blanks", changed(&expression.replace('(', " ( \n"))),
        ("other quotes", changed(&expression.replace('"', "'"))),
        ("another prefix for SOAP", changed(&expression.replace("SOAP-ENV:", "SOAP:"))),
    ] {
        refused(name, &text, &PARTS, Kind::SignatureInvalid);
    }
}
