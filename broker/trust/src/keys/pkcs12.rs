//! The keys in a PKCS#12 store (RFC 7292 §4): OpenSSL's own reader gives only the first one.

use crate::ber::{Malformed, Reader, Value};
use crate::der::tag;

/// `data` (RFC 5652 §4).
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];

/// `pkcs8ShroudedKeyBag`.
const SHROUDED_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x02];

/// The most keys that are looked for.
const MOST: usize = 64;

/// The encrypted keys, as PKCS#8. Its seal (MAC) is not checked here: let OpenSSL read the store first.
pub(super) fn shrouded_keys(store: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut pfx = Value::only(store)?.inside()?;
    pfx.expect(tag::INTEGER)?;
    let mut keys = Vec::new();
    let Some(safes) = content(&mut pfx)? else { return Ok(keys) };
    let mut safes = Value::only(&safes)?.inside()?;
    while !safes.is_empty() {
        // Certificates are in an encrypted safe; keys, which are encrypted one by one, in a plain one.
        let Some(safe) = content(&mut safes)? else { continue };
        let mut bags = Value::only(&safe)?.inside()?;
        while !bags.is_empty() && keys.len() < MOST {
            let mut bag = bags.enter(tag::SEQUENCE)?;
            if bag.expect(tag::OID)?.content == SHROUDED_KEY {
                keys.push(bag.enter(0xA0)?.expect(tag::SEQUENCE)?.raw.to_vec());
            }
        }
    }
    Ok(keys)
}

/// What a ContentInfo of type `data` holds; none for another type.
fn content(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let mut info = reader.enter(tag::SEQUENCE)?;
    if info.expect(tag::OID)?.content != DATA {
        return Ok(None);
    }
    Ok(Some(info.enter(0xA0)?.octets(tag::OCTET_STRING)?.into_owned()))
}
