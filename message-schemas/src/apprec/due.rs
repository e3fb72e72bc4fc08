//! Who gets a receipt (kith-messages §4.3): the rules that need nothing but the message and the knowledge
//! of which parties are ours.
//!
//! Not here: duplicates and finality (rules 5, 6, 7, 11), which need what happened before, and who writes
//! the receipt, we or the system behind us.

use super::{ErrorCode, version_for};
use crate::family::Family;
use crate::head::{MessageHead, Party, Role};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Whose a receiving party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Its communication party (level 2) is ours.
    Ours,
    /// Its enterprise (level 1) is ours, but the communication party is missing or not known here.
    EnterpriseOnly,
    /// Neither.
    Elsewhere,
}

/// Whom the transport named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// A party of ours: the message came to the right door, whatever it says inside.
    Ours,
    /// Nobody, or somebody else.
    Unknown,
}

/// What an installation decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Refuse with E21 when a receiver's HER-id is missing or unknown in an enterprise of ours. Off: the
    /// message is taken in, for people to place.
    pub refuse_unknown_receiver: bool,
    /// Refuse with E21 when the envelope is ours and no receiver in the message is (acceptance case 22).
    /// Off: silence, as for any message that is not ours.
    pub refuse_foreign_content: bool,
    /// Functions (list 8279) that are answered by a message of their own instead of a receipt.
    pub own_response: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { refuse_unknown_receiver: true, refuse_foreign_content: true, own_response: Vec::new() }
    }
}

/// What one receiver of a message owes its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// One receipt: positive, unless something else is wrong with the message.
    Receipt,
    /// One receipt, negative with this code.
    Refuse(ErrorCode),
    /// Nothing.
    Silence(Silence),
}

/// Why a receiver owes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The message is a receipt.
    IsReceipt,
    /// A transport envelope, or a synchronous service.
    KindHasNone,
    /// The message is answered by another message.
    OwnResponse,
    /// Not an enterprise of ours.
    NotOurs,
    /// FR or OR: mentioned only.
    NotAddressed,
    /// The same communication party stands further up; it answers once.
    Repeated,
    /// The sender cannot be read: there is nobody to tell.
    NoSender,
}

/// What is due, for each receiver in the order of `head.receivers`. A test message (Status TEST,
/// ProcessingStatus D or T) is receipted like any other.
pub fn receipts_due(
    head: &MessageHead,
    ours: impl Fn(&Party) -> Ownership,
    envelope: Envelope,
    settings: &Settings,
) -> Vec<Due> {
    let all = |silence| vec![Due::Silence(silence); head.receivers.len()];
    //= HITS 1168:2016 §3
    //# A receipt is never receipted.
    if head.kind.family == Family::AppRec {
        return all(Silence::IsReceipt);
    }
    //= HITS 1168:2016 §8.3
    //# Some registers use their own response message instead of AppRec.
    if head.function.as_ref().is_some_and(|f| settings.own_response.contains(f)) {
        return all(Silence::OwnResponse);
    }
    if version_for(head.kind, head.function.as_deref()).is_none() {
        return all(Silence::KindHasNone);
    }
    //= HITS 1168:2016 §5.3
    //# Addressed to an enterprise and party that are not ours, or sender unreadable: no receipt at all.
    if head.sender.is_none() {
        return all(Silence::NoSender);
    }
    let owners: Vec<Ownership> = head.receivers.iter().map(|r| ours(&r.party)).collect();
    let addressed = |i: usize| head.receivers.get(i).is_some_and(|r| r.role != Role::Mentioned);
    let any_ours = owners.iter().enumerate().any(|(i, o)| *o != Ownership::Elsewhere && addressed(i));
    //= AppRec acceptance test, case 22
    //# The ebXML party is ours, all receivers in the XML are elsewhere: E21, mirroring the wrong addresses.
    let refuse_first = !any_ours && envelope == Envelope::Ours && settings.refuse_foreign_content;
    let first = (0..head.receivers.len()).find(|i| addressed(*i));
    let mut answered = HashSet::new();
    head.receivers
        .iter()
        .enumerate()
        .zip(&owners)
        .map(|((i, receiver), owner)| {
            if receiver.role == Role::Mentioned {
                return Due::Silence(Silence::NotAddressed);
            }
            let her_id = receiver.party.her_id();
            let repeated = her_id.is_some_and(|id| !answered.insert(id));
            //= HIS 80415:2012 §3.3.4
            //# E21: the HER-id on level 1 or level 2 is missing or not known at the receiver.
            let incomplete = her_id.is_none() || receiver.party.enterprise_her_id().is_none();
            //= HITS 1168:2016 §5.1
            //# Exactly one receipt per receiver in the message that belongs to the own enterprise.
            match owner {
                Ownership::Elsewhere if refuse_first && first == Some(i) => {
                    Due::Refuse(ErrorCode::ReceiverNotFound)
                }
                Ownership::Elsewhere => Due::Silence(Silence::NotOurs),
                Ownership::Ours | Ownership::EnterpriseOnly if repeated => Due::Silence(Silence::Repeated),
                Ownership::Ours if incomplete && settings.refuse_unknown_receiver => {
                    Due::Refuse(ErrorCode::ReceiverNotFound)
                }
                Ownership::EnterpriseOnly if settings.refuse_unknown_receiver => {
                    Due::Refuse(ErrorCode::ReceiverNotFound)
                }
                Ownership::Ours | Ownership::EnterpriseOnly => Due::Receipt,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head;
    use crate::limits::Limits;

    const REPORT: &str = r#"<Message xmlns="http://www.kith.no/xmlstds/labsvar/2012-02-15">
        <Type V="SVAR_LAB"/><MsgId>0b6f0a3e-6f5c-4c43-8c7c-6ad0cf3c4c10</MsgId><ServReport>
        <ServProvider><HCP><Inst><Id>1</Id><TypeId V="HER"/></Inst></HCP></ServProvider>
        <Requester><HCP><Inst><Id>2</Id><TypeId V="HER"/>
          <Dept><Id>20</Id><TypeId V="HER"/></Dept></Inst></HCP></Requester>
        <CopyDest><HCP><Inst><Id>3</Id><TypeId V="HER"/>
          <Dept><Id>30</Id><TypeId V="HER"/></Dept></Inst></HCP></CopyDest>
        </ServReport></Message>"#;

    fn due(of: &str, owners: [Ownership; 2], envelope: Envelope, settings: &Settings) -> Vec<Due> {
        let head = head::read(of, &Limits::default()).expect("a head");
        let whose = |p: &Party| match p.enterprise_her_id().map(|h| h.0) {
            Some(2) => owners[0],
            _ => owners[1],
        };
        receipts_due(&head, whose, envelope, settings)
    }

    #[test]
    fn each_receiver_of_ours_answers_and_no_other() {
        use Due::{Receipt, Refuse, Silence as S};
        use Ownership::{Elsewhere, EnterpriseOnly, Ours};
        let (on, unknown) = (Settings::default(), Envelope::Unknown);
        let e21 = || Refuse(ErrorCode::ReceiverNotFound);
        let not_ours = || S(Silence::NotOurs);
        assert_eq!(due(REPORT, [Ours, Ours], unknown, &on), [Receipt, Receipt]);
        assert_eq!(due(REPORT, [Elsewhere, Ours], unknown, &on), [not_ours(), Receipt]);
        assert_eq!(due(REPORT, [Elsewhere, Ours], Envelope::Ours, &on), [not_ours(), Receipt]);
        assert_eq!(due(REPORT, [Elsewhere, Elsewhere], unknown, &on), [not_ours(), not_ours()], "case 21");
        assert_eq!(due(REPORT, [Elsewhere, Elsewhere], Envelope::Ours, &on), [e21(), not_ours()], "case 22");
        assert_eq!(due(REPORT, [EnterpriseOnly, Elsewhere], unknown, &on), [e21(), not_ours()]);
        let off =
            Settings { refuse_unknown_receiver: false, refuse_foreign_content: false, ..Settings::default() };
        assert_eq!(due(REPORT, [EnterpriseOnly, Elsewhere], unknown, &off), [Receipt, not_ours()]);
        assert_eq!(due(REPORT, [Elsewhere, Elsewhere], Envelope::Ours, &off), [not_ours(), not_ours()]);
    }

    #[test]
    fn registers_that_answer_themselves_and_unreadable_senders_get_silence() {
        let own = Settings { own_response: vec!["SVAR_LAB".into()], ..Settings::default() };
        let ours = [Ownership::Ours; 2];
        let silence = |s| vec![Due::Silence(s); 2];
        assert_eq!(due(REPORT, ours, Envelope::Ours, &own), silence(Silence::OwnResponse));
        let nobody = REPORT.replace("ServProvider>", "Annet>");
        assert_eq!(due(&nobody, ours, Envelope::Ours, &Settings::default()), silence(Silence::NoSender));
    }
}
