//! Special characters of canonical XML as references.

/// In text (Canonical XML 1.0 §2.3).
pub(super) const fn text_reference(b: u8) -> Option<&'static [u8]> {
    match b {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'\r' => Some(b"&#xD;"),
        _ => None,
    }
}

/// In attribute values.
pub(super) const fn attribute_reference(b: u8) -> Option<&'static [u8]> {
    match b {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'"' => Some(b"&quot;"),
        b'\t' => Some(b"&#x9;"),
        b'\n' => Some(b"&#xA;"),
        b'\r' => Some(b"&#xD;"),
        _ => None,
    }
}

/// Writes text with its special characters as references. It looks at whole blocks without a way out in between,
/// which the compiler turns into vector instructions; hardly any block holds a special character.
pub(super) fn escape(out: &mut Vec<u8>, text: &str, reference: impl Fn(u8) -> Option<&'static [u8]>) {
    const BLOCK: usize = 32;
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut write = |block: &[u8], start: usize| {
        for (&b, at) in block.iter().zip(start..) {
            if let Some(reference) = reference(b) {
                out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
                out.extend_from_slice(reference);
                done = at + 1;
            }
        }
    };
    let blocks = bytes.chunks_exact(BLOCK);
    let rest = blocks.remainder();
    for (block, start) in blocks.zip((0..).step_by(BLOCK)) {
        // Everything that is ever a reference, in text or in values.
        let special = |b: u8| matches!(b, b'&' | b'<' | b'>' | b'"' | b'\t' | b'\n' | b'\r');
        if block.iter().fold(false, |any, &b| any | special(b)) {
            write(block, start);
        }
    }
    if rest.iter().fold(0, |any, &b| any | SPECIAL[usize::from(b)]) != 0 {
        write(rest, bytes.len() - rest.len());
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}

/// For what is shorter than a block: not zero for everything that is ever a reference.
const SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    let all = b"&<>\"\t\n\r";
    let mut at = 0;
    while at < all.len() {
        table[all[at] as usize] = 1;
        at += 1;
    }
    table
};
