//! The protected connection to the server: what is wrong with our files is told before anything is asked, and what a
//! handshake failed by in words that say what to mend.

use super::place::Place;
use broker_core::ports::StoreError;
use rustls::{CertificateError, Error as Tls};
use std::fs::File;
use std::path::Path;

/// Our files must be there: what the library says of one that is not names none.
pub(super) fn readable(place: &Place) -> Result<(), StoreError> {
    let own =
        place.certificate.iter().flat_map(|(certificate, key)| [("sslcert", certificate), ("sslkey", key)]);
    for (name, path) in place.root.iter().map(|root| ("sslrootcert", root)).chain(own) {
        File::open(path).map_err(|error| {
            StoreError::Unavailable(format!("{name}: {} cannot be read: {}", path.display(), error.kind()))
        })?;
    }
    Ok(())
}

/// The private key, if others than its owner's group may read it.
pub(super) fn open_key(place: &Place) -> Option<&Path> {
    use std::os::unix::fs::PermissionsExt;
    let (_, key) = place.certificate.as_ref()?;
    let mode = key.metadata().ok()?.permissions().mode();
    (mode & 0o007 != 0).then_some(key)
}

/// What a handshake failed by, and what to do; none for any other fault.
pub(super) fn fault(error: &sqlx::Error) -> Option<String> {
    let why = if let sqlx::Error::Io(error) = error {
        words(error.get_ref()?.downcast_ref()?)
    } else if let sqlx::Error::Tls(error) = error {
        match error.downcast_ref() {
            Some(tls) => words(tls),
            // A server without TLS, or a file that holds no certificate.
            None => {
                format!("{error}; look at ssl at the server, and at sslrootcert, sslcert and sslkey here")
            }
        }
    } else if let sqlx::Error::Configuration(error) = error {
        format!("{error}; look at sslcert and sslkey")
    } else {
        return None;
    };
    Some(format!("no protected connection: {why}"))
}

fn words(error: &Tls) -> String {
    if let Tls::InvalidCertificate(why) = error {
        format!("the server's certificate {}", of_certificate(why))
    } else if let Tls::AlertReceived(alert) = error {
        format!("the server refuses ours ({alert:?}); look at sslcert and sslkey, and at ssl_ca_file there")
    } else if let Tls::InconsistentKeys(_) = error {
        "sslkey is not the key of the certificate in sslcert".to_owned()
    } else {
        error.to_string()
    }
}

fn of_certificate(why: &CertificateError) -> String {
    use CertificateError as C;
    // A CA of the same name with another key is another CA.
    if matches!(why, C::UnknownIssuer | C::BadSignature) {
        "is of no CA that is trusted here; if it is the right server, name the certificate of its CA as sslrootcert"
            .to_owned()
    } else if matches!(why, C::NotValidForName | C::NotValidForNameContext { .. }) {
        "is not made out to the name in host; write a name that stands in it, or have one made out to this name"
            .to_owned()
    } else if matches!(why, C::Expired | C::ExpiredContext { .. }) {
        "has run out; have it renewed there".to_owned()
    } else if matches!(why, C::NotValidYet | C::NotValidYetContext { .. }) {
        "is not valid yet; look at the clocks of both".to_owned()
    } else {
        format!("cannot be used ({why})")
    }
}
