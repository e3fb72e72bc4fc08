//! The second engine, as the broker uses it: a process, asked over pipes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use system_tests::root;
use trust::Certificate;
use trust::xmldsig::{Attachment, Shape};

use crate::tools::target;

/// `$SECOND_ENGINE`, or the engine of this tree, built if it is not up to date; none, said so, if libxmlsec1 is not there to
/// build it with.
fn binary() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        if let Some(given) = std::env::var_os("SECOND_ENGINE") {
            return Some(PathBuf::from(given));
        }
        if !crate::tools::have("xmlsec1-config", "--version", "comparison with libxmlsec1") {
            return None;
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "-p", "second-engine"])
            .current_dir(root())
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the second engine does not build");
        Some(target().join("debug/budstikke-second-engine"))
    };
    BUILT.get_or_init(build).clone()
}

/// What it says of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opinion {
    Valid,
    Invalid(String),
    Unable(String),
}

/// The process.
pub(crate) struct Engine(Child);

impl Engine {
    pub(crate) fn start() -> Option<Self> {
        let child =
            Command::new(binary()?).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut engine = Self(child);
        assert_eq!(engine.answer()["protocol"], 1);
        Some(engine)
    }

    fn answer(&mut self) -> Value {
        let output = self.0.stdout.as_mut().unwrap();
        let mut length = [0; 4];
        output.read_exact(&mut length).expect("the second engine lives");
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        output.read_exact(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub(crate) fn ask(
        &mut self,
        text: &str,
        shape: Shape,
        attachments: &[Attachment<'_>],
        certificate: &Certificate,
    ) -> Opinion {
        self.ask_with(text, shape, attachments, certificate, false)
    }

    /// As [`Self::ask`], and with SHA-1 where it is allowed.
    pub(crate) fn ask_with(
        &mut self,
        text: &str,
        shape: Shape,
        attachments: &[Attachment<'_>],
        certificate: &Certificate,
        sha1: bool,
    ) -> Opinion {
        let header = json!({
            "id": 1,
            "sha1": sha1,
            "shape": match shape { Shape::Enveloped => "enveloped", Shape::Ebxml => "ebxml" },
            "certificate": STANDARD.encode(&certificate.der),
            "document": text.len(),
            "attachments":
                attachments.iter().map(|a| json!({"id": a.id, "length": a.bytes.len()})).collect::<Vec<_>>(),
        });
        let mut frame = header.to_string().into_bytes();
        frame.push(b'\n');
        frame.extend(text.as_bytes());
        frame.extend(attachments.iter().flat_map(|a| a.bytes));
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).unwrap();
        input.write_all(&frame).unwrap();
        input.flush().unwrap();
        let answer = self.answer();
        match (answer["valid"].as_bool(), answer["why"].as_str(), answer["unable"].as_str()) {
            (Some(true), None, None) => Opinion::Valid,
            (Some(false), Some(why), None) => Opinion::Invalid(why.to_owned()),
            (None, None, Some(why)) => Opinion::Unable(why.to_owned()),
            _ => panic!("no answer of the protocol: {answer}"),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself; how is no matter here.
        drop(self.0.wait());
    }
}
