"""The notices of new videos: subscribing at the hub, its questions, its Atom.

Sources: YouTube's page "Subscribe to Push Notifications" and the PubSubHubbub 0.4 specification.
The hub tells of new videos and changed titles only; comments are always polled.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import timedelta
from xml.etree.ElementTree import Element, ParseError

import httpx
from channelmix.errors import InvalidPayload, RetryLater
from channelmix.payloads import encode
from channelmix.records import RawEvent, Received, WebhookRequest, WebhookResponse
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from channelmix_youtube.client import lost_or_unsent

HUB = "https://pubsubhubbub.appspot.com/subscribe"
TOPIC = "https://www.youtube.com/xml/feeds/videos.xml?channel_id="
LEASE = timedelta(days=10)
LONGEST = 1_000_000
"""A notice has one entry; what is longer, in bytes, is none."""
_ATOM, _YT, _AT = (
    "{http://www.w3.org/2005/Atom}",
    "{http://www.youtube.com/xml/schemas/2015}",
    "{http://purl.org/atompub/tombstones/1.0}",
)
_CHANNEL = re.compile(r"UC[A-Za-z0-9_-]{22}")
_CHALLENGE = re.compile(r"[\x21-\x7e]{1,256}")


async def subscribe(
    http: httpx.AsyncClient, *, channel_id: str, callback: str, secret: str, hub: str = HUB
) -> None:
    """Ask the hub for notices of a channel; it asks back at `callback`. Raises: `RetryLater`."""
    form = {
        "hub.mode": "subscribe",
        "hub.topic": f"{TOPIC}{channel_id}",
        "hub.callback": callback,
        "hub.secret": secret,
        "hub.lease_seconds": str(int(LEASE.total_seconds())),
    }
    try:
        answer = await http.post(hub, data=form)
    except httpx.RequestError as error:
        raise lost_or_unsent(error, "POST the hub", RetryLater) from error
    if not answer.is_success:
        raise RetryLater(f"POST the hub: HTTP {answer.status_code}", after=timedelta(hours=1))


def receive(request: WebhookRequest, *, secret: str | None) -> Received:
    """Answer the hub's question, or check the signature of a notice."""
    if request.method == "GET":
        return _verify(request)
    if secret is None:
        return Received.refuse("no hub_secret is configured")
    given = request.headers.get("x-hub-signature", "")
    digest = hmac.new(secret.encode(), request.body, hashlib.sha1).hexdigest()
    if not hmac.compare_digest(given.encode(), f"sha1={digest}".encode()):
        return Received.refuse("bad signature")
    return Received(response=WebhookResponse(status=204), payload=request.body)


def _verify(request: WebhookRequest) -> Received:
    """Confirm a subscription to a channel's feed, and nothing else.

    Anybody can ask the hub to end one; as we never do, it is never confirmed.
    """
    query = request.query
    challenge = query.get("hub.challenge", "")
    asked = query.get("hub.topic", "").removeprefix(TOPIC)
    known = query.get("hub.mode") == "subscribe" and _CHANNEL.fullmatch(asked)
    if not known or not _CHALLENGE.fullmatch(challenge):
        return Received.refuse("not a question of the hub", status=404)
    return Received(response=WebhookResponse(body=challenge))


def events(body: bytes) -> Iterator[RawEvent]:
    """Give an event for each entry. Raises: `InvalidPayload`."""
    if len(body) > LONGEST:
        raise InvalidPayload(f"a notice of {len(body)} bytes, {LONGEST} are possible")
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise InvalidPayload(f"not Atom: {type(error).__name__}") from error
    for entry in root.iter(f"{_ATOM}entry"):
        yield from _entry(entry)
    for entry in root.iter(f"{_AT}deleted-entry"):
        video = entry.get("ref", "").rpartition(":")[2]
        uri = entry.findtext(f"{_AT}by/{_ATOM}uri") or ""
        content = {"gone": video, "video": video, "seen_at": entry.get("when")}
        yield _event(content, f"gone:{video}", uri.rpartition("/")[2])


def _entry(entry: Element) -> Iterator[RawEvent]:
    video, channel = entry.findtext(f"{_YT}videoId"), entry.findtext(f"{_YT}channelId")
    if video:
        key = f"look:{video}:{entry.findtext(f'{_ATOM}updated')}"
        yield _event({"look": video}, key, channel or "")


def _event(content: dict[str, str | None], key: str, account: str) -> RawEvent:
    return RawEvent(key=key, body=encode(content), account=account)
