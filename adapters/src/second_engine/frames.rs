//! What goes over the pipes.

use super::process::Failed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use trust::second_opinion::{Opinion, Question};
use trust::xmldsig::Shape;

/// The protocol that we speak.
pub(super) const PROTOCOL: u32 = 1;

/// The largest question.
const MOST_OUT: usize = 128 * 1024 * 1024;

/// The largest answer.
const MOST_IN: usize = 64 * 1024;

/// The first frame of the engine.
#[derive(Debug, Deserialize)]
pub(super) struct Greeting {
    pub(super) protocol: u32,
    pub(super) engine: String,
}

#[derive(Serialize)]
struct Header<'a> {
    id: u64,
    shape: &'static str,
    certificate: String,
    sha1: bool,
    document: usize,
    attachments: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    id: &'a str,
    length: usize,
}

/// A question as one frame.
pub(super) fn question(id: u64, question: &Question<'_>) -> Result<Vec<u8>, Failed> {
    let part = |a: &trust::xmldsig::Attachment<'_>| a.bytes.len();
    let header = Header {
        id,
        shape: match question.shape {
            Shape::Enveloped => "enveloped",
            Shape::Ebxml => "ebxml",
        },
        certificate: STANDARD.encode(&question.certificate.der),
        sha1: question.allowed.sha1,
        document: question.text.len(),
        attachments: question.attachments.iter().map(|a| Part { id: a.id, length: a.bytes.len() }).collect(),
    };
    let header = serde_json::to_vec(&header).map_err(|_| Failed::Protocol)?;
    let parts: usize = question.attachments.iter().map(part).sum();
    let length = header.len() + 1 + question.text.len() + parts;
    let announced = u32::try_from(length).ok().filter(|_| length <= MOST_OUT).ok_or(Failed::TooLarge)?;
    let mut frame = Vec::with_capacity(length + 4);
    frame.extend_from_slice(&announced.to_be_bytes());
    frame.extend_from_slice(&header);
    frame.push(b'\n');
    frame.extend_from_slice(question.text.as_bytes());
    question.attachments.iter().for_each(|a| frame.extend_from_slice(a.bytes));
    Ok(frame)
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    valid: Option<bool>,
    why: Option<String>,
    unable: Option<String>,
}

/// An answer to the question with this id.
pub(super) fn answer(id: u64, frame: &[u8]) -> Result<Opinion, Failed> {
    let answer: Answer = serde_json::from_slice(frame).map_err(|_| Failed::Protocol)?;
    if answer.id != id {
        return Err(Failed::Protocol);
    }
    match (answer.valid, answer.unable) {
        (Some(true), None) => Ok(Opinion::Holds),
        (Some(false), None) => Ok(Opinion::HoldsNot(plain(&answer.why.unwrap_or_default()))),
        (None, Some(why)) => Ok(Opinion::Unable(plain(&why))),
        (Some(_), Some(_)) | (None, None) => Err(Failed::Protocol),
    }
}

/// A foreign program's sentence: shown to people, so it is short and has no control characters.
pub(super) fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    text.trim_end_matches('.').to_owned()
}

/// Reads one frame.
pub(super) fn read(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST_IN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_one_thing_about_the_question() {
        let told = |text: &str| answer(7, text.as_bytes());
        assert_eq!(told(r#"{"id":7,"valid":true}"#), Ok(Opinion::Holds));
        let not = Opinion::HoldsNot("digest differs".to_owned());
        assert_eq!(told(r#"{"id":7,"valid":false,"why":"digest\n differs."}"#), Ok(not));
        assert_eq!(told(r#"{"id":7,"unable":"no memory"}"#), Ok(Opinion::Unable("no memory".to_owned())));
        for bad in [
            "",
            "{}",
            r#"{"id":8,"valid":true}"#,
            r#"{"id":7}"#,
            r#"{"id":7,"valid":true,"unable":"x"}"#,
            "[]",
        ] {
            assert_eq!(told(bad), Err(Failed::Protocol), "{bad}");
        }
    }

    #[test]
    fn a_frame_is_read_whole_or_not_at_all() {
        let mut bytes: &[u8] = b"\0\0\0\x02ab\0\0\0\x01";
        assert_eq!(read(&mut bytes).unwrap(), b"ab");
        assert!(read(&mut bytes).is_err(), "its end never came");
        assert!(read(&mut b"\xff\xff\xff\xff".as_slice()).is_err(), "no room is made for it");
    }
}
