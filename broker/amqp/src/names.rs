//! Names of properties, as they are written; they are read whatever their case.

/// HER-id of the sender.
pub const FROM: &str = "fromHerId";
/// HER-id of the receiver.
pub const TO: &str = "toHerId";
/// When the sender's application wrote the message.
pub const WRITTEN: &str = "applicationTimeStamp";
/// Of an error: the id of the message that failed.
pub const ORIGINAL: &str = "originalMessageId";
/// Of an error: when its receiver tried.
pub const TRIED: &str = "receiverTimeStamp";
/// Of an error: its code.
pub const CONDITION: &str = "errorCondition";
/// Of an error: in words.
pub const DESCRIPTION: &str = "errorDescription";
/// Of an error: more.
pub const DATA: &str = "errorConditionData";
/// The subject, once more, for those whose server takes the other away.
pub const TYPE: &str = "X-MessageInfo-Type";

/// All of them.
pub(crate) const ALL: [&str; 9] = [FROM, TO, WRITTEN, ORIGINAL, TRIED, CONDITION, DESCRIPTION, DATA, TYPE];
