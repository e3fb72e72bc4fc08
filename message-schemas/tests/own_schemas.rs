//! Our own schema files mean what the official ones mean, and need nothing beside them.
#![expect(clippy::unwrap_used, reason = "a test")]

use message_schemas::schema::{SchemaSet, builtin, diff, export};
use message_schemas::{Limits, xml};
use std::path::{Path, PathBuf};

/// `../shared/kith` beside the workspace, if it is there.
fn kith() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kith");
    if root.is_dir() {
        return Some(root);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "no ../shared, and REQUIRE_SHARED is set");
    println!("skipped: comparison with the official files (no ../shared)");
    None
}

fn own() -> SchemaSet {
    let files = builtin().iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    SchemaSet::load(files).unwrap_or_else(|error| panic!("{error}")).0
}

fn official(kith: &Path) -> SchemaSet {
    let files = std::fs::read_dir(kith.join("schemas")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    });
    SchemaSet::load(files).unwrap_or_else(|error| panic!("{error}")).0
}

#[test]
fn the_set_knows_every_family() {
    let set = own();
    for known in export::KNOWN {
        let file = format!("{}.xsd", known.file);
        assert!(builtin().iter().any(|(name, _)| *name == file), "{file}");
        assert!(
            set.model().documents.iter().any(|d| &*d.namespace == known.namespace),
            "{}",
            known.namespace
        );
    }
    for (namespace, root) in [
        ("http://www.kith.no/xmlstds/msghead/2006-05-24", "MsgHead"),
        ("http://www.kith.no/xmlstds/apprec/2004-11-21", "AppRec"),
        ("http://www.kith.no/xmlstds/labsvar/2008-12-01", "Message"),
        ("http://ehelse.no/xmlstds/henvisning/2017-11-30", "Henvisning"),
        ("http://schemas.xmlsoap.org/soap/envelope/", "Envelope"),
        ("urn:ietf:params:xml:ns:icalendar-2.0", "icalendar"),
    ] {
        assert!(set.declares_root(namespace, root), "{namespace} {root}");
    }
}

#[test]
fn the_files_are_as_the_exporter_writes_them() {
    let written = export::export(own().model());
    let carried: Vec<(&str, &str)> =
        builtin().iter().map(|(name, bytes)| (*name, std::str::from_utf8(bytes).unwrap())).collect();
    for ((name, text), (other, carried)) in written.iter().zip(&carried) {
        assert!(name == other && text == carried, "{name} differs from what the exporter writes");
    }
    assert_eq!(written.len(), carried.len());
}

#[test]
fn our_set_equals_the_official_one() {
    let Some(kith) = kith() else { return };
    let differences = diff::diff(official(&kith).model(), own().model());
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn official_samples_have_the_same_verdicts_with_our_set() {
    let Some(kith) = kith() else { return };
    let set = own();
    let manifest = std::fs::read_to_string(kith.join("manifest.tsv")).unwrap();
    let mut wrong = Vec::new();
    for row in manifest.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (file, expected) = (columns[0], columns[8]);
        let bytes = std::fs::read(kith.join("examples").join(file)).unwrap();
        let verdict = xml::decode(&bytes).and_then(|d| set.validate(&d.text, &Limits::default()));
        let found = match verdict {
            Ok(v) if v.valid => "y",
            Ok(_) => "n",
            Err(_) => "-",
        };
        if found != expected {
            wrong.push(format!("{file}: {found}, manifest {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_text_of_the_official_files_is_carried() {
    let Some(kith) = kith() else { return };
    let own: String = builtin().iter().map(|(_, bytes)| std::str::from_utf8(bytes).unwrap()).collect();
    let set = official(&kith);
    let model = set.model();
    let notes = (model.documents.iter().filter_map(|d| d.documentation.as_deref()))
        .chain(model.elements.values().filter_map(|e| e.documentation.as_deref()))
        .chain(model.attributes.values().filter_map(|a| a.documentation.as_deref()));
    for line in notes.flat_map(str::lines).map(str::trim).filter(|line| line.split(' ').count() > 3) {
        assert!(!own.contains(line), "{line}");
    }
}

/// What the comparison finds when one thing at a time is changed in one of our files.
#[test]
fn every_kind_of_change_is_seen() {
    let changes = [
        ("svarrapport-1.3.xsd", " minOccurs=\"0\"", "", "occurrence"),
        ("svarrapport-1.3.xsd", "maxOccurs=\"unbounded\"", "maxOccurs=\"7\"", "occurrence"),
        ("kith.xsd", "base=\"xs:boolean\"", "base=\"xs:string\"", "base"),
        ("kith.xsd", "<xs:pattern value=\"true|false\"/>", "", "pattern"),
        ("xmldsig.xsd", "use=\"required\"", "", "use"),
        ("svarrapport-1.3.xsd", "type=\"kith:CS\"", "type=\"kith:CV\"", "type"),
        ("icalendar-2.0.xsd", " abstract=\"true\"", "", "abstract"),
        ("xmldsig.xsd", "processContents=\"lax\"", "", "occurrence"),
    ];
    let base = own();
    for (file, from, to, word) in changes {
        let files = builtin().iter().map(|(name, bytes)| {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(*name != file || text.contains(from), "{file} has no {from}");
            let text = if *name == file { text.replacen(from, to, 1) } else { text.to_owned() };
            ((*name).to_owned(), text.into_bytes())
        });
        let changed = SchemaSet::load(files).unwrap_or_else(|error| panic!("{error}")).0;
        let found = diff::diff(base.model(), changed.model());
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|d| d.what.starts_with(word)), "{file}: {from}\n{}", lines.join("\n"));
    }
}
