"""An invented network for benchmarks: signed webhooks in, one POST for each answer out.

The hand-written servers use the same bodies, the same signature and the same answer.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs
import httpx
import msgspec
from channelmix import Channel, InvalidPayload, RetryLater, Uncertain, hook
from channelmix.http import was_not_sent
from channelmix.records import (
    Action,
    Identity,
    Ignored,
    Ingested,
    Kind,
    Limits,
    Message,
    Outgoing,
    Payload,
    RawEvent,
    Receipt,
    Received,
    Split,
    WebhookRequest,
    WebhookResponse,
)

SECRET = b"an invented secret of the bench"
SIGNATURE = "x-signature-256"
ANSWER = "Thank you for telling us. We have sent somebody to have a look at your street light."
TEXT = (
    "Hello, the street light in front of our house has been dark for three days now, and the "
    "one at the corner flickers. Could you please send somebody? It is number 12."
)
BEGIN = 1_760_000_000
"""When the first customer writes, in seconds since 1970."""
WEBHOOK = "/webhooks/bench"
REPLIES = "/replies"


class Said(msgspec.Struct):
    """What one event holds."""

    id: str
    thread: str
    by: str
    name: str
    text: str
    at: int
    type: str = "comment"


def event(number: int, *, comments: int = 1) -> dict[str, Any]:
    """Return the event of that number; every customer writes once, ten under each post.

    One in so many is a comment, the others are likes, which are of no concern to a desk.
    """
    return {
        "type": "like" if number % comments else "comment",
        "id": f"comment-{number}",
        "thread": f"post-{number // 10}",
        "by": f"person-{number}",
        "name": f"Invented Person {number}",
        "text": TEXT,
        "at": BEGIN + number,
    }


def delivery(first: int, count: int = 1, *, comments: int = 1) -> bytes:
    """Return the body of a webhook with `count` events."""
    numbers = range(first, first + count)
    return msgspec.json.encode([event(number, comments=comments) for number in numbers])


def sign(body: bytes) -> str:
    """Sign a body as the network does."""
    return "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def authentic(signature: str, body: bytes) -> bool:
    """Check a signature, in constant time."""
    return hmac.compare_digest(signature.encode(), sign(body).encode())


@attrs.frozen(kw_only=True)
class BenchConfig:
    """The section of a bench channel."""

    account_id: str = "acme"


@attrs.define(eq=False, kw_only=True, slots=False)
class Bench(Channel):
    """The plugin of the invented network."""

    network: ClassVar[str] = "bench"
    Config = BenchConfig
    account_field: ClassVar[str] = "account_id"
    limits: ClassVar = [Limits(actions={Action.PUBLIC_REPLY}, text=1000)]

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        """Check the signature over the raw body."""
        if not authentic(request.headers.get(SIGNATURE, ""), request.body):
            return Received.refuse("bad signature")
        return Received(response=WebhookResponse(body="ok"), payload=request.body)

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut the list; the key of an event is a hash, as with networks that name none."""
        try:
            parts = msgspec.json.decode(payload.body, type=list[msgspec.Raw])
        except msgspec.DecodeError as error:
            raise InvalidPayload("not a list") from error
        return Split(
            events=tuple(
                RawEvent(
                    key=hashlib.sha256(part).hexdigest(), body=bytes(part), account=self.account
                )
                for part in parts
            )
        )

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """An event is a comment or a like."""
        try:
            said = msgspec.json.decode(event.body, type=Said)
        except msgspec.DecodeError as error:
            raise InvalidPayload("not a comment") from error
        if said.type != "comment":
            return Ingested(inbounds=(Ignored(reason=f"a {said.type}"),))
        message = Message(
            id=said.id,
            kind=Kind.COMMENT,
            thread=said.thread,
            author=Identity(id=said.by, name=said.name),
            text=said.text,
            sent_at=datetime.fromtimestamp(said.at, UTC),
        )
        return Ingested(inbounds=(message,))

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Post the answer."""
        target = outgoing.target.id if outgoing.target else ""
        try:
            response = await self.http.post(
                f"{self.api_url}{REPLIES}", json={"to": target, "text": outgoing.text}
            )
        except httpx.TransportError as error:
            if was_not_sent(error):
                raise RetryLater("the network cannot be reached") from error
            raise Uncertain("the answer broke off") from error
        return Receipt(ids=(response.raise_for_status().json()["id"],))


def configuration(store: str, *, api_url: str | None = None) -> dict[str, Any]:
    """Return a desk with one channel, two agents and a promise."""
    channel = {"network": "bench", "account_id": "acme"}
    return {
        "desk": {"store": store},
        "channels": {"bench": channel | ({"api_url": api_url} if api_url else {})},
        "agents": {"anna": {}, "mehmet": {}},
        "service_levels": [{"first_response": "1h"}],
    }
