//! base64Binary and hexBinary: one scan that checks and counts, however large the attachment.

use super::text::is_space;

const PAD: u8 = 0x40;
const SPACE: u8 = 0x80;
const BAD: u8 = 0xC0;

/// Class of each byte: its six bits, or one of the above.
const BASE64: [u8; 256] = {
    let mut table = [BAD; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < alphabet.len() {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table
};

//= XML Schema Part 2 (second edition) §3.2.16
//# Base64Binary ::= ((B64S B64S B64S B64S)* ((B64S B64S B64S B64) | (B64S B64S B16S '=') | (B64S B04S '=' #x20? '=')))?
/// How many octets a base64 text stands for, white space anywhere; none if it is not base64.
pub(super) fn base64_octets(raw: &str) -> Option<u64> {
    let bytes = raw.as_bytes();
    let mut digits: u64 = 0;
    let mut last = 0;
    let mut at = 0;
    // Whole blocks of plain digits first: nearly all of an attachment.
    while let Some(block) = bytes.get(at..at + 64) {
        let mut all = 0;
        for &b in block {
            all |= BASE64[b as usize];
        }
        if all < PAD {
            digits += 64;
            at += 64;
            last = BASE64[block[63] as usize];
            continue;
        }
        // A line end, most likely: the digits before it, then the blanks.
        let plain = block.iter().take_while(|&&b| BASE64[b as usize] < PAD).count();
        if let Some(&b) = plain.checked_sub(1).and_then(|before| block.get(before)) {
            last = BASE64[b as usize];
        }
        digits += plain as u64;
        at += plain;
        match bytes.get(at).map(|&b| BASE64[b as usize]) {
            Some(SPACE) => at += 1,
            Some(PAD) => break,
            Some(_) | None => return None,
        }
    }
    padding(bytes.get(at..)?, digits, last)
}

/// The rest of the text from the last digits on.
fn padding(rest: &[u8], mut digits: u64, mut last: u8) -> Option<u64> {
    let mut pads = 0_u64;
    for &b in rest {
        match BASE64[b as usize] {
            SPACE => {}
            PAD => pads += 1,
            class if class < PAD && pads == 0 => {
                digits += 1;
                last = class;
            }
            _ => return None,
        }
    }
    // The last digit must not carry bits that are thrown away.
    match (digits % 4, pads) {
        (0, 0) => Some(digits / 4 * 3),
        (3, 1) if last & 0b11 == 0 => Some(digits / 4 * 3 + 2),
        (2, 2) if last & 0b1111 == 0 => Some(digits / 4 * 3 + 1),
        _ => None,
    }
}

/// The octets of a base64 text that [`base64_octets`] has accepted.
pub(super) fn base64_value(raw: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for class in raw.bytes().map(|b| BASE64[b as usize]).filter(|&class| class < PAD) {
        bits = bits << 6 | u32::from(class);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    out.into_boxed_slice()
}

/// How many octets a hexBinary text stands for; none if it is not one.
pub(super) fn hex_octets(text: &str) -> Option<u64> {
    let fine = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fine.then_some(text.len() as u64 / 2)
}

/// The octets of a text that [`hex_octets`] has accepted.
pub(super) fn hex_value(text: &str) -> Box<[u8]> {
    let nibble = |b: u8| char::from(b).to_digit(16).unwrap_or_default() as u8;
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut bytes = text.bytes().filter(|&b| !is_space(b));
    while let (Some(high), Some(low)) = (bytes.next(), bytes.next()) {
        out.push(nibble(high) << 4 | nibble(low));
    }
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn agrees_with_an_encoder_at_every_length() {
        for length in 0..300_usize {
            let octets: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
            let plain = STANDARD.encode(&octets);
            assert_eq!(base64_octets(&plain), Some(length as u64));
            assert_eq!(base64_value(&plain).as_ref(), octets);
            let lines: Vec<&str> =
                plain.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect();
            let broken = format!("\r\n  {}\n", lines.join("\r\n"));
            assert_eq!(base64_octets(&broken), Some(length as u64));
            assert_eq!(base64_value(&broken).as_ref(), octets);
            if length > 0 {
                let short: String = plain.chars().skip(1).collect();
                assert_eq!(base64_octets(&short), None, "{length}");
            }
        }
    }

    #[test]
    fn refuses_what_is_not_base64() {
        for bad in [
            "A", "AA", "AAA", "AA=", "AAA==", "AB==", "AAB=", "A===", "====", "AA==AA==", "AA=A", "A_A=",
            "ÆAA=",
        ] {
            assert_eq!(base64_octets(bad), None, "{bad}");
        }
        for good in ["", " ", "AA==", "AA= =", "A A = =", "AAA =", "AQ==", "AAE="] {
            assert!(base64_octets(good).is_some(), "{good}");
        }
    }

    #[test]
    fn hexadecimal() {
        assert_eq!((hex_octets("0aFF"), hex_octets("")), (Some(2), Some(0)));
        assert!(["0", "0g", "0 0 "].into_iter().all(|t| hex_octets(t).is_none()));
        assert_eq!(hex_value("0aFF").as_ref(), [10, 255]);
    }
}
