//! Is a server there, does it let us in, and does it have what the settings name? Nothing is taken and nothing sent.

use super::link::{Seen, Sending, see};
use super::server::{Error, Server};

/// Connects, and looks for the queues that are read and those that are written to.
///
/// Of a queue that we write to and may not read, nobody can tell whether it is there. That the exchange of the settings is
/// there is asked for too.
///
/// # Errors
/// Everything that is wrong: the connection alone, or each queue that cannot be used.
pub async fn check(server: &Server, read: &[String], written: &[String]) -> Result<(), Vec<Error>> {
    server.check().map_err(|error| vec![error])?;
    let mut connection = server.connect(|io| io).await.map_err(|error| vec![error])?;
    let mut faults = Vec::new();
    for (queue, to_read) in read.iter().map(|q| (q, true)).chain(written.iter().map(|q| (q, false))) {
        // What is not there ends its session, so each has one of its own.
        let seen = match server.begin(&mut connection).await {
            Ok(session) => see(server, session, queue).await,
            Err(error) => Err(error),
        };
        match seen {
            Ok(Seen::Hidden) if to_read => {
                let why = format!("the account may not read the queue {queue}");
                faults.push(Error::NotAttached(why));
            }
            Ok(Seen::There | Seen::Hidden) => {}
            Err(error) => faults.push(named(error, queue)),
        }
    }
    if let Some(namespace) = &server.namespace
        && let Some(target) = server.dialect.any_target(namespace, written)
    {
        let attached = match server.begin(&mut connection).await {
            Ok(session) => Sending::attach(server, session, &target).await.map(drop),
            Err(error) => Err(error),
        };
        faults.extend(attached.err().map(|error| named(error, namespace)));
    }
    drop(tokio::time::timeout(server.patience, connection.close()).await); // what does not answer is left
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// With the name of what it is about.
fn named(error: Error, what: &str) -> Error {
    if let Error::NotAttached(why) = error { Error::NotAttached(format!("{what}: {why}")) } else { error }
}
