//! CMS, against the shared vectors, against OpenSSL's command line, and against attackers.

mod attacks_sealed;
mod attacks_signed;
mod command_line;
mod corpus;
mod forge;
mod mutation;
mod round_trip;
mod vectors;

use super::*;
use crate::algorithm::{Allowed, ContentCipher};
use crate::certificate::Certificate;
use crate::chain::{Anchors, Cache, Moment, Purpose, TestMode, Trusted};
use crate::keys::{KeyRing, PrivateKey};
use crate::pki::demo::Demo;
use crate::revocation::Evidence;
use crate::verified::Verified;
use std::sync::{Arc, OnceLock};

/// A payload of ours.
const PAYLOAD: &[u8] = b"<MsgHead><MsgInfo>r\xc3\xb8d gr\xc3\xb8t</MsgInfo></MsgHead>";

const DEFAULT: Allowed = Allowed { sha1: false, triple_des: false };
const LEGACY: Allowed = Allowed { sha1: true, triple_des: true };

fn limits() -> Limits {
    Limits::default()
}

/// Judges a certificate for signing, below these roots, with revocation left out.
fn trusted(certificate: &Arc<Certificate>, others: &[Arc<Certificate>], at: &str) -> Arc<Trusted> {
    judged(certificate, others, Purpose::Signing, at)
}

fn judged(
    certificate: &Arc<Certificate>,
    others: &[Arc<Certificate>],
    purpose: Purpose,
    at: &str,
) -> Arc<Trusted> {
    let anchors = Anchors {
        roots: others.iter().filter(|c| c.is_self_issued()).cloned().collect(),
        intermediates: others.to_vec(),
        test_mode: Some(TestMode::announced_loudly_by_the_caller()),
        ..Anchors::default()
    };
    let at = at.parse().unwrap();
    let moment = Moment { at, now: at };
    anchors.judge(certificate, &[], purpose, moment, &Evidence::default(), &Cache::default()).unwrap()
}

/// The demo's sender, judged.
fn sender() -> Arc<Trusted> {
    static SENDER: OnceLock<Arc<Trusted>> = OnceLock::new();
    Arc::clone(SENDER.get_or_init(|| of_demo(Demo::shared().sender.signing.certificate())))
}

/// A certificate of the demo's CA, judged for signing.
fn of_demo(certificate: &Arc<Certificate>) -> Arc<Trusted> {
    trusted(certificate, &above(), "2026-01-01T00:00:00Z")
}

/// The demo's CAs.
fn above() -> [Arc<Certificate>; 2] {
    let demo = Demo::shared();
    [Arc::clone(demo.issuing.certificate()), Arc::clone(demo.root.certificate())]
}

/// The demo's sender signs.
fn sign_as_sender(content: &[u8], with_attributes: bool) -> Vec<u8> {
    let at = with_attributes.then(|| "2026-01-01T10:20:30Z".parse().unwrap());
    sign(content, &*Demo::shared().sender.signing.private_key(), at).unwrap()
}

/// Sealed for the demo's receiver.
fn seal_for_receiver(content: &[u8], cipher: ContentCipher) -> Vec<u8> {
    seal(content, &[Arc::clone(Demo::shared().receiver.sealing.certificate())], cipher).unwrap()
}

/// The demo's receiver opens.
fn open_as_receiver(bytes: &[u8]) -> Result<Opened, Fault> {
    open(bytes, &Demo::shared().receiver.keys(), DEFAULT, &limits())
}

/// The demo's sender must have signed.
fn verify_sender(bytes: &[u8]) -> Result<Verified<Vec<u8>>, Fault> {
    signed(bytes, &limits())?.verify(&sender(), DEFAULT)
}

/// A ring of one key.
fn ring(key: &Arc<dyn PrivateKey>) -> KeyRing {
    KeyRing::new(vec![Arc::clone(key)])
}
