//! How urgent a referral is.

/// ServiceRequest.priority of K(8304), none for a code outside it (document-sharing §6.1).
pub(super) fn of(code: &str) -> Option<&'static str> {
    Some(match code {
        // At once, or within hours.
        "0" | "1H" | "2H" | "4H" | "8H" => "stat",
        // Within days.
        "1" | "2" | "3" => "asap",
        // Within a week; a cancer pathway.
        "7" | "PK" => "urgent",
        "14" | "21" | "30" | "90" | "180" | "360" | "N" => "routine",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_code_of_the_list_has_a_priority() {
        let list = [
            "0", "1", "14", "180", "1H", "2", "21", "2H", "3", "30", "360", "4H", "7", "8H", "90", "N", "PK",
        ];
        assert!(list.iter().all(|code| super::of(code).is_some()));
        assert_eq!(super::of("99"), None);
    }
}
