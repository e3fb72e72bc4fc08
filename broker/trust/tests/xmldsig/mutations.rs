//! Seeded changes of signed documents: whatever still verifies covers exactly what was signed, and nothing panics.

use crate::people::{people, trusted};
use crate::round_trips::{DOCUMENT, ENVELOPE};
use message_schemas::{Limits, mime};
use trust::Allowed;
use trust::xmldsig::{Attachment, Canonical, Options, Shape, sign, signed};

/// So many changed documents; `MUTATIONS` asks for more.
fn wanted() -> usize {
    std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

/// A small generator of numbers: the same in every run (xorshift64, G. Marsaglia).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What is put in here and there.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "/>",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?p?>",
    "&#13;",
    "&amp;",
    " xmlns=''",
    " xmlns:m='urn:q'",
    " xml:lang='x'",
    "<ds:Object/>",
    "URI=\"#a\"",
    "cid:",
    " SOAP:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"",
    "\r\n",
    "\"",
    "=",
    "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>",
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "#WithComments",
];

/// One to three changes: a piece left out, doubled elsewhere, put in, brought from another document, a letter replaced.
fn changed(text: &str, others: &[Seed], chance: &mut Chance) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(3) {
        let at = chance.below(letters.len());
        let to = chance.below(letters.len());
        match chance.below(5) {
            0 => {
                let end = (at + chance.below(40)).min(letters.len());
                letters.drain(at..end);
            }
            1 => {
                let end = (at + chance.below(200)).min(letters.len());
                let piece = letters.get(at..end).unwrap().to_vec();
                letters.splice(to..to, piece);
            }
            2 => {
                letters.splice(at..at, chance.one_of(&PIECES).chars());
            }
            3 => {
                let other: Vec<char> = chance.one_of(others).text.chars().collect();
                let from = chance.below(other.len());
                let end = (from + chance.below(400)).min(other.len());
                letters.splice(at..at, other.get(from..end).unwrap().iter().copied());
            }
            _ => letters[at] = char::from(u8::try_from(chance.below(128)).unwrap()),
        }
        // Never empty, and white space behind the document is harmless.
        letters.push(' ');
    }
    letters.into_iter().collect()
}

/// A signed document, and the bytes that its signature covers.
struct Seed {
    shape: Shape,
    text: String,
    covered: Vec<u8>,
}

const PARTS: [Attachment<'static>; 1] = [Attachment { id: "a@x", bytes: b"one" }];

const fn parts(shape: Shape) -> &'static [Attachment<'static>] {
    match shape {
        Shape::Enveloped => &[],
        Shape::Ebxml => &PARTS,
    }
}

/// The bytes covered, if a document verifies.
fn verified(text: &str, shape: Shape) -> Option<Vec<u8>> {
    let signed = signed(text, shape, parts(shape), Allowed::default(), &Limits::default()).ok().flatten()?;
    signed.verify(&trusted(&people().p256)).ok().map(trust::Verified::into_inner)
}

fn seeds() -> Vec<Seed> {
    let key = people().p256.private_key();
    let mut seeds = Vec::new();
    for exclusive in [false, true] {
        for prefixes in [vec![], vec!["t".to_owned(), "#default".to_owned()]] {
            for (shape, document) in [(Shape::Enveloped, DOCUMENT), (Shape::Ebxml, ENVELOPE)] {
                let canonical = Canonical { exclusive, comments: exclusive, prefixes: prefixes.clone() };
                let options = Options { shape, canonical, algorithm: None };
                let text = sign(document, &*key, &options, parts(shape), &Limits::default()).unwrap();
                let covered = verified(&text, shape).unwrap();
                seeds.push(Seed { shape, text, covered });
            }
        }
    }
    seeds
}

#[test]
fn whatever_verifies_covers_what_was_signed() {
    let seeds = seeds();
    let mut chance = Chance(0x0B0D_571E_C0DE);
    let mut held = 0;
    for n in 0..wanted() {
        let seed = chance.one_of(&seeds);
        let text = changed(&seed.text, &seeds, &mut chance);
        if let Some(covered) = verified(&text, seed.shape) {
            held += 1;
            assert!(seeds.iter().any(|s| s.covered == covered), "change {n} forged this: {text}");
        }
        // What is signed verifies, however odd it is; and no bytes at all make unpacking panic.
        let options = Options { shape: seed.shape, canonical: Canonical::default(), algorithm: None };
        let key = people().p256.private_key();
        if let Ok(again) = sign(&text, &*key, &options, parts(seed.shape), &Limits::default()) {
            assert!(verified(&again, seed.shape).is_some(), "change {n} cannot be verified: {again}");
        }
        assert!(mime::unpack(text.as_bytes(), None, &Limits::default()).is_err(), "no package, change {n}");
    }
    assert!(held > 0, "no change is harmless: the test looks at nothing");
    println!("{held} of {} changed documents still verify, and cover what was signed", wanted());
}
