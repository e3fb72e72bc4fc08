//! From the type code as sent to the code of list 8279 (kith-messages §1.4).

use crate::family::{Family, MessageKind, Version};

/// The laboratory or imaging suffix that a discipline (list 8202) stands for. None where no mapping is
/// safe: OBD, AN and codes to come are left to configuration.
fn suffix(discipline: &str, new: bool) -> Option<&'static str> {
    //= HISD 1209:2018 §Service
    //# _CYT, _HIST, _KKL, _MBIO and _RTG are the old disciplines, _LAB is all laboratory, new.
    Some(match discipline {
        "RTG" | "CT" | "MR" | "UL" | "MA" | "SCI" => "RTG",
        "CLIN" | "MBIO" | "HIST" | "CYTO" | "LAB" if new => "LAB",
        "CLIN" => "KKL",
        "MBIO" => "MBIO",
        "HIST" => "HIST",
        "CYTO" => "CYT",
        "LAB" => "LAB",
        _ => return None,
    })
}

/// The code of list 8279 for a message of this kind.
pub(super) fn of(kind: MessageKind, type_code: Option<&str>, content: Option<&str>) -> Option<String> {
    use Family as F;
    let by_discipline = |prefix: &str, new: bool| {
        type_code
            .filter(|t| t.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')))
            .map(str::to_owned)
            .or_else(|| suffix(content?, new).map(|s| format!("{prefix}_{s}")))
    };
    match kind.family {
        F::DischargeSummary => Some("EPIKRISE".to_owned()),
        F::Referral if kind.version < Version(2, 0) => Some("HENVISNING".to_owned()),
        F::ResultReport => by_discipline("SVAR", kind.version >= Version(1, 4)),
        F::Requisition => by_discipline("REQ", kind.version >= Version(1, 6)),
        F::AppRec => Some("APPREC".to_owned()),
        F::Referral
        | F::Dialogue
        | F::AdmissionReport
        | F::HealthInformationForApplication
        | F::HealthInformationForDoctor
        | F::ServiceOfferNotice
        | F::MedicalInformation
        | F::DischargeReport
        | F::PatientLogistics
        | F::AbsenceNotice
        | F::RecordExtract
        | F::Ebxml => type_code.map(str::to_owned),
    }
}

/// True when the families of this kind travel under MsgHead (kith-messages §1.3).
pub(crate) const fn under_msg_head(kind: MessageKind) -> bool {
    match kind.family {
        Family::Referral => kind.version.0 >= 2,
        Family::DischargeSummary
        | Family::ResultReport
        | Family::Requisition
        | Family::AppRec
        | Family::Ebxml => false,
        Family::Dialogue
        | Family::AdmissionReport
        | Family::HealthInformationForApplication
        | Family::HealthInformationForDoctor
        | Family::ServiceOfferNotice
        | Family::MedicalInformation
        | Family::DischargeReport
        | Family::PatientLogistics
        | Family::AbsenceNotice
        | Family::RecordExtract => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(family: Family, version: Version, type_code: &str, content: &str) -> Option<String> {
        of(MessageKind { family, version }, Some(type_code), Some(content))
    }

    #[test]
    fn old_type_codes_become_functions_by_discipline() {
        use Family::{DischargeSummary, Requisition, ResultReport};
        let report = |v, t, c| function(ResultReport, Version(1, v), t, c);
        assert_eq!(report(3, "S", "CLIN").as_deref(), Some("SVAR_KKL"));
        assert_eq!(report(3, "S", "CYTO").as_deref(), Some("SVAR_CYT"));
        assert_eq!(report(3, "S", "UL").as_deref(), Some("SVAR_RTG"));
        assert_eq!(report(3, "S", "AN"), None, "no safe mapping");
        assert_eq!(report(4, "S", "MBIO").as_deref(), Some("SVAR_LAB"), "the old code in the new namespace");
        assert_eq!(report(4, "SVAR_RTG", "").as_deref(), Some("SVAR_RTG"));
        assert_eq!(report(4, "EPIKRISE", "LAB").as_deref(), Some("SVAR_LAB"), "the namespace decides");
        assert_eq!(function(Requisition, Version(1, 5), "R", "HIST").as_deref(), Some("REQ_HIST"));
        assert_eq!(function(DischargeSummary, Version(1, 1), "E", "").as_deref(), Some("EPIKRISE"));
    }
}
