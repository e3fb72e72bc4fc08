//! Who takes part, held against where the settings would have their messages go: what `run` would find out one message
//! at a time.

use super::Config;
use super::read::Fault;
use crate::listed::listed;
use broker_core::protection::gets;
use routing_rules::{Gets, Parties};
use std::collections::BTreeMap;

/// What should be looked at before messages come.
pub(super) fn warnings(config: &Config, parties: &Parties) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let mut warn = |field: &str, message: String, remedy: &str| {
        warnings.push(Fault {
            file: "parties".to_owned(),
            line: 0,
            field: field.to_owned(),
            message,
            remedy: remedy.to_owned(),
        });
    };
    if !parties.iter().any(|party| party.ours) && config.registry.is_none() {
        let message =
            "No party is ours, so every message would be refused: it is for nobody here.".to_owned();
        warn(
            "parties",
            message,
            "Name the files that hold them under parties, and at least one party without ours = false.",
        );
    }
    if config.policy.amqp.unprotected {
        return warnings;
    }
    let mut plain: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for party in parties.iter().filter(|party| !party.ours) {
        let Some(to) = parties.destination(party, false) else { continue };
        let to_partners = config.destinations.get(to).is_some_and(|d| d.amqp.is_some() && d.queue.is_none());
        let (gets, _) = gets(party, parties, &config.policy.protection);
        if to_partners && gets == Gets::Plain {
            plain.entry(to).or_default().push(party.her_id);
        }
    }
    for (to, parties) in plain {
        let named = listed(parties).unwrap_or_default();
        let message = format!(
            "What we write for {named} is neither signed nor sealed, and does not leave so over AMQP ({to}, P18)."
        );
        warn(
            "party.protection.gets",
            message,
            "Set gets = \"signed-and-sealed\" (and trust.keys), or policy.amqp.unprotected = true where that is agreed.",
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const PARTIES: &str = r#"
[[party]]
her_id = 100
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
ours = false
destination = "partners"
[[party]]
her_id = 101
level = "service"
parent = 100
name = "Poliklinikken"
kind = "hospital"
ours = false
protection = { gets = "signed-and-sealed" }
"#;
    const OURS: &str = "[[party]]\nher_id = 200\nlevel = \"enterprise\"\nname = \"Legekontoret\"\nkind = \"gp\"\ndestination = \"gp\"\n";

    fn told(config: &str, parties: &[&str]) -> Vec<String> {
        let common = "[journal]\npath = \"j.db\"\n[amqp.bus]\nhost = \"localhost\"\nuser = \"u\"\npassword_file = \"p\"\n";
        let config = Config::parse(
            Path::new("broker.toml"),
            &format!("parties = [\"parties.toml\"]\n{config}{common}"),
        )
        .expect("settings");
        let files: Vec<_> =
            parties.iter().map(|text| ("parties.toml".to_owned(), (*text).to_owned())).collect();
        let parties = Parties::parse(&files).expect("parties");
        warnings(&config, &parties)
            .into_iter()
            .map(|fault| format!("{}: {}", fault.field, fault.message))
            .collect()
    }

    #[test]
    fn what_could_not_leave_is_named_before_it_comes() {
        let partners = "destinations.partners = { amqp = \"bus\" }\ndestinations.gp = { folder = \"out\" }\n";
        let found = told(partners, &[PARTIES, OURS]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("party.protection.gets: What we write for 100 is neither"), "{found:?}");
        let own = "destinations.partners = { amqp = \"bus\", queue = \"ours\" }\ndestinations.gp = { folder = \"out\" }\n";
        assert_eq!(told(own, &[PARTIES, OURS]), Vec::<String>::new(), "a queue of our own");
        let agreed = format!("policy.amqp.unprotected = true\n{partners}");
        assert_eq!(told(&agreed, &[PARTIES, OURS]), Vec::<String>::new());
    }

    #[test]
    fn that_nobody_is_ours_is_said() {
        let found = told("destinations.partners = { folder = \"out\" }\n", &[PARTIES]);
        assert!(found.len() == 1 && found[0].starts_with("parties: No party is ours"), "{found:?}");
        assert_eq!(told("destinations.gp = { folder = \"out\" }\n", &[]).len(), 1);
    }
}
