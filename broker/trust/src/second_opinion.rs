//! A second engine beside our own: the same XML signature, verified by other code.
//!
//! Two engines that were written apart seldom share a fault. Where they differ, one of them is wrong, and nobody can
//! tell which: the message is set aside for people.

use crate::algorithm::Allowed;
use crate::certificate::Certificate;
use crate::fault::{Fault, Kind};
use crate::xmldsig::{Attachment, Shape};
use std::fmt;

/// Another engine. Called from the threads that do the crypto; may block, but for a bounded time only.
pub trait SecondOpinion: Send + Sync + fmt::Debug {
    /// Does the one signature that is expected hold with this certificate's key?
    fn ask(&self, question: &Question<'_>) -> Opinion;
}

/// What the engine is asked. Whether the certificate is to be trusted is not among it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The document, with its signature.
    pub text: &'a str,
    /// Where the signature is expected.
    pub shape: Shape,
    /// What else it covers.
    pub attachments: &'a [Attachment<'a>],
    /// Whose key is to be used.
    pub certificate: &'a Certificate,
    /// What the partner's agreement allows.
    pub allowed: Allowed,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// The signature holds.
    Holds,
    /// It does not, and why: elements and algorithms, never content.
    HoldsNot(String),
    /// It cannot say, and why.
    Unable(String),
}

impl Opinion {
    /// Holds the opinion against our own result.
    ///
    /// # Errors
    /// [`Kind::EnginesDiffer`] if they differ, and also if there is no opinion: who asks for two engines does not want
    /// one.
    pub fn against(&self, ours: bool, certificate: &Certificate) -> Result<(), Fault> {
        let message = match (self, ours) {
            (Self::Holds, true) | (Self::HoldsNot(_), false) => return Ok(()),
            (Self::Holds, false) => {
                "Our engine refuses the signature and the second engine accepts it.".to_owned()
            }
            (Self::HoldsNot(why), true) => {
                format!("Our engine accepts the signature and the second engine refuses it: {why}.")
            }
            (Self::Unable(why), _) => format!("The second engine gave no result: {why}."),
        };
        let remedy = "Nothing is wrong on the sender's side as far as can be told. Keep the message, compare the two \
                      engines on it, and let it be judged again.";
        Err(Fault::new(Kind::EnginesDiffer, message, remedy).of(certificate))
    }
}
