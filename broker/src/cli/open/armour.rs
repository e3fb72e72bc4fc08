//! Text around bytes: PEM and bare base64, in which partners send files by mail. The broker takes bytes alone, so what
//! is in an armour would not open there; here it is taken off, and told.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use trust::{Fault, Kind};

/// What was taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "layer", rename = "armour")]
pub(super) struct Armour {
    /// `pem` or `base64`.
    pub(super) form: &'static str,
    /// Size of what was in it.
    pub(super) bytes: usize,
}

/// Padding is often lost when text is copied.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is inside, and in what; none if the bytes are no such text.
pub(super) fn take_off(bytes: &[u8]) -> Option<(Armour, Vec<u8>)> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}').trim();
    let (form, body) = match pem(text) {
        Some(body) => ("pem", body),
        None => ("base64", text),
    };
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let inside = LENIENT.decode(body).ok()?;
    // A word may be base64 too: only what begins as something that can be opened is taken for it.
    let known = matches!(inside.as_slice(), [0x30, _, ..] | [0x1f, 0x8b, ..] | [b'<', ..]);
    known.then_some((Armour { form, bytes: inside.len() }, inside))
}

/// Between the lines of dashes (RFC 7468 §2), without header fields of old.
fn pem(text: &str) -> Option<&str> {
    let (label, rest) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    Some(body)
}

/// What is plainly wrong with a file before anything in it is read.
pub(super) fn plainly_wrong(bytes: &[u8]) -> Option<Fault> {
    if bytes.is_empty() {
        return Some(Fault::new(
            Kind::CmsMalformed,
            "The file is empty.",
            "Ask for it once more, and look at how it was stored or sent.",
        ));
    }
    bytes.starts_with(b"-----BEGIN ").then(|| {
        Fault::new(
            Kind::CmsMalformed,
            "The file is PEM, and what is in it is damaged or cut off.",
            "Ask for it once more, in binary form.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_is_taken_off_and_words_are_left_alone() {
        let inside = [0x30, 0x80, 0x06, 0x01, 0x00];
        for text in ["MIAGAQA=", "MIAG\r\nAQA", "-----BEGIN CMS-----\nMIAGAQA=\n-----END CMS-----\n"] {
            let (armour, bytes) = take_off(text.as_bytes()).expect(text);
            assert_eq!((bytes.as_slice(), armour.bytes), (&inside[..], 5), "{text}");
            assert_eq!(armour.form == "pem", text.starts_with('-'), "{text}");
        }
        for text in ["<MsgHead/>", "word", "", "-----BEGIN CMS-----\nMIAGAQA=\n", "MIA-GAQA"] {
            assert_eq!(take_off(text.as_bytes()), None, "{text}");
        }
    }
}
