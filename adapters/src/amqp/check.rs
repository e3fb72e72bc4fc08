//! Is a server there, does it let us in, and does it have what the settings name? Nothing is declared and nothing read.

use super::link::{close, told};
use super::publisher::advice;
use super::server::{Error, Server};
use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::timeout;

/// Connects and asks for queues and an exchange.
///
/// # Errors
/// Everything that is wrong: the connection alone, or each queue and exchange that cannot be used.
pub async fn check(server: &Server, exchange: Option<&str>, queues: &[String]) -> Result<(), Vec<Error>> {
    let connection = match server.connect("check").await {
        Ok(connection) => connection,
        Err(error) => {
            let away = match &error {
                Error::NotOpened(error) => error.is_io_error(),
                Error::TooSlow => true,
                Error::Host
                | Error::NoProof
                | Error::Password(_)
                | Error::Tls(_)
                | Error::Away(_)
                | Error::Unusable(_) => false,
            };
            let told = told(&error);
            return Err(vec![if away { Error::Away(told) } else { Error::Unusable(told) }]);
        }
    };
    let mut faults = Vec::new();
    let asked = exchange.map(|name| (true, name)).into_iter();
    for (is_exchange, name) in asked.chain(queues.iter().map(|name| (false, name.as_str()))) {
        let asking = async {
            // What is not there ends its channel, so each has one of its own.
            let channel = connection.create_channel().await?;
            let name = ShortString::try_new(name).unwrap_or_default();
            if is_exchange {
                let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                channel.exchange_declare(name, ExchangeKind::Direct, options, FieldTable::default()).await
            } else {
                let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                channel.queue_declare(name, options, FieldTable::default()).await.map(drop)
            }
        };
        match timeout(server.patience, asking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => faults.push(Error::Unusable(advice(&error))),
            Err(_) => faults.push(Error::TooSlow),
        }
    }
    close(&connection).await;
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
