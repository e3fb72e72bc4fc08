//! One answer for everything that an unproven sealed content can be, so that nobody learns a plaintext by asking.
//!
//! Content that is encrypted without authentication (CBC) can be changed on the way by somebody who cannot read it.
//! Whether what comes out is well padded, well formed, signed, or addressed to somebody tells that person something of
//! it: a padding oracle (Vaudenay 2002), or worse. So nothing is told of it until a signature inside holds by the
//! certificate that it names: then the content is as its signer made it, who knew it anyway, and whether that
//! certificate may sign can be said. An integrator who holds the key may know all of it ([`super::open`]); whoever
//! sends to a broker may not.

use super::{Context, Layer, Opened, Refused, open};
use crate::cms::cannot_open;
use message_schemas::{Limits, xml};

/// Opens a message as [`open`] does, and tells of everything that came out of an unproven seal without authentication,
/// and is no message, the same: [`crate::Kind::CannotOpen`], with no layer inside.
///
/// A message without any signature that is well formed is given: whether it may come so, the agreement with its sender
/// says. Where it may not, [`closed_if_unproven`] is the answer.
///
/// # Errors
/// As [`open`].
pub fn open_discreetly<'a>(bytes: &'a [u8], context: &Context<'_>) -> Result<Opened<'a>, Box<Refused>> {
    match open(bytes, context) {
        Ok(opened) => match closed_if_unproven(opened.layers()) {
            Some(refused) if !is_xml(opened.payload(), context.limits) => Err(refused),
            Some(_) | None => Ok(opened),
        },
        Err(refused) => Err(closed_if_unproven(&refused.layers).unwrap_or(refused)),
    }
}

/// The one answer to what was in a seal without authentication, if no signature in it holds; none where more may be
/// told.
#[must_use]
pub fn closed_if_unproven(layers: &[Layer]) -> Option<Box<Refused>> {
    let at = layers.iter().position(is_malleable)?;
    if layers.iter().any(|layer| matches!(layer, Layer::Signed(signed) if signed.intact)) {
        return None;
    }
    // As if it had not been opened.
    let mut outside = layers.get(..=at)?.to_vec();
    if let Some(Layer::Sealed(sealed)) = outside.last_mut() {
        sealed.opened_with = None;
    }
    let refused = Refused { fault: cannot_open(), layers: outside, unverified: None, wanted: Vec::new() };
    Some(Box::new(refused))
}

fn is_malleable(layer: &Layer) -> bool {
    matches!(layer, Layer::Sealed(sealed) if !sealed.cipher.is_gcm() && sealed.opened_with.is_some())
}

fn is_xml(payload: &[u8], limits: &Limits) -> bool {
    xml::decode(payload).is_ok_and(|decoded| xml::read(&decoded.text, limits, &mut super::Nobody).is_ok())
}
