//! SHA-1 in hex, as registries tell it.

/// Of these bytes.
pub(super) fn of(bytes: &[u8]) -> String {
    openssl::sha::sha1(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
