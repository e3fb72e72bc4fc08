//! What is said of targets that documents are published to: what goes where, and what would go wrong.

use super::publish::{EnvironmentWord, KindWord, Publish, is_read_on_the_way};
use super::read::Fault;
use super::{Config, placed};
use message_schemas::Family;
use sharing::target::Also;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What was found of the targets.
#[derive(Debug, Default)]
pub struct Targets {
    /// A line for each: what goes there, and how.
    pub told: Vec<String>,
    /// What must be mended before anything can be published.
    pub faults: Vec<Fault>,
    /// What should be mended all the same.
    pub warnings: Vec<Fault>,
}

/// Looks at every target, and at the files that it needs. `file` is the configuration's own. Nobody is asked.
#[must_use]
pub fn check(file: &Path, config: &Config) -> Targets {
    let mut found = Targets::default();
    for (name, publish) in &config.publish {
        found.told.push(told(name, publish));
        if let Err(error) = publish.publisher() {
            let message = format!("{}.", crate::exit::chain(&error));
            found.faults.push(fault(
                &format!("publish.{name}{}", at_fault(publish)),
                message,
                "Mend the setting or the file that it names.",
            ));
        }
        found.warnings.extend(warnings(name, publish));
    }
    found.faults = placed(file, found.faults);
    found.warnings = placed(file, found.warnings);
    found
}

/// What goes there: `publish.store: mhd, test (synthetic patients): referral, …; as kith-xml, fhir`.
fn told(name: &str, publish: &Publish) -> String {
    let target = publish.target();
    let kind = match publish.kind {
        KindWord::Mhd => "mhd",
        KindWord::MhdNational => "mhd-national",
        KindWord::Xds => "xds",
    };
    let whose = match publish.environment {
        EnvironmentWord::Production => "production (living patients)",
        EnvironmentWord::Test => "test (synthetic patients)",
    };
    let families: Vec<&str> = target.families.iter().map(|family| family.as_str()).collect();
    let families = if families.is_empty() { "no families".to_owned() } else { families.join(", ") };
    let mut formats = vec!["kith-xml"];
    formats.extend(target.also.iter().map(|also| match also {
        Also::Fhir => "fhir",
        Also::Pdf => "pdf",
        Also::Attachments => "attachments",
    }));
    format!("publish.{name}: {kind}, {whose}: {families}; as {}", formats.join(", "))
}

/// The setting of a file that cannot be used, where it is one.
fn at_fault(publish: &Publish) -> &'static str {
    let unusable = |file: &Option<std::path::PathBuf>| {
        file.as_deref().is_some_and(|file| std::fs::read_to_string(file).is_err())
    };
    let key = publish.token.as_ref().map(|token| token.key_file.clone());
    match () {
        () if unusable(&publish.token_file) => ".token_file",
        () if unusable(&publish.security_file) => ".security_file",
        () if unusable(&key) => ".token.key_file",
        () if unusable(&publish.roots_file) => ".roots_file",
        () => "",
    }
}

fn warnings(name: &str, publish: &Publish) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let mut warn = |field: &str, message: String, remedy: &str| {
        warnings.push(fault(&format!("publish.{name}.{field}"), message, remedy));
    };
    let target = publish.target();
    // A laboratory's report names its discipline, nearly always.
    let silent: Vec<&str> =
        target.families.iter().filter(|f| **f != Family::ResultReport).map(|f| f.as_str()).collect();
    if target.practice.is_none() && !silent.is_empty() {
        let known = target.senders.values().any(|sender| sender.practice.is_some());
        let but = if known { ", but for the senders that have a practice of their own" } else { "" };
        let message =
            format!("There is no practice setting, so these are refused (N07){but}: {}.", silent.join(", "));
        warn("practice", message, "Set practice, such as { list = \"8655\", code = \"…\", name = \"…\" }.");
    }
    let key = publish.token.as_ref().map(|token| &token.key_file);
    let secrets = [
        ("token_file", publish.token_file.as_ref()),
        ("security_file", publish.security_file.as_ref()),
        ("token.key_file", key),
    ];
    for (field, file) in secrets {
        let Some(file) = file else { continue };
        if std::fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o004 != 0) {
            let message = format!("Everybody on this machine can read {}.", file.display());
            warn(field, message, "Take that right from others, such as with chmod 600.");
        }
    }
    let shows_a_secret = publish.token.is_some() || publish.token_file.is_some();
    if shows_a_secret && publish.environment == EnvironmentWord::Test && is_read_on_the_way(&publish.url) {
        let message = "The token goes through the network in the clear.".to_owned();
        warn("url", message, "Write an address that starts with https://.");
    }
    warnings
}

fn fault(field: &str, message: String, remedy: &str) -> Fault {
    Fault { file: String::new(), line: 0, field: field.to_owned(), message, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A broker with one target, in a folder of its own; the target's first line is the fifth.
    fn laid_out(target: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("broker.toml");
        let text = format!(
            "parties = []\ndestinations = {{}}\njournal = {{ path = \"journal.db\" }}\n[publish.store]\nkind = \"mhd\"\n\
             home_community = \"2.999.1\"\nsource_root = \"2.999.2\"\n{target}"
        );
        fs::write(&file, text).expect("written");
        (folder, file)
    }

    fn faults(target: &str) -> Vec<String> {
        let (_folder, file) = laid_out(target);
        let faults = Config::load(&file).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_living_do_not_go_through_the_network_in_the_clear() {
        for (url, refused) in [
            ("http://store.example.no/R4", true),
            ("http://10.0.0.1/R4", true),
            ("http://localhost.example.no/R4", true),
            ("https://store.example.no/R4", false),
            ("http://localhost:8080/R4", false),
            ("http://127.0.0.1:8080/R4", false),
            ("http://[::1]:8080/R4", false),
        ] {
            let target = format!("url = \"{url}\"\nenvironment = \"production\"\n");
            let said = faults(&target);
            assert_eq!(said.len(), usize::from(refused), "{url}: {said:?}");
            let named = said
                .iter()
                .all(|s| s.contains("broker.toml:8: publish.store.url: ") && s.contains("https://"));
            assert!(named, "{said:?}");
            assert_eq!(faults(&target.replace("production", "test")), [] as [String; 0], "{url}");
        }
        let token = "url = \"https://a.example.no\"\nenvironment = \"production\"\n[publish.store.token]\n\
            url = \"http://id.example.no\"\nclient_id = \"a\"\nscope = \"b\"\nkey_file = \"k\"\n";
        assert!(
            faults(token).iter().any(|s| s.contains(":11: publish.store.token.url: ")),
            "{:?}",
            faults(token)
        );
    }

    #[test]
    fn a_family_that_is_none_is_told_all_that_there_are() {
        let said =
            faults("url = \"https://a.example.no\"\nenvironment = \"test\"\nfamilies = [\"epikrise\"]\n");
        let [said] = said.as_slice() else { panic!("{said:?}") };
        let all = "discharge-summary referral result-report requisition app-rec dialogue admission-report";
        assert!(
            said.contains(&format!("Write one of: {all} ")) && said.contains(" record-extract "),
            "{said}"
        );
    }

    #[test]
    fn targets_are_told_with_what_would_go_wrong() {
        let (folder, file) = laid_out(
            "url = \"https://a.example.no\"\nenvironment = \"test\"\nfamilies = [\"referral\", \"result-report\"]\n\
             token_file = \"token\"\n",
        );
        let config = Config::load(&file).expect("sound");
        let missing = check(&file, &config);
        let [fault] = missing.faults.as_slice() else { panic!("{missing:?}") };
        let fault = fault.to_string();
        assert!(fault.contains("broker.toml:11: publish.store.token_file: "), "{fault}");
        assert!(fault.contains("No such file"), "absent, not unreadable: {fault}");

        let token = folder.path().join("token");
        fs::write(&token, "secret").expect("written");
        fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).expect("set");
        let found = check(&file, &config);
        assert_eq!(found.faults, []);
        assert_eq!(
            found.told,
            [
                "publish.store: mhd, test (synthetic patients): referral, result-report; as kith-xml, fhir, attachments"
            ]
        );
        let said: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
        let [practice, readable] = said.as_slice() else { panic!("{said:?}") };
        assert!(practice.contains("(N07): referral."), "{practice}");
        assert!(readable.contains("broker.toml:11: publish.store.token_file: Everybody"), "{readable}");

        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("set");
        assert_eq!(check(&file, &config).warnings.len(), 1);
    }
}
