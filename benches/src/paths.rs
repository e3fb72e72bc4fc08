//! The hot paths, each as work that can be done again and again on one message.

use crate::lab;
use crate::protection::Setting;
use message_schemas::head::HeadReader;
use message_schemas::schema::{SchemaSet, builtin};
use message_schemas::xml::{Element, Handler, Tree};
use message_schemas::{Limits, document, xml};
use trust::pki::KeyKind;
use trust::xmldsig::Canonical;

/// One path.
pub struct Path {
    /// Its name.
    pub name: &'static str,
    /// Makes everything ready, and gives the work.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

/// All of them, cheapest first.
pub const PATHS: &[Path] = &[
    Path { name: "parse", prepare: parse },
    Path { name: "parse, validate, head", prepare: validate },
    Path { name: "translate", prepare: translate },
    Path { name: "verify, inclusive", prepare: verify_inclusive },
    Path { name: "verify, exclusive", prepare: verify_exclusive },
    Path { name: "verify CMS", prepare: verify_cms },
    Path { name: "open, verify, validate", prepare: take_in },
];

/// The built-in schemas.
#[must_use]
pub fn schemas() -> SchemaSet {
    let files = builtin().iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    SchemaSet::load(files).expect("the built-in schemas load").0
}

/// Takes the events and keeps nothing.
#[derive(Default)]
pub struct Count(pub usize);

impl Handler for Count {
    fn start(&mut self, _: &Element<'_>) {
        self.0 += 1;
    }
    fn text(&mut self, _: &str, _: usize) {}
    fn end(&mut self, _: usize) {}
}

fn verify_inclusive() -> Box<dyn FnMut()> {
    verify(&Canonical::default())
}

fn verify_exclusive() -> Box<dyn FnMut()> {
    verify(&Setting::exclusive())
}

fn verify(canonical: &Canonical) -> Box<dyn FnMut()> {
    let setting = setting();
    let document = setting.signed(canonical).expect("it is signed");
    Box::new(move || setting.verify(&document))
}

fn verify_cms() -> Box<dyn FnMut()> {
    let setting = setting();
    Box::new(move || setting.verify_cms())
}

fn take_in() -> Box<dyn FnMut()> {
    let setting = setting();
    Box::new(move || setting.take_in())
}

fn setting() -> Setting {
    Setting::new(KeyKind::Rsa2048).expect("OpenSSL works")
}

fn usual() -> String {
    lab::report(1, lab::USUAL, 0)
}

fn parse() -> Box<dyn FnMut()> {
    let (text, limits) = (usual(), Limits::default());
    Box::new(move || {
        let mut count = Count::default();
        xml::read(&text, &limits, &mut count).expect("it is XML");
        assert!(count.0 > 400);
    })
}

fn validate() -> Box<dyn FnMut()> {
    let (text, limits, schemas) = (usual(), Limits::default(), schemas());
    Box::new(move || {
        let mut validator = schemas.validator(&text, &limits);
        let mut reader = HeadReader::new();
        xml::read(&text, &limits, &mut (&mut validator, &mut reader)).expect("it is XML");
        assert!(validator.finish().valid);
    })
}

fn translate() -> Box<dyn FnMut()> {
    let (text, limits, options) = (usual(), Limits::default(), document::Options::default());
    Box::new(move || {
        let tree = Tree::parse(&text, &limits).expect("it is XML");
        assert!(document::translate(&text, &tree, &options).is_ok());
    })
}
