//! What protection stopped is judged again, as a whole message, by what holds now. What was fetched of revocation is
//! read from the broker's own cache; this command asks nobody.

use super::replay::Step;
use crate::config::Config;
use crate::exit::Failure;
use crate::pool::Pool;
use crate::protection::judge::{Asked, Decided, Judge, Judged};
use crate::protection::{Material, beside};
use crate::schemas;
use crate::wiring::Journal;
use crate::world::{self, Tables};
use adapters::clock::SystemClock;
use broker_core::World;
use broker_core::journal::{Recipient, RecipientRecord, VerdictRecord};
use broker_core::lifecycle::State;
use broker_core::ports::{Clock, Store};
use dead_letter::Reason;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages to judge again, each with those of its recipients that were asked for.
pub(super) type Asks = BTreeMap<MessageId, Vec<RecipientRecord>>;

/// Judges each of them again and tells, for each recipient that comes of it, whether it goes.
pub(super) async fn all(
    config: &Config,
    tables: Tables,
    journal: &Journal,
    asks: Asks,
    asked: &Asked,
) -> Result<Vec<Step>, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let world = Arc::new(world_of_now(config, tables, &clock)?);
    let pool = Pool::start(1).map_err(|e| Failure::Start(e.to_string()))?;
    let judge = Judge { store: journal, pool: &pool, clock: &*clock };
    let mut steps = Vec::new();
    for (message, lying) in asks {
        steps.extend(one(&judge, &world, message, &lying, asked).await?);
    }
    Ok(steps)
}

fn world_of_now(config: &Config, tables: Tables, clock: &Arc<dyn Clock>) -> Result<World, Failure> {
    let schemas = Arc::new(schemas::load(config.schemas.as_deref()).map_err(Failure::Config)?);
    let protection = match &config.trust {
        None => None,
        Some(trust) => {
            let named = world::named_certificates(config, Some(&tables.parties));
            let material = Material::load(trust, named).map_err(Failure::Config)?;
            Some(Arc::new(beside::protection(trust, material, clock)?))
        }
    };
    Ok(world::world(config, schemas, tables, protection))
}

async fn one(
    judge: &Judge<'_, Journal>,
    world: &Arc<World>,
    message: MessageId,
    lying: &[RecipientRecord],
    asked: &Asked,
) -> Result<Vec<Step>, Failure> {
    let stay = |why: &str| {
        let step = |recipient: &RecipientRecord| Step {
            message,
            recipient: recipient.id,
            goes: Err(format!("{why}{}", recipient.reason.map_or_else(String::new, titled))),
            to: None,
            judged: None,
        };
        Ok(lying.iter().map(step).collect())
    };
    let record = judge.store.message(message).await?.map(Arc::new);
    let (Some(record), Some(bytes)) = (record, judge.store.body(message).await?) else {
        return stay("its bytes are kept no more");
    };
    let Some((wanted, prepared)) = judge.read(&record, &bytes, world).await else { return stay(FAILED) };
    match judge.decide(&record, &prepared, world, asked).await? {
        Judged::Anew(decided) => Ok(told(message, lying, &decided)),
        Judged::Same if wanted.is_empty() => stay("judged again, it comes to the same"),
        Judged::Same => stay(
            "judged again, it comes to the same: what the broker keeps of revocation does not tell, and this command \
             asks nobody",
        ),
        Judged::Overtaken => stay("it was judged by the running broker just now; look again"),
        Judged::Failed => stay(FAILED),
    }
}

const FAILED: &str = "the program failed on it; tell its makers";

fn titled(reason: Reason) -> String {
    format!(" ({reason} {})", reason.title())
}

/// What takes the place of what lay there.
fn told(message: MessageId, lying: &[RecipientRecord], decided: &Decided) -> Vec<Step> {
    let verdict = Some(decided.verdict.as_str());
    let step = |recipient, goes| Step { message, recipient, goes, to: None, judged: verdict };
    if let VerdictRecord::Duplicate { of } = &decided.verdict {
        let why = format!("it repeats message {}, which came before it; nothing is sent twice", of.short());
        return lying.iter().map(|recipient| step(recipient.id, Err(why.clone()))).collect();
    }
    decided.recipients.iter().map(|recipient| step(recipient.id, goes(recipient))).collect()
}

fn goes(recipient: &Recipient) -> Result<DestinationId, String> {
    match (recipient.state, &recipient.destination) {
        (State::Waiting, Some(destination)) => Ok(destination.clone()),
        (state, _) => Err(format!("{state}{}", recipient.reason.map_or_else(String::new, titled))),
    }
}
