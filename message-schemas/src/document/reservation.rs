//! `Reservation`: what a patient has said against being registered, K(3108), on the order behind a Svarrapport and on a
//! Rekvisisjon.

use super::Withheld;
use super::values::Code;

/// Why reservations keep a document back. Only a plain permission (T) is none: one that is not settled (U), that is told by
/// text only or by no code of the list may be one, and what was published cannot be called back from who has read it.
pub(super) fn withheld<'c, 't: 'c>(reservations: impl Iterator<Item = &'c Code<'t>>) -> Option<Withheld> {
    let mut found = None;
    for code in reservations.filter(|code| code.words().is_some()) {
        match code.code() {
            Some("T") => {}
            Some("R") => return Some(Withheld::PatientReserves),
            _ => found = Some(Withheld::ReservationUnclear),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    fn why(inside: &str) -> Option<Withheld> {
        let tree = Tree::parse(&format!("<a>{inside}</a>"), &Limits::default()).unwrap();
        let codes: Vec<Code<'_>> = tree.root().unwrap().elements().map(Code::read).collect();
        withheld(codes.iter())
    }

    #[test]
    fn only_a_permission_is_no_reservation() {
        for free in ["", "<r/>", "<r V=''/>", "<r V='T' DN='Tillatelse'/>"] {
            assert_eq!(why(free), None, "{free}");
        }
        for reserved in ["<r V='R'/>", "<r V='U'/><r V='R'/><r V='T'/>"] {
            assert_eq!(why(reserved), Some(Withheld::PatientReserves), "{reserved}");
        }
        for unclear in
            ["<r V='U' DN='Uavklart'/>", "<r V='1'/>", "<r DN='Reservasjon'/>", "<r V='T'/><r V='r'/>"]
        {
            assert_eq!(why(unclear), Some(Withheld::ReservationUnclear), "{unclear}");
        }
    }
}
