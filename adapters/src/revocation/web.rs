//! CRLs and OCSP answers over HTTP.

use super::address::{Hosts, allowed};
use crate::http::caller::{Call, Caller, NoAnswer};
use crate::tls;
use broker_core::ports::{NotFetched, Question, RevocationSource};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use trust::revocation::Evidence;

/// How services are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// From the connection to the end of the answer.
    pub timeout: Duration,
    /// The largest CRL that is read.
    pub crl_bytes: usize,
    /// The largest OCSP answer that is read.
    pub ocsp_bytes: usize,
    /// Questions that are out at one time.
    pub at_once: usize,
    /// Which hosts may be asked.
    pub hosts: Hosts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            crl_bytes: 20_000_000,
            ocsp_bytes: 100_000,
            at_once: 8,
            hosts: Hosts::Any,
        }
    }
}

/// Revocation services on the net.
#[derive(Debug)]
pub struct Web {
    options: Options,
    caller: Caller,
    places: Semaphore,
}

impl Web {
    /// Sets up; connects only when something is asked.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn build(options: Options) -> Result<Self, tls::Error> {
        let caller = Caller::build(options.timeout, None)?;
        Ok(Self { places: Semaphore::new(options.at_once.max(1)), options, caller })
    }
}

impl RevocationSource for Web {
    async fn fetch(&self, question: &Question) -> Result<Arc<[u8]>, NotFetched> {
        let uri = allowed(question.url(), &self.options.hosts).ok_or(NotFetched::NotAllowed)?;
        let call = match question {
            Question::Crl { .. } => Call {
                uri,
                post: None,
                accept: "application/pkix-crl, */*",
                token: None,
                most_bytes: self.options.crl_bytes,
            },
            //= RFC 6960 appendix A.1
            //# the POST method ... with the Content-Type header set to "application/ocsp-request"
            Question::Ocsp { request, .. } => Call {
                uri,
                post: Some(("application/ocsp-request", request)),
                accept: "application/ocsp-response",
                token: None,
                most_bytes: self.options.ocsp_bytes,
            },
        };
        // The semaphore is never closed; were it, asking without a place would do no harm.
        let _place = self.places.acquire().await.ok();
        let bytes = self.caller.call(call).await.map_err(|why| match why {
            NoAnswer::Unreachable => NotFetched::Unreachable,
            NoAnswer::TimedOut => NotFetched::TimedOut,
            NoAnswer::Status(status) | NoAnswer::Later { status, .. } => NotFetched::Status(status),
            NoAnswer::TooLarge => NotFetched::TooLarge,
        })?;
        // Reading a large list takes long for a thread that others wait for.
        let asked = question.clone();
        tokio::task::spawn_blocking(move || usable(&asked, bytes)).await.unwrap_or(Err(NotFetched::Unusable))
    }
}

/// The bytes, if they are what was asked for by their form.
pub(crate) fn usable(question: &Question, bytes: Arc<[u8]>) -> Result<Arc<[u8]>, NotFetched> {
    let read = match question {
        Question::Crl { .. } => Evidence::default().with_crl(&bytes),
        Question::Ocsp { .. } => Evidence::default().with_ocsp(&bytes),
    };
    read.map(|_| bytes).map_err(|_| NotFetched::Unusable)
}
