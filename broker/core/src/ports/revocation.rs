//! Where revocation answers come from.

use std::future::Future;
use std::sync::Arc;
use trust::revocation::{SourceKind, Wanted};

/// Fetches CRLs and OCSP answers.
///
/// **Contract.** What is given is a CRL or an OCSP answer by its form; whether it is signed by whom it must be, and
/// fresh, is judged where it is used. Nothing is given that was not asked for. A service that fails is an error within
/// bounded time, never a hang. Only questions from certificates whose chain leads to our roots may be asked: an
/// address in any other certificate is a stranger's wish.
pub trait RevocationSource: Send + Sync + 'static {
    /// Asks once.
    fn fetch(&self, question: &Question) -> impl Future<Output = Result<Arc<[u8]>, NotFetched>> + Send;
}

/// One thing to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// A list (RFC 5280 §5), by its address.
    Crl {
        /// `http` or `https`.
        url: String,
    },
    /// An answer about one certificate (RFC 6960), by its responder.
    Ocsp {
        /// `http` or `https`.
        url: String,
        /// The request to post.
        request: Vec<u8>,
    },
}

impl Question {
    /// All that can be asked to know more of a certificate: OCSP first, as its answers are small and newer.
    #[must_use]
    pub fn all_of(wanted: &Wanted) -> Vec<Self> {
        let ocsp = |url: &String| Self::Ocsp { url: url.clone(), request: wanted.ocsp_request.clone() };
        let crl = |url: &String| Self::Crl { url: url.clone() };
        wanted.ocsp_urls.iter().map(ocsp).chain(wanted.crl_urls.iter().map(crl)).collect()
    }

    /// CRL or OCSP.
    #[must_use]
    pub const fn kind(&self) -> SourceKind {
        match self {
            Self::Crl { .. } => SourceKind::Crl,
            Self::Ocsp { .. } => SourceKind::Ocsp,
        }
    }

    /// Whom it is put to.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Crl { url } | Self::Ocsp { url, .. } => url,
        }
    }
}

/// Why there is no answer. All of it is the world's fault or ours, never a sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    /// We do not ask there.
    #[error("the address is not one that may be asked")]
    NotAllowed,
    /// It failed a moment ago, and is left alone for a while.
    #[error("the service failed before and is left alone for a while")]
    Resting,
    /// No connection, or it broke.
    #[error("no connection, or it broke off")]
    Unreachable,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// It answered, and not with success.
    #[error("the service answered {0}")]
    Status(u16),
    /// More than we read.
    #[error("the answer is larger than we read")]
    TooLarge,
    /// It is not what was asked for.
    #[error("the answer is no CRL or no successful OCSP answer")]
    Unusable,
}

impl NotFetched {
    /// In one word, for counting.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Resting => "resting",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Unusable => "unusable",
        }
    }
}
