//! What goes over the wire: SOAP 1.2 with WS-Addressing, and MTOM where documents travel along.

use super::xml::Xml;
use memchr::memmem;
use uuid::Uuid;

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const ROOT: &str = "root@budstikke.invalid";

/// A request as HTTP carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wire {
    /// The header field Content-Type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Wire {
    /// Its size only: it is about a patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({} bytes)", self.body.len())
    }
}

/// What the outside adds to a request.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The address that it goes to.
    pub to: &'a str,
    /// Fresh for each request.
    pub message_id: Uuid,
    /// A `wsse:Security` element with an assertion of who asks, where the domain wants one: XML, taken over as it is.
    pub security: Option<&'a str>,
}

/// A document that travels in a part of its own.
pub(super) struct Attached<'a> {
    pub(super) media_type: &'a str,
    pub(super) bytes: &'a [u8],
}

/// How the part of the nth document is referred to.
pub(super) fn cid(n: usize) -> String {
    format!("document-{n}@budstikke.invalid")
}

/// The envelope around a body.
pub(super) fn envelope(action: &str, call: &Call<'_>, body: impl FnOnce(&mut Xml)) -> String {
    let mut xml = Xml::default();
    xml.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    xml.element("s:Envelope", &[("xmlns:s", SOAP), ("xmlns:a", ADDRESSING)], |xml| {
        xml.element("s:Header", &[], |xml| {
            let must = [("s:mustUnderstand", "1")];
            xml.element("a:Action", &must, |xml| xml.raw(action));
            xml.text("a:MessageID", &format!("urn:uuid:{}", call.message_id));
            xml.element("a:To", &must, |xml| xml.raw(&message_schemas::xml::escape_text(call.to)));
            xml.element("a:ReplyTo", &[], |xml| xml.text("a:Address", ANONYMOUS));
            if let Some(security) = call.security {
                xml.raw(security);
            }
        });
        xml.element("s:Body", &[], body);
    });
    xml.into_string()
}

/// A request without documents.
pub(super) fn plain(action: &str, envelope: String) -> Wire {
    Wire {
        content_type: format!("application/soap+xml; charset=UTF-8; action=\"{action}\""),
        body: envelope.into_bytes(),
    }
}

/// A request with documents, each in a part of its own, in which nothing is escaped (MTOM, XOP).
pub(super) fn package(action: &str, call: &Call<'_>, envelope: String, documents: &[Attached<'_>]) -> Wire {
    let boundary = boundary(call.message_id, &envelope, documents);
    let size = envelope.len() + documents.iter().map(|d| d.bytes.len() + 300).sum::<usize>() + 600;
    let mut body = Vec::with_capacity(size);
    let mut part = |headers: String, bytes: &[u8]| {
        body.extend_from_slice(format!("--{boundary}\r\n{headers}\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    part(
        format!(
            "Content-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n\
             Content-Transfer-Encoding: binary\r\nContent-ID: <{ROOT}>\r\n"
        ),
        envelope.as_bytes(),
    );
    for (n, document) in (1..).zip(documents) {
        part(
            format!(
                "Content-Type: {}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{}>\r\n",
                header_value(document.media_type),
                cid(n)
            ),
            document.bytes,
        );
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Wire {
        content_type: format!(
            "multipart/related; type=\"application/xop+xml\"; start=\"<{ROOT}>\"; \
             start-info=\"application/soap+xml\"; action=\"{action}\"; boundary=\"{boundary}\""
        ),
        body,
    }
}

/// What parts the parts: it occurs in none of them.
fn boundary(id: Uuid, envelope: &str, documents: &[Attached<'_>]) -> String {
    let mut n = 0_u32;
    loop {
        let boundary = format!("budstikke-{}-{n}", id.simple());
        let finder = memmem::Finder::new(boundary.as_bytes());
        let occurs = finder.find(envelope.as_bytes()).is_some()
            || documents.iter().any(|d| finder.find(d.bytes).is_some());
        if !occurs {
            return boundary;
        }
        n += 1;
    }
}

/// Nothing that a sender named ends a header field.
fn header_value(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use message_schemas::{Limits, mime};

    #[test]
    fn a_package_is_cut_into_the_same_bytes_again() {
        let call = Call { to: "https://example.org/a?b&c", message_id: Uuid::from_u128(7), security: None };
        let first = format!("budstikke-{}-0", Uuid::from_u128(7).simple());
        let binary: Vec<u8> = (0..=255).chain(*b"\r\n--").chain(first.bytes()).collect();
        let documents = [
            Attached { media_type: "application/pdf", bytes: &binary },
            Attached { media_type: "text/plain\r\nX: y", bytes: b"\r\n\r\n" },
        ];
        let envelope = envelope("urn:a", &call, |xml| xml.text("b", "1 < 2"));
        let wire = package("urn:a", &call, envelope.clone(), &documents);
        let cut =
            mime::unpack(&wire.body, Some(&wire.content_type), &Limits::default()).expect("it is a package");
        assert_eq!(cut.root.bytes.as_ref(), envelope.as_bytes());
        assert_eq!(cut.parts.len(), 2);
        assert_eq!(cut.parts[0].id.as_deref(), Some(cid(1).as_str()));
        assert_eq!(cut.parts[0].bytes.as_ref(), binary);
        assert_eq!(cut.parts[1].bytes.as_ref(), b"\r\n\r\n");
        assert!(envelope.contains("<a:To s:mustUnderstand=\"1\">https://example.org/a?b&amp;c</a:To>"));
    }
}
