//! Proves what trust begins with, for `budstikke check`: do keys open, fit their certificates, serve and last?

use super::expiry::{Owner, lasting, purpose_word};
use super::load::{Material, key_file};
use crate::config::read::Fault;
use crate::config::trust::{TestMode, Trust};
use adapters::clock::SystemClock;
use adapters::keys::readable_by_others;
use adapters::revocation;
use adapters::second_engine::Engine;
use broker_core::ports::Clock;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use trust::Certificate;
use trust::chain::{Cache, Moment, Purpose};
use trust::fault::Kind;
use trust::revocation::Evidence;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What must be mended.
    pub faults: Vec<Fault>,
    /// What should be.
    pub warnings: Vec<Fault>,
}

/// Proves it all. Opens no port and asks nobody.
#[must_use]
pub fn check(trust: &Trust, material: &Material) -> Found {
    let clock = SystemClock::new();
    let now = clock.now();
    let mut found = Found::default();
    permissions(trust, &mut found);
    for key in material.keys.iter() {
        own("trust.keys", key.certificate(), key.chain(), material, now, &mut found);
    }
    serving(material, now, &mut found.warnings);
    expiry(material, now, &mut found);
    for (her_id, certificates) in &material.partners {
        for certificate in certificates {
            let field = format!("party {her_id}: certificates");
            judged(&field, certificate, &[], material, now, &mut found.warnings);
        }
    }
    if let Some(registry) = &trust.partners.registry
        && let Err(error) = registry.options().check()
    {
        let remedy = "Mend the addresses, or the file with the token.";
        found.faults.push(fault("trust.partners.registry", format!("{error}."), remedy));
    }
    if trust.revocation.online
        && let Err(error) = revocation::Web::build(revocation::Options::default())
    {
        let remedy = "Set online = false, or mend TLS on this machine.";
        found.faults.push(fault("trust.revocation.online", format!("{error}."), remedy));
    }
    if let Some(engine) = &trust.second_engine {
        let options = super::engine_options(engine);
        if let Err(why) = Engine::new(options, Arc::new(clock)).check() {
            let remedy = "Name the program, and let this user run it.";
            found.faults.push(fault("trust.second_engine.program", format!("{why}."), remedy));
        }
    }
    if trust.test_mode == TestMode::On {
        found.warnings.push(fault(
            "trust.test_mode",
            "Test mode is on: certificates whose revocation cannot be told are let pass.".to_owned(),
            "Take the setting out before a real message comes.",
        ));
    }
    found
}

/// Private keys and passwords that others may read.
fn permissions(trust: &Trust, found: &mut Found) {
    for (at, key) in trust.keys.iter().enumerate() {
        for path in key_file(key).secrets() {
            if readable_by_others(path).unwrap_or(false) {
                found.warnings.push(Fault {
                    file: path.display().to_string(),
                    ..fault(
                        &format!("trust.keys.{at}"),
                        "Every user of this machine may read this secret.".to_owned(),
                        "Let only the broker's user read it: chmod 600.",
                    )
                });
            }
        }
    }
}

/// What our keys together cannot do. The broker starts without, and says so all the time (`super::watch`); so it is no
/// fault of the configuration here either.
fn serving(material: &Material, now: Timestamp, warnings: &mut Vec<Fault>) {
    if material.keys.signing(now).is_none() {
        warnings.push(fault(
            "trust.keys",
            "None of our keys can sign now: it takes one with nonRepudiation that is valid. What must leave signed is \
             parked."
                .to_owned(),
            "Add the key for signatures, or the next one.",
        ));
    }
    let opens = |certificate: &Certificate| certificate.usage.is_some_and(|usage| usage.key_encipherment);
    if !material.keys.iter().any(|key| opens(key.certificate())) {
        warnings.push(fault(
            "trust.keys",
            "None of our keys is for sealing: it takes one with keyEncipherment. Whatever is sealed for us is parked."
                .to_owned(),
            "Add the key of the certificate that partners seal for.",
        ));
    }
}

/// A key of ours: for what is it, and would a partner trust it?
fn own(
    field: &str,
    certificate: &Arc<Certificate>,
    chain: &[Arc<Certificate>],
    material: &Material,
    now: Timestamp,
    found: &mut Found,
) {
    let usage = certificate.usage.unwrap_or_default();
    if !usage.non_repudiation && !usage.key_encipherment {
        found.faults.push(fault(
            field,
            format!("The certificate is neither for signing nor for sealing: {}.", certificate.describe()),
            "Name the enterprise certificate's key: nonRepudiation to sign, keyEncipherment to open.",
        ));
        return;
    }
    judged(field, certificate, chain, material, now, &mut found.warnings);
}

/// Judges a certificate by the roots. What is not known of revocation here is found out when the broker runs.
fn judged(
    field: &str,
    certificate: &Arc<Certificate>,
    chain: &[Arc<Certificate>],
    material: &Material,
    now: Timestamp,
    warnings: &mut Vec<Fault>,
) {
    let evidence = material
        .lists
        .iter()
        .fold(Evidence::default(), |evidence, list| evidence.with_crl(list).unwrap_or(evidence));
    let usage = certificate.usage.unwrap_or_default();
    let purpose = if usage.non_repudiation { Purpose::Signing } else { Purpose::Sealing };
    let moment = Moment { at: now, now };
    let judged = material.anchors.judge(certificate, chain, purpose, moment, &evidence, &Cache::default());
    if let Err(refusal) = judged
        && !matches!(refusal.fault.kind, Kind::RevocationUnknown | Kind::CertificateExpired)
    {
        let finding = refusal.fault.finding();
        warnings.push(fault(
            field,
            format!("{}: {}", finding.code.as_str(), finding.message),
            &finding.remedy,
        ));
    }
}

/// What runs out or has, with nothing to follow it. The broker starts all the same, so it is no fault.
fn expiry(material: &Material, now: Timestamp, found: &mut Found) {
    let own = material.keys.iter().map(|key| (Owner::Own, key.certificate()));
    let partners = material.partners.iter().flat_map(|(her_id, certificates)| {
        certificates.iter().map(|certificate| (Owner::Partner(*her_id), certificate))
    });
    for lasting in lasting(own.chain(partners), now) {
        let Some(finding) = lasting.finding() else { continue };
        let field = match lasting.owner {
            Owner::Own => format!("trust.keys ({})", purpose_word(lasting.purpose)),
            Owner::Partner(her_id) => format!("party {her_id}: certificates"),
        };
        let message = format!("{}: {}", finding.code.as_str(), finding.message);
        found.warnings.push(fault(&field, message, &finding.remedy));
    }
}

fn fault(field: &str, message: String, remedy: &str) -> Fault {
    Fault { file: "trust".to_owned(), line: 0, field: field.to_owned(), message, remedy: remedy.to_owned() }
}

/// A folder that is needed at run time: it, or one above it, is there.
#[must_use]
pub fn caches(trust: &Trust) -> Vec<(&'static str, &Path)> {
    let registry = trust.partners.registry.as_ref().and_then(|r| r.cache.as_deref());
    let mut caches = Vec::new();
    caches.extend(trust.revocation.cache.as_deref().map(|path| ("trust.revocation.cache", path)));
    caches.extend(registry.map(|path| ("trust.partners.registry.cache", path)));
    caches
}
