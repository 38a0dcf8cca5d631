"""Cutting what the network sent into raw events, each of which can be understood alone.

A webhook's item stays in an envelope of the network's own shape, with nothing else in it, so
that an event of another plugin's account (one app can serve pages and Instagram) reads as if it
had come by itself. An item of a Graph answer is wrapped as `{"graph": item, "under": what it was
nested in}`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, array, decode, digest, encode, ident, obj
from channelmix.records import Payload, RawEvent, Split

from channelmix_meta.parsing_attachments import MEDIA_HOSTS
from channelmix_meta.parsing_json import data

LISTS = ("changes", "messaging", "standby")

SECRETS = {"paging", "access_token"}
"""Dropped from Graph answers before anything is stored: the links of a list hold the token."""

VOLATILE = {
    *("comment_count", "like_count", "likes", "reactions", "user_likes", "summary"),
    *("updated_time", "unread_count", "message_count", "snippet", "count", "comments_count"),
}
"""What changes without anybody having said anything: it does not make an item a new one."""

LISTS_BELOW = ("comments", "replies")
"""What is said below a post or a comment: Facebook's `comments`, Instagram's `replies`."""

IsComment = Callable[[Json, str], bool]
"""Whether an object of a Graph answer is a comment, by its fields and the source asked."""


def split(payload: Payload, *, is_comment: IsComment) -> Split:
    """Cut a webhook body or a Graph answer into raw events, in its order. Pure.

    `is_comment` knows the network's comments: one that was asked for alone does not say its post.

    The account of a webhook event is its entry's id. Graph answers get none: who polls knows the
    channel, and pages of the new kind have posts that do not name the page's own id.
    Raises: `InvalidPayload` for what is no JSON object or array.
    """
    document = decode(payload.body)
    if not isinstance(document, dict | list):
        raise InvalidPayload("the payload is neither a JSON object nor an array")
    if isinstance(document, dict) and {"object", "entry"} <= document.keys():
        return Split(events=tuple(_webhook(document, payload.source)))
    parts = _answer(document, payload.source, is_comment)
    return Split(events=tuple(_event(part, payload.source) for part in parts))


def _webhook(document: Json, source: str) -> Iterator[RawEvent]:
    entries = document["entry"]
    # An empty or unreadable list is a delivery too: kept as it came.
    for part in [document] if not entries or not isinstance(entries, list) else _entries(document):
        body = encode(part)
        yield RawEvent(
            key=hashlib.sha256(body).hexdigest(),
            body=body,
            account=_account(part["entry"]),
            source=source,
        )


def _account(entries: Any) -> str:
    entry = entries[0] if isinstance(entries, list) and entries else None
    return ident(obj(entry).get("id")) or ""


def _entries(document: Json) -> Iterator[Json]:
    for entry in document["entry"]:
        for part in _items(entry) if isinstance(entry, dict) else [entry]:
            yield {**document, "entry": [part]}


def _items(entry: Json) -> list[Json]:
    rest = {key: value for key, value in entry.items() if key not in LISTS}
    found = [
        {**rest, name: [item]}
        for name in LISTS
        if isinstance(entry.get(name), list)
        for item in entry[name]
    ]
    return found or [entry]


def _event(part: Json, source: str) -> RawEvent:
    under = {key: part["under"].get(key) for key in ("kind", "id", "parent")}
    return RawEvent(
        key=digest([source, under, stable(part["graph"])]), body=encode(part), source=source
    )


def _answer(document: Any, source: str, is_comment: IsComment) -> Iterator[Json]:
    for item in _graph_items(document):
        clean = _clean(item)
        alone = isinstance(clean, dict) and is_comment(clean, source)
        yield from _nested(clean, {"kind": "post"} if alone else {})


def _graph_items(document: Any) -> list[Any]:
    """Find the items of a list, of `{"data": […]}`, of objects by id, or the one object."""
    if isinstance(document, list):
        return document
    if isinstance(document.get("data"), list):
        return list(document["data"])
    by_id = all(
        isinstance(one, dict) and ident(one.get("id")) == key for key, one in document.items()
    )
    return list(document.values()) if document and by_id else [document]


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items() if key not in SECRETS}
    return [_clean(one) for one in value] if isinstance(value, list) else value


def _part(item: Any, under: Json) -> Json:
    return {"graph": item, "under": under}


def _nested(item: Any, under: Json) -> Iterator[Json]:
    """Yield an item without what is nested in it, then each of that."""
    if not isinstance(item, dict):
        yield _part(item, under)
    elif _list(item, "messages"):
        yield from _messages(item)
    elif _list(obj(item.get("open_graph_story")), "comments"):
        yield from _reviewed(item, under)
    else:
        yield _part({key: one for key, one in item.items() if key not in LISTS_BELOW}, under)
        yield from _comments(item, _below(item, under, "post"))


def _list(holder: Json, name: str) -> list[Any]:
    return array(obj(holder.get(name)).get("data"))


def _messages(conversation: Json) -> Iterator[Json]:
    """Yield a conversation's messages; by itself it says nothing, so it is no event."""
    known = ("id", "username")
    people = [
        {name: one[name] for name in known if name in one}
        for one in data(conversation.get("participants"))
    ]
    under = {"kind": "conversation", "id": conversation.get("id"), "people": people}
    yield from (_part(one, under) for one in _list(conversation, "messages"))


def _reviewed(item: Json, under: Json) -> Iterator[Json]:
    story = item["open_graph_story"]
    rest = {key: one for key, one in story.items() if key != "comments"}
    yield _part({**item, "open_graph_story": rest}, under)
    yield from _comments(story, _below(story, under, "review"))


def _comments(holder: Json, below: Json) -> Iterator[Json]:
    for name in LISTS_BELOW:
        for comment in _list(holder, name):
            yield from _nested(comment, below)


def _below(item: Json, under: Json, kind: str) -> Json:
    """Say to a comment what it is below: the post or review, and the comment it answers."""
    if under:
        return {**under, "parent": item.get("id")}
    text = item.get("message") or item.get("caption")
    url = item.get("permalink_url") or item.get("permalink")
    return {"kind": kind, "id": item.get("id"), "text": text, "url": url}


def stable(value: Any) -> Any:
    """Return a Graph item without what changes by itself: counters, signatures of addresses."""
    if isinstance(value, dict):
        return {key: stable(one) for key, one in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [stable(one) for one in value]
    return _stable_url(value) if isinstance(value, str) and value.startswith("http") else value


def _stable_url(url: str) -> str:
    """Name a file by its name: host, path and query differ from one answer to the next."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        return url
    if (parts.hostname or "").endswith(MEDIA_HOSTS):
        return parts.path.rpartition("/")[2]
    return url.partition("?")[0] if {"oh", "oe"} <= query.keys() else url
