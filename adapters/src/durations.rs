//! Durations in settings, as people write them: `500ms`, `5s`, `2m 30s`, `96h`.
//!
//! Used as `#[serde(with = "crate::durations::required")]`; months and years are refused, as they have no
//! fixed length.

pub use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required};

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use std::time::Duration;

    #[derive(Serialize, Deserialize)]
    struct Setting {
        #[serde(with = "super::required")]
        pause: Duration,
    }

    fn read(text: &str) -> Option<Duration> {
        serde_json::from_value::<Setting>(serde_json::json!({ "pause": text })).ok().map(|s| s.pause)
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(read("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(read("2m 30s"), Some(Duration::from_secs(150)));
        assert_eq!(read("96h"), Some(Duration::from_secs(96 * 3600)));
        assert_eq!(read("-5s"), None);
        assert_eq!(read("5"), None);
        assert_eq!(read("2 months"), None);
    }

    #[test]
    fn writes_what_it_reads() {
        let text = serde_json::to_string(&Setting { pause: Duration::from_millis(1500) }).unwrap();
        assert_eq!(text, r#"{"pause":"1s 500ms"}"#);
    }
}
