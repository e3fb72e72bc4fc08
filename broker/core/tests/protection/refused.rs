//! Every attack and every fault: what the sender hears, what is kept, and that nothing is delivered.

use crate::scene::*;
use broker_core::journal::{
    Book, DocumentKind, Entry, Known, Lookup, Original, RecipientId, Seen, VerdictRecord,
};
use broker_core::lifecycle::State;
use broker_core::process::process;
use jiff::SignedDuration;
use message_schemas::HerId;
use std::sync::Arc;
use trust::pki::demo::offered;
use trust::pki::{Key, KeyKind, Pair, Profile};
use trust::{ContentCipher, Digest, SignatureAlgorithm, cms};

/// One line for a decision: verdict, findings, what the sender hears.
fn line(entry: &Entry) -> String {
    let reason = entry.verdict.reason().map_or("-", |r| r.as_str());
    format!("{} {reason} {:?} {:?}", entry.verdict.as_str(), codes(entry), receipts(entry))
}

/// Nothing goes anywhere but our own receipts.
fn assert_stopped(entry: &Entry, what: &str) {
    for recipient in &entry.recipients {
        let stopped = matches!(recipient.state, State::Rejected | State::Parked);
        assert!(stopped || recipient.book == Book::Receipt, "{what}: a forged message is delivered");
    }
    assert!(entry.duplicate_keys.is_empty(), "{what}: a forgery takes the key of what it forges");
    assert!(entry.closings.is_empty(), "{what}");
}

fn assert_judged(what: &str, bytes: &[u8], scene: Scene, expected: &str) {
    let entry = judge(bytes, &scene.world());
    assert_eq!(line(&entry), expected, "{what}");
    assert_stopped(&entry, what);
}

fn issue(change: impl FnOnce(&mut Profile)) -> Pair {
    let demo = demo();
    let valid = trust::pki::demo::valid();
    let mut profile = offered(Profile::signing("Demo Legekontor", demo.sender.number, valid));
    change(&mut profile);
    demo.issuing.issue(&profile, Key::generate(KeyKind::P256).expect("a key")).expect("a certificate")
}

fn signed_by(pair: &Pair) -> Vec<u8> {
    seal(&sign(letter(202).as_bytes(), pair))
}

#[test]
fn what_is_as_agreed_is_accepted() {
    let entry = judge(&wrapped(&letter(202)), &Scene::default().world());
    assert_eq!(line(&entry), r#"accepted_with_findings - [] ["ok"]"#);
    assert_eq!(rows(&entry, Book::Message), ["202 waiting opened"]);
}

#[test]
fn what_is_not_protected_as_agreed_is_refused_with_s99() {
    let refused = |code| format!(r#"refused P34 ["{code}"] ["rejected S99"]"#);
    let text = letter(202);
    assert_judged("plain", text.as_bytes(), Scene::default(), &refused("A02"));
    let signed = sign(text.as_bytes(), &demo().sender.signing);
    assert_judged("signed alone", &signed, Scene::default(), &refused("A02"));
    assert_judged("sealed alone", &seal(text.as_bytes()), Scene::default(), &refused("A01"));
    let required =
        || Scene::with_parties("gets = \"signed", "document_signature = \"required\"\ngets = \"signed");
    assert_judged("document unsigned", &wrapped(&text), required(), &refused("A01"));
}

#[test]
fn a_signature_that_does_not_hold_is_refused_with_s01() {
    let refused = |code: &str| format!(r#"refused P35 ["{code}"] ["rejected S01"]"#);
    let mut signed = sign(letter(202).as_bytes(), &demo().sender.signing);
    let at = signed.windows(5).position(|w| w == b"Notat").expect("the content is inside");
    signed[at] = b'M';
    assert_judged("tampered content", &seal(&signed), Scene::default(), &refused("A06"));

    let text = document_signed(&letter(202), &*demo().sender.signing.private_key());
    let tampered = text.replace("<FamilyName>Prøve", "<FamilyName>Prøvd");
    assert_judged("tampered document", &wrapped(&tampered), Scene::default(), &refused("A06"));
}

#[test]
fn a_signature_is_not_moved_around_another_message() {
    let signed = document_signed(&letter(202), &*demo().sender.signing.private_key());
    let start = signed.find("<ds:Signature").or_else(|| signed.find("<Signature")).expect("a signature");
    let end = signed.rfind("</MsgHead>").expect("the end");
    let signature = signed.get(start..end).expect("the signature");
    let other = letter(202).replace("Kari", "Ola");
    let (head, tail) = other.split_at(other.rfind("</MsgHead>").expect("the end"));
    let (first, rest) = signed.split_at(signed.find("<MsgInfo>").expect("a head"));
    let shapes = [
        ("on another message", format!("{head}{signature}{tail}")),
        ("around the signed one", format!("{head}{signed}{tail}")),
        ("signed one inside, signature outside", format!("{head}{}{signature}{tail}", letter(202))),
        ("not last", format!("{first}{signature}{rest}")),
        ("twice", signed.replace("</MsgHead>", &format!("{signature}</MsgHead>"))),
        ("first in its head", signed.replacen("<MsgInfo>", &format!("<MsgInfo>{signature}"), 1)),
        ("something behind it", signed.replace("</MsgHead>", "<Document/></MsgHead>")),
        ("a comment in a value", signed.replace("<Id>101", "<Id>1<!-- -->01").replace("Kari", "Ola")),
    ];
    for (what, forged) in shapes {
        for policy in ["nothing", "signed-and-sealed"] {
            let requires = format!("requires = \"{policy}\"\ngets = \"signed");
            let world = Scene::with_parties("gets = \"signed", &requires).world();
            let bytes = if policy == "nothing" { forged.clone().into_bytes() } else { wrapped(&forged) };
            let entry = judge(&bytes, &world);
            assert_stopped(&entry, what);
            assert!(matches!(entry.verdict, VerdictRecord::Refused { .. }), "{what}: {}", line(&entry));
        }
    }
}

#[test]
fn a_certificate_that_may_not_sign_is_refused_with_s02() {
    let refused = |code: &str| format!(r#"refused P36 ["{code}"] ["rejected S02"]"#);
    let hour = SignedDuration::from_hours(1);
    let cases = [
        ("expired", issue(|p| p.not_after = now() - hour), "A12"),
        ("not yet valid", issue(|p| p.not_before = now() + hour), "A13"),
        ("policy", issue(|p| p.policies = vec!["2.999.9".into()]), "A15"),
        ("for sealing", issue(|p| p.usage = demo().sender.sealing.certificate().usage), "A14"),
    ];
    for (what, pair, code) in cases {
        assert_judged(what, &signed_by(&pair), Scene::default(), &refused(code));
    }
    assert_judged(
        "other organisation",
        &signed_by(&demo().receiver.signing),
        Scene::default(),
        &refused("A18"),
    );
    let elsewhere = trust::pki::demo::Demo::new(KeyKind::P256).expect("another PKI");
    assert_judged("other roots", &signed_by(&elsewhere.sender.signing), Scene::default(), &refused("A11"));
    let stranger = Scene::with_parties(
        "her_id = 101\nlevel = \"service\"\nname = \"Fastlege\"\nkind = \"gp\"\nparent = 100",
        "her_id = 109\nlevel = \"service\"\nname = \"Fastlege\"\nkind = \"gp\"\nparent = 100",
    );
    let text = letter(202).replace("<Id>100<", "<Id>900<");
    let world = stranger.world();
    let entry = judge(&wrapped(&text), &world);
    assert_eq!((entry.verdict.as_str(), codes(&entry)), ("refused", vec!["A10"]), "no party for the sender");
}

#[test]
fn a_revoked_certificate_is_refused_with_s03() {
    let revoked = evidence(&[demo().sender.signing.certificate()]);
    let scene = Scene { evidence: revoked, ..Scene::default() };
    assert_judged("revoked", &wrapped(&letter(202)), scene, r#"refused P37 ["A16"] ["rejected S03"]"#);
}

#[test]
fn what_cannot_be_opened_is_kept_and_answered_by_nobody() {
    let good = wrapped(&letter(202));
    let ours = demo().receiver.sealing.certificate();
    let elsewhere =
        seal_for(&sign(letter(202).as_bytes(), &demo().sender.signing), demo().sender.sealing.certificate());
    let mut damaged = good.clone();
    let last = damaged.len() - 40;
    damaged[last] ^= 1;
    let detached = seal_for(b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x05", ours);
    let cases: [(&str, &[u8], &str); 5] = [
        ("wrong recipient", &elsewhere, r#"parked P39 ["A22"] []"#),
        ("damaged", &damaged, r#"parked P38 ["A04"] []"#),
        ("half of it", &good[..good.len() / 2], r#"parked P38 ["A03"] []"#),
        ("garbage", b"\x30\x82\x10\x00\x06\x09garbage", r#"parked P38 ["A03"] []"#),
        ("other CMS inside", &detached, r#"parked P38 ["A03"] []"#),
    ];
    for (what, bytes, expected) in cases {
        assert_judged(what, bytes, Scene::default(), expected);
    }
}

#[test]
fn envelopes_in_envelopes_and_bombs_are_refused() {
    let twice = seal(&wrapped(&letter(202)));
    let entry = judge(&twice, &Scene::default().world());
    assert_eq!(codes(&entry), ["A20"]);
    let signed_twice = sign(&sign(letter(202).as_bytes(), &demo().sender.signing), &demo().sender.signing);
    assert_eq!(codes(&judge(&seal(&signed_twice), &Scene::default().world())), ["A20"]);

    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b' '), 100_000_000), &mut packer).expect("packed");
    let bomb = seal(&sign(&packer.finish().expect("packed"), &demo().sender.signing));
    let entry = judge(&bomb, &Scene::default().world());
    assert_eq!(codes(&entry), ["A20"]);
    assert_stopped(&entry, "a bomb");
}

#[test]
fn gzip_and_mime_are_unpacked_where_the_profile_has_them() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, letter(202).as_bytes()).expect("packed");
    let packed = seal(&sign(&packer.finish().expect("packed"), &demo().sender.signing));
    let mime = format!("Content-Type: application/xml; charset=utf-8\r\n\r\n{}", letter(202));
    for bytes in [packed, seal(&sign(mime.as_bytes(), &demo().sender.signing))] {
        let entry = judge(&bytes, &Scene::default().world());
        assert_eq!(line(&entry), r#"accepted_with_findings - [] ["ok"]"#);
        let opened = entry.documents.iter().find(|d| d.kind == DocumentKind::Opened).expect("the payload");
        assert!(*opened.bytes == *letter(202).as_bytes(), "exact bytes go on");
    }
}

#[test]
fn who_contradicts_is_not_answered() {
    let world = Scene::default().world();
    let judged = |sender: u32| {
        let arrival =
            broker_core::Arrival { envelope_sender: Some(HerId(sender)), ..arrival(&wrapped(&letter(202))) };
        decide(process(arrival, &world, now(), &mut ids()), &world, &Default::default(), now())
    };
    assert_eq!(line(&judged(101)), r#"accepted_with_findings - [] ["ok"]"#);
    assert_eq!(line(&judged(100)), r#"accepted_with_findings - [] ["ok"]"#, "the enterprise of the sender");
    let spoofed = judged(555);
    assert_eq!(line(&spoofed), r#"parked P42 ["A19"] []"#);
    assert_stopped(&spoofed, "spoofed");
    assert!(spoofed.documents.is_empty(), "nothing is made of it");
    // Also where the signature is bad: whoever is named must not be told of what another sent.
    let arrival = broker_core::Arrival {
        envelope_sender: Some(HerId(555)),
        ..arrival(&signed_by(&demo().receiver.signing))
    };
    let both = decide(process(arrival, &world, now(), &mut ids()), &world, &Default::default(), now());
    assert_eq!((both.verdict.reason().map(|r| r.as_str()), receipts(&both).len()), (Some("P42"), 0));
}

#[test]
fn old_algorithms_are_for_those_whose_agreement_allows_them() {
    let signed = cms::sign_with(
        letter(202).as_bytes(),
        &*demo().sender.signing.private_key(),
        SignatureAlgorithm::RsaPkcs1(Digest::Sha1),
        None,
    )
    .expect("an old signature");
    let bytes = seal(&signed);
    let refused = r#"refused P34 ["A05"] ["rejected S99"]"#;
    assert_judged("SHA-1", &bytes, Scene::default(), refused);
    // Another partner's agreement does not help this one.
    let of_another = Scene::with_parties("opaque = true", "opaque = true\nallow = [\"sha1\"]");
    assert_judged("SHA-1, allowed to another", &bytes, of_another, refused);
    let own = Scene::with_parties("gets = \"signed", "allow = [\"sha1\"]\ngets = \"signed");
    assert_eq!(line(&judge(&bytes, &own.world())), r#"accepted_with_findings - ["A26"] ["ok"]"#);
}

#[test]
fn a_supplier_signs_for_those_who_agreed() {
    let bytes = signed_by(&demo().receiver.signing);
    let agreed = Scene::with_parties("gets = \"signed", "signed_by = [\"RECEIVER\"]\ngets = \"signed");
    assert_eq!(line(&judge(&bytes, &agreed.world())), r#"accepted_with_findings - [] ["ok"]"#);
    let certificate = Arc::clone(demo().receiver.signing.certificate());
    let listed = Scene { partners: vec![(HerId(101), vec![certificate])], ..Scene::default() };
    assert_eq!(judge(&bytes, &listed.world()).verdict.as_str(), "accepted_with_findings");
}

#[test]
fn a_forged_receipt_closes_nothing() {
    let world = Scene::default().world();
    let made = judge(&wrapped(&letter(202)), &world);
    let receipt = made.documents.iter().find(|d| d.kind == DocumentKind::Receipt).expect("a receipt");
    let original = Original {
        recipient: RecipientId(uuid::Uuid::from_u128(5)),
        message: made.arrival.id,
        state: State::HandedOver,
        generated: None,
        receipt_written: false,
    };
    let known = Known { originals: vec![original], ..Known::default() };
    let judged =
        |bytes: &[u8]| decide(process(arrival(bytes), &world, now(), &mut ids()), &world, &known, now());
    let genuine = judged(&seal(&sign(&receipt.bytes, &demo().receiver.signing)));
    assert_eq!(genuine.closings.len(), 1, "{}", line(&genuine));
    let forgeries =
        [receipt.bytes.to_vec(), seal(&receipt.bytes), seal(&sign(&receipt.bytes, &demo().sender.signing))];
    for forged in forgeries {
        let entry = judged(&forged);
        assert_stopped(&entry, "a receipt");
        assert!(receipts(&entry).is_empty(), "a receipt is never answered");
    }
}

#[test]
fn a_forgery_of_a_known_message_is_a_forgery_and_no_conflict() {
    let world = Scene::default().world();
    let good = judge(&wrapped(&letter(202)), &world);
    let forged = letter(202).replace("</MsgHead>", " </MsgHead>");
    for content_hash in [good.payload_hash, broker_core::ContentHash::of(b"something else")] {
        let seen = Seen { message: good.arrival.id, receiver: "202".into(), content_hash };
        let known = Known { seen: vec![seen], ..Known::default() };
        let arrived = process(arrival(forged.as_bytes()), &world, now(), &mut ids());
        let entry = decide(arrived, &world, &known, now());
        assert_eq!(
            line(&entry),
            r#"refused P34 ["A02"] []"#,
            "its true sender is not told that it was refused"
        );
        assert_stopped(&entry, "a forged copy");
    }
}

#[test]
fn who_signs_with_listed_certificates_alone_signs_with_no_other() {
    let only = || Scene::with_parties("gets = \"signed", "only_listed = true\ngets = \"signed");
    let listed = judge(&wrapped(&letter(202)), &only().world());
    assert_eq!(listed.verdict.as_str(), "accepted_with_findings");
    let refused = r#"refused P36 ["A10"] ["rejected S02"]"#;
    assert_judged("another of its organisation", &signed_by(&issue(|_| ())), only(), refused);
}

#[test]
fn without_trust_what_is_sealed_waits_and_all_else_is_as_before() {
    let without = || Scene { trust: false, ..Scene::default() };
    assert_judged("sealed", &wrapped(&letter(202)), without(), r#"parked P39 ["A22"] []"#);
    let plain = judge(letter(202).as_bytes(), &without().world());
    assert_eq!(line(&plain), r#"accepted_with_findings - [] ["ok"]"#);
    assert_eq!(rows(&plain, Book::Message), ["202 waiting original"]);
}

#[test]
fn a_sender_with_two_faces_is_not_believed() {
    let text = letter(202);
    let second =
        "<Ident><Id>202</Id><TypeId V=\"HER\" S=\"2.16.578.1.12.4.1.1.9051\"/></Ident><Ident><Id>101</Id>";
    let twice = text.replacen("<Ident><Id>101</Id>", second, 1);
    assert_ne!(twice, text, "the sender has two HER-ids");
    let entry = judge(&wrapped(&twice), &Scene::default().world());
    assert_eq!(entry.verdict.as_str(), "parked", "{}", line(&entry));
    assert!(codes(&entry).contains(&"A19"), "{}", line(&entry));
    assert_stopped(&entry, "two HER-ids");
}

#[test]
fn a_forgery_is_looked_up_under_every_name_of_its_house() {
    let world = Scene::default().world();
    let by_enterprise = letter(202).replace("<Id>101</Id>", "<Id>x</Id>");
    let arrived = process(arrival(by_enterprise.as_bytes()), &world, now(), &mut ids());
    let asked = arrived.lookups().iter().filter_map(|lookup| match lookup {
        Lookup::Seen { sender, .. } => Some(sender.as_str()),
        Lookup::Original(_) | Lookup::Sent(_) | Lookup::ErrorsTo { .. } => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), ["HER:100", "HER:101"]);
}

fn in_cbc(content: &[u8]) -> Vec<u8> {
    let own = Arc::clone(demo().receiver.sealing.certificate());
    cms::seal(content, &[own], ContentCipher::Aes256Cbc).expect("an envelope")
}

/// Everything about a decision that anybody outside could learn.
fn outside(entry: &Entry) -> String {
    let findings: Vec<_> = entry.findings.iter().map(ToString::to_string).collect();
    let layers: serde_json::Value =
        serde_json::from_str(entry.protection.as_deref().expect("an account")).expect("JSON");
    let layers: Vec<_> =
        layers["layers"].as_array().expect("layers").iter().map(|l| l["layer"].clone()).collect();
    format!("{} {findings:?} {layers:?} {:?}", line(entry), rows(entry, Book::Message))
}

#[test]
fn what_comes_out_of_an_unproven_seal_is_told_in_one_way() {
    let world = Scene::default().world();
    let signed = sign(letter(202).as_bytes(), &demo().sender.signing);
    let mut wrong_padding = in_cbc(&signed);
    *wrong_padding.last_mut().expect("a byte") ^= 1;
    let mut wrong_signature = signed.clone();
    *wrong_signature.last_mut().expect("a byte") ^= 1;
    let mut changed = signed.clone();
    let at = changed.windows(5).position(|w| w == b"Notat").expect("the content is inside");
    changed[at] = b'M';
    let document = document_signed(&letter(202), &*demo().sender.signing.private_key());
    let two_faced = letter(202).replacen("<Id>100<", "<Id>200<", 1);
    let cases: [(&str, Vec<u8>); 10] = [
        ("padding", wrong_padding),
        ("no message", in_cbc(b"no message")),
        ("half of it", in_cbc(signed.get(..signed.len() / 2).expect("a half"))),
        ("not well formed", in_cbc(b"<a>")),
        ("signature's value", in_cbc(&wrong_signature)),
        ("signed content", in_cbc(&changed)),
        (
            "document's signature",
            in_cbc(document.replace("<FamilyName>Prøve", "<FamilyName>Prøvd").as_bytes()),
        ),
        ("no signature", in_cbc(letter(202).as_bytes())),
        ("nobody's answer", in_cbc(letter(909).as_bytes())),
        ("two senders", in_cbc(two_faced.as_bytes())),
    ];
    let mut told = std::collections::BTreeMap::new();
    for (what, bytes) in &cases {
        let entry = judge(bytes, &world);
        assert_stopped(&entry, what);
        told.entry(outside(&entry)).or_insert_with(Vec::new).push(what);
    }
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told.keys().all(|line| line.starts_with(r#"parked P38 ["A04"] []"#)), "{told:#?}");
}

#[test]
fn what_is_proven_to_be_as_it_was_signed_is_told_in_any_seal() {
    let hour = SignedDuration::from_hours(1);
    let expired = issue(|p| p.not_after = now() - hour);
    let cases = [
        (
            "expired",
            in_cbc(&sign(letter(202).as_bytes(), &expired)),
            r#"refused P36 ["A12"] ["rejected S02"]"#,
        ),
        (
            "another's",
            in_cbc(&sign(letter(202).as_bytes(), &demo().receiver.signing)),
            r#"refused P36 ["A18"] ["rejected S02"]"#,
        ),
        (
            "the document inside",
            in_cbc(&sign(
                document_signed(&letter(202), &*demo().sender.signing.private_key())
                    .replace("<FamilyName>Prøve", "<FamilyName>Prøvd")
                    .as_bytes(),
                &demo().sender.signing,
            )),
            r#"refused P35 ["A06"] ["rejected S01"]"#,
        ),
        (
            "the document alone, expired",
            in_cbc(document_signed(&letter(202), &*expired.private_key()).as_bytes()),
            r#"refused P36 ["A12"] ["rejected S02"]"#,
        ),
    ];
    for (what, bytes, expected) in cases {
        assert_judged(what, &bytes, Scene::default(), expected);
    }
    let revoked = evidence(&[demo().sender.signing.certificate()]);
    let bytes = in_cbc(&sign(letter(202).as_bytes(), &demo().sender.signing));
    let scene = Scene { evidence: revoked, ..Scene::default() };
    assert_judged("revoked", &bytes, scene, r#"refused P37 ["A16"] ["rejected S03"]"#);
}

#[test]
fn protection_stays_the_reason_where_nobody_can_be_answered() {
    let nobody_here = letter(909);
    let no_sender = letter(202).replace("<Id>101</Id>", "<Id>x</Id>").replace("<Id>100</Id>", "<Id>y</Id>");
    for (what, text) in [("no receiver of ours", nobody_here), ("nobody to answer", no_sender)] {
        let mut signed = sign(text.as_bytes(), &demo().sender.signing);
        let at = signed.windows(5).position(|w| w == b"Notat").expect("the content is inside");
        signed[at] = b'M';
        assert_judged(what, &seal(&signed), Scene::default(), r#"refused P35 ["A06"] []"#);
        assert_judged(what, text.as_bytes(), Scene::default(), r#"refused P34 ["A02"] []"#);
    }
}

#[test]
fn a_document_signature_cannot_be_hidden_from_whoever_looks_for_it() {
    let requires = || Scene::with_parties("gets = \"signed", "requires = \"nothing\"\ngets = \"signed");
    let signed = document_signed(&letter(202), &*demo().sender.signing.private_key());
    let tampered = signed.replace("<FamilyName>Prøve", "<FamilyName>Prøvd");
    assert_ne!(tampered, signed);
    let namespace = "http://www.w3.org/2000/09/xmldsig#";
    assert!(tampered.contains(namespace));
    let shapes = [
        ("as it is", tampered.clone()),
        (
            "a reference in its namespace",
            tampered.replace(namespace, "http://www.w3.org/2000/09/xmldsig&#35;"),
        ),
        ("references all over", tampered.replace(namespace, "&#x68;ttp://www.w3.org/2000/09/xmldsig&#x23;")),
        ("in UTF-16", tampered.clone()),
    ];
    for (what, text) in shapes {
        let bytes = match what {
            "in UTF-16" => {
                let units = std::iter::once('\u{feff}').chain(text.chars()).collect::<String>();
                units.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }
            _ => text.into_bytes(),
        };
        let entry = judge(&bytes, &requires().world());
        assert_stopped(&entry, what);
        assert!(matches!(entry.verdict, VerdictRecord::Refused { .. }), "{what}: {}", line(&entry));
        assert!(!codes(&entry).is_empty(), "{what}: its protection is why: {}", line(&entry));
    }
}
