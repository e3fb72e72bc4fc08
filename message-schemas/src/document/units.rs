//! Units: what the laboratory wrote, and the UCUM code where there is one.
//!
//! The unit is always shown as sent. Spellings met in real messages come first, since some Norwegian ones are
//! valid UCUM for something else (`t` is an hour here and a tonne there); then a check against UCUM's grammar
//! with the atoms that health care uses, each with the prefixes that it is used with. What is UCUM by its letters
//! only has no code: `dag` is a day and no decagram, `ar` a year and no area, `C` a temperature and no charge, `G/L`
//! a count and no magnetism, `EU` a unit of its own and no exa-unit. No value is ever converted.

use std::borrow::Cow;

/// What to write for a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit<'a> {
    /// The sender's way of saying that there is none.
    None,
    /// As sent, and the UCUM code if there is one.
    Sent { unit: &'a str, ucum: Option<Cow<'a, str>> },
}

/// A unit as it is shown; none where the sender says that there is none.
pub(super) fn shown(sent: &str) -> Option<&str> {
    let sent = sent.trim();
    (!sent.is_empty() && sent != "0").then_some(sent)
}

/// Reads a unit.
pub(super) fn unit(sent: &str) -> Unit<'_> {
    shown(sent).map_or(Unit::None, |unit| Unit::Sent { unit, ucum: ucum(unit) })
}

fn ucum(sent: &str) -> Option<Cow<'_, str>> {
    if sent.len() > 64 {
        return None;
    }
    if let Some(known) = alias(sent) {
        return known.map(Cow::Borrowed);
    }
    let squeezed: Cow<'_, str> = if sent.contains(char::is_whitespace) {
        let squeezed: String = sent.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(known) = alias(&squeezed) {
            return known.map(Cow::Borrowed);
        }
        Cow::Owned(squeezed)
    } else {
        Cow::Borrowed(sent)
    };
    // The micro sign and the Greek letter are both in use; UCUM writes `u`.
    let has_micro = squeezed.contains(['\u{b5}', '\u{3bc}']);
    let plain = if has_micro {
        Cow::Owned(squeezed.replace(['\u{b5}', '\u{3bc}'], "u"))
    } else {
        Cow::Borrowed(&*squeezed)
    };
    if let Some(rate) = rate(&plain) {
        return Some(Cow::Owned(rate));
    }
    // A bare number is no unit, whatever UCUM says.
    if plain.bytes().all(|b| b.is_ascii_digit()) || !is_ucum(&plain) {
        return None;
    }
    match plain {
        Cow::Owned(plain) => Some(Cow::Owned(plain)),
        // A unit with blanks in it is not UCUM as sent; only the tables may close them up.
        Cow::Borrowed(_) => (sent.len() == squeezed.len()).then_some(Cow::Borrowed(sent)),
    }
}

/// An amount in a time that is written in Norwegian: `mg/døgn`.
fn rate(sent: &str) -> Option<String> {
    let (amount, time) = sent.rsplit_once('/')?;
    let time = match time {
        "døgn" | "dag" => "d",
        "time" | "timen" => "h",
        "uke" => "wk",
        "minutt" => "min",
        _ => return None,
    };
    is_ucum(amount).then(|| format!("{amount}/{time}"))
}

/// Spellings that are read as something else than UCUM would; none means that there is no UCUM code.
fn alias(sent: &str) -> Option<Option<&'static str>> {
    Some(Some(match sent {
        "10E9/L" | "10^9/L" | "10#9/L" | "10**9/L" | "10E9/l" | "10^9/l" => "10*9/L",
        "10E12/L" | "10^12/L" | "10#12/L" | "10**12/L" | "10E12/l" | "10^12/l" => "10*12/L",
        "10E6/L" | "10^6/L" | "10#6/L" | "10**6/L" | "10E6/l" | "10^6/l" => "10*6/L",
        "10E3/L" | "10^3/L" | "10#3/L" | "10**3/L" => "10*3/L",
        "10E-3/L" | "10^-3/L" => "10*-3/L",
        "10E3/mL" | "10^3/mL" => "10*3/mL",
        "10E6/mL" | "10^6/mL" => "10*6/mL",
        "IE/L" | "IU/L" | "IE/l" | "IU/l" => "[IU]/L",
        "kIE/L" | "kIU/L" | "kIE/l" | "kIU/l" => "k[IU]/L",
        "mIE/L" | "mIU/L" | "mIE/l" | "mIU/l" => "m[IU]/L",
        "IE/mL" | "IU/mL" | "IE/ml" | "IU/ml" => "[IU]/mL",
        "IE/dL" | "IU/dL" => "[IU]/dL",
        "IE" | "IU" => "[IU]",
        "E/L" | "E/l" => "U/L",
        "kE/L" | "kE/l" => "kU/L",
        "mmol/l" => "mmol/L",
        "mm/t" => "mm/h",
        // Of a volume it is an hour for certain; `mg/t` may also be of a tablet, and is left as text.
        "mL/t" | "ml/t" => "mL/h",
        "dL/t" | "dl/t" => "dL/h",
        "L/t" | "l/t" => "L/h",
        "°C" | "gradC" | "graderC" | "grader C" => "Cel",
        "mmHg" => "mm[Hg]",
        "sek" | "sek." => "s",
        "t" | "time" | "timer" => "h",
        "min." | "minutt" | "minutter" => "min",
        "døgn" | "dag" | "dager" => "d",
        "uke" | "uker" => "wk",
        "mnd" | "mnd." | "måned" | "måneder" => "mo",
        "år" => "a",
        "pst" | "pst." | "prosent" => "%",
        "mL/min/1,73m2" | "mL/min/1.73m2" | "ml/min/1,73m2" | "ml/min/1.73m2" => "mL/min/{1.73_m2}",
        "mg/LFEU" => "mg{FEU}/L",
        "arb.enh/L" => "[arb'U]/L",
        "ratio" | "1" => "1",
        "INR" => "{INR}",
        "stk" | "stk." => return Some(None),
        _ => return None,
    }))
}

/// Checks a term against UCUM's grammar, with the atoms below.
fn is_ucum(text: &str) -> bool {
    let mut rest = text;
    // A leading solidus stands for `1/`.
    if let Some(behind) = rest.strip_prefix('/') {
        rest = behind;
    }
    let mut open = 0_u32;
    loop {
        while let Some(behind) = rest.strip_prefix('(') {
            open += 1;
            rest = behind;
        }
        let Some(behind) = component(rest) else { return false };
        rest = behind;
        while let Some(behind) = rest.strip_prefix(')') {
            let Some(fewer) = open.checked_sub(1) else { return false };
            open = fewer;
            rest = behind;
        }
        match rest.strip_prefix(['.', '/']) {
            Some(behind) => rest = behind,
            None => return rest.is_empty() && open == 0,
        }
    }
}

/// What is left behind one component, if there is one: an annotation, a number, or a unit with an exponent
/// and an annotation.
fn component(text: &str) -> Option<&str> {
    if text.starts_with('{') {
        return annotation(text);
    }
    let end = text
        .char_indices()
        .scan(false, |inside, (at, c)| {
            *inside = match c {
                '[' => true,
                ']' => false,
                _ => *inside,
            };
            Some((at, c, *inside))
        })
        .find(|(_, c, inside)| !inside && matches!(c, '.' | '/' | '{' | '(' | ')'))
        .map_or(text.len(), |(at, ..)| at);
    let (unit, rest) = text.split_at_checked(end)?;
    if !simple(unit) {
        return None;
    }
    if rest.starts_with('{') { annotation(rest) } else { Some(rest) }
}

fn annotation(text: &str) -> Option<&str> {
    let (inside, rest) = text.strip_prefix('{')?.split_once('}')?;
    inside.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'{').then_some(rest)
}

/// A number, or an atom with or without prefix and exponent.
fn simple(unit: &str) -> bool {
    if unit.is_empty() {
        return false;
    }
    if unit.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    for ten in ["10*", "10^"] {
        if let Some(exponent) = unit.strip_prefix(ten) {
            return exponent.is_empty() || is_exponent(exponent);
        }
    }
    let stem = unit.trim_end_matches(|c: char| c.is_ascii_digit());
    let exponent = unit.len() - stem.len();
    let stem = if exponent > 0 { stem.strip_suffix(['+', '-']).unwrap_or(stem) } else { stem };
    // `[in_i]`-like atoms may end in a bracket; digits inside are part of the atom.
    atom(stem) || (exponent > 0 && atom(unit))
}

fn is_exponent(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit())
}

/// An atom, with a prefix if it may have one.
fn atom(text: &str) -> bool {
    is_plain(text)
        || METRIC.iter().any(|(atom, prefixes)| match text.strip_suffix(atom).map(str::as_bytes) {
            Some([]) => prefixes.is_empty() || prefixes.starts_with(' '),
            Some([prefix]) => *prefix != b' ' && prefixes.as_bytes().contains(prefix),
            Some(_) | None => false,
        })
}

/// Atoms that may have a prefix, with those that health care writes before them. A list that begins with a blank or is
/// empty holds the atom alone too: `N` alone is no newton, nor `S` a siemens.
const METRIC: &[(&str, &str)] = &[
    ("m", " k d c m u n"),
    ("s", " m u n"),
    ("g", " k c m u n p f"),
    ("l", " d c m u n p f"),
    ("L", " d c m u n p f"),
    ("mol", " k m u n p f a"),
    ("eq", " m u n"),
    ("osm", " m u"),
    ("Pa", " h k M m"),
    ("m[Hg]", " c m"),
    ("m[H2O]", " c m"),
    ("bar", " m"),
    ("Hz", " k M G"),
    ("N", "m k"),
    ("J", " m k M"),
    ("cal", " k"),
    ("W", " m k"),
    ("A", "u m n"),
    ("V", "u m k"),
    ("S", "u m"),
    ("Ohm", " k M"),
    ("B", "d"),
    ("cd", ""),
    ("lm", ""),
    ("lx", " k"),
    ("Cel", ""),
    ("dyn", ""),
    ("erg", ""),
    ("Bq", " k M G T m"),
    ("Ci", " u m n"),
    ("Gy", " u m c"),
    ("Sv", " u m"),
    ("eV", " k M"),
    ("kat", " u m n p"),
    ("U", " M k m u n p"),
    ("[iU]", " M k m u n"),
    ("[IU]", " M k m u n"),
    ("[arb'U]", " k m u"),
];

/// Atoms that stand alone.
fn is_plain(text: &str) -> bool {
    matches!(
        text,
        "%" | "[ppth]"
            | "[ppm]"
            | "[ppb]"
            | "[pptr]"
            | "[pi]"
            | "min"
            | "h"
            | "d"
            | "wk"
            | "mo"
            | "a"
            | "mo_j"
            | "a_j"
            | "deg"
            | "[pH]"
            | "[CFU]"
            | "[PFU]"
            | "[HPF]"
            | "[LPF]"
            | "[drp]"
            | "[in_i]"
            | "[ft_i]"
            | "[lb_av]"
            | "[oz_av]"
            | "[degF]"
            | "[APL'U]"
            | "[GPL'U]"
            | "[MPL'U]"
            | "[BAU]"
            | "[AU]"
            | "[ELU]"
            | "[EU]"
            | "[FFU]"
            | "[CCID_50]"
            | "[TCID_50]"
            | "[D'ag'U]"
            | "[USP'U]"
            | "[anti'Xa'U]"
            | "[todd'U]"
            | "[Amb'a'1'U]"
            | "[bdsk'U]"
            | "[kn'U]"
            | "[mclg'U]"
            | "[hp_X]"
            | "[hp_C]"
            | "[S]"
            | "[diop]"
            | "[Ch]"
            | "[mesh_i]"
            | "[IR]"
            | "[dye'U]"
            | "[smgy'U]"
            | "[tb'U]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(sent: &str) -> Option<String> {
        match unit(sent) {
            Unit::None => None,
            Unit::Sent { ucum, .. } => ucum.map(Cow::into_owned),
        }
    }

    #[test]
    fn spellings_of_laboratories_have_their_code() {
        for (sent, ucum) in [
            ("10^9 /L", "10*9/L"),
            (" 10E9/L ", "10*9/L"),
            ("ml/min/1,73 m2", "mL/min/{1.73_m2}"),
            ("mg/L FEU", "mg{FEU}/L"),
            ("\u{b5}mol/L", "umol/L"),
            ("\u{3bc}g/mL", "ug/mL"),
            ("t", "h"),
            ("E/L", "U/L"),
            ("mm Hg", "mm[Hg]"),
            ("grader C", "Cel"),
            ("kPa", "kPa"),
            ("%", "%"),
            ("g/(24.h)", "g/(24.h)"),
            ("/uL", "/uL"),
            ("mol/m3", "mol/m3"),
            ("mL/min/{1.73_m2}", "mL/min/{1.73_m2}"),
            ("s-1", "s-1"),
            ("ml/t", "mL/h"),
            ("dl/t", "dL/h"),
            ("mm/time", "mm/h"),
            ("\u{b5}g/kg/time", "ug/kg/h"),
            ("mmol/døgn", "mmol/d"),
            ("g / dag", "g/d"),
            ("dag", "d"),
            ("dager", "d"),
            ("pst", "%"),
            ("h", "h"),
            ("d", "d"),
            ("a", "a"),
            ("min", "min"),
            ("U", "U"),
            ("IE", "[IU]"),
            ("kcal", "kcal"),
            ("Gy", "Gy"),
            ("MBq", "MBq"),
            ("dB", "dB"),
            ("mV", "mV"),
            ("mm3", "mm3"),
            ("k[IU]/L", "k[IU]/L"),
        ] {
            assert_eq!(code(sent).as_deref(), Some(ucum), "{sent}");
        }
    }

    #[test]
    fn letters_that_ucum_reads_otherwise_have_no_code() {
        for sent in [
            "g/t", "mg/t", "mmol/t", "E/t", "mg/kg/t", "kt", "pt", "ft", "C", "mC", "G/L", "T/L", "M/L",
            "K/uL", "GL", "MG", "Mg", "Mg/L", "ML", "Mmol/L", "Pg", "Gm", "EU", "TU", "AU", "aU", "ar",
            "har", "u", "mg/u", "du", "st", "pst/L", "pc", "B", "F", "H", "K", "N", "R", "S", "dg", "das",
            "dam", "rad", "E", "'", "''", "10", "100",
        ] {
            assert_eq!(code(sent), None, "{sent}");
        }
    }

    #[test]
    fn what_is_not_known_stays_text() {
        for sent in [
            "",
            "0",
            "stk",
            "per synsfelt",
            "mg/L/",
            "kpl",
            "()",
            "(g",
            "g)",
            "mol//L",
            "CFU/1000 ml",
            "{",
            "mgæ",
        ] {
            assert_eq!(code(sent), None, "{sent}");
        }
        assert_eq!(unit("stk"), Unit::Sent { unit: "stk", ucum: None });
        assert_eq!(unit("0"), Unit::None);
    }
}
