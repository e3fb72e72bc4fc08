//! The status of a report and of a result, and where a report belongs.
//!
//! The matrices are NILAR's (document-sharing §6.4): rows are the status that the laboratory gives, columns
//! what the message does. A code outside them is `unknown`.

/// DiagnosticReport.status by `Status` K(7306) and `ServType` K(7309); false if a code is outside the table.
pub(in crate::document) fn of_report(status: Option<&str>, service: Option<&str>) -> (&'static str, bool) {
    let Some(column) = service.and_then(column) else { return ("unknown", false) };
    let row: [&'static str; 5] = match status {
        Some("S") => ["registered", "amended", "cancelled", "unknown", "unknown"],
        Some("P") => ["preliminary", "amended", "cancelled", "unknown", "unknown"],
        Some("F") => ["final", "amended", "cancelled", "unknown", "unknown"],
        Some("A") => ["unknown", "appended", "cancelled", "unknown", "unknown"],
        _ if column == 2 => return ("cancelled", false),
        _ => return ("unknown", false),
    };
    (row.get(column).copied().unwrap_or("unknown"), true)
}

/// Observation.status by `StatusInvestigation` K(8245) and `ServType` K(8270); false if a code is outside
/// the table. `service` is `N` where the item has none, which is common on nested ones, unless it stands under a
/// cancelled one ([`super::items::cancel_members`]).
pub(in crate::document) fn of_result(status: Option<&str>, service: &str) -> (&'static str, bool) {
    let Some(column) = column(service) else { return ("unknown", false) };
    let row: [&'static str; 5] = match status {
        None | Some("3" | "4") => ["final", "amended", "cancelled", "final", "final"],
        Some("1") => ["unknown", "amended", "cancelled", "amended", "unknown"],
        Some("2") => ["preliminary", "amended", "cancelled", "preliminary", "preliminary"],
        Some("5") => ["registered", "unknown", "cancelled", "unknown", "registered"],
        Some("6" | "7") => ["registered", "registered", "cancelled", "unknown", "registered"],
        Some("8" | "9" | "10") => ["preliminary", "unknown", "cancelled", "unknown", "preliminary"],
        Some("11" | "13") => ["final", "amended", "cancelled", "unknown", "final"],
        Some("12") => ["unknown", "amended", "cancelled", "unknown", "preliminary"],
        Some("14") => ["unknown", "unknown", "cancelled", "unknown", "unknown"],
        Some("15") => ["registered", "registered", "cancelled", "final", "registered"],
        Some(_) if column == 2 => return ("cancelled", false),
        Some(_) => return ("unknown", false),
    };
    (row.get(column).copied().unwrap_or("unknown"), true)
}

/// N, M, C, H, A. `E` for a change is in one table of HITS 1102:2014 and is read as M.
fn column(service: &str) -> Option<usize> {
    Some(match service {
        "N" => 0,
        "M" | "E" => 1,
        "C" => 2,
        "H" => 3,
        "A" => 4,
        _ => return None,
    })
}

/// Composition.status: the first that fits.
pub(in crate::document) fn of_composition(status: Option<&str>, service: Option<&str>) -> &'static str {
    match (service, status) {
        (Some("C"), _) => "entered-in-error",
        (Some("M" | "E"), _) => "amended",
        (_, Some("P" | "S")) => "preliminary",
        _ => "final",
    }
}

/// True of a report that adds to an earlier one: status A, K(7306), or as some senders write it, service A.
/// Composition.status has no word for it.
pub(in crate::document) fn is_addition(status: Option<&str>, service: Option<&str>) -> bool {
    service != Some("C") && (status == Some("A") || service == Some("A"))
}

/// ServiceRequest.status: a withdrawn report does not revoke the order.
pub(super) fn of_request(report: &str) -> &'static str {
    match report {
        "final" | "amended" | "appended" => "completed",
        "cancelled" => "unknown",
        _ => "active",
    }
}

/// The main discipline (NILAR's value set) of a code of K(8202), and true if the code is known.
pub(super) fn main_discipline(code: &str) -> (&'static str, bool) {
    match code {
        "LAB" | "CLIN" | "MBIO" | "MGEN" | "FARM" | "IMTR" | "AN" => ("LAB", true),
        "PAT" | "HIST" | "CYTO" | "OBD" | "MPAT" | "MORS" => ("PAT", true),
        "BLD" | "RTG" | "CT" | "MR" | "UL" | "MA" | "SCI" | "NUK" | "RAD" => ("BLD", true),
        _ => ("LAB", false),
    }
}

/// The discipline of a result: by the list of its investigation, else by that of the report.
pub(super) fn discipline(investigation: Option<(u16, &str)>, report: Option<&str>) -> Option<&'static str> {
    match investigation {
        Some((7270, code)) => return Some(if code.starts_with('T') { "NUK" } else { "RAD" }),
        Some((7010, _)) => return Some("PAT"),
        Some(_) | None => {}
    }
    Some(match report? {
        "CLIN" => "CLIN",
        "MBIO" => "MBIO",
        "MGEN" => "MGEN",
        "FARM" => "FARM",
        "IMTR" => "IMTR",
        "PAT" | "HIST" | "CYTO" | "OBD" | "MPAT" | "MORS" => "PAT",
        "NUK" | "SCI" => "NUK",
        "BLD" | "RTG" | "CT" | "MR" | "UL" | "MA" | "RAD" => "RAD",
        _ => return None,
    })
}

/// Class and type of the document, K(9602), with their texts.
pub(super) fn document_type(discipline: Option<&str>) -> [(&'static str, &'static str); 2] {
    const FLUIDS: (&str, &str) = ("C00-1", "Prøvesvar, vev og væsker");
    const IMAGES: (&str, &str) = ("E00-1", "Bildediagnostikk og andre medisinske bilder");
    match discipline {
        Some("IMTR") => [FLUIDS, ("C02-2", "Blodbank og immunologi")],
        Some("MBIO") => [FLUIDS, ("C03-2", "Mikrobiologi, virologi og serologi")],
        Some("FARM") => [FLUIDS, ("C05-2", "Klinisk farmakologi")],
        Some("MGEN") => [FLUIDS, ("C06-2", "Medisinsk genetikk")],
        Some("HIST" | "CYTO" | "PAT" | "MPAT" | "OBD" | "MORS") => {
            [FLUIDS, ("C04-2", "Patologi, histologi og cytologi")]
        }
        Some("RTG" | "CT" | "MR" | "UL" | "MA" | "SCI" | "NUK" | "RAD" | "BLD") => {
            [IMAGES, ("E01-2", "Diagnostiske bilder")]
        }
        _ => [FLUIDS, ("C01-2", "Medisinsk biokjemi")],
    }
}
