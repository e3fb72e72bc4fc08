"""An AMQP 1.0 client that is not ours: does one job, read as JSON from standard input."""

import base64
import json
import sys
import uuid

from proton import Message, Timeout, symbol, ulong
from proton.utils import BlockingConnection

OUTCOMES = {0x24: "ACCEPTED", 0x25: "REJECTED", 0x26: "RELEASED", 0x27: "MODIFIED"}
KINDS = {"string": str, "uuid": uuid.UUID, "ulong": lambda text: ulong(int(text)), "binary": lambda text: text.encode()}


def an_id(text, kind):
    return None if text is None else KINDS[kind](text)


def written(wanted):
    """A message as the reference library writes it: a data section, strings everywhere, no header unless asked for."""
    kind = wanted.get("id_type", "string")
    message = Message(
        id=an_id(wanted.get("id"), kind),
        address=wanted.get("to"),
        subject=wanted.get("subject"),
        reply_to=wanted.get("reply_to"),
        correlation_id=an_id(wanted.get("correlation_id"), kind),
        properties=wanted.get("properties"),
    )
    if "content_type" in wanted:
        message.content_type = symbol(wanted["content_type"])
    if "ttl_ms" in wanted:
        message.ttl = wanted["ttl_ms"] / 1000
    if "text" in wanted:
        message.body = wanted["text"]
    elif "nested" in wanted:
        body = None
        for _ in range(wanted["nested"]):
            body = [body]
        message.body = body
    else:
        message.inferred = True
        message.body = base64.b64decode(wanted.get("body", ""))
    return message


class Encoded:
    """A message in the encoding of AMQP 1.0, handed to the link as it is."""

    def __init__(self, message):
        self.message = message

    def send(self, sender, tag=None):
        delivery = sender.delivery(tag or sender.delivery_tag())
        sender.stream(self.message)
        sender.advance()
        return delivery


def told(message):
    """A message as it was read."""
    body = message.body
    if isinstance(body, memoryview):
        body = bytes(body)
    is_id = lambda value: None if value is None else str(value)
    return {
        "id": is_id(message.id),
        "id_type": type(message.id).__name__,
        "to": message.address,
        "subject": message.subject,
        "reply_to": message.reply_to,
        "correlation_id": is_id(message.correlation_id),
        "content_type": is_id(message.content_type),
        "durable": message.durable,
        "ttl_ms": round(message.ttl * 1000),
        "properties": {k: v if isinstance(v, (str, int, bool)) else str(v) for k, v in (message.properties or {}).items()},
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else None,
        "text": body if isinstance(body, str) else None,
    }


def main():
    sys.setrecursionlimit(100_000)
    job = json.load(sys.stdin)
    connection = BlockingConnection(
        job["url"],
        timeout=job.get("patience", 30),
        virtual_host=job["vhost"],
        user=job["user"],
        password=job["password"],
        allowed_mechs="PLAIN",
    )
    name = str(uuid.uuid4())  # RabbitMQ 3.x ends a connection that uses the name of a link again
    if "send" in job:
        sender = connection.create_sender(job["address"], name=name)
        for wanted in job["send"]:
            message = Encoded(base64.b64decode(wanted["encoded"])) if "encoded" in wanted else written(wanted)
            delivery = sender.send(message, timeout=job.get("patience", 30), error_states=[])
            print(json.dumps(OUTCOMES.get(int(delivery.remote_state), "none")), flush=True)
    else:
        receiver = connection.create_receiver(job["address"], name=name, credit=job["receive"])
        for _ in range(job["receive"]):
            try:
                message = receiver.receive(timeout=job.get("patience", 30))
            except Timeout:
                break
            print(json.dumps(told(message)), flush=True)
            receiver.accept()
    connection.close()


main()
