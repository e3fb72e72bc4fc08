//! Times as senders write them: the `TS` union of the KITH data types, and how a time without zone is read.
//!
//! A [`Stamp`] keeps what was sent: its precision, its fraction, whether it had a zone. A date stays a date,
//! a month a month; nothing is shifted or completed on reading. A date and time without zone is Norwegian
//! local time, from the time zone data inside the binary: an hour that occurs twice is its first reading, an
//! hour that does not exist is one hour later (document-sharing §3.4). A zone on a mere date is dropped.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use std::fmt;
use std::sync::LazyLock;
pub(crate) use written::Written;

mod written;

/// How much of a time was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// `2012`
    Year,
    /// `2012-06`
    Month,
    /// `2012-06-15`
    Day,
    /// `2012-06-15T10:30:00`, with or without fraction and zone.
    Full,
    /// `10:30:00`: no day, so never a point in time.
    TimeOfDay,
}

/// What stood behind a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Zone {
    /// Nothing: Norwegian local time.
    Local,
    /// `Z`
    Utc,
    /// `+02:00`, in minutes.
    Minutes(i16),
}

/// A time as it was sent. Copying it is cheap; its text comes back from the writers below.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    date: Date,
    time: Time,
    precision: Precision,
    /// Digits of the fraction that were sent, at most nine.
    digits: u8,
    zone: Zone,
}

impl fmt::Debug for Stamp {
    /// The precision only: a day of birth is a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp({:?})", self.precision)
    }
}

impl Stamp {
    /// Reads one of the forms of the union; blanks around it do not matter. Seconds that were left out are
    /// zero, a tenth digit of the fraction and those behind it are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Cursor(text.trim().as_bytes());
        // A day without meaning for a time alone.
        let mut date = Date::constant(1, 1, 1);
        let mut precision = Precision::TimeOfDay;
        if rest.0.get(2) != Some(&b':') {
            let year = i16::try_from(rest.number(4)?).ok().filter(|y| *y > 0)?;
            precision = Precision::Year;
            let (mut month, mut day) = (1, 1);
            if rest.dash() {
                month = i8::try_from(rest.number(2)?).ok()?;
                precision = Precision::Month;
                if rest.dash() {
                    day = i8::try_from(rest.number(2)?).ok()?;
                    precision = Precision::Day;
                }
            }
            date = Date::new(year, month, day).ok()?;
            if precision == Precision::Day && rest.next_is(b'T') {
                precision = Precision::Full;
            }
        }
        let (mut time, mut digits) = (Time::midnight(), 0);
        if matches!(precision, Precision::Full | Precision::TimeOfDay) {
            let (read, sent, next_day) = rest.time()?;
            (time, digits) = (read, sent);
            if next_day && precision == Precision::Full {
                date = date.tomorrow().ok()?;
            }
        }
        let zone = rest.zone()?;
        Some(Self { date, time, precision, digits, zone })
    }

    /// How much was sent.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// The day, month or year part; none for a time alone.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        (self.precision != Precision::TimeOfDay).then_some(self.date)
    }

    /// True when a zone was sent with the time.
    #[must_use]
    pub fn has_zone(&self) -> bool {
        self.zone != Zone::Local
    }

    /// The point in time, if a full date and time was sent.
    #[must_use]
    pub fn instant(&self) -> Option<Timestamp> {
        self.resolved().map(|(at, _)| at)
    }

    /// Where it begins: a day at midnight, a month or year on its first day, in Norwegian local time. None
    /// for a time alone, and beyond the calendar's range. For comparing what was sent with different precision.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        match self.precision {
            Precision::Full => self.instant(),
            Precision::TimeOfDay => None,
            Precision::Year | Precision::Month | Precision::Day => {
                oslo(self.date.to_datetime(Time::midnight())).map(|(at, _)| at)
            }
        }
    }

    /// The same for what must be compared in any case: what lies beyond the calendar's range, as the last day of the year 9999
    /// does, is its edge.
    pub(crate) fn start_or_edge(&self) -> Option<Timestamp> {
        let edge = if self.date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
        self.start().or_else(|| self.date().map(|_| edge))
    }

    /// As a Norwegian clock shows it: sent with another zone, it is moved; a day, month or year is its first
    /// moment, a time alone stands on an empty day.
    #[must_use]
    pub fn oslo(&self) -> Option<DateTime> {
        if self.precision == Precision::Full
            && self.zone != Zone::Local
            && let Some(at) = self.instant()
        {
            return Some(oslo_zone().to_datetime(at));
        }
        // Beyond the calendar's range, what was sent is all that can be shown.
        Some(self.date.to_datetime(self.time))
    }

    /// As FHIR `dateTime` writes it: the same precision, and a zone wherever there is a time. None for a
    /// time alone.
    #[must_use]
    pub fn fhir_date_time(&self) -> Option<String> {
        (self.precision != Precision::TimeOfDay).then(|| FhirDateTime(*self).to_string())
    }

    /// As FHIR `instant` writes it, which needs a full time: a date becomes midnight local time, and the
    /// flag says that it was completed. None for a time alone.
    #[must_use]
    pub fn complete(&self) -> Option<(Self, bool)> {
        match self.precision {
            Precision::Full => Some((*self, false)),
            Precision::TimeOfDay => None,
            Precision::Year | Precision::Month | Precision::Day => {
                Some((Self { precision: Precision::Full, zone: Zone::Local, ..*self }, true))
            }
        }
    }

    /// As an XDS registry wants it (HL7 v2 DTM): a full time in UTC to the second, anything less as its
    /// digits, unshifted. None for a time alone.
    #[must_use]
    pub fn utc_digits(&self) -> Option<String> {
        let d = self.date;
        match self.precision {
            Precision::Year => Some(format!("{:04}", d.year())),
            Precision::Month => Some(format!("{:04}{:02}", d.year(), d.month())),
            Precision::Day => Some(format!("{:04}{:02}{:02}", d.year(), d.month(), d.day())),
            Precision::TimeOfDay => None,
            Precision::Full => {
                let utc = Offset::UTC.to_datetime(self.instant()?);
                let (y, mo, d, h, mi, s) =
                    (utc.year(), utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second());
                // The first hour of the year 1 is of none before it.
                (y > 0).then(|| format!("{y:04}{mo:02}{d:02}{h:02}{mi:02}{s:02}"))
            }
        }
    }

    /// The point in time and the offset to write it with.
    fn resolved(&self) -> Option<(Timestamp, Offset)> {
        if self.precision != Precision::Full {
            return None;
        }
        let local = self.date.to_datetime(self.time);
        let offset = match self.zone {
            Zone::Local => return oslo(local),
            Zone::Utc => Offset::UTC,
            Zone::Minutes(m) => Offset::from_seconds(i32::from(m) * 60).ok()?,
        };
        Some((offset.to_timestamp(local).ok()?, offset))
    }
}

/// A point in time as Norwegian local time with its offset, to the second: what we write into messages.
#[must_use]
pub fn oslo_text(at: Timestamp) -> String {
    at.to_zoned(oslo_zone().clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn oslo_zone() -> &'static TimeZone {
    static OSLO: LazyLock<TimeZone> = LazyLock::new(|| {
        TimeZoneDatabase::bundled().get("Europe/Oslo").expect("the bundled time zone data has Europe/Oslo")
    });
    &OSLO
}

/// Norwegian local time to a point in time. An hour that occurs twice is its first reading, one that does
/// not exist is moved on by what was skipped.
fn oslo(local: DateTime) -> Option<(Timestamp, Offset)> {
    let read = oslo_zone().to_ambiguous_timestamp(local);
    // All but two hours of a year have one offset, and it is known by now.
    if let AmbiguousOffset::Unambiguous { offset } = read.offset() {
        return Some((offset.to_timestamp(local).ok()?, offset));
    }
    let at = read.compatible().ok()?;
    Some((at, oslo_zone().to_offset(at)))
}

/// Writes a [`Stamp`] as FHIR `dateTime`; a time alone is written as nothing.
#[derive(Clone, Copy)]
pub struct FhirDateTime(pub Stamp);

impl fmt::Debug for FhirDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FhirDateTime {
    pub(crate) fn written(self) -> Written {
        let Self(stamp) = self;
        let day = |d: Date| {
            let text = Written::new().number(d.year(), 4);
            text.mark(b'-').number(d.month(), 2).mark(b'-').number(d.day(), 2)
        };
        let d = stamp.date;
        match stamp.precision {
            Precision::Year => Written::new().number(d.year(), 4),
            Precision::Month => Written::new().number(d.year(), 4).mark(b'-').number(d.month(), 2),
            Precision::Day => day(d),
            Precision::TimeOfDay => Written::new(),
            Precision::Full => {
                // Out of the calendar's range by its offset alone: the day is still true.
                let Some((at, offset)) = stamp.resolved() else { return day(d) };
                // Local mean time (before 1895) has seconds in its offset, which FHIR cannot write: they go, so that the
                // clock stays as it was sent, and with it the day.
                let local = offset.to_datetime(at);
                let mut text = day(local.date()).mark(b'T').number(local.hour(), 2);
                text = text.mark(b':').number(local.minute(), 2).mark(b':').number(local.second(), 2);
                if stamp.digits > 0 {
                    let scale = 10_i32.pow(9 - u32::from(stamp.digits.min(9)));
                    text = text.mark(b'.').number(local.subsec_nanosecond() / scale, stamp.digits);
                }
                if stamp.zone == Zone::Utc || (offset == Offset::UTC && stamp.zone == Zone::Local) {
                    return text.mark(b'Z');
                }
                let minutes = offset.seconds() / 60;
                text = text.mark(if minutes < 0 { b'-' } else { b'+' });
                text.number(minutes.abs() / 60, 2).mark(b':').number(minutes.abs() % 60, 2)
            }
        }
    }
}

impl fmt::Display for FhirDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written().as_str())
    }
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn next_is(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// A hyphen that joins parts of a date, and is not the sign of a zone.
    fn dash(&mut self) -> bool {
        self.0.get(3) != Some(&b':') && self.next_is(b'-')
    }

    /// Exactly `n` digits.
    fn number(&mut self, n: usize) -> Option<u32> {
        let digits = self.0.get(..n).filter(|d| d.iter().all(u8::is_ascii_digit))?;
        self.0 = self.0.get(n..)?;
        Some(digits.iter().fold(0, |sum, d| sum * 10 + u32::from(d - b'0')))
    }

    /// `hh:mm[:ss[.fraction]]`; the digits of the fraction, and whether it was 24:00 of the day before.
    fn time(&mut self) -> Option<(Time, u8, bool)> {
        let hour = self.number(2)?;
        if !self.next_is(b':') {
            return None;
        }
        let minute = self.number(2)?;
        let (mut second, mut nano, mut digits) = (0, 0_i32, 0_u8);
        if self.next_is(b':') {
            second = self.number(2)?;
            if self.next_is(b'.') {
                let mut any = false;
                while let [d @ b'0'..=b'9', rest @ ..] = self.0 {
                    any = true;
                    if digits < 9 {
                        digits += 1;
                        nano = nano * 10 + i32::from(d - b'0');
                    }
                    self.0 = rest;
                }
                if !any {
                    return None;
                }
                nano *= 10_i32.pow(9 - u32::from(digits));
            }
        }
        if hour == 24 {
            // XML Schema 1.0 part 2 §3.2.7: 24:00:00 is the first moment of the day that follows.
            return (minute == 0 && second == 0 && nano == 0).then_some((Time::midnight(), digits, true));
        }
        let part = |n: u32| i8::try_from(n).ok();
        Some((Time::new(part(hour)?, part(minute)?, part(second)?, nano).ok()?, digits, false))
    }

    /// `Z`, `±hh:mm` or nothing, and then the end.
    fn zone(&mut self) -> Option<Zone> {
        if self.0.is_empty() {
            return Some(Zone::Local);
        }
        if self.next_is(b'Z') {
            return self.0.is_empty().then_some(Zone::Utc);
        }
        let sign = if self.next_is(b'+') {
            1
        } else if self.next_is(b'-') {
            -1
        } else {
            return None;
        };
        let hours = self.number(2)?;
        if !self.next_is(b':') {
            return None;
        }
        let minutes = self.number(2)?;
        if !self.0.is_empty() || minutes > 59 || hours * 60 + minutes > 14 * 60 {
            return None;
        }
        i16::try_from(hours * 60 + minutes).ok().map(|m| Zone::Minutes(sign * m))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, FHIR, XDS.
    const CASES: &[(&str, Option<&str>, Option<&str>)] = &[
        ("2019", Some("2019"), Some("2019")),
        ("2019-03", Some("2019-03"), Some("201903")),
        ("2019-03-31", Some("2019-03-31"), Some("20190331")),
        ("2019-03-31+01:00", Some("2019-03-31"), Some("20190331")),
        ("2019-03Z", Some("2019-03"), Some("201903")),
        ("2019-05:00", Some("2019"), Some("2019")),
        ("2019-12-31T24:00:00", Some("2020-01-01T00:00:00+01:00"), Some("20191231230000")),
        // The hour that summer time takes and gives back.
        ("2019-03-31T02:15:00", Some("2019-03-31T03:15:00+02:00"), Some("20190331011500")),
        ("2019-10-27T02:15:00", Some("2019-10-27T02:15:00+02:00"), Some("20191027001500")),
        ("2019-10-27T02:15:00+01:00", Some("2019-10-27T02:15:00+01:00"), Some("20191027011500")),
        ("2019-07-01T08:00:00.050", Some("2019-07-01T08:00:00.050+02:00"), Some("20190701060000")),
        (
            "2019-07-01T08:00:00.123456789012-02:30",
            Some("2019-07-01T08:00:00.123456789-02:30"),
            Some("20190701103000"),
        ),
        ("2019-07-01T08:00:00+00:00", Some("2019-07-01T08:00:00+00:00"), Some("20190701080000")),
        ("2019-07-01T08:00Z", Some("2019-07-01T08:00:00Z"), Some("20190701080000")),
        ("0001-01-01T00:00:00", Some("0001-01-01T00:00:00+00:53"), None),
        ("1890-07-01T08:00:00", Some("1890-07-01T08:00:00+00:53"), Some("18900701070632")),
        (" 2019-07-01\n", Some("2019-07-01"), Some("20190701")),
        ("08:00:00", None, None),
    ];

    #[test]
    fn each_form_is_kept_as_sent() {
        for (text, fhir, digits) in CASES {
            let stamp = Stamp::parse(text).unwrap_or_else(|| panic!("{text} is a time"));
            assert_eq!(stamp.fhir_date_time().as_deref(), *fhir, "{text}");
            assert_eq!(stamp.utc_digits().as_deref(), *digits, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "x",
            "19",
            "201",
            "0000",
            "2019-",
            "2019-13",
            "2019-02-29",
            "2019-02-30T10:00:00",
            "20190331",
            "2019-03-31T",
            "2019-03-31T25:00:00",
            "2019-03-31T24:00:01",
            "2019-03-31T10:61:00",
            "2019-03-31T10:00:00.",
            "2019-03-31T10:00:00+15:00",
            "2019-03-31T10:00:00 CET",
            "2019-03-31 10:00:00",
            "31.03.2019",
            "+2019-03-31",
            "2019-03-31T10:00:00Zx",
            "æøå2019",
            "10:30:00+",
            "99:99:99",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_day_that_can_be_written_is_after_all_others() {
        let at = |text: &str| Stamp::parse(text).and_then(|s| s.start_or_edge());
        for last in
            ["9999-12-31", "9999-12-31T00:00:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999+01:00"]
        {
            assert!(at(last) > at("2026-11-23") && at(last) >= at("9999-12-30"), "{last}");
            assert!(Stamp::parse(last).unwrap().oslo().is_some(), "{last}");
        }
        assert!(at("0001-01-01T00:00:00") < at("0001-01-02"));
        assert_eq!(at("08:00:00"), None);
    }

    #[test]
    fn dates_compare_by_their_local_start() {
        let start = |t: &str| Stamp::parse(t).and_then(|s| s.start());
        assert_eq!(start("2019-07-01"), start("2019-07-01T00:00:00"));
        assert_eq!(start("2019-07-01"), start("2019-06-30T22:00:00Z"));
        assert!(start("2019-07") == start("2019-07-01") && start("2019") < start("2019-07"));
        assert_eq!(start("10:00:00"), None);
    }

    #[test]
    fn a_date_is_completed_to_an_instant_only_when_asked() {
        let (full, completed) = Stamp::parse("2019-07-01").and_then(|s| s.complete()).unwrap();
        assert_eq!((full.fhir_date_time().as_deref(), completed), (Some("2019-07-01T00:00:00+02:00"), true));
        let (_, completed) = Stamp::parse("2019-07-01T10:00:00").and_then(|s| s.complete()).unwrap();
        assert!(!completed);
    }

    #[test]
    fn debug_shows_no_day() {
        assert_eq!(format!("{:?}", Stamp::parse("1950-02-03").unwrap()), "Stamp(Day)");
    }
}
