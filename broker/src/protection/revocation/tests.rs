//! What is known grows when it is wanted, lasts, and is there again after a restart.

use super::*;
use crate::config::Config;
use crate::world::{self, Tables};
use adapters::memory::MemoryRevocation;
use adapters::revocation::KeptOptions;
use broker_core::protection::Partners;
use message_schemas::HerId;
use std::path::Path;
use trust::chain::Refusal;
use trust::pki::Crl;
use trust::pki::demo::{CRL_URL, Demo, OCSP_URL, ROOT_CRL_URL};

const NOW: &str = "2026-11-21T12:00:00Z";

#[derive(Clone)]
struct Stands(Arc<Mutex<Timestamp>>);

impl Stands {
    fn pass(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }
}

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A world that trusts the fictitious PKI and knows one partner; the CA's services; a clock.
struct Setting {
    world: Arc<ArcSwap<World>>,
    services: MemoryRevocation,
    clock: Stands,
    health: Health,
    folder: tempfile::TempDir,
}

impl Setting {
    fn new() -> Self {
        let text = "parties = []\n[journal]\npath = \"j\"\n[destinations]\n";
        let config = Config::parse(Path::new("x.toml"), text).unwrap();
        let schemas = Arc::new(crate::schemas::load(None).unwrap());
        let tables = Tables::load(&config).unwrap();
        let demo = Demo::shared();
        let partner = (HerId(1), vec![Arc::clone(demo.sender.signing.certificate())]);
        let trust = Protection {
            anchors: Arc::new(demo.anchors()),
            keys: Arc::new(demo.receiver.keys()),
            partners: Arc::new(Partners::new([partner])),
            ..Protection::default()
        };
        let world = world::world(&config, schemas, tables, Some(Arc::new(trust)));
        Self {
            world: Arc::new(ArcSwap::from_pointee(world)),
            services: MemoryRevocation::new(),
            clock: Stands(Arc::new(Mutex::new(NOW.parse().unwrap()))),
            health: Health::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The CA's services answer, with lists of the moment.
    fn open(&self) {
        for (url, authority) in [(CRL_URL, &Demo::shared().issuing), (ROOT_CRL_URL, &Demo::shared().root)] {
            let clock = self.clock.clone();
            self.services.at(url, move |_| Ok(authority.crl(&Crl::fresh(clock.now())).unwrap()));
        }
    }

    fn close(&self) {
        [CRL_URL, ROOT_CRL_URL, OCSP_URL].into_iter().for_each(|url| self.services.away(url));
    }

    fn revocation(&self) -> Revocation<MemoryRevocation> {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let kept = KeptOptions { folder: Some(self.folder.path().to_owned()), ..KeptOptions::default() };
        let kept = Kept::open(self.services.clone(), kept, Arc::clone(&clock)).unwrap();
        let refresh_before = SignedDuration::from_hours(2);
        let options = Options { online: true, prefer: Prefer::Crl, refresh_before };
        Revocation::new(options, kept, Arc::clone(&self.world), clock, self.health.clone())
    }

    /// Nothing is known any more, as after a restart.
    fn forget(&self) {
        know(&self.world, &Arc::new(Evidence::default()));
    }

    fn trust(&self) -> Arc<Protection> {
        self.world.load().trust.clone().unwrap()
    }

    fn judge(&self) -> Result<(), Refusal> {
        let trust = self.trust();
        let moment = Moment { at: self.clock.now(), now: self.clock.now() };
        let certificate = Demo::shared().sender.signing.certificate();
        let judged =
            trust.anchors.judge(certificate, &[], Purpose::Signing, moment, &trust.evidence, &trust.cache);
        judged.map(drop)
    }
}

#[tokio::test]
async fn what_is_wanted_becomes_known_and_is_asked_for_once() {
    let setting = Setting::new();
    setting.open();
    let revocation = setting.revocation();
    let judged_by = setting.trust();
    let wanted = setting.judge().unwrap_err().wanted;
    assert!(revocation.know_more(wanted.clone(), Some(&judged_by)).await);
    setting.judge().unwrap();
    assert_eq!(setting.services.asked(), 2, "one list of each CA, and no OCSP");

    // Another message was judged before that: it need not wait.
    assert!(revocation.know_more(wanted.clone(), Some(&judged_by)).await);
    assert_eq!(setting.services.asked(), 2);
    // One that was judged with all that is known learns nothing new, and asks no list again.
    assert!(!revocation.know_more(wanted, Some(&setting.trust())).await);
}

#[tokio::test]
async fn a_service_that_is_away_is_named_and_asked_again() {
    let setting = Setting::new();
    let revocation = setting.revocation();
    let wanted = setting.judge().unwrap_err().wanted;
    assert!(!revocation.know_more(wanted.clone(), Some(&setting.trust())).await);
    let reasons = setting.health.report().reasons;
    let sentence = reasons.get(&Trouble::RevocationUnknown).expect("trouble");
    assert!(sentence.contains(&host(CRL_URL)) && !sentence.contains(CRL_URL), "the host alone: {sentence}");
    assert!(setting.health.report().ready, "other messages are still taken");
    setting.open();
    setting.clock.pass(SignedDuration::from_mins(10));
    assert!(revocation.know_more(wanted, Some(&setting.trust())).await);
    assert!(!setting.health.report().reasons.contains_key(&Trouble::RevocationUnknown));
    setting.judge().unwrap();
}

#[tokio::test]
async fn a_restart_needs_no_service() {
    let setting = Setting::new();
    setting.open();
    let before = setting.revocation();
    before.warm(setting.clock.now()).await;
    setting.judge().unwrap();
    drop(before);
    setting.close();
    setting.forget();
    setting.judge().unwrap_err();
    let after = setting.revocation();
    after.begin().await;
    setting.judge().unwrap();

    setting.forget();
    setting.clock.pass(SignedDuration::from_hours(48));
    let later = setting.revocation();
    later.begin().await;
    setting.judge().unwrap_err();
    assert_eq!(std::fs::read_dir(setting.folder.path()).unwrap().count(), 0, "what is over is thrown away");
}

#[tokio::test]
async fn answers_are_asked_for_again_before_they_run_out() {
    let setting = Setting::new();
    setting.open();
    let revocation = setting.revocation();
    revocation.warm(setting.clock.now()).await;
    assert_eq!(setting.services.asked(), 2, "the partner's list and ours are the same");
    setting.clock.pass(SignedDuration::from_hours(20));
    revocation.refresh(setting.clock.now()).await;
    assert_eq!(setting.services.asked(), 2, "there is time");
    setting.clock.pass(SignedDuration::from_hours(2));
    setting.close();
    revocation.refresh(setting.clock.now()).await;
    setting.judge().unwrap();
    setting.open();
    setting.clock.pass(SignedDuration::from_mins(6));
    revocation.refresh(setting.clock.now()).await;
    setting.clock.pass(SignedDuration::from_hours(12));
    setting.judge().unwrap();
}

#[tokio::test]
async fn lists_from_files_are_as_good_and_survive_what_is_fetched() {
    let setting = Setting::new();
    let revocation = setting.revocation();
    let list = |authority: &trust::pki::Authority| -> Arc<[u8]> {
        authority.crl(&Crl::fresh(setting.clock.now())).unwrap().into()
    };
    revocation.add_lists(vec![list(&Demo::shared().issuing)]).await;
    setting.judge().unwrap_err();
    revocation.add_lists(vec![list(&Demo::shared().root)]).await;
    setting.judge().unwrap();
    assert_eq!(setting.services.asked(), 0);
}
