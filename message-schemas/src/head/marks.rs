//! Whether a message is for real: `Status` of the head-less families, `ProcessingStatus` of MsgHead.
//!
//! A message without either is real. One whose mark is in no list, or told in words alone, may be either: it is routed as
//! what it would be without the mark, for somebody may wait for it, with a finding; and the document made from it counts as
//! a test, so that it is never published as a record (`document::envelope`).

use super::sketch::{Node, Tag};

/// What the marks of a message come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// At least one says that it is not for real.
    pub test: bool,
    /// None says so, and at least one says what nobody knows.
    pub unclear: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Real,
    Test,
    Unclear,
}

impl Marks {
    /// Of `Message` or `MsgInfo`.
    pub(super) fn read(info: Node<'_>) -> Self {
        let test = marks(info).any(|(_, said)| said == Said::Test);
        Self { test, unclear: !test && unclear(info).is_some() }
    }
}

/// The first mark that says what nobody knows.
pub(super) fn unclear(info: Node<'_>) -> Option<Node<'_>> {
    marks(info).find_map(|(node, said)| (said == Said::Unclear).then_some(node))
}

//= HIS 80822:2014 code list 8323
//# TEST for test, APR implementation approved, NAPR implementation not approved.
//= HIS 80601:2006 code list 8213
//# P production, T training, D debugging.
fn marks(info: Node<'_>) -> impl Iterator<Item = (Node<'_>, Said)> {
    let lists: [(Tag, &str, &[&str]); 2] =
        [(Tag::Status, "APR", &["TEST", "NAPR"]), (Tag::ProcessingStatus, "P", &["T", "D"])];
    lists.into_iter().filter_map(move |(tag, real, tests)| {
        let node = info.child(tag)?;
        // Some write NULL for what they do not know.
        let code = node.code().filter(|code| *code != "NULL");
        let said = match code {
            // A test in other letters is one all the same; a real one must be written as it should.
            Some(code) if tests.iter().any(|test| code.eq_ignore_ascii_case(test)) => Said::Test,
            Some(code) if code == real => Said::Real,
            Some(_) => Said::Unclear,
            None if node.display().or(node.original_text()).is_some() => Said::Unclear,
            None => Said::Nothing,
        };
        Some((node, said))
    })
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use crate::{Limits, MessageHead};

    fn head(under_msg_head: bool, marks: &str) -> MessageHead {
        let text = if under_msg_head {
            format!(
                "<MsgHead xmlns='http://www.kith.no/xmlstds/msghead/2006-05-24'><MsgInfo><Type V='DIALOG_NOTAT'/>{marks}</MsgInfo>\
                 <Document><RefDoc><Content><Dialogmelding xmlns='http://www.kith.no/xmlstds/dialog/2006-10-11'/></Content></RefDoc>\
                 </Document></MsgHead>"
            )
        } else {
            format!(
                "<Message xmlns='http://www.kith.no/xmlstds/epikrise/2012-02-15'><Type V='EPIKRISE'/>{marks}</Message>"
            )
        };
        read(&text, &Limits::default()).expect("a head")
    }

    #[test]
    fn a_test_is_known_and_what_is_not_surely_real_is_told() {
        for (under_msg_head, marks, test, unclear) in [
            (false, "", false, false),
            (false, "<Status V='APR'/>", false, false),
            (false, "<Status V='NULL'/>", false, false),
            (false, "<Status V='TEST'/>", true, false),
            (false, "<Status V=' test '/>", true, false),
            (false, "<Status V='Napr'/>", true, false),
            (false, "<Status V='APPR'/>", false, true),
            (false, "<Status V='apr'/>", false, true),
            (false, "<Status V='1' DN='Godkjent'/>", false, true),
            (false, "<Status DN='Melding til testformål'/>", false, true),
            (true, "<ProcessingStatus V='P' DN='Test'/>", false, false),
            (true, "<ProcessingStatus V='t'/>", true, false),
            (true, "<ProcessingStatus V='D'/>", true, false),
            (true, "<ProcessingStatus V='TEST'/>", false, true),
            (true, "<ProcessingStatus V='X'/><Status V='TEST'/>", true, false),
        ] {
            let head = head(under_msg_head, marks);
            assert_eq!((head.test, head.mark_unclear), (test, unclear), "{marks}");
        }
    }
}
