//! A time or a number as text, written once into a few bytes that are copied from then on.

use std::fmt;

/// ASCII text of at most 40 bytes; the longest time has 35. What does not fit is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    length: u8,
    bytes: [u8; 40],
}

impl Written {
    pub(crate) const fn new() -> Self {
        Self { length: 0, bytes: [0; 40] }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// One ASCII character.
    pub(crate) fn mark(mut self, mark: u8) -> Self {
        if let Some(slot) = self.bytes.get_mut(usize::from(self.length)) {
            *slot = mark;
            self.length += 1;
        }
        self
    }

    /// The last `width` digits of a number, with zeros in front.
    pub(crate) fn number(self, number: impl Into<i32>, width: u8) -> Self {
        self.last_digits(number.into().unsigned_abs(), width)
    }

    /// A number in as many digits as it has.
    pub(crate) fn digits(self, number: u32) -> Self {
        self.last_digits(number, number.checked_ilog10().unwrap_or(0) as u8 + 1)
    }

    fn last_digits(mut self, number: u32, width: u8) -> Self {
        let from = usize::from(self.length);
        let Some(room) = self.bytes.get_mut(from..from + usize::from(width)) else { return self };
        let mut rest = number;
        for slot in room.iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.length += width;
        self
    }
}

impl fmt::Debug for Written {
    /// Nothing of it: a day of birth is a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_width_and_nothing_overflows() {
        let text = Written::new().number(7, 2).mark(b':').number(2019, 4).number(12_345, 3);
        assert_eq!(text.as_str(), "07:2019345");
        for number in [0, 1, 9, 10, 4_711, u32::MAX] {
            assert_eq!(Written::new().digits(number).as_str(), number.to_string());
        }
        let full = (0..30).fold(text, |text, n| text.number(n, 2).mark(b'-'));
        assert!(full.as_str().len() <= 40 && full.as_str().starts_with("07:2019345"));
    }
}
