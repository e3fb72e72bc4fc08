//! Writing DER (X.690 §10): enough for the structures that we make ourselves.

/// Universal tags that we write.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// One value: tag, length in the shortest form, content.
pub(crate) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    nested(tag, &[content])
}

/// A value made of other values.
pub(crate) fn nested(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(length + 10);
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(_) | Err(_) => {
            let bytes = length.to_be_bytes();
            let skip = bytes.iter().take_while(|&&b| b == 0).count();
            let used = bytes.get(skip..).unwrap_or_default();
            out.push(0x80 | u8::try_from(used.len()).unwrap_or(8));
            out.extend_from_slice(used);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// SEQUENCE.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    nested(tag::SEQUENCE, parts)
}

/// SET OF, sorted as DER asks (X.690 §11.6).
pub(crate) fn set_of(parts: Vec<Vec<u8>>) -> Vec<u8> {
    sorted(tag::SET, parts)
}

/// SET OF under another tag, sorted as DER asks.
pub(crate) fn sorted(tag: u8, mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    value(tag, &parts.concat())
}

/// `[n] EXPLICIT`, or a constructed `[n] IMPLICIT`.
pub(crate) fn context(n: u8, content: &[u8]) -> Vec<u8> {
    value(0xA0 | n, content)
}

/// INTEGER from unsigned big-endian bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|&&b| b == 0).count();
    let used = bytes.get(skip..).unwrap_or_default();
    let mut content = Vec::with_capacity(used.len() + 1);
    if used.first().is_none_or(|b| b & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(used);
    value(tag::INTEGER, &content)
}

/// OBJECT IDENTIFIER from its content bytes.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    value(tag::OID, content)
}

/// OCTET STRING.
pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    value(tag::OCTET_STRING, bytes)
}

/// BIT STRING of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    nested(tag::BIT_STRING, &[&[0], bytes])
}

/// NULL.
pub(crate) const NULL: &[u8] = &[0x05, 0x00];
