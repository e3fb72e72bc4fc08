//! Which documents a target takes: size, media type, and whether the bytes are what the type says.

use crate::target::{Kind, Target};

/// What the national store takes. It looks at the bytes too, and refuses what does not agree.
const NATIONAL: &[&str] = &[
    "application/pdf",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/gif",
    "application/xml",
    "text/xml",
    "text/plain",
    "text/rtf",
];

/// Does the target take it?
///
/// # Errors
/// Why not.
pub(crate) fn taken(media_type: &str, bytes: &[u8], target: &Target) -> Result<(), &'static str> {
    if bytes.is_empty() {
        return Err("it is empty");
    }
    if u64::try_from(bytes.len()).is_ok_and(|size| size > target.most_bytes) {
        return Err("it is too large");
    }
    if target.kind != Kind::MhdNational {
        return Ok(());
    }
    if !NATIONAL.contains(&media_type) {
        return Err("it is of a type that is not taken");
    }
    if agrees(media_type, bytes) { Ok(()) } else { Err("its bytes are not what its type says") }
}

/// Do the first bytes agree with the type, as the national store looks at them?
#[must_use]
pub fn agrees(media_type: &str, bytes: &[u8]) -> bool {
    let starts = |magic: &[&[u8]]| magic.iter().any(|m| bytes.starts_with(m));
    match media_type {
        "application/pdf" => starts(&[b"%PDF-"]),
        "image/jpeg" => starts(&[b"\xff\xd8\xff"]),
        "image/png" => starts(&[b"\x89PNG\r\n\x1a\n"]),
        "image/tiff" => starts(&[b"II*\0", b"MM\0*"]),
        "image/gif" => starts(&[b"GIF87a", b"GIF89a"]),
        "application/xml" | "text/xml" => {
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            text.trim_ascii_start().starts_with(b"<")
        }
        "text/rtf" => starts(&[b"{\\rtf"]),
        // No line break and no letter beyond ASCII passes as plain text there.
        "text/plain" => bytes.iter().all(|b| (32..=126).contains(b)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Environment;

    #[test]
    fn the_national_store_takes_what_its_bytes_say_it_is() {
        let target = Target::new(Kind::MhdNational, Environment::Test, "2.999");
        let cases: &[(&str, &[u8], bool)] = &[
            ("application/pdf", b"%PDF-1.7", true),
            ("application/pdf", b"<html/>", false),
            ("application/xml", b"\xef\xbb\xbf<?xml", true),
            ("application/xml", b"\xff\xfe<\0", false),
            ("text/plain", b"plain ~", true),
            ("text/plain", b"two\nlines", false),
            ("text/plain", "æ".as_bytes(), false),
            ("application/fhir+json", b"{}", false),
            ("application/fhir+xml", b"<Bundle/>", false),
            ("text/html", b"<html/>", false),
            ("image/png", b"\x89PNG\r\n\x1a\n", true),
            ("image/png", b"", false),
        ];
        for (media_type, bytes, expected) in cases {
            assert_eq!(taken(media_type, bytes, &target).is_ok(), *expected, "{media_type} {bytes:?}");
        }
        let other = Target { most_bytes: 3, ..Target::new(Kind::Mhd, Environment::Test, "2.999") };
        assert!(taken("application/fhir+json", b"{}", &other).is_ok());
        assert_eq!(taken("application/fhir+json", b"{  }", &other), Err("it is too large"));
    }
}
