//! The one XPath transform there is: the ebXML expression that leaves out what is addressed to the next node.
//!
//! XPath is not evaluated. The expression is compared, token by token, with the one of ebXML Message Service 2.0
//! §4.1.3; what it does is done by [`super::scan`]: an element with `SOAP:actor` of the next node, and all inside it,
//! is not covered.

use super::uri::SOAP;
use message_schemas::xml::Element;

/// Actors of the next node: what is addressed to one of them may change on the way.
pub(super) const NEXT_NODE: [&str; 2] =
    ["urn:oasis:names:tc:ebxml-msg:actor:nextMSH", "http://schemas.xmlsoap.org/soap/actor/next"];

/// The expression, with the prefixes that were found to stand for SOAP where it is written.
#[derive(Debug, Default)]
pub(super) struct Expression {
    soap_prefixes: Vec<String>,
}

impl Expression {
    /// The element that holds the expression.
    pub(super) fn at(element: &Element<'_>) -> Self {
        let soap = element.bindings().filter(|(prefix, uri)| !prefix.is_empty() && *uri == SOAP);
        let in_force =
            soap.filter(|(prefix, _)| element.resolve(prefix).is_some_and(|n| element.uri(n) == SOAP));
        Self { soap_prefixes: in_force.map(|(prefix, _)| prefix.to_owned()).collect() }
    }

    //= OASIS ebXML Message Service 2.0 §4.1.3
    //# not(ancestor-or-self::node()[@SOAP:actor="urn:oasis:names:tc:ebxml-msg:actor:nextMSH"] |
    //# ancestor-or-self::node()[@SOAP:actor="http://schemas.xmlsoap.org/soap/actor/next"])
    /// Whether this is the one expression; the two sides of the union may change places.
    pub(super) fn is_next_node(&self, written: &str) -> bool {
        let [msh, soap] = NEXT_NODE;
        let plain = plain(written);
        self.soap_prefixes.iter().any(|prefix| {
            let side = |actor: &str| format!("ancestor-or-self::node()[@{prefix}:actor=\"{actor}\"]");
            let whole = |a: &str, b: &str| plain == format!("not({}|{})", side(a), side(b));
            whole(msh, soap) || whole(soap, msh)
        })
    }
}

/// Without white space between tokens, and with one sort of quotes.
fn plain(text: &str) -> String {
    let mut quote = None;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match quote {
            Some(q) if c == q => {
                quote = None;
                out.push('"');
            }
            Some(_) => out.push(c),
            None if c.is_ascii_whitespace() => {}
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                out.push('"');
            }
            None => out.push(c),
        }
    }
    out
}
