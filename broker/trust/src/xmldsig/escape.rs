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
    const BLOCK: usize = 64;
    let bytes = text.as_bytes();
    let mut done = 0;
    for (block, start) in bytes.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        if !block.iter().fold(false, |any, &b| any | reference(b).is_some()) {
            continue;
        }
        for (&b, at) in block.iter().zip(start..) {
            if let Some(reference) = reference(b) {
                out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
                out.extend_from_slice(reference);
                done = at + 1;
            }
        }
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}
