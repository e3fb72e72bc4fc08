//! The care and nursing messages (PLO, pleie- og omsorgsmeldinger) 1.5 and 1.6 as they are read: one struct
//! for all kinds and both versions.
//!
//! All kinds are lists of the same components under different document elements; which of them a kind allows
//! is the schema's business. What becomes a resource is read into its type; every component is also kept,
//! under its chapter, to be told.

use crate::document::attachments::RefDoc;
use crate::document::components::{
    Allergy, Booked, Contact, Diagnosis, FunctionScore, Note, PatientDetails, Prescription, PreviousIllness,
    Relative, Responsible, TimedEvent,
};
use crate::document::msg_head::MsgHead;
use crate::document::tell::category;
use crate::document::values::{Code, Flag, When, Words, first};
use crate::xml::Node;

/// Chapters of the document, in their order (document-sharing §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chapter {
    Warnings,
    Diagnoses,
    PeriodDiagnoses,
    Medical,
    PreviousIllnesses,
    OtherImportant,
    Medication,
    GivenMedication,
    Nursing,
    OtherProfessions,
    Functions,
    Wishes,
    NeededServices,
    Application,
    Appointments,
    Event,
    Absence,
    DischargedTo,
    InformationGiven,
    Aids,
    Stay,
    Services,
    AssistedCommunication,
    Patient,
    Relatives,
    Contacts,
    Responsible,
    SentDocuments,
    Document,
}

impl Chapter {
    /// Every chapter, in order.
    pub(super) const ALL: [Self; 29] = [
        Self::Warnings,
        Self::Diagnoses,
        Self::PeriodDiagnoses,
        Self::Medical,
        Self::PreviousIllnesses,
        Self::OtherImportant,
        Self::Medication,
        Self::GivenMedication,
        Self::Nursing,
        Self::OtherProfessions,
        Self::Functions,
        Self::Wishes,
        Self::NeededServices,
        Self::Application,
        Self::Appointments,
        Self::Event,
        Self::Absence,
        Self::DischargedTo,
        Self::InformationGiven,
        Self::Aids,
        Self::Stay,
        Self::Services,
        Self::AssistedCommunication,
        Self::Patient,
        Self::Relatives,
        Self::Contacts,
        Self::Responsible,
        Self::SentDocuments,
        Self::Document,
    ];

    /// The section's title.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Warnings => "Cave og allergier",
            Self::Diagnoses => "Medisinske diagnoser",
            Self::PeriodDiagnoses => "IPLOS-relevant informasjon",
            Self::Medical => "Medisinskfaglige opplysninger",
            Self::PreviousIllnesses => "Tidligere sykdommer",
            Self::OtherImportant => "Andre viktige opplysninger",
            Self::Medication => "Legemidler",
            Self::GivenMedication => "Legemidler administrert",
            Self::Nursing => "Sykepleiedokumentasjon",
            Self::OtherProfessions => "Andre faggrupper",
            Self::Functions => "Funksjonsnivå",
            Self::Wishes => "Reservasjoner og ønsker",
            Self::NeededServices => "Behov for tjenester",
            Self::Application => "Opplysninger til søknad",
            Self::Appointments => "Kontrolltime",
            Self::Event => "Tidsfestet hendelse",
            Self::Absence => "Fravær",
            Self::DischargedTo => "Utskrevet til",
            Self::InformationGiven => "Informasjon gitt",
            Self::Aids => "Hjelpemidler",
            Self::Stay => "Opphold",
            Self::Services => "Eksisterende tjenester",
            Self::AssistedCommunication => "Assistert kommunikasjon",
            Self::Patient => "Pasient",
            Self::Relatives => "Pårørende",
            Self::Contacts => "Kontakter",
            Self::Responsible => "Ansvarlig",
            Self::SentDocuments => "Sendt dokument",
            Self::Document => "Dokumentinformasjon",
        }
    }
}

/// A whole message.
/// `GenereltJournalnotat`
#[derive(Debug)]
pub(super) struct JournalNote<'t> {
    pub node: Node<'t>,
    /// `Journaltekst`, each with its `Overskriftskode`.
    pub texts: Vec<(Node<'t>, Option<Code<'t>>)>,
}

impl<'t> JournalNote<'t> {
    fn read(node: Node<'t>) -> Self {
        let heading = |text: Node<'t>| text.child("Overskriftskode").map(Code::read);
        Self { node, texts: node.all("Journaltekst").map(|text| (text, heading(text))).collect() }
    }
}

#[derive(Debug)]
pub(super) struct CareMessage<'t> {
    /// The document element of the kind (`TverrfagligEpikrise`, …).
    pub node: Node<'t>,
    pub head: MsgHead<'t>,
    /// `Forsendelsesstatus`, K(7309)
    pub status: Option<Code<'t>>,
    /// `ForbeholdOmVideresending`: the sender reserves that it be sent on. Only a plain no is no reservation: what
    /// cannot be read is taken as one, for what was published cannot be called back from who has read it.
    pub reserved: bool,
    /// `TypeInnhold`, `TypeInnholdKonsultasjon`
    pub content: Option<Code<'t>>,
    pub patient_details: Option<PatientDetails<'t>>,
    pub relatives: Vec<Relative<'t>>,
    pub contacts: Vec<Contact<'t>>,
    pub responsible: Vec<Responsible<'t>>,
    pub events: Vec<TimedEvent<'t>>,
    /// `InfoKontaktepisode`: when the contact began and ended.
    pub contact_began: Option<When<'t>>,
    pub contact_ended: Option<When<'t>>,
    pub diagnoses: Vec<Diagnosis<'t>>,
    pub period_diagnoses: Vec<Diagnosis<'t>>,
    pub previous_illnesses: Vec<PreviousIllness<'t>>,
    /// `StikkordCave` and `CaveStikkord`
    pub cave: Vec<(Node<'t>, Words<'t>)>,
    pub allergies: Vec<Allergy<'t>>,
    /// Notes of `InfoAndreViktigeOpplysninger`, and the chapter that each is told in.
    pub important_notes: Vec<(Chapter, Note<'t>)>,
    pub prescriptions: Vec<Prescription<'t>>,
    pub scores: Vec<FunctionScore<'t>>,
    pub booked: Vec<Booked<'t>>,
    /// Every component with the chapter that it is told in, in document order.
    pub told: Vec<(Chapter, Node<'t>)>,
    /// `GenereltJournalnotat` of the medical information, but for warnings.
    pub notes: Vec<JournalNote<'t>>,
}

impl<'t> CareMessage<'t> {
    /// Reads the payload of a message.
    pub(super) fn read(head: MsgHead<'t>, node: Node<'t>) -> Self {
        let mut m = Self {
            node,
            head,
            status: None,
            reserved: false,
            content: None,
            patient_details: None,
            relatives: Vec::new(),
            contacts: Vec::new(),
            responsible: Vec::new(),
            events: Vec::new(),
            contact_began: None,
            contact_ended: None,
            diagnoses: Vec::new(),
            period_diagnoses: Vec::new(),
            previous_illnesses: Vec::new(),
            cave: Vec::new(),
            allergies: Vec::new(),
            important_notes: Vec::new(),
            prescriptions: Vec::new(),
            scores: Vec::new(),
            booked: Vec::new(),
            told: Vec::new(),
            notes: Vec::new(),
        };
        node.elements().for_each(|e| m.component(e));
        m
    }

    /// Attachments of the message.
    pub(super) fn attachments(&self) -> &[RefDoc<'t>] {
        &self.head.attachments
    }

    /// The code of K(7309); a message that does not say is new.
    pub(super) fn service_code(&self) -> &str {
        self.status.as_ref().and_then(Code::code).unwrap_or("N")
    }

    fn component(&mut self, e: Node<'t>) {
        let chapter = match e.name() {
            "InformasjonOmForsendelsen" => {
                first(&mut self.status, e.child("Forsendelsesstatus").map(Code::read));
                let mut reservations = e.all("ForbeholdOmVideresending").map(Flag::read);
                self.reserved |= reservations.any(|said| said.is_none_or(|flag| flag.value));
                Chapter::Document
            }
            "TypeInnholdIMelding" | "InnholdKonsultasjon" => {
                let code = e.child("TypeInnhold").or_else(|| e.child("TypeInnholdKonsultasjon"));
                first(&mut self.content, code.map(Code::read));
                Chapter::Document
            }
            "TilleggsopplysningPasient" => {
                first(&mut self.patient_details, Some(PatientDetails::read(e)));
                Chapter::Patient
            }
            "ParorendeForesatt" | "PasientrelatertKontaktperson" => {
                self.relatives.push(Relative::read(e));
                Chapter::Relatives
            }
            "TilknyttetEnhet" | "KontaktpersonHelsepersonell" => {
                self.contacts.push(Contact::read(e));
                Chapter::Contacts
            }
            "AnsvarForRapport" => {
                self.responsible.push(Responsible::read(e));
                Chapter::Responsible
            }
            "SendtDokument" => Chapter::SentDocuments,
            "OpplysningOpphold" => {
                self.events.extend(e.all("TidsfestetHendelse").map(TimedEvent::read));
                Chapter::Stay
            }
            "InfoKontaktepisode" => {
                let common = e.child("FellesinfoKontaktepisode");
                let when = |name| common.and_then(|c| c.child(name)).and_then(When::read);
                first(&mut self.contact_began, when("KontaktStartet"));
                first(&mut self.contact_ended, when("KontaktAvsluttet"));
                Chapter::Stay
            }
            "InfoMedisinskDiagnose" => {
                self.diagnoses.extend(e.all("MedisinskDiagnose").map(Diagnosis::read));
                Chapter::Diagnoses
            }
            "InfoIPLOSrelevantInformasjon" => {
                let periods = e.all("TidsperiodeDiagnose");
                self.period_diagnoses
                    .extend(periods.flat_map(|p| p.all("MedisinskDiagnose")).map(Diagnosis::read));
                self.events.extend(e.all("TidsfestetHendelse").map(TimedEvent::read));
                Chapter::PeriodDiagnoses
            }
            "MedisinskfagligeOpplysninger" => return self.medical(e),
            "InfoAndreViktigeOpplysninger" => return self.important(e),
            "Legemiddelinfo" => {
                self.prescriptions.extend(e.all("ForenkletForskrivning").map(Prescription::read));
                Chapter::Medication
            }
            "Sykepleierdokumentasjon" => return self.nursing(e),
            "OpplysningerAndreFaggrupper" => Chapter::OtherProfessions,
            "InfoKartleggingFunksjonsniva" => {
                self.scores.extend(e.all("KartlagtFunksjon").map(FunctionScore::read));
                Chapter::Functions
            }
            "InfoReservasjon" => Chapter::Wishes,
            "TjenesteBehov" => Chapter::NeededServices,
            "OpplysningerTilSoknad" => Chapter::Application,
            "InfoKontrolltime" => {
                self.booked.extend(e.all("InformasjonOmTime").map(Booked::read));
                Chapter::Appointments
            }
            "InfoInformasjonGitt" => Chapter::InformationGiven,
            "OpplysningerOmHjelpemidler" => Chapter::Aids,
            "EksisterendeTjeneste" => Chapter::Services,
            "InfoAssistertKommunikasjon" | "AssistertKommunikasjon" => Chapter::AssistedCommunication,
            "Fraversassistent" => Chapter::Absence,
            "MeldingInnlagtPasient"
            | "OrienteringOmDod"
            | "MeldingUtskrivningsklarPasient"
            | "AvmeldingUtskrivningsklarPasient"
            | "MeldingOmUtskrevetPasient" => return self.logistics(e),
            _ => return,
        };
        self.told.push((chapter, e));
    }

    fn medical(&mut self, node: Node<'t>) {
        for e in node.elements() {
            let chapter = match e.name() {
                "Cave" => {
                    self.warnings(e);
                    Chapter::Warnings
                }
                "Allerginotat" => {
                    self.allergies.extend(e.all("Allergi").map(Allergy::read));
                    Chapter::Warnings
                }
                "InfoTidligereSykdommer" => {
                    let fragments = e.all("TidligereSykdomFragment");
                    self.previous_illnesses.extend(fragments.map(PreviousIllness::read));
                    Chapter::PreviousIllnesses
                }
                "GenereltJournalnotat" if is_warning(e) => Chapter::Warnings,
                "GenereltJournalnotat" => {
                    self.notes.push(JournalNote::read(e));
                    continue;
                }
                _ => Chapter::Medical,
            };
            self.told.push((chapter, e));
        }
    }

    fn warnings(&mut self, cave: Node<'t>) {
        for word in cave.all("SakshodeCave").flat_map(|s| s.all("StikkordCave")) {
            self.cave.extend(word.child("CaveStikkord").and_then(Words::read).map(|w| (word, w)));
        }
        let notes = cave.all("Allerginotat");
        self.allergies.extend(notes.flat_map(|n| n.all("Allergi")).map(Allergy::read));
    }

    fn important(&mut self, node: Node<'t>) {
        for e in node.elements() {
            let chapter = if e.name() == "Allerginotat" {
                self.allergies.extend(e.all("Allergi").map(Allergy::read));
                Chapter::Warnings
            } else {
                let chapter = if is_warning(e) { Chapter::Warnings } else { Chapter::OtherImportant };
                self.important_notes.extend(e.all("Journaltekst").map(|n| (chapter, Note::read(n))));
                chapter
            };
            self.told.push((chapter, e));
        }
    }

    fn nursing(&mut self, node: Node<'t>) {
        for e in node.elements() {
            let given = e.name() == "LegemidlerAdministrertVedOverforing";
            self.told.push((if given { Chapter::GivenMedication } else { Chapter::Nursing }, e));
        }
    }

    fn logistics(&mut self, node: Node<'t>) {
        for e in node.elements() {
            let chapter = match e.name() {
                "UtskrevetTil" => Chapter::DischargedTo,
                "InfoInformasjonGitt" => Chapter::InformationGiven,
                "TidsfestetHendelse" => {
                    self.events.push(TimedEvent::read(e));
                    Chapter::Event
                }
                _ => continue,
            };
            self.told.push((chapter, e));
        }
    }
}

/// True of a note that its sender keeps among warnings (`Cave/allergier`, `Kritisk informasjon`): it is told in front. Free
/// text stays text there: what it warns of cannot be told.
fn is_warning(note: Node<'_>) -> bool {
    let Some(category) = category(note) else { return false };
    let category = category.to_lowercase();
    category
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word == "cave" || word.starts_with("allergi") || word.starts_with("kritisk"))
}
