//! What the signature covers: the document as a whole and, in ebXML, every attachment. Nothing less, nothing else.

use super::scan::Forms;
use super::signature::{Reference, Signature, Transform};
use super::{Attachment, Canonical, Shape, Wrong};
use crate::algorithm::{Allowed, Digest};
use crate::certificate::message_digest;
use crate::fault::Kind;
use std::borrow::Cow;
use std::collections::HashMap;

/// The references of a signature, sorted.
pub(super) struct References<'s> {
    /// The document itself.
    document: &'s Reference,
    /// Its canonical form, as named.
    pub(super) canonical: Canonical,
    next_node: bool,
    /// Attachments, by their Content-ID.
    parts: HashMap<Cow<'s, str>, &'s Reference, foldhash::fast::RandomState>,
}

impl<'s> References<'s> {
    /// Sorts them; what is not on the list is refused.
    pub(super) fn of(signature: &'s Signature, shape: Shape) -> Result<Self, Wrong> {
        let mut document = None;
        let mut parts = HashMap::default();
        for reference in &signature.references {
            let shape_fault = |message: &str| Wrong::new(Kind::SignatureShape, reference.at, message);
            if reference.uri.is_empty() {
                if document.replace(reference).is_some() {
                    return Err(shape_fault("The document is referred to more than once."));
                }
            } else if let (Shape::Ebxml, Some(id)) = (shape, reference.uri.strip_prefix("cid:")) {
                let id = percent_decoded(id)
                    .ok_or_else(|| shape_fault("A reference to an attachment cannot be read."))?;
                if !reference.transforms.is_empty() {
                    return Err(shape_fault("A transform stands at the reference to an attachment."));
                }
                if parts.insert(id, reference).is_some() {
                    return Err(shape_fault("An attachment is referred to more than once."));
                }
            } else {
                return Err(shape_fault(elsewhere(&reference.uri)));
            }
        }
        let Some(document) = document else {
            let at = signature.at;
            return Err(Wrong::new(
                Kind::NotCovered,
                at,
                "The signature does not cover the document as a whole.",
            ));
        };
        let (canonical, next_node) = transforms(document, shape)?;
        Ok(Self { document, canonical, next_node, parts })
    }

    /// The forms that the document and its SignedInfo are to be put into.
    pub(super) fn forms(&self, signature: &Signature) -> Forms {
        Forms {
            document: Canonical { comments: false, ..self.canonical.clone() },
            signed_info: signature.method.clone(),
            next_node: self.next_node,
        }
    }

    /// How the document is hashed.
    pub(super) const fn digest(&self) -> Digest {
        self.document.digest
    }

    /// Compares every digest, and sees that no attachment is left over.
    pub(super) fn check(
        mut self,
        covered: &[u8],
        attachments: &[Attachment<'_>],
        allowed: Allowed,
    ) -> Result<(), Wrong> {
        for reference in self.parts.values().chain([&self.document]) {
            if !allowed.digest(reference.digest) {
                return Err(Wrong::new(
                    Kind::AlgorithmNotAllowed,
                    reference.at,
                    "SHA-1 is used as a digest, and there is no agreement that allows it.",
                ));
            }
        }
        compare(self.document, covered, "The document is not the one that was signed: its digest differs.")?;
        let at = self.document.at;
        let mut seen = std::collections::HashSet::<&str, foldhash::fast::RandomState>::default();
        for attachment in attachments {
            if !seen.insert(attachment.id) {
                return Err(Wrong::new(
                    Kind::SignatureShape,
                    at,
                    "Two attachments have the same Content-ID.",
                ));
            }
            let Some(reference) = self.parts.remove(attachment.id) else {
                return Err(Wrong::new(
                    Kind::NotCovered,
                    at,
                    "An attachment is not covered by the signature.",
                ));
            };
            compare(
                reference,
                attachment.bytes,
                "An attachment is not the one that was signed: its digest differs.",
            )?;
        }
        match self.parts.into_values().next() {
            None => Ok(()),
            Some(missing) => Err(Wrong::new(
                Kind::SignatureShape,
                missing.at,
                "The signature covers an attachment that did not come along.",
            )),
        }
    }
}

/// What a reference points to that is none of ours; nothing of it is ever fetched.
fn elsewhere(uri: &str) -> &'static str {
    if uri.starts_with('#') {
        "A reference points to one element by its Id; only the document as a whole may be signed."
    } else if uri.starts_with("cid:") {
        "A reference points to an attachment, and this form of signature has none."
    } else {
        "A reference points outside the message."
    }
}

/// The transforms of the document: enveloped-signature, in ebXML perhaps the one XPath, and a canonical form at most at
/// the end.
fn transforms(document: &Reference, shape: Shape) -> Result<(Canonical, bool), Wrong> {
    let fault = |message: &str| Err(Wrong::new(Kind::SignatureShape, document.at, message));
    let (mut enveloped, mut next_node, mut canonical) = (false, false, None);
    for transform in &document.transforms {
        if canonical.is_some() {
            return fault("A transform stands behind the canonical form.");
        }
        match transform {
            Transform::Enveloped if enveloped => {
                return fault("The transform enveloped-signature stands twice.");
            }
            Transform::Enveloped => enveloped = true,
            Transform::NextNode if next_node || shape == Shape::Enveloped => {
                return fault("An XPath transform is not allowed here.");
            }
            Transform::NextNode => next_node = true,
            Transform::Canonical(form) => canonical = Some(form.clone()),
        }
    }
    if !enveloped {
        return fault("The transform enveloped-signature is missing.");
    }
    //= XML Signature §4.4.3.2
    //# If the data object is a node-set and the next transform requires octets, ... Canonical XML 1.0 is applied.
    Ok((canonical.unwrap_or_default(), next_node))
}

fn compare(reference: &Reference, bytes: &[u8], message: &str) -> Result<(), Wrong> {
    let digest = openssl::hash::hash(message_digest(reference.digest), bytes);
    let same =
        digest.is_ok_and(|d| d.len() == reference.value.len() && openssl::memcmp::eq(&d, &reference.value));
    if same { Ok(()) } else { Err(Wrong::new(Kind::SignatureInvalid, reference.at, message)) }
}

//= RFC 2392 §2
//# A "cid" URL is converted to the corresponding Content-ID by removing the "cid:" prefix, converting the % encoded
//# character to their equivalent US-ASCII characters.
fn percent_decoded(id: &str) -> Option<Cow<'_, str>> {
    if !id.contains('%') {
        return Some(Cow::Borrowed(id));
    }
    let mut out = Vec::with_capacity(id.len());
    let mut parts = id.split('%');
    out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(hex, 16).ok()?);
        out.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}
