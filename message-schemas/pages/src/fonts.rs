//! The typefaces, and which of them has a character.
//!
//! DejaVu, because one family has the letters of Norwegian and all Sámi languages, Greek, Cyrillic, arrows,
//! boxes and the signs of laboratories. The condensed cut lets seven columns of results stand side by side.
//! What a face does not have is looked for in the next; what none has is drawn as the sign for that, and
//! stays in the text that can be copied.

use krilla::text::Font;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider};
use std::sync::LazyLock;

static REGULAR: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed.ttf");
static BOLD: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed-Bold.ttf");
static OBLIQUE: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed-Oblique.ttf");
static MONO: &[u8] = include_bytes!("../fonts/DejaVuSansMono.ttf");

/// Characters below this have their glyphs in a table: nearly all that is ever written.
const COMMON: u32 = 0x250;

/// A cut of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Face {
    Regular,
    Bold,
    Oblique,
    /// All characters equally wide, for what senders laid out with blanks.
    Mono,
}

/// A character as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Glyph {
    /// The face that has it.
    pub face: Face,
    /// Its number in that face.
    pub id: u16,
    /// How far it moves the pen, in parts of the font size.
    pub advance: f32,
}

struct Loaded {
    font: Font,
    charmap: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    units: f32,
    common: Vec<Option<(u16, f32)>>,
}

impl Loaded {
    fn new(bytes: &'static [u8]) -> Option<Self> {
        let font = FontRef::new(bytes).ok()?;
        let units = f32::from(font.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        let mut loaded = Self {
            font: Font::new(bytes.into(), 0)?,
            charmap: font.charmap(),
            metrics: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
            units,
            common: Vec::new(),
        };
        loaded.common = (0..COMMON).map(|c| char::from_u32(c).and_then(|c| loaded.look_up(c))).collect();
        Some(loaded)
    }

    fn look_up(&self, c: char) -> Option<(u16, f32)> {
        let id = self.charmap.map(c)?;
        let short = u16::try_from(id.to_u32()).ok().filter(|id| *id != 0)?;
        Some((short, self.metrics.advance_width(id)? / self.units))
    }

    fn glyph(&self, c: char) -> Option<(u16, f32)> {
        match self.common.get(c as usize) {
            Some(known) => *known,
            None => self.look_up(c),
        }
    }
}

/// All faces.
pub(crate) struct Fonts {
    regular: Loaded,
    bold: Loaded,
    oblique: Loaded,
    mono: Loaded,
}

static FONTS: LazyLock<Option<Fonts>> = LazyLock::new(|| {
    Some(Fonts {
        regular: Loaded::new(REGULAR)?,
        bold: Loaded::new(BOLD)?,
        oblique: Loaded::new(OBLIQUE)?,
        mono: Loaded::new(MONO)?,
    })
});

impl Fonts {
    /// The faces, read once. None if the fonts in this program are broken, which a test would have found.
    pub(crate) fn get() -> Option<&'static Self> {
        FONTS.as_ref()
    }

    fn loaded(&self, face: Face) -> &Loaded {
        match face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
            Face::Oblique => &self.oblique,
            Face::Mono => &self.mono,
        }
    }

    /// For embedding.
    pub(crate) fn font(&self, face: Face) -> Font {
        self.loaded(face).font.clone()
    }

    /// How a character is drawn where this face is wanted.
    pub(crate) fn glyph(&self, face: Face, c: char) -> Glyph {
        const UNKNOWN: char = '\u{FFFD}';
        // A no-break blank is as wide as a blank, and is one where text is copied.
        let c = if c == '\u{a0}' { ' ' } else { c };
        for (face, c) in [(face, c), (Face::Regular, c), (Face::Mono, c), (Face::Regular, UNKNOWN)] {
            if let Some((id, advance)) = self.loaded(face).glyph(c) {
                return Glyph { face, id, advance };
            }
        }
        Glyph { face: Face::Regular, id: 0, advance: 0.6 }
    }

    /// How wide a text is in one face at a size.
    pub(crate) fn width(&self, face: Face, size: f32, text: &str) -> f32 {
        text.chars().map(|c| self.glyph(face, c).advance * size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_face_has_the_letters_of_the_north_and_the_signs_of_laboratories() {
        let fonts = Fonts::get().expect("the fonts can be read");
        for face in [Face::Regular, Face::Bold, Face::Oblique, Face::Mono] {
            for c in "abcæøåÆØÅáčđŋšŧžÁČĐŊŠŦŽõäöÕÄÖïÏâÂéÉüµμ≥≤±°×·–—«»“”’…½¼²³‰→↑↓←✓☐☑•αβγ".chars()
            {
                let glyph = fonts.glyph(face, c);
                assert!(glyph.id != 0 && glyph.advance > 0.1, "{c} in {face:?}");
                assert!(glyph.face == face || !c.is_alphabetic(), "{c} is in {face:?} itself");
            }
        }
    }

    #[test]
    fn what_no_face_has_is_shown_as_such() {
        let fonts = Fonts::get().expect("the fonts can be read");
        let unknown = fonts.glyph(Face::Bold, '\u{FFFD}');
        let missing = fonts.glyph(Face::Bold, '漢');
        assert_eq!(
            (missing.face, missing.advance),
            (Face::Regular, fonts.glyph(Face::Regular, '\u{FFFD}').advance)
        );
        assert!(missing.id != 0 && unknown.id != 0);
    }
}
