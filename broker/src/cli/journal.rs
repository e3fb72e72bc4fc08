//! Opens the journal for commands that read it or replay from it, beside a running broker.

use crate::config::Config;
use crate::exit::Failure;
use crate::wiring::Journal;
use broker_core::ports::StoreError;

/// Runs some work against the journal that a configuration names. The journal must be there already.
pub(super) fn with<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Journal) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let path = &config.journal.path;
    if !path.is_file() {
        let why = format!("there is none at {}; it is made when the broker first runs", path.display());
        return Err(StoreError::Unavailable(why).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let journal = crate::wiring::open_journal(config).await?;
        work(&journal).await
    })
}
