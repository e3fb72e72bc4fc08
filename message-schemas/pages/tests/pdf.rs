//! PDFs as others see them: poppler reads the text, the fonts and the pages.

use message_schemas::document::view::{Align, Block, Cell, Inline, Section, Style, Table, View};
use message_schemas::document::{self, Options};
use message_schemas::{Limits, xml};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every XML file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "xml") {
            found.push(path);
        }
    }
}

/// The view of every document that our samples give, and the official ones beside the project.
fn views() -> Vec<(String, View)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut messages = Vec::new();
    files(&root.join("../samples"), &mut messages);
    let official = root.join("../../../shared/kith/examples");
    if official.exists() {
        files(&official, &mut messages);
    } else {
        assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "no ../shared, and REQUIRE_SHARED is set");
        println!("skipped: official samples as pages (no ../shared)");
    }
    messages.sort();
    let mut views = Vec::new();
    for path in messages {
        let bytes = std::fs::read(&path).expect("a sample");
        let Ok(decoded) = xml::decode(&bytes) else { continue };
        let Ok(tree) = xml::Tree::parse(&decoded.text, &Limits::default()) else { continue };
        let name =
            path.components().rev().take(2).map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>();
        for document in document::translate(&decoded.text, &tree, &Options::default()).unwrap_or_default() {
            views.push((name.join(" of "), View::read(&document.json).expect("a view")));
        }
    }
    assert!(views.len() >= 100, "{} documents", views.len());
    views
}

/// Runs one of poppler's tools on a PDF; none, and a word about it, if it is not installed.
fn poppler(tool: &str, arguments: &[&str], pdf: &[u8]) -> Option<String> {
    let there = Command::new(tool).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|v| v == "1");
        assert!(!required, "{tool} is missing, and REQUIRE_ORACLES is 1");
        println!("skipped: PDFs as {tool} sees them (not installed)");
        return None;
    }
    let desk = tempfile::tempdir().expect("a folder");
    let path = desk.path().join("document.pdf");
    std::fs::write(&path, pdf).expect("written");
    let mut command = Command::new(tool);
    if tool == "pdftotext" {
        command.args(arguments).arg(&path).arg("-");
    } else {
        command.args(arguments).arg(&path);
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

fn words(view: &View) -> Vec<String> {
    fn collect(blocks: &[Block], out: &mut String) {
        let line = |words: &[Inline], out: &mut String| {
            for piece in words {
                out.push_str(if let Inline::Text(text, _) = piece { text } else { " " });
            }
            out.push(' ');
        };
        for block in blocks {
            match block {
                Block::Heading(_, words) | Block::Paragraph(_, words) => line(words, out),
                Block::List(_, items) => items.iter().for_each(|item| collect(item, out)),
                Block::Table(table) => {
                    line(&table.caption, out);
                    let rows = table.head.iter().chain(&table.body);
                    rows.flatten().for_each(|cell| collect(&cell.blocks, out));
                }
                Block::Quote(inside) => collect(inside, out),
                Block::Rule | Block::Picture(_) => {}
            }
        }
    }
    let mut text = view.title.clone();
    for section in &view.sections {
        text.push(' ');
        text.push_str(&section.title);
        text.push(' ');
        collect(&section.blocks, &mut text);
    }
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_document_of_every_family_is_on_its_pages() {
    for (name, view) in views() {
        let pdf = pages::pdf(&view).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(pdf == pages::pdf(&view).expect("a PDF"), "{name}: the same view gives the same bytes");
        let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
        for word in words(&view) {
            // A longer one may be broken where its column is narrow.
            assert!(word.chars().count() > 12 || text.contains(&word), "{name}: {word} is not on the pages");
        }
        let patient = view.patient.as_ref().map(|p| p.name.clone()).unwrap_or_default();
        let pages: Vec<&str> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
        for (n, page) in pages.iter().enumerate() {
            assert!(page.contains(&format!("Side {} av {}", n + 1, pages.len())), "{name}: page {}", n + 1);
            assert!(page.contains(&patient), "{name}: whose page is {}?", n + 1);
        }
    }
}

fn view(blocks: Vec<Block>) -> View {
    let json = br#"{"resourceType":"Bundle","identifier":{"value":"urn:uuid:00000000-0000-5000-8000-000000000000"},
        "entry":[{"resource":{"resourceType":"Composition","status":"final","language":"nb-NO","title":"Epikrise",
        "date":"2025-03-04T09:00:00Z"}}]}"#;
    let mut view = View::read(json).expect("a view");
    view.sections.push(Section { title: "Funn".into(), level: 1, blocks });
    view
}

fn paragraph(text: &str) -> Block {
    Block::Paragraph(Align::Start, vec![Inline::Text(text.into(), Style::default())])
}

fn cell(text: &str) -> Cell {
    Cell { heads: false, columns: 1, rows: 1, blocks: vec![paragraph(text)] }
}

#[test]
fn letters_of_the_north_and_signs_of_laboratories_can_be_copied() {
    let letters = "æøå ÆØÅ áčđŋšŧž ÁČĐŊŠŦŽ õäö ïâ µmol/L ≥ ≤ ± ° × → ↑ α β « »";
    let plain = Style::default();
    let styles = [
        plain,
        Style { bold: true, ..plain },
        Style { italic: true, ..plain },
        Style { laid_out: true, ..plain },
        Style { struck: true, underlined: true, ..plain },
    ];
    let blocks =
        styles.map(|style| Block::Paragraph(Align::Start, vec![Inline::Text(letters.into(), style)]));
    let pdf = pages::pdf(&view(blocks.into())).expect("a PDF");
    let Some(text) = poppler("pdftotext", &[], &pdf) else { return };
    assert_eq!(text.matches(letters).count(), 5, "{text}");
    let fonts = poppler("pdffonts", &[], &pdf).expect("the same tools");
    let rows: Vec<&str> = fonts.lines().skip(2).collect();
    assert_eq!(rows.len(), 4, "{fonts}");
    for row in rows {
        let yes = row.split_whitespace().filter(|word| *word == "yes").count();
        assert_eq!(yes, 3, "embedded, subset, and with a way back to text: {row}");
    }
}

#[test]
fn what_no_font_has_can_still_be_copied() {
    let pdf = pages::pdf(&view(vec![paragraph("漢 og 字 og \u{e001}")])).expect("a PDF");
    let Some(text) = poppler("pdftotext", &[], &pdf) else { return };
    assert!(text.contains("漢 og 字 og \u{fffd}"), "{text}");
}

#[test]
fn a_table_goes_on_over_pages_under_its_head() {
    let head = vec![["Undersøkelse", "Resultat", "Enhet"].map(cell).into()];
    let body =
        (0..10_000).map(|n| vec![cell(&format!("Analyse {n}")), cell(&format!("{n},5")), cell("mmol/L")]);
    let table = Table { caption: Vec::new(), head, body: body.collect() };
    let pdf = pages::pdf(&view(vec![Block::Table(table)])).expect("a PDF");
    let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
    let pages: Vec<&str> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert!(pages.len() > 100 && pages.len() < 400, "{} pages", pages.len());
    assert!(pages.iter().all(|page| page.contains("Undersøkelse Resultat Enhet")), "a page without the head");
    assert!((0..10_000).all(|n| text.contains(&format!("Analyse {n} {n},5 mmol/L"))), "a row is missing");
}

#[test]
fn nothing_a_sender_can_write_hangs_or_breaks_it() {
    let word = "x".repeat(100_000);
    let wide = vec![(0..200).map(|n| cell(&format!("c{n}"))).collect::<Vec<_>>()];
    let mut deep = vec![paragraph("bunn")];
    for _ in 0..12 {
        let within = Cell { heads: true, columns: 1, rows: 1, blocks: deep };
        deep = vec![Block::Table(Table { body: vec![vec![within]], ..Table::default() })];
    }
    let mut lists = vec![paragraph("innerst")];
    for _ in 0..12 {
        lists = vec![Block::Quote(vec![Block::List(Some(1), vec![lists])])];
    }
    let spanning = Cell { columns: 100, rows: 1_000, ..cell("stor") };
    let spans =
        Table { body: vec![vec![spanning.clone(), spanning], vec![cell("under")]], ..Table::default() };
    let long_cell = Table { body: vec![vec![cell("a"), cell(&"ord ".repeat(20_000))]], ..Table::default() };
    let empty = Table { body: vec![vec![], vec![cell("")]], ..Table::default() };
    let blocks = vec![
        paragraph(&word),
        Block::Table(Table { body: wide, ..Table::default() }),
        Block::Table(spans),
        Block::Table(long_cell),
        Block::Table(empty),
        Block::List(None, vec![Vec::new(), vec![Block::Rule]]),
        Block::Paragraph(Align::End, vec![Inline::Break, Inline::Break]),
    ];
    let all = [blocks, deep, lists].concat();
    let pdf = pages::pdf(&view(all)).expect("a PDF");
    let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
    for word in ["c199", "bunn", "innerst", "stor", "under"] {
        assert!(text.contains(word), "{word}");
    }
    assert_eq!(text.matches('x').count(), 100_000);
    assert_eq!(text.matches("ord").count(), 20_000);
}

#[test]
fn a_long_title_is_shortened_at_the_edge_of_a_page_and_the_date_never() {
    let mut view = view(vec![paragraph("tekst"); 100]);
    view.title = "Svarrapport - Patologi, histologi, cytologi og obduksjon av vev og væsker med mer".into();
    let pdf = pages::pdf(&view).expect("a PDF");
    let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
    let pages: Vec<&str> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert!(pages.len() > 1);
    for page in pages {
        assert!(page.contains("… · 04.03.2025 10:00"), "{page}");
    }
}

#[test]
fn a_name_of_any_length_and_a_time_of_any_year_are_written() {
    let mut long = view(vec![paragraph("Funn")]);
    long.sender = Some("sykehus ".repeat(200_000));
    let pdf = pages::pdf(&long).expect("a PDF");
    let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
    assert!(text.matches("sykehus").count() >= 200_000, "it is whole in the text");
    let mut odd = view(vec![paragraph("Funn")]);
    for second in [-62_135_596_800_i64, -62_135_600_400, 253_370_764_800, 253_402_207_200 - 3_600] {
        odd.made = Some(jiff::Timestamp::from_second(second).expect("in range"));
        assert!(pages::pdf(&odd).is_ok(), "{second}");
    }
}

#[test]
fn there_is_an_end_to_pages() {
    let lines = vec![paragraph("linje"); 300_000];
    assert_eq!(pages::pdf(&view(lines)), Err(pages::Fault::TooLong { pages: 3_000 }));
    let much = vec![paragraph(&"ord ".repeat(4_000_000))];
    assert_eq!(pages::pdf(&view(much)), Err(pages::Fault::TooLong { pages: 3_000 }));
}

/// The view of a report in which somebody wrote this markup.
fn written(markup: &str) -> View {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/svarrapport/document-pathology-markup");
    let text = std::fs::read_to_string(at.join("in.xml")).expect("a sample");
    let place = "<p>Hud med <strong>basalcellekarsinom</strong>.</p>";
    assert_eq!(text.matches(place).count(), 1);
    let text = text.replace(place, markup);
    let tree = xml::Tree::parse(&text, &Limits::default()).expect("XML");
    let documents = document::translate(&text, &tree, &Options::default()).expect("a document");
    View::read(&documents.first().expect("one").json).expect("a view")
}

#[test]
fn a_numbered_list_begins_where_its_sender_begins() {
    for (start, tag, signs) in [
        (" start='5'", "<ol start=\"5\">", ["5.", "6."]),
        (" start=' 09 '", "<ol start=\"9\">", ["9.", "10."]),
        (" start='0'", "<ol start=\"0\">", ["0.", "1."]),
        ("", "<ol>", ["1.", "2."]),
        (" start='1'", "<ol>", ["1.", "2."]),
        (" start='-3'", "<ol>", ["1.", "2."]),
        (" start='99999'", "<ol>", ["1.", "2."]),
        (" start='5x'", "<ol>", ["1.", "2."]),
        (" start='5' START='9'", "<ol start=\"5\">", ["5.", "6."]),
    ] {
        let view = written(&format!("<ol{start}><li>Tallpunkt</li><li>Nestepunkt</li></ol>"));
        let html = String::from_utf8(document::view::html(&view)).expect("UTF-8");
        assert!(html.contains(&format!("{tag}\n<li>Tallpunkt</li>")), "{start}: {html}");
        let pdf = pages::pdf(&view).expect("a PDF");
        let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
        for (sign, words) in signs.into_iter().zip(["Tallpunkt", "Nestepunkt"]) {
            assert!(text.contains(&format!("{sign} {words}")), "{start}: {text}");
        }
    }
}

#[test]
fn quoted_words_keep_their_marks() {
    let between = written("<ul><q><li>Punkt</li></q></ul><p><q>Ord<br/></q>.</p>");
    let html = String::from_utf8(document::view::html(&between)).expect("UTF-8");
    assert!(html.contains("<ul>\n<li>Punkt</li>\n</ul>"), "no words stand between items: {html}");
    let view = written("<p>Hun sa <q>aldri <b>Marevan</b>, <q>før</q></q>.</p>");
    let html = String::from_utf8(document::view::html(&view)).expect("UTF-8");
    assert!(html.contains("Hun sa «aldri <b>Marevan</b>, ‘før’».</p>"), "{html}");
    let pdf = pages::pdf(&view).expect("a PDF");
    let Some(text) = poppler("pdftotext", &["-raw"], &pdf) else { return };
    assert!(text.contains("Hun sa «aldri Marevan, ‘før’»."), "{text}");
}
