//! The regular expressions of XML Schema, run on automata.
//!
//! An expression is translated token by token into the syntax of `regex-automata`, whose engines never
//! backtrack: `(\d+\.?)*\d+`, which the official files hold, costs the same as any other. Expressions are
//! anchored at both ends by definition, `^` and `$` are ordinary characters, and what the standard does not
//! know (lazy quantifiers, look-around, back references) is refused.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// Bound on the compiled size of one pattern, in bytes.
const SIZE_BYTES: usize = 4 << 20;
/// Bound on nested groups and subtractions.
const NESTING: usize = 50;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is not an expression of XML Schema.
    #[error("the pattern is not a regular expression of XML Schema, at character {at}")]
    Syntax {
        /// Counted from 1.
        at: usize,
    },
    /// It names a property or block that does not exist.
    #[error("the pattern names a character property that does not exist, at character {at}")]
    Property {
        /// Counted from 1.
        at: usize,
    },
    /// Its automaton would be too large.
    #[error("the pattern needs more than {SIZE_BYTES} bytes of automaton")]
    TooLarge,
}

/// The automaton of one derivation step: a value matches if any of the step's patterns does.
pub(super) fn compile<S: AsRef<str>>(patterns: &[S]) -> Result<Regex, PatternError> {
    let mut text = String::from(r"\A(?:");
    for (i, pattern) in patterns.iter().enumerate() {
        if i > 0 {
            text.push('|');
        }
        let mut translation = Translation { rest: pattern.as_ref().chars(), length: 0, out: String::new() };
        translation.length = translation.rest.clone().count();
        translation.expression()?;
        text.push_str(&format!("(?:{})", translation.out));
    }
    text.push_str(r")\z");
    Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(SIZE_BYTES)))
        .syntax(syntax::Config::new().nest_limit(250))
        .build(&text)
        .map_err(|_| PatternError::TooLarge)
}

struct Translation<'a> {
    rest: std::str::Chars<'a>,
    length: usize,
    out: String,
}

impl Translation<'_> {
    fn at(&self) -> usize {
        self.length - self.rest.clone().count()
    }

    fn wrong(&self) -> PatternError {
        PatternError::Syntax { at: self.at() }
    }

    fn next(&mut self) -> Result<char, PatternError> {
        self.rest.next().ok_or(PatternError::Syntax { at: self.length + 1 })
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn expression(&mut self) -> Result<(), PatternError> {
        let mut depth = 0_usize;
        let mut repeatable = false;
        while let Some(c) = self.rest.next() {
            match c {
                '(' => {
                    depth += 1;
                    if depth > NESTING {
                        return Err(PatternError::TooLarge);
                    }
                    self.out.push_str("(?:");
                    repeatable = false;
                }
                ')' => {
                    depth = depth.checked_sub(1).ok_or_else(|| self.wrong())?;
                    self.out.push(')');
                    repeatable = true;
                }
                '|' => {
                    self.out.push('|');
                    repeatable = false;
                }
                '?' | '*' | '+' | '{' if !repeatable => return Err(self.wrong()),
                '?' | '*' | '+' => {
                    self.out.push(c);
                    repeatable = false;
                }
                '{' => {
                    self.quantity()?;
                    repeatable = false;
                }
                '[' => {
                    self.class(0)?;
                    repeatable = true;
                }
                ']' => return Err(self.wrong()),
                '.' => {
                    self.out.push_str(r"[^\n\r]");
                    repeatable = true;
                }
                '\\' => {
                    match self.escape()? {
                        Escape::Char(c) => self.literal(c),
                        Escape::Class(class) => self.out.push_str(&class),
                    }
                    repeatable = true;
                }
                _ => {
                    self.literal(c);
                    repeatable = true;
                }
            }
        }
        if depth == 0 { Ok(()) } else { Err(self.wrong()) }
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.out.push(c);
        } else {
            self.out.push_str(&format!(r"\x{{{:x}}}", u32::from(c)));
        }
    }

    /// What stands behind `{`.
    fn quantity(&mut self) -> Result<(), PatternError> {
        let mut bounds = String::new();
        loop {
            match self.next()? {
                '}' => break,
                c if c.is_ascii_digit() || (c == ',' && !bounds.contains(',')) => bounds.push(c),
                _ => return Err(self.wrong()),
            }
        }
        let (least, most) = bounds.split_once(',').map_or((bounds.as_str(), None), |(a, b)| (a, Some(b)));
        let number = |t: &str| t.parse::<u32>();
        let least = number(least).map_err(|_| self.wrong())?;
        let most = match most {
            None | Some("") => None,
            Some(most) => Some(number(most).map_err(|_| self.wrong())?),
        };
        if most.is_some_and(|most| most < least) {
            return Err(self.wrong());
        }
        self.out.push_str(&format!("{{{bounds}}}"));
        Ok(())
    }

    /// What stands behind `[`, up to and with its `]`.
    fn class(&mut self, depth: usize) -> Result<(), PatternError> {
        if depth > NESTING {
            return Err(PatternError::TooLarge);
        }
        let negated = self.peek() == Some('^');
        if negated {
            self.next()?;
        }
        // The group stands in brackets of its own: a negation ends before what is subtracted.
        self.out.push_str(if negated { "[[^" } else { "[[" });
        let mut first = true;
        loop {
            match self.next()? {
                ']' if !first => {
                    self.out.push_str("]]");
                    return Ok(());
                }
                '-' if !first && self.peek() == Some('[') => {
                    self.next()?;
                    self.out.push_str("]--");
                    self.class(depth + 1)?;
                    if self.next()? != ']' {
                        return Err(self.wrong());
                    }
                    self.out.push(']');
                    return Ok(());
                }
                // A hyphen stands for itself only first or last.
                '-' if first || self.peek() == Some(']') => self.literal('-'),
                '-' | '[' | ']' => return Err(self.wrong()),
                c => {
                    let from = match c {
                        '\\' => self.escape()?,
                        c => Escape::Char(c),
                    };
                    match from {
                        Escape::Class(class) => self.out.push_str(&class),
                        Escape::Char(from) => self.range(from)?,
                    }
                }
            }
            first = false;
        }
    }

    /// A character of a class, and what follows it if it begins a range.
    fn range(&mut self, from: char) -> Result<(), PatternError> {
        self.literal(from);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.next(), Some(']' | '[') | None) {
            return Ok(());
        }
        self.next()?;
        let to = match self.next()? {
            '\\' => match self.escape()? {
                Escape::Char(c) => c,
                Escape::Class(_) => return Err(self.wrong()),
            },
            '-' => return Err(self.wrong()),
            c => c,
        };
        if to < from {
            return Err(self.wrong());
        }
        self.out.push('-');
        self.literal(to);
        Ok(())
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<Escape, PatternError> {
        let class = match self.next()? {
            'n' => return Ok(Escape::Char('\n')),
            'r' => return Ok(Escape::Char('\r')),
            't' => return Ok(Escape::Char('\t')),
            c @ ('\\' | '|' | '.' | '?' | '*' | '+' | '(' | ')' | '{' | '}' | '-' | '[' | ']' | '^') => {
                return Ok(Escape::Char(c));
            }
            's' => r"[\x20\t\n\r]".to_owned(),
            'S' => r"[^\x20\t\n\r]".to_owned(),
            'd' => r"\p{Nd}".to_owned(),
            'D' => r"\P{Nd}".to_owned(),
            'w' => r"[^\p{P}\p{Z}\p{C}]".to_owned(),
            'W' => r"[\p{P}\p{Z}\p{C}]".to_owned(),
            'i' => format!("[:{NAME_START}]"),
            'I' => format!("[^:{NAME_START}]"),
            'c' => format!("[:{NAME_START}{NAME_MORE}]"),
            'C' => format!("[^:{NAME_START}{NAME_MORE}]"),
            'p' => self.property(false)?,
            'P' => self.property(true)?,
            _ => return Err(self.wrong()),
        };
        Ok(Escape::Class(class))
    }

    fn property(&mut self, negated: bool) -> Result<String, PatternError> {
        if self.next()? != '{' {
            return Err(self.wrong());
        }
        let mut name = String::new();
        loop {
            match self.next()? {
                '}' => break,
                c => name.push(c),
            }
        }
        let sign = if negated { "^" } else { "" };
        if let Some(block) = name.strip_prefix("Is") {
            let ranges: Vec<_> = BLOCKS.iter().filter(|(known, ..)| *known == block).collect();
            if ranges.is_empty() {
                return Err(PatternError::Property { at: self.at() });
            }
            let mut class = format!("[{sign}");
            for (_, from, to) in ranges {
                class.push_str(&format!(r"\x{{{from:x}}}-\x{{{to:x}}}"));
            }
            class.push(']');
            return Ok(class);
        }
        if CATEGORIES.contains(&name.as_str()) {
            Ok(format!(r"[{sign}\p{{{name}}}]"))
        } else {
            Err(PatternError::Property { at: self.at() })
        }
    }
}

enum Escape {
    Char(char),
    Class(String),
}

/// Of `\i`, without the colon; the same ranges as the XML reader's.
const NAME_START: &str = r"A-Z_a-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2FF}\x{370}-\x{37D}\x{37F}-\x{1FFF}\x{200C}-\x{200D}\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}";
/// What `\c` has more than `\i`.
const NAME_MORE: &str = r"0-9\-.\x{B7}\x{300}-\x{36F}\x{203F}-\x{2040}";

const CATEGORIES: &[&str] = &[
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "Z", "Zs", "Zl", "Zp", "S", "Sm", "Sc", "Sk", "So", "C", "Cc", "Cf", "Co", "Cn",
];

/// The blocks of XML Schema Part 2 (second edition), appendix F.1.1.
const BLOCKS: &[(&str, u32, u32)] = &[
    ("BasicLatin", 0x0000, 0x007F),
    ("Latin-1Supplement", 0x0080, 0x00FF),
    ("LatinExtended-A", 0x0100, 0x017F),
    ("LatinExtended-B", 0x0180, 0x024F),
    ("IPAExtensions", 0x0250, 0x02AF),
    ("SpacingModifierLetters", 0x02B0, 0x02FF),
    ("CombiningDiacriticalMarks", 0x0300, 0x036F),
    ("Greek", 0x0370, 0x03FF),
    ("GreekandCoptic", 0x0370, 0x03FF),
    ("Cyrillic", 0x0400, 0x04FF),
    ("Armenian", 0x0530, 0x058F),
    ("Hebrew", 0x0590, 0x05FF),
    ("Arabic", 0x0600, 0x06FF),
    ("Syriac", 0x0700, 0x074F),
    ("Thaana", 0x0780, 0x07BF),
    ("Devanagari", 0x0900, 0x097F),
    ("Bengali", 0x0980, 0x09FF),
    ("Gurmukhi", 0x0A00, 0x0A7F),
    ("Gujarati", 0x0A80, 0x0AFF),
    ("Oriya", 0x0B00, 0x0B7F),
    ("Tamil", 0x0B80, 0x0BFF),
    ("Telugu", 0x0C00, 0x0C7F),
    ("Kannada", 0x0C80, 0x0CFF),
    ("Malayalam", 0x0D00, 0x0D7F),
    ("Sinhala", 0x0D80, 0x0DFF),
    ("Thai", 0x0E00, 0x0E7F),
    ("Lao", 0x0E80, 0x0EFF),
    ("Tibetan", 0x0F00, 0x0FFF),
    ("Myanmar", 0x1000, 0x109F),
    ("Georgian", 0x10A0, 0x10FF),
    ("HangulJamo", 0x1100, 0x11FF),
    ("Ethiopic", 0x1200, 0x137F),
    ("Cherokee", 0x13A0, 0x13FF),
    ("UnifiedCanadianAboriginalSyllabics", 0x1400, 0x167F),
    ("Ogham", 0x1680, 0x169F),
    ("Runic", 0x16A0, 0x16FF),
    ("Khmer", 0x1780, 0x17FF),
    ("Mongolian", 0x1800, 0x18AF),
    ("LatinExtendedAdditional", 0x1E00, 0x1EFF),
    ("GreekExtended", 0x1F00, 0x1FFF),
    ("GeneralPunctuation", 0x2000, 0x206F),
    ("SuperscriptsandSubscripts", 0x2070, 0x209F),
    ("CurrencySymbols", 0x20A0, 0x20CF),
    ("CombiningMarksforSymbols", 0x20D0, 0x20FF),
    ("LetterlikeSymbols", 0x2100, 0x214F),
    ("NumberForms", 0x2150, 0x218F),
    ("Arrows", 0x2190, 0x21FF),
    ("MathematicalOperators", 0x2200, 0x22FF),
    ("MiscellaneousTechnical", 0x2300, 0x23FF),
    ("ControlPictures", 0x2400, 0x243F),
    ("OpticalCharacterRecognition", 0x2440, 0x245F),
    ("EnclosedAlphanumerics", 0x2460, 0x24FF),
    ("BoxDrawing", 0x2500, 0x257F),
    ("BlockElements", 0x2580, 0x259F),
    ("GeometricShapes", 0x25A0, 0x25FF),
    ("MiscellaneousSymbols", 0x2600, 0x26FF),
    ("Dingbats", 0x2700, 0x27BF),
    ("BraillePatterns", 0x2800, 0x28FF),
    ("CJKRadicalsSupplement", 0x2E80, 0x2EFF),
    ("KangxiRadicals", 0x2F00, 0x2FDF),
    ("IdeographicDescriptionCharacters", 0x2FF0, 0x2FFF),
    ("CJKSymbolsandPunctuation", 0x3000, 0x303F),
    ("Hiragana", 0x3040, 0x309F),
    ("Katakana", 0x30A0, 0x30FF),
    ("Bopomofo", 0x3100, 0x312F),
    ("HangulCompatibilityJamo", 0x3130, 0x318F),
    ("Kanbun", 0x3190, 0x319F),
    ("BopomofoExtended", 0x31A0, 0x31BF),
    ("EnclosedCJKLettersandMonths", 0x3200, 0x32FF),
    ("CJKCompatibility", 0x3300, 0x33FF),
    ("CJKUnifiedIdeographsExtensionA", 0x3400, 0x4DB5),
    ("CJKUnifiedIdeographs", 0x4E00, 0x9FFF),
    ("YiSyllables", 0xA000, 0xA48F),
    ("YiRadicals", 0xA490, 0xA4CF),
    ("HangulSyllables", 0xAC00, 0xD7A3),
    ("PrivateUse", 0xE000, 0xF8FF),
    ("PrivateUse", 0xF0000, 0xFFFFD),
    ("PrivateUse", 0x10_0000, 0x10_FFFD),
    ("CJKCompatibilityIdeographs", 0xF900, 0xFAFF),
    ("AlphabeticPresentationForms", 0xFB00, 0xFB4F),
    ("ArabicPresentationForms-A", 0xFB50, 0xFDFF),
    ("CombiningHalfMarks", 0xFE20, 0xFE2F),
    ("CJKCompatibilityForms", 0xFE30, 0xFE4F),
    ("SmallFormVariants", 0xFE50, 0xFE6F),
    ("ArabicPresentationForms-B", 0xFE70, 0xFEFE),
    ("Specials", 0xFEFF, 0xFEFF),
    ("HalfwidthandFullwidthForms", 0xFF00, 0xFFEF),
    ("Specials", 0xFFF0, 0xFFFD),
    ("OldItalic", 0x10300, 0x1032F),
    ("Gothic", 0x10330, 0x1034F),
    ("Deseret", 0x10400, 0x1044F),
    ("ByzantineMusicalSymbols", 0x1D000, 0x1D0FF),
    ("MusicalSymbols", 0x1D100, 0x1D1FF),
    ("MathematicalAlphanumericSymbols", 0x1D400, 0x1D7FF),
    ("CJKUnifiedIdeographsExtensionB", 0x20000, 0x2A6D6),
    ("CJKCompatibilityIdeographsSupplement", 0x2F800, 0x2FA1F),
    ("Tags", 0xE0000, 0xE007F),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, good: &[&str], bad: &[&str]) {
        let regex = compile(&[pattern]).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        for text in good {
            assert!(regex.is_match(*text), "{pattern} takes {text}");
        }
        for text in bad {
            assert!(!regex.is_match(*text), "{pattern} refuses {text}");
        }
    }

    #[test]
    fn means_what_the_standard_says() {
        matches("a|b", &["a", "b"], &["ab", "", "xa", "a\n"]);
        matches("", &[""], &["a"]);
        matches("^a$", &["^a$"], &["a"]);
        matches(r"\d{4}", &["1234", "١٢٣٤"], &["123", "12345", "12a4"]);
        matches("[a-z-[aeiou]]+", &["xyz"], &["xaz", "-"]);
        matches("[^a-z-[0-9]]", &["A", "-"], &["a", "5"]);
        matches("[a-z-[b-y-[m]]]", &["a", "m", "z"], &["b", "l", "y"]);
        matches("[-a]", &["-", "a"], &["b"]);
        matches("[a-]", &["-", "a"], &["b"]);
        matches(r"[\-+&&~~]", &["-", "+", "&", "~"], &["a", ""]);
        matches(r"[\s\d.]+", &["1 .\t2"], &["a"]);
        matches(r"\i\c*", &["a:b", "_1", "Øl"], &["1a", "-"]);
        matches(r"\I\C", &["1 ", "-\u{2014}"], &["a ", "1a"]);
        matches(r"\p{IsBasicLatin}+\P{IsBasicLatin}", &["aæ"], &["æ", "ab"]);
        matches(r"[\p{Lu}\p{Nd}]+", &["AÆ1"], &["a"]);
        matches(r"\w\W", &["a ", "+."], &["a+"]);
        matches(".", &["a", "\u{85}", "\u{2028}"], &["\n", "\r", ""]);
        matches("a{2,3}b{0}c{1,}", &["aac", "aaacc"], &["ac", "aabc"]);
        matches("(ab)?(c|d)*", &["", "abcdcd", "d"], &["abab"]);
        matches("a}", &["a}"], &["a"]);
    }

    #[test]
    fn refuses_what_the_standard_does_not_know() {
        for bad in [
            "(",
            ")",
            "a)",
            "*",
            "a**",
            "a+?",
            "(?:a)",
            "(?i)a",
            "[",
            "[]",
            "[a",
            "a{2",
            "a{,2}",
            "a{3,2}",
            "a{x}",
            r"\",
            r"\b",
            r"\1",
            r"\$",
            r"\p{Foo}",
            r"\p{IsFoo}",
            r"\pL",
            "[z-a]",
            "[a-z-9]",
            r"[a-\d]",
            "]",
            "{2}",
            "[[a]]",
            "[a-[b]c]",
            r"\u0041",
        ] {
            assert!(compile(&[bad]).is_err(), "{bad}");
        }
        assert_eq!(compile(&[r"ab\q"]).unwrap_err(), PatternError::Syntax { at: 4 });
    }

    #[test]
    fn patterns_of_one_step_are_alternatives() {
        let regex = compile(&["a|b", "c"]).unwrap();
        assert!(regex.is_match("a") && regex.is_match("c") && !regex.is_match("ac"));
    }

    #[test]
    fn nothing_explodes() {
        // One of the official patterns; a backtracking engine needs 2^40 steps for this.
        let regex = compile(&[r"(\d+\.?)*\d+"]).unwrap();
        assert!(!regex.is_match(&format!("{}x", "1".repeat(100_000))));
        assert!(regex.is_match(&"1.2".repeat(1_000)));
        assert_eq!(compile(&[r"(\i{1000}){1000}"]).unwrap_err(), PatternError::TooLarge);
        assert_eq!(compile(&["(".repeat(100_000)]).unwrap_err(), PatternError::TooLarge);
        assert_eq!(compile(&["[a-".repeat(100_000)]).unwrap_err(), PatternError::TooLarge);
    }
}
