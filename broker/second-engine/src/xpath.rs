//! The one XPath expression that ebXML 2.0 signatures use (ebMS 2.0 §4.1.3): all but what is addressed to the next
//! node.

const NEXT_MSH: &str = "urn:oasis:names:tc:ebxml-msg:actor:nextMSH";
const NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";

/// The prefix that the expression uses for SOAP, if it is the known expression, whatever its white space and quotes.
/// Whoever asks must see to it that the prefix is bound to SOAP 1.1.
pub(crate) fn soap_prefix(expression: &str) -> Option<String> {
    let bare: String = expression
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
        .map(|c| if c == '\'' { '"' } else { c })
        .collect();
    let inside = bare.strip_prefix("not(")?.strip_suffix(')')?;
    let (one, other) = inside.split_once('|')?;
    let (first, actor) = part(one)?;
    let (second, other_actor) = part(other)?;
    let actors = [actor, other_actor];
    (first == second && actors.contains(&NEXT_MSH) && actors.contains(&NEXT)).then(|| first.to_owned())
}

/// Prefix and actor of `ancestor-or-self::node()[@P:actor="A"]`.
fn part(text: &str) -> Option<(&str, &str)> {
    let test = text.strip_prefix("ancestor-or-self::node()[@")?.strip_suffix("\"]")?;
    let (prefix, actor) = test.split_once(":actor=\"")?;
    let name = !prefix.is_empty()
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    name.then_some((prefix, actor))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str =
        "not(ancestor-or-self::node()[@SOAP-ENV:actor=\"urn:oasis:names:tc:ebxml-msg:actor:nextMSH\"] |
        ancestor-or-self::node()[@SOAP-ENV:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"])";

    #[test]
    fn the_known_expression_in_all_its_layouts() {
        assert_eq!(soap_prefix(KNOWN).as_deref(), Some("SOAP-ENV"));
        let other = KNOWN.replace("SOAP-ENV", "s").replace('"', "'").replace('\n', " ");
        assert_eq!(soap_prefix(&other).as_deref(), Some("s"));
    }

    #[test]
    fn everything_else_is_another_expression() {
        for wrong in [
            "",
            "true()",
            "not(ancestor-or-self::node()[@s:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"])",
            &KNOWN.replace("nextMSH", "nextNSH"),
            &KNOWN.replacen("SOAP-ENV", "x", 1),
            &KNOWN.replace("SOAP-ENV:", ""),
            &KNOWN.replace("not(", "not(ancestor-or-self::x | "),
            &KNOWN.replace("self::node()", "self::*"),
            &format!("{KNOWN} or true()"),
        ] {
            assert_eq!(soap_prefix(wrong), None, "{wrong}");
        }
    }
}
