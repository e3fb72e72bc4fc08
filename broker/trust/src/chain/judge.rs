//! The judgement, in the order of its questions: form, chain, validity, usage, policy, revocation.

use super::{Anchors, Moment, Purpose, Refusal, RevocationRule, Trusted, build};
use crate::certificate::Certificate;
use crate::fault::{Fault, Kind};
use crate::keys::strong;
use crate::revocation::{Evidence, Standing, Status};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// How long a judgement holds at most, when no revocation answer says until when.
const WITHOUT_ANSWER: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn judge(
    anchors: &Anchors,
    certificate: &Arc<Certificate>,
    embedded: &[Arc<Certificate>],
    purpose: Purpose,
    moment: Moment,
    evidence: &Evidence,
) -> Result<Trusted, Refusal> {
    let chain = build::chain(anchors, certificate, embedded, moment)?;
    issuers(&chain)?;
    strong(&certificate.key).map_err(|fault| fault.of(certificate))?;
    usage(certificate, purpose)?;
    policy(certificate, &anchors.policies)?;
    unrevoked(anchors, certificate, chain, purpose, moment, evidence)
}

/// The same for a certificate whose chain was judged before, and holds at this moment: revocation alone.
pub(super) fn again(
    anchors: &Anchors,
    known: &Trusted,
    moment: Moment,
    evidence: &Evidence,
) -> Result<Trusted, Refusal> {
    unrevoked(anchors, &known.certificate, known.chain.clone(), known.purpose, moment, evidence)
}

fn unrevoked(
    anchors: &Anchors,
    certificate: &Arc<Certificate>,
    chain: Vec<Arc<Certificate>>,
    purpose: Purpose,
    moment: Moment,
    evidence: &Evidence,
) -> Result<Trusted, Refusal> {
    let revocation = revocation(anchors, certificate, &chain, moment, evidence)?;
    let good_until = good_until(certificate, &chain, &revocation, moment.now);
    Ok(Trusted { certificate: Arc::clone(certificate), purpose, chain, revocation, moment, good_until })
}

/// OpenSSL lets some old certificates pass as CAs that do not say so; we do not. Roots are trusted as they are.
fn issuers(chain: &[Arc<Certificate>]) -> Result<(), Fault> {
    let below_root = chain.len().saturating_sub(1);
    for issuer in chain.iter().take(below_root) {
        //= RFC 5280 §6.1.4 (k), (n)
        //# verify that the basicConstraints extension is present and that cA is set to TRUE; [...] that the
        //# keyCertSign bit is set
        if !issuer.is_ca || !issuer.usage.is_some_and(|u| u.cert_sign) {
            return Err(Fault::new(
                Kind::CertificateUntrusted,
                "A certificate above it is not made for issuing certificates.",
                "The sender must use a certificate that a CA issued.",
            )
            .of(issuer));
        }
        strong(&issuer.key).map_err(|fault| fault.of(issuer))?;
    }
    Ok(())
}

fn usage(certificate: &Certificate, purpose: Purpose) -> Result<(), Fault> {
    let usage = certificate.usage.unwrap_or_default();
    let (fits, needed, use_) = match purpose {
        Purpose::Signing => (usage.non_repudiation, "nonRepudiation", "signing"),
        Purpose::Sealing => (usage.key_encipherment, "keyEncipherment", "sealing"),
    };
    if certificate.is_ca {
        return Err(Fault::new(
            Kind::CertificateUsage,
            format!("The certificate is a CA's; those are not for {use_} messages."),
            "The owner must use an organisation's own certificate.",
        )
        .of(certificate));
    }
    if !fits {
        return Err(Fault::new(
            Kind::CertificateUsage,
            format!("The certificate is not made for {use_}: its key usage does not have {needed}."),
            "An organisation has two certificates, one for signing and one for sealing: the other one is to be used.",
        )
        .of(certificate));
    }
    Ok(())
}

fn policy(certificate: &Certificate, accepted: &[String]) -> Result<(), Fault> {
    if accepted.is_empty() || certificate.policies.iter().any(|p| accepted.contains(p)) {
        return Ok(());
    }
    let has = match certificate.policies.len() {
        0 => "none".to_owned(),
        _ => certificate.policies.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    Err(Fault::new(
        Kind::CertificatePolicy,
        format!("The certificate is issued under no policy that we accept; it has {has}."),
        "If it is an enterprise certificate, add its policy to the accepted ones; if not, its owner must order one.",
    )
    .of(certificate))
}

/// Asks for each certificate of the chain but the root. One that is revoked decides, whatever is unknown of others.
fn revocation(
    anchors: &Anchors,
    certificate: &Arc<Certificate>,
    chain: &[Arc<Certificate>],
    moment: Moment,
    evidence: &Evidence,
) -> Result<Vec<Status>, Refusal> {
    let pairs: Vec<_> = std::iter::once(certificate).chain(chain).zip(chain).collect();
    let statuses: Vec<Status> =
        pairs.iter().map(|(subject, issuer)| evidence.status(subject, issuer, moment.now)).collect();
    let mut unknown: Option<(&Arc<Certificate>, &Arc<Certificate>, bool)> = None;
    let mut wanted = Vec::new();
    for ((subject, issuer), status) in pairs.iter().zip(&statuses) {
        match status.standing {
            Standing::Good => {}
            Standing::Revoked { since } => return Err(revoked(subject, since, moment.at).into()),
            Standing::NotOffered if anchors.revocation == RevocationRule::IfOffered => {}
            Standing::NotOffered => unknown = unknown.or(Some((subject, issuer, false))),
            Standing::Unknown => {
                unknown = unknown.or(Some((subject, issuer, true)));
                wanted.push(Evidence::wanted(subject, issuer));
            }
        }
    }
    match unknown {
        Some((subject, issuer, offered)) if anchors.test_mode.is_none() => {
            Err(Refusal { fault: untold(subject, issuer, offered), wanted })
        }
        Some(_) | None => Ok(statuses),
    }
}

/// Nothing fresh is known of a certificate: whose answer is missing, and where it is to be had.
fn untold(subject: &Certificate, issuer: &Certificate, offered: bool) -> Fault {
    /// Real certificates name two or three.
    const SHOWN: usize = 4;
    let whose = &issuer.subject;
    let places = subject.ocsp_urls.iter().chain(&subject.crl_urls).take(SHOWN);
    let places: Vec<_> = places.map(String::as_str).collect();
    let (message, remedy) = match (offered, places.as_slice()) {
        (false, _) => (
            format!(
                "Whether the certificate is revoked cannot be told: it names no place to ask, and there is no CRL of \
                 its issuer, {whose}."
            ),
            "Add the issuer's CRL, or accept that certificates of this kind offer none.".to_owned(),
        ),
        (true, []) => (
            format!(
                "Whether the certificate is revoked cannot be told now: there is no fresh and valid CRL of its issuer, \
                 {whose}, and the certificate names no address of HTTP to get one from."
            ),
            "Get the issuer's CRL, and give it as a file.".to_owned(),
        ),
        (true, places) => (
            format!(
                "Whether the certificate is revoked cannot be told now: there is no fresh and valid CRL or OCSP answer \
                 of its issuer, {whose}."
            ),
            format!(
                "Check that the issuer's service can be reached from here: {}. Nobody but the issuer and we are to \
                 blame.",
                places.join(", ")
            ),
        ),
    };
    Fault::new(Kind::RevocationUnknown, message, remedy).of(subject)
}

/// A certificate that is revoked now is refused also if the message says it was signed before: the time in a message
/// is its signer's word, and whoever has a stolen key can write any.
fn revoked(certificate: &Certificate, since: Timestamp, at: Timestamp) -> Fault {
    let note = if since > at {
        format!(" That is after {at}, when the message says it was sent; a revoked key could say so too.")
    } else {
        String::new()
    };
    Fault::new(
        Kind::CertificateRevoked,
        format!("The certificate is revoked since {since}.{note}"),
        "The owner must use another certificate; ask why this one was revoked.",
    )
    .of(certificate)
}

fn good_until(
    certificate: &Certificate,
    chain: &[Arc<Certificate>],
    revocation: &[Status],
    now: Timestamp,
) -> Timestamp {
    let ends = chain.iter().map(|c| c.not_after).chain([certificate.not_after]);
    let answers = revocation.iter().map(|status| match (&status.source, status.standing) {
        (Some(source), _) => source.fresh_until(),
        (None, Standing::NotOffered) => now.saturating_add(WITHOUT_ANSWER).unwrap_or(now),
        // Only test mode comes here; the next message asks again.
        (None, Standing::Good | Standing::Revoked { .. } | Standing::Unknown) => now,
    });
    // A certificate that has run out was judged at a moment when it was valid; answers alone bound the judgement then.
    ends.filter(|end| *end > now).chain(answers).min().unwrap_or(now)
}
