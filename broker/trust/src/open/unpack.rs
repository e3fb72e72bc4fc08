//! What is around a message: told by its first bytes, and taken off within limits.

use crate::ber::Reader;
use crate::cms;
use crate::fault::{Fault, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use message_schemas::Limits;
use std::io::Read as _;

/// What is around some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// EnvelopedData or AuthEnvelopedData.
    Enveloped,
    /// SignedData.
    Signed,
    /// CMS of another kind, or damaged.
    OtherCms,
    /// RFC 1952.
    Gzip,
    /// A MIME entity with its header fields.
    Mime,
}

/// SEQUENCE, and the content types that we read (RFC 5652 §14, RFC 5083 §2), as the bytes of their names.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
const AUTH_ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17];

impl Packing {
    /// None for what is not packed: XML, or something that its reader will refuse.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if cms::looks_like(bytes) {
            let name = Reader::new(bytes).enter(SEQUENCE).and_then(|mut inside| inside.expect(OID));
            return Some(match name.map(|value| value.content) {
                Ok(SIGNED) => Self::Signed,
                Ok(ENVELOPED | AUTH_ENVELOPED) => Self::Enveloped,
                Ok(_) | Err(_) => Self::OtherCms,
            });
        }
        // SignedData without its ContentInfo, as EnvelopedData of that content type holds it: a version comes first.
        let inside = Reader::new(bytes).enter(SEQUENCE);
        if inside.is_ok_and(|inside| inside.peek() == Some(INTEGER)) {
            return Some(Self::Signed);
        }
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return Some(Self::Gzip);
        }
        let named = |name: &[u8]| bytes.get(..name.len()).is_some_and(|b| b.eq_ignore_ascii_case(name));
        (named(b"Content-") || named(b"MIME-Version:")).then_some(Self::Mime)
    }
}

pub(super) fn no_such_cms(bytes: &[u8]) -> Fault {
    if let Some(missing) = missing(bytes) {
        return Fault::new(
            Kind::CmsMalformed,
            format!("The CMS is cut off: {missing} of the bytes that it announces are not there."),
            "Send it once more, whole: something on the way has stored or sent only its beginning.",
        );
    }
    Fault::new(
        Kind::CmsMalformed,
        "The bytes begin as CMS, but are neither SignedData nor EnvelopedData, or are damaged.",
        "Send SignedData inside EnvelopedData, whole and in binary form.",
    )
}

/// How many bytes are missing at the end, by the length that stands in front (X.690 §8.1.3); none if none are, or if the
/// length does not tell.
fn missing(bytes: &[u8]) -> Option<usize> {
    let (&length, rest) = bytes.get(1..)?.split_first()?;
    let (length, rest) = match length {
        ..0x80 => (usize::from(length), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            let digits = (1..=4).contains(&digits.len()).then_some(digits)?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
    };
    length.checked_sub(rest.len()).filter(|missing| *missing > 0)
}

/// Unpacks, to no more than the limit. A packed size says nothing of the unpacked one, so this counts while it reads.
pub(super) fn gzip(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Fault> {
    let most = limits.unpacked_bytes.min(limits.message_bytes);
    let mut unpacked = Vec::new();
    let cap = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(bytes).take(cap).read_to_end(&mut unpacked);
    if unpacked.len() > most {
        return Err(Fault::new(
            Kind::LimitExceeded,
            format!("The compressed content unpacks to more than {most} bytes."),
            "Send a smaller message, or have the receiver raise the limit.",
        ));
    }
    match read {
        Ok(_) => Ok(unpacked),
        Err(_) => Err(damaged("The compressed content is damaged.")),
    }
}

/// A MIME entity of one part: its media type and its body (RFC 2045).
pub(super) fn entity(bytes: &[u8]) -> Result<(String, Vec<u8>), Fault> {
    let (head, body) = split(bytes).ok_or_else(|| damaged("The MIME entity has no end of its header."))?;
    let head = std::str::from_utf8(head).map_err(|_| damaged("The MIME header is not text."))?;
    let fields = head.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let field = |name: &str| {
        let values = fields.lines().filter_map(|line| line.split_once(':'));
        values.filter(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    let media_type = field("Content-Type").unwrap_or("text/plain");
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // The name goes into records; a stranger chose it.
    let tame = |c: char| c.is_ascii_alphanumeric() || "/+-.".contains(c);
    if media_type.len() > 80 || !media_type.chars().all(tame) {
        return Err(damaged("The media type of the MIME entity cannot be read."));
    }
    if media_type.starts_with("multipart/") {
        return Err(damaged("The MIME entity has several parts, and one is expected."));
    }
    let body = match field("Content-Transfer-Encoding").unwrap_or("7bit").to_ascii_lowercase().as_str() {
        "7bit" | "8bit" | "binary" => body.to_vec(),
        "base64" => {
            let text: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            STANDARD.decode(text).map_err(|_| damaged("The base64 of the MIME entity is damaged."))?
        }
        _ => return Err(damaged("The transfer encoding of the MIME entity is not read here.")),
    };
    Ok((media_type, body))
}

/// Header and body, parted by the first empty line.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    /// Real headers have a few hundred bytes.
    const LONGEST: usize = 16_384;
    let window = bytes.get(..bytes.len().min(LONGEST))?;
    let crlf = memchr::memmem::find(window, b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = memchr::memmem::find(window, b"\n\n").map(|at| (at, at + 2));
    let (end, begin) = [crlf, lf].into_iter().flatten().min()?;
    Some((bytes.get(..end)?, bytes.get(begin..)?))
}

fn damaged(what: &str) -> Fault {
    Fault::new(
        Kind::CmsMalformed,
        what,
        "Send the document itself, or the document in one MIME entity, whole.",
    )
}
