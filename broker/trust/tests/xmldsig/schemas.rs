//! What we sign is valid by the schemas, and so is what a signature covered.

use crate::people::people;
use crate::round_trips::{options, verify};
use crate::shared::{documents, shared};
use message_schemas::schema::{self, SchemaSet};
use message_schemas::{Limits, xml};
use trust::xmldsig::{Shape, sign};

fn schema_files() -> Vec<(String, Vec<u8>)> {
    let Some(shared) = shared() else {
        return schema::builtin().iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    };
    let files = std::fs::read_dir(shared.join("kith/schemas")).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap()))
        .collect()
}

#[test]
fn every_valid_message_is_valid_signed_and_covered() {
    let set = SchemaSet::load(schema_files()).unwrap_or_else(|error| panic!("{error}")).0;
    let key = people().sender.private_key();
    let limits = Limits::default();
    let (mut signed, mut invalid) = (0, Vec::new());
    for (n, path) in documents().into_iter().enumerate() {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(decoded) = xml::decode(&bytes) else { continue };
        let text = &*decoded.text;
        if !text.contains("MsgHead>") || !set.validate(text, &limits).is_ok_and(|v| v.valid) {
            continue;
        }
        let shape = options(Shape::Enveloped, n % 2 == 0);
        let Ok(with) = sign(text, &*key, &shape, &[], &limits) else { continue };
        let covered = verify(&with, Shape::Enveloped, &[], &people().sender).unwrap();
        let covered = String::from_utf8(covered).unwrap();
        for (what, text) in [("signed", &with), ("covered", &covered)] {
            let verdict = set.validate(text, &limits).unwrap();
            if !verdict.valid {
                invalid.push(format!("{} {what}: {:?}", path.display(), verdict.findings.iter().next()));
            }
        }
        signed += 1;
    }
    assert!(invalid.is_empty(), "{invalid:#?}");
    assert!(signed > 20, "only {signed}");
    println!("{signed} messages are valid signed, and as covered");
}
