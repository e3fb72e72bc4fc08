//! Times in properties: written in one form, read in those that are seen.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// As `2026-01-31T22:00:00Z`: whole seconds, UTC.
//= HITS 1216:2018 §2.2
//# applicationTimeStamp: ISO 8601 with zone
#[must_use]
pub fn write(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// ISO 8601, or as the reference library writes without thinking of a form (`01/31/2026 22:00:00`). A time without a zone
/// is UTC: both come from programs that mean it.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let utc = |civil: DateTime| civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let iso = || text.parse().ok();
    let bare = || text.parse().ok().and_then(utc);
    let invariant = || DateTime::strptime("%m/%d/%Y %H:%M:%S", text).ok().and_then(utc);
    iso().or_else(bare).or_else(invariant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_is_seen_is_the_same_time() {
        let time: Timestamp = "2026-01-31T22:00:00Z".parse().unwrap();
        assert_eq!(write(time), "2026-01-31T22:00:00Z");
        for form in [
            "2026-01-31T22:00:00Z",
            "2026-01-31T22:00:00.0000000Z",
            "2026-01-31T23:00:00+01:00",
            "2026-01-31T22:00:00",
            "01/31/2026 22:00:00",
        ] {
            assert_eq!(read(form), Some(time), "{form}");
        }
        assert_eq!(read("31.01.2026"), None);
        assert_eq!(read(""), None);
    }
}
