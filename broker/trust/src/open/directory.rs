//! Certificates that are known beforehand, found by the name that a signature gives.

use crate::certificate::Certificate;
use crate::cms::CertificateId;
use std::collections::HashMap;
use std::sync::Arc;

/// Certificates by issuer and serial number, and by key identifier.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    by_number: HashMap<(Vec<u8>, Vec<u8>), Arc<Certificate>>,
    by_key: HashMap<Vec<u8>, Arc<Certificate>>,
}

impl Directory {
    /// Of these certificates.
    pub fn new(certificates: impl IntoIterator<Item = Arc<Certificate>>) -> Self {
        let mut directory = Self::default();
        for certificate in certificates {
            if let Some(id) = &certificate.key_id {
                directory.by_key.insert(id.clone(), Arc::clone(&certificate));
            }
            let number = (certificate.issuer_der.clone(), certificate.serial.clone());
            directory.by_number.insert(number, certificate);
        }
        directory
    }

    /// The certificate that is meant.
    #[must_use]
    pub fn find(&self, id: &CertificateId) -> Option<&Arc<Certificate>> {
        match id {
            CertificateId::IssuerAndSerial(issuer, serial) => {
                self.by_number.get(&(issuer.clone(), serial.clone()))
            }
            CertificateId::KeyId(id) => self.by_key.get(id),
        }
    }
}
