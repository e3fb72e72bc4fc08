//! A document as libxml2 read it, behind a safe face.

use crate::policy::Refusal;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use xmlsec::bindings as c;

/// UTF-8 whatever the declaration says, no network, nothing on standard error, no limits on size but the frame's. A DTD ends the parsing ([`Parser`]), so
/// there are no entities to expand, and the limits that guard against them are not missed.
const OPTIONS: c::xmlParserOption = c::xmlParserOption_XML_PARSE_NONET
    | c::xmlParserOption_XML_PARSE_NOERROR
    | c::xmlParserOption_XML_PARSE_NOWARNING
    | c::xmlParserOption_XML_PARSE_IGNORE_ENC
    | c::xmlParserOption_XML_PARSE_HUGE;

/// Marks that the callbacks leave in a parser: addresses that nobody follows.
const DOCTYPE: *mut c_void = ptr::without_provenance_mut(1);
const NAMESPACES: *mut c_void = ptr::without_provenance_mut(2);

/// A parsed document; freed when dropped.
pub(crate) struct Document(NonNull<c::xmlDoc>);

impl Document {
    /// Parses a document in UTF-8.
    ///
    /// # Errors
    /// If it is not well-formed, or has a DOCTYPE.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let parser = Parser::new()?;
        let size = c_int::try_from(bytes.len())
            .map_err(|_| Refusal::Unable("the document is too large for this engine".to_owned()))?;
        let options = c_int::try_from(OPTIONS).unwrap_or(c_int::MAX);
        // SAFETY: the parser lives, `bytes` has `size` bytes and outlives the call, which copies what it keeps.
        let doc = unsafe {
            c::xmlCtxtReadMemory(
                parser.0.as_ptr(),
                bytes.as_ptr().cast::<c_char>(),
                size,
                ptr::null(),
                c"UTF-8".as_ptr(),
                options,
            )
        };
        let document = NonNull::new(doc).map(Self);
        // SAFETY: the parser lives; its `_private` is ours, and holds a mark or nothing.
        let mark = unsafe { (*parser.0.as_ptr())._private };
        if mark == DOCTYPE {
            return Err(Refusal::Invalid("the document has a DOCTYPE".to_owned()));
        }
        if mark == NAMESPACES {
            return Err(Refusal::Invalid("the document breaks the rules of namespaces".to_owned()));
        }
        let document =
            document.ok_or_else(|| Refusal::Invalid("the document is not well-formed".to_owned()))?;
        // SAFETY: the document lives.
        let raw = unsafe { document.0.as_ref() };
        if !raw.intSubset.is_null() || !raw.extSubset.is_null() {
            return Err(Refusal::Invalid("the document has a DOCTYPE".to_owned()));
        }
        Ok(document)
    }

    /// The document element.
    pub(crate) fn root(&self) -> Option<Node<'_>> {
        // SAFETY: the document lives as long as the node that is given out.
        Node::new(unsafe { c::xmlDocGetRootElement(self.0.as_ptr()) })
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        // SAFETY: the document is ours, and no node outlives it.
        unsafe { c::xmlFreeDoc(self.0.as_ptr()) }
    }
}

/// A parser that stops at a DOCTYPE.
struct Parser(NonNull<c::xmlParserCtxt>);

impl Parser {
    fn new() -> Result<Self, Refusal> {
        // SAFETY: no argument.
        let parser = NonNull::new(unsafe { c::xmlNewParserCtxt() })
            .ok_or_else(|| Refusal::Unable("no memory for a parser".to_owned()))?;
        // SAFETY: a new context has SAX callbacks of its own, which may be changed before it parses.
        unsafe {
            if let Some(sax) = (*parser.as_ptr()).sax.as_mut() {
                sax.internalSubset = Some(refuse_doctype);
                sax.serror = Some(note_fault);
            }
        }
        Ok(Self(parser))
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: the context is ours; the document that it made is owned by `Document`.
        unsafe { c::xmlFreeParserCtxt(self.0.as_ptr()) }
    }
}

/// Called at a DOCTYPE, before anything in it is read.
unsafe extern "C" fn refuse_doctype(
    context: *mut c_void,
    _: *const c::xmlChar,
    _: *const c::xmlChar,
    _: *const c::xmlChar,
) {
    let parser = context.cast::<c::xmlParserCtxt>();
    // SAFETY: libxml2 calls with its own live context. Nobody follows the mark.
    unsafe { (*parser)._private = DOCTYPE };
    // SAFETY: as above; stopping from within a callback is what the function is for.
    unsafe { c::xmlStopParser(parser) };
}

/// Called for every fault. Those of form end the parsing by themselves; a prefix that is bound to nothing does not, and
/// is noted. That the name of a namespace is no URI is told in the same way, and breaks no rule.
unsafe extern "C" fn note_fault(context: *mut c_void, error: c::xmlErrorPtr) {
    // SAFETY: libxml2 calls with a live error, or with none.
    let Some(error) = (unsafe { error.as_ref() }) else { return };
    let domain = u32::try_from(error.domain).unwrap_or_default();
    let code = u32::try_from(error.code).unwrap_or_default();
    let harmless =
        matches!(code, c::xmlParserErrors_XML_WAR_NS_URI | c::xmlParserErrors_XML_WAR_NS_URI_RELATIVE);
    if domain == c::xmlErrorDomain_XML_FROM_NAMESPACE && !harmless {
        // SAFETY: the context of a parser's fault is the parser. The first mark stays.
        let parser = unsafe { &mut *context.cast::<c::xmlParserCtxt>() };
        if parser._private.is_null() {
            parser._private = NAMESPACES;
        }
    }
}

/// An element.
#[derive(Clone, Copy)]
pub(crate) struct Node<'d> {
    raw: NonNull<c::xmlNode>,
    document: PhantomData<&'d Document>,
}

impl<'d> Node<'d> {
    fn new(raw: *mut c::xmlNode) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, document: PhantomData })
    }

    /// For libxmlsec1, which takes a mutable pointer but is only asked to verify.
    pub(crate) const fn as_ptr(self) -> *mut c::xmlNode {
        self.raw.as_ptr()
    }

    fn get(&self) -> &'d c::xmlNode {
        // SAFETY: a node lives as long as its document, and nobody changes it: libxmlsec1 is only asked to verify.
        unsafe { self.raw.as_ref() }
    }

    /// Whether it has this name in this namespace.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        // SAFETY: the name of an element is a string of the document, or of its dictionary.
        let named = unsafe { text(self.get().name) };
        named == Some(name) && self.namespace() == Some(namespace)
    }

    fn namespace(&self) -> Option<&'d str> {
        // SAFETY: the namespace of an element belongs to the document, and so does its name.
        unsafe { self.get().ns.as_ref().and_then(|ns| text(ns.href)) }
    }

    /// The child elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Self> + use<'d> {
        self.children().filter(|n| n.get().type_ == c::xmlElementType_XML_ELEMENT_NODE)
    }

    fn children(&self) -> impl Iterator<Item = Self> + use<'d> {
        std::iter::successors(Self::new(self.get().children), |n| Self::new(n.get().next))
    }

    /// The value of an attribute in no namespace.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let mut next = self.get().properties;
        // SAFETY: attributes belong to the document; the list ends with null.
        while let Some(attribute) = unsafe { next.as_ref() } {
            // SAFETY: as for the name of an element.
            let named = unsafe { text(attribute.name) };
            if attribute.ns.is_null() && named == Some(name) {
                let parts = std::iter::successors(Self::new(attribute.children), |n| Self::new(n.get().next));
                return Some(joined(parts));
            }
            next = attribute.next;
        }
        None
    }

    /// The text directly in it.
    pub(crate) fn text(&self) -> String {
        joined(self.children())
    }

    /// The namespace that a prefix stands for here.
    pub(crate) fn bound(&self, prefix: &str) -> Option<&'d str> {
        std::iter::successors(Some(*self), |n| Self::new(n.get().parent).filter(Self::is_element))
            .find_map(|n| n.declares(prefix))
    }

    fn is_element(&self) -> bool {
        self.get().type_ == c::xmlElementType_XML_ELEMENT_NODE
    }

    fn declares(&self, prefix: &str) -> Option<&'d str> {
        let mut next = self.get().nsDef;
        // SAFETY: declarations belong to the element; the list ends with null.
        while let Some(ns) = unsafe { next.as_ref() } {
            // SAFETY: a declaration's strings belong to it.
            if unsafe { text(ns.prefix) } == Some(prefix) {
                // SAFETY: as above.
                return unsafe { text(ns.href) };
            }
            next = ns.next;
        }
        None
    }
}

fn joined<'d>(parts: impl Iterator<Item = Node<'d>>) -> String {
    parts
        .map(|n| n.get())
        .filter(|n| {
            matches!(n.type_, c::xmlElementType_XML_TEXT_NODE | c::xmlElementType_XML_CDATA_SECTION_NODE)
        })
        // SAFETY: the content of a text node is a string of the document.
        .filter_map(|n| unsafe { text(n.content) })
        .collect()
}

/// A string of libxml2, which keeps all of them in UTF-8.
///
/// # Safety
/// It must be null, or end with a zero byte and live for `'a`.
unsafe fn text<'a>(string: *const c::xmlChar) -> Option<&'a str> {
    if string.is_null() {
        return None;
    }
    // SAFETY: not null, and the rest is the caller's promise.
    unsafe { CStr::from_ptr(string.cast::<c_char>()) }.to_str().ok()
}
