//! What stands around the body of a message: of the head-less families, and `MsgInfo` of MsgHead.

use super::coverage::Outcome;
use super::values::{Code, Sourced, When, Words, first};
use super::writer::{Writer, instant};
use crate::xml::Node;

/// Date, id and status of a message.
#[derive(Debug)]
pub(super) struct Envelope<'t> {
    pub node: Node<'t>,
    pub kind: Option<Code<'t>>,
    pub version: Vec<Words<'t>>,
    pub generated: Option<When<'t>>,
    pub msg_id: Option<Words<'t>>,
    /// K(8323)
    pub status: Option<Code<'t>>,
    /// `ProcessingStatus` of MsgHead, K(8213)
    pub processing: Option<Code<'t>>,
    /// `Ack` of MsgHead
    pub ack: Option<Code<'t>>,
}

impl<'t> Envelope<'t> {
    /// Reads `Message`, or `MsgInfo`.
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut read = Self {
            node,
            kind: None,
            version: Vec::new(),
            generated: None,
            msg_id: None,
            status: None,
            processing: None,
            ack: None,
        };
        for e in node.elements() {
            match e.name() {
                "Type" => first(&mut read.kind, Some(Code::read(e))),
                "MIGversion" | "MsgVersion" => read.version.extend(Words::read(e)),
                "GenDate" => first(&mut read.generated, When::read(e)),
                "MsgId" => first(&mut read.msg_id, Words::read(e)),
                "Status" => first(&mut read.status, Some(Code::read(e))),
                "ProcessingStatus" => first(&mut read.processing, Some(Code::read(e))),
                "Ack" => first(&mut read.ack, Some(Code::read(e))),
                _ => {}
            }
        }
        read
    }

    /// A status that is there and is not the code for the real thing: APR (the sender's implementation is approved), and
    /// P under MsgHead. TEST, NAPR, D and T say so; what is in no list, or told by text only, may mean it as well, and
    /// what was sent as a test must never end in a record.
    pub(super) fn is_test(&self) -> bool {
        let other_than = |code: &Option<Code<'_>>, real: &str| {
            code.as_ref().is_some_and(|c| c.words().is_some() && c.code() != Some(real))
        };
        other_than(&self.status, "APR") || other_than(&self.processing, "P")
    }

    /// The message id as keys use it.
    pub(super) fn msg_key(&self) -> Option<String> {
        self.msg_id.as_ref().and_then(Words::id).map(super::identity::normal_id)
    }
}

impl<B> Writer<'_, '_, '_, B> {
    /// Marks what the envelope came to; `id` is where the message id went.
    pub(super) fn envelope_marks(&mut self, id: (Outcome, &'static str)) {
        const ENVELOPE: &str = "envelope: the namespace decides";
        const OTHER_DATE: &str = "no usable time: another date of the message stands for it";
        let envelope = self.envelope;
        if let Some(code) = &envelope.kind {
            code.dropped(&mut self.coverage, ENVELOPE);
        }
        for words in &envelope.version {
            words.dropped(&mut self.coverage, ENVELOPE);
        }
        if let Some(when) = &envelope.generated {
            if instant(when).is_some() {
                when.mapped(&mut self.coverage, "Bundle.timestamp");
            } else {
                when.dropped(&mut self.coverage, OTHER_DATE);
            }
        }
        if let Some(words) = &envelope.msg_id {
            self.coverage.mark(words.node, Words::PARTS, id.0, id.1);
        }
        for code in envelope.status.iter().chain(&envelope.processing) {
            if envelope.is_test() {
                code.mapped(&mut self.coverage, "Bundle.meta.security");
            } else {
                code.dropped(&mut self.coverage, "envelope: not a test");
            }
        }
        if let Some(code) = &envelope.ack {
            code.dropped(&mut self.coverage, "transport, not part of the record");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    #[test]
    fn what_is_not_known_to_be_real_is_a_test() {
        let is_test = |inside: &str| {
            let tree = Tree::parse(&format!("<Message>{inside}</Message>"), &Limits::default()).unwrap();
            Envelope::read(tree.root().unwrap()).is_test()
        };
        for real in
            ["", "<Status/>", "<Status V='NULL'/>", "<Status V='APR'/>", "<ProcessingStatus V='P' DN='x'/>"]
        {
            assert!(!is_test(real), "{real}");
        }
        for code in ["TEST", "test", "Test", "NAPR", "APPR", "P"] {
            assert!(is_test(&format!("<Status V='{code}'/>")), "{code}");
        }
        for code in ["D", "T", "d", "X", "p"] {
            assert!(is_test(&format!("<ProcessingStatus V='{code}'/>")), "{code}");
        }
        assert!(is_test("<Status DN='Melding til testformål'/>"));
        assert!(is_test("<Status V='APR'/><ProcessingStatus V='D'/>"));
    }
}
