//! `dead-letter replay --ruling`: what a person rules on versions of documents that wait outside of their series.

use super::replay::Step;
use crate::config::Config;
use crate::exit::Failure;
use crate::series::gather;
use crate::wiring::Journal;
use crate::world::PUBLISHING;
use adapters::clock::SystemClock;
use broker_core::ports::{Clock, Store};
use broker_core::series::{Kept, Ruled, Sought};
use message_schemas::MessageId;
use sharing::Environment;
use sharing::series::{Conflict, Fate, Ruling, Version, fold};
use std::collections::{BTreeMap, BTreeSet};

/// What is ruled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Given {
    /// It is published as it is, in spite of the conflict.
    Publish,
    /// It is left unpublished, for good.
    Leave,
}

/// Rulings that are to be written down, by the number of the version in the journal.
pub(super) type Rulings = BTreeMap<i64, Ruled>;

/// Decides for each delivery that is to go again what is ruled on its message; what cannot be ruled on stays.
pub(super) async fn decide(
    config: &Config,
    journal: &Journal,
    given: Given,
    steps: &mut [Step],
    who_and_why: &str,
) -> Result<Rulings, Failure> {
    let mut rulings = Rulings::new();
    for step in steps {
        let Ok(place) = &step.goes else { continue };
        let target = place.as_str().strip_prefix(PUBLISHING).and_then(|name| config.publish.get(name));
        let decided = match target {
            Some(target) => {
                one(journal, given, step.message, target.target().environment, who_and_why).await?
            }
            None => Err("it goes to no target of the configuration; leave --ruling away".to_owned()),
        };
        match decided {
            Ok(ruled) => rulings.extend(ruled.into_iter().map(|ruled| (ruled.arrived, ruled))),
            Err(why) => step.goes = Err(why),
        }
    }
    Ok(rulings)
}

/// What is ruled on the versions of a message that wait for a person, as a target of this kind sees their series.
async fn one(
    journal: &Journal,
    given: Given,
    message: MessageId,
    environment: Environment,
    who_and_why: &str,
) -> Result<Result<Vec<Ruled>, String>, Failure> {
    let messages = BTreeSet::from([message]);
    let own = journal.versions(&Sought { messages: messages.clone(), ..Sought::default() }).await?;
    let mut here = gather(journal, messages).await?.versions;
    here.retain(|version| version.is_seen_by(environment));
    let folded = fold(&here);
    let conflict_of = |version: &Version| {
        let at = here.iter().position(|v| v.message == version.message && v.msg_id == version.msg_id)?;
        match folded.fates.get(at) {
            Some(Fate::Parked { conflict }) => Some(*conflict),
            _ => None,
        }
    };
    let mut rulings = Vec::new();
    for Kept { arrived, version } in own {
        let Some(conflict) = conflict_of(&version) else { continue };
        let (ruling, told) = match ruling(given, &version, conflict) {
            Ok(ruled) => ruled,
            Err(why) => return Ok(Err(why)),
        };
        let (told, at) = (format!("{told}; {who_and_why}"), SystemClock::new().now());
        rulings.push(Ruled { arrived, version: Version { ruling, ..version }, told, at });
    }
    Ok(if rulings.is_empty() { Err("nothing of it waits for a ruling".to_owned()) } else { Ok(rulings) })
}

/// The ruling, and what is said of it.
fn ruling(given: Given, version: &Version, conflict: Conflict) -> Result<(Ruling, String), String> {
    let words = conflict.words();
    match given {
        Given::Leave => {
            Ok((Ruling { left: true, ..Ruling::default() }, format!("left unpublished: {words}")))
        }
        Given::Publish if version.withheld.is_some() => {
            Err("it may not be published whatever is ruled: it is kept back, or not safe to show".to_owned())
        }
        Given::Publish if conflict.may_be_let_in() => {
            let mut ruling = Ruling { left: false, ..version.ruling.clone() };
            ruling.in_spite_of.insert(conflict);
            Ok((ruling, format!("to be published although {words}")))
        }
        Given::Publish => Err(format!(
            "{words}: only its sender can mend that; --ruling leave says that it stays unpublished"
        )),
    }
}
