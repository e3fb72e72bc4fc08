//! Dates, times and durations: lexical rules and the partial orders of the standard.
//!
//! Years of more than 18 digits are refused, as the standard lets a processor do; seconds are kept to 18
//! decimals, and what lies beyond is checked as text but not compared. A second of 60 is refused, as §3.2.7 allows and all validators do.

use std::cmp::Ordering;

/// Which of the eight date and time types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Calendar {
    /// `2012-02-15T10:30:00`
    DateTime,
    /// `2012-02-15`
    Date,
    /// `10:30:00`
    Time,
    /// `2012`
    Year,
    /// `2012-02`
    YearMonth,
    /// `--02-15`
    MonthDay,
    /// `---15`
    Day,
    /// `--02`
    Month,
}

/// A point on the time line, with or without a zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    calendar: Calendar,
    /// Seconds from a fixed start: in UTC if `zoned`, local otherwise.
    seconds: i128,
    /// In 10^-18 seconds.
    fraction: u64,
    zoned: bool,
}

const DAY: i128 = 86_400;
/// The widest offset that a time without zone may turn out to have.
const WIDEST_ZONE: i128 = 14 * 3_600;
//= XML Schema Part 2 (second edition) §5.4
//# Partial Implementation of Infinite Datatypes
/// Digits of the longest year that is read.
const YEAR_DIGITS: usize = 18;
/// Stands for "so far away that it makes no difference".
const FAR_YEAR: i64 = 1_000_000_000_000_000_000;

/// Reads text from the left.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn eat(&mut self, wanted: u8) -> Option<()> {
        let (&first, rest) = self.rest.split_first()?;
        (first == wanted).then(|| self.rest = rest)
    }

    fn at(&self, wanted: u8) -> bool {
        self.rest.first() == Some(&wanted)
    }

    /// As many digits as there are: how many, and their value up to [`FAR_YEAR`].
    fn digits(&mut self) -> (usize, i64) {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        let value = digits
            .iter()
            .fold(0_i64, |sum, b| sum.saturating_mul(10).saturating_add(i64::from(b - b'0')).min(FAR_YEAR));
        (count, value)
    }

    fn two(&mut self) -> Option<i64> {
        let (&[tens, ones], rest) = self.rest.split_first_chunk()?;
        let digit = |b: u8| b.is_ascii_digit().then(|| i64::from(b - b'0'));
        self.rest = rest;
        Some(digit(tens)? * 10 + digit(ones)?)
    }

    //= XML Schema Part 2 (second edition) §3.2.7.1
    //# if more than four digits, leading zeros are prohibited, and the year 0000 is prohibited
    fn year(&mut self) -> Option<i64> {
        let negative = self.eat(b'-').is_some();
        let padded = self.at(b'0');
        let (count, year) = self.digits();
        if !(4..=YEAR_DIGITS).contains(&count) || (count > 4 && padded) || year == 0 {
            return None;
        }
        Some(if negative { -year } else { year })
    }

    fn month(&mut self) -> Option<i64> {
        self.two().filter(|m| (1..=12).contains(m))
    }

    fn day(&mut self, year: i64, month: i64) -> Option<i64> {
        self.two().filter(|d| (1..=days_in(year, month)).contains(d))
    }

    /// Seconds of the day and the fraction; 24:00:00 is the end of the day.
    fn clock(&mut self) -> Option<(i64, u64)> {
        let hour = self.two()?;
        self.eat(b':')?;
        let minute = self.two()?;
        self.eat(b':')?;
        let second = self.two()?;
        let fraction = self.fraction()?;
        let midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
        if (hour > 23 && !midnight) || minute > 59 || second > 59 {
            return None;
        }
        Some((hour * 3_600 + minute * 60 + second, fraction))
    }

    /// `.digits`, in 10^-18; 0 without a point.
    fn fraction(&mut self) -> Option<u64> {
        if self.eat(b'.').is_none() {
            return Some(0);
        }
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(18);
        (count > 0).then(|| padded.fold(0, |sum, b| sum * 10 + u64::from(b - b'0')))
    }

    //= XML Schema Part 2 (second edition) §3.2.7.3
    //# hh is a two-digit numeral (with leading zeros as required) that represents the hours [...] restricted to 00-14, mm 00-59, 14:00 at most
    /// Offset in seconds, if there is a zone; nothing may follow.
    fn zone(mut self) -> Option<Option<i128>> {
        let sign = match self.rest {
            [] => return Some(None),
            b"Z" => return Some(Some(0)),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.rest = self.rest.get(1..)?;
        let hour = self.two()?;
        self.eat(b':')?;
        let minute = self.two()?;
        let fine = self.rest.is_empty() && minute <= 59 && (hour < 14 || (hour == 14 && minute == 0));
        fine.then_some(Some(i128::from(sign * (hour * 3_600 + minute * 60))))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from the start of year 0 of the proleptic calendar.
fn days_before(year: i64, month: i64, day: i64) -> i128 {
    // March is made the first month, so that the leap day is the last of its year.
    let (y, m) = if month <= 2 { (i128::from(year) - 1, month + 9) } else { (i128::from(year), month - 3) };
    y * 365 + y.div_euclid(4) - y.div_euclid(100)
        + y.div_euclid(400)
        + i128::from((153 * m + 2) / 5)
        + i128::from(day)
}

impl Moment {
    pub(super) fn parse(calendar: Calendar, text: &str) -> Option<Self> {
        // Types without a year are laid on a leap year, those without month or day on its last.
        let (mut year, mut month, mut day) = (1972, 12, 31);
        let (mut seconds, mut fraction) = (0, 0);
        let mut at = Cursor { rest: text.as_bytes() };
        match calendar {
            Calendar::DateTime | Calendar::Date => {
                year = at.year()?;
                at.eat(b'-')?;
                month = at.month()?;
                at.eat(b'-')?;
                day = at.day(year, month)?;
                if calendar == Calendar::DateTime {
                    at.eat(b'T')?;
                    (seconds, fraction) = at.clock()?;
                }
            }
            Calendar::Time => {
                (seconds, fraction) = at.clock()?;
                seconds %= 86_400;
            }
            Calendar::Year => (year, month, day) = (at.year()?, 1, 1),
            Calendar::YearMonth => {
                year = at.year()?;
                at.eat(b'-')?;
                (month, day) = (at.month()?, 1);
            }
            Calendar::MonthDay => {
                at.eat(b'-')?;
                at.eat(b'-')?;
                month = at.month()?;
                at.eat(b'-')?;
                day = at.day(year, month)?;
            }
            Calendar::Day => {
                at.eat(b'-')?;
                at.eat(b'-')?;
                at.eat(b'-')?;
                day = at.day(year, month)?;
            }
            Calendar::Month => {
                at.eat(b'-')?;
                at.eat(b'-')?;
                (month, day) = (at.month()?, 1);
            }
        }
        let zone = at.zone()?;
        let seconds = days_before(year, month, day) * DAY + i128::from(seconds) - zone.unwrap_or(0);
        Some(Self { calendar, seconds, fraction, zoned: zone.is_some() })
    }

    //= XML Schema Part 2 (second edition) §3.2.7.4
    //# P < Q if P < (Q with time zone +14:00); P > Q if P > (Q with time zone -14:00); P <> Q otherwise
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        let exact = |m: &Self, shift: i128| (m.seconds + shift, m.fraction);
        if self.calendar != other.calendar {
            return None;
        }
        if self.zoned == other.zoned {
            return Some(exact(self, 0).cmp(&exact(other, 0)));
        }
        let (zoned, local) = if self.zoned { (self, other) } else { (other, self) };
        let order = if exact(zoned, 0) < exact(local, -WIDEST_ZONE) {
            Ordering::Less
        } else if exact(zoned, 0) > exact(local, WIDEST_ZONE) {
            Ordering::Greater
        } else {
            return None;
        };
        Some(if self.zoned { order } else { order.reverse() })
    }
}

/// A duration: months and seconds do not mix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Duration {
    /// Signed.
    months: i128,
    /// Signed, in 10^-18 seconds.
    attoseconds: i128,
}

impl Duration {
    //= XML Schema Part 2 (second edition) §3.2.6.1
    //# The designator 'T' must be absent if and only if all of the time items are absent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut at = Cursor { rest: text.as_bytes() };
        let sign = if at.eat(b'-').is_some() { -1 } else { 1 };
        at.eat(b'P')?;
        let (mut months, mut seconds, mut fraction) = (0_i128, 0_i128, 0);
        // The designators still allowed, in order; 'T' leads over to the second row.
        let mut allowed: &[(u8, i128, bool)] = &[(b'Y', 12, true), (b'M', 1, true), (b'D', 86_400, false)];
        let (mut items, mut in_time) = (0, false);
        while !at.rest.is_empty() {
            if !in_time && at.eat(b'T').is_some() {
                (in_time, items) = (true, 0);
                allowed = &[(b'H', 3_600, false), (b'M', 60, false), (b'S', 1, false)];
                continue;
            }
            let (count, number) = at.digits();
            let pointed = in_time && at.at(b'.');
            let part = if pointed { at.fraction()? } else { 0 };
            let (&designator, rest) = at.rest.split_first()?;
            at.rest = rest;
            let place = allowed.iter().position(|(d, ..)| *d == designator)?;
            if count == 0 || (pointed && designator != b'S') {
                return None;
            }
            let (_, factor, is_months) = *allowed.get(place)?;
            let amount = i128::from(number) * factor;
            if is_months {
                months += amount
            } else {
                seconds += amount
            }
            fraction = part;
            allowed = allowed.get(place + 1..)?;
            items += 1;
        }
        // Bounded so that later sums cannot overflow.
        let far = i128::from(FAR_YEAR);
        let attoseconds = seconds.min(far) * far + i128::from(fraction);
        (items > 0).then_some(Self { months: sign * months.min(far), attoseconds: sign * attoseconds })
    }

    //= XML Schema Part 2 (second edition) §3.2.6.2
    //# x < y iff s+x < s+y for each qualified dateTime s in the list [...]
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        const STARTS: [(i64, i64); 4] = [(1696, 9), (1697, 2), (1903, 3), (1903, 7)];
        let after = |d: &Self, (year, month): (i64, i64)| {
            let months = i128::from(year) * 12 + i128::from(month - 1) + d.months;
            let year = i64::try_from(months.div_euclid(12)).unwrap_or(FAR_YEAR);
            let month = i64::try_from(months.rem_euclid(12)).unwrap_or_default() + 1;
            let far = i128::from(FAR_YEAR);
            let seconds = days_before(year, month, 1) * DAY + d.attoseconds.div_euclid(far);
            (seconds, d.attoseconds.rem_euclid(far))
        };
        let mut orders = STARTS.into_iter().map(|start| after(self, start).cmp(&after(other, start)));
        let first = orders.next()?;
        orders.all(|o| o == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(calendar: Calendar, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(Moment::parse(calendar, text).is_some(), "{text} is {calendar:?}");
        }
        for text in bad {
            assert!(Moment::parse(calendar, text).is_none(), "{text} is no {calendar:?}");
        }
    }

    #[test]
    fn lexical_space_of_dates_and_times() {
        all(
            Calendar::DateTime,
            &[
                "2012-02-15T10:30:00",
                "2012-02-29T23:59:59.999Z",
                "2012-02-15T24:00:00",
                "-0001-01-01T00:00:00",
                "12012-01-01T00:00:00+14:00",
                "2012-01-01T00:00:00-13:59",
                "2000-02-29T00:00:00",
                "2012-12-31T24:00:00.000",
                "123456789012345678-01-01T00:00:00",
            ],
            &[
                "2012-02-15",
                "2012-02-15T10:30",
                "2012-02-15 10:30:00",
                "0000-01-01T00:00:00",
                "2011-02-29T00:00:00",
                "1900-02-29T00:00:00",
                "2012-02-15T24:00:01",
                "2012-02-15T24:01:00",
                "2012-02-15T10:30:60",
                "2012-02-15T10:60:00",
                "2012-02-15T10:30:00+14:01",
                "2012-02-15T10:30:00+15:00",
                "2012-02-15T10:30:00+1:00",
                "2012-02-15T10:30:00.",
                "2012-02-15T10:30:00z",
                "012012-01-01T00:00:00",
                "212-01-01T00:00:00",
                "+2012-01-01T00:00:00",
                "2012-13-01T00:00:00",
                "2012-00-01T00:00:00",
                "2012-01-00T00:00:00",
                "2012-02-15T10:30:00Z ",
                "2012-2-15T10:30:00",
                "",
                "2012-02-15T",
                "2012-02-15T24:00:00.1",
                "1234567890123456789-01-01T00:00:00",
            ],
        );
        all(
            Calendar::Date,
            &["2012-02-15", "2012-02-15Z", "2012-02-15+01:00"],
            &["20120215", "2012-02-15T00:00:00", "15.02.2012", "2012-04-31"],
        );
        all(Calendar::Time, &["10:30:00", "24:00:00", "00:00:00.5+01:00"], &["10:30", "1:30:00", "25:00:00"]);
        all(Calendar::Year, &["2012", "-2012", "12012", "2012Z"], &["0000", "212", "02012", "2012-"]);
        all(Calendar::YearMonth, &["2012-02", "2012-12-01:00"], &["2012-13", "2012", "2012-2"]);
        all(Calendar::MonthDay, &["--02-29", "--12-31Z"], &["--02-30", "-02-01", "--04-31", "02-01"]);
        all(Calendar::Day, &["---01", "---31Z"], &["---32", "---00", "--01"]);
        all(Calendar::Month, &["--01", "--12+02:00"], &["--13", "--00", "--01--", "-01"]);
    }

    #[test]
    fn order_of_moments_is_partial() {
        let order = |a, b| {
            let m = |t| Moment::parse(Calendar::DateTime, t).unwrap();
            m(a).compare(&m(b))
        };
        assert_eq!(order("2000-01-15T00:00:00", "2000-02-15T00:00:00"), Some(Ordering::Less));
        assert_eq!(order("2000-01-15T12:00:00", "2000-01-16T12:00:00Z"), Some(Ordering::Less));
        assert_eq!(order("2000-01-01T12:00:00", "1999-12-31T23:00:00Z"), None);
        assert_eq!(order("2000-01-16T12:00:00", "2000-01-16T12:00:00Z"), None);
        assert_eq!(order("2000-01-16T00:00:00", "2000-01-16T12:00:00Z"), None);
        assert_eq!(order("2000-01-01T12:00:00+01:00", "2000-01-01T11:00:00Z"), Some(Ordering::Equal));
        assert_eq!(order("1999-12-31T24:00:00", "2000-01-01T00:00:00"), Some(Ordering::Equal));
        assert_eq!(order("2000-01-01T00:00:00.10", "2000-01-01T00:00:00.1"), Some(Ordering::Equal));
        assert_eq!(order("-0002-01-01T00:00:00", "-0001-01-01T00:00:00"), Some(Ordering::Less));
        assert_eq!(order("2000-02-29T00:00:00", "2000-03-01T00:00:00"), Some(Ordering::Less));
    }

    #[test]
    fn durations() {
        for good in
            ["P1Y", "-P1Y2M3DT4H5M6.7S", "PT0S", "P0D", "PT1M", "P1M", "P1YT1S", "P99999999999999999999Y"]
        {
            assert!(Duration::parse(good).is_some(), "{good}");
        }
        for bad in [
            "", "P", "PT", "P1YT", "1Y", "P1S", "P1D1Y", "PT1.S", "PT.5S", "P1.5D", "P-1Y", "+P1Y", "P1W",
            "PT1.5M", "P1Y1Y", "PY", "P1H",
        ] {
            assert!(Duration::parse(bad).is_none(), "{bad}");
        }
        let order = |a, b| Duration::parse(a).unwrap().compare(&Duration::parse(b).unwrap());
        // The table of §3.2.6.2.
        assert_eq!(order("P1Y", "P364D"), Some(Ordering::Greater));
        assert_eq!(order("P1Y", "P365D"), None);
        assert_eq!(order("P1Y", "P367D"), Some(Ordering::Less));
        assert_eq!(order("P1M", "P27D"), Some(Ordering::Greater));
        assert_eq!(order("P1M", "P28D"), None);
        assert_eq!(order("P1M", "P32D"), Some(Ordering::Less));
        assert_eq!(order("P5M", "P153D"), None);
        assert_eq!(order("P5M", "P154D"), Some(Ordering::Less));
        assert_eq!(order("P1Y", "P12M"), Some(Ordering::Equal));
        assert_eq!(order("-PT0.5S", "PT0S"), Some(Ordering::Less));
    }
}
