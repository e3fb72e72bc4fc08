//! Words into lines.
//!
//! A line breaks at a blank, else behind a hyphen inside a word, else where it is full. The blank stays at
//! the end of its line, where it is not seen, so that words are apart in the text that is copied.

use crate::fonts::{Face, Fonts};
use message_schemas::document::view::{Inline, Shift, Style};
use unicode_normalization::UnicodeNormalization;

/// Height of a line, in parts of the font size.
pub(crate) const LEADING: f32 = 1.32;
/// Where the letters stand in it.
pub(crate) const BASELINE: f32 = 0.97;
/// Columns between tab stops.
const TAB: usize = 8;

/// An ink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ink {
    /// Text.
    Black,
    /// Headings.
    Blue,
    /// Labels, and what stands on the edge of a page.
    Grey,
    /// Warnings.
    Red,
}

/// How a piece of text is to look before its own style is laid over it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base {
    pub size: f32,
    pub bold: bool,
    pub ink: Ink,
}

/// How a run looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    pub face: Face,
    pub size: f32,
    /// Above the line, in points.
    pub raised: f32,
    pub underlined: bool,
    pub struck: bool,
    pub ink: Ink,
}

impl Base {
    fn look(self, style: Style) -> Look {
        let face = if style.laid_out {
            Face::Mono
        } else if style.bold || self.bold {
            Face::Bold
        } else if style.italic {
            Face::Oblique
        } else {
            Face::Regular
        };
        let size = if style.laid_out { self.size * 0.86 } else { self.size };
        let (size, raised) = match style.shift {
            Shift::None => (size, 0.0),
            Shift::Raised => (size * 0.7, size * 0.35),
            Shift::Lowered => (size * 0.7, size * -0.15),
        };
        Look { face, size, raised, underlined: style.underlined, struck: style.struck, ink: self.ink }
    }
}

/// A word that is as wide as its column is not broken because sums of fractions differ.
const ROUNDED: f32 = 0.01;

/// Text in one look, at its place in a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// From the left of the line, in points.
    pub x: f32,
    pub width: f32,
    pub text: String,
    pub look: Look,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TextLine {
    pub runs: Vec<Run>,
    /// Without blanks at its end.
    pub width: f32,
}

/// A character with what it takes to place it.
#[derive(Clone, Copy)]
struct Atom {
    c: char,
    advance: f32,
    look: Look,
}

/// What words say, in one line.
pub(crate) fn said(words: &[Inline]) -> String {
    let pieces = words.iter().map(|piece| if let Inline::Text(text, _) = piece { text } else { " " });
    let text: String = pieces.flat_map(|text| text.nfc().filter_map(drawable)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The widest word, and the whole if nothing were broken: what a column needs, and what it wishes.
pub(crate) fn measure(fonts: &Fonts, words: &[Inline], base: Base) -> (f32, f32) {
    let (mut widest_word, mut widest) = (0.0_f32, 0.0_f32);
    for line in atoms(fonts, words, base) {
        let (mut word, mut all, mut visible) = (0.0_f32, 0.0_f32, 0.0_f32);
        for (at, atom) in line.iter().enumerate() {
            all += atom.advance;
            if atom.c == ' ' {
                word = 0.0;
                continue;
            }
            word += atom.advance;
            visible = all;
            widest_word = widest_word.max(word);
            if breaks_behind(&line, at) {
                word = 0.0;
            }
        }
        widest = widest.max(visible);
    }
    (widest_word, widest)
}

/// Lines no wider than `width`, unless one character alone is.
pub(crate) fn lines(fonts: &Fonts, words: &[Inline], base: Base, width: f32) -> Vec<TextLine> {
    let mut lines = Vec::new();
    for line in atoms(fonts, words, base) {
        if line.is_empty() {
            lines.push(TextLine::default());
        }
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            let (this, next) = rest.split_at(fitting(rest, width));
            lines.push(set(this));
            rest = next;
        }
    }
    lines
}

/// How many characters go on the line; at least one.
fn fitting(atoms: &[Atom], width: f32) -> usize {
    let (mut used, mut breakable) = (0.0_f32, 0);
    for (at, atom) in atoms.iter().enumerate() {
        if atom.c == ' ' {
            used += atom.advance;
            breakable = at + 1;
            continue;
        }
        if used + atom.advance > width + ROUNDED && at > 0 {
            return if breakable > 0 { breakable } else { at };
        }
        used += atom.advance;
        if breaks_behind(atoms, at) {
            breakable = at + 1;
        }
    }
    atoms.len()
}

/// Behind a hyphen or slash between letters; never in `-5` or `1-2`.
fn breaks_behind(atoms: &[Atom], at: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| atoms.get(at)).is_some_and(|a| a.c.is_alphabetic());
    matches!(atoms.get(at).map(|a| a.c), Some('-' | '/' | '\u{2010}'))
        && letter(at.checked_sub(1))
        && letter(Some(at + 1))
}

fn set(atoms: &[Atom]) -> TextLine {
    let mut line = TextLine::default();
    let mut x = 0.0_f32;
    for atom in atoms {
        match line.runs.last_mut() {
            Some(run) if run.look == atom.look => {
                run.text.push(atom.c);
                run.width += atom.advance;
            }
            _ => {
                line.runs.push(Run { x, width: atom.advance, text: atom.c.into(), look: atom.look });
            }
        }
        x += atom.advance;
        if atom.c != ' ' {
            line.width = x;
        }
    }
    line
}

/// The characters of each line that the text itself begins.
fn atoms(fonts: &Fonts, words: &[Inline], base: Base) -> Vec<Vec<Atom>> {
    let mut lines = vec![Vec::new()];
    for piece in words {
        match piece {
            Inline::Break => lines.push(Vec::new()),
            Inline::Text(text, style) => {
                let look = base.look(*style);
                if let Some(line) = lines.last_mut() {
                    for c in text.nfc().filter_map(drawable) {
                        let times = if c == '\t' { TAB - line.len() % TAB } else { 1 };
                        let c = if c == '\t' { ' ' } else { c };
                        let glyph = fonts.glyph(look.face, c);
                        let atom = Atom {
                            c,
                            advance: glyph.advance * look.size,
                            look: Look { face: glyph.face, ..look },
                        };
                        line.extend(std::iter::repeat_n(atom, times));
                    }
                }
            }
        }
    }
    lines
}

/// What can stand on paper and in the text of a PDF for archives: no controls, no private characters.
fn drawable(c: char) -> Option<char> {
    match c {
        '\t' => Some(c),
        '\n' | '\r' | '\u{a0}' | '\u{202f}' | '\u{2007}' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{ad}'
        | '\u{feff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' => None,
        '\u{fff0}'..='\u{fffc}' | '\u{fe00}'..='\u{fe0f}' => None,
        c if c.is_control() => None,
        '\u{e000}'..='\u{f8ff}' | '\u{fffe}' | '\u{ffff}' | '\u{f0000}'..='\u{10ffff}' => Some('\u{fffd}'),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Base = Base { size: 10.0, bold: false, ink: Ink::Black };

    fn broken(text: &str, width: f32) -> Vec<String> {
        let fonts = Fonts::get().expect("fonts");
        let words = [Inline::Text(text.into(), Style::default())];
        let lines = lines(fonts, &words, BASE, width);
        assert!(lines.iter().all(|l| l.width <= width || l.runs[0].text.chars().count() == 1), "too wide");
        lines.into_iter().map(|l| l.runs.into_iter().map(|r| r.text).collect()).collect()
    }

    #[test]
    fn lines_break_at_blanks_then_hyphens_then_anywhere() {
        assert_eq!(broken("en to tre", 30.0), ["en to ", "tre"]);
        assert_eq!(broken("B-Hemoglobin", 62.0), ["B-", "Hemoglobin"]);
        assert_eq!(broken("-5 1-2", 1_000.0), ["-5 1-2"]);
        let long = "x".repeat(50);
        let parts = broken(&long, 40.0);
        assert!(parts.len() > 5 && parts.concat() == long);
        assert_eq!(broken("ab", 1.0), ["a", "b"]);
    }

    #[test]
    fn accents_join_their_letters_and_controls_go() {
        assert_eq!(broken("a\u{30a}\u{200b}s \u{e001}\u{7}", 1_000.0), ["ås \u{fffd}"]);
    }

    #[test]
    fn tabs_go_to_their_stops() {
        let fonts = Fonts::get().expect("fonts");
        let style = Style { laid_out: true, ..Style::default() };
        let words =
            [Inline::Text("a\tb".into(), style), Inline::Break, Inline::Text("abcdefgh\tb".into(), style)];
        let lines = lines(fonts, &words, BASE, 1_000.0);
        assert_eq!(lines[0].runs[0].text, format!("a{}b", " ".repeat(7)));
        assert_eq!(lines[1].runs[0].text, format!("abcdefgh{}b", " ".repeat(8)));
    }
}
