//! The program `budstikke`: the command line, and an exit code. Everything else is in the library.

use broker::cli::Cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    broker::exit::code(&Cli::parse().run())
}
