//! Addresses of queues, in the words of the server at the other end.
//!
//! AMQP 1.0 leaves it to each server how a queue is named in a link. Names are percent-encoded where the dialect
//! has paths, so that no name from a registry can reach another place than its queue.

use serde::{Deserialize, Serialize};

/// How a server names its queues and exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// RabbitMQ 3.x, and 4.x while it permits the old addresses: `/exchange/NAMESPACE/QUEUE`, `/amq/queue/QUEUE`.
    #[default]
    RabbitmqV1,
    /// RabbitMQ 4.x: `/exchanges/NAMESPACE/QUEUE`, `/queues/QUEUE`.
    RabbitmqV2,
    /// Azure Service Bus and the like: `NAMESPACE/QUEUE`, or `QUEUE` alone.
    ServiceBus,
}

impl Dialect {
    /// Where messages are sent so that they reach this queue: through the namespace's exchange if there is a
    /// namespace, else straight to the queue.
    #[must_use]
    pub fn target(self, namespace: Option<&str>, queue: &str) -> String {
        match (self, namespace) {
            (Self::RabbitmqV1, Some(exchange)) => format!("/exchange/{}/{}", encode(exchange), encode(queue)),
            (Self::RabbitmqV2, Some(exchange)) => {
                format!("/exchanges/{}/{}", encode(exchange), encode(queue))
            }
            (Self::RabbitmqV1 | Self::RabbitmqV2, None) => self.source(None, queue),
            (Self::ServiceBus, _) => self.source(namespace, queue),
        }
    }

    /// Where messages are read from this queue. On RabbitMQ none of these declares a queue that is not there.
    #[must_use]
    pub fn source(self, namespace: Option<&str>, queue: &str) -> String {
        match self {
            Self::RabbitmqV1 => format!("/amq/queue/{}", encode(queue)),
            Self::RabbitmqV2 => format!("/queues/{}", encode(queue)),
            Self::ServiceBus => namespace.map_or_else(|| queue.to_owned(), |n| format!("{n}/{queue}")),
        }
    }

    /// A target that shows whether the namespace is there: on RabbitMQ whatever queue is meant, elsewhere one that is.
    pub(super) fn any_target(self, namespace: &str, queues: &[String]) -> Option<String> {
        let queue = match (self, queues.first()) {
            (_, Some(queue)) => queue,
            (Self::RabbitmqV1 | Self::RabbitmqV2, None) => "check",
            (Self::ServiceBus, None) => return None,
        };
        Some(self.target(Some(namespace), queue))
    }

    /// True if a server that speaks so accepts, and loses, what is sent to where no queue is: it is only sent to once the
    /// queue is known to be there. That the namespace's exchange leads to the queue, no such server tells.
    pub(super) fn loses_silently(self) -> bool {
        self == Self::RabbitmqV1
    }
}

//= RFC 3986 §2.3
//# unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_words() {
        let cases = [
            (Dialect::RabbitmqV1, Some("Bus"), "/exchange/Bus/93238_async", "/amq/queue/93238_async"),
            (Dialect::RabbitmqV1, None, "/amq/queue/93238_async", "/amq/queue/93238_async"),
            (Dialect::RabbitmqV2, Some("Bus"), "/exchanges/Bus/93238_async", "/queues/93238_async"),
            (Dialect::RabbitmqV2, None, "/queues/93238_async", "/queues/93238_async"),
            (Dialect::ServiceBus, Some("Bus"), "Bus/93238_async", "Bus/93238_async"),
            (Dialect::ServiceBus, None, "93238_async", "93238_async"),
        ];
        for (dialect, namespace, target, source) in cases {
            assert_eq!(dialect.target(namespace, "93238_async"), target);
            assert_eq!(dialect.source(namespace, "93238_async"), source);
        }
    }

    #[test]
    fn no_name_reaches_another_place() {
        assert_eq!(
            Dialect::RabbitmqV1.source(None, "a/../b %2F\u{e6}"),
            "/amq/queue/a%2F..%2Fb%20%252F%C3%A6"
        );
    }
}
