//! Processes of this machine: run, signalled, looked at.

use crate::wait::{PATIENCE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder for nobody but us. Its path is short, since that of a Unix socket may have no more than 107 bytes.
pub(crate) fn private_folder(prefix: &str) -> io::Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix(prefix).tempdir()?.keep())
}

/// Runs a command to its end: what it printed.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| io::Error::other(format!("{name}: {e}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(io::Error::other(format!("{name}: {}", String::from_utf8_lossy(&text).trim())))
}

pub(crate) fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(kill_process(pid.ok_or_else(|| io::Error::other("no such process"))?, signal)?)
}

/// The processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|child| status(*child).is_some_and(|(_, parent)| parent == pid)).collect()
}

/// A process, its children, and theirs.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    all.extend(children(pid).into_iter().flat_map(family));
    all
}

/// True unless it is gone, or dead and not yet asked about.
pub(crate) fn is_running(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| state != "Z")
}

/// State and parent of a process.
fn status(pid: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets, and may hold anything.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Waits until a server that was started is `up`. One that ends before that, or never is, gives an error with the end of its
/// log, and is ended.
pub(crate) fn until_up(
    name: &str,
    child: &mut Child,
    log: &Path,
    mut up: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    let ready = wait_for(&format!("{name} takes connections"), PATIENCE, || {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("{name} ended: {status}")));
        }
        Ok(up()?.then_some(()))
    });
    ready.map_err(|e| {
        child.kill().ok();
        child.wait().ok();
        io::Error::other(format!("{e}\n{}", tail(log)))
    })
}

/// The end of a log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n")
}
