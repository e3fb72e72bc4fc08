//! Pages into bytes.

use crate::Fault;
use crate::flow::{Mark, TEXT};
use crate::fonts::{Face, Fonts};
use crate::sheet::{Draw, HEIGHT, MARGIN, Sheets, WIDTH};
use crate::structure::{PartId, Structure};
use crate::text::{Ink, Look, Run};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, SpanTag};
use krilla::text::{GlyphId, KrillaGlyph};
use krilla::{Document, SerializeSettings};
use message_schemas::document::View;

/// Size of what stands on the edge of every page.
const SMALL: f32 = 7.5;
/// Height of a rule.
const HAIR: f32 = 0.5;

/// What stands on every page.
pub(crate) struct Edges {
    pub left: String,
    /// What the document is; shortened where there is no room for it beside the date.
    pub right: String,
    /// Which version it is: written whole.
    pub date: String,
    pub below: String,
}

/// Writes the document.
pub(crate) fn write(
    view: &View,
    fonts: &Fonts,
    sheets: &Sheets<'_>,
    mut structure: Structure,
    edges: &Edges,
) -> Result<Vec<u8>, Fault> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|_| Fault::NotWritten)?;
    let mut document =
        Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let total = sheets.pages.len();
    for (n, draws) in sheets.pages.iter().enumerate() {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(Fault::NotWritten)?;
        let mut page = document.start_page_with(settings);
        let mut pen = Pen { surface: page.surface(), fonts, structure: &mut structure };
        pen.edges(edges, n + 1, total);
        for draw in draws {
            pen.draw(draw);
        }
        drop(pen); // which ends the surface
        page.finish();
    }
    let mut outline = Outline::new();
    for bookmark in &sheets.bookmarks {
        let place = XyzDestination::new(bookmark.page, Point::from_xy(0.0, bookmark.y));
        outline.push_child(OutlineNode::new(bookmark.title.to_owned(), place));
    }
    document.set_outline(outline);
    document.set_metadata(metadata(view));
    document.set_tag_tree(structure.into_tree(&view.language));
    document.finish().map_err(|_| Fault::NotWritten)
}

/// Nothing of the patient: viewers show these fields where files are listed.
fn metadata(view: &View) -> Metadata {
    let mut metadata = Metadata::new()
        .title(view.title.clone())
        .language(view.language.clone())
        .creator("Budstikke".to_owned())
        .producer("Budstikke".to_owned());
    if let Some(id) = &view.id {
        metadata = metadata.document_id(id.clone());
    }
    // PDF/A wants a date, of a year in four digits.
    let at = TimeZone::UTC.to_datetime(view.made.unwrap_or(Timestamp::UNIX_EPOCH));
    let part = |n: i8| u8::try_from(n).unwrap_or_default();
    let date = DateTime::new(u16::try_from(at.year().clamp(1_000, 9_998)).unwrap_or_default())
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    metadata.creation_date(date)
}

fn colour(ink: Ink) -> rgb::Color {
    match ink {
        Ink::Black => rgb::Color::new(26, 26, 26),
        Ink::Blue => rgb::Color::new(31, 78, 121),
        Ink::Grey => rgb::Color::new(85, 85, 85),
        Ink::Red => rgb::Color::new(176, 0, 32),
    }
}

fn fill(colour: rgb::Color) -> Fill {
    Fill { paint: colour.into(), opacity: NormalizedF32::ONE, ..Fill::default() }
}

struct Pen<'a, 's> {
    surface: Surface<'a>,
    fonts: &'s Fonts,
    structure: &'s mut Structure,
}

impl Pen<'_, '_> {
    fn draw(&mut self, draw: &Draw<'_>) {
        match draw {
            Draw::Shade { x, y, width, height } => {
                self.artifact(ArtifactType::Layout, |pen| {
                    pen.rectangle(*x, *y, *width, *height, rgb::Color::new(243, 246, 249));
                });
            }
            Draw::Rule { x, y, width } => self.rule(*x, *y, *width),
            Draw::Line { line, y, again } => {
                let mut marks = line.marks.as_slice();
                while let Some((first, others)) = marks.split_first() {
                    let Mark::Words { part, .. } = first else {
                        if let Mark::Rule { x, width } = first {
                            self.rule(*x, *y + line.height / 2.0, *width);
                        }
                        marks = others;
                        continue;
                    };
                    let same = |mark: &&Mark| matches!(mark, Mark::Words { part: p, .. } if p == part);
                    let length = 1 + others.iter().take_while(same).count();
                    let (now, later) = marks.split_at(length);
                    self.words(now, *y, *part, *again);
                    marks = later;
                }
            }
        }
    }

    /// Runs of one part on one line; what stands there again is no content.
    fn words(&mut self, marks: &[Mark], y: f32, part: PartId, again: bool) {
        let tag = if again {
            ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther))
        } else {
            ContentTag::Span(SpanTag::empty())
        };
        let content = self.surface.start_tagged(tag);
        for mark in marks {
            if let Mark::Words { run, baseline, .. } = mark {
                self.run(run, run.x, y + baseline - run.look.raised);
            }
        }
        self.surface.end_tagged();
        if !again {
            self.structure.fill(part, content);
        }
        for mark in marks {
            if let Mark::Words { run, baseline, .. } = mark {
                self.strokes(run, y + baseline);
            }
        }
    }

    fn run(&mut self, run: &Run, x: f32, baseline: f32) {
        let mut glyphs = Vec::with_capacity(run.text.len());
        for (at, c) in run.text.char_indices() {
            let glyph = self.fonts.glyph(run.look.face, c);
            let range = at..at + c.len_utf8();
            let id = GlyphId::new(u32::from(glyph.id));
            glyphs.push(KrillaGlyph::new(id, glyph.advance, 0.0, 0.0, 0.0, range, None));
        }
        self.surface.set_fill(Some(fill(colour(run.look.ink))));
        let font = self.fonts.font(run.look.face);
        self.surface.draw_glyphs(Point::from_xy(x, baseline), &glyphs, font, &run.text, run.look.size, false);
    }

    /// Lines under or through words.
    fn strokes(&mut self, run: &Run, baseline: f32) {
        let heights = [(run.look.underlined, 0.12), (run.look.struck, -0.28)];
        for (_, height) in heights.iter().filter(|(on, _)| *on) {
            let y = baseline + run.look.size * height;
            self.artifact(ArtifactType::Layout, |pen| {
                pen.rectangle(run.x, y, run.width, run.look.size * 0.06, colour(run.look.ink));
            });
        }
    }

    fn rule(&mut self, x: f32, y: f32, width: f32) {
        self.artifact(ArtifactType::Layout, |pen| {
            pen.rectangle(x, y - HAIR / 2.0, width, HAIR, rgb::Color::new(190, 198, 206));
        });
    }

    fn artifact(&mut self, kind: ArtifactType, draw: impl FnOnce(&mut Self)) {
        self.surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(kind)));
        draw(self);
        self.surface.end_tagged();
    }

    fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32, colour: rgb::Color) {
        let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
        let mut path = PathBuilder::new();
        path.push_rect(rect);
        if let Some(path) = path.finish() {
            self.surface.set_fill(Some(fill(colour)));
            self.surface.draw_path(&path);
        }
    }

    fn edges(&mut self, edges: &Edges, page: usize, total: usize) {
        let room = WIDTH - 2.0 * MARGIN;
        self.artifact(ArtifactType::Header, |pen| {
            let date = pen.fonts.width(Face::Regular, SMALL, &edges.date);
            let right = pen.shortened(&edges.right, room * 0.5 - date);
            let between = if right.is_empty() || edges.date.is_empty() { "" } else { " · " };
            let width = pen.small(&[&right, between, &edges.date].concat(), None, 40.0);
            let left = pen.shortened(&edges.left, room - width - TEXT);
            pen.small(&left, Some(MARGIN), 40.0);
            pen.rectangle(MARGIN, 46.0, room, HAIR, colour(Ink::Blue));
        });
        self.artifact(ArtifactType::Footer, |pen| {
            let width = pen.small(&format!("Side {page} av {total}"), None, HEIGHT - 30.0);
            let left = pen.shortened(&edges.below, room - width - TEXT);
            pen.small(&left, Some(MARGIN), HEIGHT - 30.0);
        });
    }

    /// Small words from a place, or up to the right margin. Their width.
    fn small(&mut self, text: &str, x: Option<f32>, baseline: f32) -> f32 {
        let width = self.fonts.width(Face::Regular, SMALL, text);
        let x = x.unwrap_or(WIDTH - MARGIN - width);
        // Each character may be in a face of its own.
        let mut pen = x;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let face = self.fonts.glyph(Face::Regular, first).face;
            let end = rest.char_indices().find(|(_, c)| self.fonts.glyph(Face::Regular, *c).face != face);
            let (now, later) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            let look =
                Look { face, size: SMALL, raised: 0.0, underlined: false, struck: false, ink: Ink::Grey };
            let width = self.fonts.width(face, SMALL, now);
            self.run(&Run { x: pen, width, text: now.to_owned(), look }, pen, baseline);
            pen += width;
            rest = later;
        }
        width
    }

    /// As much of a text as there is room for. Of a long one no more is looked at.
    fn shortened(&self, text: &str, room: f32) -> String {
        let width = |text: &str| self.fonts.width(Face::Regular, SMALL, text);
        let dots = width("…");
        let (mut used, mut end) = (0.0_f32, 0);
        for (at, c) in text.char_indices() {
            used += width(c.encode_utf8(&mut [0; 4]));
            if used > room {
                return format!("{}…", text.get(..end).unwrap_or_default().trim_end());
            }
            if used + dots <= room {
                end = at + c.len_utf8();
            }
        }
        text.to_owned()
    }
}
