"""Comments, live comments and mentions, as webhooks tell of them.

Source: Graph API, Webhooks reference, "Instagram"; Instagram Platform, "Webhooks". Older and newer
forms name a comment `id` or `comment_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, first, ident, obj, words
from channelmix.records import Identity, Ignored, Inbound, Kind, Lookup, Message
from channelmix_meta.parsing import Reader
from channelmix_meta.parsing_json import Context
from channelmix_meta.parsing_messages import echo_or_message
from channelmix_meta.parsing_messaging import Event, derived, said

from channelmix_instagram.policy import LIVE


def comments(value: Json, context: Context) -> Inbound:
    """Return what a comment on one of our media means."""
    found, media = first(value, "id", "comment_id"), obj(value.get("media"))
    if found is None:
        raise InvalidPayload("a comment without its id")
    # A boosted post is an ad of its own, with the post's id beside it: one conversation.
    thread = first(media, "original_media_id", "id") or ident(value.get("media_id")) or found
    who, text = writer(value), words(value.get("text"))
    if text is None and not context.is_own(who):
        # A picture that moves: only the ids are pushed.
        return Lookup(source="comment", argument=found)
    live = media.get("media_product_type") == LIVE
    message = Message(
        id=found,
        kind=Kind.COMMENT,
        thread=thread,
        sent_at=context.moment(value.get("timestamp") or value.get("created_time")),
        author=who,
        text=text,
        parent=ident(value.get("parent_id")) or thread,
        payload=LIVE if live else None,
    )
    return echo_or_message(message, context)


def live_comments(value: Json, context: Context) -> Inbound:
    """Return what a comment on a broadcast means."""
    return comments(
        {**value, "media": {**obj(value.get("media")), "media_product_type": LIVE}}, context
    )


def writer(item: Json) -> Identity | None:
    """Return who wrote a comment. Some answers give the name alone."""
    who = obj(item.get("from"))
    handle = words(who.get("username")) or words(item.get("username"))
    found = ident(who.get("id")) or handle
    if found is None:
        return None
    url = f"https://www.instagram.com/{handle}/" if handle else None
    return Identity(id=found, handle=handle, url=url)


def mentions(value: Json, _: Context) -> Inbound:
    """Return what a mention in somebody else's caption or comment means: its text is not pushed."""
    media, comment = ident(value.get("media_id")), ident(value.get("comment_id"))
    if media is None and comment is None:
        return Ignored(reason="mention without id")
    return Lookup(source="mention", argument=f"{media or ''}/{comment or ''}")


def silent(_: Json, __: Context, *, reason: str) -> Inbound:
    """Return that nobody said anything."""
    return Ignored(reason=reason)


FIELDS: Mapping[str, Reader] = {
    "comments": comments,
    "live_comments": live_comments,
    "mentions": mentions,
    "story_insights": partial(silent, reason="story insights"),
}
"""How the fields of `changes` are read."""


def referral(carrier: Json, event: Event) -> Inbound:
    """Return that somebody came by a link or an ad: nothing said yet, but the window is open."""
    found = said(derived("referral", event), event)
    return evolve(found, payload=words(carrier.get("ref")) or words(carrier.get("source")))
