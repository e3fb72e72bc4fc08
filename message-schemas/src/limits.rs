//! How much of a document we are willing to read.
//!
//! Every bound on work that a sender can cause stands here, counted in bytes and steps and never in
//! seconds, so that the same message meets the same fate on every machine.

use serde::{Deserialize, Serialize};

/// Bounds on one document. Nothing that a sender sends may cost more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Size of the whole document as received, in bytes. The biggest official sample is 2 MB.
    pub message_bytes: usize,
    /// Open elements at one time. The deepest official sample has 20.
    pub depth: usize,
    /// Attributes on one element, namespace declarations included.
    pub attributes: usize,
    /// Length of one name or one attribute value, in bytes.
    pub attribute_bytes: usize,
    /// Text directly inside one element, in bytes (a base64 attachment is one such text).
    pub text_bytes: usize,
    /// Elements in one document.
    pub elements: usize,
    /// Findings listed; the rest are counted.
    pub findings: usize,
    /// Bytes that all attachments of a message may unpack to.
    pub unpacked_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 20_000_000,
            depth: 200,
            attributes: 200,
            attribute_bytes: 100_000,
            text_bytes: 20_000_000,
            elements: 1_000_000,
            findings: 100,
            unpacked_bytes: 60_000_000,
        }
    }
}
