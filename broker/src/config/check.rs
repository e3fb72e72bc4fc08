//! What the settings point at: is it there, and is it sound? Nothing is opened for others, and nothing is
//! written.

use super::amqp::{Amqp, Protocol};
use super::read::Fault;
use super::{Config, partners, targets};
use crate::exit::Failure;
use crate::journal;
use crate::protection::{self, Material};
use crate::schemas;
use crate::world::{self, Tables};
use adapters::postgres::{Mode, PostgresStore};
use adapters::{amqp, amqp10};
use std::fs;
use std::path::Path;

/// What was found.
#[derive(Debug, Default)]
pub struct Checked {
    /// In a few words, what there is.
    pub summary: String,
    /// A line for each target that documents are published to.
    pub targets: Vec<String>,
    /// What must be mended before the broker can run.
    pub faults: Vec<Fault>,
    /// What should be mended all the same.
    pub warnings: Vec<Fault>,
}

/// Proves everything that a configuration points at.
#[must_use]
pub fn check(file: &Path, config: &Config) -> Checked {
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    if let Err(found) = schemas::load(config.schemas.as_deref()) {
        faults.extend(found);
    }
    let tables = Tables::load(config).map_err(|found| faults.extend(found)).ok();
    if config.journal.postgres.is_some() {
        server(config, &mut faults, &mut warnings);
    } else if let Some(folder) = config.journal.path.as_deref().and_then(Path::parent) {
        folder_is_there(
            folder,
            "journal.path",
            "Make the folder; the journal itself is made at the first start.",
            &mut faults,
        );
    }
    for (name, source) in &config.sources.folders {
        can_be_made(&source.path, &format!("sources.folders.{name}.path"), &mut faults);
    }
    for (name, destination) in &config.destinations {
        if let Some(folder) = &destination.folder {
            can_be_made(folder, &format!("destinations.{name}.folder"), &mut faults);
        }
        if let Some(file) = &destination.token_file {
            token(file, &format!("destinations.{name}.token_file"), &mut faults);
        }
    }
    if let Some(http) = &config.sources.http {
        if let Some(file) = &http.token_file {
            token(file, "sources.http.token_file", &mut faults);
        }
        if let Some(tls) = &http.tls {
            pem(&tls.certificate_file, "sources.http.tls.certificate_file", "CERTIFICATE", &mut faults);
            pem(&tls.key_file, "sources.http.tls.key_file", "PRIVATE KEY", &mut faults);
        }
    }
    queues(config, &mut faults, &mut warnings);
    if let Some(registry) = &config.registry {
        if let Some(file) = &registry.token_file {
            token(file, "registry.token_file", &mut faults);
        }
        can_be_made(&registry.cache, "registry.cache", &mut faults);
    }
    if let Some(tables) = &tables {
        warnings.extend(partners::warnings(config, &tables.parties));
    }
    let targets = targets::check(file, config);
    faults.extend(targets.faults);
    warnings.extend(targets.warnings);
    let mut keys = 0;
    if let Some(trust) = &config.trust {
        match Material::load(trust, world::named_certificates(config, tables.as_ref().map(|t| &t.parties))) {
            Ok(material) => {
                let found = protection::check::check(trust, &material);
                faults.extend(found.faults);
                warnings.extend(found.warnings);
                keys = material.keys.iter().count();
            }
            Err(found) => faults.extend(found),
        }
        for (field, cache) in protection::check::caches(trust) {
            can_be_made(cache, field, &mut faults);
        }
    }
    let summary = format!(
        "{} parties, {} destinations, {} folders to read{}, {keys} keys.",
        tables.map_or(0, |tables| tables.parties.iter().count()),
        config.destinations.len(),
        config.sources.folders.len(),
        if config.sources.http.is_some() { ", and HTTP" } else { "" }
    );
    Checked { summary, targets: targets.told, faults, warnings }
}

/// The server of the journal: does it answer, and do its settings keep what was acknowledged?
fn server(config: &Config, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) {
    let named =
        |message: String, remedy: &str| fault(Path::new("journal"), "journal.postgres", message, remedy);
    let asked = journal::options(config, Mode::Read).and_then(|options| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
        Ok(runtime.block_on(PostgresStore::survey(&options))?)
    });
    match asked {
        Err(failure) => faults.push(named(
            format!("The server does not answer as it should: {failure}."),
            "Start it, or mend journal.postgres and journal.password_file.",
        )),
        Ok(survey) => {
            for concern in survey.concerns {
                let message = format!("PostgreSQL {}: {}.", survey.version, concern.sentence);
                let found =
                    named(message, "Change it at the server; ops/postgresql/budstikke.conf has the reasons.");
                if concern.grave { faults.push(found) } else { warnings.push(found) }
            }
        }
    }
}

/// Servers of queues: do they let us in, and do they have what the settings name? A server that is away now may be back
/// when the broker starts, which waits for it: that is a warning. What is wrong whatever the server does is a fault.
fn queues(config: &Config, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return faults.push(fault(Path::new("amqp"), "amqp", error.to_string(), "Try again.")),
    };
    for (name, settings) in &config.amqp {
        let field = format!("amqp.{name}");
        let sound = match settings.protocol {
            Protocol::V091 => settings.server().check().map_err(|error| crate::exit::chain(&error)),
            Protocol::V10 => settings.server_10().check().map_err(|error| crate::exit::chain(&error)),
        };
        if let Err(error) = sound {
            let file = settings.password_file.as_deref().unwrap_or(Path::new(name));
            faults.push(fault(file, &field, format!("{error}."), "Mend the setting or its file."));
            continue;
        }
        if settings.tls.is_none() && !matches!(settings.host.as_str(), "localhost" | "127.0.0.1" | "::1") {
            let message = "The password goes to another machine in the clear.".to_owned();
            warnings.push(fault(Path::new(name), &field, message, "Set tls."));
        }
        let sorted = |names: Vec<&String>| {
            let names: std::collections::BTreeSet<String> = names.into_iter().cloned().collect();
            names.into_iter().collect::<Vec<_>>()
        };
        let of_us = config.sources.amqp.values().filter(|s| s.connection == *name);
        let read = sorted(of_us.map(|s| &s.queue).collect());
        let to = config.destinations.values().filter(|d| d.amqp.as_ref() == Some(name));
        let written = sorted(to.filter_map(|d| d.queue.as_ref()).collect());
        for Unusable { away, why } in runtime.block_on(unusable(settings, &read, &written)) {
            let (found, remedy) = if away {
                (&mut *warnings, "Start the server, or mend host, port and tls.")
            } else {
                (&mut *faults, "Mend it at the server, or in the settings.")
            };
            found.push(fault(Path::new(name), &field, format!("{why}."), remedy));
        }
    }
}

/// What is wrong with a server of queues.
struct Unusable {
    /// It is not there now, and may be when the broker starts.
    away: bool,
    why: String,
}

/// Asks a server for the queues that are read and written.
async fn unusable(settings: &Amqp, read: &[String], written: &[String]) -> Vec<Unusable> {
    match settings.protocol {
        Protocol::V091 => {
            let (server, exchange) = (settings.server(), settings.exchange.as_deref());
            // Behind an exchange a queue may be one that we are not allowed to ask for.
            let asked: Vec<String> =
                read.iter().chain(written.iter().filter(|_| exchange.is_none())).cloned().collect();
            let found = amqp::check(&server, exchange, &asked).await.err().unwrap_or_default();
            let told = |error: amqp::Error| Unusable {
                away: matches!(error, amqp::Error::Away(_)),
                why: crate::exit::chain(&error),
            };
            found.into_iter().map(told).collect()
        }
        Protocol::V10 => {
            let found = amqp10::check(&settings.server_10(), read, written).await.err().unwrap_or_default();
            let told =
                |error: amqp10::Error| Unusable { away: error.is_away(), why: crate::exit::chain(&error) };
            found.into_iter().map(told).collect()
        }
    }
}

fn fault(path: &Path, field: &str, message: String, remedy: &str) -> Fault {
    Fault {
        file: path.display().to_string(),
        line: 0,
        field: field.to_owned(),
        message,
        remedy: remedy.to_owned(),
    }
}

fn folder_is_there(path: &Path, field: &str, remedy: &str, faults: &mut Vec<Fault>) {
    // A file named without a folder lies in the current one.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => faults.push(fault(path, field, "This is no folder.".to_owned(), remedy)),
        Err(error) => faults.push(fault(path, field, format!("The folder cannot be used: {error}."), remedy)),
    }
}

/// A folder that the broker makes itself: it, or the nearest folder above it that is there, must be one.
fn can_be_made(path: &Path, field: &str, faults: &mut Vec<Fault>) {
    // The last one of a relative path is empty: the current folder.
    let there = |above: &&Path| above.as_os_str().is_empty() || above.exists();
    let nearest = path.ancestors().find(there).unwrap_or(path);
    folder_is_there(nearest, field, "Name a folder that is there, or can be made.", faults);
}

/// A token: one line of text that is not empty.
fn token(path: &Path, field: &str, faults: &mut Vec<Fault>) {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() || text.trim().contains(char::is_whitespace) => {
            faults.push(fault(path, field, "The file holds no token.".to_owned(), "Write one word into it."));
        }
        Ok(_) => {}
        Err(error) => {
            faults.push(fault(
                path,
                field,
                format!("It cannot be read: {error}."),
                "Name a file that this user may read.",
            ));
        }
    }
}

/// A PEM file with at least one section whose name ends so.
fn pem(path: &Path, field: &str, section: &str, faults: &mut Vec<Fault>) {
    match fs::read_to_string(path) {
        Ok(text) if text.lines().any(|l| l.starts_with("-----BEGIN ") && l.contains(section)) => {}
        Ok(_) => {
            faults.push(fault(path, field, format!("It holds no {section} in PEM."), "Name a PEM file."))
        }
        Err(error) => {
            faults.push(fault(
                path,
                field,
                format!("It cannot be read: {error}."),
                "Name a file that this user may read.",
            ));
        }
    }
}
