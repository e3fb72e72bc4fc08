//! The frames of `PROTOCOL.md`: lengths, questions, answers.

use crate::policy::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};

/// The version of the protocol.
const PROTOCOL: u32 = 1;
/// No question is larger.
const MAX_QUESTION: usize = 128 << 20;
/// No answer is larger; a reason is cut to fit with room for what stands around it.
const MAX_WHY: usize = 32 << 10;

/// Whoever is at the other end does not keep to the protocol, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// Where the signature is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// The last child element of the document element, covering the document.
    Enveloped,
    /// A child of `SOAP:Header`, covering the envelope and every attachment.
    Ebxml,
}

/// A question, its parts cut out of the frame.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) id: u64,
    pub(crate) shape: Shape,
    /// DER of the certificate whose key is to be used.
    pub(crate) certificate: Vec<u8>,
    /// Whether SHA-1 may carry digest and signature.
    pub(crate) sha1: bool,
    pub(crate) document: &'a [u8],
    /// Content-ID and bytes.
    pub(crate) attachments: Vec<(String, &'a [u8])>,
}

#[derive(Deserialize)]
struct Header {
    shape: Shape,
    certificate: String,
    #[serde(default)]
    sha1: bool,
    document: usize,
    #[serde(default)]
    attachments: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    id: String,
    length: usize,
}

/// All that we need to be able to answer at all.
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

/// One answer.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Answer {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unable: Option<String>,
}

impl Answer {
    /// The answer for a verdict.
    pub(crate) fn of(id: u64, verdict: Result<(), Refusal>) -> Self {
        let nothing = Self { id, valid: None, why: None, unable: None };
        match verdict {
            Ok(()) => Self { valid: Some(true), ..nothing },
            Err(Refusal::Invalid(why)) => Self { valid: Some(false), why: Some(cut(why)), ..nothing },
            Err(Refusal::Unable(why)) => Self { unable: Some(cut(why)), ..nothing },
        }
    }
}

fn cut(mut why: String) -> String {
    let end = (0..=why.len().min(MAX_WHY)).rev().find(|&i| why.is_char_boundary(i));
    why.truncate(end.unwrap_or(0));
    why
}

#[derive(Serialize)]
struct Greeting {
    protocol: u32,
    engine: String,
}

/// What is said first.
pub(crate) fn greeting(engine: &str) -> impl Serialize {
    Greeting { protocol: PROTOCOL, engine: engine.to_owned() }
}

/// The next frame; none at the end.
pub(crate) fn read(input: &mut impl Read) -> Result<Option<Vec<u8>>, Broken> {
    let mut length = [0; 4];
    let mut have = 0;
    while have < length.len() {
        match input.read(length.get_mut(have..).unwrap_or_default()) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(Broken),
            Ok(n) => have += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Broken),
        }
    }
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Broken)?;
    if length > MAX_QUESTION {
        return Err(Broken);
    }
    // Grows with what really comes, not with what is promised.
    let mut bytes = Vec::new();
    let promised = u64::try_from(length).map_err(|_| Broken)?;
    input.take(promised).read_to_end(&mut bytes).map_err(|_| Broken)?;
    if bytes.len() == length { Ok(Some(bytes)) } else { Err(Broken) }
}

/// Writes one frame and makes sure that it is sent.
pub(crate) fn write(output: &mut impl Write, value: &impl Serialize) -> Result<(), Broken> {
    let bytes = serde_json::to_vec(value).map_err(|_| Broken)?;
    let length = u32::try_from(bytes.len()).map_err(|_| Broken)?;
    output.write_all(&length.to_be_bytes()).map_err(|_| Broken)?;
    output.write_all(&bytes).map_err(|_| Broken)?;
    output.flush().map_err(|_| Broken)
}

/// Cuts a frame into its parts. A question that has a number but cannot be understood gets an answer that says so;
/// one without a number breaks the protocol.
pub(crate) fn question(frame: &[u8]) -> Result<Result<Question<'_>, Answer>, Broken> {
    let end = frame.iter().position(|&b| b == b'\n').ok_or(Broken)?;
    let (line, rest) = frame.split_at_checked(end).ok_or(Broken)?;
    let body = rest.get(1..).unwrap_or_default();
    let Numbered { id } = serde_json::from_slice(line).map_err(|_| Broken)?;
    Ok(parts(id, line, body).map_err(|why| Answer::of(id, Err(Refusal::Unable(why.to_owned())))))
}

fn parts<'a>(id: u64, line: &[u8], body: &'a [u8]) -> Result<Question<'a>, &'static str> {
    let header: Header = serde_json::from_slice(line).map_err(|_| "the header cannot be read")?;
    let certificate =
        STANDARD.decode(header.certificate.trim()).map_err(|_| "the certificate is not base64")?;
    let short = "the lengths in the header do not fit the frame";
    let (document, mut rest) = body.split_at_checked(header.document).ok_or(short)?;
    let mut attachments = Vec::with_capacity(header.attachments.len());
    for part in header.attachments {
        let (bytes, behind) = rest.split_at_checked(part.length).ok_or(short)?;
        attachments.push((part.id, bytes));
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(short);
    }
    Ok(Question { id, shape: header.shape, certificate, sha1: header.sha1, document, attachments })
}
