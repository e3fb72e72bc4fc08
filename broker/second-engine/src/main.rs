//! A second opinion on XML signatures: libxmlsec1, under a policy as strict as our own, in a process of its own.
//!
//! It talks over standard input and output (`PROTOCOL.md`) and touches nothing else: no file, no network, no
//! environment, no clock. Whatever a hostile document does to the C library, it does it here.

mod algorithms;
mod attachments;
mod document;
mod engine;
mod frame;
mod policy;
mod xpath;

use frame::{Answer, Broken};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is there to read a reason: the broker sees the code and starts another engine.
        Err(Broken) => ExitCode::from(2),
    }
}

fn serve() -> Result<(), Broken> {
    let mut input = io::stdin().lock();
    let mut output = BufWriter::new(io::stdout().lock());
    let Some(engine) = engine::Engine::start() else { return Err(Broken) };
    frame::write(&mut output, &frame::greeting(&engine.version()))?;
    while let Some(bytes) = frame::read(&mut input)? {
        let answer = match frame::question(&bytes)? {
            Ok(question) => Answer::of(question.id, engine.verify(&question)),
            Err(unable) => unable,
        };
        frame::write(&mut output, &answer)?;
        output.flush().map_err(|_| Broken)?;
    }
    Ok(())
}
