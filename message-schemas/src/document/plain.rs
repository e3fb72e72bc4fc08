//! Texts that are copied as they are, told at a glance: nearly all are short, and nothing in them must be escaped.

/// True if no byte of a text is special. There is no way out of a block in between, which the compiler turns into vector
/// instructions; what does not fill a block is looked at in one that overlaps the last.
#[inline]
pub(super) fn is_plain(text: &[u8], special: impl Fn(u8) -> bool + Copy) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        let (blocks, _) = text.as_chunks::<16>();
        !any(last, special) && !blocks.iter().any(|block| any(block, special))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        !any(first, special) && !any(last, special)
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        !any(first, special) && !any(last, special)
    } else {
        !text.iter().any(|byte| special(*byte))
    }
}

/// True if any byte of a block is special.
#[inline]
pub(super) fn any<const N: usize>(block: &[u8; N], special: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |any, byte| any | special(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_byte_is_seen_wherever_it_stands() {
        for length in 0..70 {
            let mut text = vec![b'a'; length];
            assert!(is_plain(&text, |byte| byte == b'"'), "{length}");
            for at in 0..length {
                text[at] = b'"';
                assert!(!is_plain(&text, |byte| byte == b'"'), "{at} of {length}");
                text[at] = b'a';
            }
        }
    }
}
