//! Where each piece of a document begins and ends.
//!
//! What messages are made of (text, references, tags of elements) is found here, by its first byte. What is rare
//! (comments, CDATA sections, instructions, the declaration, DOCTYPE) is left to quick-xml. Pieces are places only:
//! whether what stands in them is lawful is for [`super::read`] to say, which finds the end of a tag while it reads it.

use super::Offset;
use quick_xml::Reader;
use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::events::Event;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `<`, and not what follows of the tag.
    Start,
    /// `</`, likewise.
    End,
    Text,
    Reference,
    CData,
    Declaration,
    Instruction,
    Comment,
    Doctype,
}

/// A piece, from its first byte to the one behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: Offset,
    pub end: Offset,
}

/// A piece that has no end, where it is wrong and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub at: Offset,
    /// It quotes nothing of the document.
    pub message: &'static str,
}

/// The pieces of a document, in order.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: Offset,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next piece is looked for here: behind a tag, of which only the beginning was given.
    pub(super) fn go_on(&mut self, at: Offset) {
        self.at = at;
    }

    /// The next piece; none at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Token>, Broken> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let broken = |message| Broken { at: start, message };
        let (kind, length) = match rest {
            [] => return Ok(None),
            [b'<', b'!' | b'?', ..] => self.rare()?,
            [b'<', b'/', ..] => (Kind::End, "</".len()),
            [b'<', ..] => (Kind::Start, "<".len()),
            [b'&', ..] => {
                let length = reference(rest);
                (Kind::Reference, length.ok_or_else(|| broken("An ampersand does not begin a reference."))?)
            }
            _ => (Kind::Text, memchr::memchr2(b'<', b'&', rest).unwrap_or(rest.len())),
        };
        self.at = start + length;
        Ok(Some(Token { kind, start, end: self.at }))
    }

    /// Kind and length of what begins with `<!` or `<?` here.
    #[cold]
    fn rare(&self) -> Result<(Kind, usize), Broken> {
        let mut reader = Reader::from_str(self.text.get(self.at..).unwrap_or_default());
        reader.config_mut().check_comments = true;
        let kind = match reader.read_event() {
            Ok(Event::CData(_)) => Kind::CData,
            Ok(Event::Decl(_)) => Kind::Declaration,
            Ok(Event::PI(_)) => Kind::Instruction,
            Ok(Event::Comment(_)) => Kind::Comment,
            Ok(Event::DocType(_)) => Kind::Doctype,
            // These begin otherwise.
            Ok(
                Event::Start(_)
                | Event::Empty(_)
                | Event::End(_)
                | Event::Text(_)
                | Event::GeneralRef(_)
                | Event::Eof,
            ) => return Err(Broken { at: self.at, message: NOT_WELL_FORMED }),
            Err(error) => {
                let at = self.at + usize::try_from(reader.error_position()).unwrap_or(0);
                return Err(Broken { at, message: describe(&error) });
            }
        };
        Ok((kind, usize::try_from(reader.buffer_position()).unwrap_or(0)))
    }
}

/// The length of the tag that begins here, lawful or not: up to the first `>` outside of quotation marks.
pub(super) fn tag(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let rest = bytes.get(at..)?;
        let found = rest.iter().position(|b| matches!(b, b'>' | b'"' | b'\''))?;
        at += found + 1;
        match rest.get(found) {
            Some(b'>') => return Some(at),
            quote => at += memchr::memchr(*quote?, bytes.get(at..)?)? + 1,
        }
    }
}

/// The length of the reference that begins here. No other mark-up begins in one.
fn reference(bytes: &[u8]) -> Option<usize> {
    let behind = bytes.get(1..)?;
    let end = memchr::memchr3(b';', b'&', b'<', behind)?;
    (behind.get(end) == Some(&b';')).then_some(end + 2)
}

const NOT_WELL_FORMED: &str = "The document is not well-formed.";

/// What is wrong, in words that quote nothing of the document.
fn describe(error: &quick_xml::Error) -> &'static str {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, growing list of faults, all of one kind to us"
    )]
    match error {
        quick_xml::Error::Syntax(SyntaxError::UnclosedComment) => "A comment is not closed.",
        quick_xml::Error::Syntax(SyntaxError::UnclosedCData) => "A CDATA section is not closed.",
        quick_xml::Error::Syntax(_) => "A mark-up declaration is not closed or not known.",
        quick_xml::Error::IllFormed(IllFormedError::DoubleHyphenInComment) => {
            "Two hyphens stand inside a comment."
        }
        _ => NOT_WELL_FORMED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (Vec<Token>, Option<Offset>);

    /// All pieces, and where what has no end begins. Of tags as far as they go.
    fn found(text: &str) -> Found {
        let mut tokens = Tokens::new(text);
        let mut list = Vec::new();
        loop {
            match tokens.next() {
                Ok(Some(token)) if matches!(token.kind, Kind::Start | Kind::End) => {
                    let Some(length) = tag(&text.as_bytes()[token.start..]) else {
                        return (list, Some(token.start));
                    };
                    let token = Token { end: token.start + length, ..token };
                    tokens.go_on(token.end);
                    list.push(token);
                }
                Ok(Some(token)) => list.push(token),
                Ok(None) => return (list, None),
                Err(broken) => return (list, Some(broken.at)),
            }
        }
    }

    /// The same by quick-xml alone.
    fn found_by_quick_xml(text: &str) -> Found {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_comments = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        let place = |at: u64| usize::try_from(at).unwrap();
        let mut list = Vec::new();
        loop {
            let start = place(reader.buffer_position());
            let kind = match reader.read_event() {
                Ok(Event::Start(_) | Event::Empty(_)) => Kind::Start,
                Ok(Event::End(_)) => Kind::End,
                Ok(Event::Text(_)) => Kind::Text,
                Ok(Event::GeneralRef(_)) => Kind::Reference,
                Ok(Event::CData(_)) => Kind::CData,
                Ok(Event::Decl(_)) => Kind::Declaration,
                Ok(Event::PI(_)) => Kind::Instruction,
                Ok(Event::Comment(_)) => Kind::Comment,
                Ok(Event::DocType(_)) => Kind::Doctype,
                Ok(Event::Eof) => return (list, None),
                Err(_) => return (list, Some(place(reader.error_position()))),
            };
            list.push(Token { kind, start, end: place(reader.buffer_position()) });
        }
    }

    #[test]
    fn the_pieces_are_those_that_quick_xml_finds() {
        let pieces = "|a|æ| |\n|<|>|/|&|;|'|\"|=|-|!|?|]|<a|</|/>|<!|<!--|--|-->|<![CDATA[|]]>|<?|<?xml |?>|<!DOCTYPE a|\
            [<!ENTITY b '>'>]|<a>|</a>|<b c='>'/>|<b c=\"'>\">|</a b='>'>|&#65;|<!-- - -->";
        let pieces: Vec<&str> = pieces.split('|').collect();
        for a in &pieces {
            for b in &pieces {
                for c in &pieces {
                    for text in [format!("{a}{b}{c}"), format!("<a>{a}{b}{c}</a>")] {
                        assert_eq!(found(&text), found_by_quick_xml(&text), "{text}");
                    }
                }
            }
        }
    }
}
