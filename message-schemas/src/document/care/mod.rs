//! Care and nursing messages (PLO, pleie- og omsorgsmeldinger) 1.5 and 1.6 as documents.
//!
//! All kinds are lists of the same components, so one table is for all (document-sharing §6.6):
//!
//! | component | section | resource |
//! |---|---|---|
//! | `InformasjonOmForsendelsen` | Dokumentinformasjon | status of the document |
//! | `Cave`, `Allerginotat` | Cave og allergier, first | Flag; AllergyIntolerance |
//! | `InfoMedisinskDiagnose` | Medisinske diagnoser | Condition |
//! | `InfoIPLOSrelevantInformasjon` | IPLOS-relevant informasjon | Condition with onset and abatement |
//! | `InfoTidligereSykdommer` | Tidligere sykdommer | Condition, problem-list-item |
//! | `RegistrertBlodtype` | Medisinskfaglige opplysninger | none |
//! | `GenereltJournalnotat` | a section for each heading, with its code; without one Medisinskfaglige opplysninger; notes that are kept among warnings: Cave og allergier | none |
//! | `informasjonskategori` of any component | heading over it; of anything but notes, unless one says the same | none |
//! | `InfoAndreViktigeOpplysninger` | Andre viktige opplysninger | Flag for infection and anaphylaxis |
//! | `Legemiddelinfo` | Legemidler | MedicationStatement |
//! | `InfoKartleggingFunksjonsniva` | Funksjonsnivå | Observation, survey |
//! | `InfoKontrolltime` | Kontrolltime | Appointment where it is booked, begins and has a length |
//! | `OpplysningOpphold`, `TidsfestetHendelse` | Opphold, Tidsfestet hendelse | Encounter |
//! | `ParorendeForesatt` | Pårørende | RelatedPerson |
//! | `AnsvarForRapport` | Ansvarlig | author, attester |
//! | `TilleggsopplysningPasient` | Pasient | Patient |
//! | everything else | a section of its own | none |
//!
//! **The series.** A new message opens a series of its own, even inside a conversation: one conversation can
//! hold several documents of one kind. A change or cancellation belongs to the series of its parent. Which
//! one that is, only who keeps the series knows ([`Options::series`]); until then the message that the
//! conversation began with is taken for it, which is right unless the document was an answer.
//!
//! **Not published:** messages whose sender reserves that they be sent on (so does one whose reservation is
//! anything but a plain no), and notices (Pasientlogistikk, Melding om fravær), which are no records, unless the
//! settings say so.

mod clinical;
mod drugs;
mod read;
mod text;

use super::attachments::Room;
use super::bundle_text::BundleText;
use super::coverage::{Coverage, Paths};
use super::described::{self, Author, Described, Person};
use super::fhir::{Composition, DateTime, Reference, Resource};
use super::identity::{Ids, normal_id};
use super::msg_head::MsgHead;
use super::surroundings::approved_by;
use super::values::Sourced;
use super::writer::{self, Cover, Writer};
use super::{Fault, Notes, Options, SharedDocument, Withheld, codes, lists};
use crate::family::Family;
use crate::head::ServiceType;
use crate::xml::Tree;
use read::CareMessage;

/// Names, codes and rules of a kind.
struct Kind {
    /// Document element: part of the series key, whatever the version.
    root: &'static str,
    title: &'static str,
    /// Class and type, K(9602).
    codes: [(&'static str, &'static str); 2],
    /// May a sent one be changed?
    changes: bool,
    /// Is it a record, or a notice?
    record: bool,
}

const LETTER: [(&str, &str); 2] = [("I00-1", "Korrespondanse"), ("I02-2", "Brev")];
const SUMMARY: (&str, &str) = ("A00-1", "Epikriser og sammenfatninger");

//= document-sharing §2.2
//# M is not allowed for PLO Orientering om tjenestetilbud, Medisinske opplysninger, Helseopplysninger til
//# lege, Pasientlogistikk.
fn kind(family: Family) -> Option<Kind> {
    let kind = |root, title, codes, changes, record| Some(Kind { root, title, codes, changes, record });
    match family {
        Family::AdmissionReport => {
            let codes = [SUMMARY, ("A04-2", "Sykepleiesammenfatning")];
            kind("Innleggelsesrapport", "Innleggelsesrapport", codes, true, true)
        }
        Family::DischargeReport => {
            let codes = [SUMMARY, ("A11-2", "Tverrfaglig sammenfatning")];
            kind("TverrfagligEpikrise", "Utskrivningsrapport", codes, true, true)
        }
        Family::HealthInformationForApplication => {
            kind("HelseopplysningerVedSoknad", "Helseopplysninger ved søknad", LETTER, true, true)
        }
        Family::HealthInformationForDoctor => {
            kind("Konsultasjon", "Helseopplysninger til lege", LETTER, false, true)
        }
        Family::MedicalInformation => {
            kind("OverforingMedisinskeOpplysninger", "Medisinske opplysninger", LETTER, false, true)
        }
        Family::ServiceOfferNotice => {
            kind("OrienteringOmTjenestetilbud", "Orientering om tjenestetilbud", LETTER, false, true)
        }
        Family::PatientLogistics => kind("Pasientlogistikk", "Pasientlogistikk", LETTER, false, false),
        // 1.5 only; treated as Pasientlogistikk.
        Family::AbsenceNotice => kind("MeldingFravar", "Melding om fravær", LETTER, false, false),
        Family::DischargeSummary
        | Family::Referral
        | Family::ResultReport
        | Family::Requisition
        | Family::AppRec
        | Family::Dialogue
        | Family::RecordExtract
        | Family::Ebxml => None,
    }
}

/// Translates a message of one of the care families.
pub(super) fn translate(
    text: &str,
    tree: &Tree,
    head: MsgHead<'_>,
    family: Family,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let kind = kind(family).ok_or(Fault::NoTranslation)?;
    let payload = head.payload.ok_or(Fault::NoTranslation)?;
    let (root, namespace) = (head.node, payload.namespace());
    let body = CareMessage::read(head, payload);
    check_size(&body, options)?;
    Room::of(options).unpack(body.attachments(), options)?;
    let service = body.service_code();
    if matches!(service, "M" | "E") && !kind.changes {
        return Err(Fault::ChangeNotAllowed);
    }

    let mut coverage = Coverage::new(root, root, true);
    let mut notes = Notes::new(text);
    let mut withheld = Vec::new();
    let msg_id = body.head.envelope.msg_key().ok_or(Fault::NoMessageId)?;
    let series = series(&body, &msg_id, options);
    let keys = writer::keys(
        &format!("plo-{}", kind.root),
        body.head.sender.as_ref().and_then(|p| p.institution.as_ref()),
        series.as_deref(),
        Some(service),
        &msg_id,
        options,
        &mut withheld,
    )?;
    let generated = writer::generated(&[body.head.envelope.generated.as_ref()], &mut notes)?;
    let judged = match &body.head.patient {
        Some(who) => who.judge(options, &mut notes, &mut withheld),
        None => {
            withheld.push(Withheld::NoPatient);
            None
        }
    };
    if body.reserved {
        withheld.push(Withheld::OnwardReserved);
    }
    withheld.extend(body.head.consent());
    if !kind.record && !options.publish_logistics {
        withheld.push(Withheld::Logistics);
    }

    let mut paths = Paths::default();
    let mut ids = Ids::new(&keys, &mut paths);
    let patient = body.head.patient_node().map(|node| ids.make("Patient", node, 1, &mut coverage));
    let subject = body.head.patient.as_ref().map(|who| who.subject(patient, judged.as_ref()));
    let mut writer = Writer {
        options,
        body: &body,
        envelope: &body.head.envelope,
        sender: body.head.sender.as_ref(),
        subject: subject.as_ref(),
        coverage,
        ids,
        notes,
        entries: Vec::new(),
        written: BundleText::default(),
        tail: Vec::new(),
        roles: Vec::new(),
        custodian: None,
        attached: Vec::new(),
    };
    writer.head(&body.head, patient, judged.as_ref());
    writer.complete_patient();
    let (authors, attesters) = writer.authors();
    // Without a patient there is nobody that a finding could be of: the text tells it all the same.
    let frame = clinical::Frame { author: authors.first(), generated };
    let written = if patient.is_some() { writer.clinical(&frame) } else { clinical::Written::default() };
    let attachments = writer.attachments(body.attachments());
    if let Some(code) = &body.status {
        code.mapped(&mut writer.coverage, "Composition.status");
    }
    let cover = Cover {
        keys,
        service_type: ServiceType::from_code(service),
        status: match service {
            "C" => "entered-in-error",
            "M" | "E" => "amended",
            _ => "final",
        },
        title: title(&body, &kind),
        kinds: kind.codes,
        generated,
        period: (written.began.unwrap_or(generated.0), written.ended),
        encounter: written.encounter,
        authors,
        attesters,
        withheld,
        judged,
        described: described(&body, family, namespace, series, judged.as_ref()),
    };
    let mut composition: Composition<'_> = writer.composition(payload, &cover);
    composition.text = Some(writer.summary(&cover, text::state(service)));
    composition.section = writer.sections(&written, &cover, &attachments, root, tree);
    let size = root.source().len();
    writer.seal(cover, Some(composition), size)
}

/// Resources are bounded, whatever a message holds.
fn check_size(body: &CareMessage<'_>, options: &Options) -> Result<(), Fault> {
    let resources = body.cave.len()
        + body.allergies.len()
        + body.diagnoses.len()
        + body.period_diagnoses.len()
        + body.previous_illnesses.len()
        + body.important_notes.len()
        + body.notes.iter().map(|note| note.texts.len()).sum::<usize>()
        + body.prescriptions.len()
        + body.scores.len()
        + body.booked.len()
        + body.relatives.len()
        + body.contacts.len()
        + body.responsible.len();
    if resources > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    Ok(())
}

//= document-sharing §2.1
//# An M or C whose parent is unknown is keyed by RefToConversation until the parent arrives.
fn series(body: &CareMessage<'_>, msg_id: &str, options: &Options) -> Option<String> {
    if let Some(known) = options.series.get(msg_id) {
        return Some(known.clone());
    }
    if !matches!(body.service_code(), "M" | "E" | "C") {
        return Some(msg_id.to_owned());
    }
    let parent = body.head.parent().map(normal_id);
    let known = parent.as_ref().and_then(|p| options.series.get(p)).cloned();
    known.or_else(|| body.head.conversation().map(normal_id)).or(parent)
}

/// Kind and what it holds, by the list's own text: never a word of the sender's.
fn title(body: &CareMessage<'_>, kind: &Kind) -> String {
    let content = body.content.as_ref().and_then(|c| {
        let list = c.system.and_then(codes::national).unwrap_or(9137);
        lists::list_text(list, c.code()?)
    });
    match content {
        Some(text) if text != kind.title => format!("{} - {text}", kind.title),
        Some(_) | None => kind.title.to_owned(),
    }
}

//= document-sharing §7.4
//# PLO AnsvarForRapport, else Sender
fn described(
    body: &CareMessage<'_>,
    family: Family,
    namespace: &str,
    series: Option<String>,
    judged: Option<&super::identifiers::Judged>,
) -> Described {
    let sender = body.head.sender.as_ref();
    let named = body.responsible.iter().filter_map(|r| r.party.as_ref());
    let mut authors: Vec<Author> = named.filter_map(|p| Author::of(p, sender)).collect();
    if authors.is_empty() {
        authors.extend(body.head.sending_author());
    }
    let approver = approved_by(&body.responsible).and_then(|r| r.party.as_ref());
    Described {
        family,
        namespace: namespace.to_owned(),
        series_id: series,
        orders: Vec::new(),
        patient: body.head.patient.as_ref().map(|who| who.described(judged)),
        authors,
        legal_authenticator: approver.and_then(|p| p.persons.first()).and_then(Person::of),
        custodian: body.head.sending_unit(),
        recipients: body.head.recipients(),
        discipline: None,
        events: described::procedures(body.node.descendants()),
        attachments: Vec::new(),
    }
}

impl<'a, 't> Writer<'a, '_, 't, CareMessage<'t>> {
    /// What the payload adds to the patient of MsgHead.
    fn complete_patient(&mut self) {
        let body = self.body;
        let Some(at) = self.entries.iter().position(|e| matches!(e.resource, Resource::Patient(_))) else {
            return;
        };
        let mut entry = self.entries.remove(at);
        if let Resource::Patient(patient) = &mut entry.resource {
            if let Some(details) = &body.patient_details {
                self.patient_details(details, patient);
            }
            if let (None, Some(when)) = (&patient.deceased_date_time, clinical::death(body)) {
                when.mapped(&mut self.coverage, "Patient.deceasedDateTime");
                patient.deceased_date_time = when.dated().and_then(DateTime::new);
            }
        }
        self.entries.insert(at, entry);
    }

    /// Who answers for the report, else who sends it; and who vouches for it.
    fn authors(&mut self) -> (Vec<Reference<'a>>, Vec<super::fhir::Attester<'a>>) {
        let body = self.body;
        let (mut authors, mut attesters) = (Vec::new(), Vec::new());
        for responsible in &body.responsible {
            let (role, attester) = self.responsible(responsible);
            authors.extend(role.map(Reference::to));
            attesters.extend(attester);
        }
        authors.dedup_by(|a, b| a.reference == b.reference);
        let sender = self.sender.and_then(|p| self.role(p, true));
        if authors.is_empty() {
            authors.extend(sender.map(Reference::to));
        }
        for party in body.head.receiver.iter().chain(body.contacts.iter().filter_map(|c| c.party.as_ref())) {
            self.role(party, false);
        }
        (authors, attesters)
    }
}
