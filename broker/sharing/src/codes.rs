//! Codes of the metadata: classes and types of documents, formats, places of care, confidentiality.
//!
//! A code is written in two ways: with the OID of its list in a registry (ebRIM), with a URI in FHIR.

use message_schemas::Family;
use message_schemas::codes::ARC;
use std::borrow::Cow;

/// A code with its list and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The OID of the list, without `urn:oid:`; or a name or URI, where the list has no OID.
    pub system: String,
    /// The code.
    pub code: String,
    /// Its text.
    pub display: String,
}

/// The list of confidentiality of HL7 version 3.
pub const CONFIDENTIALITY: &str = "2.16.840.1.113883.5.25";
/// Reasons against or for delaying a citizen's access; they come beside a code of [`CONFIDENTIALITY`].
pub const ACCESS: &str = "2.16.578.1.12.4.1.1.9603";
/// Classes and types of documents.
pub const DOCUMENT_TYPES: &str = "2.16.578.1.12.4.1.1.9602";
/// Kinds of institutions.
pub const FACILITIES: &str = "2.16.578.1.12.4.1.1.1303";
/// Service areas (laboratories and imaging).
pub const SERVICE_AREAS: &str = "2.16.578.1.12.4.1.1.8654";
/// The name under which national stores know formats.
pub const FORMATS: &str = "FormatCodes";

impl Code {
    /// A code of a list.
    #[must_use]
    pub fn new(system: impl Into<String>, code: impl Into<String>, display: impl Into<String>) -> Self {
        Self { system: system.into(), code: code.into(), display: display.into() }
    }

    /// The list as FHIR names it.
    #[must_use]
    pub fn uri(&self) -> Cow<'_, str> {
        match self.system.as_str() {
            CONFIDENTIALITY => Cow::Borrowed("http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
            system if is_oid(system) => Cow::Owned(format!("urn:oid:{system}")),
            system => Cow::Borrowed(system),
        }
    }
}

/// Digits and points, as an OID is written.
#[must_use]
pub fn is_oid(text: &str) -> bool {
    text.contains('.')
        && text.len() <= 64
        && text.split('.').all(|arc| {
            !arc.is_empty()
                && arc.bytes().all(|b| b.is_ascii_digit())
                && (arc == "0" || !arc.starts_with('0'))
        })
}

/// A class or type of documents with its text; texts differ between publications of the list, so nothing compares them.
#[must_use]
pub fn document_type(code: &str) -> Code {
    let display = match code {
        "A00-1" => "Epikriser og sammenfatninger",
        "A03-2" => "Epikrise",
        "A04-2" => "Sykepleiesammenfatning",
        "A11-2" => "Tverrfaglig sammenfatning",
        "A13-2" => "Poliklinisk epikrise",
        "C00-1" => "Prøvesvar, vev og væsker",
        "C01-2" => "Medisinsk biokjemi",
        "C02-2" => "Blodbank og immunologi",
        "C03-2" => "Mikrobiologi, virologi og serologi",
        "C04-2" => "Patologi, histologi og cytologi",
        "C05-2" => "Klinisk farmakologi",
        "C06-2" => "Medisinsk genetikk",
        "E00-1" => "Bildediagnostikk og andre medisinske bilder",
        "E01-2" => "Diagnostiske bilder",
        "I00-1" => "Korrespondanse",
        "I01-2" => "Henvisninger",
        "I02-2" => "Brev",
        other => other,
    };
    Code::new(DOCUMENT_TYPES, code, display)
}

/// The kind of institution that documents of a family come from, where the family says it.
#[must_use]
pub fn facility(family: Family) -> Option<Code> {
    let (code, display) = if family == Family::ResultReport {
        ("86.906", "Medisinske laboratorietjenester")
    } else if is_nursing_and_care(family) {
        ("86.901", "Hjemmesykepleie")
    } else {
        return None;
    };
    Some(Code::new(FACILITIES, code, display))
}

/// Where nothing else is known of the institution.
#[must_use]
pub fn other_facility() -> Code {
    Code::new(FACILITIES, "86.909", "Andre helsetjenester")
}

/// The service area of a result report, by its discipline (8202).
#[must_use]
pub fn practice(discipline: &str) -> Option<Code> {
    let (code, display) = match discipline {
        "CLIN" => ("L03", "Medisinsk biokjemi"),
        "MBIO" => ("L04", "Medisinsk mikrobiologi"),
        "FARM" => ("L01", "Klinisk farmakologi"),
        "IMTR" => ("L02", "Immunologi, allergologi og transfusjonsmedisin"),
        "HIST" | "CYTO" | "PAT" | "MPAT" => ("L06", "Patologi"),
        "MGEN" => ("L10", "Cytogenetikk og molekylærgenetikk"),
        "RTG" => ("B01", "Røntgen"),
        "UL" => ("B02", "Ultralyd"),
        "MR" => ("B04", "Tomografi MR"),
        "CT" => ("B05", "Tomografi CT"),
        "SCI" | "NUK" => ("B06", "Nukleærmedisin"),
        "MA" | "BLD" | "RAD" => ("B", "Bildediagnostikk"),
        "LAB" | "AN" => ("L", "Laboratoriefag"),
        _ => return None,
    };
    Some(Code::new(SERVICE_AREAS, code, display))
}

/// Nursing and care in municipalities (PLO).
#[must_use]
pub const fn is_nursing_and_care(family: Family) -> bool {
    matches!(
        family,
        Family::AdmissionReport
            | Family::HealthInformationForApplication
            | Family::HealthInformationForDoctor
            | Family::ServiceOfferNotice
            | Family::MedicalInformation
            | Family::DischargeReport
            | Family::PatientLogistics
            | Family::AbsenceNotice
    )
}

/// How the format of KITH XML is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FormatNames {
    /// `urn:no:kith:xmlstds:epikrise:2012-02-15`, as HIS 1169 asks.
    #[default]
    Urn,
    /// The namespace of the XML as it is, as national consumers look for it.
    Namespace,
}

/// The format of a message with this payload.
#[must_use]
pub fn kith_format(namespace: &str, names: FormatNames) -> String {
    let urn = || {
        let (owner, path) = if let Some(path) = namespace.strip_prefix("http://www.kith.no/xmlstds/") {
            ("kith", path)
        } else {
            ("ehelse", namespace.strip_prefix("http://ehelse.no/xmlstds/")?)
        };
        Some(format!("urn:no:{owner}:xmlstds:{}", path.replace('/', ":")))
    };
    match names {
        FormatNames::Urn => urn().unwrap_or_else(|| namespace.to_owned()),
        FormatNames::Namespace => namespace.to_owned(),
    }
}

/// The format of an attachment or rendering, by its media type.
#[must_use]
pub fn media_format(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "urn:no:ehelse:document:pdf",
        image if image.starts_with("image/") => "urn:no:ehelse:document:image",
        _ => "urn:no:ehelse:document:text",
    }
}

/// The profile that our FHIR documents hold to: what of their format code is ours to name.
pub const FHIR_FORMAT: &str = "urn:no:ehelse:fhir:document:no-basis-Composition";

/// Confidentiality, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Normal.
    #[default]
    Normal,
    /// Restricted.
    Restricted,
    /// Very restricted: staff alone.
    VeryRestricted,
}

impl Level {
    /// As a code.
    #[must_use]
    pub fn code(self) -> Code {
        let (code, display) = match self {
            Self::Normal => ("N", "normal"),
            Self::Restricted => ("R", "restricted"),
            Self::VeryRestricted => ("V", "very restricted"),
        };
        Code::new(CONFIDENTIALITY, code, display)
    }
}

/// A code of list 9603, which comes beside a [`Level`]; none if there is no such code.
#[must_use]
pub fn access(code: &str) -> Option<Code> {
    let display = match code {
        "NORN_ALL" => "Nektet, alle",
        "NORN_ANG" => "Nektet – andre grunner",
        "NORN_DUP" => "Nektet, duplikat",
        "NORN_EPO" => "Nektet, eget ønske",
        "NORN_FFH" => "Nektet, fare for helsepersonell",
        "NORN_FFL" => "Nektet, fare for liv",
        "NORN_FOR" => "Nektet, foreldet",
        "NORN_FORANS" => "Nektet, foreldreansvarlig",
        "NORN_FPB" => "Nektet, forsvarlig pasientbehandling",
        "NORN_KUT" => "Nektet, klart utilrådelig",
        "NORN_UNGDOM" => "Nektet, ungdom",
        "NORS" => "Sperret",
        "NORU" => "Utsatt innsyn for innbygger",
        _ => return None,
    };
    Some(Code::new(ACCESS, code, display))
}

/// The OID of a national list.
#[must_use]
pub fn list(number: &str) -> String {
    format!("{ARC}.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_a_urn_and_a_namespace() {
        for (namespace, urn) in [
            ("http://www.kith.no/xmlstds/epikrise/2012-02-15", "urn:no:kith:xmlstds:epikrise:2012-02-15"),
            ("http://ehelse.no/xmlstds/henvisning/2017-11-30", "urn:no:ehelse:xmlstds:henvisning:2017-11-30"),
            (
                "http://www.kith.no/xmlstds/po/Innleggelsesrapport/2012-04-01",
                "urn:no:kith:xmlstds:po:Innleggelsesrapport:2012-04-01",
            ),
        ] {
            assert_eq!(kith_format(namespace, FormatNames::Urn), urn);
            assert_eq!(kith_format(namespace, FormatNames::Namespace), namespace);
        }
    }

    #[test]
    fn lists_have_an_oid_in_registries_and_a_uri_in_fhir() {
        assert_eq!(document_type("A03-2").uri(), "urn:oid:2.16.578.1.12.4.1.1.9602");
        assert_eq!(Level::Normal.code().uri(), "http://terminology.hl7.org/CodeSystem/v3-Confidentiality");
        assert_eq!(Code::new(FORMATS, "x", "x").uri(), "FormatCodes");
        assert!(
            is_oid("2.25.0")
                && !is_oid("2.25.01")
                && !is_oid("2")
                && !is_oid("1..2")
                && !is_oid("urn:oid:1.2")
        );
        assert_eq!(list("8655"), "2.16.578.1.12.4.1.1.8655");
    }

    #[test]
    fn an_unknown_access_code_is_no_code() {
        assert!(access("NORU").is_some() && access("NORX").is_none());
        assert!(Level::VeryRestricted > Level::Restricted && Level::Restricted > Level::Normal);
    }
}
