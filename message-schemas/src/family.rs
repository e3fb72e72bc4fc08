//! Families and versions, and the dispatch by namespace that tells them apart.
//!
//! Dispatch is on the namespace of the document element or, under MsgHead, of the payload's; never on a
//! type code, which changed its meaning between versions and which real senders get wrong
//! (kith-messages §1.1).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A message family. What we know by name; everything else is unsupported (T10) until a schema and a head
/// table are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Epikrise.
    DischargeSummary,
    /// Henvisning.
    Referral,
    /// Svarrapport.
    ResultReport,
    /// Rekvisisjon.
    Requisition,
    /// Applikasjonskvittering (AppRec).
    AppRec,
    /// Dialogmelding, between professionals or with a citizen.
    Dialogue,
    /// PLO Innleggelsesrapport.
    AdmissionReport,
    /// PLO Helseopplysninger ved søknad.
    HealthInformationForApplication,
    /// PLO Helseopplysninger til lege.
    HealthInformationForDoctor,
    /// PLO Orientering om tjenestetilbud.
    ServiceOfferNotice,
    /// PLO Overføring av medisinske opplysninger.
    MedicalInformation,
    /// PLO Utskrivningsrapport (Tverrfaglig epikrise).
    DischargeReport,
    /// PLO Pasientlogistikk.
    PatientLogistics,
    /// PLO Melding om fravær.
    AbsenceNotice,
    /// EPJ-ekstrakt.
    RecordExtract,
    /// ebXML message header in a SOAP envelope.
    Ebxml,
}

/// A family in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageKind {
    /// The family.
    pub family: Family,
    /// The version as the standard writes it (`1.2`).
    pub version: Version,
}

/// A version: major and minor, printed as the standards do (`0.91`, `1.4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version(pub u8, pub u8);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self(major.parse().ok()?, minor.parse().ok()?)))
            .ok_or("a version is two numbers with a point between")
    }
}

impl Family {
    /// The name used in settings, on the command line, in metrics and in file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DischargeSummary => "discharge-summary",
            Self::Referral => "referral",
            Self::ResultReport => "result-report",
            Self::Requisition => "requisition",
            Self::AppRec => "app-rec",
            Self::Dialogue => "dialogue",
            Self::AdmissionReport => "admission-report",
            Self::HealthInformationForApplication => "health-information-for-application",
            Self::HealthInformationForDoctor => "health-information-for-doctor",
            Self::ServiceOfferNotice => "service-offer-notice",
            Self::MedicalInformation => "medical-information",
            Self::DischargeReport => "discharge-report",
            Self::PatientLogistics => "patient-logistics",
            Self::AbsenceNotice => "absence-notice",
            Self::RecordExtract => "record-extract",
            Self::Ebxml => "ebxml",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Namespace of the envelope that most newer families travel under (HIS 80601:2006).
pub const MSG_HEAD: &str = "http://www.kith.no/xmlstds/msghead/2006-05-24";

const fn kind(family: Family, major: u8, minor: u8) -> MessageKind {
    MessageKind { family, version: Version(major, minor) }
}

/// The family and version that a namespace stands for (kith-messages §1.2 and §1.3).
#[must_use]
pub fn by_namespace(namespace: &str) -> Option<MessageKind> {
    use Family as F;
    const EHELSE: &str = "http://ehelse.no/xmlstds/henvisning/2017-11-30";
    if namespace == EHELSE {
        return Some(kind(F::Referral, 2, 0));
    }
    Some(match namespace.strip_prefix("http://www.kith.no/xmlstds/")? {
        "epikrise" => kind(F::DischargeSummary, 1, 0),
        "epikrise/2006-09-23" => kind(F::DischargeSummary, 1, 1),
        "epikrise/2012-02-15" => kind(F::DischargeSummary, 1, 2),
        "henvisning/2003-10-13" => kind(F::Referral, 0, 91),
        "henvisning/2005-07-08" => kind(F::Referral, 1, 0),
        "henvisning/2012-02-15" => kind(F::Referral, 1, 1),
        "labsvar/2005-03-14" => kind(F::ResultReport, 1, 2),
        "labsvar/2008-12-01" => kind(F::ResultReport, 1, 3),
        "labsvar/2012-02-15" => kind(F::ResultReport, 1, 4),
        "rekvisisjon/2005-05-20" => kind(F::Requisition, 1, 4),
        "rekvisisjon/2008-12-01" => kind(F::Requisition, 1, 5),
        "rekvisisjon/2012-02-15" => kind(F::Requisition, 1, 6),
        "apprec/2004-11-21" => kind(F::AppRec, 1, 0),
        "apprec/2012-02-15" => kind(F::AppRec, 1, 1),
        "dialog/2006-10-11" => kind(F::Dialogue, 1, 0),
        "dialog/2013-01-23" => kind(F::Dialogue, 1, 1),
        "po/Innleggelsesrapport/2009-06-30" => kind(F::AdmissionReport, 1, 5),
        "po/Innleggelsesrapport/2012-04-01" => kind(F::AdmissionReport, 1, 6),
        "po/HelseopplysningerVedSoknad/2009-06-30" => kind(F::HealthInformationForApplication, 1, 5),
        "po/HelseopplysningerVedSoknad/2012-04-01" => kind(F::HealthInformationForApplication, 1, 6),
        "po/Konsultasjon/2009-06-30" => kind(F::HealthInformationForDoctor, 1, 5),
        "po/HelseopplysningerTilLege/2012-04-01" => kind(F::HealthInformationForDoctor, 1, 6),
        "po/OrienteringOmTjenestetilbud/2009-06-30" => kind(F::ServiceOfferNotice, 1, 5),
        "po/OrienteringOmTjenestetilbud/2012-04-01" => kind(F::ServiceOfferNotice, 1, 6),
        "po/OverforingMedisinskeOpplysninger/2009-06-30" => kind(F::MedicalInformation, 1, 5),
        "po/MedisinskeOpplysninger/2012-04-01" => kind(F::MedicalInformation, 1, 6),
        "po/TverrfagligEpikrise/2009-06-30" => kind(F::DischargeReport, 1, 5),
        "po/TverrfagligEpikrise/2012-04-01" => kind(F::DischargeReport, 1, 6),
        "po/Pasientlogistikk/2009-06-30" => kind(F::PatientLogistics, 1, 5),
        "po/Pasientlogistikk/2012-04-01" => kind(F::PatientLogistics, 1, 6),
        "po/MeldingFravar/2009-06-30" => kind(F::AbsenceNotice, 1, 5),
        "epj/EPJEkstrakt/2008-02-20" => kind(F::RecordExtract, 1, 4),
        _ => return None,
    })
}
