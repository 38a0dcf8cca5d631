"""Payload → raw events → inbounds: what the plugin's `split` and `ingest` call. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from channelmix.errors import InvalidPayload
from channelmix.records import Ignored, Inbound, Ingested, RawEvent

from channelmix_facebook.parsing_changes import feed, mention, ratings
from channelmix_facebook.parsing_graph import graph
from channelmix_facebook.parsing_json import (
    Context,
    Json,
    array,
    decode,
    ident,
    label,
    moment,
    obj,
    words,
)
from channelmix_facebook.parsing_messaging import messaging
from channelmix_facebook.parsing_split import split

__all__ = ["ingest", "split"]

FIELDS: Mapping[str, Callable[[Json, Context], Inbound]] = {
    "feed": feed,
    "mention": mention,
    "ratings": ratings,
}

TEST_ENTRY = "0"
"""The entry id of what the app dashboard's Test button sends."""


def ingest(event: RawEvent, *, page_id: str, app_id: str | None = None) -> Ingested:
    """Return what one raw event means. Pure, deterministic, and it never loses one silently.

    `page_id` tells own content from customers'; empty (a dry run), what the event names is taken.
    `app_id` tells replies sent through this app from others; None: echoes do not say.
    Raises: `InvalidPayload` for a body that did not come from `split`, and for something said
    that has no id.
    """
    document = decode(event.body)
    if not isinstance(document, dict):
        raise InvalidPayload("the event is no JSON object")
    if "graph" in document:
        context = Context(
            page=page_id or event.account,
            now=event.received_at,
            at=event.received_at,
            app_id=app_id,
            source=event.source,
        )
        return Ingested(inbounds=(graph(document, context),))
    if "entry" not in document:
        raise InvalidPayload("the event is neither a webhook entry nor an item of a Graph answer")
    return Ingested(inbounds=tuple(_delivery(document, event, page_id, app_id)))


def _delivery(
    document: Json, event: RawEvent, page_id: str, app_id: str | None
) -> Iterator[Inbound]:
    entries = array(document["entry"])
    if document.get("object") != "page":
        yield Ignored(reason=f"not a page: {label(document.get('object'))}")
    elif not entries:
        yield Ignored(reason="empty delivery")
    else:
        for entry in entries:
            yield from _entry(obj(entry), event, page_id, app_id)


def _entry(entry: Json, event: RawEvent, page_id: str, app_id: str | None) -> Iterator[Inbound]:
    account = ident(entry.get("id")) or event.account
    if account == TEST_ENTRY:
        yield Ignored(reason="dashboard test")
        return
    now = event.received_at
    context = Context(
        page=page_id or account,
        now=now,
        at=moment(entry.get("time"), now) or now,
        app_id=app_id,
    )
    found = list(_items(entry, context))
    yield from found or [Ignored(reason="unknown entry")]


def _items(entry: Json, context: Context) -> Iterator[Inbound]:
    for one in array(entry.get("changes")):
        yield _change(one, context)
    for name in ("messaging", "standby"):
        for one in array(entry.get(name)):
            yield _messaging(one, context, standby=name == "standby")


def _change(change: Any, context: Context) -> Inbound:
    field, value = words(obj(change).get("field")), obj(change).get("value")
    if field is None:
        return Ignored(reason="empty change")
    if field.startswith("messag") and isinstance(value, dict):
        return messaging(value, context, standby=False)
    if field not in FIELDS:
        return Ignored(reason=f"unknown field: {label(field)}")
    if not isinstance(value, dict):
        return Ignored(reason=f"{field} without value")
    return FIELDS[field](value, context)


def _messaging(item: Any, context: Context, *, standby: bool) -> Inbound:
    if not isinstance(item, dict) or not item:
        return Ignored(reason="empty event")
    return messaging(item, context, standby=standby)
