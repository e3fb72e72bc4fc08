//! Series of documents: what the journal knows of one, gathered.

pub mod account;
mod making;
pub mod publishing;

use broker_core::ports::{Store, StoreError};
use broker_core::series::{Kept, ShownAt, Sought};
use message_schemas::MessageId;
use sharing::series::{Strand, Version};
use std::collections::{BTreeMap, BTreeSet};

/// So often is asked for more of what belongs together. Each message names one before it at most; whoever writes chains
/// that need more is not followed further.
const MOST_ROUNDS: usize = 16;

/// All that must be seen together.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// In the order of arrival.
    pub versions: Vec<Version>,
    /// What targets show of it.
    pub shown: Vec<ShownAt>,
}

/// Gathers what must be seen together with the versions that these messages brought.
///
/// # Errors
/// When the journal does not answer.
pub async fn gather<S: Store>(store: &S, messages: BTreeSet<MessageId>) -> Result<Gathered, StoreError> {
    gather_from(store, Sought { messages, ..Sought::default() }).await
}

/// The same, of the versions that any of this applies to.
///
/// # Errors
/// When the journal does not answer.
pub async fn gather_from<S: Store>(store: &S, mut sought: Sought) -> Result<Gathered, StoreError> {
    let mut known: BTreeMap<i64, Version> = BTreeMap::new();
    let mut asked: BTreeSet<Strand> = BTreeSet::new();
    for _ in 0..MOST_ROUNDS {
        if sought.is_empty() {
            break;
        }
        let found = store.versions(&sought).await?;
        sought = Sought::default();
        for Kept { arrived, version } in found {
            if known.contains_key(&arrived) {
                continue;
            }
            // A conversation may be misspelt; who follows whom tells too.
            sought.marks.extend(version.parent());
            if version.can_be_followed() {
                sought.followers.insert(version.mark());
            }
            sought.strands.insert(version.strand());
            known.insert(arrived, version);
        }
        sought.strands.retain(|strand| asked.insert(*strand));
    }
    let strands: BTreeSet<Strand> = known.values().map(Version::strand).collect();
    let shown = if strands.is_empty() { Vec::new() } else { store.shown(&strands).await? };
    Ok(Gathered { versions: known.into_values().collect(), shown })
}
