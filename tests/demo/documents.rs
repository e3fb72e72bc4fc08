//! The region's document store: what is to be seen there of each message.

use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use servers::stores::store::Store;
use servers::stores::tokens::Tokens;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The store, with its token service.
pub(crate) struct Documents {
    store: Store,
    key: PKey<Private>,
    _runtime: Runtime,
}

impl Documents {
    /// It listens from now on.
    pub(crate) fn open() -> io::Result<Self> {
        let key = PKey::from_rsa(Rsa::generate(2048)?)?;
        let tokens = Tokens::new(PKey::public_key_from_der(&key.public_key_to_der()?)?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let [port] = servers::free_ports()?;
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let store = runtime.block_on(Store::start_at(at, Arc::new(tokens)));
        Ok(Self { store, key, _runtime: runtime })
    }

    /// Settings of a broker that publishes there.
    pub(crate) fn settings(&self) -> io::Result<String> {
        let text = std::fs::read_to_string(system_tests::root().join("ops/region/publish.toml"))?;
        Ok(text.replace("{store}", &self.store.server.address.to_string()))
    }

    /// Puts the key with which the broker asks for tokens where its settings say.
    pub(crate) fn hand_key_to(&self, folder: &Path) -> io::Result<()> {
        std::fs::write(folder.join("client-key.pem"), self.key.private_key_to_pem_pkcs8()?)
    }

    /// What is to be seen of a message that the broker says it has told the store about.
    pub(crate) fn of(&self, plain: &[u8]) -> &'static str {
        let entries = self.store.state.entries.lock().expect("the store's handler does not panic");
        let mut own = entries.values().filter(|kept| kept.bytes == plain).map(|kept| kept.current);
        match own.next() {
            Some(true) => SHOWN,
            Some(false) => REPLACED,
            None => GONE,
        }
    }

    /// How many entries are in use, and how many were replaced.
    pub(crate) fn count(&self) -> (usize, usize) {
        let entries = self.store.state.entries.lock().expect("the store's handler does not panic");
        let in_use = entries.values().filter(|kept| kept.current).count();
        (in_use, entries.len() - in_use)
    }
}

/// It is there, in use.
pub(crate) const SHOWN: &str = "shown";
/// It is there, and a later version has taken its place.
pub(crate) const REPLACED: &str = "replaced";
/// It was withdrawn, or is what withdraws.
pub(crate) const GONE: &str = "withdrawn";
