//! Series of documents: what messages brought is there with them, and what targets show is what was last written down.

use super::make::{With as _, at, commit, destination, message, message_id};
use super::rig::Rig;
use broker_core::journal::{CommitResult, Entry};
use broker_core::ports::Store;
use broker_core::series::{Kept, Ruled, Showing, ShownAt, Sought};
use message_schemas::document::Format;
use sharing::series::{
    Change, Entry as Published, Link, LinkKind, Names, PatientKey, Sha, Shown, Status, Version,
};
use std::collections::BTreeSet;

/// A version that message `n` brought, of the series with this id.
fn version(n: u128, series: &str, msg_id: &str) -> Version {
    Version {
        message: message_id(n),
        msg_id: msg_id.to_owned(),
        family: "epikrise".to_owned(),
        sender: "ENH:974589095".to_owned(),
        names: Names::Series(series.to_owned()),
        generated: at(1),
        change: Change::New,
        content: Sha::of(msg_id.as_bytes()),
        patient: Some(PatientKey::new("2.16.578.1.12.4.1.4.1", "a patient")),
        withheld: None,
        test: false,
        synthetic: true,
        attachments: vec![1, 3],
        items: Vec::new(),
        ruling: sharing::series::Ruling::default(),
    }
}

fn follows(n: u128, parent: &str, msg_id: &str) -> Version {
    let names = Names::Follows { parent: Some(parent.to_owned()), conversation: Some("c".to_owned()) };
    Version { names, change: Change::Changed, ..version(n, "", msg_id) }
}

fn with(n: u128, versions: impl IntoIterator<Item = Version>) -> Entry {
    Entry { versions: versions.into_iter().collect(), ..message(n) }
}

async fn found(store: &impl Store, sought: Sought) -> Vec<Version> {
    let kept: Vec<Kept> = store.versions(&sought).await.expect("a search");
    assert!(kept.is_sorted_by_key(|k| k.arrived), "in the order of arrival");
    kept.into_iter().map(|k| k.version).collect()
}

fn strands(of: &[&Version]) -> Sought {
    Sought { strands: of.iter().map(|v| v.strand()).collect(), ..Sought::default() }
}

pub(crate) async fn versions_are_there_with_their_message(rig: impl Rig) {
    let store = rig.open().await;
    let (a, b, other) = (version(2, "s", "a"), version(1, "s", "b"), version(3, "t", "c"));
    commit(&store, with(2, [a.clone()])).await;
    store.commit(vec![with(1, [b.clone()]), with(3, [other.clone()])]).await.expect("a commit");
    assert_eq!(found(&store, strands(&[&a])).await, [a.clone(), b.clone()], "whatever their ids are");
    assert_eq!(found(&store, strands(&[&a, &other])).await, [a.clone(), b.clone(), other.clone()]);
    assert_eq!(found(&store, Sought::default()).await, []);

    // What is not taken in brings none.
    let taken = with(4, []).duplicate_key("HER:1", "m", "2");
    commit(&store, taken).await;
    let stale = with(5, [version(5, "s", "d")]).duplicate_key("HER:1", "m", "2");
    assert_eq!(store.commit(vec![stale]).await, Ok(vec![CommitResult::Stale]));
    assert_eq!(found(&store, strands(&[&a])).await, [a.clone(), b.clone()]);

    let store = rig.kill(store).await;
    assert_eq!(found(&store, strands(&[&a])).await, [a, b]);
}

pub(crate) async fn the_same_version_is_kept_once(rig: impl Rig) {
    let store = rig.open().await;
    let first = version(1, "s", "a");
    let copy = Version { message: message_id(2), ..first.clone() };
    let conflicting = Version { message: message_id(3), content: Sha::of(b"other"), ..first.clone() };
    store.commit(vec![with(1, [first.clone()]), with(2, [copy])]).await.expect("a commit");
    commit(&store, with(3, [conflicting.clone()])).await;
    commit(&store, with(4, [Version { message: message_id(4), ..first.clone() }])).await;
    assert_eq!(found(&store, strands(&[&first])).await, [first, conflicting]);
}

pub(crate) async fn versions_are_found_by_what_names_them(rig: impl Rig) {
    let store = rig.open().await;
    let (n, m, far) = (version(1, "s", "n"), follows(2, "n", "m"), follows(3, "x", "f"));
    commit(&store, with(1, [n.clone()])).await;
    store.commit(vec![with(2, [m.clone()]), with(3, [far.clone()])]).await.expect("a commit");
    let marks = |of: &[&Version]| of.iter().map(|v| v.mark()).collect::<BTreeSet<_>>();
    let by = |sought: Sought| found(&store, sought);
    assert_eq!(by(Sought { marks: marks(&[&n]), ..Sought::default() }).await, std::slice::from_ref(&n));
    assert_eq!(by(Sought { followers: marks(&[&n]), ..Sought::default() }).await, std::slice::from_ref(&m));
    assert_eq!(by(Sought { followers: marks(&[&m]), ..Sought::default() }).await, []);
    let messages = BTreeSet::from([message_id(1), message_id(3), message_id(9)]);
    assert_eq!(
        by(Sought { messages: messages.clone(), ..Sought::default() }).await,
        [n.clone(), far.clone()]
    );
    // What several questions find is there once.
    let all = Sought { messages, marks: marks(&[&n]), followers: marks(&[&n]), ..strands(&[&m]) };
    assert_eq!(by(all).await, [n, m, far]);
}

fn shown(target: &str, of: &Version, status: Status) -> ShownAt {
    let entry =
        |format| Published { series_key: "k".to_owned(), of: vec![of.msg_id.clone()], format, again: 0 };
    ShownAt {
        target: destination(target),
        strand: of.strand(),
        shown: Shown {
            entry: entry(Format::Fhir),
            status,
            links: vec![Link { kind: LinkKind::Transforms, to: entry(Format::KithXml) }],
            submission: 7,
            published: None,
        },
    }
}

pub(crate) async fn what_a_target_shows_is_what_was_last_written_down(rig: impl Rig) {
    let store = rig.open().await;
    let (a, b, other) = (version(1, "s", "a"), version(2, "s", "b"), version(3, "t", "c"));
    commit(&store, with(1, [a.clone()])).await;
    let show = |entries: Vec<ShownAt>, second| Showing { message: message_id(1), entries, at: at(second) };
    let of = BTreeSet::from([a.strand()]);
    assert_eq!(store.shown(&of).await, Ok(Vec::new()));

    let sending = vec![shown("publish:x", &a, Status::Sending), shown("publish:y", &a, Status::Sending)];
    store.show(show(sending.clone(), 10)).await.expect("it is written");
    assert_eq!(store.shown(&of).await, Ok(sending.clone()));
    let later = vec![
        shown("publish:x", &a, Status::Superseded),
        shown("publish:x", &b, Status::Approved),
        shown("publish:x", &other, Status::Approved),
    ];
    store.show(show(later.clone(), 20)).await.expect("it is written");

    let store = rig.kill(store).await;
    let mut now = store.shown(&of).await.expect("a search");
    now.sort_by_key(|s| (s.target.clone(), s.shown.entry.of.clone()));
    assert_eq!(now, [later[0].clone(), later[1].clone(), sending[1].clone()]);
    let both = store.shown(&BTreeSet::from([a.strand(), other.strand()])).await.expect("a search");
    assert_eq!(both.len(), 4);

    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    let told: Vec<_> = record.events.iter().filter(|e| e.what == "shown").collect();
    assert_eq!(told[0].detail.as_deref(), Some("publish:x fhir sending, publish:y fhir sending"));
    assert_eq!(told.len(), 2);
    assert_eq!(store.broken_link().await, Ok(None));
}

pub(crate) async fn what_a_person_ruled_stays_with_its_version(rig: impl Rig) {
    let store = rig.open().await;
    let (a, b) = (version(1, "s", "a"), version(2, "s", "b"));
    commit(&store, with(1, [a.clone()])).await;
    commit(&store, with(2, [b.clone()])).await;
    let kept = store.versions(&strands(&[&a])).await.expect("a search").remove(1);
    let mut version = kept.version;
    version.ruling.left = true;
    let ruled = Ruled {
        arrived: kept.arrived,
        version: version.clone(),
        told: "left unpublished, by kari: rang them".to_owned(),
        at: at(10),
    };
    store.rule(ruled).await.expect("it is written");
    let store = rig.kill(store).await;
    assert_eq!(found(&store, strands(&[&a])).await, [a, version], "of the others it says nothing");
    // The same message once more, from another receiver, knows of no ruling and takes none away.
    commit(&store, with(3, [Version { message: message_id(3), ..b.clone() }])).await;
    assert!(found(&store, strands(&[&b])).await[1].ruling.left);
    let record = store.message(message_id(2)).await.expect("a search").expect("the message");
    let told: Vec<_> = record.events.iter().filter(|e| e.what == "ruled").collect();
    assert_eq!(told[0].detail.as_deref(), Some("left unpublished, by kari: rang them"));
    assert_eq!(store.broken_link().await, Ok(None));
}
