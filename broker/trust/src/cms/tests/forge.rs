//! Makes signed data of which every part can be wrong.

use super::*;
use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::cms::algorithms::{oid, write_digest, write_signature};
use crate::cms::sign::{issuer_and_serial, wrapped};
use crate::der;
use crate::pki::{KeyKind, Pair, demo};

/// A SignedData of which every part can be wrong.
#[derive(Clone)]
pub(super) struct Forged {
    /// The hash that is announced in front; else the signer's.
    pub(super) announced: Option<Vec<u8>>,
    pub(super) content_type: &'static [u8],
    pub(super) content: Option<Vec<u8>>,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) signers: Vec<Signer>,
}

#[derive(Clone)]
pub(super) struct Signer {
    pub(super) id: Vec<u8>,
    pub(super) digest: Vec<u8>,
    /// DER of the SET.
    pub(super) attributes: Option<Vec<u8>>,
    pub(super) algorithm: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

pub(super) fn own() -> &'static Pair {
    &Demo::shared().sender.signing
}

impl Forged {
    /// Well made, by this key, over this content.
    pub(super) fn by(pair: &Pair, content: &[u8]) -> Self {
        let signature = pair.private_key().sign(RSA_SHA256, content).unwrap();
        Self {
            announced: None,
            content_type: oid::DATA,
            content: Some(content.to_vec()),
            certificates: vec![pair.certificate().der.to_vec()],
            signers: vec![Signer {
                id: issuer_and_serial(pair.certificate()),
                digest: write_digest(Digest::Sha256),
                attributes: None,
                algorithm: write_signature(RSA_SHA256),
                signature,
            }],
        }
    }

    /// Well made, with these attributes.
    pub(super) fn with(pair: &Pair, content: &[u8], attributes: Vec<Vec<u8>>) -> Self {
        let set = der::set_of(attributes);
        let mut forged = Self::by(pair, content);
        forged.signers[0].signature = pair.private_key().sign(RSA_SHA256, &set).unwrap();
        forged.signers[0].attributes = Some(set);
        forged
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let content = self.content.as_ref().map(|c| der::context(0, &der::octets(c))).unwrap_or_default();
        let announced = self.announced.clone().or_else(|| self.signers.first().map(|s| s.digest.clone()));
        let signers: Vec<Vec<u8>> = self.signers.iter().map(Signer::bytes).collect();
        wrapped(
            oid::SIGNED_DATA,
            &[
                &der::unsigned(&[1]),
                &der::set_of(announced.into_iter().collect()),
                &der::sequence(&[&der::oid(self.content_type), &content]),
                &der::value(0xA0, &self.certificates.concat()),
                &der::value(tag::SET, &signers.concat()),
            ],
        )
    }

    pub(super) fn kind(&self) -> Kind {
        verify_sender(&self.bytes()).unwrap_err().kind
    }
}

impl Signer {
    fn bytes(&self) -> Vec<u8> {
        let mut attributes = self.attributes.clone().unwrap_or_default();
        if let Some(first) = attributes.first_mut() {
            *first = 0xA0;
        }
        der::sequence(&[
            &der::unsigned(&[1]),
            &self.id,
            &self.digest,
            &attributes,
            &self.algorithm,
            &der::octets(&self.signature),
        ])
    }
}

pub(super) const RSA_SHA256: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1(Digest::Sha256);

pub(super) fn attribute(name: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
    der::sequence(&[&der::oid(name), &der::value(tag::SET, &values.concat())])
}

/// The attributes that must be there, for this content.
pub(super) fn needed(content: &[u8]) -> Vec<Vec<u8>> {
    vec![
        attribute(oid::CONTENT_TYPE, &[der::oid(oid::DATA)]),
        attribute(oid::MESSAGE_DIGEST, &[der::octets(&openssl::sha::sha256(content))]),
    ]
}

/// Another organisation below the same CA: trusted, but not the sender.
pub(super) fn third_party() -> demo::Organisation {
    demo::Organisation::new(&Demo::shared().issuing, "Third Party", demo::RECEIVER, KeyKind::Rsa2048).unwrap()
}
