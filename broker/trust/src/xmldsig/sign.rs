//! Signing: a document with the signature put in, every other byte as it was.

use super::scan::{Forms, Scan, scan};
use super::xpath::NEXT_NODE;
use super::{Attachment, Canonical, Shape, uri, value};
use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::certificate::message_digest;
use crate::fault::{Fault, Kind};
use crate::keys::PrivateKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use message_schemas::Limits;
use message_schemas::xml::{self, Element, Handler, Namespace, Offset, escape_attribute};

/// How to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the signature goes.
    pub shape: Shape,
    /// Canonical form of document and SignedInfo.
    pub canonical: Canonical,
    /// Algorithm; none for the key's default.
    pub algorithm: Option<SignatureAlgorithm>,
}

/// Signs a document: the same text with the signature put in; every other byte stays (a document element without
/// content gets an end tag). KeyInfo holds the key's certificate.
///
/// # Errors
/// [`Kind::CannotSeal`] if the document is no XML, has a signature already, or the key fails.
pub fn sign(
    text: &str,
    key: &dyn PrivateKey,
    options: &Options,
    attachments: &[Attachment<'_>],
    limits: &Limits,
) -> Result<String, Fault> {
    let algorithm = options.algorithm.unwrap_or_else(|| key.default_algorithm());
    let forms = Forms {
        document: Canonical { comments: false, ..options.canonical.clone() },
        signed_info: options.canonical.clone(),
        next_node: options.shape == Shape::Ebxml,
    };
    let mut pass = Scan::new(options.shape, &forms, text.len(), limits);
    let mut place = Place::new(options.shape);
    xml::read(text, limits, &mut (&mut pass, &mut place))
        .map_err(|finding| cannot(&format!("The document is not XML that we sign: {}", finding.message)))?;
    let view = pass.finish(text).map_err(|fault| cannot(&fault.message))?;
    if let Some(fault) = view.unfit {
        return Err(cannot(&fault.message));
    }
    if view.signature.is_some() {
        return Err(cannot("The document has a signature already."));
    }
    if options.shape == Shape::Enveloped && !attachments.is_empty() {
        return Err(cannot("An enveloped signature cannot cover attachments."));
    }
    let Some(gap) = place.gap(text) else {
        return Err(cannot("The document has no place where the signature belongs."));
    };

    let signed_info = signed_info(options, algorithm, &view.covered, attachments)
        .ok_or_else(|| cannot("Hashing failed."))?;
    let canonical = canonical_signed_info(&place.context(), &signed_info, &forms, limits)?;
    let value = key
        .sign(algorithm, &canonical)
        .ok()
        .and_then(|made| value::written(key.certificate(), algorithm, made))
        .ok_or_else(|| cannot("The key could not sign in this way.").of(key.certificate()))?;

    let der = &key.certificate().der;
    let signature = element(
        &signed_info,
        &STANDARD.encode(value),
        &format!(
            "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
            STANDARD.encode(der)
        ),
    );
    Ok([gap.before, &gap.open, &signature, &gap.close, gap.after].concat())
}

fn element(signed_info: &str, value: &str, key_info: &str) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"{}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>{key_info}\
         </ds:Signature>",
        uri::DSIG
    )
}

/// SignedInfo as text.
fn signed_info(
    options: &Options,
    algorithm: SignatureAlgorithm,
    covered: &[u8],
    attachments: &[Attachment<'_>],
) -> Option<String> {
    let digest = algorithm.digest();
    let method = |name: &str| method(name, &options.canonical);
    let mut out = format!(
        "<ds:SignedInfo>{}<ds:SignatureMethod Algorithm=\"{}\"/><ds:Reference URI=\"\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{}\"/>",
        method("CanonicalizationMethod"),
        uri::of_signature(algorithm),
        uri::ENVELOPED,
    );
    if options.shape == Shape::Ebxml {
        out.push_str(&next_node());
    }
    out.push_str(&method("Transform"));
    out.push_str("</ds:Transforms>");
    out.push_str(&hashed(digest, covered)?);
    for attachment in attachments {
        let id = percent_encoded(attachment.id);
        out.push_str(&format!("<ds:Reference URI=\"cid:{}\">", escape_attribute(&id)));
        out.push_str(&hashed(digest, attachment.bytes)?);
    }
    out.push_str("</ds:SignedInfo>");
    Some(out)
}

/// An element that names the canonical form.
fn method(name: &str, form: &Canonical) -> String {
    let algorithm = uri::of_canonical(form);
    if form.exclusive && !form.prefixes.is_empty() {
        format!(
            "<ds:{name} Algorithm=\"{algorithm}\"><ec:InclusiveNamespaces xmlns:ec=\"{}\" PrefixList=\"{}\"/></ds:{name}>",
            uri::EXCLUSIVE,
            escape_attribute(&form.prefixes.join(" "))
        )
    } else {
        format!("<ds:{name} Algorithm=\"{algorithm}\"/>")
    }
}

fn next_node() -> String {
    let [msh, soap] = NEXT_NODE;
    format!(
        "<ds:Transform Algorithm=\"{}\"><ds:XPath xmlns:SOAP-ENV=\"{}\">\
         not(ancestor-or-self::node()[@SOAP-ENV:actor=\"{msh}\"] | \
         ancestor-or-self::node()[@SOAP-ENV:actor=\"{soap}\"])</ds:XPath></ds:Transform>",
        uri::XPATH,
        uri::SOAP
    )
}

/// The rest of a reference: how, and the digest.
fn hashed(digest: Digest, bytes: &[u8]) -> Option<String> {
    let value = openssl::hash::hash(message_digest(digest), bytes).ok()?;
    Some(format!(
        "<ds:DigestMethod Algorithm=\"{}\"/><ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
        uri::of_digest(digest),
        STANDARD.encode(value)
    ))
}

/// The canonical SignedInfo, by a look at the signature alone inside an element that hands down what the real place
/// would: so the document is read only once.
fn canonical_signed_info(
    context: &str,
    signed_info: &str,
    forms: &Forms,
    limits: &Limits,
) -> Result<Vec<u8>, Fault> {
    const NOT_YET_SIGNED: &str = "AA==";
    let alone = format!("<x{context}>{}</x>", element(signed_info, NOT_YET_SIGNED, ""));
    let view = scan(&alone, Shape::Enveloped, forms, limits).map_err(|fault| cannot(&fault.message))?;
    Ok(view.signed_info)
}

/// The inverse of what RFC 2392 §2 does with a `cid:` URL.
fn percent_encoded(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for b in id.bytes() {
        if b.is_ascii_graphic() && b != b'%' {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

fn cannot(why: &str) -> Fault {
    Fault::new(
        Kind::CannotSeal,
        format!("The document cannot be signed. {why}"),
        "Give an unsigned document of the right form, and a key that can sign in the way asked for.",
    )
}

/// Finds the element that the signature becomes the last child of.
struct Place {
    shape: Shape,
    depth: usize,
    /// It is open.
    within: bool,
    name: String,
    /// First byte behind its start tag, and behind its end tag.
    found: Option<(Offset, Offset)>,
    inside: Offset,
    /// Declarations in force there, and `xml:` attributes of it and above.
    namespaces: Vec<(String, String)>,
    handed_down: Vec<(String, String)>,
}

/// The text cut where the signature goes.
struct Gap<'t> {
    before: &'t str,
    open: String,
    close: String,
    after: &'t str,
}

impl Place {
    const fn new(shape: Shape) -> Self {
        Self {
            shape,
            depth: 0,
            within: false,
            name: String::new(),
            found: None,
            inside: 0,
            namespaces: Vec::new(),
            handed_down: Vec::new(),
        }
    }

    /// How deep the element is that we look for.
    const fn target(&self) -> usize {
        match self.shape {
            Shape::Enveloped => 0,
            Shape::Ebxml => 1,
        }
    }

    fn gap<'t>(&self, text: &'t str) -> Option<Gap<'t>> {
        let (inside, at) = self.found?;
        let (to_end, after) = text.split_at_checked(at)?;
        if inside == at {
            let before = to_end.strip_suffix("/>")?;
            return Some(Gap { before, open: ">".into(), close: format!("</{}>", self.name), after });
        }
        let (before, after) = text.split_at_checked(to_end.rfind('<')?)?;
        Some(Gap { before, open: String::new(), close: String::new(), after })
    }

    /// Attributes for an element that hands down what this one does.
    fn context(&self) -> String {
        let mut out = String::new();
        for (prefix, uri) in &self.namespaces {
            let colon = if prefix.is_empty() { "" } else { ":" };
            out.push_str(&format!(" xmlns{colon}{prefix}=\"{}\"", escape_attribute(uri)));
        }
        for (local, value) in &self.handed_down {
            out.push_str(&format!(" xml:{local}=\"{}\"", escape_attribute(value)));
        }
        out
    }

    fn take(&mut self, element: &Element<'_>) {
        self.within = true;
        self.inside = element.inside;
        self.name = element.name.to_owned();
        let mut prefixes: Vec<&str> = element.bindings().map(|(prefix, _)| prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        for prefix in prefixes {
            let uri = element.resolve(prefix).map_or("", |namespace| element.uri(namespace));
            if prefix != "xml" && !uri.is_empty() {
                self.namespaces.push((prefix.to_owned(), uri.to_owned()));
            }
        }
    }
}

impl Handler for Place {
    fn start(&mut self, element: &Element<'_>) {
        if self.depth <= self.target() && self.found.is_none() && !self.within {
            let is_header = element.local == "Header" && element.uri(element.namespace) == uri::SOAP;
            if self.depth == 0 || is_header {
                for attribute in element.attributes.iter().filter(|a| a.namespace == Namespace::XML) {
                    self.handed_down.retain(|(local, _)| local != attribute.local);
                    self.handed_down.push((attribute.local.to_owned(), attribute.value.to_string()));
                }
            }
            if self.depth == self.target() && (self.shape == Shape::Enveloped || is_header) {
                self.take(element);
            }
        }
        self.depth += 1;
    }

    fn text(&mut self, _text: &str, _at: Offset) {}

    fn end(&mut self, at: Offset) {
        self.depth -= 1;
        if self.within && self.depth == self.target() {
            self.within = false;
            self.found = Some((self.inside, at));
        }
    }
}
