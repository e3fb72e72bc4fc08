//! MIME packaging (RFC 2045, RFC 2387): the SOAP part of a message, and the parts beside it, byte for byte.
//!
//! Header fields are read by `mail-parser`. Parts are cut here, since its reading of a body is made for mail: it turns
//! text into Unicode and recovers what is broken, while a signature covers the exact bytes. One pass, no recursion:
//! what is inside a part is nobody's business here.

use crate::limits::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{HeaderName, Message, MessageParser};
use memchr::memmem;
use std::borrow::Cow;

/// A message, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package<'a> {
    /// The part that is to be read first: the SOAP envelope.
    pub root: Part<'a>,
    /// The other parts, in their order.
    pub parts: Vec<Part<'a>>,
}

/// One part.
#[derive(Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Content-ID without brackets.
    pub id: Option<String>,
    /// Type and subtype in lower case, without parameters. It may lie (ebxml-profile §2.1).
    pub content_type: Option<String>,
    /// Parameter `charset`.
    pub charset: Option<String>,
    /// The content, its transfer encoding undone and nothing else.
    pub bytes: Cow<'a, [u8]>,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("content_type", &self.content_type)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Why a message cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Larger than the limit for messages.
    #[error("the message is larger than the limit")]
    TooLarge,
    /// Header fields without an end, or far too long.
    #[error("the header fields of a part are too long")]
    Headers,
    /// Neither `multipart/related` nor XML.
    #[error("the message is neither multipart/related nor XML")]
    ContentType,
    /// `multipart/related` without a lawful boundary.
    #[error("the boundary is missing or not lawful")]
    Boundary,
    /// There is no part, or the last one has no end: the message was cut short.
    #[error("the parts are not there in full")]
    Parts,
    /// More parts than any message needs.
    #[error("there are too many parts")]
    TooManyParts,
    /// `start` names a part that is not there, or is there twice.
    #[error("the part that is to be read first is not there once")]
    Root,
    /// A transfer encoding that there is not, or content that is not in it.
    #[error("a transfer encoding is not known or does not hold")]
    TransferEncoding,
}

/// The most parts: an envelope and its attachments.
const MOST_PARTS: usize = 100;
/// The longest header of the message or a part, in bytes.
const LONGEST_HEADER: usize = 64 * 1024;
/// RFC 2046 §5.1.1: 70 characters; some senders exceed it.
const LONGEST_BOUNDARY: usize = 200;

/// Unpacks a message. `content_type` is the header field of that name where the transport carried it (HTTP); without
/// it, the message begins with its own header fields, or at once with the first boundary.
///
/// # Errors
/// [`Malformed`]: the message is not packed in a way that we read.
pub fn unpack<'a>(
    bytes: &'a [u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Package<'a>, Malformed> {
    if bytes.len() > limits.message_bytes {
        return Err(Malformed::TooLarge);
    }
    let headers = match content_type {
        Some(value) => {
            if value.len() > LONGEST_HEADER || value.contains(['\r', '\n']) {
                return Err(Malformed::Headers);
            }
            Headers {
                of_type: Some(format!("Content-Type: {value}\r\n\r\n").into_bytes()),
                own: b"",
                body: bytes,
            }
        }
        None => match first_boundary(bytes) {
            Some(boundary) => return related(bytes, boundary, None),
            None => Headers::split(bytes)?,
        },
    };
    let parsed = headers.parsed();
    let kind = Kind::of(parsed.as_ref());
    if kind.is("multipart", "related") {
        return related(
            headers.body,
            kind.parameter("boundary").unwrap_or_default().as_bytes(),
            kind.parameter("start"),
        );
    }
    if kind.is("text", "xml") || kind.is("application", "xml") || kind.is("application", "soap+xml") {
        return Ok(Package { root: part(&headers)?, parts: Vec::new() });
    }
    Err(Malformed::ContentType)
}

/// Cuts the body of a `multipart/related` (RFC 2046 §5.1.1, RFC 2387).
fn related<'a>(body: &'a [u8], boundary: &[u8], start: Option<&str>) -> Result<Package<'a>, Malformed> {
    let mut parts = Vec::new();
    for raw in cut(body, boundary)? {
        parts.push(part(&Headers::split(raw)?)?);
    }
    //= RFC 2387 §3.2
    //# If not present the "root" is the first body part in the Multipart/Related entity.
    let at = match start.map(without_brackets).filter(|s| !s.is_empty()) {
        None => 0,
        Some(start) => {
            let mut named =
                (0..).zip(&parts).filter(|(_, p): &(usize, &Part<'_>)| p.id.as_deref() == Some(start));
            match (named.next(), named.next()) {
                (Some((at, _)), None) => at,
                _ => return Err(Malformed::Root),
            }
        }
    };
    if parts.is_empty() {
        return Err(Malformed::Parts);
    }
    let root = parts.remove(at);
    Ok(Package { root, parts })
}

/// The bytes between boundaries, header fields of the parts included. A boundary stands on a line of its own; line ends
/// may be LF; the line end before a boundary belongs to it.
fn cut<'a>(body: &'a [u8], boundary: &[u8]) -> Result<Vec<&'a [u8]>, Malformed> {
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return Err(Malformed::Boundary);
    }
    let delimiter = [b"--", boundary].concat();
    let mut parts = Vec::new();
    let mut begun: Option<usize> = None;
    for at in memmem::find_iter(body, &delimiter) {
        let (before, from) = body.split_at(at);
        let Some(end) = delimiter_end(from.get(delimiter.len()..).unwrap_or_default()) else { continue };
        let before = match before {
            [] => before,
            [before @ .., b'\r', b'\n'] | [before @ .., b'\n'] => before,
            _ => continue,
        };
        if let Some(begun) = begun {
            // Nothing at all between two boundaries: the line end is the first boundary's own.
            parts.push(before.get(begun..).unwrap_or_default());
        }
        if parts.len() > MOST_PARTS {
            return Err(Malformed::TooManyParts);
        }
        match end {
            Delimiter::Last => return Ok(parts),
            Delimiter::Next(length) => begun = Some(at + delimiter.len() + length),
        }
    }
    Err(Malformed::Parts)
}

enum Delimiter {
    /// So many bytes until the part begins.
    Next(usize),
    Last,
}

/// What stands behind a boundary on its line; none if it is longer than the boundary.
fn delimiter_end(rest: &[u8]) -> Option<Delimiter> {
    let (rest, last) = match rest {
        [b'-', b'-', rest @ ..] => (rest, true),
        _ => (rest, false),
    };
    let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let line_end = match rest.get(blanks..)? {
        [] => 0,
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => return None,
    };
    Some(if last { Delimiter::Last } else { Delimiter::Next(blanks + line_end) })
}

/// A body without header fields begins with its boundary.
fn first_boundary(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.strip_prefix(b"--")?;
    let line = line.get(..memchr::memchr(b'\n', line)?)?.trim_ascii_end();
    (!line.is_empty() && line.len() <= LONGEST_BOUNDARY).then_some(line)
}

/// The header fields of a message or a part, and what follows them.
struct Headers<'a> {
    /// In place of those of the message: the one that the transport carried.
    of_type: Option<Vec<u8>>,
    own: &'a [u8],
    body: &'a [u8],
}

impl<'a> Headers<'a> {
    /// At the first empty line.
    fn split(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut line_start = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            if at > LONGEST_HEADER {
                break;
            }
            if matches!(bytes.get(line_start..at), Some([] | [b'\r'])) {
                let (own, body) = bytes.split_at_checked(at + 1).ok_or(Malformed::Headers)?;
                return Ok(Self { of_type: None, own, body });
            }
            line_start = at + 1;
        }
        Err(Malformed::Headers)
    }

    fn parsed(&self) -> Option<Message<'_>> {
        let fields = self.of_type.as_deref().unwrap_or(self.own);
        MessageParser::new().with_mime_headers().parse_headers(fields)
    }
}

/// A content type.
struct Kind<'m> {
    of: Option<&'m mail_parser::ContentType<'m>>,
}

impl<'m> Kind<'m> {
    fn of(message: Option<&'m Message<'m>>) -> Self {
        let header = message.and_then(|m| m.header(HeaderName::ContentType));
        Self { of: header.and_then(|h| h.as_content_type()) }
    }

    fn is(&self, kind: &str, subtype: &str) -> bool {
        self.of.is_some_and(|of| {
            of.ctype().eq_ignore_ascii_case(kind)
                && of.subtype().is_some_and(|s| s.eq_ignore_ascii_case(subtype))
        })
    }

    fn parameter(&self, name: &str) -> Option<&'m str> {
        let all = self.of?.attributes()?;
        all.iter().find(|a| a.name.eq_ignore_ascii_case(name)).map(|a| a.value.as_ref())
    }
}

fn part<'a>(headers: &Headers<'a>) -> Result<Part<'a>, Malformed> {
    let parsed = headers.parsed();
    let raw = |name: HeaderName<'static>| parsed.as_ref().and_then(|m| m.header_raw(name)).map(str::trim);
    let kind = Kind::of(parsed.as_ref());
    // Content-Encoding where Content-Transfer-Encoding is meant: an old guideline printed it so.
    let own_encoding = raw(HeaderName::ContentTransferEncoding);
    let encoding = own_encoding.or_else(|| raw(HeaderName::Other("Content-Encoding".into())));
    Ok(Part {
        id: raw(HeaderName::ContentId).map(|id| without_brackets(id).to_owned()).filter(|id| !id.is_empty()),
        content_type: kind.of.map(|of| match of.subtype() {
            Some(subtype) => format!("{}/{subtype}", of.ctype()).to_ascii_lowercase(),
            None => of.ctype().to_ascii_lowercase(),
        }),
        charset: kind.parameter("charset").map(str::to_owned),
        bytes: decoded(headers.body, encoding.unwrap_or("8bit"))?,
    })
}

/// RFC 2045 §6.
fn decoded<'a>(body: &'a [u8], encoding: &str) -> Result<Cow<'a, [u8]>, Malformed> {
    match encoding.to_ascii_lowercase().as_str() {
        "7bit" | "8bit" | "binary" => Ok(Cow::Borrowed(body)),
        "base64" => {
            let plain: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            STANDARD.decode(plain).map(Cow::Owned).map_err(|_| Malformed::TransferEncoding)
        }
        "quoted-printable" => {
            quoted_printable_decode(body).map(Cow::Owned).ok_or(Malformed::TransferEncoding)
        }
        _ => Err(Malformed::TransferEncoding),
    }
}

fn without_brackets(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

#[cfg(test)]
mod tests;
