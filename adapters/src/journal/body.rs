//! Bytes as they are kept: plain, or compressed where that saves room.

use super::unreadable;
use broker_core::ports::StoreError;
use std::cell::RefCell;
use std::sync::Arc;
use zstd::bulk::{Compressor, Decompressor};

/// Below this compressing costs more than it saves.
const WORTH_TRYING_BYTES: usize = 1024;
/// Fast: XML shrinks to a fifth or less at every level.
const LEVEL: i32 = 1;

thread_local! {
    /// Making one costs as much as compressing a message: their tables are made ready once a thread. None if there is no memory.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(bytes).ok())
}

fn decompress(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(bytes, size).ok())
}

/// Bytes ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) codec: &'static str,
    /// Of the original.
    pub(crate) size: usize,
    pub(crate) bytes: Arc<[u8]>,
}

impl Body {
    /// Compresses where it helps; by an eighth at least, or reading it back is not worth it.
    pub(crate) fn pack(bytes: &Arc<[u8]>) -> Self {
        let size = bytes.len();
        let packed = (size > WORTH_TRYING_BYTES).then(|| compress(bytes)).flatten();
        match packed.filter(|p| p.len() < size - size / 8) {
            Some(packed) => Self { codec: "zstd", size, bytes: packed.into() },
            None => Self { codec: "plain", size, bytes: Arc::clone(bytes) },
        }
    }
}

/// The original bytes of what is stored.
pub(crate) fn unpack(codec: &str, size: i64, bytes: Vec<u8>) -> Result<Arc<[u8]>, StoreError> {
    let size = usize::try_from(size).map_err(|_| unreadable("the size of a body"))?;
    let original = match codec {
        "plain" => bytes,
        "zstd" => decompress(&bytes, size).ok_or_else(|| unreadable("a compressed body"))?,
        _ => return Err(unreadable("the codec of a body")),
    };
    if original.len() == size { Ok(original.into()) } else { Err(unreadable("a body of another size")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_text_is_kept_small() {
        let text: Arc<[u8]> = "<Value V=\"12\"/>".repeat(1000).into_bytes().into();
        // Every byte as likely as another, as in what is sealed: nothing to gain.
        let noise: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut state = 1u64;
        let noise: Arc<[u8]> = noise
            .into_iter()
            .map(|b| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                b ^ (state >> 56) as u8
            })
            .collect();
        for (bytes, codec) in
            [(text, "zstd"), (noise, "plain"), (Arc::from(*b"<a/>"), "plain"), (Arc::from([]), "plain")]
        {
            let body = Body::pack(&bytes);
            assert_eq!(body.codec, codec);
            let back = unpack(body.codec, i64::try_from(body.size).expect("small"), body.bytes.to_vec());
            assert_eq!(back, Ok(bytes));
        }
    }

    #[test]
    fn what_is_not_ours_is_told() {
        assert!(unpack("zstd", 100, b"not compressed".to_vec()).is_err());
        assert!(unpack("plain", 3, b"four".to_vec()).is_err());
        assert!(unpack("aead", 4, b"four".to_vec()).is_err());
    }
}
