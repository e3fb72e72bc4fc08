//! Opens the journal for commands that read it or replay from it, beside a running broker.

use crate::config::Config;
use crate::exit::Failure;
use crate::wiring::Journal;

/// Runs some work against the journal that a configuration names. The journal must be there already.
pub(super) fn with<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Journal) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let journal = crate::wiring::open_journal(config).await?;
        let worked = work(&journal).await;
        journal.close().await;
        worked
    })
}
