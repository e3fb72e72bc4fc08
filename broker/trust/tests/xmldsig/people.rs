//! Who signs in these tests, and the trust in them.

use jiff::Timestamp;
use message_schemas::OrgNumber;
use std::sync::{Arc, OnceLock};
use trust::chain::{Cache, Moment, Purpose, RevocationRule};
use trust::pki::{Authority, Key, KeyKind, Pair, Profile};
use trust::revocation::Evidence;
use trust::{Anchors, Trusted};

/// A small CA and those it vouches for. Keys are slow to make: once in a process.
pub(crate) struct People {
    root: Authority,
    pub(crate) sender: Pair,
    pub(crate) other: Pair,
    pub(crate) p256: Pair,
    pub(crate) p384: Pair,
}

pub(crate) fn people() -> &'static People {
    static PEOPLE: OnceLock<People> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        let valid = ("2020-01-01T00:00:00Z".parse().unwrap(), "2049-01-01T00:00:00Z".parse().unwrap());
        let root = Authority::root(&Profile::root("Test Root", valid), Key::generate(KeyKind::P256).unwrap())
            .unwrap();
        let number: OrgNumber = "974760673".parse().unwrap();
        let pair = |name: &str, kind| {
            root.issue(&Profile::signing(name, number, valid), Key::generate(kind).unwrap()).unwrap()
        };
        let (sender, other) = (pair("Sender", KeyKind::Rsa2048), pair("Other", KeyKind::Rsa2048));
        let (p256, p384) = (pair("Curve", KeyKind::P256), pair("Long Curve", KeyKind::P384));
        People { sender, other, p256, p384, root }
    })
}

/// The trust in one of them.
pub(crate) fn trusted(pair: &Pair) -> Arc<Trusted> {
    let anchors = Anchors {
        roots: vec![Arc::clone(people().root.certificate())],
        revocation: RevocationRule::IfOffered,
        ..Anchors::default()
    };
    let now: Timestamp = "2026-01-15T09:00:00Z".parse().unwrap();
    anchors
        .judge(
            pair.certificate(),
            &[],
            Purpose::Signing,
            Moment { at: now, now },
            &Evidence::default(),
            &Cache::default(),
        )
        .unwrap()
}
