//! Attachments (`RefDoc`): what came along with a message, decoded only as far as it must be.
//!
//! The kind is told by the bytes, checked against what the sender says. What the sender says is a media type by its form
//! (RFC 6838 §4.2, RFC 2045 §5.1), or it is text for people and nothing else. A reference is never followed. What is
//! compressed is unpacked as far as there is room for it.

use super::coverage::{Coverage, Outcome, part};
use super::values::{Code, Sourced, When, Words, first};
use super::{Fault, Options};
use crate::xml::{Node, escape_attribute, escape_text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::io::Read;

/// `RefDoc`, the same in all head-less families and in MsgHead.
#[derive(Debug)]
pub(super) struct RefDoc<'t> {
    pub node: Node<'t>,
    pub issued: Option<When<'t>>,
    /// K(8114): A attachment, REF reference, XML payload.
    pub kind: Option<Code<'t>>,
    pub id: Option<Words<'t>>,
    pub mime_type: Option<Words<'t>>,
    pub description: Option<Words<'t>>,
    pub compression: Option<Code<'t>>,
    pub file: Option<Words<'t>>,
    pub content: Option<Node<'t>>,
    /// What was compressed, once it is unpacked.
    unpacked: OnceCell<Vec<u8>>,
}

/// Bytes of which no more is known.
pub(super) const UNKNOWN: &str = "application/octet-stream";

/// No document is packed into less than such a part of itself; what is, is made to take room.
const DENSEST: usize = 100;

/// What an attachment turned out to be.
#[derive(Debug)]
pub(super) enum Body<'t> {
    /// The bytes, their SHA-1 in base64, and their kind.
    Bytes { bytes: Vec<u8>, hash: String, mime: Cow<'t, str>, other_than_said: bool },
    /// A reference.
    Reference,
    /// Nothing to show, and why.
    None(&'static str),
}

/// What lies in a card.
enum Content<'t> {
    /// Base64.
    Packed(Cow<'t, str>),
    /// An element of its own.
    Inline(Node<'t>),
}

/// How many bytes the compressed attachments of a message may still come to, all together: a few bytes can be unpacked to
/// many.
#[derive(Debug)]
pub(super) struct Room(Cell<usize>);

impl Room {
    pub(super) fn of(options: &Options) -> Self {
        Self(Cell::new(options.max_attachment_bytes))
    }

    /// Unpacks what is compressed among these. A document without it might lack what is clinical, so then there is none.
    pub(super) fn unpack(&self, cards: &[RefDoc<'_>], options: &Options) -> Result<(), Fault> {
        let is_packed =
            |c: &&RefDoc<'_>| c.compression.as_ref().and_then(Code::words).is_some() && c.content.is_some();
        for card in cards.iter().filter(is_packed).filter(|_| options.shares_attachments()) {
            let bytes = card.unpack(self.0.get()).ok_or(Fault::PackedAttachment)?;
            self.0.set(self.0.get().saturating_sub(bytes.len()));
            card.unpacked.set(bytes).ok();
        }
        Ok(())
    }
}

impl<'t> RefDoc<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut r = Self {
            node,
            issued: None,
            kind: None,
            id: None,
            mime_type: None,
            description: None,
            compression: None,
            file: None,
            content: None,
            unpacked: OnceCell::new(),
        };
        for e in node.elements() {
            match e.name() {
                "IssueDate" => first(&mut r.issued, When::read(e)),
                "MsgType" => first(&mut r.kind, Some(Code::read(e))),
                "Id" => first(&mut r.id, Words::read(e)),
                "MimeType" => first(&mut r.mime_type, Words::read(e)),
                "Description" => first(&mut r.description, Words::read(e)),
                "Compression" => first(&mut r.compression, Some(Code::read(e))),
                "FileReference" => first(&mut r.file, Words::read(e)),
                "Content" => first(&mut r.content, Some(e)),
                _ => {}
            }
        }
        r
    }

    /// The element that the content is, if it is XML and not packed bytes.
    pub(super) fn inline(&self) -> Option<Node<'t>> {
        self.content?.elements().next().filter(|e| e.name() != "Base64Container")
    }

    /// Marks the card without its content.
    pub(super) fn mark_cover(&self, coverage: &mut Coverage, reason: &'static str) {
        for words in [&self.id, &self.mime_type, &self.description, &self.file].into_iter().flatten() {
            words.dropped(coverage, reason);
        }
        for code in self.kind.iter().chain(&self.compression) {
            code.dropped(coverage, reason);
        }
        if let Some(when) = &self.issued {
            when.dropped(coverage, reason);
        }
        if let Some(content) = self.content {
            coverage.mark(content, part::ALL, Outcome::Dropped, reason);
        }
    }

    /// Unpacks what is compressed; none if it cannot be, or comes to more than `room`.
    //= document-sharing §3.8
    //# Compression set: unpack only if known, size limit before and during; else park
    fn unpack(&self, room: usize) -> Option<Vec<u8>> {
        let packed = match self.single()? {
            // What it is packed into is in the message already, and no larger.
            Content::Packed(text) => decode(&text, usize::MAX).ok()?,
            Content::Inline(_) => return None,
        };
        let room = room.min(packed.len().saturating_mul(DENSEST));
        let code = self.compression.as_ref().and_then(Code::code)?;
        let most = u64::try_from(room).ok()?.checked_add(1)?;
        let mut bytes = Vec::new();
        //= K(1204)
        //# GZ, DF (zlib), Z (compress)
        if code.eq_ignore_ascii_case("GZ") {
            MultiGzDecoder::new(&*packed).take(most).read_to_end(&mut bytes).ok()?;
        } else if code.eq_ignore_ascii_case("DF") {
            let mut decoder = ZlibDecoder::new(&*packed);
            decoder.by_ref().take(most).read_to_end(&mut bytes).ok()?;
            // What follows would be lost.
            (bytes.len() > room || decoder.total_in() == u64::try_from(packed.len()).ok()?).then_some(())?;
        } else {
            return None;
        }
        (bytes.len() <= room).then_some(bytes)
    }

    /// What the sender says, if it is a media type.
    fn said(&self) -> Option<Cow<'t, str>> {
        self.mime_type.as_ref().map(|w| w.value.clone()).filter(|said| is_media_type(said))
    }

    /// The sender says something that is no media type: it is shown, and goes nowhere that programs read.
    pub(super) fn says_no_media_type(&self) -> bool {
        self.mime_type.is_some() && self.said().is_none()
    }

    /// The media type of what is only referred to.
    pub(super) fn referred(&self) -> Option<Cow<'t, str>> {
        self.mime_type.as_ref().map(|_| self.said().unwrap_or(Cow::Borrowed(UNKNOWN)))
    }

    /// The content, if it is one thing.
    fn single(&self) -> Option<Content<'t>> {
        let content = self.content?;
        let mut containers = content.elements();
        match (containers.next(), containers.next()) {
            (_, Some(_)) => None,
            (Some(node), None) if node.name() == "Base64Container" => Some(Content::Packed(node.text())),
            (Some(node), None) => Some(Content::Inline(node)),
            (None, None) => Some(Content::Packed(content.text())),
        }
    }

    /// Decodes the content, up to a number of bytes.
    pub(super) fn body(&self, limit: usize) -> Body<'t> {
        if self.content.is_none() {
            return if self.file.is_some() { Body::Reference } else { Body::None("no content") };
        }
        let (bytes, inline) = match (self.unpacked.get(), self.single()) {
            (Some(bytes), _) => (Ok(bytes.clone()), false),
            (None, Some(Content::Packed(text))) => (decode(&text, limit), false),
            (None, Some(Content::Inline(node))) => (Ok(serialise(node).into_bytes()), true),
            // Which of them is meant cannot be told, and one of them alone may be half a document.
            (None, None) => return Body::None("several documents in one card"),
        };
        let bytes = match bytes {
            Ok(bytes) if bytes.is_empty() => return Body::None("empty"),
            Ok(bytes) if bytes.len() > limit => return Body::None("over the size limit"),
            Ok(bytes) => bytes,
            Err(reason) => return Body::None(reason),
        };
        let said = self.said();
        let told = if inline { Some("application/xml") } else { sniff(&bytes) };
        let (mime, other_than_said) = match (told, said) {
            (Some(told), Some(said)) => {
                let same = same_kind(told, &said);
                (if same { said } else { Cow::Borrowed(told) }, !same)
            }
            (Some(told), None) => (Cow::Borrowed(told), false),
            // Bytes of these kinds show what they are; these do not.
            (None, Some(said)) if KINDS.iter().any(|(_, kind)| is_shown(kind) && same_kind(kind, &said)) => {
                (Cow::Borrowed(UNKNOWN), true)
            }
            (None, Some(said)) => (said, false),
            (None, None) => (Cow::Borrowed(UNKNOWN), false),
        };
        let other_than_said = other_than_said || self.says_no_media_type();
        let hash = {
            use sha1::Digest as _;
            STANDARD.encode(sha1::Sha1::digest(&bytes))
        };
        Body::Bytes { bytes, hash, mime, other_than_said }
    }

    /// Marks everything that stands in the card.
    pub(super) fn mark(&self, outcome: Outcome, reason: &'static str, coverage: &mut Coverage) {
        let shown = outcome == Outcome::Mapped && self.says_no_media_type();
        if let Some(words) = self.mime_type.as_ref().filter(|_| shown) {
            words.told(coverage, "Vedlegg");
        }
        for (node, parts) in [
            self.issued.as_ref().map(|w| (w.node(), When::PARTS)),
            self.kind.as_ref().map(|c| (c.node(), Code::PARTS)),
            self.id.as_ref().map(|w| (w.node(), Words::PARTS)),
            self.mime_type.as_ref().filter(|_| !shown).map(|w| (w.node(), Words::PARTS)),
            self.description.as_ref().map(|w| (w.node(), Words::PARTS)),
            self.compression.as_ref().map(|c| (c.node(), Code::PARTS)),
            self.file.as_ref().map(|w| (w.node(), Words::PARTS)),
            self.content.map(|c| (c, part::ALL)),
        ]
        .into_iter()
        .flatten()
        {
            coverage.mark(node, parts, outcome, reason);
        }
        if let Some(content) = self.content {
            coverage.mark_all(content, outcome, reason);
        }
    }
}

/// Base64 with blanks and line breaks anywhere.
fn decode(text: &str, limit: usize) -> Result<Vec<u8>, &'static str> {
    if text.len() / 4 * 3 > limit.saturating_mul(2) {
        return Err("over the size limit");
    }
    let packed: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(&packed).map_err(|_| "not base64")
}

/// How kinds begin.
const KINDS: &[(&[u8], &str)] = &[
    (PDF, "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"{\\rtf", "text/rtf"),
    (b"<?xml", "application/xml"),
    (b"\xef\xbb\xbf<?xml", "application/xml"),
];
const PDF: &[u8] = b"%PDF-";
/// Readers of PDF look for its mark within so many bytes (ISO 32000-1, annex H.3, implementation note 13 of PDF 1.7).
const BEFORE_PDF: usize = 1024;

/// The kind that the first bytes tell.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    let found = KINDS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, kind)| *kind);
    let start = bytes.get(..BEFORE_PDF).unwrap_or(bytes);
    found.or_else(|| start.windows(PDF.len()).any(|w| w == PDF).then_some("application/pdf"))
}

/// True of a kind whose bytes always begin with its mark; XML may do without.
fn is_shown(kind: &str) -> bool {
    kind != "application/xml"
}

/// `type/subtype`, and parameters of which none is quoted or empty.
fn is_media_type(text: &str) -> bool {
    let name = |part: &str| {
        part.len() <= 127
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let pair = |text: &str, between| text.split_once(between).is_some_and(|(a, b)| name(a) && name(b));
    let mut parts = text.split(';').map(|part| part.trim_matches(' '));
    text.len() <= 255 && parts.next().is_some_and(|kind| pair(kind, '/')) && parts.all(|p| pair(p, '='))
}

fn same_kind(told: &str, said: &str) -> bool {
    let said = said.split(';').next().unwrap_or_default().trim();
    told.eq_ignore_ascii_case(said)
        || match told {
            "application/xml" => said.eq_ignore_ascii_case("text/xml") || said.ends_with("+xml"),
            "text/rtf" => said.eq_ignore_ascii_case("application/rtf"),
            "image/jpeg" => said.eq_ignore_ascii_case("image/jpg"),
            "image/tiff" => said.eq_ignore_ascii_case("image/tif"),
            _ => false,
        }
}

/// A subtree as a document of its own, namespaces declared where they change.
pub(super) fn serialise(root: Node<'_>) -> String {
    enum Step<'t> {
        Open(Node<'t>, &'t str),
        Close(&'t str),
    }
    let mut out = String::new();
    let mut work = vec![Step::Open(root, "")];
    while let Some(step) = work.pop() {
        let (node, outer) = match step {
            Step::Close(name) => {
                out.push_str("</");
                out.push_str(name);
                out.push('>');
                continue;
            }
            Step::Open(node, outer) => (node, outer),
        };
        if !node.is_element() {
            out.push_str(&escape_text(node.own_text()));
            continue;
        }
        out.push('<');
        out.push_str(node.name());
        if node.namespace() != outer {
            out.push_str(" xmlns=\"");
            out.push_str(&escape_attribute(node.namespace()));
            out.push('"');
        }
        for (n, (namespace, name, value)) in node.attributes().enumerate() {
            match namespace {
                "" => {
                    out.push(' ');
                    out.push_str(name);
                }
                "http://www.w3.org/XML/1998/namespace" => {
                    out.push_str(" xml:");
                    out.push_str(name);
                }
                _ => {
                    let declared = escape_attribute(namespace);
                    out.push_str(&format!(" xmlns:a{n}=\"{declared}\" a{n}:{name}"));
                }
            }
            out.push_str("=\"");
            out.push_str(&escape_attribute(value));
            out.push('"');
        }
        out.push('>');
        work.push(Step::Close(node.name()));
        let from = work.len();
        work.extend(node.children().map(|child| Step::Open(child, node.namespace())));
        if let Some(new) = work.get_mut(from..) {
            new.reverse();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    #[test]
    fn what_is_no_media_type_goes_into_no_resource() {
        for good in ["image/png", "application/vnd.ms-excel", "image/svg+xml", "text/plain; charset=utf-8"] {
            assert!(is_media_type(good), "{good}");
        }
        let long = format!("text/{}", "x".repeat(128));
        let bad = [
            "../../etc/passwd",
            "text",
            "text/",
            "/plain",
            "text/a/b",
            "text/plain\r\nX: y",
            "tekst/blå",
            &long,
        ];
        for bad in
            bad.into_iter().chain(["text/plain;", "text/plain; charset", "text/ plain", "text/plain;a=\r\n"])
        {
            assert!(!is_media_type(bad), "{bad}");
        }
        let read = |mime: &str, content: &str| {
            let text = format!("<RefDoc><MimeType>{mime}</MimeType>{content}</RefDoc>");
            let tree = Tree::parse(&text, &Limits::default()).unwrap();
            let card = RefDoc::read(tree.root().unwrap());
            match card.body(100) {
                Body::Bytes { mime, other_than_said, .. } => (mime.to_string(), other_than_said),
                Body::Reference => (card.referred().unwrap().to_string(), card.says_no_media_type()),
                Body::None(reason) => panic!("{reason}"),
            }
        };
        let bytes = "<Content><Base64Container>QUJD</Base64Container></Content>";
        let pdf = "<Content><Base64Container>JVBERi0=</Base64Container></Content>";
        let inline = "<Content><x/></Content>";
        let referred = "<FileReference>x</FileReference>";
        for content in [bytes, referred] {
            assert_eq!(read("../../etc/passwd", content), (UNKNOWN.to_owned(), true));
            assert_eq!(read("application/x-own", content), ("application/x-own".to_owned(), false));
        }
        assert_eq!(read("../../x", pdf), ("application/pdf".to_owned(), true));
        for said in ["application/pdf", "image/jpg", "application/rtf"] {
            assert_eq!(read(said, bytes), (UNKNOWN.to_owned(), true), "{said}: the bytes are not");
        }
        let late = "<Content><Base64Container>CgolUERGLTEuNA==</Base64Container></Content>";
        assert_eq!(read("application/pdf", late), ("application/pdf".to_owned(), false));
        assert_eq!(read("text/xml", bytes), ("text/xml".to_owned(), false));
        assert_eq!(read("../../x+xml", inline), ("application/xml".to_owned(), true));
        assert_eq!(read("image/svg+xml", inline), ("image/svg+xml".to_owned(), false));
    }

    #[test]
    fn what_lies_with_others_is_not_shown_as_one_document() {
        let card = |text: &str, judge: &dyn Fn(&RefDoc<'_>)| {
            let tree = Tree::parse(&format!("<RefDoc>{text}</RefDoc>"), &Limits::default()).unwrap();
            judge(&RefDoc::read(tree.root().unwrap()));
        };
        let one = "<Base64Container>JVBERi0=</Base64Container>";
        card(&format!("<Content>{one}{one}</Content>"), &|c| {
            assert!(matches!(c.body(100), Body::None("several documents in one card")));
        });
    }

    #[test]
    fn what_is_compressed_is_unpacked_as_far_as_there_is_room() {
        let text = |compression: &str, contents: &[&str]| {
            let card = |content: &&str| format!("<RefDoc>{compression}<Content>{content}</Content></RefDoc>");
            format!("<a>{}</a>", contents.iter().map(card).collect::<String>())
        };
        let unpacked = |text: &str, room: usize| {
            let tree = Tree::parse(text, &Limits::default()).unwrap();
            let cards: Vec<_> = tree.root().unwrap().elements().map(RefDoc::read).collect();
            let options = Options { max_attachment_bytes: room, ..Options::default() };
            Room::of(&options).unpack(&cards, &options)?;
            let body = |card: &RefDoc<'_>| match card.body(100) {
                Body::Bytes { bytes, mime, .. } => (bytes, mime.to_string()),
                other @ (Body::Reference | Body::None(_)) => panic!("{other:?}"),
            };
            Ok(cards.iter().map(body).collect::<Vec<_>>())
        };
        let packed = |bytes: &[u8], gz: bool| {
            use flate2::Compression;
            use flate2::write::{GzEncoder, ZlibEncoder};
            use std::io::Write as _;
            if gz {
                let mut to = GzEncoder::new(Vec::new(), Compression::default());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            } else {
                let mut to = ZlibEncoder::new(Vec::new(), Compression::default());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
        };
        let pdf = (b"%PDF-1.7".to_vec(), "application/pdf".to_owned());
        for (code, gz) in [("V='GZ'", true), ("V='gz' DN='GZIP'", true), ("V='DF'", false)] {
            let compression = format!("<Compression {code}/>");
            let good = packed(&pdf.0, gz);
            let one = STANDARD.encode(&good);
            let message = text(&compression, &[&one]);
            assert_eq!(unpacked(&message, 8), Ok(vec![pdf.clone()]), "{code}");
            assert_eq!(unpacked(&message, 7), Err(Fault::PackedAttachment), "{code}: no room");
            let two = text(&compression, &[&one, &format!("<Base64Container>{one}</Base64Container>")]);
            assert_eq!(unpacked(&two, 16), Ok(vec![pdf.clone(), pdf.clone()]), "{code}");
            assert_eq!(unpacked(&two, 15), Err(Fault::PackedAttachment), "{code}: no room for both");
            let cut = STANDARD.encode(&good[..good.len() - 1]);
            let more = STANDARD.encode([&*good, b"more"].concat());
            for bad in [&*cut, &*more, "QUJD", "<x/>", "no base64", ""] {
                let message = text(&compression, &[bad]);
                assert_eq!(unpacked(&message, 1000), Err(Fault::PackedAttachment), "{code}: {bad}");
            }
        }
        for unknown in ["V='Z'", "DN='GZIP'", "V='7z'"] {
            let message = text(&format!("<Compression {unknown}/>"), &["QUJD"]);
            assert_eq!(unpacked(&message, 1000), Err(Fault::PackedAttachment), "{unknown}");
        }
        let plain = Ok(vec![(b"ABC".to_vec(), UNKNOWN.to_owned())]);
        assert_eq!(unpacked(&text("<Compression/>", &["QUJD"]), 0), plain, "not compressed at all");
    }

    #[test]
    fn a_subtree_is_a_document_of_its_own() {
        let text = "<a xmlns='urn:a' xmlns:b='urn:b'><b:c b:d='1' e='&lt;'>x<f/>&amp;</b:c></a>";
        let tree = Tree::parse(text, &Limits::default()).unwrap();
        let c = tree.root().unwrap().child("c").unwrap();
        let out = serialise(c);
        assert_eq!(
            out,
            "<c xmlns=\"urn:b\" xmlns:a0=\"urn:b\" a0:d=\"1\" e=\"&lt;\">x<f xmlns=\"urn:a\"></f>&amp;</c>"
        );
        let again = Tree::parse(&out, &Limits::default()).unwrap();
        assert_eq!(serialise(again.root().unwrap()), out);
    }
}
