//! A document of a message as its series knows it.

use super::version::{Change, Item, Names, PatientKey, Ruling, Sha, Version, Withheld};
use message_schemas::document::{self, Publishable, SharedDocument};
use message_schemas::{MessageHead, MessageId, MsgId};

impl Version {
    /// The version that a document of a message is. `content` is of the KITH XML as it was inside its envelope.
    #[must_use]
    pub fn of(document: &SharedDocument, head: &MessageHead, message: MessageId, content: Sha) -> Self {
        let mut parts = document.keys.series_key.splitn(3, '|').map(str::to_owned);
        let family = parts.next().unwrap_or_default();
        let sender = parts.next().unwrap_or_default();
        let series_id = parts.next().unwrap_or_default();
        let change = Change::from(document.service_type);
        let reference = |id: &Option<MsgId>| id.as_ref().map(MsgId::key);
        let names = match change {
            _ if !family.starts_with("plo-") => Names::Series(series_id),
            Change::New => Names::Opens { conversation: reference(&head.links.conversation) },
            Change::Changed | Change::Cancelled | Change::Added => Names::Follows {
                parent: reference(&head.links.parent),
                conversation: reference(&head.links.conversation),
            },
        };
        let described = &document.described;
        let patient = described.patient.as_ref().and_then(|p| p.id.as_ref());
        Self {
            message,
            msg_id: document.keys.msg_id.clone(),
            family,
            sender,
            names,
            generated: document.generated,
            change,
            content,
            patient: patient.map(|(id, system)| PatientKey::new(system, id)),
            withheld: withheld(&document.publishable),
            test: document.test,
            synthetic: document.synthetic_patient,
            attachments: described.attachments.iter().map(|a| a.number).collect(),
            items: document
                .results
                .iter()
                .map(|r| Item { key: r.key.clone(), cancelled: r.cancelled })
                .collect(),
            ruling: Ruling::default(),
        }
    }
}

/// Whoever is entitled to keep a document back is certain of it; for every other reason a person must look.
fn withheld(publishable: &Publishable) -> Option<Withheld> {
    let Publishable::No(reasons) = publishable else { return None };
    let is_safe = |reason: &document::Withheld| {
        matches!(
            reason,
            document::Withheld::NotAPerson
                | document::Withheld::NoConsent
                | document::Withheld::PatientReserves
                | document::Withheld::OnwardReserved
                | document::Withheld::Dialogue
                | document::Withheld::Logistics
                | document::Withheld::OrderInProgress
        )
    };
    Some(if reasons.iter().all(is_safe) { Withheld::Reserved } else { Withheld::Unsafe })
}
