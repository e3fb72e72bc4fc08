//! Which certificates run out, ours and partners', while there is time to do something about it.
//!
//! A certificate that another one has followed may run out unnoticed: that is how keys are rolled over. What counts is,
//! for each owner and purpose, the one that lasts longest.

use jiff::Timestamp;
use message_schemas::{Code, Finding, HerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use trust::Certificate;
use trust::chain::Purpose;
use trust::keys::{Expiry, expiring};

/// Whose a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// Ours.
    Own,
    /// A partner's.
    Partner(HerId),
}

impl Owner {
    /// For labels: never whose exactly.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Partner(_) => "partner",
        }
    }
}

/// For labels and sentences.
#[must_use]
pub const fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Signing => "signing",
        Purpose::Sealing => "sealing",
    }
}

/// The certificate of one owner for one purpose that lasts longest.
#[derive(Debug, Clone)]
pub struct Lasting {
    /// Whose.
    pub owner: Owner,
    /// For what.
    pub purpose: Purpose,
    /// Which.
    pub certificate: Arc<Certificate>,
    /// Whole days that are left; negative: since.
    pub days: i64,
    /// How soon, if soon.
    pub level: Option<Expiry>,
}

impl Lasting {
    /// As a finding, if it is soon.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let level = self.level?;
        let purpose = purpose_word(self.purpose);
        let whose = match self.owner {
            Owner::Own => format!("Our certificate for {purpose}"),
            Owner::Partner(her_id) => format!("The certificate for {purpose} of party {her_id}"),
        };
        let when = match (level, self.days) {
            (Expiry::Over, _) => "has run out".to_owned(),
            (Expiry::Within7Days | Expiry::Within30Days | Expiry::Within60Days, 0) => {
                "runs out within a day".to_owned()
            }
            (Expiry::Within7Days | Expiry::Within30Days | Expiry::Within60Days, days) => {
                format!("runs out in {days} days")
            }
        };
        let which = self.certificate.describe();
        let remedy = match self.owner {
            Owner::Own => {
                "Order the next one now, put it beside the old one in trust.keys, publish it at least 108 hours before \
                 the old one ends, and keep the old key for 84 hours after."
            }
            Owner::Partner(_) => "Ask the partner for the next one, and put it beside the old one.",
        };
        Some(Finding::new(
            Code::CertificateExpiring,
            format!("{whose} {when}. Certificate: {which}."),
            remedy,
        ))
    }
}

/// For each owner and purpose, the certificate that lasts longest.
#[must_use]
pub fn lasting<'a>(
    certificates: impl IntoIterator<Item = (Owner, &'a Arc<Certificate>)>,
    now: Timestamp,
) -> Vec<Lasting> {
    const DAY_SECONDS: i64 = 24 * 60 * 60;
    let mut longest: BTreeMap<(Owner, &'static str), (Purpose, &Arc<Certificate>)> = BTreeMap::new();
    for (owner, certificate) in certificates {
        for purpose in [Purpose::Signing, Purpose::Sealing] {
            if !serves(certificate, purpose) {
                continue;
            }
            let best = longest.entry((owner, purpose_word(purpose))).or_insert((purpose, certificate));
            if best.1.not_after < certificate.not_after {
                best.1 = certificate;
            }
        }
    }
    let lasting = longest.into_iter().map(|((owner, _), (purpose, certificate))| Lasting {
        owner,
        purpose,
        certificate: Arc::clone(certificate),
        days: certificate.not_after.as_second().saturating_sub(now.as_second()).div_euclid(DAY_SECONDS),
        level: expiring(std::slice::from_ref(certificate), now).first().map(|(_, level, _)| *level),
    });
    let mut lasting: Vec<_> = lasting.collect();
    lasting.sort_by_key(|l| l.days);
    lasting
}

fn serves(certificate: &Certificate, purpose: Purpose) -> bool {
    certificate.usage.is_some_and(|usage| match purpose {
        Purpose::Signing => usage.non_repudiation,
        Purpose::Sealing => usage.key_encipherment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::pki::demo::{Demo, valid};
    use trust::pki::{Key, KeyKind, Profile};

    fn ends(at: &str) -> Arc<Certificate> {
        let demo = Demo::shared();
        let profile = Profile {
            not_after: at.parse().unwrap(),
            ..Profile::signing("Demo Legekontor", demo.sender.number, valid())
        };
        demo.issuing.certify(&profile, demo.sender.signing.key()).unwrap()
    }

    #[test]
    fn levels_come_one_by_one() {
        let certificate = ends("2026-06-01T00:00:00Z");
        let level = |now: &str| {
            let found = lasting([(Owner::Own, &certificate)], now.parse().unwrap());
            found.first().unwrap().level
        };
        assert_eq!(level("2026-03-01T00:00:00Z"), None);
        assert_eq!(level("2026-04-03T00:00:00Z"), Some(Expiry::Within60Days));
        assert_eq!(level("2026-05-03T00:00:00Z"), Some(Expiry::Within30Days));
        assert_eq!(level("2026-05-26T00:00:00Z"), Some(Expiry::Within7Days));
        assert_eq!(level("2026-06-01T00:00:01Z"), Some(Expiry::Over));
    }

    #[test]
    fn what_was_followed_runs_out_unnoticed() {
        let (old, new) = (ends("2026-06-01T00:00:00Z"), ends("2028-06-01T00:00:00Z"));
        let her_id = Owner::Partner(HerId(8_093_239));
        let now = "2026-05-30T00:00:00Z".parse().unwrap();
        let found = lasting([(her_id, &old), (her_id, &new)], now);
        assert!(found.iter().all(|l| l.finding().is_none()), "{found:?}");
        let found = lasting([(her_id, &old), (Owner::Own, &new)], now);
        let findings: Vec<_> = found.iter().filter_map(Lasting::finding).collect();
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(finding.message.contains("party 8093239 runs out in 2 days"), "{}", finding.message);
    }

    #[test]
    fn sealing_and_signing_are_told_apart() {
        let demo = Demo::shared();
        let now = "2026-05-30T00:00:00Z".parse().unwrap();
        let both = [
            (Owner::Own, demo.sender.signing.certificate()),
            (Owner::Own, demo.sender.sealing.certificate()),
        ];
        let mut words: Vec<_> = lasting(both, now).iter().map(|l| purpose_word(l.purpose)).collect();
        words.sort_unstable();
        assert_eq!(words, ["sealing", "signing"]);
        let unused = Key::generate(KeyKind::P256).unwrap();
        let root = demo.issuing.certify(&Profile::issuing("CA", valid()), &unused).unwrap();
        assert!(lasting([(Owner::Own, &root)], now).is_empty(), "a CA's is for neither");
    }
}
