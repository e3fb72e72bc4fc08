#![doc = include_str!("../README.md")]

pub mod algorithm;
mod ber;
pub mod certificate;
pub mod chain;
pub mod cms;
mod der;
pub mod fault;
pub mod keys;
pub mod open;
pub mod pki;
pub mod revocation;
pub mod second_opinion;
pub mod verified;
pub mod xmldsig;

pub use algorithm::{Allowed, ContentCipher, Digest, KeyTransport, SignatureAlgorithm};
pub use certificate::Certificate;
pub use chain::{Anchors, Trusted};
pub use fault::{Fault, Kind};
pub use keys::KeyRing;
pub use verified::Verified;

/// A shared vector; none where those are not beside the project.
#[cfg(test)]
fn shared(path: &str) -> Option<Vec<u8>> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(path);
    let bytes = std::fs::read(&file).ok();
    if bytes.is_none() {
        assert!(
            std::env::var_os("REQUIRE_SHARED").is_none(),
            "REQUIRE_SHARED is set, and there is no {path}"
        );
        println!("skipped: no shared vector {path}");
    }
    bytes
}
