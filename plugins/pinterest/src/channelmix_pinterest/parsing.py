"""What Pinterest tells of our pins, as raw events and what they mean. Pure.

The network tells no comment, only how many there are. A raw event is therefore a pin as the API
showed it, with the counts before and now; `polling` makes it, because only who read the counts
before can tell that they rose. Shape:

    {"pin": {…as GET /pins shows it…}, "before": [comments, reactions] or null,
     "now": [comments, reactions] or null, "rise": 3, "seen_at": "2026-11-03T09:00:00+00:00",
     "analytics": {"IMPRESSION": 120, …}, "board": "How-to"}

or `{"gone": "<pin id>", "seen_at": …}` for a pin that is not listed any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from channelmix.errors import InvalidPayload
from channelmix.payloads import decode, digest, encode, obj, words
from channelmix.records import (
    Article,
    Attachment,
    AttachmentKind,
    Deletion,
    Identity,
    Ignored,
    Inbound,
    Ingested,
    Kind,
    Message,
    Payload,
    RawEvent,
    Reaction,
    Split,
)

SOURCE = "pins"
NO_REPLY = "Pinterest has no way to read or answer comments through its API: open the pin"
COMMENTERS = Identity(id="commenters", name="People on Pinterest")
"""Whoever comments: the network names nobody, so all who write below a pin are one customer."""
MEASURED = {
    "IMPRESSION": "impressions",
    "SAVE": "saves",
    "PIN_CLICK": "clicks on the pin",
    "OUTBOUND_CLICK": "clicks on its link",
}
"""The metrics that are asked for, and what they are called."""
SMALL = 300
"""So many pixels wide a small picture is, at the least."""
ABSURD = 10**12
Counts = tuple[int, int]
"""Comments and reactions since the pin was made."""


def counts(pin: Mapping[str, Any]) -> Counts | None:
    """Return the lifetime counts of a pin; None where there are none (trial access, old pins)."""
    metrics = pin.get("pin_metrics")
    lifetime = metrics.get("lifetime_metrics") if isinstance(metrics, dict) else None
    if not isinstance(lifetime, dict) or not isinstance(lifetime.get("comment"), int):
        return None
    reactions = lifetime.get("reaction")
    return lifetime["comment"], reactions if isinstance(reactions, int) else 0


def content(pin: Mapping[str, Any], board: str | None = None) -> str:
    """Name what a pin says, and on which board, by its hash."""
    said = [pin.get(name) for name in ("title", "description", "link", "alt_text")]
    return digest([*said, board] if board else said)[:16]


def event(body: Mapping[str, Any]) -> RawEvent:
    """Make a raw event; its key is the same for the same pin, content and counts."""
    if "gone" in body:
        key = f"gone:{body['gone']}"
    else:
        pin = obj(body.get("pin"))
        says = content(pin, words(body.get("board")))
        key = f"{pin.get('id')}:{says}:{body.get('now')}:{body.get('rise', 0)}"
    return RawEvent(key=key, body=encode(body), source=SOURCE)


def split(payload: Payload) -> Split:
    """Cut what `GET /pins` or `GET /pins/{id}` answered into events, without counts before.

    What `polling` made of such an answer, with the counts before, is an event already.

    Raises: `InvalidPayload`.
    """
    document = _decode(payload.body)
    if "gone" in document or "pin" in document:
        return Split(events=(event(document),))
    pins = document.get("items", [document])
    if not isinstance(pins, list):
        raise InvalidPayload("items is not a list")
    return Split(
        events=tuple(
            event({"pin": pin, "before": None, "now": counts(pin)})
            for pin in pins
            if isinstance(pin, dict)
        )
    )


def ingest(raw: RawEvent, *, username: str) -> Ingested:
    """Say what an event means: our own pin as context and article, new comments as a request.

    Raises: `InvalidPayload`.
    """
    body = _decode(raw.body)
    seen_at = time(body.get("seen_at")) or raw.received_at
    if isinstance(body.get("gone"), str):
        return Ingested(inbounds=(Deletion(id=body["gone"], at=seen_at, thread=body["gone"]),))
    pin = body.get("pin")
    if not isinstance(pin, dict) or not isinstance(pin.get("id"), str):
        return Ingested(inbounds=(Ignored(reason="not a pin"),))
    own = _own(pin, username, seen_at)
    articles = _articles(pin, own, words(body.get("board")))
    return Ingested(inbounds=(own, *articles, *_news(body, pin, own, seen_at)))


def link(pin_id: str) -> str:
    """Return the address of a pin; on a phone the app opens it."""
    return f"https://www.pinterest.com/pin/{pin_id}/"


def _news(
    body: Mapping[str, Any], pin: Mapping[str, Any], own: Message, at: datetime
) -> tuple[Inbound, ...]:
    """Say what rose since the counts before."""
    before, now = _pair(body.get("before")), _pair(body.get("now"))
    if before is None or now is None:
        return ()
    more = now[0] - before[0]
    if more > 0:
        return (_request(body, pin, own, more, at),)
    if now[1] > before[1]:
        name = f"{now[1]} reactions"
        return (Reaction(target=own.id, thread=own.id, at=at, name=name, author=COMMENTERS),)
    return ()


def _request(
    body: Mapping[str, Any], pin: Mapping[str, Any], own: Message, more: int, at: datetime
) -> Message:
    total, reactions = _pair(body.get("now")) or (more, 0)
    title = pin.get("title") or pin.get("description") or own.id
    words = [
        f"{more} new comment{'s' if more > 1 else ''} on pin “{_short(str(title))}”",
        f"{total} in all, {reactions} reactions",
    ]
    measured = body.get("analytics")
    if isinstance(measured, dict) and measured:
        told = ", ".join(f"{value} {MEASURED[name]}" for name, value in _known(measured))
        words.append(f"the last 30 days: {told}")
    return Message(
        id=f"{own.id}:comments:{body.get('rise', 0)}",
        kind=Kind.COMMENT,
        thread=own.id,
        parent=own.id,
        sent_at=at,
        author=COMMENTERS,
        text="; ".join(words),
        url=own.url,
        no_reply=NO_REPLY,
        thread_text=own.text,
        thread_url=own.url,
    )


def _own(pin: Mapping[str, Any], username: str, seen_at: datetime) -> Message:
    pin_id = str(pin["id"])
    text = "\n".join(str(pin[name]) for name in ("title", "description", "link") if pin.get(name))
    return Message(
        id=pin_id,
        kind=Kind.POST,
        thread=pin_id,
        sent_at=time(pin.get("created_at")) or seen_at,
        author=Identity(id=username, handle=username, url=f"https://www.pinterest.com/{username}/"),
        text=text or None,
        attachments=_media(pin),
        url=link(pin_id),
        own=True,
        revision=content(pin),
    )


def _articles(pin: Mapping[str, Any], own: Message, board: str | None) -> tuple[Inbound, ...]:
    """Make an article of a pin that says something; what others made is not ours to offer."""
    description, alt = words(pin.get("description")), words(pin.get("alt_text"))
    title = words(pin.get("title")) or description
    if title is None or not title.strip() or pin.get("is_owner") is False:
        return ()
    article = Article(
        id=own.id,
        title=_short(title.strip().splitlines()[0], 100),
        url=link(own.id),
        published_at=own.sent_at,
        text="\n".join(one for one in (description, alt) if one) or None,
        thumbnail=_thumbnail(pin),
        topics=(board,) if board else (),
    )
    return (article,)


def _media(pin: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Return the pin's picture as a link: our own, so nothing needs to be fetched."""
    pictures, cover = _pictures(pin), words(obj(pin.get("media")).get("cover_image_url"))
    found = pictures[-1][1] if pictures else cover
    return (Attachment(kind=AttachmentKind.LINK, url=found),) if found else ()


def _thumbnail(pin: Mapping[str, Any]) -> str | None:
    """Return the smallest picture that is not tiny."""
    pictures, cover = _pictures(pin), words(obj(pin.get("media")).get("cover_image_url"))
    small = next((url for width, url in pictures if width >= SMALL), None)
    return small or (pictures[-1][1] if pictures else cover)


def _pictures(pin: Mapping[str, Any]) -> list[tuple[float, str]]:
    """Return the pin's pictures with their width, the widest last."""
    sizes = [obj(one) for one in obj(obj(pin.get("media")).get("images")).values()]
    return sorted(
        (_number(one.get("width")), url) for one in sizes if (url := words(one.get("url")))
    )


def _known(measured: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [
        (name, measured[name])
        for name in MEASURED
        if isinstance(measured.get(name), int) and abs(measured[name]) < ABSURD
    ]


def _pair(value: Any) -> Counts | None:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(one, int) for one in value):  # noqa: PLR2004 - a pair
        return value[0], value[1]
    return None


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def time(value: Any) -> datetime | None:
    """Read a time; Pinterest's are UTC and name no zone (`2024-01-01T10:10:40`)."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read.replace(tzinfo=read.tzinfo or UTC) if read else None


def _decode(body: bytes) -> dict[str, Any]:
    document = decode(body)
    if not isinstance(document, dict):
        raise InvalidPayload(f"a {type(document).__name__} instead of a JSON object")
    return document
