//! Many of a kind in one sentence.

use std::fmt::Display;

/// So many are named; of the rest the number is told.
const NAMED: usize = 5;

/// `1, 2, 3, 4, 5 and 4 more`; none for nothing.
#[must_use]
pub fn listed<T: Display>(all: impl IntoIterator<Item = T>) -> Option<String> {
    let mut all = all.into_iter();
    let first: Vec<_> = all.by_ref().take(NAMED).map(|one| one.to_string()).collect();
    let more = all.count();
    let named = first.join(", ");
    match (first.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(named),
        (false, more) => Some(format!("{named} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn five_are_named_and_the_rest_are_counted() {
        assert_eq!(listed(0..0), None);
        assert_eq!(listed(1..2).as_deref(), Some("1"));
        assert_eq!(listed(1..6).as_deref(), Some("1, 2, 3, 4, 5"));
        assert_eq!(listed(1..7).as_deref(), Some("1, 2, 3, 4, 5 and 1 more"));
    }
}
