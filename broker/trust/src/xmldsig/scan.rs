//! One pass over a document: its canonical form without the signature, and the signature.

use super::c14n::Canonicalizer;
use super::signature::{Reader, Signature};
use super::uri::{DSIG, SOAP, is_absolute};
use super::xpath::NEXT_NODE;
use super::{Canonical, Shape, Wrong};
use crate::fault::{Fault, Kind};
use message_schemas::Limits;
use message_schemas::xml::{self, Element, Handler, Namespace, Offset};

/// Into which forms a document and its SignedInfo are put. The signature says so, and it stands at the end of the
/// document or inside it: so this is guessed before, and compared with what the signature says after.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Forms {
    /// Of the document. Comments never stay: a reference with an empty URI does not cover them
    /// (XML Signature §4.4.3.3).
    pub(super) document: Canonical,
    /// Of SignedInfo.
    pub(super) signed_info: Canonical,
    /// What is addressed to the next node is left out.
    pub(super) next_node: bool,
}

/// What one pass saw.
#[derive(Debug)]
pub(super) struct View {
    /// The canonical document without its signature.
    pub(super) covered: Vec<u8>,
    /// The canonical SignedInfo.
    pub(super) signed_info: Vec<u8>,
    /// The one signature; none if there is none at all.
    pub(super) signature: Option<Signature>,
    /// Why there could be none, where there is none: only who signs asks for it.
    pub(super) unfit: Option<Fault>,
}

/// Reads a document.
pub(super) fn scan(text: &str, shape: Shape, forms: &Forms, limits: &Limits) -> Result<View, Fault> {
    let mut scan = Scan::new(shape, forms, text.len(), limits);
    xml::read(text, limits, &mut scan).map_err(|finding| super::not_xml(&finding))?;
    scan.finish(text)
}

/// The pass itself.
pub(super) struct Scan<'f> {
    shape: Shape,
    next_node: bool,
    document: Canonicalizer<'f>,
    signed_info: Canonicalizer<'f>,
    /// Open elements outside the signature.
    depth: usize,
    /// Open elements of those that are left out.
    left_out: usize,
    soap: Soap,
    /// `xml:` attributes of the elements that a signature may stand in: depth, local name, value.
    handed_down: Vec<(usize, String, String)>,
    /// The signature while we are in it, how many of its elements are open, and how many of SignedInfo.
    reading: Option<Reader>,
    in_signature: usize,
    in_signed_info: usize,
    /// Signature elements met anywhere, and where the second stands.
    seen: usize,
    second: Offset,
    done: Option<Result<Signature, Wrong>>,
    wrong: Option<Wrong>,
}

/// How far we are into a SOAP envelope.
#[derive(Default)]
struct Soap {
    envelope: bool,
    headers: usize,
    in_header: bool,
}

/// A signature stands in the document element or in a header inside it.
const DEEPEST_PARENT: usize = 2;

impl Handler for Scan<'_> {
    fn start(&mut self, element: &Element<'_>) {
        if element.declarations().any(|(_, namespace)| !is_absolute(element.uri(namespace))) {
            self.shape(
                element.offset,
                "A namespace has a name that is no absolute URI: there is no canonical form.",
            );
        }
        let is_signature = element.local == "Signature" && element.uri(element.namespace) == DSIG;
        if is_signature {
            self.seen += 1;
            if self.seen == 2 {
                self.second = element.offset;
            }
        }
        if self.reading.is_some() {
            self.inside(element);
        } else if is_signature && self.seen == 1 && self.expected(element.offset) {
            self.reading = Some(Reader::new(element));
            self.in_signature = 1;
        } else {
            self.outside(element);
        }
    }

    fn text(&mut self, text: &str, at: Offset) {
        if let Some(reader) = &mut self.reading {
            reader.text(text, at);
            if self.in_signed_info > 0 {
                self.signed_info.text(text);
            }
        } else if self.left_out == 0 {
            self.document.text(text);
        }
    }

    fn end(&mut self, at: Offset) {
        if self.reading.is_some() {
            return self.end_inside(at);
        }
        self.depth -= 1;
        if self.depth < DEEPEST_PARENT {
            let depth = self.depth;
            self.handed_down.retain(|(of, _, _)| *of < depth);
            self.soap.in_header &= depth > 1;
        }
        if self.left_out > 0 {
            self.left_out -= 1;
        } else {
            self.document.end();
        }
    }

    fn comment(&mut self, text: &str, at: Offset) {
        if let Some(reader) = &mut self.reading {
            reader.aside(at);
            if self.in_signed_info > 0 {
                self.signed_info.comment(text);
            }
        }
    }

    fn instruction(&mut self, target: &str, data: &str, at: Offset) {
        if let Some(reader) = &mut self.reading {
            reader.aside(at);
            if self.in_signed_info > 0 {
                self.signed_info.instruction(target, data);
            }
        } else if self.left_out == 0 {
            self.document.instruction(target, data);
        }
    }
}

impl<'f> Scan<'f> {
    pub(super) fn new(shape: Shape, forms: &'f Forms, size: usize, limits: &Limits) -> Self {
        Self {
            shape,
            next_node: forms.next_node,
            document: Canonicalizer::new(&forms.document, size, limits),
            signed_info: Canonicalizer::new(&forms.signed_info, 2048, limits),
            depth: 0,
            left_out: 0,
            soap: Soap::default(),
            handed_down: Vec::new(),
            reading: None,
            in_signature: 0,
            in_signed_info: 0,
            seen: 0,
            second: 0,
            done: None,
            wrong: None,
        }
    }

    /// What was seen, after the whole document was read.
    pub(super) fn finish(self, text: &str) -> Result<View, Fault> {
        let wrong = if self.seen > 1 {
            let message = "There is more than one signature in the document.";
            Some(Wrong::new(Kind::SignatureAmbiguous, self.second, message))
        } else {
            self.wrong
        };
        let fault = wrong.map(|wrong| wrong.fault(text));
        let unfit = match fault {
            Some(fault) if self.seen > 0 => return Err(fault),
            fault => fault,
        };
        let signature = self.done.transpose().map_err(|wrong| wrong.fault(text))?;
        Ok(View {
            covered: self.document.finish()?,
            signed_info: self.signed_info.finish()?,
            signature,
            unfit,
        })
    }

    fn outside(&mut self, element: &Element<'_>) {
        if self.depth < DEEPEST_PARENT {
            self.outermost(element);
        }
        if self.left_out > 0 || (self.next_node && is_for_next_node(element)) {
            if self.depth == 0 {
                self.shape(element.offset, "The whole document is addressed to the next node.");
            }
            self.left_out += 1;
        } else {
            self.document.start(element);
        }
        self.depth += 1;
    }

    /// The document element or a child of it.
    fn outermost(&mut self, element: &Element<'_>) {
        if self.depth == 1 && self.shape == Shape::Enveloped && self.done.is_some() {
            self.shape(element.offset, "The signature is not the last element of the document.");
        }
        let inherited = element.attributes.iter().filter(|a| a.namespace == Namespace::XML);
        self.handed_down.extend(inherited.map(|a| (self.depth, a.local.to_owned(), a.value.to_string())));
        let is_soap = |name: &str| element.local == name && element.uri(element.namespace) == SOAP;
        if self.depth == 0 {
            self.soap.envelope = is_soap("Envelope");
        } else if self.shape == Shape::Ebxml && is_soap("Header") {
            self.soap.in_header = true;
            self.soap.headers += 1;
            if self.soap.headers > 1 {
                self.shape(element.offset, "The envelope has more than one Header.");
            }
        }
    }

    /// Whether this is the place where the signature must stand.
    fn expected(&mut self, at: Offset) -> bool {
        let here = match self.shape {
            Shape::Enveloped => self.depth == 1,
            Shape::Ebxml => self.depth == 2 && self.soap.envelope && self.soap.in_header,
        };
        if here && self.left_out == 0 {
            return true;
        }
        self.shape(
            at,
            match self.shape {
                Shape::Enveloped => "The signature is not a child of the document element.",
                Shape::Ebxml => "The signature is not a child of the SOAP header.",
            },
        );
        false
    }

    fn inside(&mut self, element: &Element<'_>) {
        let Some(reader) = &mut self.reading else { return };
        reader.start(element);
        if self.in_signed_info > 0 {
            self.signed_info.start(element);
            self.in_signed_info += 1;
        } else if self.in_signature == 1 && element.local == "SignedInfo" && reader.at_signed_info() {
            let mut inherited: Vec<(String, String)> = Vec::new();
            for (_, local, value) in self.handed_down.iter().rev() {
                if !inherited.iter().any(|(known, _)| known == local) {
                    inherited.push((local.clone(), value.clone()));
                }
            }
            self.signed_info.apex(element, &inherited);
            self.in_signed_info = 1;
        }
        self.in_signature += 1;
    }

    fn end_inside(&mut self, at: Offset) {
        if self.in_signed_info > 0 {
            self.signed_info.end();
            self.in_signed_info -= 1;
        }
        self.in_signature -= 1;
        if self.reading.as_mut().is_some_and(|reader| reader.end(at)) {
            self.done = self.reading.take().map(Reader::finish);
        }
    }

    fn shape(&mut self, at: Offset, message: &str) {
        self.wrong.get_or_insert(Wrong::new(Kind::SignatureShape, at, message));
    }
}

fn is_for_next_node(element: &Element<'_>) -> bool {
    element.attributes.iter().any(|a| {
        a.local == "actor" && NEXT_NODE.contains(&a.value.as_ref()) && element.uri(a.namespace) == SOAP
    })
}
