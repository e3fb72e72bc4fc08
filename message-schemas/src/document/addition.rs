//! Additions: documents that add to what was sent before.
//!
//! Composition.status has no word for them: an addition is `final` or `amended` there. What the message says is
//! kept as a tag of the Composition, a code of the list that it was sent in, so that a view can say in its head
//! what kind of version it shows.

use super::codes::{self, System};
use super::fhir::Coding;
use super::json::Json;

/// A: addition, in K(7309) of messages and in K(7306) of reports.
const CODE: &str = "A";
const LISTS: [u16; 2] = [7309, 7306];

/// The tag of a document that is an addition by this list.
pub(super) fn tag(list: u16) -> Coding<'static> {
    Coding::fixed(System::List(list), CODE, codes::list_text(list, CODE))
}

/// True of a Composition that was tagged as an addition.
pub(super) fn is_tagged(composition: &Json<'_>) -> bool {
    let tags = composition.get("meta").map_or(&[][..], |meta| meta.list("tag"));
    let list = |tag: &Json<'_>| codes::national(tag.text("system")?.strip_prefix("urn:oid:")?);
    tags.iter().any(|tag| tag.text("code") == Some(CODE) && list(tag).is_some_and(|l| LISTS.contains(&l)))
}
