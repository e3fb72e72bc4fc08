//! What the signature of a document will say of canonical forms, by a look at the text: right for every signature as
//! it is usually written, and compared with the parsed signature afterwards.

use super::scan::Forms;
use super::signature::MOST_PREFIXES;
use super::{Canonical, Shape, uri};
use memchr::memmem;

/// The forms that a document's signature probably names.
pub(super) fn forms(text: &str, shape: Shape) -> Forms {
    let Some(signed_info) = signed_info(text) else { return Forms::default() };
    let mut forms = Forms::default();
    let mut first = true;
    for part in signed_info.split("Algorithm").skip(1) {
        let algorithm = value(part).unwrap_or_default();
        forms.next_node |= algorithm == uri::XPATH && shape == Shape::Ebxml;
        let Some(mut form) = uri::canonical(algorithm) else {
            first = false;
            continue;
        };
        if form.exclusive {
            form.prefixes = prefixes(part);
        }
        if first {
            forms.signed_info = form;
            first = false;
        } else {
            forms.document = Canonical { comments: false, ..form };
        }
    }
    forms
}

/// The text between the last two mentions of SignedInfo: its start tag and its end tag.
fn signed_info(text: &str) -> Option<&str> {
    let (before, _) = text.split_at_checked(memmem::rfind(text.as_bytes(), b"SignedInfo")?)?;
    let (_, from) = before.split_at_checked(memmem::rfind(before.as_bytes(), b"SignedInfo")?)?;
    Some(from)
}

/// The value behind an attribute's name.
fn value(after: &str) -> Option<&str> {
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = if after.starts_with('\'') { '\'' } else { '"' };
    after.split(quote).nth(1)
}

fn prefixes(part: &str) -> Vec<String> {
    let list = part.split_once("PrefixList").and_then(|(_, after)| value(after)).unwrap_or_default();
    list.split_ascii_whitespace().take(MOST_PREFIXES).map(str::to_owned).collect()
}
