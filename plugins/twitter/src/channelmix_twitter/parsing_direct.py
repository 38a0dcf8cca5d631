"""Direct messages: in the form of API v2, in the older one that webhooks use, and encrypted.

Sources: X's pages "Direct Messages lookup" and "X Activity API" (`dm.received`, `chat.received`).
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, ident, label, obj, objects, words
from channelmix.records import (
    Attachment,
    AttachmentKind,
    DeliveryStatus,
    Echo,
    Ignored,
    Inbound,
    Kind,
    Message,
)

from channelmix_twitter.parsing_context import SITE, Context, attachments, best, sort
from channelmix_twitter.parsing_posts import link, said

ENCRYPTED = "an encrypted chat: X shows and takes it only in its own app"


def direct(item: Json, context: Context) -> Inbound:
    """Return what a DM event of API v2 means. Raises: `InvalidPayload` for one without id."""
    kind = item.get("event_type", "MessageCreate")
    if kind != "MessageCreate":
        return Ignored(reason=f"direct message event: {label(kind)}")
    found, sender = ident(item.get("id")), ident(item.get("sender_id"))
    thread = ident(item.get("dm_conversation_id")) or pair(sender, context.account)
    message = _message(found, sender, thread, context)
    text = said(item)
    return _ours(
        evolve(
            message,
            sent_at=context.moment(item.get("created_at")),
            text=text,
            attachments=(*attachments(item, context), *_shared(item)),
        ),
        context,
    )


def legacy(payload: Json, context: Context) -> Iterator[Inbound]:
    """Yield what a `dm.…` event means, which comes in the form of the older API."""
    people = {
        key: obj(one.get("data")) or one
        for key, one in obj(payload.get("users")).items()
        if isinstance(one, dict)
    }
    context = evolve(context, users={**context.users, **people})
    for one in objects(payload.get("direct_message_events")):
        if one.get("type") == "message_create":
            yield _legacy(one, context)
        else:
            yield Ignored(reason=f"direct message event: {label(one.get('type'))}")
    for one in objects(payload.get("direct_message_mark_read_events")):
        yield _read(one, context)


def _legacy(item: Json, context: Context) -> Inbound:
    made = obj(item.get("message_create"))
    data = obj(made.get("message_data"))
    sender = ident(made.get("sender_id"))
    recipient = ident(obj(made.get("target")).get("recipient_id"))
    message = _message(ident(item.get("id")), sender, pair(sender, recipient), context)
    media = obj(obj(data.get("attachment")).get("media"))
    return _ours(
        evolve(
            message,
            sent_at=context.moment(item.get("created_timestamp")),
            text=said(data),
            attachments=(_medium(media),) if media else (),
            payload=words(obj(data.get("quick_reply_response")).get("metadata")),
        ),
        context,
    )


def _medium(media: Json) -> Attachment:
    return Attachment(
        kind=sort(media),
        id=ident(media.get("id_str")) or ident(media.get("id")),
        url=best(obj(media.get("video_info"))) or words(media.get("media_url_https")),
    )


def encrypted(payload: Json, context: Context) -> Inbound:
    """Return what a `chat.…` event means: somebody wrote what only X's own app can read."""
    sender, people = ident(payload.get("sender_id")), ident(payload.get("conversation_id")) or ""
    thread = pair(*people.split(":", 1)) if ":" in people else people
    message = _message(ident(payload.get("id")), sender, thread, context)
    at = context.moment(payload.get("created_at_msec"))
    return _ours(evolve(message, sent_at=at, no_reply=ENCRYPTED, url=f"{SITE}/i/chat"), context)


def _read(item: Json, context: Context) -> Inbound:
    reader = ident(item.get("sender_id"))
    recipient = ident(obj(item.get("target")).get("recipient_id"))
    if reader is None or recipient is None or reader == context.account:
        return Ignored(reason="direct message read by us")
    at = context.moment(item.get("created_timestamp"))
    return DeliveryStatus(status="read", at=at, thread=pair(reader, recipient), watermark=at)


def pair(one: str | None, other: str | None) -> str:
    """Name the conversation of two users as API v2 does: the older user id first."""
    return "-".join(sorted({user for user in (one, other) if user}, key=age))


def age(number: str) -> tuple[int, str]:
    """Order ids, which are numbers written as strings, from the oldest on."""
    return len(number), number


def _message(found: str | None, sender: str | None, thread: str, context: Context) -> Message:
    if found is None:
        raise InvalidPayload("a direct message without its id")
    return Message(
        id=found,
        revision=found,
        kind=Kind.DIRECT_MESSAGE,
        thread=thread or found,
        sent_at=context.now,
        author=context.person(sender),
        own=context.is_ours(sender),
    )


def _ours(message: Message, context: Context) -> Inbound:
    mine = message.author is not None and message.author.id == context.account
    return Echo(message=message) if mine and context.account else message


def _shared(item: Json) -> Iterator[Attachment]:
    for one in objects(item.get("referenced_tweets")):
        if found := ident(one.get("id")):
            yield Attachment(kind=AttachmentKind.LINK, id=found, url=link(found))
