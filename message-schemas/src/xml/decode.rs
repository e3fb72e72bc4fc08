//! Bytes to text: byte order mark first, then the declaration, then UTF-8.
//!
//! Real senders declare ISO-8859-1 and send UTF-16 (kith-messages §8), so a byte order mark wins over the
//! declaration, and a declaration that cannot be true (UTF-16 in a document whose declaration is readable
//! as ASCII) yields to UTF-8. Content is never guessed at: bytes that are not text in the encoding found
//! are a finding.

use crate::finding::{Code, Finding, Place};
use encoding_rs::{Encoding, ISO_8859_15, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

/// A document as text, and how it came to be so.
#[derive(Debug, Clone)]
pub struct Decoded<'a> {
    /// The text, without a byte order mark; borrowed where the bytes were UTF-8 already.
    pub text: Cow<'a, str>,
    /// The encoding that was read, in the spelling of the IANA register.
    pub encoding: &'static str,
    /// A byte order mark stood first.
    pub bom: bool,
    /// What was odd but readable ([`Code::EncodingDiffers`]).
    pub note: Option<Finding>,
}

/// Decodes a document.
///
/// # Errors
/// [`Code::Encoding`] when the declared encoding is not one we read, or the bytes are not text in it.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Finding> {
    let (by_mark, body) = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => (Some(UTF_8), rest),
        [0xFF, 0xFE, rest @ ..] => (Some(UTF_16LE), rest),
        [0xFE, 0xFF, rest @ ..] => (Some(UTF_16BE), rest),
        // No mark, but the zero bytes of `<?` or `<x` in UTF-16 (XML 1.0 appendix F.1).
        [b'<', 0, _, 0, ..] => (Some(UTF_16LE), bytes),
        [0, b'<', 0, _, ..] => (Some(UTF_16BE), bytes),
        _ => (None, bytes),
    };
    let bom = body.len() < bytes.len();
    let declared = match by_mark {
        Some(e) if e != UTF_8 => declared_encoding(&narrow(body, e)),
        _ => declared_encoding(body.get(..body.len().min(256)).unwrap_or_default()),
    };

    let (encoding, note) = match (by_mark, declared.as_deref()) {
        (Some(mark), None) => (Known { encoding: mark, name: name_of(mark) }, None),
        (Some(mark), Some(label)) => {
            let agrees = label.eq_ignore_ascii_case(name_of(mark))
                || (mark != UTF_8 && label.eq_ignore_ascii_case("UTF-16"));
            let note = (!agrees).then(|| {
                differs(format!(
                    "The declaration names another encoding than the {} that was sent.",
                    name_of(mark)
                ))
            });
            (Known { encoding: mark, name: name_of(mark) }, note)
        }
        (None, None) => (Known { encoding: UTF_8, name: "UTF-8" }, None),
        (None, Some(label)) => match known(label) {
            Some(k) if k.encoding == UTF_16LE || k.encoding == UTF_16BE => (
                Known { encoding: UTF_8, name: "UTF-8" },
                Some(differs("The declaration names UTF-16, but the bytes are one to a letter.".to_owned())),
            ),
            Some(k) => (k, None),
            None => {
                return Err(Finding::new(
                    Code::Encoding,
                    "The declaration names an encoding that is not read here.",
                    "Send UTF-8, UTF-16, ISO-8859-1, ISO-8859-15 or windows-1252.",
                )
                .at(Place { line: 1, column: 1 }));
            }
        },
    };

    if encoding.name == "ISO-8859-1" {
        // encoding_rs follows the web and reads ISO-8859-1 as windows-1252; the standard's C1 range differs.
        let text = match std::str::from_utf8(body) {
            Ok(text) if body.is_ascii() => Cow::Borrowed(text),
            _ => Cow::Owned(body.iter().map(|&b| char::from(b)).collect()),
        };
        return Ok(Decoded { text, encoding: "ISO-8859-1", bom, note });
    }
    if encoding.encoding == UTF_8 {
        return match std::str::from_utf8(body) {
            Ok(text) => Ok(Decoded { text: Cow::Borrowed(text), encoding: "UTF-8", bom, note }),
            Err(_) if let Some(what) = something_else(body) => Err(what),
            Err(error) => Err(not_text("UTF-8", body.get(..error.valid_up_to()).unwrap_or_default())),
        };
    }
    match encoding.encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) => Ok(Decoded { text, encoding: encoding.name, bom, note }),
        None => Err(not_text(encoding.name, &[])),
    }
}

struct Known {
    encoding: &'static Encoding,
    name: &'static str,
}

fn name_of(encoding: &'static Encoding) -> &'static str {
    encoding.name()
}

fn known(label: &str) -> Option<Known> {
    let lower = label.to_ascii_lowercase();
    Some(match lower.as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Known { encoding: UTF_8, name: "UTF-8" },
        "utf-16" | "utf-16le" | "ucs-2" | "iso-10646-ucs-2" => Known { encoding: UTF_16LE, name: "UTF-16LE" },
        "utf-16be" => Known { encoding: UTF_16BE, name: "UTF-16BE" },
        "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "l1" => {
            Known { encoding: WINDOWS_1252, name: "ISO-8859-1" }
        }
        "iso-8859-15" | "iso8859-15" | "iso_8859-15" | "latin-9" | "latin9" => {
            Known { encoding: ISO_8859_15, name: "ISO-8859-15" }
        }
        "windows-1252" | "cp1252" | "x-cp1252" => Known { encoding: WINDOWS_1252, name: "windows-1252" },
        _ => return None,
    })
}

fn differs(message: String) -> Finding {
    Finding::new(Code::EncodingDiffers, message, "Make the declaration say what is sent.")
        .at(Place { line: 1, column: 1 })
}

fn not_text(name: &str, readable: &[u8]) -> Finding {
    let line = 1 + memchr::memchr_iter(b'\n', readable).count();
    let last_line = memchr::memrchr(b'\n', readable).map_or(0, |at| at + 1);
    let tail = readable.get(last_line..).unwrap_or_default();
    let column = 1 + String::from_utf8_lossy(tail).chars().count();
    Finding::new(
        Code::Encoding,
        format!("The bytes are not text in {name}."),
        "Declare the encoding in which the document is really written.",
    )
    .at(Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    })
}

/// What the bytes are by how they begin, where they are no text: the encoding is not what their sender must mend then.
fn something_else(bytes: &[u8]) -> Option<Finding> {
    const UNPACKED: &str = "Send the message itself, not packed.";
    let (what, remedy) = match bytes {
        [0x1F, 0x8B, ..] => ("compressed by gzip", UNPACKED),
        [b'P', b'K', 3, 4, ..] => ("a ZIP archive", UNPACKED),
        [b'%', b'P', b'D', b'F', ..] => {
            ("a PDF document", "Send the message; a document goes into it as an attachment.")
        }
        // A sequence of more bytes than one can count.
        [0x30, 0x80..=0x84, ..] => (
            "signed or sealed (CMS), or another DER file",
            "Where nothing is opened, send the XML itself; to be opened, it takes trust in the settings.",
        ),
        _ => return None,
    };
    let message = format!("The bytes are no XML: they are {what}, by how they begin.");
    Some(Finding::new(Code::Encoding, message, remedy).at(Place { line: 1, column: 1 }))
}

/// The first bytes of a UTF-16 document, one a letter, for reading its declaration.
fn narrow(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    let odd = usize::from(encoding == UTF_16BE);
    bytes.iter().take(512).skip(odd).step_by(2).copied().collect()
}

/// The value of `encoding="…"` in the XML declaration, if there is one.
fn declared_encoding(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let declaration = head.trim_start().strip_prefix("<?xml")?.split("?>").next()?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value.strip_prefix(quote)?.split(quote).next()?;
    Some(label.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_at_all_is_called_what_it_is() {
        for (bytes, what) in [
            (&b"\x1f\x8b\x08\0\0"[..], "gzip"),
            (b"PK\x03\x04\x14\0\xff", "ZIP"),
            (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
            (b"\x30\x82\x10\0\xff", "CMS"),
            (b"\x30\x80\x06", "CMS"),
        ] {
            let found = decode(bytes).expect_err(what);
            assert!(found.code == Code::Encoding && found.message.contains(what), "{found:?}");
        }
        // Text may begin so too.
        assert!(decode(b"PK\x03\x04").is_ok() && decode(b"%PDF").is_ok());
        assert!(decode(b"<a>\x1f\x8b</a>").is_err_and(|found| found.message.contains("UTF-8")));
    }
}
