//! The national profile on the wire: the real binary between a partner's queues and a house that takes folders. What comes
//! as the profile has it is answered by a receipt on its sender's queue, whatever else by a code on its error queue; what
//! comes by our error queue is answered by nothing; and no message stops a queue. All of it over AMQP 0-9-1, and over 1.0
//! with a partner whose client is not ours.

use crate::house::{CONFIG, FROM, House, PARTIES, REQUESTS, TO, Version, envelope, letter};
use crate::rig::until;
use amqp_profile::content_type::PROTECTED;
use amqp_profile::{Envelope, names, times};
use message_schemas::head::ReceiptStatus;
use message_schemas::{Limits, head};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use trust::{Certificate, ContentCipher, cms};
use uuid::Uuid;

/// Every test over both versions.
macro_rules! over_both {
    ($($test:ident),+ $(,)?) => {
        mod over_091 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::house::Version::V091).await;
            })+
        }
        mod over_10 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::house::Version::V10).await;
            })+
        }
    };
}

over_both! {
    a_letter_has_its_receipt_and_an_error_about_that_is_answered_by_nothing,
    what_is_at_fault_is_told_by_its_code_and_stops_no_queue,
    a_request_that_nobody_answers_is_told_so,
    a_request_has_one_answer_and_nobody_elses,
}

/// Without this property.
fn without(envelope: &Envelope, name: &str) -> Envelope {
    let pairs = envelope.properties.iter().filter(|(n, _)| *n != name);
    let properties = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Envelope { properties, ..envelope.clone() }
}

pub(crate) fn with(envelope: &Envelope, name: &str, value: &str) -> Envelope {
    let mut changed = without(envelope, name);
    changed.properties.insert(name, value);
    changed
}

async fn a_letter_has_its_receipt_and_an_error_about_that_is_answered_by_nothing(version: Version) {
    let Some(house) = House::open("profile-good", version).await else { return };
    let (text, msg_id) = letter();
    let amqp_id = Uuid::now_v7().to_string();
    let good = envelope(&amqp_id, house.wrapped(&text));
    // Twice: the sender did not hear that the first was taken.
    house.put("havna_async", &good).await;
    house.put("havna_async", &good).await;
    // And once more, sealed anew under the same id.
    house.put("havna_async", &Envelope { body: house.wrapped(&text).into(), ..good.clone() }).await;
    house.rig.holds("granheim_async", 1).await;
    house.rig.holds("havna_async", 0).await;

    let receipt = house.take("granheim_async").await.unwrap();
    assert_eq!(receipt.subject.as_deref(), Some("APPREC"));
    assert_eq!(receipt.to.as_deref(), Some("granheim_async"), "by the party file, and not by the number");
    assert_eq!(receipt.reply_to.as_deref(), Some("havna_async"));
    assert_eq!(receipt.content_type.as_deref(), Some(PROTECTED));
    assert_eq!(receipt.correlation_id, receipt.message_id);
    assert!(receipt.message_id.as_deref().is_some_and(|id| id.parse::<Uuid>().is_ok()));
    assert!(receipt.durable && receipt.ttl.is_none());
    assert_eq!(receipt.properties.get(names::FROM), Some(TO));
    assert_eq!(receipt.properties.get(names::TO), Some(FROM));
    assert!(receipt.properties.get(names::WRITTEN).and_then(times::read).is_some());
    assert_eq!(receipt.properties.get("X-SystemIdentifier"), Some("house"));
    let said =
        head::read(&house.opened("granheim", &receipt.body), &Limits::default()).unwrap().receipt.unwrap();
    assert_eq!(said.status, ReceiptStatus::Ok);
    assert_eq!(said.original_id.unwrap().as_str(), msg_id);
    until("the letter is there", || !house.letters().is_empty()).await;
    assert!(house.letters() == [text.into_bytes()], "once, and byte for byte");

    // By the id that stands in the partner's log, in whichever form.
    for form in [amqp_id.clone(), amqp_id.to_uppercase(), format!("urn:uuid:{amqp_id}")] {
        let traced = house.ask(&["trace", &form]);
        assert!(traced.matches("\nMessage ").count() == 0 && traced.starts_with("Message "), "one: {traced}");
        assert!(traced.contains(&format!("message id {msg_id}")), "{traced}");
    }
    assert!(house.ask(&["trace", &Uuid::now_v7().to_string()]).contains("Nothing is known"));

    // The partner could not take the receipt; somebody else reports about nothing of ours; a third one without anything.
    let receipt_id = receipt.message_id.unwrap();
    let mut error = envelope("their-error", Vec::new());
    (error.subject, error.content_type) = (Some("APPREC".to_owned()), None);
    error.properties.insert(names::CONDITION, "transport:decryption-failed");
    error.properties.insert(names::DESCRIPTION, "Kunne ikke dekryptere");
    let about = with(&error, names::ORIGINAL, &receipt_id.replace('-', "").to_uppercase());
    house.put("havna_error", &about).await;
    let unknown =
        Envelope { message_id: Some("another".to_owned()), ..with(&error, names::ORIGINAL, "unheard-of") };
    house.put("havna_error", &unknown).await;
    house.put("havna_error", &Envelope::default()).await;
    house.says(&["trace", &receipt_id], "transport_error").await;
    house.says(&["dead-letter", "list", "--code", "P52"], "P52").await;
    until("both are kept", || {
        house.ask(&["dead-letter", "list", "--code", "P53"]).matches("P53").count() == 2
    })
    .await;
    let traced = house.ask(&["trace", &receipt_id]);
    assert!(traced.contains("transport:decryption-failed in message"), "{traced}");

    // A second letter goes all the way round: by now an answer to the errors would be there.
    let (text, _) = letter();
    house.put("havna_async", &envelope("second", house.wrapped(&text))).await;
    house.rig.holds("granheim_async", 1).await;
    until("the second letter is there", || house.letters().len() > 1).await;
    assert_eq!(house.letters().len(), 2);
    assert_eq!(house.rig.messages("granheim_error"), 0, "errors are answered by nothing");
    house.close().await;
}

async fn what_is_at_fault_is_told_by_its_code_and_stops_no_queue(version: Version) {
    let Some(house) = House::open("profile-faults", version).await else { return };
    let (text, _) = letter();
    let protected = house.wrapped(&text);
    let base = |id: &str| envelope(id, protected.clone());
    let of_body = |id: &str, body: Vec<u8>| envelope(id, body);
    let granheim = Certificate::all_from(
        &std::fs::read(house.folder.path().join("pki/parties/granheim/sealing.pem")).unwrap(),
    )
    .unwrap()
    .swap_remove(0);
    let signed = house.signed("granheim", text.as_bytes());
    let for_another = cms::seal(&signed, &[granheim], ContentCipher::default()).unwrap();
    let mut damaged = protected.clone();
    *damaged.last_mut().unwrap() ^= 1;

    let field = "transport:invalid-field-value";
    let cases: Vec<(Envelope, &str, Option<&str>)> = vec![
        (Envelope { subject: None, ..base("no-subject") }, field, Some("subject;")),
        (without(&base("no-time"), names::WRITTEN), field, Some("applicationTimeStamp;")),
        (with(&base("odd-receiver"), names::TO, "Havna"), field, Some("toHerId;")),
        (with(&base("not-ours"), names::TO, "120010"), field, Some("toHerId;")),
        (Envelope { content_type: None, ..base("no-type") }, field, Some("content-type;")),
        (Envelope { content_type: Some("text/plain".into()), ..base("plain") }, field, Some("content-type;")),
        (Envelope { reply_to: Some("elsewhere".into()), ..base("reply-to") }, field, Some("replyTo;")),
        (of_body("too-large", vec![b'0'; 300_000]), field, Some("size;")),
        (of_body("in-the-clear", text.clone().into_bytes()), "transport:invalid-cms-pkcs", None),
        (of_body("signed-alone", signed.clone()), "transport:invalid-cms-pkcs", None),
        (of_body("garbage", b"\x30\x82\x10\x00\x06\x09garbage".to_vec()), "transport:invalid-cms-pkcs", None),
        (of_body("empty", Vec::new()), "transport:invalid-cms-pkcs", None),
        (of_body("for-another", for_another), "transport:decryption-failed", None),
        (of_body("damaged", damaged), "transport:decryption-failed", None),
        (of_body("no-xml", house.wrapped("neither head nor tail")), "transport:not-well-formed-xml", None),
    ];
    for (case, _, _) in &cases {
        house.put("havna_async", case).await;
    }
    // The same fault under the same id once more: told once.
    house.put("havna_async", &cases[0].0).await;
    let revoked = house.sealed(&house.signed("revoked", text.as_bytes()));
    house.put("havna_async", &of_body("revoked", revoked)).await;
    house.put("havna_async", &with(&base("spoofed"), names::FROM, "100000")).await;
    house.put("havna_async", &without(&base("nobody"), names::FROM)).await;
    let (good, _) = letter();
    house.put("havna_async", &envelope("good", house.wrapped(&good))).await;

    house.rig.holds("granheim_async", 1).await;
    house.rig.holds("granheim_error", u64::try_from(cases.len() + 1).unwrap()).await;
    house.rig.holds("laboratory_error", 1).await;
    house.rig.holds("havna_async", 0).await;
    let mut told = BTreeMap::new();
    while let Some(error) = house.take("granheim_error").await {
        let said = |name: &str| error.properties.get(name).map(str::to_owned);
        let original = said(names::ORIGINAL).unwrap();
        assert_eq!(error.body.len(), 0, "{original}: no content goes back");
        assert_eq!(error.content_type.as_deref(), Some(PROTECTED), "{original}");
        assert_ne!(error.message_id.as_deref(), Some(original.as_str()));
        assert_eq!(said(names::TO).as_deref(), Some(FROM), "{original}");
        assert!(said(names::TRIED).as_deref().and_then(times::read).is_some(), "{original}");
        assert!(said(names::DESCRIPTION).is_some_and(|words| !words.is_empty()), "{original}");
        let subject = if original == "no-subject" { "UNKNOWN" } else { "EPIKRISE" };
        assert_eq!(error.subject.as_deref(), Some(subject), "{original}");
        assert!(error.durable, "{original}");
        let before = told.insert(original, (said(names::CONDITION).unwrap(), said(names::DATA)));
        assert_eq!(before, None, "told once");
    }
    let revoked = told.remove("revoked").expect("told");
    assert_eq!(revoked.0, "transport:revoked-certificate");
    assert!(revoked.1.is_some(), "which certificate");
    let expected: BTreeMap<_, _> = cases
        .iter()
        .map(|(case, code, data)| {
            (case.message_id.clone().unwrap(), ((*code).to_owned(), data.map(str::to_owned)))
        })
        .collect();
    assert_eq!(told, expected);
    let spoofed = house.take("laboratory_error").await.unwrap();
    assert_eq!(spoofed.properties.get(names::CONDITION), Some("abuse:spoofing-attack"));
    assert_eq!(spoofed.properties.get(names::DATA), Some("100000;120010;"));
    until("the good one arrives", || house.letters().len() == 1).await;

    // Who is nobody is told nothing; everything is kept, with its bytes and what stood on its outside.
    house.says(&["dead-letter", "list", "--code", "P50"], "P50").await;
    let listed = house.ask(&["dead-letter", "list", "--code", "P50", "--format", "json"]);
    let id = serde_json::from_str::<serde_json::Value>(listed.lines().next().unwrap()).unwrap();
    let id = id["message"].as_str().unwrap().to_owned();
    assert!(house.ask(&["trace", &id]).contains("async queue, from nobody to 210010, message id nobody"));
    let kept = house.folder.path().join("kept");
    assert!(
        house.ask(&["trace", "revoked"]).contains("A16"),
        "refused ones are found by their sender's id too"
    );
    house.ask(&["dead-letter", "show", &id, "--out", &kept.display().to_string()]);
    assert!(same(&kept, &protected), "the bytes as they came");
    house.close().await;
}

fn same(file: &Path, bytes: &[u8]) -> bool {
    std::fs::read(file).is_ok_and(|kept| kept == bytes)
}

/// A request, as the partner asks it.
fn request(id: &str, body: Vec<u8>) -> Envelope {
    Envelope {
        to: Some("havna_sync".to_owned()),
        reply_to: Some("granheim_syncreply".to_owned()),
        ..envelope(id, body)
    }
}

async fn a_request_that_nobody_answers_is_told_so(version: Version) {
    let config = format!("{CONFIG}{REQUESTS}[policy.amqp]\nsync_deadline = \"2s\"\n");
    let Some(house) = House::open_with("profile-silence", version, PARTIES, &config).await else { return };
    let (question, _) = letter();
    house.put("havna_sync", &request("question", house.wrapped(&question))).await;
    house.rig.holds("granheim_error", 1).await;
    let error = house.take("granheim_error").await.unwrap();
    assert_eq!(error.properties.get(names::CONDITION), Some("transport:internal-error"));
    assert_eq!(error.properties.get(names::ORIGINAL), Some("question"));
    house.says(&["dead-letter", "list", "--code", "P57"], "P57").await;
    assert_eq!(house.rig.messages("granheim_async"), 0, "a request has no receipt");
    house.close().await;
}

async fn a_request_has_one_answer_and_nobody_elses(version: Version) {
    // The surgery's system reads requests from a queue, and answers over one of ours.
    let parties = PARTIES
        .replace(
            "answers = \"broker\"\ndestination = \"gp\"",
            "answers = \"broker\"\ndestination = \"partners\"",
        )
        .replace(
            "async = \"havna_async\"",
            "async = \"havna_async\"\nsync = \"epj_sync\"\nsyncreply = \"havna_syncreply\"",
        )
        .replace(
            "kind = \"gp\"\n[party.amqp]",
            "kind = \"gp\"\n[party.protection]\ngets = \"signed-and-sealed\"\ncertificates = \
             [\"pki/parties/gp/signing.pem\", \"pki/parties/gp/sealing.pem\"]\n[party.amqp]",
        );
    let config = format!("{CONFIG}{REQUESTS}[policy.amqp]\nsync_deadline = \"5m\"\n");
    let Some(house) = House::open_with("profile-sync", version, &parties, &config).await else { return };
    let (question, _) = letter();
    house.put("havna_sync", &request("question", house.wrapped(&question))).await;
    house.rig.holds("epj_sync", 1).await;
    let asked = house.take("epj_sync").await.unwrap();
    assert_eq!(asked.reply_to.as_deref(), Some("havna_syncreply"), "answers come to us");
    assert_eq!(asked.subject.as_deref(), Some("EPIKRISE"));
    assert!(
        asked.ttl.is_some_and(|ttl| ttl <= Duration::from_secs(300)),
        "no longer than somebody waits: {:?}",
        asked.ttl
    );
    assert_eq!(house.opened("gp", &asked.body), question);

    // Back from the one to the other.
    let (back, msg_id) = letter();
    let back = back.replace(">1200", ">~").replace(">2100", ">1200").replace(">~", ">2100");
    let answer = |id: &str, to: Option<String>, signer: &str| {
        let body = house.sealed(&house.signed(signer, back.as_bytes()));
        let mut answer = envelope(id, body);
        (answer.reply_to, answer.correlation_id) = (None, to);
        with(&with(&answer, names::FROM, TO), names::TO, FROM)
    };
    house.put("havna_syncreply", &answer("unasked", Some(Uuid::now_v7().to_string()), "gp")).await;
    house.says(&["trace", &msg_id], "P70").await;
    let stranger = with(&answer("stranger", asked.message_id.clone(), "gp"), names::FROM, "100000");
    house.put("havna_syncreply", &stranger).await;
    house.says(&["trace", &msg_id], "P56").await;
    house.put("havna_syncreply", &answer("answer", asked.message_id.clone(), "gp")).await;
    house.rig.holds("granheim_syncreply", 1).await;
    let answered = house.take("granheim_syncreply").await.unwrap();
    assert_eq!(answered.correlation_id.as_deref(), Some("question"));
    assert_ne!(answered.message_id.as_deref(), Some("question"));
    assert_eq!(answered.reply_to, None);
    assert_eq!(answered.properties.get(names::FROM), Some(TO));
    assert_eq!(answered.properties.get(names::TO), Some(FROM));
    assert!(house.opened("granheim", &answered.body).contains(&msg_id));
    house.says(&["trace", asked.message_id.as_deref().unwrap()], "receipted").await;
    // The first stands.
    house.put("havna_syncreply", &answer("another", asked.message_id.clone(), "gp")).await;
    house.says(&["trace", &msg_id], "P69").await;
    assert_eq!(house.rig.messages("granheim_syncreply"), 0, "who asked gets one answer");
    for queue in ["granheim_async", "granheim_error", "laboratory_error"] {
        assert_eq!(house.rig.messages(queue), 0, "{queue}: no receipts, and no errors");
    }
    house.close().await;
}
