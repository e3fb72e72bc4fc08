//! How confidential a document is (document-sharing §7.5). Messages carry no such code: rules decide.

use crate::codes::{Code, Level};
use crate::target::{ConfidentialityRule, Target};
use message_schemas::document::{Described, Format, SharedDocument};

/// The codes of one document: the level first, then those of list 9603, each once.
pub(crate) fn confidentiality(
    document: &SharedDocument,
    sender: &str,
    format: Format,
    target: &Target,
) -> Vec<Code> {
    judged(&document.described, sender, format, target.level, &target.confidentiality)
}

fn judged(
    described: &Described,
    sender: &str,
    format: Format,
    default: Level,
    rules: &[ConfidentialityRule],
) -> Vec<Code> {
    let met: Vec<_> = rules.iter().filter(|rule| rule.met(described, sender, format)).collect();
    let level = met.iter().map(|rule| rule.level).fold(default, Level::max);
    let mut codes = vec![level.code()];
    for access in met.into_iter().flat_map(|rule| &rule.access) {
        if !codes.contains(access) {
            codes.push(access.clone());
        }
    }
    codes
}

impl ConfidentialityRule {
    fn met(&self, described: &Described, sender: &str, format: Format) -> bool {
        if self.attachments_only && !matches!(format, Format::Attachment(_)) {
            return false;
        }
        if !self.families.is_empty() && !self.families.contains(&described.family) {
            return false;
        }
        // A sender that is not known cannot be told from the one that the rule means.
        let unknown_sender = sender.is_empty();
        if !self.senders.is_empty() && !unknown_sender && !self.senders.contains(sender) {
            return false;
        }
        if self.specialities.is_empty() {
            return true;
        }
        let mut told = described
            .authors
            .iter()
            .filter_map(|a| a.specialty.as_ref())
            .map(|s| s.code.as_str())
            .chain(described.discipline.as_deref())
            .peekable();
        told.peek().is_none() || told.any(|code| self.specialities.contains(code))
    }
}
