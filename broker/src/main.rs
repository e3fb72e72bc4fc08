//! The program `budstikke`: the command line, and an exit code. Everything else is in the library.

use broker::cli::Cli;
use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A message is made of many small pieces, and passes from thread to thread: the system's allocator took an eighth of the
/// time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    broker::exit::code(&Cli::parse().run())
}
