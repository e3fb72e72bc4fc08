//! The pages of `reasons/`, carried in the binary.

macro_rules! pages {
    ($($code:literal)*) => {
        /// Every page there is, as (code, text), in the order in which `explain` lists them.
        const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("../reasons/", $code, ".md"))),)*];
    };
}

pages! {
    "X01" "X02" "X03" "X04" "X05" "X06" "X07"
    "V01" "V02" "V03" "V04" "V05" "V06" "V07" "V08" "V09" "V10" "V11"
    "R01" "R02" "R03" "R04" "R05" "R06" "R07" "R08" "R09" "R10" "R11" "R12" "R13" "R14"
    "A01" "A02" "A03" "A04" "A05" "A06" "A07" "A08" "A09" "A10" "A11" "A12" "A13" "A14" "A15" "A16"
    "A17" "A18" "A19" "A20" "A21" "A22" "A23" "A24" "A25" "A26" "A27" "A28"
    "T01" "T02" "T10" "T99"
    "S01" "S02" "S03" "S99"
    "E10" "E20" "E21" "E30" "E31" "E32" "E33" "E34" "E35" "E36" "E53" "E54"
    "X99"
    "P01" "P02" "P03" "P04" "P05" "P06" "P07" "P08" "P09" "P10" "P11" "P12" "P13" "P14" "P15" "P16"
    "P17" "P18" "P19" "P20" "P21" "P22" "P23" "P24" "P25" "P26" "P27" "P28" "P29" "P30" "P31" "P32"
    "P33" "P34" "P35" "P36" "P37" "P38" "P39" "P40" "P41" "P42" "P43" "P44" "P45" "P46" "P47" "P48"
    "P49" "P50" "P51" "P52" "P53" "P54" "P55" "P56" "P57" "P58" "P59" "P60" "P61" "P62" "P63" "P64"
    "P65" "P66" "P67" "P68" "P69" "P70"
    "D01" "D02" "D03" "D04" "D05" "D06" "D07" "D08" "D09" "D10"
    "N01" "N02" "N03" "N04" "N05" "N06" "N07" "N08" "N09" "N10" "N11" "N12" "N13" "N14"
    "L01" "L02" "L03" "L04" "L05" "L06"
}

/// The page of a code; case does not matter.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| *text)
}

/// All codes that have a page.
pub fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::{Reason, Wake};
    use std::collections::BTreeSet;

    const RECEIPT_CODES: &str =
        "T01 T02 T10 T99 S01 S02 S03 S99 E10 E20 E21 E30 E31 E32 E33 E34 E35 E36 E53 E54 X99";

    #[test]
    fn every_code_has_a_page() {
        let findings = message_schemas::Code::ALL.iter().map(|code| code.as_str());
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
        let documents = message_schemas::document::Fault::CODES.iter().copied();
        let receipts = message_schemas::apprec::ErrorCode::NAMED.iter().map(|code| code.as_str());
        for code in findings.chain(reasons).chain(documents).chain(receipts).chain(RECEIPT_CODES.split(' ')) {
            assert!(page(code).is_some(), "reasons/{code}.md is missing or not listed");
        }
    }

    #[test]
    fn every_page_is_listed_and_has_a_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/reasons");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("readable").path())
            .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        let listed: BTreeSet<String> = codes().map(str::to_owned).collect();
        assert_eq!(files, listed);
        assert_eq!(codes().count(), listed.len(), "a code is listed twice");
        for code in codes() {
            let known = match code.split_at(1).0 {
                "P" => Reason::from_code(code).is_some(),
                "V" | "R" | "A" => message_schemas::Code::ALL.iter().any(|c| c.as_str() == code),
                "D" => message_schemas::document::Fault::CODES.contains(&code),
                // Given by rooms that this one must not import.
                "L" | "N" => true,
                _ => {
                    RECEIPT_CODES.contains(code)
                        || message_schemas::Code::ALL.iter().any(|c| c.as_str() == code)
                }
            };
            assert!(known, "reasons/{code}.md is about a code that nobody gives");
        }
    }

    #[test]
    fn pages_say_all_that_somebody_at_night_needs() {
        for (code, text) in PAGES {
            assert!(text.starts_with(&format!("# {code}: ")), "{code} begins with its title");
            for section in
                ["Meaning", "Usual cause", "What to check", "What to tell the partner", "Retried", "Woken"]
            {
                let written = text.contains(&format!("**{section}.** "));
                assert!(written, "reasons/{code}.md has no section {section}");
            }
        }
    }

    #[test]
    fn pages_and_reasons_agree_on_who_is_woken() {
        for reason in Reason::ALL {
            let woken = match reason.wake() {
                Wake::Nobody => "**Woken.** Nobody.",
                Wake::Day => "**Woken.** In working hours.",
                Wake::Night => "**Woken.** At once, also at night.",
            };
            let page = page(reason.as_str()).expect("a page");
            assert!(page.contains(woken), "reasons/{reason}.md does not say: {woken}");
        }
    }

    #[test]
    fn pages_about_what_waits_name_the_command_that_lists_it() {
        for code in ["P19", "P26", "P28"] {
            let page = page(code).expect("a page");
            assert!(page.contains("`budstikke waiting"), "reasons/{code}.md");
        }
    }

    #[test]
    fn codes_may_be_typed_in_any_case() {
        assert_eq!(page("p11"), page("P11"));
        assert!(page("P11").is_some());
        assert_eq!(page("P1"), None);
        assert_eq!(page("../P11"), None);
    }

    #[test]
    fn codes_read_back_and_are_unique() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.as_str()), Some(*reason));
            assert!(!reason.title().is_empty());
        }
        let unique: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(unique.len(), Reason::ALL.len());
    }
}
