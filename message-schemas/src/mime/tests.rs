//! Packages, and what is none.

use super::{Malformed, unpack};
use crate::Limits;

fn told(bytes: &[u8], content_type: Option<&str>) -> Result<Vec<String>, Malformed> {
    let package = unpack(bytes, content_type, &Limits::default())?;
    Ok(std::iter::once(&package.root)
        .chain(&package.parts)
        .map(|p| {
            let text = String::from_utf8_lossy(&p.bytes);
            format!(
                "{}|{}|{text:?}",
                p.id.as_deref().unwrap_or("-"),
                p.content_type.as_deref().unwrap_or("-")
            )
        })
        .collect())
}

const RELATED: &str =
    "Content-type: MULTIPART/Related; start=\"<soap@x>\"; boundary=\"b b\"; type=\"text/xml\"";

#[test]
fn parts_are_cut_byte_for_byte() {
    let body = "preamble\r\n--b b\r\nContent-Type: application/pkcs7-mime; smime-type=\"enveloped-data\"\r\n\
                Content-Id:  <part@x>\r\ncontent-transfer-encoding: BASE64\r\n\r\nAAEC\r\n/w==\r\n\r\n--b b \t\r\n\
                Content-Type: text/xml; charset=UTF-8\r\nContent-ID: soap@x\r\n\r\n<a>\r\n--b bad\r\n x--b b\r\n\
                </a>\r\n\r\n--b b--\r\nepilogue --b b";
    let expected = [
        "soap@x|text/xml|\"<a>\\r\\n--b bad\\r\\n x--b b\\r\\n</a>\\r\\n\"",
        "part@x|application/pkcs7-mime|\"\\0\\u{1}\\u{2}\u{FFFD}\"",
    ];
    let whole = format!("{RELATED}\r\nFrom: x\r\n\r\n{body}");
    assert_eq!(told(whole.as_bytes(), None).unwrap(), expected);
    let header = RELATED.split_once(": ").unwrap().1;
    assert_eq!(told(body.as_bytes(), Some(header)).unwrap(), expected);
    let lines = whole.replace("\r\n", "\n");
    assert_eq!(told(lines.as_bytes(), None).unwrap(), expected.map(|e| e.replace("\\r", "")));
}

#[test]
fn the_first_part_is_the_root_where_none_is_named() {
    let body = b"--x\n\n1\n--x\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A6=\n!\n--x--";
    assert_eq!(told(body, None).unwrap(), ["-|-|\"1\"", "-|-|\"æ!\""]);
    assert_eq!(told(body, Some("multipart/related; boundary=x")).unwrap().len(), 2);
}

#[test]
fn xml_alone_is_the_root_alone() {
    let message = b"Content-Type: text/xml\r\nContent-Encoding: base64\r\n\r\nPGEv\r\nPg==\r\n";
    assert_eq!(told(message, None).unwrap(), ["-|text/xml|\"<a/>\""]);
    assert_eq!(told(b"<a/>", Some("application/soap+xml")).unwrap(), ["-|application/soap+xml|\"<a/>\""]);
}

#[test]
fn what_is_broken_is_named() {
    for (bytes, header, expected) in [
        ("Content-Type: image/png\n\nx", None, Malformed::ContentType),
        ("\nx", None, Malformed::ContentType),
        ("", None, Malformed::Headers),
        ("Content-Type: text/xml", None, Malformed::Headers),
        ("x", Some("multipart/related"), Malformed::Boundary),
        ("x", Some("multipart/related; boundary=\"\""), Malformed::Boundary),
        ("x", Some("multipart/related; boundary=b"), Malformed::Parts),
        ("--b--", Some("multipart/related; boundary=b"), Malformed::Parts),
        ("--b\n\nx\n", Some("multipart/related; boundary=b"), Malformed::Parts),
        ("--b\nA: b\n--b--", Some("multipart/related; boundary=b"), Malformed::Headers),
        ("--b\n\nx\n--b--", Some("multipart/related; boundary=b; start=s"), Malformed::Root),
        (
            "--b\nContent-ID: s\n\nx\n--b\nContent-ID: <s>\n\nx\n--b--",
            Some("multipart/related; boundary=b; start=s"),
            Malformed::Root,
        ),
        ("Content-Type: text/xml\nContent-Transfer-Encoding: base64\n\n=", None, Malformed::TransferEncoding),
        ("Content-Type: text/xml\nContent-Transfer-Encoding: x-gzip\n\nx", None, Malformed::TransferEncoding),
    ] {
        assert_eq!(told(bytes.as_bytes(), header), Err(expected), "{bytes:?}");
    }
    let small = Limits { message_bytes: 3, ..Limits::default() };
    assert_eq!(unpack(b"<a/>", Some("text/xml"), &small), Err(Malformed::TooLarge));
    let many = "--b\n\nx\n".repeat(200) + "--b--";
    assert_eq!(told(many.as_bytes(), Some("multipart/related; boundary=b")), Err(Malformed::TooManyParts));
    let long = "A: b\n".repeat(20_000) + "\nx";
    assert_eq!(told(long.as_bytes(), None), Err(Malformed::Headers));
}

#[test]
fn no_cut_and_no_change_makes_it_panic() {
    let whole = format!("{RELATED}\r\n\r\n--b b\r\nContent-ID: <soap@x>\r\n\r\n<a/>\r\n--b b--");
    let mut read = 0;
    for at in 0..whole.len() {
        assert!(told(&whole.as_bytes()[..at], None).is_err(), "cut at {at}");
        for with in [0, b'-', b'\n', b'"', b';', b'=', 0xFF] {
            let mut changed = whole.clone().into_bytes();
            changed[at] = with;
            read += usize::from(told(&changed, None).is_ok());
        }
    }
    assert!(read > 0, "not every change breaks it");
}
