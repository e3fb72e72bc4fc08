//! What a document that is not well-formed still tells: enough to address a receipt T01, if we are lucky.

use super::{Addressing, HeadReader};
use crate::limits::Limits;
use crate::xml;

/// Looked at, at most: the parties of every family stand far before this, unless results do.
const MOST_BYTES: usize = 2_000_000;

/// Reads what stands before the fault. None if no sender can be extracted: then nobody can be answered, and
/// a person must be told (kith-messages §4.7).
#[must_use]
pub fn salvage(bytes: &[u8]) -> Option<Addressing> {
    let bytes = bytes.get(..bytes.len().min(MOST_BYTES)).unwrap_or_default();
    let text = readable(bytes);
    let text = without_doctype(&text);
    let mut found = until_fault(text);
    if found.sender.is_none() || found.receivers.is_empty() {
        let behind = until_fault(&parties_alone(text)?);
        found.sender = found.sender.or(behind.sender);
        if found.receivers.is_empty() {
            found.receivers = behind.receivers;
        }
    }
    found.sender.as_ref()?.her_id()?;
    Some(found)
}

/// What a text says before its fault; the fault itself is known already, it is why we are here.
fn until_fault(text: &str) -> Addressing {
    let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
    let mut reader = HeadReader::new();
    xml::read(text, &limits, &mut reader).ok();
    reader.addressing()
}

/// The text as far as it can be told, with blanks for what XML forbids.
fn readable(bytes: &[u8]) -> String {
    let text = match xml::decode(bytes) {
        Ok(decoded) => decoded.text.into_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let forbidden =
        |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    if text.contains(forbidden) { text.replace(forbidden, " ") } else { text }
}

/// What follows a document type declaration, which is never read; the whole text if there is none.
fn without_doctype(text: &str) -> &str {
    let Some((_, after)) = text.split_once("<!DOCTYPE") else { return text };
    let close = match (after.find('['), after.find('>')) {
        (Some(subset), Some(end)) if subset < end => after.find("]>").map(|at| at + 2),
        (_, end) => end.map(|at| at + 1),
    };
    close.and_then(|at| after.get(at..)).unwrap_or_default()
}

/// A document of the parties alone, for a fault that stands before them: in a report they follow the results.
fn parties_alone(text: &str) -> Option<String> {
    let body = ["ServRprt", "ServReport", "ServReq"]
        .into_iter()
        .filter_map(|name| Some((start_tag(text, name)?, name)))
        .min()
        .map(|(_, name)| name)?;
    let mut document = format!("<Message><{body}>");
    for name in ["ServProvider", "Requester", "CopyDest"] {
        let Some(from) = start_tag(text, name) else { continue };
        let rest = text.get(from..)?;
        let prefix = rest.get(1..)?.split(name).next()?;
        let end = format!("</{prefix}{name}>");
        let Some((element, _)) = rest.split_once(&end) else { continue };
        // Prefixes lose their declaration here; the head does not look at namespaces.
        let mut element = format!("{element}{end}");
        if !prefix.is_empty() {
            element = element.replace(&format!("<{prefix}"), "<").replace(&format!("</{prefix}"), "</");
        }
        document.push_str(&element);
    }
    document.push_str(&format!("</{body}></Message>"));
    Some(document)
}

/// Where the first start tag of this local name begins.
fn start_tag(text: &str, name: &str) -> Option<usize> {
    text.match_indices(name).find_map(|(at, _)| {
        // A prefix longer than this is not worth a search that a sender could make long.
        let nearest = (at.saturating_sub(64)..=at).find(|from| text.is_char_boundary(*from))?;
        let before = text.get(nearest..at)?;
        let (_, prefix) = before.rsplit_once('<')?;
        let prefixed = prefix.is_empty()
            || prefix.strip_suffix(':').is_some_and(|p| p.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let ends = text.get(at + name.len()..)?.starts_with([' ', '>', '\t', '\r', '\n']);
        (prefixed && ends).then_some(at - prefix.len() - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"<?xml version="1.0"?><s:Message xmlns:s="http://www.kith.no/xmlstds/labsvar/2012-02-15">
      <s:GenDate V="2026-03-01T10:00:00"/><s:MsgId>0b6f0a3e-6f5c-4c43-8c7c-6ad0cf3c4c10</s:MsgId>
      <s:ServReport><s:ServProvId>A1</s:ServProvId>FAULT
      <s:ServProvider><s:HCP><s:Inst><s:Name>Lab</s:Name><s:Id>100</s:Id><s:TypeId V="HER"/>
        <s:Dept><s:Id>101</s:Id><s:TypeId V="HER"/></s:Dept></s:Inst></s:HCP></s:ServProvider>
      <s:Requester><s:HCP><s:Inst><s:Id>200</s:Id><s:TypeId V="HER"/>
        <s:Dept><s:Id>201</s:Id><s:TypeId V="HER"/></s:Dept></s:Inst></s:HCP></s:Requester>END
      </s:ServReport></s:Message>"#;

    fn her_ids(found: &Addressing) -> (Option<u32>, Option<u32>) {
        let her = |p: Option<&super::super::Party>| p.and_then(|p| p.her_id()).map(|h| h.0);
        (her(found.sender.as_ref()), her(found.receivers.first().map(|r| &r.party)))
    }

    #[test]
    fn a_fault_behind_the_parties_costs_nothing() {
        let found = salvage(REPORT.replace("END", "<a></b>").as_bytes()).expect("a sender");
        assert_eq!(her_ids(&found), (Some(101), Some(201)));
        assert_eq!(found.document_id.as_deref(), Some("A1"));
        assert!(found.kind.is_some() && found.msg_id.is_some() && found.generated.is_some());
    }

    #[test]
    fn a_fault_before_the_parties_is_stepped_over() {
        for fault in ["<a></b>", "&nbsp;", "\u{1}<a>", "a ]]> b", "<x a=1/>"] {
            let found = salvage(REPORT.replace("FAULT", fault).as_bytes()).expect(fault);
            assert_eq!(her_ids(&found), (Some(101), Some(201)), "{fault}");
            assert!(found.msg_id.is_some(), "{fault}");
        }
    }

    #[test]
    fn bytes_in_another_encoding_and_document_types_do_not_hide_the_sender() {
        let mut latin = REPORT.replace("FAULT", "").into_bytes();
        let at = latin.windows(3).position(|w| w == b"Lab").expect("name");
        latin[at] = 0xE5;
        assert_eq!(salvage(&latin).as_ref().map(her_ids), Some((Some(101), Some(201))));
        let typed = REPORT.replace("<s:Message", "<!DOCTYPE s:Message [<!ENTITY x \"y\">]><s:Message");
        assert!(salvage(typed.as_bytes()).is_some());
    }

    #[test]
    fn without_a_sender_there_is_nothing() {
        for text in ["", "hello", "<a/>", "<Message><MsgId>x</MsgId>", "\u{0}\u{0}", "<!DOCTYPE"] {
            assert_eq!(salvage(text.as_bytes()), None, "{text}");
        }
    }
}
