"""Payload → raw events → inbounds: what the plugin's `split` and `ingest` call. Pure.

A webhook body is one event of the X Activity API and stays as it came. An item of an API answer
becomes `{"item": …, "includes": …}` with only those `includes` that it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, array, decode, digest, encode, ident, label, obj, words
from channelmix.records import (
    Deletion,
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

from channelmix_twitter.config import Prices
from channelmix_twitter.money import pushed
from channelmix_twitter.parsing_context import Context, including
from channelmix_twitter.parsing_direct import direct, encrypted, legacy
from channelmix_twitter.parsing_posts import post

DIRECT = "direct"
POSTS = {"mentions", "quotes", "search", "timeline", "conversation", "post"}
VOLATILE = {"public_metrics", "non_public_metrics", "organic_metrics", "edit_controls"}
"""What changes without anybody having said anything: it does not make an item a new one."""
NO_BROADCAST_REPLY = "X's API takes no answer in the chat of a broadcast"

_SHAPES: Mapping[str, str] = {
    "subscription_id": "subscription",
    "dm_event_id": "send answer",
    "media_key": "media upload",
    "username": "profile",
    "links": "webhook",
    "valid": "webhook",
    "provisioned": "webhook",
    "deleted": "answer",
    "hidden": "answer",
    "usage": "usage",
    "filter": "subscription",
    "job_id": "replay job",
}
"""What an object without a text is, by a field that it has."""


# --- cutting --------------------------------------------------------------------------------


def split(payload: Payload, prices: Prices | None = None) -> Split:
    """Cut a webhook body or an API answer into raw events, in its order. Pure.

    With `prices`, an event that was pushed says what it cost.
    Raises: `InvalidPayload` for what is no JSON object.
    """
    document = decode(payload.body)
    if not isinstance(document, dict):
        raise InvalidPayload("the payload is no JSON object")
    data = document.get("data")
    if _is(data) and "event_type" in data and "filter" in data and "subscription_id" not in data:
        event = _pushed(document, data, payload.source)
        cost = pushed(str(data["event_type"]), prices) if prices else 0.0
        return Split(events=(evolve(event, cost=cost),))
    if "data" not in document or (data == [] and payload.source == "webhook"):
        return Split(events=(_whole(document, payload.source),))
    items = data if isinstance(data, list) else [data]
    return Split(events=tuple(_polled(one, document, payload.source) for one in items))


def _pushed(document: Json, data: Json, source: str) -> RawEvent:
    account = ident(obj(data.get("filter")).get("user_id")) or ""
    named = ident(data.get("event_uuid"))
    # Two subscriptions may tell of one post under one number.
    key = f"{label(data['event_type'])}:{account}:{named}" if named else digest(document)
    return RawEvent(key=key, body=encode(document), account=account, source=source)


def _whole(document: Json, source: str) -> RawEvent:
    body = encode(document)
    return RawEvent(key=digest(document), body=body, source=source)


def _polled(item: Any, document: Json, source: str) -> RawEvent:
    part = {"item": item, "includes": _named(item, obj(document.get("includes")))}
    still = {key: one for key, one in item.items() if key not in VOLATILE} if _is(item) else item
    return RawEvent(key=digest([source, still]), body=encode(part), source=source)


def _is(item: Any) -> TypeGuard[Json]:
    return isinstance(item, dict)


def _named(item: Any, includes: Json) -> Json:
    """Return those includes that an item names: each event is understood alone."""
    wanted = set(_strings(item))
    users = {ident(one.get("author_id")) for one in _list(includes, "tweets", wanted, "id")}
    return {
        "users": _list(includes, "users", wanted | users, "id"),
        "tweets": _list(includes, "tweets", wanted, "id"),
        "media": _list(includes, "media", wanted, "media_key"),
    }


def _list(includes: Json, name: str, wanted: set[str | None], key: str) -> list[Json]:
    return [one for one in array(includes.get(name)) if _is(one) and ident(one.get(key)) in wanted]


def _strings(value: Any) -> Iterator[str | None]:
    """Yield every short text in a value: ids are among them."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    else:
        yield ident(value)


# --- reading --------------------------------------------------------------------------------


def ingest(event: RawEvent, context: Context) -> Ingested:
    """Return what one raw event means. Pure, deterministic, and it never loses one silently.

    `context` says whose eyes read; what the event itself tells is added to it.
    Raises: `InvalidPayload` for a body that did not come from `split`, and for something said
    that has no id.
    """
    document = decode(event.body)
    if not isinstance(document, dict):
        raise InvalidPayload("the event is no JSON object")
    context = evolve(
        context,
        account=context.account or event.account,
        now=event.received_at,
        source=event.source,
    )
    return Ingested(inbounds=tuple(_inbounds(document, context)))


def _inbounds(document: Json, context: Context) -> Iterator[Inbound]:
    data = document.get("data")
    if _is(data):
        yield from _event(data, context)
    elif "item" in document:
        yield from _item(document["item"], including(context, document.get("includes")))
    elif "withdrawn" in document:
        yield _withdrawn(obj(document["withdrawn"]), context)
    elif "errors" in document or "title" in document:
        yield Ignored(reason="error answer")
    elif "response_token" in document:
        yield Ignored(reason="challenge")
    elif data == [] or "meta" in document:
        yield Ignored(reason="empty answer")
    elif "data" in document:
        raise InvalidPayload("the event's data is no object")
    else:
        yield Ignored(reason="unknown delivery")


def _item(item: Any, context: Context) -> Iterator[Inbound]:
    if not isinstance(item, dict) or not item:
        yield Ignored(reason="empty item")
    elif context.source == DIRECT or "sender_id" in item or "dm_conversation_id" in item:
        yield direct(item, context) if "dm_event_id" not in item else Ignored(reason="send answer")
    elif context.source in POSTS or "text" in item:
        yield from post(item, context)
    else:
        shape = next((name for key, name in _SHAPES.items() if key in item), "unknown object")
        yield Ignored(reason=shape)


def _event(data: Json, context: Context) -> Iterator[Inbound]:
    """Yield what an event of the X Activity API means."""
    kind, payload = str(data.get("event_type")), obj(data.get("payload"))
    holder = data.get("includes") or payload.get("includes")
    context = including(evolve(context, event=kind), holder)
    if kind == "post.delete":
        found = ident(payload.get("id"))
        yield Deletion(id=found, at=context.now) if found else Ignored(reason="empty event")
    elif kind.startswith("post.") and payload:
        yield from post(payload, context)
    elif kind.startswith("dm."):
        yield from list(legacy(payload, context)) or [Ignored(reason=label(kind))]
    elif kind in {"chat.received", "chat.sent"} and payload:
        yield encrypted(payload, context)
    elif kind == "broadcast.chat" and payload:
        yield _broadcast(payload, context)
    elif kind == "like.create":
        yield _like(payload, data, context)
    else:
        yield Ignored(reason=label(kind))


def _withdrawn(told: Json, context: Context) -> Inbound:
    """Return that a post is gone, as `withdrawn` found out."""
    found = ident(told.get("id"))
    if found is None:
        raise InvalidPayload("a post that is gone, without its id")
    at = context.moment(told.get("redacted_at"))
    return Deletion(id=found, at=at)


def _like(payload: Json, data: Json, context: Context) -> Inbound:
    target = ident(payload.get("liked_tweet_id"))
    if target is None:
        return Ignored(reason="like without post")
    outbound = obj(data.get("filter")).get("direction") == "outbound"
    who = context.account if outbound else payload.get("user_id")
    at = context.moment(payload.get("timestamp_ms") or payload.get("created_at"))
    return Reaction(target=target, at=at, author=context.person(who))


def _broadcast(payload: Json, context: Context) -> Inbound:
    """Return a word in the chat of a broadcast of ours: heard, and answered only on X."""
    found, thread = ident(payload.get("message_id")), ident(payload.get("broadcast_id"))
    if found is None:
        raise InvalidPayload("a chat message without its id")
    author = obj(obj(payload.get("author")).get("data"))
    who = ident(author.get("id"))
    context = evolve(context, users={**context.users, who: author} if who else context.users)
    return Message(
        id=found,
        kind=Kind.COMMENT,
        thread=thread or found,
        sent_at=context.moment(payload.get("created_at")),
        author=context.person(who),
        text=words(payload.get("message")),
        url=f"https://x.com/i/broadcasts/{thread}" if thread else None,
        own=context.is_ours(who),
        no_reply=NO_BROADCAST_REPLY,
    )
