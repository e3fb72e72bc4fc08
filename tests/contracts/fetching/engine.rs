//! A second engine that behaves, and several that do not.

use crate::Standing;
use adapters::second_engine::{Engine, Options};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trust::Allowed;
use trust::pki::demo::Demo;
use trust::second_opinion::{Opinion, Question, SecondOpinion};
use trust::xmldsig::{Attachment, Shape};

/// A program that speaks the protocol; the placeholders say how well.
const PROGRAM: &str = r#"#!/usr/bin/python3
import sys, struct, json, time
i, o = sys.stdin.buffer, sys.stdout.buffer
def put(value):
    text = json.dumps(value).encode()
    o.write(struct.pack(">I", len(text)) + text)
    o.flush()
GREETING
while True:
    head = i.read(4)
    if len(head) < 4:
        sys.exit(0)
    frame = i.read(struct.unpack(">I", head)[0])
    line, rest = frame.split(b"\n", 1)
    asked = json.loads(line)
    document = rest[:asked["document"]]
    parts = rest[asked["document"]:]
    assert len(parts) == sum(a["length"] for a in asked["attachments"])
    ANSWER
"#;

const GREETS: &str = r#"put({"protocol": 1, "engine": "a test's engine"})"#;
const ANSWERS: &str =
    r#"put({"id": asked["id"], "valid": document.startswith(b"<good") , "why": "it is not good"})"#;

fn program(folder: &Path, greeting: &str, answer: &str) -> Option<PathBuf> {
    if !Path::new("/usr/bin/python3").exists() {
        assert!(std::env::var("REQUIRE_SHARED").as_deref() != Ok("1"), "there is no python3");
        println!("skipped: the second engine's process (no python3)");
        return None;
    }
    let path = folder.join("engine");
    std::fs::write(&path, PROGRAM.replace("GREETING", greeting).replace("ANSWER", answer)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    Some(path)
}

fn engine(program: PathBuf) -> Engine {
    let options = Options { program, timeout: Duration::from_secs(2) };
    Engine::new(options, Standing::at("2026-11-21T12:00:00Z").port())
}

fn ask(engine: &Engine, text: &str) -> Opinion {
    engine.ask(&Question {
        text,
        shape: Shape::Ebxml,
        attachments: &[Attachment { id: "one", bytes: b"\0\nbytes" }],
        certificate: Demo::shared().sender.signing.certificate(),
        allowed: Allowed::default(),
    })
}

#[test]
fn an_engine_that_behaves_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = program(folder.path(), GREETS, ANSWERS) else { return };
    let engine = engine(program);
    assert_eq!(engine.check().as_deref(), Ok("a test's engine"));
    for _ in 0..50 {
        assert_eq!(ask(&engine, "<good/>"), Opinion::Holds);
        assert_eq!(ask(&engine, "<bad/>"), Opinion::HoldsNot("it is not good".to_owned()));
    }
    let large = format!("<good>{}</good>", "\u{e6}".repeat(2_000_000));
    assert_eq!(ask(&engine, &large), Opinion::Holds, "larger than any pipe");
}

#[test]
fn an_engine_that_ends_is_started_anew() {
    let folder = tempfile::tempdir().unwrap();
    let ends = format!("{ANSWERS}\n    sys.exit(3)");
    let Some(program) = program(folder.path(), GREETS, &ends) else { return };
    let engine = engine(program);
    for _ in 0..5 {
        assert_eq!(ask(&engine, "<good/>"), Opinion::Holds);
    }
}

#[expect(clippy::disallowed_methods, reason = "the time that really passes is what is bounded")]
#[test]
fn an_engine_that_misbehaves_gives_no_opinion_in_bounded_time() {
    let began = Instant::now();
    for (greeting, answer) in [
        (GREETS, "time.sleep(60)"),
        (GREETS, "sys.exit(1)"),
        (GREETS, r#"put({"id": asked["id"] + 1, "valid": True})"#),
        (GREETS, r#"o.write(b"\xff\xff\xff\xffxxxx"); o.flush()"#),
        (GREETS, r#"put("valid")"#),
        ("time.sleep(60)", ANSWERS),
        (r#"put({"protocol": 2, "engine": "of another time"})"#, ANSWERS),
        ("print('hello')", ANSWERS),
        ("sys.exit(0)", ANSWERS),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Some(program) = program(folder.path(), greeting, answer) else { return };
        let engine = engine(program);
        for _ in 0..2 {
            let opinion = ask(&engine, "<good/>");
            assert!(matches!(opinion, Opinion::Unable(_)), "{greeting} {answer}: {opinion:?}");
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    let gone = engine(PathBuf::from("/nowhere/engine"));
    assert!(gone.check().is_err() && matches!(ask(&gone, "<good/>"), Opinion::Unable(_)));
}

/// Who asks for two engines does not want one: silence is a difference too.
#[test]
fn a_difference_is_a_fault_whichever_side_it_is_on() {
    let certificate = Demo::shared().sender.signing.certificate();
    let not = || Opinion::HoldsNot("it is not good".to_owned());
    assert!(Opinion::Holds.against(true, certificate).is_ok());
    assert!(not().against(false, certificate).is_ok());
    for (opinion, ours) in
        [(Opinion::Holds, false), (not(), true), (Opinion::Unable("gone".to_owned()), true)]
    {
        let fault = opinion.against(ours, certificate).unwrap_err();
        assert_eq!(fault.kind, trust::Kind::EnginesDiffer);
    }
}
