//! What the transport said of a message, where it is one that says more than bytes.
//!
//! It is kept with the message: a message is judged by it, and must be judged again by the same.

use serde::{Deserialize, Serialize};

/// What a queue is for. The queue that a message came by decides, never what is written on the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Business messages and receipts, in both directions.
    Async,
    /// Requests whose sender waits.
    Sync,
    /// Answers to our own requests.
    SyncReply,
    /// Transport errors about what we sent.
    Error,
    /// Our own queues, within one installation: no envelope is asked for.
    Internal,
}

/// Where the subject of a message was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectSource {
    /// In its own place.
    Property,
    /// In the property `X-MessageInfo-Type`, since the server took the subject away.
    MessageInfo,
    /// In the message itself, once it was opened.
    Payload,
}
