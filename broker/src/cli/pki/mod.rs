//! `pki`: a small fictitious PKI for trying out and testing. Never for production.

mod folder;
mod make;
mod serve;

use crate::exit::{Failure, Verdict};
use std::io::Write;

/// Make a small fictitious PKI for trying out, and answer for it: certificates, lists of revoked ones, OCSP.
///
/// Nobody but a demonstration may trust it: its keys lie in a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke pki demo /tmp/pki
  budstikke pki ocsp /tmp/pki --listen 127.0.0.1:8470

Exit codes: 0 done.")]
pub(super) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Demo(make::Command),
    Ocsp(serve::Command),
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        match self.what {
            What::Demo(command) => command.run(out),
            What::Ocsp(command) => command.run(out),
        }
    }
}
