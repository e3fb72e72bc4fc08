//! Messages on their way in: what is promised over both versions of AMQP, then what is one's own.

use crate::rig::{Over, Rig, body, take, until};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_core::ports::{NotTaken, Offer};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use servers::Proton;
use std::collections::BTreeSet;
use std::time::Duration;

/// Both versions keep the same promises.
macro_rules! over_both {
    ($($test:ident),+ $(,)?) => {
        mod over_0_9_1 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Over::V091).await;
            })+
        }
        mod over_1_0 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Over::V10).await;
            })+
        }
    };
}

over_both!(
    a_message_leaves_its_queue_when_it_is_durable_and_not_before,
    what_is_in_hand_is_settled_on_the_way_down_and_the_rest_stays,
    what_is_not_taken_stays_whatever_is_taken_after_it,
    while_the_journal_takes_nothing_the_queue_is_left_alone,
    no_more_are_in_hand_than_fit,
    a_body_is_what_its_sender_put_into_it_however_it_is_encoded,
    a_queue_that_is_not_there_stops_alone_and_says_what_to_look_at,
    a_queue_that_is_deleted_and_made_again_is_read_again,
);

async fn a_message_leaves_its_queue_when_it_is_durable_and_not_before(over: Over) {
    let Some(rig) = Rig::new("durable").await else { return };
    rig.queue("in", FieldTable::default()).await;
    for n in 0..4 {
        rig.put("in", &n.to_string()).await;
    }
    let mut reader = rig.read_over(over, "in", 100);
    let mut offers = Vec::new();
    for _ in 0..4 {
        offers.push(reader.next().await);
    }
    rig.holds("in", 4).await;
    // In any order: each leaves as it is taken.
    take(offers.remove(2));
    rig.holds("in", 3).await;
    take(offers.remove(0));
    rig.holds("in", 2).await;
    let last = offers.pop().unwrap();
    take(last);
    rig.holds("in", 1).await;
    take(offers.pop().unwrap());
    rig.holds("in", 0).await;
    reader.end().await;
}

async fn what_is_in_hand_is_settled_on_the_way_down_and_the_rest_stays(over: Over) {
    let Some(rig) = Rig::new("down").await else { return };
    rig.queue("in", FieldTable::default()).await;
    for n in 0..50 {
        rig.put("in", &n.to_string()).await;
    }
    let mut reader = rig.read_over(over, "in", 20);
    let first = reader.next().await;
    reader.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!reader.task.is_finished(), "it waits for what is in hand");
    take(first);
    reader.end().await;
    rig.holds("in", 49).await;
}

/// A journal that is lost and found again within a moment refuses some of what is in hand, and takes what came later.
async fn what_is_not_taken_stays_whatever_is_taken_after_it(over: Over) {
    let Some(rig) = Rig::new("between").await else { return };
    rig.queue("in", FieldTable::default()).await;
    for n in 0..5 {
        rig.put("in", &n.to_string()).await;
    }
    let mut reader = rig.read_over(over, "in", 10);
    let mut offers = Vec::new();
    for _ in 0..5 {
        offers.push(reader.next().await);
    }
    let last = offers.split_off(3);
    let mut refused = BTreeSet::new();
    take(offers.remove(0));
    for offer in offers {
        refused.insert(body(&offer));
        offer.handle.not_taken(NotTaken::Unavailable);
    }
    last.into_iter().for_each(take);
    rig.holds("in", 2).await;
    for _ in 0..2 {
        let offer = reader.next().await;
        assert!(refused.remove(&body(&offer)), "each once");
        take(offer);
    }
    rig.holds("in", 0).await;
    reader.end().await;
}

/// Senders over AMQP 1.0 write data, or a value; RabbitMQ hands it on to readers over 0-9-1. (Several sections of data are
/// read in their order, see `amqp_profile`; RabbitMQ 3.10 hands on the last one first, to readers over both versions.)
async fn a_body_is_what_its_sender_put_into_it_however_it_is_encoded(over: Over) {
    let (Some(rig), Some(proton)) = (Rig::new("bodies").await, Proton::find("bodies")) else { return };
    let section = |code: u8, kind: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x00, 0x53, code, kind][..], &length, content].concat()
    };
    let bodies = [
        ("data", section(0x75, 0xb0, b"abc\x00\xff")),
        ("a value of bytes", section(0x77, 0xb0, b"abc\x00\xff")),
        ("a value of text", section(0x77, 0xb1, b"abc")),
    ];
    for kind in ["classic", "quorum"] {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        rig.queue(kind, arguments).await;
        let messages: Vec<_> =
            bodies.iter().map(|(_, body)| json!({ "encoded": STANDARD.encode(body) })).collect();
        let (proton, rabbit, vhost) = (proton.clone(), rig.rabbit, rig.vhost.clone());
        let address = format!("/amq/queue/{kind}");
        let sending = move || proton.send(rabbit, &vhost, &address, &messages);
        assert_eq!(tokio::task::spawn_blocking(sending).await.unwrap().unwrap(), ["ACCEPTED"; 3]);
        let mut reader = rig.read_over(over, kind, 10);
        for (what, _) in &bodies {
            let offer = reader.next().await;
            let came = String::from_utf8_lossy(&offer.arrival.bytes);
            assert_eq!(came.trim_end_matches("\0\u{fffd}"), "abc", "{what}, {kind}");
            assert_eq!(came.len() > 3, *what != "a value of text", "{what}, {kind}");
            take(offer);
        }
        reader.end().await;
    }
}

/// The budget holds 20 of the largest, and the queue may give 100 at a time.
async fn no_more_are_in_hand_than_fit(over: Over) {
    let Some(rig) = Rig::new("fit").await else { return };
    rig.queue("in", FieldTable::default()).await;
    let large = "x".repeat(900_000);
    for _ in 0..50 {
        rig.put("in", &large).await;
    }
    for n in 0..400 {
        rig.put("in", &n.to_string()).await;
    }
    let mut reader = rig.read_over(over, "in", 100);
    for n in 0..50 {
        let offer = reader.next().await;
        assert_eq!(body(&offer).len(), large.len(), "in their order");
        if n % 10 == 0 {
            assert!((1..=22).contains(&rig.given_out("in")), "{}", rig.given_out("in"));
        }
        take(offer);
    }
    // Small ones come by the hundred, and in their order still.
    let mut most = 0;
    for n in 0..300 {
        let offer = reader.next().await;
        assert_eq!(body(&offer), n.to_string());
        take(offer);
        if n % 15 == 0 {
            most = most.max(rig.given_out("in"));
        }
    }
    // Over 0-9-1 what is in hand of one consumer does not count for the next: 20, 40 and 80 before the 100.
    assert!((60..=240).contains(&most), "{most}");
    reader.end().await;
}

async fn while_the_journal_takes_nothing_the_queue_is_left_alone(over: Over) {
    let Some(rig) = Rig::new("away").await else { return };
    rig.queue("in", FieldTable::default()).await;
    for n in 0..30 {
        rig.put("in", &n.to_string()).await;
    }
    let mut reader = rig.read_over(over, "in", 10);
    let mut refused = 0;
    let mut refuse = |offer: Offer| {
        offer.handle.not_taken(NotTaken::Full);
        refused += 1;
    };
    // The time counts from the first: how long it takes to connect is not the question.
    refuse(reader.next().await);
    let away = tokio::time::sleep(Duration::from_secs(4));
    tokio::pin!(away);
    loop {
        tokio::select! {
            offer = reader.next() => refuse(offer),
            () = &mut away => break,
        }
    }
    refuse(reader.next().await);
    // What had come when the first was refused, and then one after each pause.
    assert!(refused <= 17, "{refused} offers in four seconds and one pause");
    rig.holds("in", 30).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 30 {
        let offer = reader.next().await;
        assert!(seen.insert(body(&offer)), "each once");
        take(offer);
    }
    rig.holds("in", 0).await;
    reader.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_brings_everything_unsettled_again_under_the_same_key() {
    let Some(rig) = Rig::new("cut").await else { return };
    rig.queue("in", FieldTable::default()).await;
    for n in 0..3 {
        rig.put("in", &n.to_string()).await;
    }
    let mut reader = rig.read("in", 10);
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(reader.next().await);
    }
    let key = |offer: &Offer| (body(offer), offer.arrival.idempotency_key.clone());
    let keys: BTreeSet<_> = first.iter().map(key).collect();
    let connections = format!(
        r#"[rabbit_networking:close_connection(P, "closed by a test") || P <- rabbit_networking:connections(),
        proplists:get_value(vhost, rabbit_reader:info(P, [vhost])) =:= <<"{}">>,
        lists:keymember(<<"product">>, 1, proplists:get_value(client_properties, rabbit_reader:info(P, [client_properties])))
        andalso element(3, lists:keyfind(<<"product">>, 1, proplists:get_value(client_properties, rabbit_reader:info(P, [client_properties])))) =:= <<"budstikke">>]."#,
        rig.vhost
    );
    rig.rabbit.eval(&connections).unwrap();
    // What was taken too late to be acknowledged comes again, and the journal knows it.
    first.into_iter().for_each(take);
    let mut again = BTreeSet::new();
    while again.len() < 3 {
        let offer = reader.next().await;
        again.insert(key(&offer));
        take(offer);
    }
    assert_eq!(again, keys);
    rig.holds("in", 0).await;
    assert!(rig.told.has("bus in: Lost"));
    reader.end().await;
}

async fn a_queue_that_is_not_there_stops_alone_and_says_what_to_look_at(over: Over) {
    let Some(rig) = Rig::new("absent").await else { return };
    rig.queue("there", FieldTable::default()).await;
    let reader = rig.read_over(over, "There", 10);
    until("it is told", || rig.told.has("upper and lower case")).await;
    rig.queue("There", FieldTable::default()).await;
    until("it is read", || rig.told.has("Reading")).await;
    assert_eq!(rig.told.count("Lost"), 0, "the connection stays");
    reader.end().await;
}

async fn a_queue_that_is_deleted_and_made_again_is_read_again(over: Over) {
    let Some(rig) = Rig::new("deleted").await else { return };
    rig.queue("in", FieldTable::default()).await;
    let mut reader = rig.read_over(over, "in", 10);
    until("it is read", || rig.told.count("Reading") == 1).await;
    rig.delete("in").await;
    until("it is told", || rig.told.has("amqp:test: Down")).await;
    rig.queue("in", FieldTable::default()).await;
    rig.put("in", "one").await;
    let offer = reader.next().await;
    assert_eq!(body(&offer), "one");
    take(offer);
    rig.holds("in", 0).await;
    assert_eq!(rig.told.count("Lost"), 0, "the connection stays");
    reader.end().await;
}

/// As RabbitMQ 3.10 hands on what an AMQP 1.0 sender wrote whose ids are UUIDs.
#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_no_text_stop_nothing() {
    let Some(rig) = Rig::new("raw").await else { return };
    rig.queue("in", FieldTable::default()).await;
    let id: Vec<String> = (0..16).map(|n| (0xf0 + n).to_string()).collect();
    let id = format!("<<{}>>", id.join(","));
    rig.put("in", "before").await;
    for body in ["one", "two"] {
        rig.rabbit
            .eval(&format!(
                r#"rabbit_basic:publish(rabbit_misc:r(<<"{}">>, exchange, <<>>), <<"in">>,
                {{'P_basic', undefined, undefined, [{{<<"navn", 229>>, longstr, <<"x">>}}], 2, undefined, {id}, undefined,
                undefined, {id}, undefined, undefined, undefined, undefined, undefined}}, <<"{body}">>)."#,
                rig.vhost
            ))
            .unwrap();
    }
    rig.put("in", "after").await;
    let mut reader = rig.read("in", 10);
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let offer = reader.next().await;
        bodies.push(body(&offer));
        take(offer);
    }
    assert_eq!(bodies, ["before", "one", "two", "after"]);
    rig.holds("in", 0).await;
    assert_eq!(rig.told.count("Lost"), 0, "the connection stays");
    reader.end().await;
}

/// RabbitMQ passes on whatever is nested in a sender's headers, and the library would read it until the stack is used up.
#[tokio::test(flavor = "multi_thread")]
async fn headers_nested_however_deep_end_nothing() {
    let Some(rig) = Rig::new("nested").await else { return };
    rig.queue("in", FieldTable::default()).await;
    rig.rabbit
        .eval(&format!(
            r#"Deep = lists:foldl(fun(_, T) -> [{{<<>>, table, T}}] end, [], lists:seq(1, 3000)),
            rabbit_basic:publish(rabbit_misc:r(<<"{}">>, exchange, <<>>), <<"in">>,
            {{'P_basic', undefined, undefined, [{{<<"navn">>, table, Deep}}], 2, undefined, undefined, undefined,
            undefined, <<"deep">>, undefined, undefined, undefined, undefined, undefined}}, <<"deep">>)."#,
            rig.vhost
        ))
        .unwrap();
    rig.put("in", "after").await;
    let mut reader = rig.read("in", 10);
    for wanted in ["deep", "after"] {
        let offer = reader.next().await;
        assert_eq!(body(&offer), wanted);
        take(offer);
    }
    rig.holds("in", 0).await;
    assert_eq!(rig.told.count("Lost"), 0, "the connection stays");
    reader.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_larger_than_any_budget_is_offered_all_the_same() {
    let Some(rig) = Rig::new("large").await else { return };
    rig.queue("in", FieldTable::default()).await;
    let properties = lapin::BasicProperties::default();
    let options = lapin::options::BasicPublishOptions::default();
    let large = vec![b'x'; 3_000_000];
    rig.channel.basic_publish("".into(), "in".into(), options, &large, properties).await.unwrap();
    rig.put("in", "after").await;
    let mut reader = rig.read("in", 10);
    let offer = reader.next().await;
    assert_eq!(offer.arrival.bytes.len(), 3_000_000, "it is judged too large, and kept");
    take(offer);
    let offer = reader.next().await;
    assert_eq!(body(&offer), "after");
    take(offer);
    rig.holds("in", 0).await;
    reader.end().await;
}
