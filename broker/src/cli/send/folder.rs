//! A folder that a broker reads.

use super::prepare::Prepared;
use super::summary::Outcome;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file under a hidden name first, so that the broker never meets half a message. Where it is then.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8], durable: bool) -> io::Result<PathBuf> {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    let (unfinished, finished) = (folder.join(format!(".{name}.part")), folder.join(format!("{name}.xml")));
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&unfinished, &finished)?;
    Ok(finished)
}

/// Puts one of many there. A load is not worth waiting for the disk: what a crash takes is sent again.
pub(super) async fn send(folder: &Path, message: &Prepared) -> Outcome {
    let (folder, message) = (folder.to_owned(), message.clone());
    let put = move || put(&folder, message.id.as_str(), &message.bytes, false);
    match tokio::task::spawn_blocking(put).await {
        Ok(Ok(_)) => Outcome::Acknowledged,
        Ok(Err(error)) => Outcome::Lost(error.kind().to_string()),
        Err(_) => Outcome::Lost("the tool failed".to_owned()),
    }
}
