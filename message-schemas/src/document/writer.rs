//! What every family's writing shares: ids, entries, texts, and the binding of it all.
//!
//! A family reads its message to a struct of its own (`B`), then takes a [`Writer`] of that struct through its
//! tables; methods for all families are written for any `B`. The order of entries is fixed: Composition,
//! Patient, what the family writes, then organisation, roles and attachments.

use super::bundle_text::BundleText;
use super::codes::System;
use super::coverage::{Coverage, Outcome as Fate, UNREAD, part};
use super::described::{Attached, Described};
use super::envelope::Envelope;
use super::fhir::{
    Attester, Bundle, CodeableConcept, Coding, Composition, DateTime, Entry, Event, Identifier, Meta,
    Narrative, Period, Reference, RelatesTo, Resource, Section, Urn,
};
use super::identifiers::Judged;
use super::identity::{Format, Ids, Keys};
use super::narrative::Html;
use super::parties::{Party, Unit};
use super::roles::Role;
use super::values::{Sourced, When};
use super::{Fault, Mode, NoteKind, Notes, Options, Publishable, SharedDocument, Withheld, markup};
use crate::head::ServiceType;
use crate::time::{Precision, Stamp};
use crate::xml::{Node, Tree};
use std::borrow::Cow;
use uuid::Uuid;

/// Unread elements that the text shows; more of them are only counted.
const SHOWN: usize = 2_000;

/// Carries what writing one document needs.
#[derive(Debug)]
pub(super) struct Writer<'a, 'p, 't, B> {
    pub options: &'a Options,
    /// What was read.
    pub body: &'a B,
    pub envelope: &'a Envelope<'t>,
    /// Who sends it: whoever has no organisation of their own works for them.
    pub sender: Option<&'a Party<'t>>,
    /// Whom every resource is about.
    pub subject: Option<&'a Reference<'a>>,
    pub coverage: Coverage,
    pub ids: Ids<'p>,
    pub notes: Notes<'p>,
    pub entries: Vec<Entry<'a>>,
    /// Entries in front of those, which are written already.
    pub written: BundleText,
    /// Parties and attachments, which follow the rest.
    pub tail: Vec<Entry<'a>>,
    /// Roles written so far, by what they say.
    pub roles: Vec<(Role<'a>, Uuid)>,
    /// The sending legal unit.
    pub custodian: Option<Uuid>,
    /// What came along, unpacked.
    pub attached: Vec<Attached>,
}

/// What is said of a document as a whole.
#[derive(Debug)]
pub(super) struct Cover<'a> {
    pub keys: Keys,
    pub service_type: ServiceType,
    /// Composition.status
    pub status: &'static str,
    /// Never a word of the sender's.
    pub title: String,
    /// Class and type, K(9602), with their texts.
    pub kinds: [(&'static str, &'static str); 2],
    /// When the version was made, as sent and as an instant.
    pub generated: (Stamp, DateTime),
    /// When the care was: start, and end if there is one.
    pub period: (Stamp, Option<Stamp>),
    pub encounter: Option<Uuid>,
    pub authors: Vec<Reference<'a>>,
    pub attesters: Vec<Attester<'a>>,
    pub withheld: Vec<Withheld>,
    /// What the patient's id is worth.
    pub judged: Option<Judged>,
    pub described: Described,
}

impl<'a, 'p, 't, B> Writer<'a, 'p, 't, B> {
    pub(super) fn mode(&self) -> Mode {
        self.options.mode
    }

    /// The id of a resource of this type from this element; `nth` counts those of one type from one element.
    pub(super) fn id(&mut self, kind: &str, node: Node<'_>, nth: u32) -> Uuid {
        self.ids.make(kind, node, nth, &mut self.coverage)
    }

    pub(super) fn push(&mut self, id: Uuid, resource: Resource<'a>) {
        self.entries.push(Entry { full_url: Urn(id), resource });
    }

    /// Writes the entries so far: nobody is going to look at them again.
    pub(super) fn write_entries(&mut self) {
        self.entries.drain(..).for_each(|entry| self.written.push(&entry));
    }

    /// An `anyType` as plain text; what of its markup is dropped is told by the narrative.
    pub(super) fn plain_text(&mut self, node: Node<'t>, target: &'static str) -> Option<Cow<'a, str>>
    where
        't: 'a,
    {
        if markup::is_markup(node) {
            let text = markup::plain(node);
            (!text.is_empty()).then_some(Cow::Owned(text))
        } else {
            self.coverage.mark(node, part::TEXT, Fate::Mapped, target);
            node.trimmed()
        }
    }

    /// A time for an element that takes any precision, marked; what is no time stays in the text only.
    pub(super) fn date_time(
        &mut self,
        when: Option<&'a When<'t>>,
        target: &'static str,
        section: &'static str,
    ) -> Option<DateTime> {
        let when = when?;
        let date = when.dated().and_then(DateTime::new);
        if date.is_some() {
            when.mapped(&mut self.coverage, target);
        } else {
            when.told(&mut self.coverage, section);
            self.notes.add(when.node, NoteKind::NotATime);
        }
        date
    }

    /// Text or markup of a sender.
    pub(super) fn rich(&mut self, node: Node<'t>, section: &'static str, html: &mut Html) {
        if markup::is_markup(node) {
            markup::sanitise(node, section, html, &mut self.coverage);
        } else {
            self.coverage.mark(node, part::TEXT, Fate::Narrative, section);
            html.laid_out(node.text().trim());
        }
    }

    /// Adds a section, unless it would be empty.
    pub(super) fn add(
        &self,
        sections: &mut Vec<Section<'a>>,
        title: impl Into<Cow<'a, str>>,
        html: Html,
        entry: Vec<Reference<'a>>,
    ) {
        self.add_coded(sections, title, None, html, entry);
    }

    /// Adds a section with the code that its title stands for, unless it would be empty.
    pub(super) fn add_coded(
        &self,
        sections: &mut Vec<Section<'a>>,
        title: impl Into<Cow<'a, str>>,
        code: Option<CodeableConcept<'a>>,
        html: Html,
        entry: Vec<Reference<'a>>,
    ) {
        if html.is_empty() {
            return;
        }
        let text = html.finish("additional", self.options.language.code());
        sections.push(Section { title: title.into(), code, text, entry, section: Vec::new() });
    }

    /// What nobody read, as it was sent. To be asked for last of all.
    pub(super) fn unread(&mut self, body: Node<'t>, tree: &'t Tree) -> Html {
        let mut html = Html::new();
        let unread = self.coverage.unread(body, tree);
        let rest = unread.len().saturating_sub(SHOWN);
        for (node, parts) in unread.into_iter().take(SHOWN) {
            if !technical(node) {
                html.raw("<p><b>").text(&self.ids.path(node)).raw(":</b> ");
                own_words(node, parts, &mut html);
                html.raw("</p>");
            }
            let reason = if technical(node) { "schema hint" } else { UNREAD };
            let fate = if technical(node) { Fate::Dropped } else { Fate::Narrative };
            self.coverage.mark(node, parts, fate, reason);
        }
        if rest > 0 {
            html.raw("<p>Meldingen har også ")
                .text(&rest.to_string())
                .raw(" andre elementer som ikke er vist.</p>");
        }
        html
    }

    /// All that stands in a part of the message, line by line.
    pub(super) fn outline(&mut self, top: Node<'t>, reason: &'static str, html: &mut Html) {
        for node in top.descendants().filter(|n| n.is_element()) {
            let has_text = node.children().any(|n| !n.own_text().trim().is_empty());
            let has_value = node.attributes().any(|(.., value)| !value.trim().is_empty());
            if has_text || has_value {
                html.raw("<p>").text(node.parent().map_or("", Node::name)).raw("/").text(node.name());
                html.raw(": ");
                own_words(node, part::ALL, html);
                html.raw("</p>");
            }
            self.coverage.mark(node, part::ALL, Fate::Narrative, reason);
        }
    }

    /// The Composition: what the document says of itself. Its sections are put in afterwards.
    pub(super) fn composition(&mut self, node: Node<'_>, cover: &Cover<'a>) -> Composition<'a> {
        let id = self.id("Composition", node, 1);
        let kind = |(code, display): (&'static str, &'static str)| {
            CodeableConcept::of(Coding::fixed(System::List(9602), code, Some(display)))
        };
        let [class, typed] = cover.kinds;
        let (start, stop) = comparable(cover.period);
        // FHIR wants an author; where nobody is named, the text says so.
        let unknown =
            || Reference { display: Some(Cow::Borrowed("Ukjent avsender")), ..Reference::default() };
        Composition {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Composition")),
            language: Some(self.options.language.code()),
            identifier: Some(Identifier::urn(cover.keys.series())),
            status: Some(cover.status),
            kind: Some(kind(typed)),
            category: vec![kind(class)],
            subject: self.subject,
            encounter: cover.encounter.map(Reference::to),
            date: DateTime::new(cover.generated.0),
            author: if cover.authors.is_empty() { vec![unknown()] } else { cover.authors.clone() },
            title: Some(Cow::Owned(cover.title.clone())),
            confidentiality: Some(self.options.confidentiality.code()),
            attester: cover.attesters.clone(),
            custodian: self.custodian.map(Reference::to).or_else(|| self.lone_sender()),
            relates_to: vec![RelatesTo {
                code: "transforms",
                target: Identifier::urn(cover.keys.document(Format::KithXml)),
            }],
            event: vec![Event {
                period: Period { start: DateTime::new(start), end: stop.and_then(DateTime::new) },
            }],
            ..Composition::default()
        }
    }

    //= document-sharing §6.3
    //# E/ServProvider/HCP: Composition.custodian; author fallback. Sender.
    /// A sender without an organisation of their own keeps the document; FHIR has no resource for that but an
    /// organisation, so there are only words.
    fn lone_sender(&self) -> Option<Reference<'a>> {
        Some(Reference { display: Some(self.sender_display()?), ..Reference::default() })
    }

    /// The sender in words: the organisation, else the person.
    fn sender_display(&self) -> Option<Cow<'a, str>> {
        let sender = self.sender?;
        sender.organisation_display().or_else(|| sender.person_display())
    }

    /// The short text of the whole: what it is, what state it is in, when it was made and by whom.
    pub(super) fn summary(&self, cover: &Cover<'_>, state: &str) -> Narrative {
        let mut html = Html::new();
        html.raw("<p>").text(&cover.title).raw("</p><p>").text(state).raw(". ");
        html.text(&super::words::date_words(cover.generated.0)).raw(".");
        if let Some(sender) = self.sender_display() {
            html.raw(" Avsender: ").text(&sender).raw(".");
        }
        html.raw("</p>");
        html.finish("generated", self.options.language.code())
    }

    /// Binds it all and writes it. `size` is that of the source.
    pub(super) fn seal(
        self,
        cover: Cover<'a>,
        composition: Option<Composition<'a>>,
        size: usize,
    ) -> Result<SharedDocument, Fault> {
        let Self { entries, mut written, tail, coverage, notes, attached, envelope, options, .. } = self;
        written.make_room(size);
        entries.into_iter().chain(tail).for_each(|entry| written.push(&entry));
        let composition = composition.and_then(|composition| {
            let full_url = Urn(composition.id?);
            Some(Entry { full_url, resource: Resource::Composition(Box::new(composition)) })
        });
        let Cover { keys, generated: (generated, issued), judged, mut withheld, described, .. } = cover;
        if cover.service_type == ServiceType::Other {
            withheld.push(Withheld::ChangeUnclear);
        }
        let id = keys.document(Format::Fhir);
        let test = envelope.is_test();
        let bundle = Bundle {
            resource_type: Some("Bundle"),
            id: Some(id),
            meta: test.then(|| Meta { security: vec![test_label()], ..Meta::default() }),
            identifier: Some(Identifier::urn(id)),
            kind: Some(if options.mode == Mode::Document { "document" } else { "collection" }),
            timestamp: Some(issued),
        };
        let json = written.finish(&bundle, composition.as_ref());
        Ok(SharedDocument {
            id,
            kith_xml: keys.document(Format::KithXml),
            series: keys.series(),
            service_type: cover.service_type,
            generated: generated.start().unwrap_or_default(),
            dated: generated,
            period: cover.period,
            title: cover.title,
            class_code: cover.kinds[0].0,
            type_code: cover.kinds[1].0,
            publishable: if withheld.is_empty() { Publishable::Yes } else { Publishable::No(withheld) },
            test,
            synthetic_patient: judged.is_some_and(|j| j.synthetic),
            described: Described { attachments: attached, ..described },
            results: Vec::new(),
            json,
            coverage,
            notes: notes.into_list(),
            keys,
        })
    }
}

//= document-sharing §2.1
//# senderOrg is ENH if present, else HER, else RSH, of the sending legal unit, never of a department.
/// The keys of a version. `series` is the id that all versions share, `service` the change code K(7309).
pub(super) fn keys(
    family: &str,
    sender: Option<&Unit<'_>>,
    series: Option<&str>,
    service: Option<&str>,
    msg_id: &str,
    options: &Options,
    withheld: &mut Vec<Withheld>,
) -> Result<Keys, Fault> {
    let named = |kind| sender.and_then(|unit| unit.id(kind)).map(str::trim);
    let sender = match (named("ENH"), named("HER"), named("RSH")) {
        (Some(enh), ..) => format!("ENH:{enh}"),
        (None, Some(her), _) => match options.organisations.get(her) {
            Some(org) => format!("ENH:{org}"),
            None => format!("HER:{her}"),
        },
        (None, None, Some(rsh)) => format!("RSH:{rsh}"),
        (None, None, None) => {
            withheld.push(Withheld::SenderUnknown);
            String::new()
        }
    };
    let series = match (series, service) {
        (Some(id), _) => id,
        // A change or withdrawal that does not say of what can be matched to nothing.
        (None, Some("M" | "E" | "C")) => return Err(Fault::NoDocumentId),
        (None, _) => msg_id,
    };
    Ok(Keys::new(family, &sender, series, msg_id))
}

/// When the version was made, as sent and as an instant: the first of these that is a time.
pub(super) fn generated(
    sources: &[Option<&When<'_>>],
    notes: &mut Notes<'_>,
) -> Result<(Stamp, DateTime), Fault> {
    for (n, when) in sources.iter().enumerate() {
        let Some(when) = when else { continue };
        if when.dated().is_none() {
            notes.add(when.node, NoteKind::NotATime);
        }
        let Some((stamp, issued, completed)) = instant(when) else { continue };
        if completed {
            notes.add(when.node, NoteKind::DateCompleted);
        }
        if n > 0 {
            notes.add(when.node, NoteKind::OtherDateUsed);
        }
        return Ok((stamp, issued));
    }
    Err(Fault::NoTime)
}

/// A time as sent, as an instant, and whether it had to be completed for that; none if it cannot be one.
pub(super) fn instant(when: &When<'_>) -> Option<(Stamp, DateTime, bool)> {
    let stamp = when.dated()?;
    let (full, completed) = stamp.complete()?;
    Some((stamp, DateTime::new(full)?, completed))
}

pub(super) fn profile(url: &'static str) -> Meta<'static> {
    Meta { profile: vec![url], ..Meta::default() }
}

fn test_label() -> Coding<'static> {
    let system = System::Uri("http://terminology.hl7.org/CodeSystem/v3-ActReason");
    Coding::fixed(system, "HTEST", Some("test health data"))
}

/// The document element's hint where a schema lies; it names no content.
fn technical(node: Node<'_>) -> bool {
    node.attributes().all(|(namespace, ..)| namespace == "http://www.w3.org/2001/XMLSchema-instance")
        && node.children().all(|n| n.own_text().trim().is_empty())
}

/// Text and attributes of one element.
fn own_words(node: Node<'_>, parts: u8, html: &mut Html) {
    let mut first = true;
    for (_, name, value) in node.attributes() {
        if value.trim().is_empty() {
            continue;
        }
        html.raw(if first { "" } else { ", " });
        first = false;
        if !matches!(name, "V" | "DN" | "OT" | "U") {
            html.text(name).raw(" ");
        }
        html.text(value.trim());
    }
    if parts & part::TEXT != 0 {
        html.raw(if first { "" } else { " " }).laid_out(node.text().trim());
    }
}

/// A period whose ends FHIR can compare (per-1): a day and a time on that day are both written as the day, and what would
/// end before it begins ends as it begins.
fn comparable((start, stop): (Stamp, Option<Stamp>)) -> (Stamp, Option<Stamp>) {
    let Some(stop) = stop else { return (start, None) };
    let (coarse, fine) = if start.precision() <= stop.precision() { (start, stop) } else { (stop, start) };
    let shared = match (coarse.date(), fine.date()) {
        (Some(a), Some(b)) => match coarse.precision() {
            Precision::Year => a.year() == b.year(),
            Precision::Month => (a.year(), a.month()) == (b.year(), b.month()),
            Precision::Day => a == b,
            Precision::Full | Precision::TimeOfDay => false,
        },
        _ => false,
    };
    if shared && coarse.precision() != fine.precision() {
        (coarse, Some(coarse))
    } else if stop.start_or_edge() < start.start_or_edge() {
        (start, Some(start))
    } else {
        (start, Some(stop))
    }
}
