//! What messages are judged by, read from files: parties, rules, schemas and policy.

use crate::config::Config;
use crate::config::read::Fault;
use adapters::registry::look_at_parties;
use broker_core::journal::Provenance;
use broker_core::policy::{Policy, Publish};
use broker_core::{ContentHash, Protection, World};
use message_schemas::schema::SchemaSet;
use message_schemas::{Family, HerId, OrgNumber, document, head};
use routing_rules::{DestinationId, Parties, RegistryEntry, Rules};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Parties and rules, proved together: every rule's examples come out as they say, and every destination that
/// is named is configured.
#[derive(Debug)]
pub struct Tables {
    /// Who takes part.
    pub parties: Parties,
    /// Where messages go beyond what the parties say.
    pub rules: Rules,
}

impl Tables {
    /// Reads and proves the files that a configuration names.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn load(config: &Config) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let parties = texts(&config.parties, &mut faults);
        let rules = texts(&config.rules, &mut faults);
        let parties = match Parties::parse(&parties) {
            Ok(parties) => parties,
            Err(found) => {
                // Rules are read against the parties; without them, each would seem to name strangers.
                faults.extend(found.into_iter().map(fault));
                return Err(faults);
            }
        };
        let rules = match Rules::parse(&rules, &parties) {
            Ok(rules) => rules,
            Err(found) => {
                faults.extend(found.into_iter().map(fault));
                Rules::none()
            }
        };
        for failure in rules.run_examples(&parties) {
            faults.push(Fault {
                file: failure.file.clone(),
                line: failure.line,
                field: format!("rule {}, example {:?}", failure.rule, failure.example),
                message: format!("Expected {}, got {}.", failure.expected, failure.got),
                remedy: "Mend the rule, or the example.".to_owned(),
            });
        }
        for (destination, named_by) in Self::destinations(&parties, &rules) {
            if !config.destinations.contains_key(&destination) {
                faults.push(Fault {
                    file: "parties and rules".to_owned(),
                    line: 0,
                    field: named_by,
                    message: format!("The configuration has no destination {destination}."),
                    remedy: format!("Add [destinations.\"{destination}\"], or name another."),
                });
            }
        }
        // The files must stand on their own; what the registry told last fills what they leave open.
        let filled = config.registry.as_ref().map(|registry| told(&registry.cache));
        let parties = match filled.transpose() {
            Ok(told) => parties.with_registry(&told.unwrap_or_default()),
            Err(fault) => {
                faults.push(fault);
                parties
            }
        };
        if faults.is_empty() { Ok(Self { parties, rules }) } else { Err(faults) }
    }

    fn destinations(parties: &Parties, rules: &Rules) -> Vec<(DestinationId, String)> {
        let of_parties =
            parties.destinations().map(|(d, party)| (d.clone(), format!("party {}", party.her_id)));
        let of_rules =
            rules.destinations().map(|(d, rule, place)| (d.clone(), format!("rule {rule} ({place})")));
        of_parties.chain(of_rules).collect()
    }
}

/// What the broker keeps on disk of the address registry.
fn told(cache: &Path) -> Result<BTreeMap<HerId, Arc<RegistryEntry>>, Fault> {
    look_at_parties(cache).map_err(|error| unreadable(cache, &error))
}

/// Certificates that parties name as files. A relative path starts at the folder of the party files that has it.
#[must_use]
pub fn named_certificates(config: &Config, parties: Option<&Parties>) -> BTreeMap<HerId, Vec<PathBuf>> {
    let folder = |path: &PathBuf| if path.is_dir() { path.clone() } else { path.with_file_name("") };
    let folders: Vec<_> = config.parties.iter().map(folder).collect();
    let find = |name: &String| {
        let at = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
        // One that is nowhere is told with the first place where it should be.
        at.or_else(|| folders.first().map(|folder| folder.join(name))).unwrap_or_else(|| PathBuf::from(name))
    };
    let named = parties.into_iter().flat_map(Parties::iter).filter(|p| !p.protection.certificates.is_empty());
    named.map(|p| (p.her_id, p.protection.certificates.iter().map(find).collect())).collect()
}

/// Before a target's name in that of its destination.
pub const PUBLISHING: &str = "publish:";

/// How the detail of a delivery begins that had nothing to publish.
pub const NOTHING_TO_PUBLISH: &str = "nothing to publish";

/// The destination under which deliveries to a target are known; none for a name that can be none.
#[must_use]
pub fn publishing_to(name: &str) -> Option<DestinationId> {
    format!("{PUBLISHING}{name}").parse().ok()
}

/// What is published where.
fn published(config: &Config) -> Vec<Publish> {
    let targets = config.publish.iter().filter_map(|(name, settings)| {
        let target = settings.target();
        let tests = target.environment == sharing::Environment::Test;
        Some(Publish { to: publishing_to(name)?, families: target.families, tests })
    });
    targets.collect()
}

/// Everything that messages are judged by, with the hashes that are stored with each decision.
#[must_use]
pub fn world(
    config: &Config,
    schemas: Arc<SchemaSet>,
    tables: Tables,
    trust: Option<Arc<Protection>>,
) -> World {
    let policy = serde_json::to_vec(&config.policy).unwrap_or_default();
    let documents = document_options(config, &tables.parties);
    let provenance = Provenance {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schemas: ContentHash(*schemas.hash()),
        rules: ContentHash(tables.rules.hash()),
        parties: ContentHash(tables.parties.hash()),
        policy: ContentHash::of(&policy),
    };
    World {
        schemas,
        parties: Arc::new(tables.parties),
        rules: Arc::new(tables.rules),
        policy: Arc::new(Policy { publish: published(config), ..config.policy.clone() }),
        trust,
        limits: config.limits,
        heads: head::Settings::default(),
        documents: Arc::new(documents),
        provenance: Arc::new(provenance),
    }
}

/// The same world, with what the address registry tells now.
#[must_use]
pub fn with_registry(world: &World, told: &BTreeMap<HerId, Arc<RegistryEntry>>) -> World {
    let parties = world.parties.with_registry(told);
    let provenance =
        Provenance { parties: ContentHash(parties.hash()), ..Provenance::clone(&world.provenance) };
    World {
        documents: Arc::new(document::Options {
            organisations: organisations(&parties),
            ..document::Options::clone(&world.documents)
        }),
        parties: Arc::new(parties),
        provenance: Arc::new(provenance),
        ..world.clone()
    }
}

/// How documents are made. What is no record is published where the settings of some target name its family; a target
/// whose settings do not is never offered it.
#[must_use]
pub fn document_options(config: &Config, parties: &Parties) -> document::Options {
    let families: BTreeSet<Family> = config.publish.values().flat_map(|p| p.target().families).collect();
    document::Options {
        organisations: organisations(parties),
        publish_dialogues: families.contains(&Family::Dialogue),
        publish_logistics: [Family::PatientLogistics, Family::AbsenceNotice]
            .iter()
            .any(|family| families.contains(family)),
        publish_orders: families.contains(&Family::Requisition),
        ..document::Options::default()
    }
}

/// The organisation number of each HER-id that parties have one for.
fn organisations(parties: &Parties) -> BTreeMap<String, OrgNumber> {
    parties.her_to_enh().into_iter().map(|(her_id, number)| (her_id.to_string(), number)).collect()
}

fn fault(fault: routing_rules::Fault) -> Fault {
    Fault {
        field: format!("{} {}", fault.code.as_str(), fault.field).trim_end().to_owned(),
        file: fault.file,
        line: fault.line,
        message: fault.message,
        remedy: fault.remedy,
    }
}

/// The TOML files meant by these paths, with their names and texts: a file as it is, a folder as every
/// `.toml` file in it, by name.
fn texts(paths: &[PathBuf], faults: &mut Vec<Fault>) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for path in paths {
        match toml_files(path) {
            Ok(files) => {
                for file in files {
                    match fs::read_to_string(&file) {
                        Ok(text) => texts.push((file.display().to_string(), text)),
                        Err(error) => faults.push(unreadable(&file, &error)),
                    }
                }
            }
            Err(error) => faults.push(unreadable(path, &error)),
        }
    }
    texts
}

/// The TOML files behind one path.
///
/// # Errors
/// When the path or folder cannot be read.
pub fn toml_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        // A link to nowhere is a fault that reading it tells of, and not a file less.
        if path.extension().is_some_and(|e| e == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault {
        file: path.display().to_string(),
        line: 0,
        field: String::new(),
        message: format!("It cannot be read: {error}."),
        remedy: "Name a file or folder that this user may read.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_is_a_fault_and_not_a_file_less() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below.toml")).unwrap();
        std::os::unix::fs::symlink("/no/such/file", folder.path().join("b.toml")).unwrap();
        let mut faults = Vec::new();
        assert!(texts(&[folder.path().to_path_buf()], &mut faults).is_empty());
        assert!(faults.len() == 1 && faults[0].file.ends_with("b.toml"), "{faults:?}");
    }
}
