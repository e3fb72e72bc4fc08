//! What is published at once, as one submission.

use crate::make::patient;
use jiff::Timestamp;
use message_schemas::Limits;
use message_schemas::document::{self, Format, Options};
use message_schemas::xml::Tree;
use sharing::series::{Entry, Link as Wanted, LinkKind, Made, Planned, Shown, Status, assemble, expected};
use sharing::target::{Also, UniqueIds};
use sharing::{Contents, Environment, Kind, Link, Published, Submission, Target, Version, submission};
use std::collections::BTreeSet;

const TEXT: &str = r#"<Message xmlns="http://www.kith.no/xmlstds/labsvar/2012-02-15">
  <Type V="SVAR_LAB"/><MIGversion>v1.4 2012-02-15</MIGversion>
  <GenDate V="2026-03-04T09:00:00Z"/><MsgId>MSG</MsgId>
  <ServReport>
    <ServType V="N"/><IssueDate V="2026-03-04"/><Status V="F"/><MsgDescr V="CLIN"/><ServProvId>SR-1</ServProvId>
    <Patient><Sex V="1"/><Name>Nordlys, Aksel</Name><OffId>13116900216</OffId>
      <TypeOffId V="FNR"/></Patient>
    <ServProvider><HCP><Inst><Name>Laboratoriet</Name><Id>974760673</Id><TypeId V="ENH"/></Inst></HCP></ServProvider>
    <Requester><HCP><Inst><Name>Legekontoret</Name><Id>200</Id><TypeId V="HER"/></Inst></HCP></Requester>
  </ServReport>
</Message>"#;

fn target() -> Target {
    let mut target = Target::new(Kind::Mhd, Environment::Production, "2.999.1");
    target.source_root = Some("2.999.7".to_owned());
    target.also = BTreeSet::from([Also::Fhir]);
    target
}

/// What is made of the messages `of`, as the journal's bytes would give it.
fn made(of: &[&str]) -> Made {
    made_on(of, "2026-03-04", "974760673")
}

/// The same of a newest message that was made on that day, by a department with that number.
fn made_on(of: &[&str], day: &str, by: &str) -> Made {
    let text = TEXT.replace("MSG", of.last().expect("a message")).replace("2026-03-04", day);
    let text = text.replace("<Id>974760673</Id>", &format!("<Id>{by}</Id>"));
    let tree = Tree::parse(&text, &Limits::default()).expect("XML");
    let merged: Vec<&str> = of.iter().rev().copied().collect();
    let part = document::Part { text: &text, tree: &tree, nth: 1, results: &[] };
    let options = Options::default();
    let document = document::merge(&[part], &merged.join("+"), false, &options).expect("a document");
    let contents = Contents { document: &document, original: text.as_bytes(), fhir_xml: None, pdf: None };
    let submission = submission(&contents, Version::Whole, &[], &target(), Timestamp::UNIX_EPOCH);
    Made {
        of: of.iter().map(|s| (*s).to_owned()).collect(),
        submission: submission.expect("it may be published"),
    }
}

fn entry(of: &[&str], format: Format) -> Entry {
    Entry {
        series_key: "svarrapport|ENH:974760673|SR-1".to_owned(),
        of: of.iter().map(|s| (*s).to_owned()).collect(),
        format,
        again: 0,
    }
}

fn planned(entry: Entry, links: &[(LinkKind, &Entry)]) -> Planned {
    let links = links.iter().map(|(kind, to)| Wanted { kind: *kind, to: (*to).clone() }).collect();
    Planned { entry, links }
}

/// As the target answered.
fn taken(planned: &[Planned], submission: &Submission, number: u64) -> Vec<Shown> {
    let published: Vec<Published> = submission.published(|id| Some(format!("DocumentReference/{id}")));
    let shown = planned.iter().zip(published).map(|(p, published)| Shown {
        entry: p.entry.clone(),
        status: Status::Approved,
        links: p.links.clone(),
        submission: number,
        published: Some(published),
    });
    shown.collect()
}

#[test]
fn documents_of_two_messages_go_out_as_one_set_with_the_links_of_the_plan() {
    let _ = patient(1);
    let (m, m_fhir) = (entry(&["m"], Format::KithXml), entry(&["m"], Format::Fhir));
    let first = [planned(m.clone(), &[]), planned(m_fhir.clone(), &[(LinkKind::Transforms, &m)])];
    let assembled = assemble(&first, vec![made(&["m"])], &[], 1).expect("a submission");
    assert_eq!(assembled.submission.entries.len(), 2);
    let [relation] = assembled.submission.relations.as_slice() else { panic!("one link") };
    assert!(relation.within && relation.link == Link::Transforms);
    assert_eq!(relation.target, assembled.submission.entries[0].entry);
    let shown = taken(&first, &assembled.submission, 1);

    // The beginning comes late: it is published with the document that was made again of both.
    let (n, both) = (entry(&["n"], Format::KithXml), entry(&["n", "m"], Format::Fhir));
    let second = [
        planned(n.clone(), &[]),
        planned(both.clone(), &[(LinkKind::Transforms, &m), (LinkKind::Replaces, &m_fhir)]),
    ];
    let all = vec![made(&["n"]), made(&["n", "m"])];
    let assembled = assemble(&second, all.clone(), &shown, 2).expect("a submission");
    let ids: Vec<_> = assembled.submission.entries.iter().map(|e| e.entry).collect();
    assert_eq!(ids, [n.keys().entry(Format::KithXml), both.keys().entry(Format::Fhir)]);
    let links: Vec<_> =
        assembled.submission.relations.iter().map(|r| (r.entry, r.link, r.target, r.within)).collect();
    let old = |at: usize| shown[at].published.as_ref().expect("it is there").entry;
    assert_eq!(links, [(ids[1], Link::Transforms, old(0), false), (ids[1], Link::Replaces, old(1), false)]);
    assert!(
        assembled.submission.relations.iter().all(|r| r.location.is_some()),
        "where the target keeps them"
    );
    assert!(shown.iter().all(|s| s.published.as_ref().is_some_and(|p| p.set != assembled.submission.set.id)));
    let again = assemble(&second, all, &shown, 2).expect("a submission");
    assert_eq!(again.submission, assembled.submission, "made again, it is the same");
}

/// document-sharing §7.2: what an entry tells is of the message that its document comes from.
#[test]
fn each_entry_tells_of_its_own_message() {
    let (n, m, both) =
        (entry(&["n"], Format::KithXml), entry(&["m"], Format::KithXml), entry(&["n", "m"], Format::Fhir));
    let all = [planned(n, &[]), planned(m.clone(), &[]), planned(both, &[(LinkKind::Transforms, &m)])];
    let days = ["2026-03-02", "2026-03-05", "2026-03-05"];
    let made = vec![
        made_on(&["n"], days[0], "974760673"),
        made_on(&["m"], days[1], "974589095"),
        made_on(&["n", "m"], days[2], "974589095"),
    ];
    let submission = assemble(&all, made, &[], 1).expect("a submission").submission;

    let bundle = sharing::mhd::bundle(&submission, Kind::Mhd).expect("JSON");
    let bundle: serde_json::Value = serde_json::from_slice(&bundle).expect("JSON");
    let resources = bundle["entry"].as_array().expect("a list").iter().map(|e| &e["resource"]);
    let references: Vec<_> = resources.filter(|r| r["resourceType"] == "DocumentReference").collect();
    assert_eq!(references.len(), days.len());
    for (reference, day) in references.iter().zip(days) {
        let attachment = &reference["content"][0]["attachment"];
        assert_eq!(attachment["creation"], format!("{day}T09:00:00Z"));
        assert!(reference["context"]["period"]["start"].as_str().is_some_and(|s| s.starts_with(day)));
        let number = if day == days[0] { "974760673" } else { "974589095" };
        assert!(reference["contained"].to_string().contains(number), "{reference}");
    }

    let call = sharing::xds::Call {
        to: "https://example.org",
        message_id: uuid::Uuid::from_u128(1),
        security: None,
    };
    let wire = sharing::xds::provide(&submission, &call);
    let text = String::from_utf8_lossy(&wire.body);
    let created: Vec<&str> = text
        .split("name=\"creationTime\"")
        .skip(1)
        .filter_map(|s| s.split("<Value>").nth(1)?.get(..8))
        .collect();
    assert_eq!(created, ["20260302", "20260305", "20260305"]);
}

/// An id that a registry has put out of use is never taken again.
#[test]
fn what_is_published_anew_has_ids_of_its_own() {
    let first = entry(&["m"], Format::KithXml);
    let again = Entry { again: 1, ..first.clone() };
    let before = assemble(&[planned(first.clone(), &[])], vec![made(&["m"])], &[], 1).expect("a submission");
    let mut shown = taken(&[planned(first, &[])], &before.submission, 1);
    shown[0].status = Status::Superseded;
    let step = [planned(again.clone(), &[])];
    let anew = assemble(&step, vec![made(&["m"])], &shown, 2).expect("a submission").submission;
    let (old, new) = (&before.submission.entries[0], &anew.entries[0]);
    assert!(
        old.entry != new.entry && old.document != new.document && before.submission.set.id != anew.set.id
    );
    assert_eq!(old.bytes, new.bytes, "byte for byte");
    assert_eq!((new.entry, new.document), {
        let named = expected(&again, &target());
        (named.entry, named.document)
    });
    assert_ne!(shown[0].entry.id(), again.id(), "both stay on record");
}

#[test]
fn what_was_left_out_before_comes_in_a_set_of_its_own() {
    let (m, m_fhir) = (entry(&["m"], Format::KithXml), entry(&["m"], Format::Fhir));
    let first = [planned(m.clone(), &[])];
    let before = assemble(&first, vec![made(&["m"])], &[], 1).expect("a submission").submission;
    let shown = taken(&first, &before, 1);
    let second = [planned(m_fhir, &[(LinkKind::Transforms, &m)])];
    let later = assemble(&second, vec![made(&["m"])], &shown, 2).expect("a submission").submission;
    assert_ne!(before.set.id, later.set.id);
}

#[test]
fn what_the_target_does_not_take_is_left_out() {
    let m = entry(&["m"], Format::KithXml);
    let pdf = planned(entry(&["m"], Format::Pdf), &[(LinkKind::Transforms, &m)]);
    let assembled =
        assemble(&[planned(m, &[]), pdf.clone()], vec![made(&["m"])], &[], 1).expect("the original");
    assert_eq!(assembled.entries.len(), 1);
    assert!(assemble(&[pdf], vec![made(&["m"])], &[], 1).is_none(), "nothing of it is taken");
    assert!(assemble(&[], Vec::new(), &[], 1).is_none());
}

#[test]
fn an_entry_is_called_as_it_was_sent_when_no_answer_came() {
    let mut target = target();
    let sent = &made(&["m"]).submission.entries[0];
    let named = expected(&entry(&["m"], Format::KithXml), &target);
    assert_eq!((named.entry, named.document), (sent.entry, sent.document));
    target.kind = Kind::Xds;
    target.unique_ids = UniqueIds::Uuid;
    let named = expected(&entry(&["m"], Format::KithXml), &target);
    assert_eq!(named.entry, named.document);
}
