//! That receipts answer the message.

use super::checked::{Checked, Standing};
use super::entries::{Proof, Record};
use crate::proof::manifest::What;
use message_schemas::{Limits, head, xml};

impl Proof<'_> {
    /// That receipts answer this message.
    pub(super) fn receipts(&self, record: &Record, checked: &mut Checked) {
        let own = |id: &String| record.ids.iter().any(|own| own.eq_ignore_ascii_case(id));
        let count = self.all(What::Receipt).count();
        if !record.ids.is_empty()
            && !self.all(What::Receipt).all(|bytes| original_of(bytes).as_ref().is_some_and(own))
        {
            return checked.say("receipts", Standing::Fails, "A receipt answers another message.");
        }
        match count {
            1.. if record.ids.is_empty() => {
                let why = "The record has no id that a receipt could name.";
                checked.say("receipts", Standing::NotChecked, why);
            }
            0 => checked.say("receipts", Standing::NotChecked, "No receipt was made here."),
            n => checked.say("receipts", Standing::Holds, format!("{n} of {n} answer this message.")),
        }
    }
}

/// The id by which a receipt names what it answers.
fn original_of(bytes: &[u8]) -> Option<String> {
    let text = xml::decode(bytes).ok()?.text;
    let receipt = head::read(&text, &Limits::default()).ok()?.receipt?;
    Some(receipt.original_id?.key())
}
