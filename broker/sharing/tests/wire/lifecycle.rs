//! Replacing, appending and withdrawing.

use crate::given::{document, now, target};
use message_schemas::document::{Attached, Format, SharedDocument};
use sharing::metadata::Id;
use sharing::target::{Kind, ReplaceScope, UniqueIds, Withdraw};
use sharing::{
    Contents, Link, Published, Submission, Target, Version, Withdrawal, clearing, submission, withdrawal,
};

/// A version of the same series, with so many attachments.
fn version(msg_id: &str, attachments: u32) -> (SharedDocument, Vec<u8>) {
    let (mut document, original) = document();
    document.keys.msg_id = msg_id.to_owned();
    document.described.attachments = (1..=attachments)
        .map(|number| Attached {
            number,
            title: Some("the sender's own words".to_owned()),
            mime_type: "application/pdf".to_owned(),
            created: None,
            bytes: b"%PDF-1.4 attached".to_vec(),
        })
        .collect();
    (document, original)
}

fn made(msg_id: &str, attachments: u32, how: Version, earlier: &[Published], target: &Target) -> Submission {
    let (document, original) = version(msg_id, attachments);
    let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
    submission(&contents, how, earlier, target, now()).expect("published")
}

/// `(format, link, format of the other)` of every relation; `+` marks those to earlier entries.
fn links(new: &Submission, old: &[Published]) -> Vec<String> {
    let name = |entry| {
        let own = new.entries.iter().find(|e| e.entry == entry).map(|e| e.format);
        let other = old.iter().find(|e| e.entry == entry).map(|e| e.format);
        sharing::published::format::name(own.or(other).expect("a known entry"))
    };
    let mut links: Vec<String> = new
        .relations
        .iter()
        .map(|r| {
            let earlier = if r.within { "" } else { "+" };
            format!("{} {} {earlier}{}", name(r.entry), r.link.code(), name(r.target))
        })
        .collect();
    links.sort();
    links
}

#[test]
fn a_new_version_replaces_each_format_and_what_has_no_successor_goes() {
    let target = target(Kind::Mhd);
    let first = made("m1", 2, Version::Whole, &[], &target);
    assert_eq!(
        links(&first, &[]),
        ["attachment-1 appends kith-xml", "attachment-2 appends kith-xml", "fhir transforms kith-xml"]
    );
    let old = first.published(|_| None);
    let second = made("m2", 1, Version::Whole, &old, &target);
    assert_eq!(
        links(&second, &old),
        [
            "attachment-1 appends kith-xml",
            "attachment-1 replaces +attachment-1",
            "fhir replaces +fhir",
            "fhir transforms kith-xml",
            "kith-xml replaces +kith-xml",
        ]
    );
    assert_eq!(second.obsolete.iter().map(|o| o.format).collect::<Vec<_>>(), [Format::Attachment(2)]);
    let again = made("m2", 1, Version::Whole, &[old, second.published(|_| None)].concat(), &target);
    assert_eq!(again, second, "what it published itself changes nothing when it is made once more");
}

#[test]
fn where_the_target_cascades_the_original_alone_is_replaced() {
    let target = target(Kind::Xds);
    assert_eq!(target.replace_scope, ReplaceScope::Original);
    let old = made("m1", 1, Version::Whole, &[], &target).published(|_| None);
    let second = made("m2", 0, Version::Whole, &old, &target);
    assert_eq!(links(&second, &old), ["fhir transforms kith-xml", "kith-xml replaces +kith-xml"]);
    assert!(second.obsolete.is_empty());
}

#[test]
fn a_difference_is_appended_and_what_was_made_of_all_is_replaced() {
    for kind in [Kind::Mhd, Kind::Xds] {
        let target = target(kind);
        let mut old = made("m1", 1, Version::Whole, &[], &target).published(|_| None);
        let second = made("m2", 1, Version::Difference, &old, &target);
        assert_eq!(
            links(&second, &old),
            [
                "attachment-1 appends kith-xml",
                "fhir replaces +fhir",
                "fhir transforms kith-xml",
                "kith-xml appends +kith-xml",
            ]
        );
        assert!(second.obsolete.is_empty(), "nothing valid vanishes");
        // The next whole version takes the place of both originals.
        old.retain(|o| o.format != Format::Fhir);
        old.extend(second.published(|_| None));
        let third = made("m3", 0, Version::Whole, &old, &target);
        let replaced = third.relations.iter().filter(|r| {
            r.link == Link::Replaces && old.iter().any(|o| o.entry == r.target && o.format == Format::KithXml)
        });
        assert_eq!(replaced.count(), 2, "{kind:?}");
    }
}

#[test]
fn titles_say_nothing_that_a_sender_wrote() {
    let made = made("m1", 1, Version::Whole, &[], &target(Kind::Mhd));
    let attached = made.entries.iter().find(|e| e.format == Format::Attachment(1)).expect("attached");
    assert!(attached.title.ends_with(", vedlegg 1") && !attached.title.contains("own words"));
}

#[test]
fn everything_is_taken_back_in_the_way_that_the_target_knows() {
    let (cancellation, _) = version("m2", 0);
    let of = |kind, withdraw| {
        let target = Target { withdraw, ..target(kind) };
        let old = made("m1", 1, Version::Whole, &[], &target).published(|_| None);
        let way = withdrawal(&cancellation, &old, &target, now()).expect("it can be withdrawn");
        (way, old)
    };
    let (way, old) = of(Kind::MhdNational, Withdraw::Delete);
    let patient = cancellation.described.patient.as_ref().and_then(|p| p.id.clone());
    let patient = patient.map(|(value, oid)| Id { value, authority: oid.to_owned() });
    assert!(patient.is_some());
    assert_eq!(way, Withdrawal::Delete { entries: old, patient: patient.clone() });
    let (way, old) = of(Kind::Mhd, Withdraw::Deprecate);
    assert_eq!(way, Withdrawal::Supersede { entries: old, patient });
    let (Withdrawal::Deprecate { set, entries }, old) = of(Kind::Xds, Withdraw::Deprecate) else {
        panic!("a set says so");
    };
    assert!(set.entries.is_empty() && entries == old && entries.len() == 3);
    let (Withdrawal::Tombstone(stone), old) = of(Kind::Xds, Withdraw::Tombstone) else {
        panic!("a document says so");
    };
    assert_eq!(stone.entries.len(), 1);
    let replaced: Vec<_> = stone.relations.iter().map(|r| (r.link, r.target)).collect();
    assert_eq!(replaced, old.iter().map(|o| (Link::Replaces, o.entry)).collect::<Vec<_>>());
    let stone = stone.entries.first().expect("a stone");
    assert!(sharing::media::agrees("text/plain", &stone.bytes), "every target takes it");
}

#[test]
fn what_is_kept_comes_back_as_it_was() {
    let old = made("m1", 2, Version::Whole, &[], &target(Kind::Mhd))
        .published(|entry| Some(format!("DocumentReference/{entry}")));
    let text = serde_json::to_string(&old).expect("JSON");
    assert_eq!(serde_json::from_str::<Vec<Published>>(&text).expect("JSON"), old);
}

#[test]
fn what_has_no_successor_goes_in_the_way_of_the_target() {
    let of = |withdraw| {
        let target = Target { withdraw, replace_scope: ReplaceScope::EachFormat, ..target(Kind::Xds) };
        let old = made("m1", 2, Version::Whole, &[], &target).published(|_| None);
        let second = made("m2", 0, Version::Whole, &old, &target);
        let way = clearing(&second, &target);
        (second, old, way)
    };
    let (second, _, way) = of(Withdraw::Delete);
    let patient = Some(second.common.patient.id.clone());
    let deleted = Withdrawal::Delete { entries: second.obsolete.clone(), patient };
    assert!(second.obsolete.len() == 2 && way == Some(deleted));
    let (second, _, way) = of(Withdraw::Deprecate);
    let Some(Withdrawal::Deprecate { set, entries }) = way else { panic!("a set says so") };
    assert!(set.entries.is_empty() && set.set.id != second.set.id && entries == second.obsolete);
    let (second, old, way) = of(Withdraw::Tombstone);
    assert!(second.obsolete.is_empty() && way.is_none());
    assert!(links(&second, &old).contains(&"kith-xml replaces +attachment-2".to_owned()));
}

/// A surplus attachment goes for the sake of a new version, and a series for the sake of its cancellation.
#[test]
fn what_says_that_something_was_withdrawn_is_known_by_what_it_takes_the_place_of() {
    for (unique_ids, withdraw) in [
        (UniqueIds::Uuid, Withdraw::Tombstone),
        (UniqueIds::Oid, Withdraw::Tombstone),
        (UniqueIds::Oid, Withdraw::Deprecate),
    ] {
        let target =
            Target { withdraw, unique_ids, replace_scope: ReplaceScope::EachFormat, ..target(Kind::Xds) };
        let old = made("m1", 2, Version::Whole, &[], &target).published(|_| None);
        let new = made("m2", 0, Version::Whole, &old, &target);
        let ids = |of: &str, gone: &[Published]| {
            let set = match withdrawal(&version(of, 0).0, gone, &target, now()).expect("it can be withdrawn")
            {
                Withdrawal::Tombstone(set) | Withdrawal::Deprecate { set, .. } => set,
                Withdrawal::Delete { .. } | Withdrawal::Supersede { .. } => panic!("a set says so"),
            };
            let entries = set.entries.iter().flat_map(|e| [e.entry, e.document]);
            std::iter::once(set.set.id).chain(entries).collect::<Vec<_>>()
        };
        let (one, other) = (&old[2..3], &old[3..4]);
        let own: Vec<_> =
            new.entries.iter().flat_map(|e| [e.entry, e.document]).chain([new.set.id]).collect();
        assert!(ids("m2", one).iter().all(|id| !own.contains(id)), "the new version keeps its own");
        assert_eq!(ids("m2", one), ids("m3", one), "whichever message it goes for");
        let turned = [old[3].clone(), old[2].clone()];
        assert_eq!(ids("m2", &old[2..4]), ids("m2", &turned), "in whichever order it is told");
        assert!(ids("m2", one).iter().all(|id| !ids("m2", other).contains(id)), "each its own");
    }
}
