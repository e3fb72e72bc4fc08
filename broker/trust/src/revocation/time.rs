//! Times in DER (RFC 5280 §4.1.2.5): UTCTime and GeneralizedTime, in UTC, with seconds.

use crate::ber::Value;
use crate::der;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

pub(super) fn is_time(tag: u8) -> bool {
    matches!(tag, UTC_TIME | GENERALIZED_TIME)
}

/// The time, if it is one.
pub(crate) fn read(value: &Value<'_>) -> Option<Timestamp> {
    let digits = value.content.strip_suffix(b"Z")?;
    let mut numbers = digits.chunks(2).map(|pair| match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i16::from(tens - b'0') * 10 + i16::from(ones - b'0'))
        }
        _ => None,
    });
    let mut two = || numbers.next().flatten();
    let year = match value.tag {
        GENERALIZED_TIME => two()? * 100 + two()?,
        //= RFC 5280 §4.1.2.5.1
        //# Where YY is greater than or equal to 50, the year SHALL be interpreted as 19YY
        UTC_TIME => match two()? {
            year @ 50.. => 1900 + year,
            year => 2000 + year,
        },
        _ => return None,
    };
    let mut small = || two().and_then(|n| i8::try_from(n).ok());
    let (month, day, hour, minute, second) = (small()?, small()?, small()?, small()?, small()?);
    if numbers.next().is_some() {
        return None;
    }
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// As RFC 5280 §4.1.2.5 has it: UTCTime until 2049, GeneralizedTime after.
pub(crate) fn write(moment: Timestamp) -> Vec<u8> {
    let general = generalized(moment);
    let year = moment.to_zoned(TimeZone::UTC).year();
    // The content of a GeneralizedTime without its century is a UTCTime.
    let short = general.get(4..).unwrap_or_default();
    if (1950..2050).contains(&year) { der::value(UTC_TIME, short) } else { general }
}

/// GeneralizedTime, as OCSP asks.
pub(crate) fn generalized(moment: Timestamp) -> Vec<u8> {
    let text = moment.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%SZ").to_string();
    der::value(GENERALIZED_TIME, text.as_bytes())
}
