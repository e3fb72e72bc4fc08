//! What protection stopped, what had no way and what was held is judged again, as a whole message, by what holds now. What was fetched of revocation is
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
use broker_core::journal::{Recipient, RecipientId, RecipientRecord, VerdictRecord};
use broker_core::lifecycle::State;
use broker_core::policy::{Policy, TestMessages};
use broker_core::ports::{Clock, Store};
use dead_letter::Reason;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages to judge again, each with those of its recipients that were asked for.
pub(super) type Asks = BTreeMap<MessageId, Vec<RecipientRecord>>;

/// What judging takes.
pub(super) struct Judging<'a> {
    journal: &'a Journal,
    clock: Arc<dyn Clock>,
    world: Arc<World>,
    /// The same, and what is held may pass.
    released: Arc<World>,
    pool: Pool,
    asked: &'a Asked,
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

impl<'a> Judging<'a> {
    /// By the settings and parties of now.
    pub(super) fn new(config: &Config, journal: &'a Journal, asked: &'a Asked) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let world = world_of_now(config, Tables::load(config).map_err(Failure::Config)?, &clock)?;
        let mut rules = Tables::load(config).map_err(Failure::Config)?.rules;
        rules.hold_nothing();
        let policy = Policy { test_messages: TestMessages::Deliver, ..Policy::clone(&world.policy) };
        let released = World { rules: Arc::new(rules), policy: Arc::new(policy), ..world.clone() };
        let pool = Pool::start(1).map_err(|e| Failure::Start(e.to_string()))?;
        Ok(Self { journal, clock, world: Arc::new(world), released: Arc::new(released), pool, asked })
    }

    /// Judges a message again and tells, for each recipient that comes of it, whether it goes.
    pub(super) async fn one(
        &self,
        message: MessageId,
        lying: &[RecipientRecord],
    ) -> Result<Vec<Step>, Failure> {
        let stay = |why: &str, titled: fn(Reason) -> String| {
            let step = |recipient: &RecipientRecord| Step {
                message,
                recipient: recipient.id,
                goes: Err(format!("{why}{}", recipient.reason.map_or_else(String::new, titled))),
                to: None,
                judged: None,
                answers: false,
            };
            Ok(lying.iter().map(step).collect())
        };
        let Self { journal, asked, .. } = self;
        let held = lying.iter().any(|recipient| recipient.reason == Some(Reason::HeldByRule));
        let world = if held { &self.released } else { &self.world };
        let judge = Judge { store: *journal, pool: &self.pool, clock: &*self.clock };
        let record = journal.message(message).await?.map(Arc::new);
        let (Some(record), Some(bytes)) = (record, journal.body(message).await?) else {
            return stay("its bytes are kept no more", titled);
        };
        let lies_still = |r: &RecipientRecord| lying.iter().any(|l| l.id == r.id && l.state == r.state);
        if !record.recipients.iter().any(lies_still) {
            return stay(OVERTAKEN, |_| String::new());
        }
        let Some((wanted, prepared)) = judge.read(&record, &bytes, world).await else {
            return stay(FAILED, titled);
        };
        let only: Vec<RecipientId> = lying.iter().map(|recipient| recipient.id).collect();
        match judge.decide(&record, &prepared, world, Some(&only), asked).await? {
            Judged::Anew(decided) => Ok(told(message, lying, &decided)),
            Judged::Same if wanted.is_empty() => stay("judged again, it comes to the same", titled),
            Judged::Same => stay(
                "judged again, it comes to the same: what the broker keeps of revocation does not tell, and this \
                 command asks nobody",
                titled,
            ),
            Judged::Overtaken => stay(OVERTAKEN, |_| String::new()),
            Judged::Failed => stay(FAILED, titled),
        }
    }
}

/// Another command, or the running broker.
pub(super) const OVERTAKEN: &str = "it lies there no more: somebody else was first; look again";
const FAILED: &str = "the program failed on it; tell its makers";

fn titled(reason: Reason) -> String {
    format!(" ({reason} {})", reason.title())
}

/// What takes the place of what lay there.
fn told(message: MessageId, lying: &[RecipientRecord], decided: &Decided) -> Vec<Step> {
    let verdict = Some(decided.verdict.as_str());
    let step = |recipient, goes| Step { message, recipient, goes, to: None, judged: verdict, answers: false };
    if let VerdictRecord::Duplicate { of } = &decided.verdict {
        let why = format!("it repeats message {}, which came before it; nothing is sent twice", of.short());
        return lying.iter().map(|recipient| step(recipient.id, Err(why.clone()))).collect();
    }
    let lay = |new: &Recipient| decided.is_receipt || lying.iter().any(|old| old.book == new.book);
    decided
        .recipients
        .iter()
        .map(|recipient| Step { answers: !lay(recipient), ..step(recipient.id, goes(recipient)) })
        .collect()
}

fn goes(recipient: &Recipient) -> Result<DestinationId, String> {
    match (recipient.state, &recipient.destination) {
        (State::Waiting, Some(destination)) => Ok(destination.clone()),
        (state, _) => Err(format!("{state}{}", recipient.reason.map_or_else(String::new, titled))),
    }
}
