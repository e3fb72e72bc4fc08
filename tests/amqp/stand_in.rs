//! A queue whose first message the library for AMQP 0-9-1 cannot read: it is read over 1.0, and nothing stands still.

use crate::rig::{Rig, until};
use crate::whole::{id_of, letters, over_queues, start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::FieldTable;
use serde_json::json;
use servers::Proton;
use std::collections::BTreeMap;
use system_tests::drive::{Region, terminate};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_over_one_version_is_read_over_the_other() {
    let (Some(rig), Some(proton)) = (Rig::new("standin").await, Proton::find("standin")) else { return };
    for queue in ["inbox", "late", "other", "specialist", "granheim"] {
        rig.queue(queue, FieldTable::default()).await;
    }
    let (letter, mut offered) = (letters(), BTreeMap::new());
    let mut fresh = || {
        let (id, letter) = letter();
        offered.insert(id.clone(), letter.clone().into_bytes());
        (id, letter)
    };
    let over_10 = |queue: &str, id: &str, kind: &str, letter: &str| {
        let (proton, vhost, rabbit) = (proton.clone(), rig.vhost.clone(), rig.rabbit);
        let message =
            json!({ "id": id, "id_type": kind, "correlation_id": id, "body": STANDARD.encode(letter) });
        let queue = format!("/amq/queue/{queue}");
        let sending = move || proton.send(rabbit, &vhost, &queue, &[message]);
        async move { tokio::task::spawn_blocking(sending).await.unwrap().unwrap() }
    };
    let by_uuid = |(id, letter): (String, String)| over_10("inbox", &id, "uuid", &letter);
    // With these it is the server that ends the connection when it is to write them over 0-9-1.
    for (id, kind) in [("4711", "ulong"), ("i".repeat(300).as_str(), "string")] {
        assert_eq!(over_10("late", id, kind, &fresh().1).await, ["ACCEPTED"]);
    }
    rig.holds("late", 2).await;
    assert_eq!(by_uuid(fresh()).await, ["ACCEPTED"]);
    for _ in 0..2 {
        // The name of a field of a table in a list, of a byte that is no text.
        let (id, letter) = fresh();
        let letter = STANDARD.encode(letter);
        rig.rabbit
            .eval(&format!(
                r#"rabbit_basic:publish(rabbit_misc:r(<<"{}">>, exchange, <<>>), <<"inbox">>,
                {{'P_basic', undefined, undefined, [{{<<"x-odd">>, array, [{{table, [{{<<255>>, longstr, <<"x">>}}]}}]}}], 2,
                undefined, undefined, undefined, undefined, <<"{id}">>, undefined, undefined, undefined, undefined, undefined}},
                base64:decode(<<"{letter}">>))."#,
                rig.vhost
            ))
            .unwrap();
    }
    assert_eq!(by_uuid(fresh()).await, ["ACCEPTED"]);
    let (id, letter) = fresh();
    let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.into());
    let options = BasicPublishOptions::default();
    let publishing =
        rig.channel.basic_publish("".into(), "other".into(), options, letter.as_bytes(), properties);
    publishing.await.unwrap();
    // Content that is no data: the server hands it on over 0-9-1 as AMQP 1.0 encodes it.
    let (id, letter) = fresh();
    let (sender, vhost, rabbit) = (proton.clone(), rig.vhost.clone(), rig.rabbit);
    let message = json!({ "id": id, "text": letter });
    let sending = move || sender.send(rabbit, &vhost, "/amq/queue/other", &[message]);
    assert_eq!(tokio::task::spawn_blocking(sending).await.unwrap().unwrap(), ["ACCEPTED"]);
    rig.holds("inbox", 4).await;

    let region = Region::lay_out("standin", |settings| {
        let source = |queue| {
            format!(
                "[sources.amqp.{queue}]\nconnection = \"bus\"\nqueue = \"{queue}\"\nrole = \"internal\"\n"
            )
        };
        over_queues(&settings, &rig, "0-9-1") + &source("other") + &source("late")
    })
    .unwrap();
    let log = region.folder.join("broker.log");
    let mut process = {
        let (config, log) = (region.config(), log.clone());
        tokio::task::spawn_blocking(move || start(&config, &log)).await.unwrap()
    };
    let all = u64::try_from(offered.len()).unwrap();
    for queue in ["specialist", "granheim"] {
        rig.holds(queue, all).await;
    }
    for queue in ["inbox", "late", "other"] {
        rig.holds(queue, 0).await;
    }
    // What stands in is told to stop like any other.
    assert!(terminate(&mut process.0).unwrap(), "the broker does not end well");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("the queue is read over 1.0 for a while"), "{log}");
    assert!(!log.contains("MsgHead"), "the log shows a letter");
    let came: BTreeMap<_, _> =
        rig.drain("specialist").await.into_iter().map(|(_, letter)| (id_of(&letter), letter)).collect();
    assert!(came == offered, "each came once, as it was");
    std::fs::remove_dir_all(&region.folder).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_has_gone_silent_is_left() {
    let Some(rig) = Rig::new("silent").await else { return };
    for queue in ["inbox", "specialist", "granheim"] {
        rig.queue(queue, FieldTable::default()).await;
    }
    let letter = letters();
    let put = async || {
        let (id, letter) = letter();
        let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.into());
        let options = BasicPublishOptions::default();
        let publishing =
            rig.channel.basic_publish("".into(), "inbox".into(), options, letter.as_bytes(), properties);
        publishing.await.unwrap();
    };
    let region = Region::lay_out("silent", |settings| over_queues(&settings, &rig, "0-9-1")).unwrap();
    let log = region.folder.join("broker.log");
    let mut process = {
        let (config, log) = (region.config(), log.clone());
        tokio::task::spawn_blocking(move || start(&config, &log)).await.unwrap()
    };
    put().await;
    rig.holds("specialist", 1).await;

    // The connection and its heartbeats go on.
    rig.rabbit
        .eval(&format!(
            r#"{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{}">>, queue, <<"inbox">>)),
            [C] = rabbit_amqqueue:consumers(Q), register(silent_channel, element(1, C)), ok = sys:suspend(silent_channel)."#,
            rig.vhost
        ))
        .unwrap();
    for _ in 0..3 {
        put().await;
    }
    let said = || std::fs::read_to_string(&log).unwrap();
    until("the silence is told", || said().contains("answers no more where this queue is read")).await;
    until("the queue is read again", || said().matches("is being read").count() >= 2).await;
    // What the silent channel was given it keeps for as long as the server takes to end it, which can be more than a minute.
    rig.rabbit.eval("catch exit(whereis(silent_channel), kill).").unwrap();
    for queue in ["specialist", "granheim"] {
        rig.holds(queue, 4).await;
    }
    assert!(terminate(&mut process.0).unwrap(), "the broker does not end well");
    std::fs::remove_dir_all(&region.folder).ok();
}
