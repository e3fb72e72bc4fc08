//! Common components (poKomponent 1.5, 1.6, 2.0 and the record components in them) that become resources, as
//! they are read. What is only told is not read here: see [`super::tell`].
//!
//! The versions differ in little: 1.6 adds `FodselsarMindrearigParorende`, 2.0 `NarmesteParorende`, and
//! `Hoveddiagnose` became optional. Names are the local ones; no name means two things.

use super::individual::Individual;
use super::parties::Party;
use super::values::{Amount, Code, Flag, When, Words, first};
use crate::xml::Node;

/// `ParorendeForesatt`, `PasientrelatertKontaktperson`: somebody close to the patient.
#[derive(Debug)]
pub(super) struct Relative<'t> {
    pub node: Node<'t>,
    /// `Slektskap`
    pub kinship: Option<Code<'t>>,
    /// `Omsorgsfunksjon`, K(9050)
    pub care: Option<Code<'t>>,
    /// `NarmesteParorende`
    pub nearest: Option<Flag<'t>>,
    pub person: Option<Individual<'t>>,
}

/// `TilknyttetEnhet`, `KontaktpersonHelsepersonell`: a unit or professional to get in touch with.
#[derive(Debug)]
pub(super) struct Contact<'t> {
    pub party: Option<Party<'t>>,
}

/// `AnsvarForRapport`: who answers for what is written.
#[derive(Debug)]
pub(super) struct Responsible<'t> {
    pub party: Option<Party<'t>>,
    /// `GodkjentDato`
    pub approved: Option<When<'t>>,
    /// `TypeRelasjon`, K(8254)
    pub relation: Option<Code<'t>>,
}

/// `TilleggsopplysningPasient`
#[derive(Debug)]
pub(super) struct PatientDetails<'t> {
    /// `SivilStatus`
    pub marital_status: Option<Code<'t>>,
    /// `Sprak`, K(3303)
    pub language: Option<Code<'t>>,
}

/// `MedisinskDiagnose`, with the time around it in `TidsperiodeDiagnose`.
#[derive(Debug)]
pub(super) struct Diagnosis<'t> {
    pub node: Node<'t>,
    /// `Hoveddiagnose`
    pub main: Option<Flag<'t>>,
    pub code: Option<Code<'t>>,
    /// `DiagnoseBeskrivelse`
    pub description: Option<Words<'t>>,
    pub from: Option<When<'t>>,
    pub to: Option<When<'t>>,
}

/// `TidligereSykdomFragment`
#[derive(Debug)]
pub(super) struct PreviousIllness<'t> {
    pub node: Node<'t>,
    /// `FunksjonshemmingKroniskSykdom`
    pub chronic: Option<Flag<'t>>,
    pub name: Option<Words<'t>>,
    pub code: Option<Code<'t>>,
}

/// `Allergi`
#[derive(Debug)]
pub(super) struct Allergy<'t> {
    pub node: Node<'t>,
    /// `AllergiskMot`
    pub against: Option<Words<'t>>,
    /// `VirkestoffLegemiddel`, `KodeAnnetStoff`
    pub substances: Vec<Code<'t>>,
    /// `HensynVedForskrivning`
    pub medication: Option<Flag<'t>>,
    /// `HensynMatDrikke`
    pub food: Option<Flag<'t>>,
    /// `Kontaktallergi`, `PollenInnsektstikk`
    pub environment: Vec<Flag<'t>>,
    /// `AnafylaktiskeReaksjoner`
    pub anaphylaxis: Option<Code<'t>>,
}

/// `Journaltekst`
#[derive(Debug)]
pub(super) struct Note<'t> {
    pub node: Node<'t>,
    /// `Overskriftskode`
    pub heading: Option<Code<'t>>,
    pub text: Option<Words<'t>>,
}

/// `ForenkletForskrivning` and its `Forskrivningsinfo`.
#[derive(Debug)]
pub(super) struct Prescription<'t> {
    pub node: Node<'t>,
    /// `StatusTilForskrivningen`, K(9104)
    pub status: Option<Code<'t>>,
    /// `InngaarIMultidose`, K(9103)
    pub multidose: Option<Code<'t>>,
    pub comment: Option<Words<'t>>,
    /// `Navn`
    pub name: Option<Words<'t>>,
    pub generic_name: Option<Words<'t>>,
    /// `Atc`, a CS: the list is implied.
    pub atc: Option<Code<'t>>,
    /// `Legemiddelform`
    pub form: Option<Code<'t>>,
    pub strength: Option<Amount<'t>>,
    /// `BruksomradeTekst`
    pub purpose: Option<Words<'t>>,
    /// `DosVeiledEnkel`
    pub dosage: Option<Words<'t>>,
    /// `Bruk`, K(9101)
    pub usage: Option<Code<'t>>,
    pub from: Option<When<'t>>,
    pub to: Option<When<'t>>,
}

/// `KartlagtFunksjon`
#[derive(Debug)]
pub(super) struct FunctionScore<'t> {
    pub node: Node<'t>,
    /// `Funksjonsvariabel`, K(9111)
    pub variable: Option<Code<'t>>,
    /// `Vurdering`: 1 to 5, or 9, not relevant.
    pub score: Option<Words<'t>>,
    pub comment: Option<Words<'t>>,
}

/// `TidsfestetHendelse`
#[derive(Debug)]
pub(super) struct TimedEvent<'t> {
    pub node: Node<'t>,
    /// `Hendelsekode`, K(9121)
    pub code: Option<Code<'t>>,
    /// `TidspunktForHendelse`
    pub at: Option<When<'t>>,
    /// `Anslag`: the time is an estimate, so the event may not have been.
    pub estimated: Option<Flag<'t>>,
    /// `StedForHendelse/StedHendelse`
    pub place: Option<Words<'t>>,
}

/// `InformasjonOmTime`
#[derive(Debug)]
pub(super) struct Booked<'t> {
    pub node: Node<'t>,
    /// `BestiltKontrolltime`
    pub booked: Option<Flag<'t>>,
    pub at: Option<When<'t>>,
    /// `Varighet`: the schema gives no unit; minutes (document-sharing §6.6).
    pub minutes: Option<Words<'t>>,
    pub place: Option<Words<'t>>,
}

impl<'t> Relative<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut r = Self { node, kinship: None, care: None, nearest: None, person: None };
        for e in node.elements() {
            match e.name() {
                "Slektskap" => first(&mut r.kinship, Some(Code::read(e))),
                "Omsorgsfunksjon" => first(&mut r.care, Some(Code::read(e))),
                "NarmesteParorende" => first(&mut r.nearest, Flag::read(e)),
                "Referanseperson" => first(&mut r.person, Some(Individual::read(e))),
                _ => {}
            }
        }
        r
    }
}

impl<'t> Contact<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let unit = node.child("Kontaktenhet").map(Party::read_organisation);
        let person = || node.child("Kontaktperson").map(Party::read_professional);
        Self { party: unit.or_else(person) }
    }
}

impl<'t> Responsible<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            party: node.child("AnsvarligRapport").map(Party::read_professional),
            approved: node.child("GodkjentDato").and_then(When::read),
            relation: node.child("TypeRelasjon").map(Code::read),
        }
    }
}

impl<'t> PatientDetails<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            marital_status: node.child("SivilStatus").map(Code::read),
            language: node.child("Sprak").map(Code::read),
        }
    }
}

impl<'t> Diagnosis<'t> {
    /// `MedisinskDiagnose`, alone or in `TidsperiodeDiagnose`.
    pub(super) fn read(node: Node<'t>) -> Self {
        let around = node.parent().filter(|p| p.name() == "TidsperiodeDiagnose");
        let when = |name| around.and_then(|p| p.child(name)).and_then(When::read);
        Self {
            node,
            main: node.child("Hoveddiagnose").and_then(Flag::read),
            code: node.child("Diagnosekode").map(Code::read),
            description: node.child("DiagnoseBeskrivelse").and_then(Words::read),
            from: when("StartdatoDiagnose"),
            to: when("SluttdatoDiagnose"),
        }
    }
}

impl<'t> PreviousIllness<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            node,
            chronic: node.child("FunksjonshemmingKroniskSykdom").and_then(Flag::read),
            name: node.child("TidligereSykdom").and_then(Words::read),
            code: node.child("Diagnosekode").map(Code::read),
        }
    }
}

impl<'t> Allergy<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut a = Self {
            node,
            against: None,
            substances: Vec::new(),
            medication: None,
            food: None,
            environment: Vec::new(),
            anaphylaxis: None,
        };
        for e in node.elements() {
            match e.name() {
                "AllergiskMot" => first(&mut a.against, Words::read(e)),
                "VirkestoffLegemiddel" | "KodeAnnetStoff" => a.substances.push(Code::read(e)),
                "HensynVedForskrivning" => first(&mut a.medication, Flag::read(e)),
                "HensynMatDrikke" => first(&mut a.food, Flag::read(e)),
                "Kontaktallergi" | "PollenInnsektstikk" => a.environment.extend(Flag::read(e)),
                "AnafylaktiskeReaksjoner" => first(&mut a.anaphylaxis, Some(Code::read(e))),
                _ => {}
            }
        }
        a
    }
}

impl<'t> Note<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            node,
            heading: node.child("Overskriftskode").map(Code::read),
            text: node.child("Notat").and_then(Words::read),
        }
    }
}

impl<'t> Prescription<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let drug = node.child("Forskrivningsinfo");
        let words = |name| drug.and_then(|d| d.child(name)).and_then(Words::read);
        let code = |name| drug.and_then(|d| d.child(name)).map(Code::read);
        let when = |name| drug.and_then(|d| d.child(name)).and_then(When::read);
        Self {
            node,
            status: node.child("StatusTilForskrivningen").map(Code::read),
            multidose: node.child("InngaarIMultidose").map(Code::read),
            comment: node.child("Merknad").and_then(Words::read),
            name: words("Navn"),
            generic_name: words("GeneriskNavn"),
            atc: code("Atc"),
            form: code("Legemiddelform"),
            strength: drug.and_then(|d| d.child("Styrke")).map(Amount::read),
            purpose: words("BruksomradeTekst"),
            dosage: words("DosVeiledEnkel"),
            usage: code("Bruk"),
            from: when("DoseringStarttidspunkt"),
            to: when("DoseringSluttidspunkt"),
        }
    }
}

impl<'t> FunctionScore<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            node,
            variable: node.child("Funksjonsvariabel").map(Code::read),
            score: node.child("Vurdering").and_then(Words::read),
            comment: node.child("Merknad").and_then(Words::read),
        }
    }
}

impl<'t> TimedEvent<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            node,
            code: node.child("Hendelsekode").map(Code::read),
            at: node.child("TidspunktForHendelse").and_then(When::read),
            estimated: node.child("Anslag").and_then(Flag::read),
            place: node.path("StedForHendelse/StedHendelse").and_then(Words::read),
        }
    }
}

impl<'t> Booked<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        Self {
            node,
            booked: node.child("BestiltKontrolltime").and_then(Flag::read),
            at: node.child("TidspunktTime").and_then(When::read),
            minutes: node.child("Varighet").and_then(Words::read),
            place: node.child("StedTime").and_then(Words::read),
        }
    }
}
