//! What came along with a message, in the document.

use super::NoteKind;
use super::attachments::{Body, RefDoc, UNKNOWN};
use super::coverage::Outcome;
use super::described::Attached;
use super::fhir::{
    Attachment, Binary, DateTime, DocumentContent, DocumentReference, Entry, Identifier, Resource, Urn,
};
use super::narrative::Html;
use super::values::{When, Words};
use super::words::when_words;
use super::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use uuid::Uuid;

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// Cards and bytes of what came along; nothing where it is not shared.
    pub(super) fn attachments(&mut self, attachments: &'a [RefDoc<'t>]) -> Vec<Uuid> {
        let mut written = Vec::new();
        if !self.options.shares_attachments() {
            const NOT_SHARED: &str = "attachments are not shared (setting)";
            for attachment in attachments {
                attachment.mark(Outcome::Dropped, NOT_SHARED, &mut self.coverage);
            }
            return written;
        }
        for (number, attachment) in (1..).zip(attachments) {
            let body = attachment.body(self.options.max_attachment_bytes);
            if let Body::None(reason) = body {
                attachment.mark(Outcome::Narrative, "Vedlegg", &mut self.coverage);
                if let Some(content) = attachment.content {
                    self.coverage.mark_all(content, Outcome::Narrative, reason);
                }
                self.notes.add(attachment.node, NoteKind::AttachmentNotShown);
                continue;
            }
            attachment.mark(Outcome::Mapped, "DocumentReference", &mut self.coverage);
            let id = self.id("DocumentReference", attachment.node, 1);
            let mut card = Attachment {
                title: attachment.description.as_ref().map(|w| Cow::Borrowed(&*w.value)),
                creation: attachment.issued.as_ref().and_then(When::dated).and_then(DateTime::new),
                ..Attachment::default()
            };
            let mut binary = None;
            match body {
                Body::Bytes { bytes, hash, mime, other_than_said } => {
                    if other_than_said {
                        self.notes.add(attachment.node, NoteKind::OtherMimeType);
                    }
                    let binary_id = self.id("Binary", attachment.node, 1);
                    card.content_type = Some(mime.clone());
                    card.url = Some(Cow::Owned(binary_id.urn().to_string()));
                    card.size = u32::try_from(bytes.len()).ok();
                    card.hash = Some(hash);
                    let data = Some(STANDARD.encode(&bytes));
                    self.attached.push(Attached {
                        number,
                        title: attachment.description.as_ref().map(|w| w.value.to_string()),
                        mime_type: mime.to_string(),
                        created: attachment.issued.as_ref().and_then(When::dated),
                        bytes,
                    });
                    binary = Some(Binary { id: Some(binary_id), content_type: Some(mime), data });
                }
                Body::Reference => {
                    card.content_type = attachment.referred();
                    if attachment.says_no_media_type() {
                        self.notes.add(attachment.node, NoteKind::OtherMimeType);
                    }
                    card.url = attachment.file.as_ref().map(|w| Cow::Borrowed(&*w.value));
                }
                Body::None(_) => {}
            }
            let identifier = attachment
                .id
                .as_ref()
                .and_then(Words::id)
                .map(|value| Identifier { value: Some(Cow::Borrowed(value)), ..Identifier::default() });
            let reference = DocumentReference {
                id: Some(id),
                identifier: identifier.into_iter().collect(),
                status: Some("current"),
                subject: self.subject,
                description: card.title.clone(),
                content: vec![DocumentContent { attachment: card }],
            };
            written.push(id);
            self.tail.push(Entry {
                full_url: Urn(id),
                resource: Resource::DocumentReference(Box::new(reference)),
            });
            if let Some(binary) = binary
                && let Some(id) = binary.id
            {
                self.tail.push(Entry { full_url: Urn(id), resource: Resource::Binary(Box::new(binary)) });
            }
        }
        written
    }

    /// A line for each of them: what it is said to be, and what its bytes are where that is something else.
    pub(super) fn attachment_section(&self, attachments: &[RefDoc<'_>]) -> Html {
        let mut html = Html::new();
        for attachment in attachments {
            if !self.options.shares_attachments() {
                html.raw("<p>Et vedlegg i meldingen er utelatt.</p>");
                continue;
            }
            html.raw("<p>");
            html.text(attachment.description.as_ref().map_or("Vedlegg", |w| &*w.value));
            let body = attachment.body(self.options.max_attachment_bytes);
            if let Some(mime) = &attachment.mime_type {
                html.raw(", ").text(&mime.value);
            }
            match (&attachment.mime_type, &body) {
                (Some(_), Body::Bytes { mime, other_than_said: true, .. }) if mime == UNKNOWN => {
                    html.raw(" (innholdet er av ukjent type)");
                }
                (Some(_), Body::Bytes { mime, other_than_said: true, .. }) => {
                    html.raw(" (innholdet er ").text(mime).raw(")");
                }
                (None, Body::Bytes { mime, .. }) if mime != UNKNOWN => {
                    html.raw(", innholdet er ").text(mime);
                }
                _ => {}
            }
            if let Some(when) = &attachment.issued {
                html.raw(", ").text(&when_words(when));
            }
            if let Some(id) = &attachment.id {
                html.raw(", id ").text(&id.value);
            }
            if let Some(file) = &attachment.file {
                html.raw(", referanse ").text(&file.value);
            }
            if let Body::None(_) = body {
                html.raw(" (vedlegget er ikke vist)");
            }
            html.raw("</p>");
        }
        html
    }
}
