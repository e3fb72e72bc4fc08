//! The Signature element, read strictly in the order of its schema (XML Signature §4).
//!
//! Everything that is read is on a list; everything else is refused, but for what stands in KeyInfo beside
//! certificates, which is passed over: keys and hints of the sender count for nothing.

use super::grammar::{Node, child, complete};
use super::uri;
use super::xpath::Expression;
use super::{Canonical, Wrong};
use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::fault::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use message_schemas::xml::{Element, Namespace, Offset};

/// The largest Signature element that is read; one with a long chain of certificates has 20 KB.
const MOST_BYTES: usize = 256 * 1024;
/// The most references: one document and its attachments.
const MOST_REFERENCES: usize = 200;
/// The most certificates in KeyInfo.
const MOST_CERTIFICATES: usize = 20;
/// The most prefixes in an InclusiveNamespaces list.
pub(super) const MOST_PREFIXES: usize = 64;
/// Enveloped, the XPath of ebXML, canonical form.
const MOST_TRANSFORMS: usize = 3;

/// What a Signature element says.
#[derive(Debug, Default)]
pub(super) struct Signature {
    /// How SignedInfo is put into canonical form.
    pub(super) method: Canonical,
    pub(super) algorithm: Option<SignatureAlgorithm>,
    pub(super) references: Vec<Reference>,
    /// SignatureValue, decoded.
    pub(super) value: Vec<u8>,
    /// DER of the certificates in KeyInfo.
    pub(super) certificates: Vec<Vec<u8>>,
    /// Where it begins.
    pub(super) at: Offset,
}

/// One Reference.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) uri: String,
    pub(super) transforms: Vec<Transform>,
    pub(super) digest: Digest,
    pub(super) value: Vec<u8>,
    pub(super) at: Offset,
}

/// One transform of those that there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transform {
    /// The signature is taken out of the document.
    Enveloped,
    /// What is addressed to the next node is left out.
    NextNode,
    /// Canonical form.
    Canonical(Canonical),
}

/// Reads one Signature element, event by event. The first thing that is wrong is kept.
#[derive(Debug)]
pub(super) struct Reader {
    signature: Signature,
    /// Where we are, and how far we have come there.
    open: Vec<(Node, u8)>,
    value: String,
    expression: Expression,
    digest: Option<Digest>,
    transform: Option<Transform>,
    wrong: Option<Wrong>,
}

impl Reader {
    /// At its start tag.
    pub(super) fn new(element: &Element<'_>) -> Self {
        let mut reader = Self {
            signature: Signature { at: element.offset, ..Signature::default() },
            open: vec![(Node::Signature, 0)],
            value: String::new(),
            expression: Expression::default(),
            digest: None,
            transform: None,
            wrong: None,
        };
        reader.check_attributes(Node::Signature, element);
        reader
    }

    /// The whole element was read.
    pub(super) fn finish(self) -> Result<Signature, Wrong> {
        match self.wrong {
            None => Ok(self.signature),
            Some(wrong) => Err(wrong),
        }
    }

    /// The element that began last is SignedInfo.
    pub(super) fn at_signed_info(&self) -> bool {
        self.open.last().is_some_and(|(node, _)| *node == Node::SignedInfo)
    }

    pub(super) fn start(&mut self, element: &Element<'_>) {
        if element.offset.saturating_sub(self.signature.at) > MOST_BYTES {
            self.limit(element.offset, "The signature is too large.");
        }
        let (parent, came) = self.open.last().copied().unwrap_or((Node::PassedOver, 0));
        let node = match self.child(parent, came, element) {
            Some((node, place)) => {
                if let Some(last) = self.open.last_mut() {
                    last.1 = place;
                }
                node
            }
            None => {
                self.shape(element.offset, "An element stands where the signature must not have one.");
                Node::PassedOver
            }
        };
        self.open.push((node, 0));
        self.check_attributes(node, element);
        self.begin(node, element);
    }

    fn child(&self, parent: Node, came: u8, element: &Element<'_>) -> Option<(Node, u8)> {
        let of = element.uri(element.namespace);
        match parent {
            Node::PassedOver => Some((Node::PassedOver, 0)),
            Node::KeyInfo if of == uri::DSIG && element.local == "X509Data" => Some((Node::X509Data, 0)),
            Node::X509Data if of == uri::DSIG && element.local == "X509Certificate" => {
                Some((Node::X509Certificate, 0))
            }
            Node::KeyInfo | Node::X509Data => Some((Node::PassedOver, 0)),
            Node::CanonicalizationMethod | Node::Transform
                if of == uri::EXCLUSIVE && element.local == "InclusiveNamespaces" =>
            {
                (came == 0 && self.takes_prefixes(parent)).then_some((Node::InclusiveNamespaces, 1))
            }
            Node::Signature
            | Node::SignedInfo
            | Node::CanonicalizationMethod
            | Node::SignatureMethod
            | Node::Reference
            | Node::Transforms
            | Node::Transform
            | Node::XPath
            | Node::InclusiveNamespaces
            | Node::DigestMethod
            | Node::DigestValue
            | Node::SignatureValue
            | Node::X509Certificate => {
                let (node, place, repeats) =
                    (of == uri::DSIG).then(|| child(parent, element.local)).flatten()?;
                let expected = node != Node::XPath || self.transform == Some(Transform::NextNode);
                let in_order = place > came || (place == came && repeats);
                // Nothing may be left out but what is optional: Transforms, and KeyInfo at the end.
                let next = place <= came + 1 || (node == Node::DigestMethod && came == 0);
                (expected && in_order && next).then_some((node, place))
            }
        }
    }

    /// InclusiveNamespaces belongs to the exclusive form only.
    fn takes_prefixes(&self, parent: Node) -> bool {
        if parent == Node::CanonicalizationMethod {
            self.signature.method.exclusive
        } else {
            matches!(&self.transform, Some(Transform::Canonical(form)) if form.exclusive)
        }
    }

    fn begin(&mut self, node: Node, element: &Element<'_>) {
        let at = element.offset;
        let algorithm = || attribute(element, "Algorithm").unwrap_or_default();
        match node {
            Node::CanonicalizationMethod => match uri::canonical(algorithm()) {
                Some(form) => self.signature.method = form,
                None => self.refuse(at, "The canonical form", algorithm()),
            },
            Node::SignatureMethod => {
                self.signature.algorithm = uri::signature(algorithm());
                if self.signature.algorithm.is_none() {
                    self.refuse(at, "The signature algorithm", algorithm());
                }
            }
            Node::DigestMethod => {
                self.digest = uri::digest(algorithm());
                if self.digest.is_none() {
                    self.refuse(at, "The hash function", algorithm());
                }
            }
            Node::Reference => self.begin_reference(element),
            Node::Transform => self.begin_transform(at, algorithm()),
            Node::XPath => self.expression = Expression::at(element),
            Node::InclusiveNamespaces => self.prefixes(element),
            Node::X509Certificate if self.signature.certificates.len() >= MOST_CERTIFICATES => {
                self.limit(at, "The signature has too many certificates.");
            }
            Node::Signature
            | Node::SignedInfo
            | Node::Transforms
            | Node::DigestValue
            | Node::SignatureValue
            | Node::KeyInfo
            | Node::X509Data
            | Node::X509Certificate
            | Node::PassedOver => {}
        }
        self.value.clear();
    }

    fn begin_reference(&mut self, element: &Element<'_>) {
        let Some(uri) = attribute(element, "URI") else {
            return self.shape(element.offset, "A reference has no URI.");
        };
        if self.signature.references.len() >= MOST_REFERENCES {
            return self.limit(element.offset, "The signature has too many references.");
        }
        self.signature.references.push(Reference {
            uri: uri.to_owned(),
            transforms: Vec::new(),
            digest: Digest::Sha256,
            value: Vec::new(),
            at: element.offset,
        });
    }

    fn begin_transform(&mut self, at: Offset, algorithm: &str) {
        self.transform = match algorithm {
            uri::ENVELOPED => Some(Transform::Enveloped),
            uri::XPATH => Some(Transform::NextNode),
            other => uri::canonical(other).map(Transform::Canonical),
        };
        if self.transform.is_none() {
            let name = uri::refused(algorithm);
            self.shape(at, &format!("A transform is not allowed: {name}."));
        }
    }

    fn prefixes(&mut self, element: &Element<'_>) {
        let list = attribute(element, "PrefixList").unwrap_or_default();
        let prefixes: Vec<String> =
            list.split_ascii_whitespace().take(MOST_PREFIXES + 1).map(str::to_owned).collect();
        if prefixes.len() > MOST_PREFIXES {
            return self.limit(element.offset, "InclusiveNamespaces lists too many prefixes.");
        }
        match &mut self.transform {
            Some(Transform::Canonical(form)) => form.prefixes = prefixes,
            Some(Transform::Enveloped | Transform::NextNode) | None => {
                self.signature.method.prefixes = prefixes
            }
        }
    }

    pub(super) fn text(&mut self, text: &str, at: Offset) {
        let size = at.saturating_sub(self.signature.at).saturating_add(text.len());
        if size > MOST_BYTES {
            return self.limit(at, "The signature is too large.");
        }
        match self.open.last() {
            Some((node, _)) if node.is_value() => self.value.push_str(text),
            Some((Node::PassedOver, _)) | None => {}
            Some(_) if text.bytes().all(|b| b.is_ascii_whitespace()) => {}
            Some(_) => self.shape(at, "Text stands where the signature must not have any."),
        }
    }

    /// A comment or a processing instruction: never inside a value, where some would read on and some would stop.
    pub(super) fn aside(&mut self, at: Offset) {
        if self.open.last().is_some_and(|(node, _)| node.is_value()) {
            self.shape(at, "A comment or an instruction stands inside a value of the signature.");
        }
    }

    /// An element of it ends; true if it was the Signature itself.
    pub(super) fn end(&mut self, at: Offset) -> bool {
        let Some((node, came)) = self.open.pop() else { return true };
        if came < complete(node) {
            self.shape(at, "The signature is not complete.");
        }
        match node {
            Node::XPath => {
                if !self.expression.is_next_node(&self.value) {
                    self.shape(at, "An XPath transform is allowed only with the expression of ebXML.");
                }
            }
            Node::Transform => self.end_transform(at, came),
            Node::DigestValue => {
                let value = self.decoded(at);
                if let (Some(reference), Some(digest)) = (self.signature.references.last_mut(), self.digest) {
                    reference.digest = digest;
                    reference.value = value;
                }
            }
            Node::SignatureValue => self.signature.value = self.decoded(at),
            Node::X509Certificate => {
                let der = self.decoded(at);
                self.signature.certificates.push(der);
            }
            Node::Signature
            | Node::SignedInfo
            | Node::CanonicalizationMethod
            | Node::SignatureMethod
            | Node::Reference
            | Node::Transforms
            | Node::InclusiveNamespaces
            | Node::DigestMethod
            | Node::KeyInfo
            | Node::X509Data
            | Node::PassedOver => {}
        }
        self.open.is_empty()
    }

    fn end_transform(&mut self, at: Offset, came: u8) {
        let Some(transform) = self.transform.take() else { return };
        if transform == Transform::NextNode && came == 0 {
            self.shape(at, "An XPath transform has no expression.");
        }
        let Some(reference) = self.signature.references.last_mut() else { return };
        if reference.transforms.len() < MOST_TRANSFORMS {
            reference.transforms.push(transform);
        } else {
            self.shape(at, "A reference has too many transforms.");
        }
    }

    /// The value read last, from base64. White space may stand anywhere in it; CR too, as a reference.
    fn decoded(&mut self, at: Offset) -> Vec<u8> {
        let plain: Vec<u8> = self.value.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        match STANDARD.decode(&plain) {
            Ok(bytes) if !bytes.is_empty() => bytes,
            Ok(_) | Err(_) => {
                self.shape(at, "A value of the signature is not base64.");
                Vec::new()
            }
        }
    }

    fn check_attributes(&mut self, node: Node, element: &Element<'_>) {
        let allowed = node.attributes();
        let strange =
            element.attributes.iter().find(|a| a.namespace != Namespace::NONE || !allowed.contains(&a.local));
        if let Some(strange) = strange
            && node != Node::PassedOver
        {
            self.shape(strange.offset, "An attribute stands where the signature must not have one.");
        }
    }

    fn refuse(&mut self, at: Offset, what: &str, algorithm: &str) {
        let name = uri::refused(algorithm);
        self.wrong(Wrong {
            kind: Kind::AlgorithmNotAllowed,
            at,
            message: format!("{what} is not allowed: {name}."),
        });
    }

    fn shape(&mut self, at: Offset, message: &str) {
        self.wrong(Wrong { kind: Kind::SignatureShape, at, message: message.to_owned() });
    }

    fn limit(&mut self, at: Offset, message: &str) {
        self.wrong(Wrong { kind: Kind::LimitExceeded, at, message: message.to_owned() });
    }

    fn wrong(&mut self, wrong: Wrong) {
        self.wrong.get_or_insert(wrong);
    }
}

/// An attribute in no namespace.
fn attribute<'a>(element: &'a Element<'_>, name: &str) -> Option<&'a str> {
    element
        .attributes
        .iter()
        .find(|a| a.namespace == Namespace::NONE && a.local == name)
        .map(|a| a.value.as_ref())
}
