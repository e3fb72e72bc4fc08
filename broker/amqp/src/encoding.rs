//! Values in the encoding of AMQP 1.0: the part of it that envelopes are made of.
//!
//! Nothing here goes deeper by itself: a compound value is stepped over by its size, never into, so that no nesting
//! can use up the stack. Every value that the profile knows becomes text.

use std::borrow::Cow;

/// What was read is no AMQP, or ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    /// Strings and symbols as they are; numbers in decimal, uuids with hyphens, moments as in RFC 3339.
    Text(Cow<'a, str>),
    Binary(&'a [u8]),
    List(Items<'a>),
    Map(Items<'a>),
    /// An array, or a described value: stepped over.
    Other,
}

/// The values inside a list or a map; keys and values take turns in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Items<'a> {
    left: u32,
    bytes: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Value<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let read = read(&mut self.bytes);
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}

/// Takes so many bytes away from the front.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Malformed)?;
    *bytes = rest;
    Ok(taken)
}

pub(crate) fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*taken)
}

/// A length in one byte, or in four.
fn length(bytes: &mut &[u8], wide: bool) -> Result<usize, Malformed> {
    if wide {
        usize::try_from(u32::from_be_bytes(fixed(bytes)?)).map_err(|_| Malformed)
    } else {
        let [length] = fixed(bytes)?;
        Ok(usize::from(length))
    }
}

/// Described values around a described value, at most; each costs a step, none a call.
const DESCRIPTIONS: usize = 16;

/// Takes one value away from the front.
//= OASIS AMQP 1.0 part 1 §1.6
//# the format code tells type and width
pub(crate) fn read<'a>(bytes: &mut &'a [u8]) -> Result<Value<'a>, Malformed> {
    let [mut code] = fixed(bytes)?;
    let mut described = 0;
    while code == 0x00 {
        // A descriptor, which is itself no described value, and then what it describes.
        described += 1;
        if described > DESCRIPTIONS {
            return Err(Malformed);
        }
        let [descriptor] = fixed(bytes)?;
        if descriptor == 0x00 {
            return Err(Malformed);
        }
        plain(descriptor, bytes)?;
        [code] = fixed(bytes)?;
    }
    let value = plain(code, bytes)?;
    Ok(if described > 0 { Value::Other } else { value })
}

fn plain<'a>(code: u8, bytes: &mut &'a [u8]) -> Result<Value<'a>, Malformed> {
    let text = |text: String| Ok(Value::Text(text.into()));
    match code {
        0x40 => Ok(Value::Null),
        0x41 => text("true".into()),
        0x42 => text("false".into()),
        0x56 => match fixed(bytes)? {
            [0] => text("false".into()),
            [1] => text("true".into()),
            [_] => Err(Malformed),
        },
        0x43 | 0x44 => text("0".into()),
        0x45 => Ok(Value::List(Items { left: 0, bytes: &[] })),
        0x50 | 0x52 | 0x53 => text(u8::from_be_bytes(fixed(bytes)?).to_string()),
        0x51 | 0x54 | 0x55 => text(i8::from_be_bytes(fixed(bytes)?).to_string()),
        0x60 => text(u16::from_be_bytes(fixed(bytes)?).to_string()),
        0x61 => text(i16::from_be_bytes(fixed(bytes)?).to_string()),
        0x70 => text(u32::from_be_bytes(fixed(bytes)?).to_string()),
        0x71 => text(i32::from_be_bytes(fixed(bytes)?).to_string()),
        0x72 => text(f32::from_be_bytes(fixed(bytes)?).to_string()),
        0x73 => text(char::from_u32(u32::from_be_bytes(fixed(bytes)?)).ok_or(Malformed)?.to_string()),
        0x80 => text(u64::from_be_bytes(fixed(bytes)?).to_string()),
        0x81 => text(i64::from_be_bytes(fixed(bytes)?).to_string()),
        0x82 => text(f64::from_be_bytes(fixed(bytes)?).to_string()),
        0x83 => text(moment(i64::from_be_bytes(fixed(bytes)?))),
        0x98 => text(uuid(fixed(bytes)?)),
        0xa0 | 0xb0 => {
            let length = length(bytes, code == 0xb0)?;
            Ok(Value::Binary(take(bytes, length)?))
        }
        0xa1 | 0xa3 | 0xb1 | 0xb3 => {
            let length = length(bytes, code >= 0xb0)?;
            let text = std::str::from_utf8(take(bytes, length)?).map_err(|_| Malformed)?;
            Ok(Value::Text(text.into()))
        }
        0xc0 | 0xd0 | 0xc1 | 0xd1 => {
            let wide = code >= 0xd0;
            let size = length(bytes, wide)?;
            let mut inside = take(bytes, size)?;
            let count = u32::try_from(length(&mut inside, wide)?).map_err(|_| Malformed)?;
            let items = Items { left: count, bytes: inside };
            Ok(if code & 0x0f == 0 { Value::List(items) } else { Value::Map(items) })
        }
        // What no envelope holds is stepped over by its width.
        0x74 => fixed::<4>(bytes).map(|_| Value::Other),
        0x84 => fixed::<8>(bytes).map(|_| Value::Other),
        0x94 => fixed::<16>(bytes).map(|_| Value::Other),
        0xe0 | 0xf0 => {
            let size = length(bytes, code == 0xf0)?;
            take(bytes, size).map(|_| Value::Other)
        }
        _ => Err(Malformed),
    }
}

/// Milliseconds since 1970 as text; a number where no calendar reaches.
fn moment(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |moment| moment.to_string())
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

/// Puts a text after what is there, as a string or a symbol; nothing as null.
pub(crate) fn put_text(out: &mut Vec<u8>, text: Option<&str>, symbol: bool) {
    let Some(text) = text else { return out.push(0x40) };
    let kind = if symbol { 0x03 } else { 0x01 };
    match u8::try_from(text.len()) {
        Ok(length) => out.extend([0xa0 | kind, length]),
        Err(_) => {
            out.push(0xb0 | kind);
            out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut left = bytes;
        let Ok(Value::Text(text)) = read(&mut left) else { panic!("{bytes:02x?}") };
        assert!(left.is_empty());
        text.into_owned()
    }

    #[test]
    fn every_simple_value_is_text() {
        let id = "12345678-9abc-def0-1234-56789abcdef0";
        let mut raw = vec![0x98];
        raw.extend([
            0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
        ]);
        assert_eq!(text(&raw), id);
        let cases: [(&[u8], &str); 14] = [
            (&[0x41], "true"),
            (&[0x56, 0], "false"),
            (&[0x43], "0"),
            (&[0x52, 7], "7"),
            (&[0x54, 0xff], "-1"),
            (&[0x70, 0, 1, 0, 0], "65536"),
            (&[0x71, 0xff, 0xff, 0xff, 0xfe], "-2"),
            (&[0x80, 0, 0, 0, 0, 0, 0, 1, 0], "256"),
            (&[0x83, 0, 0, 0, 0, 0, 0, 0, 0], "1970-01-01T00:00:00Z"),
            (&[0xa1, 2, b'o', b'k'], "ok"),
            (&[0xa3, 2, b'o', b'k'], "ok"),
            (&[0xb1, 0, 0, 0, 1, b'x'], "x"),
            (&[0x73, 0, 0, 0, b'c'], "c"),
            (&[0x61, 0, 9], "9"),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(text(bytes), wanted);
        }
    }

    #[test]
    fn nothing_is_read_past_the_end_and_nesting_costs_nothing() {
        for whole in [
            &[0xa1_u8, 3, b'a', b'b'][..],
            &[0x70, 0, 0],
            &[0xc0, 9, 1],
            &[0xb0, 0xff, 0xff, 0xff, 0xff],
            &[],
        ] {
            assert_eq!(read(&mut &*whole), Err(Malformed), "{whole:02x?}");
        }
        let described = vec![0x00; 1_000_000];
        assert_eq!(read(&mut described.as_slice()), Err(Malformed));
        // A million lists, each within the one before.
        let mut nested = Vec::new();
        for depth in 0..1_000_000_u32 {
            nested.push(0xd0);
            nested.extend((9 * (999_999 - depth) + 5).to_be_bytes());
            nested.extend(1_u32.to_be_bytes());
        }
        nested.push(0x40);
        let mut left = nested.as_slice();
        assert!(matches!(read(&mut left), Ok(Value::List(_))));
    }
}
