//! TLS from PEM files, for serving and for calling.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificate and key of a server, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// The server's certificate, followed by those between it and its root.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// How a server is checked by us, and we by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientOptions {
    /// Root certificates (PEM) to check the server against; this machine's if not set.
    pub roots_file: Option<PathBuf>,
    /// Our own certificate (PEM), followed by those between it and its root, for a server that asks for one.
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
}

impl ClientOptions {
    /// True if we can show a certificate.
    #[must_use]
    pub const fn has_certificate(&self) -> bool {
        self.certificate_file.is_some() && self.key_file.is_some()
    }
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing, or holds no PEM of the kind.
    #[error("{} holds no usable {what}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why it does not.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the certificates or the key cannot be used")]
    Unfit(#[from] rustls::Error),
    /// A certificate without its key, or a key without its certificate.
    #[error("certificate_file and key_file belong together")]
    HalfIdentity,
    /// No root certificate to check servers against.
    #[error("this machine has no root certificates; name a file of them")]
    NoRoots,
}

/// For serving HTTP/1.1.
pub(crate) fn server(options: &ServerOptions) -> Result<Arc<ServerConfig>, Error> {
    let chain = certificates(&options.certificate_file)?;
    let key = key(&options.key_file)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// For calling servers, checked against the roots in a file, else against this machine's.
pub(crate) fn client(roots_file: Option<&Path>) -> Result<ClientConfig, Error> {
    client_with(&ClientOptions { roots_file: roots_file.map(Path::to_owned), ..ClientOptions::default() })
}

/// For calling servers, with a certificate of our own where there is one.
pub(crate) fn client_with(options: &ClientOptions) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match &options.roots_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(Error::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match (&options.certificate_file, &options.key_file) {
        (Some(chain), Some(file)) => Ok(config.with_client_auth_cert(certificates(chain)?, key(file)?)?),
        (None, None) => Ok(config.with_no_client_auth()),
        (Some(_), None) | (None, Some(_)) => Err(Error::HalfIdentity),
    }
}

/// For a client that only ever speaks plain HTTP: trusts nobody.
pub(crate) fn none() -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| Error::File {
        path: path.to_owned(),
        what: "private key",
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |source| Error::File { path: path.to_owned(), what: "certificate", source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(unusable)?.collect::<Result<_, _>>().map_err(unusable)?;
    if found.is_empty() { Err(unusable(rustls::pki_types::pem::Error::NoItemsFound)) } else { Ok(found) }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
