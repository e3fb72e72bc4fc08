//! Which revocation services do not answer: told once when one falls silent, and once when it is back.

use hyper::Uri;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use trust::certificate::Thumbprint;

/// Of what nobody wanted to know anything for so long, nothing is said any more.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(1);

/// Certificates that are remembered, at most.
const MOST: usize = 1_000;

/// What did not answer.
#[derive(Debug, Default)]
pub(super) struct Silent {
    hosts: BTreeSet<String>,
    /// Certificates of which nothing is known, when that was found last, and whom it was tried to ask.
    unknown: BTreeMap<Thumbprint, (Timestamp, BTreeSet<String>)>,
}

impl Silent {
    /// A service did not answer; true if that is news.
    pub(super) fn failed(&mut self, host: &str) -> bool {
        self.hosts.insert(host.to_owned())
    }

    /// A service answered; true if it did not before.
    pub(super) fn answered(&mut self, host: &str) -> bool {
        self.unknown.retain(|_, (_, hosts)| !hosts.contains(host));
        self.hosts.remove(host)
    }

    /// Nobody answered about a certificate.
    pub(super) fn unknown(&mut self, certificate: Thumbprint, hosts: BTreeSet<String>, now: Timestamp) {
        if self.unknown.len() < MOST || self.unknown.contains_key(&certificate) {
            self.unknown.insert(certificate, (now, hosts));
        }
    }

    /// Drops what is long past.
    pub(super) fn look(&mut self, now: Timestamp) {
        self.unknown.retain(|_, (at, _)| now.duration_since(*at) < FORGOTTEN);
    }

    /// For health: who is missing. None if messages wait for nobody.
    pub(super) fn sentence(&self) -> Option<String> {
        /// A sentence, no list.
        const SHOWN: usize = 5;
        let missing: BTreeSet<&str> =
            self.unknown.values().flat_map(|(_, hosts)| hosts).map(String::as_str).collect();
        let mut named: Vec<String> = missing.iter().take(SHOWN).map(|&host| host.to_owned()).collect();
        let more = missing.len().saturating_sub(SHOWN);
        if more > 0 {
            named.push(format!("{more} more"));
        }
        (!self.unknown.is_empty()).then(|| {
            format!(
                "Revocation services do not answer: {}. Messages whose certificates cannot be judged wait.",
                named.join(", ")
            )
        })
    }
}

/// Whose service an address is: the host alone, for a path may name a certificate.
pub(super) fn host(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    uri.as_ref().and_then(Uri::host).unwrap_or("an address that cannot be read").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_told_of_once_until_it_is_back() {
        let mut silent = Silent::default();
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let (crl, ocsp) = (host("http://crl.example.no:8080/a/b.crl?x=1"), host("https://ocsp.example.no"));
        assert_eq!((crl.as_str(), ocsp.as_str()), ("crl.example.no", "ocsp.example.no"));
        assert!(silent.failed(&crl) && !silent.failed(&crl), "once");
        assert!(silent.failed(&ocsp));
        assert_eq!(silent.sentence(), None, "nothing waits for it yet");
        let print = Thumbprint([1; 32]);
        silent.unknown(print, [crl.clone(), ocsp.clone()].into(), now);
        let sentence = silent.sentence().unwrap();
        assert!(sentence.contains("crl.example.no, ocsp.example.no"), "{sentence}");
        assert!(silent.answered(&crl) && !silent.answered(&crl), "once");
        assert_eq!(silent.sentence(), None, "one of them is enough");
        silent.unknown(print, [ocsp].into(), now);
        silent.look(now + FORGOTTEN);
        assert_eq!(silent.sentence(), None, "nobody has asked for an hour");
    }
}
