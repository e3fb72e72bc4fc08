//! Which characters may stand in a name.

/// What an ASCII byte may be in a name: both bits for a first letter, one for what may follow, none else.
const NAME_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 128 {
        let byte = b as u8;
        if byte.is_ascii_alphabetic() || byte == b'_' {
            table[b] = LETTER;
        } else if byte.is_ascii_digit() || byte == b'-' || byte == b'.' {
            table[b] = FOLLOWING;
        }
        b += 1;
    }
    table
};
const FOLLOWING: u8 = 0b01;
const LETTER: u8 = 0b11;

/// The length of the name that stands here, as far as it is of ASCII and has no colon: nearly all are, to their ends.
pub(super) fn plain_name(bytes: &[u8]) -> usize {
    let class = |b: &u8| NAME_BYTES[usize::from(*b)];
    match bytes.first().map(class) {
        Some(LETTER) => bytes.iter().position(|b| class(b) == 0).unwrap_or(bytes.len()),
        Some(_) | None => 0,
    }
}

/// Namespaces in XML 1.0: a name without a colon.
pub(crate) fn is_nc_name(name: &str) -> bool {
    let classes = name.bytes().fold(LETTER, |all, b| all & NAME_BYTES[usize::from(b)]);
    if classes != 0 {
        return name.bytes().next().is_some_and(|b| NAME_BYTES[usize::from(b)] == LETTER);
    }
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// XML 1.0 (fifth edition) production 4, without the colon.
pub(crate) const fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0 (fifth edition) production 4a, without the colon.
pub(crate) const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
