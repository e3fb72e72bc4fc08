//! Targets that documents are published to.

use super::read::{Bytes, Reading};
use crate::{one_of, settings};
use adapters::publish::token::{Algorithm, ClientOptions, TokenOptions};
use adapters::publish::{Options, Publisher};
use dead_letter::{BreakerSettings, Schedule};
use message_schemas::Family;
use sharing::codes::{Code, FormatNames, Level, access, is_oid, list};
use sharing::target::{
    Also, ConfidentialityRule, Environment, Kind, ReplaceScope, Sender, Target, UniqueIds, Withdraw,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

settings! {
    /// A registry or store that documents are published to. What is left out has the default of its kind.
    pub struct Publish {
        /// `mhd`: IHE MHD; `mhd-national`: the national document store; `xds`: IHE XDS.b.
        kind: KindWord,
        /// The address: of the FHIR base (MHD), of the repository (XDS).
        url: String,
        /// Where transactions are posted, below `url` (MHD). Default: `Bundle` at the national store, else nothing.
        submit_path: Option<String> = None,
        /// Where documents are fetched, below `url` (MHD). Without it they are where their entries say.
        document_path: Option<String> = None,
        /// Where the registry is asked, updated and told to delete (XDS). Without it nothing is checked there, and
        /// documents are withdrawn by tombstones alone.
        registry_url: Option<String> = None,
        /// `production` takes living patients alone, `test` synthetic ones alone.
        environment: EnvironmentWord,
        /// The families that are published. Default: records, not dialogues, patient logistics, notices of absence or
        /// orders, which are published where they are named here.
        families: Option<Vec<Family>> = None,
        /// What is published beside the message's own XML: `fhir`, `pdf`, `attachments`.
        also: Option<Vec<AlsoWord>> = None,
        /// The community that documents belong to: an OID.
        home_community: String,
        /// The repository that keeps them: an OID.
        repository: Option<String> = None,
        /// An OID; each sender without a source of its own gets one below it.
        source_root: Option<String> = None,
        /// What is known of senders, by `ENH:`, `HER:` or `RSH:` and the number of their legal unit.
        senders: BTreeMap<String, SenderIn> = BTreeMap::new(),
        /// The kind of institution, where neither sender nor family says it. Default: 86.909 of list 1303.
        facility: Option<CodeIn> = None,
        /// The practice setting, where neither sender nor discipline says it.
        practice: Option<CodeIn> = None,
        /// How confidential documents are where no rule says more.
        confidentiality: LevelWord = LevelWord::Normal,
        /// Rules that say more. One that cannot decide takes the stricter side.
        confidential: Vec<Confidential> = Vec::new(),
        /// How formats are named: `urn`, or `namespace` (the national store's default).
        format_names: Option<FormatWord> = None,
        /// What names a document: `oid`, or `uuid` (the national store's default).
        unique_ids: Option<UniqueWord> = None,
        /// What a new version replaces: `each-format`, or the `original` alone where the target takes the rest out of
        /// use by itself (the default of XDS).
        replace: Option<ReplaceWord> = None,
        /// How documents are taken back: `delete` (the national store's default), `deprecate`, `tombstone`.
        withdraw: Option<WithdrawWord> = None,
        /// Name the receivers of a message as those whom a submission is meant for.
        name_recipients: bool = false,
        /// Language of documents.
        language: String = "nb-NO".to_owned(),
        /// The largest document that the target takes.
        most_bytes: Bytes = Bytes(60_000_000),
        /// For one answer.
        timeout: Duration = Duration::from_secs(60),
        /// When what did not get through is tried again.
        retry: Schedule = Schedule::default(),
        /// When the target is left alone for a while, because nothing gets through.
        breaker: BreakerSettings = BreakerSettings::default(),
        /// The largest answer that is read.
        answer_bytes: Bytes = Bytes(1_000_000),
        /// Root certificates (PEM) to check the server against; this machine's if not set.
        roots_file: Option<PathBuf> = None,
        /// A file with the bearer token to show there; read again when it changes.
        token_file: Option<PathBuf> = None,
        /// A token service that gives tokens.
        token: Option<Token> = None,
        /// The name of this system there (the national store's header `nhn-source-system`).
        source_system: Option<String> = None,
        /// A file with the `wsse:Security` element of each request (XDS), kept fresh by others.
        security_file: Option<PathBuf> = None,
    }

    /// A code of a national list.
    pub struct CodeIn {
        /// The list's number, such as 8655.
        list: String,
        /// The code.
        code: String,
        /// Its text.
        name: String,
    }

    /// What is known of a sender.
    pub struct SenderIn {
        /// The OID under which it submits.
        source: Option<String> = None,
        /// The kind of institution.
        facility: Option<CodeIn> = None,
        /// The practice setting.
        practice: Option<CodeIn> = None,
    }

    /// When documents are more confidential than others.
    pub struct Confidential {
        /// Of these families; of all if empty.
        families: Vec<Family> = Vec::new(),
        /// From these senders; from all if empty.
        senders: Vec<String> = Vec::new(),
        /// Of these disciplines (8202) or specialities (7426, 8451); of all if empty.
        specialities: Vec<String> = Vec::new(),
        /// Of attachments alone.
        attachments_only: bool = false,
        /// At least so confidential: N, R or V.
        level: LevelWord = LevelWord::Normal,
        /// Codes of list 9603 beside it, such as NORU.
        access: Vec<String> = Vec::new(),
    }

    /// A token service (OAuth 2.0 client credentials with a signed assertion).
    pub struct Token {
        /// Where tokens are asked for.
        url: String,
        /// For whom assertions are meant; the address itself if not set.
        audience: Option<String> = None,
        /// Our name there.
        client_id: String,
        /// What is asked for.
        scope: String,
        /// Our private key (PEM): RSA, or P-256.
        key_file: PathBuf,
        /// The key's name there.
        key_id: Option<String> = None,
        /// How assertions are signed. Default: PS256 for RSA, ES256 for P-256.
        algorithm: Option<AlgorithmWord> = None,
        /// Bind tokens to a key that is made at start (DPoP).
        dpop: bool = true,
    }
}

one_of! {
    /// How a target is spoken to.
    pub enum KindWord {
        /// IHE MHD.
        Mhd = "mhd",
        /// The national document store.
        MhdNational = "mhd-national",
        /// IHE XDS.b.
        Xds = "xds",
    }
}

one_of! {
    /// Whose messages go there.
    pub enum EnvironmentWord {
        /// Living patients'.
        Production = "production",
        /// Synthetic ones'.
        Test = "test",
    }
}

one_of! {
    /// What is published beside the original.
    pub enum AlsoWord {
        /// The FHIR document.
        Fhir = "fhir",
        /// The rendering.
        Pdf = "pdf",
        /// Attachments.
        Attachments = "attachments",
    }
}

one_of! {
    /// How confidential.
    pub enum LevelWord {
        /// Normal.
        Normal = "N",
        /// Restricted.
        Restricted = "R",
        /// Very restricted.
        VeryRestricted = "V",
    }
}

one_of! {
    /// How formats are named.
    pub enum FormatWord {
        /// As HIS 1169 asks.
        Urn = "urn",
        /// By the XML's namespace.
        Namespace = "namespace",
    }
}

one_of! {
    /// What names a document.
    pub enum UniqueWord {
        /// A UUID.
        Uuid = "uuid",
        /// An OID made of it.
        Oid = "oid",
    }
}

one_of! {
    /// What a new version replaces.
    pub enum ReplaceWord {
        /// Each format.
        EachFormat = "each-format",
        /// The original.
        Original = "original",
    }
}

one_of! {
    /// How documents are taken back.
    pub enum WithdrawWord {
        /// Deleted.
        Delete = "delete",
        /// Set out of use.
        Deprecate = "deprecate",
        /// Replaced by a document that says so.
        Tombstone = "tombstone",
    }
}

one_of! {
    /// How assertions are signed.
    pub enum AlgorithmWord {
        /// ECDSA with P-256.
        Es256 = "ES256",
        /// RSA, PKCS#1 v1.5.
        Rs256 = "RS256",
        /// RSA-PSS.
        Ps256 = "PS256",
    }
}

impl CodeIn {
    fn code(&self) -> Code {
        Code::new(list(&self.list), self.code.as_str(), self.name.as_str())
    }
}

impl LevelWord {
    const fn level(self) -> Level {
        match self {
            Self::Normal => Level::Normal,
            Self::Restricted => Level::Restricted,
            Self::VeryRestricted => Level::VeryRestricted,
        }
    }
}

impl Publish {
    /// What is decided by.
    #[must_use]
    pub fn target(&self) -> Target {
        let kind = self.kind();
        let environment = match self.environment {
            EnvironmentWord::Production => Environment::Production,
            EnvironmentWord::Test => Environment::Test,
        };
        let mut target = Target::new(kind, environment, self.home_community.as_str());
        if let Some(families) = &self.families {
            target.families = families.iter().copied().collect();
        }
        if let Some(also) = &self.also {
            target.also = also
                .iter()
                .map(|word| match word {
                    AlsoWord::Fhir => Also::Fhir,
                    AlsoWord::Pdf => Also::Pdf,
                    AlsoWord::Attachments => Also::Attachments,
                })
                .collect();
        }
        target.repository = self.repository.clone();
        target.source_root = self.source_root.clone();
        target.senders = self.senders.iter().map(|(id, sender)| (id.clone(), sender.sender())).collect();
        target.facility = self.facility.as_ref().map(CodeIn::code);
        target.practice = self.practice.as_ref().map(CodeIn::code);
        target.level = self.confidentiality.level();
        target.confidentiality = self.confidential.iter().map(Confidential::rule).collect();
        if let Some(names) = self.format_names {
            target.format_names = match names {
                FormatWord::Urn => FormatNames::Urn,
                FormatWord::Namespace => FormatNames::Namespace,
            };
        }
        if let Some(ids) = self.unique_ids {
            target.unique_ids = match ids {
                UniqueWord::Uuid => UniqueIds::Uuid,
                UniqueWord::Oid => UniqueIds::Oid,
            };
        }
        if let Some(scope) = self.replace {
            target.replace_scope = match scope {
                ReplaceWord::EachFormat => ReplaceScope::EachFormat,
                ReplaceWord::Original => ReplaceScope::Original,
            };
        }
        if let Some(withdraw) = self.withdraw {
            target.withdraw = match withdraw {
                WithdrawWord::Delete => Withdraw::Delete,
                WithdrawWord::Deprecate => Withdraw::Deprecate,
                WithdrawWord::Tombstone => Withdraw::Tombstone,
            };
        }
        target.name_recipients = self.name_recipients;
        target.language.clone_from(&self.language);
        target.most_bytes = u64::try_from(self.most_bytes.0).unwrap_or(u64::MAX);
        target
    }

    /// How it is reached.
    #[must_use]
    pub fn options(&self) -> Options {
        let mut options = Options::new(self.kind(), self.url.as_str());
        if let Some(path) = &self.submit_path {
            options.submit_path.clone_from(path);
        }
        options.document_path.clone_from(&self.document_path);
        options.registry_url.clone_from(&self.registry_url);
        options.timeout = self.timeout;
        options.answer_bytes = self.answer_bytes.0;
        options.roots_file.clone_from(&self.roots_file);
        options.source_system.clone_from(&self.source_system);
        options.security_file.clone_from(&self.security_file);
        options.token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(TokenOptions::Client(token.options())),
            (None, Some(file)) => Some(TokenOptions::File(file.clone())),
            (None, None) => None,
        };
        options
    }

    /// Ready to send; it connects only when something is sent.
    ///
    /// # Errors
    /// If a file that it needs cannot be used.
    pub fn publisher(&self) -> Result<Publisher, adapters::publish::Error> {
        Publisher::build(self.target(), self.options())
    }

    const fn kind(&self) -> Kind {
        match self.kind {
            KindWord::Mhd => Kind::Mhd,
            KindWord::MhdNational => Kind::MhdNational,
            KindWord::Xds => Kind::Xds,
        }
    }

    /// What single fields cannot tell.
    pub(super) fn agree(&self, name: &str, reading: &mut Reading<'_>) {
        let mut fault = |field: &str, message: &str, remedy: &str| {
            reading.fault_at(&format!("publish.{name}.{field}"), message, remedy);
        };
        for (field, url) in [("url", Some(&self.url)), ("registry_url", self.registry_url.as_ref())] {
            if url
                .is_some_and(|u| !(u.starts_with("http://") || u.starts_with("https://")) || u.contains('@'))
            {
                fault(
                    field,
                    "This is no web address.",
                    "Write one that starts with https://, without a user in it.",
                );
            }
        }
        let token = self.token.as_ref().map(|token| token.url.as_str());
        let addresses = [
            ("url", Some(self.url.as_str())),
            ("registry_url", self.registry_url.as_deref()),
            ("token.url", token),
        ];
        for (field, url) in addresses {
            if self.environment == EnvironmentWord::Production && url.is_some_and(is_read_on_the_way) {
                fault(
                    field,
                    "Patients' documents, or the token for them, would go through the network in the clear.",
                    "Write an address that starts with https://; http:// is for this machine alone.",
                );
            }
        }
        let oids = [
            ("home_community", Some(&self.home_community)),
            ("repository", self.repository.as_ref()),
            ("source_root", self.source_root.as_ref()),
        ];
        for (field, oid) in oids {
            if oid.is_some_and(|oid| !is_oid(oid)) {
                fault(field, "This is no OID.", "Write numbers with points between, without urn:oid:.");
            }
        }
        for (id, sender) in &self.senders {
            let named = id.split_once(':').is_some_and(|(kind, number)| {
                ["ENH", "HER", "RSH"].contains(&kind)
                    && !number.is_empty()
                    && number.bytes().all(|b| b.is_ascii_digit())
            });
            if !named {
                fault(
                    &format!("senders.{id}"),
                    "This is no sender.",
                    "Write ENH:, HER: or RSH: and a number.",
                );
            }
            if sender.source.as_ref().is_some_and(|oid| !is_oid(oid)) {
                fault(
                    &format!("senders.{id}.source"),
                    "This is no OID.",
                    "Write numbers with points between.",
                );
            }
        }
        for problem in self.retry.faults() {
            fault("retry", &format!("{problem}."), "Write such a value.");
        }
        for problem in self.breaker.pause.faults() {
            fault("breaker.pause", &format!("{problem}."), "Write such a value.");
        }
        let sources: Vec<_> = self.senders.values().filter_map(|s| s.source.as_ref()).collect();
        if self.source_root.is_none() && sources.is_empty() {
            fault(
                "source_root",
                "No sender has a source OID, so nothing could be published.",
                "Set source_root, or senders with their source.",
            );
        }
        if self.token.is_some() && self.token_file.is_some() {
            fault("token_file", "There is a token service too.", "Leave one of them out.");
        }
        if self.kind == KindWord::MhdNational && self.withdraw.is_some_and(|w| w != WithdrawWord::Delete) {
            fault("withdraw", "The national store only deletes.", "Leave it out.");
        }
        if self.kind == KindWord::Xds {
            let way = self.target().withdraw;
            if way != Withdraw::Tombstone && self.registry_url.is_none() {
                fault(
                    "registry_url",
                    "Without it, documents can be withdrawn by tombstones alone.",
                    "Set it, or withdraw = \"tombstone\".",
                );
            }
            if way == Withdraw::Delete && self.repository.is_none() {
                fault("repository", "Documents are deleted from a repository by its id.", "Set it.");
            }
        }
        for (n, rule) in self.confidential.iter().enumerate() {
            if let Some(code) = rule.access.iter().find(|code| access(code).is_none()) {
                fault(
                    &format!("confidential.{n}.access"),
                    &format!("{code:?} is not in list 9603."),
                    "Write such as NORU or NORS.",
                );
            }
        }
    }
}

/// Whether others can read what goes there: it is not protected, and leaves this machine.
pub(super) fn is_read_on_the_way(url: &str) -> bool {
    let address = url.parse::<hyper::Uri>().ok();
    let host = address.as_ref().and_then(hyper::Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.starts_with("http://") && !here
}

impl SenderIn {
    fn sender(&self) -> Sender {
        Sender {
            source: self.source.clone(),
            facility: self.facility.as_ref().map(CodeIn::code),
            practice: self.practice.as_ref().map(CodeIn::code),
        }
    }
}

impl Confidential {
    fn rule(&self) -> ConfidentialityRule {
        ConfidentialityRule {
            families: self.families.iter().copied().collect(),
            senders: self.senders.iter().cloned().collect(),
            specialities: self.specialities.iter().cloned().collect(),
            attachments_only: self.attachments_only,
            level: self.level.level(),
            access: self.access.iter().filter_map(|code| access(code)).collect(),
        }
    }
}

impl Token {
    fn options(&self) -> ClientOptions {
        ClientOptions {
            url: self.url.clone(),
            audience: self.audience.clone(),
            client_id: self.client_id.clone(),
            scope: self.scope.clone(),
            key_file: self.key_file.clone(),
            key_id: self.key_id.clone(),
            algorithm: self.algorithm.map(|word| match word {
                AlgorithmWord::Es256 => Algorithm::Es256,
                AlgorithmWord::Rs256 => Algorithm::Rs256,
                AlgorithmWord::Ps256 => Algorithm::Ps256,
            }),
            dpop: self.dpop,
        }
    }
}
