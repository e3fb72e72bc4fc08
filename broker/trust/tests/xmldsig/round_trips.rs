//! Signed by us, verified by us: every algorithm, form and shape.

use crate::people::{people, trusted};
use message_schemas::Limits;
use std::sync::Arc;
use trust::pki::Pair;
use trust::xmldsig::{Attachment, Canonical, Options, Shape, canonicalize, sign, signed};
use trust::{Allowed, Digest, Fault, Kind, SignatureAlgorithm};

pub(crate) const DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?pi x?>\n<!-- before -->\n\
    <m:Message xmlns:m='urn:m' xmlns=\"urn:d\" xmlns:unused=\"urn:u\" xml:lang=\"no\" b='2' a='1'>\r\n  \
    <Name>Kari &amp; <!-- inside -->Ola &lt;3</Name>\n  <m:Value xmlns:t=\"urn:t\" type=\"t:x\">\r12&#13;</m:Value>\n\
    </m:Message>\n<!-- behind -->";

pub(crate) const ENVELOPE: &str = "<SOAP:Envelope xmlns:SOAP=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:eb=\"urn:eb\"><SOAP:Header><eb:MessageHeader SOAP:mustUnderstand=\"1\">x</eb:MessageHeader>\
    <eb:SyncReply SOAP:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"/></SOAP:Header>\
    <SOAP:Body><eb:Manifest/></SOAP:Body></SOAP:Envelope>";

pub(crate) fn options(shape: Shape, exclusive: bool) -> Options {
    Options { shape, canonical: Canonical { exclusive, ..Canonical::default() }, algorithm: None }
}

/// Signs an enveloped signature in the usual way.
pub(crate) fn sign_plain(text: &str, pair: &Pair) -> String {
    sign(text, &*pair.private_key(), &options(Shape::Enveloped, false), &[], &Limits::default()).unwrap()
}

/// Verifies to the end, with SHA-1 not allowed.
pub(crate) fn verify(
    text: &str,
    shape: Shape,
    attachments: &[Attachment<'_>],
    signer: &Pair,
) -> Result<Vec<u8>, Fault> {
    verify_allowing(Allowed::default(), text, shape, attachments, signer)
}

pub(crate) fn verify_allowing(
    allowed: Allowed,
    text: &str,
    shape: Shape,
    attachments: &[Attachment<'_>],
    signer: &Pair,
) -> Result<Vec<u8>, Fault> {
    let Some(signed) = signed(text, shape, attachments, allowed, &Limits::default())? else {
        return Err(Fault::new(Kind::NotSigned, "none", "none"));
    };
    signed.verify(&trusted(signer)).map(trust::Verified::into_inner)
}

#[test]
fn what_is_signed_verifies_and_gives_the_covered_bytes() {
    for exclusive in [false, true] {
        let text = {
            let options = options(Shape::Enveloped, exclusive);
            sign(DOCUMENT, &*people().sender.private_key(), &options, &[], &Limits::default()).unwrap()
        };
        assert!(text.starts_with(DOCUMENT.split("</m:Message>").next().unwrap()), "every other byte stays");
        assert!(text.ends_with("</ds:Signature></m:Message>\n<!-- behind -->"));
        let covered = verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
        let form = Canonical { exclusive, ..Canonical::default() };
        assert_eq!(covered, canonicalize(DOCUMENT, &form, &Limits::default()).unwrap());
    }
}

#[test]
fn every_algorithm_makes_the_round_trip_and_no_other_key_fits() {
    use Digest::{Sha1, Sha256, Sha384, Sha512};
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1, RsaPss};
    let people = people();
    for digest in [Sha1, Sha256, Sha384, Sha512] {
        for (algorithm, pair) in [
            (RsaPkcs1(digest), &people.sender),
            (RsaPss(digest), &people.sender),
            (Ecdsa(digest), &people.p256),
            (Ecdsa(digest), &people.p384),
        ] {
            let options = Options { algorithm: Some(algorithm), ..options(Shape::Enveloped, true) };
            let text = sign(DOCUMENT, &*pair.private_key(), &options, &[], &Limits::default()).unwrap();
            let allowed = Allowed { sha1: true, ..Allowed::default() };
            let again =
                || signed(&text, Shape::Enveloped, &[], allowed, &Limits::default()).unwrap().unwrap();
            assert_eq!((again().algorithm, again().digest), (algorithm, digest));
            let verified = again().verify(&trusted(pair)).unwrap();
            assert_eq!(verified.proof().algorithm, algorithm);
            assert!(Arc::ptr_eq(pair.certificate(), verified.proof().signer.certificate()));
            for stranger in [&people.other, &people.p256, &people.p384] {
                if stranger.certificate().thumbprint != pair.certificate().thumbprint {
                    let fault = again().verify(&trusted(stranger)).unwrap_err();
                    assert_eq!(fault.kind, Kind::SignerUnknown);
                    // Without a certificate in KeyInfo it is the value that does not hold.
                    let bare = without_key_info(&text);
                    let bare =
                        signed(&bare, Shape::Enveloped, &[], allowed, &Limits::default()).unwrap().unwrap();
                    assert_eq!(bare.verify(&trusted(stranger)).unwrap_err().kind, Kind::SignatureInvalid);
                }
            }
            if digest == Sha1 {
                let fault = verify(&text, Shape::Enveloped, &[], pair).unwrap_err();
                assert_eq!(fault.kind, Kind::AlgorithmNotAllowed);
            }
        }
    }
}

pub(crate) fn without_key_info(text: &str) -> String {
    let (before, rest) = text.split_once("<ds:KeyInfo>").unwrap();
    let (_, after) = rest.split_once("</ds:KeyInfo>").unwrap();
    format!("{before}{after}")
}

#[test]
fn a_key_that_cannot_do_it_says_so() {
    let people = people();
    let rsa = SignatureAlgorithm::RsaPkcs1(Digest::Sha256);
    let options = Options { algorithm: Some(rsa), ..options(Shape::Enveloped, false) };
    let fault = sign(DOCUMENT, &*people.p256.private_key(), &options, &[], &Limits::default()).unwrap_err();
    assert_eq!(fault.kind, Kind::CannotSeal);
}

#[test]
fn every_form_of_canonical_xml_makes_the_round_trip() {
    for exclusive in [false, true] {
        for comments in [false, true] {
            for prefixes in [vec![], vec!["t".to_owned(), "#default".to_owned()], vec!["ds".to_owned()]] {
                let canonical = Canonical { exclusive, comments, prefixes };
                for (shape, text) in [(Shape::Enveloped, DOCUMENT), (Shape::Ebxml, ENVELOPE)] {
                    let options = Options { shape, canonical: canonical.clone(), algorithm: None };
                    let key = people().sender.private_key();
                    let text = sign(text, &*key, &options, &[], &Limits::default()).unwrap();
                    verify(&text, shape, &[], &people().sender).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_document_element_without_content_gets_an_end_tag() {
    for text in ["<a/>", "<a></a>", "<a x='/>'/>", "<p:a xmlns:p='urn:u' />", "<a>/></a>"] {
        let signed = sign_plain(text, &people().sender);
        let covered = verify(&signed, Shape::Enveloped, &[], &people().sender).unwrap();
        assert_eq!(covered, canonicalize(text, &Canonical::default(), &Limits::default()).unwrap(), "{text}");
    }
}

#[test]
fn what_cannot_be_signed_is_told() {
    let signed_already = sign_plain(DOCUMENT, &people().sender);
    let refused = |text: &str, shape, attachments: &[Attachment<'_>]| {
        let key = people().sender.private_key();
        let fault = sign(text, &*key, &options(shape, false), attachments, &Limits::default()).unwrap_err();
        assert_eq!(fault.kind, Kind::CannotSeal, "{text}");
    };
    let part = [Attachment { id: "a", bytes: b"x" }];
    refused(&signed_already, Shape::Enveloped, &[]);
    refused("<a>", Shape::Enveloped, &[]);
    refused("<!DOCTYPE a><a/>", Shape::Enveloped, &[]);
    refused(DOCUMENT, Shape::Ebxml, &[]);
    refused(DOCUMENT, Shape::Enveloped, &part);
}

#[test]
fn an_envelope_is_signed_with_its_attachments_and_without_what_is_for_the_next_node() {
    let parts = [
        Attachment { id: "one@example", bytes: b"first" },
        Attachment { id: "100%25 \u{e6}&\"@example", bytes: b"" },
    ];
    for exclusive in [false, true] {
        let key = people().sender.private_key();
        let options = options(Shape::Ebxml, exclusive);
        let text = sign(ENVELOPE, &*key, &options, &parts, &Limits::default()).unwrap();
        let covered = verify(&text, Shape::Ebxml, &parts, &people().sender).unwrap();
        assert!(!String::from_utf8(covered).unwrap().contains("SyncReply"));
        // In any order.
        let turned = [parts[1], parts[0]];
        verify(&text, Shape::Ebxml, &turned, &people().sender).unwrap();
        // The next node may add and take away what is for it, anywhere but inside the signature.
        let block = "<x xmlns:S='http://schemas.xmlsoap.org/soap/envelope/' \
                     S:actor='urn:oasis:names:tc:ebxml-msg:actor:nextMSH'><y>text</y></x>";
        for place in ["<SOAP:Header>", "</ds:Signature>", "<SOAP:Body>"] {
            let changed = text.replace(place, &format!("{place}{block}"));
            verify(&changed, Shape::Ebxml, &parts, &people().sender).unwrap();
        }
    }
}

#[test]
fn xml_attributes_above_count_in_the_inclusive_form() {
    // The signature is found right after `xml:lang` of the document element came down to SignedInfo: without it the
    // value would not hold, as the oracle beside this test shows.
    let text = sign_plain("<a xml:lang='no' xml:space='default'/>", &people().sender);
    verify(&text, Shape::Enveloped, &[], &people().sender).unwrap();
    let changed = text.replace("xml:lang='no'", "xml:lang='se'");
    let fault = verify(&changed, Shape::Enveloped, &[], &people().sender).unwrap_err();
    assert_eq!(fault.kind, Kind::SignatureInvalid);
}
