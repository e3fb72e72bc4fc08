#![doc = include_str!("../README.md")]

pub mod apprec;
pub mod codes;
pub mod document;
pub mod family;
pub mod finding;
pub mod head;
pub mod ids;
pub mod limits;
pub mod mime;
pub mod rules;
pub mod schema;
pub mod time;
pub mod xml;

pub use family::{Family, MessageKind, Version};
pub use finding::{Code, Finding, Findings, Layer, Place};
pub use head::MessageHead;
pub use ids::{HerId, Ident, MessageId, MsgId, OrgNumber, Private};
pub use limits::Limits;
