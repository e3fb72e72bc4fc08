//! What trust begins with: roots, our own keys, partners' certificates, revocation.

use super::read::{Bytes, Reading};
use crate::{one_of, settings};
use adapters::registry::RestOptions;
use dead_letter::Schedule;
use jiff::SignedDuration;
use std::path::PathBuf;
use std::time::Duration;

settings! {
    /// Whom we trust, and what we sign and open with.
    pub struct Trust {
        /// Root certificates: PEM or DER files, or folders of them. All trust begins with these.
        anchors: Vec<PathBuf>,
        /// Issuing certificates that senders need not bring along: files, or folders of them.
        intermediates: Vec<PathBuf> = Vec::new(),
        /// Policies, as dotted numbers, of which an end certificate must have one; none asks for none.
        policies: Vec<String> = Vec::new(),
        /// Our own keys. Several may be live at once: what was sealed for the old one is still to be opened.
        keys: Vec<Key> = Vec::new(),
        /// Partners' certificates, beside those that their party files name.
        partners: Partners = Partners::default(),
        /// How it is known that a certificate is not revoked.
        revocation: Revocation = Revocation::default(),
        /// A second engine for XML signatures; a message on which the two differ is parked.
        second_engine: Option<SecondEngine> = None,
        /// For tests alone: see [`TestMode`].
        test_mode: TestMode = TestMode::Off,
    }

    /// One private key with its certificates.
    pub struct Key {
        /// PKCS#12, or PEM with the key, its certificate and those that vouch for it.
        file: PathBuf,
        /// More certificates, in PEM, if the file does not hold them.
        certificate_file: Option<PathBuf> = None,
        /// A file whose first line is the password.
        password_file: Option<PathBuf> = None,
        /// An environment variable that holds the password.
        password_env: Option<String> = None,
    }

    /// Where partners' certificates come from.
    pub struct Partners {
        /// Folders with certificates by HER-id: `<HER-id>.pem`, `<HER-id>-<anything>.cer`, or a folder `<HER-id>/`.
        folders: Vec<PathBuf> = Vec::new(),
        /// The address registry.
        registry: Option<Registry> = None,
    }

    /// The address registry, in its JSON form.
    pub struct Registry {
        /// Where the certificate is that a party signs with; `{her_id}` stands for the HER-id.
        signing_url: String,
        /// Where the certificate is that a party is sealed for.
        sealing_url: String,
        /// A file with the bearer token to show there.
        token_file: Option<PathBuf> = None,
        /// For one answer.
        timeout: Duration = Duration::from_secs(30),
        /// A folder that answers are kept in; none forgets them at the end.
        cache: Option<PathBuf> = None,
        /// So long an answer is taken for the present one. Older ones still serve while the registry is away.
        fresh_for: Duration = Duration::from_secs(12 * 3600),
    }

    /// How it is known that a certificate is not revoked.
    pub struct Revocation {
        /// Whether a certificate that names no service is accepted.
        demand: Demand = Demand::Required,
        /// CRLs that are put there by others: files, or folders of them. They are looked at as often as parties are.
        files: Vec<PathBuf> = Vec::new(),
        /// Ask the services that certificates name.
        online: bool = true,
        /// Which of them first. A list serves all certificates of a CA as long as it lasts, and tells nobody whose
        /// messages come; an OCSP answer is about one certificate, and newer.
        prefer: Prefer = Prefer::Crl,
        /// The hosts that may be asked; none means all that a certificate of a trusted chain names.
        hosts: Vec<String> = Vec::new(),
        /// For one answer.
        timeout: Duration = Duration::from_secs(30),
        /// The largest CRL that is read.
        crl_bytes: Bytes = Bytes(20_000_000),
        /// Questions that are out at one time.
        at_once: usize = 8,
        /// A folder that answers are kept in, so that a restart needs no service; none keeps nothing.
        cache: Option<PathBuf> = None,
        /// When a message that is parked because revocation is not known is judged again.
        retry: Schedule = Schedule::default(),
        /// So long before an answer runs out a new one is asked for (at most half of its time).
        refresh_before: Duration = Duration::from_secs(2 * 3600),
    }

    /// A second engine for XML signatures.
    pub struct SecondEngine {
        /// The program (`broker/second-engine/PROTOCOL.md`).
        program: PathBuf,
        /// For its start, and for one answer.
        timeout: Duration = Duration::from_secs(5),
    }
}

one_of! {
    /// Whether revocation must be known.
    pub enum Demand {
        /// Of every certificate but the root. One that names no service to ask is not accepted.
        Required = "required",
        /// Where a certificate names a service to ask.
        IfOffered = "if-offered",
    }
}

one_of! {
    /// Whom to ask first.
    pub enum Prefer {
        /// Lists.
        Crl = "crl",
        /// Responders.
        Ocsp = "ocsp",
    }
}

one_of! {
    /// Lets pass what cannot be told of revocation, and nothing else. It is said at every start, in health and as a
    /// metric, so that nobody runs like this for real without knowing.
    pub enum TestMode {
        /// As it must be.
        Off = "off",
        /// The long word is on purpose.
        On = "on-never-with-real-messages",
    }
}

impl Trust {
    /// What single fields cannot tell.
    pub(super) fn agree(&self, reading: &mut Reading<'_>) {
        self.keys.iter().enumerate().for_each(|(at, key)| key.agree(&format!("trust.keys.{at}"), reading));
        for (at, policy) in self.policies.iter().enumerate() {
            let dotted = policy.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            if !dotted || !policy.contains('.') {
                let field = format!("trust.policies.{at}");
                reading.fault_at(
                    &field,
                    "This is no object identifier.",
                    "Write dotted numbers, such as 2.16.578.1.26.1.3.2.",
                );
            }
        }
        if self.anchors.is_empty() {
            reading.fault_at(
                "trust.anchors",
                "Without roots nothing can be trusted.",
                "Name the root certificates.",
            );
        }
        let revocation = &self.revocation;
        if revocation.at_once == 0 {
            reading.fault_at("trust.revocation.at_once", "0 would stop all questions.", "Write 1 or more.");
        }
        if revocation.demand == Demand::Required && !revocation.online && revocation.files.is_empty() {
            reading.fault_at(
                "trust.revocation.online",
                "Revocation must be known, and there is no way to know it.",
                "Set online = true, or name files of CRLs.",
            );
        }
        for fault in revocation.retry.faults() {
            reading.fault_at("trust.revocation.retry", format!("{fault}."), "Write such a value.");
        }
        for (at, host) in revocation.hosts.iter().enumerate() {
            if host.is_empty() || host.contains(['/', ':', '@', '*']) {
                let field = format!("trust.revocation.hosts.{at}");
                reading.fault_at(
                    &field,
                    "This is no host name.",
                    "Write the name alone, such as crl.example.no.",
                );
            }
        }
        if let Some(registry) = &self.partners.registry
            && let Err(adapters::registry::RestError::Address) = registry.options().check()
        {
            reading.fault_at(
                "trust.partners.registry",
                "An address is none, or has no {her_id} in it.",
                "Write one that starts with https:// and has {her_id} where the number goes.",
            );
        }
    }
}

impl Key {
    fn agree(&self, field: &str, reading: &mut Reading<'_>) {
        if self.password_file.is_some() && self.password_env.is_some() {
            reading.fault_at(field, "It has two passwords.", "Leave password_file or password_env out.");
        }
    }
}

impl Registry {
    /// As the adapter takes it.
    #[must_use]
    pub fn options(&self) -> RestOptions {
        RestOptions {
            signing_url: self.signing_url.clone(),
            sealing_url: self.sealing_url.clone(),
            token_file: self.token_file.clone(),
            timeout: self.timeout,
        }
    }

    /// How long an answer is fresh, as the cache counts.
    #[must_use]
    pub fn fresh_for(&self) -> SignedDuration {
        SignedDuration::try_from(self.fresh_for).unwrap_or(SignedDuration::MAX)
    }
}
