//! One answer for everything that an unproven sealed content can be, so that nobody learns a plaintext by asking.
//!
//! Content that is encrypted without authentication (CBC) can be changed on the way, and whether what comes out is well
//! padded, well formed or neither tells something of it: a padding oracle (Vaudenay 2002). An integrator who holds
//! the key may know ([`super::open`]); whoever sends to a broker may not.

use super::{Context, Layer, Opened, Refused, open};
use crate::cms::cannot_open;
use crate::fault::Kind;
use crate::verified::Form;
use message_schemas::{Limits, xml};

/// Opens a message as [`open`] does, and tells of everything that came out of an unproven seal without authentication,
/// and is no message, the same: [`Kind::CannotOpen`], with no layer inside.
///
/// # Errors
/// As [`open`].
pub fn open_discreetly<'a>(bytes: &'a [u8], context: &Context<'_>) -> Result<Opened<'a>, Box<Refused>> {
    match open(bytes, context) {
        Ok(opened) => {
            let unproven = opened.proof(Form::Cms).is_none() && opened.layers.iter().any(is_malleable);
            if unproven && !is_xml(opened.payload(), context.limits) {
                return Err(Box::new(closed(opened.layers)));
            }
            Ok(opened)
        }
        Err(refused) => {
            let proven = |layer: &Layer| matches!(layer, Layer::Signed(signed) if signed.verified);
            let kind = refused.fault.kind;
            let telling = matches!(kind, Kind::CmsMalformed | Kind::LimitExceeded | Kind::CannotOpen);
            let malleable = refused.layers.iter().any(is_malleable);
            if telling && malleable && !refused.layers.iter().any(proven) {
                return Err(Box::new(closed(refused.layers)));
            }
            Err(refused)
        }
    }
}

fn is_malleable(layer: &Layer) -> bool {
    matches!(layer, Layer::Sealed(sealed) if !sealed.cipher.is_gcm())
}

/// As if it had not been opened.
fn closed(layers: Vec<Layer>) -> Refused {
    let outside = layers.into_iter().filter_map(|layer| match layer {
        Layer::Sealed(mut sealed) => {
            sealed.opened_with = None;
            Some(Layer::Sealed(sealed))
        }
        Layer::Signed(_) | Layer::Mime { .. } | Layer::Gzip { .. } => None,
    });
    Refused { fault: cannot_open(), layers: outside.collect(), unverified: None, wanted: Vec::new() }
}

fn is_xml(payload: &[u8], limits: &Limits) -> bool {
    xml::decode(payload).is_ok_and(|decoded| xml::read(&decoded.text, limits, &mut super::Nobody).is_ok())
}
