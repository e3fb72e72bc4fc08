//! What `ops/rabbitmq/definitions.json` makes of a server: the broker's account can do its work, and nothing else.

use crate::rig::PATIENCE;
use adapters::amqp::{Destination, DestinationOptions, Direction, Link, Nobody, Server, check};
use adapters::queues::{Addressed, internal};
use broker_core::journal::Delivery;
use broker_core::ports::Destination as _;
use dead_letter::Attempt;
use lapin::options::{BasicGetOptions, BasicRejectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use servers::Rabbit;
use servers::rabbit::Options;
use std::sync::Arc;
use system_tests::root;

const PASSWORD: &str = "of-the-test";

#[tokio::test(flavor = "multi_thread")]
async fn the_definitions_let_the_broker_work_and_declare_nothing() {
    if servers::rabbit("the_definitions").is_none() {
        return;
    }
    let definitions = Some(root().join("ops/rabbitmq/definitions.json"));
    let rabbit = Rabbit::start(&Options { definitions, ..Options::default() }).unwrap();
    let change = format!(
        r#"rabbit_auth_backend_internal:change_password(<<"budstikke">>, <<"{PASSWORD}">>, <<"test">>)."#
    );
    rabbit.eval(&change).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, PASSWORD).unwrap();

    // The example names what is there.
    let example: toml::Table =
        std::fs::read_to_string(root().join("ops/config/distributed.toml")).unwrap().parse().unwrap();
    let text = |value: &toml::Value, key: &str| value.get(key).unwrap().as_str().unwrap().to_owned();
    let settings = &example["amqp"]["internal"];
    let server = Server {
        port: Some(rabbit.port()),
        vhost: Some(text(settings, "vhost")),
        user: Some(text(settings, "user")),
        password_file: Some(password_file),
        ..Server::new("127.0.0.1")
    };
    let (inbox, hospital) = (
        text(&example["sources"]["amqp"]["inbox"], "queue"),
        text(&example["destinations"]["amqp:hospital"], "queue"),
    );
    check(&server, None, &[inbox.clone(), hospital.clone()]).await.unwrap();

    // It may send to queues, and read the inbox.
    let link = Link::new("internal", server, Direction::Out, Arc::new(Nobody));
    let options = DestinationOptions {
        exchange: None,
        timeout: PATIENCE,
        window: 8,
        message_bytes: 1_000_000,
        many: false,
    };
    let queue = inbox.clone();
    let addressing =
        move |delivery: &Delivery| Ok(Addressed { queue: queue.clone(), envelope: internal(delivery) });
    let to_inbox = Destination::build(link, options, Arc::new(addressing)).unwrap();
    let letter = crate::publishing::delivery(1, "");
    while to_inbox.send(&letter).await != Attempt::HandedOver {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    let url = format!("amqp://budstikke:{PASSWORD}@127.0.0.1:{}/budstikke", rabbit.port());
    let client = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = client.create_channel().await.unwrap();
    // What is rejected lands in the dead-letter queue, which it may read too.
    let got = channel.basic_get(inbox.as_str().into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let dead = async {
        loop {
            let got =
                channel.basic_get("dead-letter".into(), BasicGetOptions { no_ack: true }).await.unwrap();
            if let Some(got) = got {
                return got;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let dead = tokio::time::timeout(PATIENCE, dead).await.unwrap();
    assert_eq!(dead.delivery.data, letter.bytes.to_vec());

    // It may neither make a queue nor read one that is another's.
    let declared = channel
        .queue_declare("new".into(), QueueDeclareOptions::default(), FieldTable::default())
        .await
        .unwrap_err();
    assert!(declared.to_string().contains("ACCESS_REFUSED"), "{declared}");
    let channel = client.create_channel().await.unwrap();
    let read = channel.basic_get(hospital.as_str().into(), BasicGetOptions::default()).await.unwrap_err();
    assert!(read.to_string().contains("ACCESS_REFUSED"), "{read}");
}
