"""What the Graph API answers: posts, comments, conversations, recommendations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from attrs import frozen
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, digest, flag, ident, obj, words
from channelmix.records import Identity, Ignored, Inbound, Kind, Message
from channelmix_meta.articles import of_post
from channelmix_meta.parsing import Told
from channelmix_meta.parsing_json import Context, person
from channelmix_meta.parsing_messages import direct, echo_or_message

from channelmix_facebook.parsing_attachments import of_story, thumbnail
from channelmix_facebook.parsing_changes import NO_REVIEW_REPLY, permalink, rating, thread_of
from channelmix_facebook.parsing_kinds import Found, kind_of, reason


def graph(part: Json, context: Context) -> Told:
    """Return what one item of a Graph answer means; `part` is as `parsing_split` wrapped it.

    A photo or video of ours is an article beside the post.

    Raises: `InvalidPayload` where somebody said something that has no id.
    """
    item, under = part["graph"], obj(part.get("under"))
    if not isinstance(item, dict):
        return Ignored(reason="empty item")
    kind = kind_of(item, context.source, words(under.get("kind")))
    if kind is None:
        return Ignored(reason=reason(item))
    found = READERS[kind](item, under, context)
    if kind == "post" and isinstance(found, Message):
        return (found, *of_post(found, thumbnail=thumbnail(item)))
    return found


def _post(item: Json, _: Json, context: Context) -> Inbound:
    found, who = ident(item.get("id")), person(item.get("from"))
    if found is None:
        raise InvalidPayload("a post without its id")
    wall = found.partition("_")[0]
    own = context.is_own(who) or _is_walls_own(who, wall, context)
    if own and item.get("is_published") is False:
        return Ignored(reason="unpublished")
    elsewhere = context.source == "tagged" and wall != context.account
    return Message(
        id=found,
        kind=Kind.MENTION if elsewhere else Kind.POST,
        thread=found,
        sent_at=context.moment(item.get("created_time")),
        author=who,
        text=words(item.get("message")),
        attachments=of_story(item),
        url=words(item.get("permalink_url")) or permalink(found),
        own=own,
        hidden=flag(item.get("is_hidden")),
    )


def _is_walls_own(who: Identity | None, wall: str, context: Context) -> bool:
    """Without a configured page (a dry run), a wall's own posts are taken for ours."""
    return not context.account and context.source != "tagged" and who is not None and who.id == wall


@frozen(kw_only=True)
class Place:
    """Where a comment stands, as far as its permanent link tells."""

    owner: str | None = None
    post: str | None = None
    comment: str | None = None
    reply: str | None = None


def place(link: str | None) -> Place:
    """Read a comment's permanent link, in either of the network's two forms."""
    try:
        parts = urlsplit(link or "")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    except ValueError:
        return Place()
    path = re.search(r"/([0-9]+)/posts/([0-9]+)", parts.path)
    owner, post = path.groups() if path else (query.get("id"), query.get("story_fbid"))
    found = (owner, post, query.get("comment_id"), query.get("reply_comment_id"))
    # Newer links carry opaque names instead of numbers; these match no id.
    owner, post, comment, reply = (one if one and one.isdecimal() else None for one in found)
    return Place(owner=owner, post=post, comment=comment, reply=reply)


def _comment(item: Json, under: Json, context: Context) -> Inbound:
    where = place(words(item.get("permalink_url")))
    found = ident(item.get("id")) or _linked(where, where.reply or where.comment)
    if found is None:
        raise InvalidPayload("a comment without its id")
    thread = ident(under.get("id")) or _named_post(item) or _thread(found, where, context)
    linked = _linked(where, where.comment) if where.reply else None
    parent = ident(obj(item.get("parent")).get("id")) or ident(under.get("parent")) or linked
    message = Message(
        id=found,
        kind=Kind.COMMENT,
        thread=thread,
        sent_at=context.moment(item.get("created_time")),
        author=person(item.get("from")),
        text=words(item.get("message")),
        parent=parent or thread,
        attachments=of_story(item),
        url=words(item.get("permalink_url")) or permalink(found),
        hidden=flag(item.get("is_hidden")),
        thread_text=words(under.get("text")),
        thread_url=words(under.get("url")) or permalink(thread),
    )
    return echo_or_message(message, context)


def _linked(where: Place, comment: str | None) -> str | None:
    return f"{where.post}_{comment}" if where.post and comment else None


def _named_post(item: Json) -> str | None:
    """Return the post that a comment names; what has one number only is a photo in it."""
    named = ident(obj(item.get("object")).get("id"))
    return named if named and "_" in named else None


def _thread(comment: str, where: Place, context: Context) -> str:
    """Name the post as webhooks do. A comment that was looked up may be on another's wall."""
    foreign = context.source == "comment" or not context.account
    return thread_of(comment, (where.owner if foreign else None) or context.account)


def _review(item: Json, _: Json, context: Context) -> Inbound:
    story, who = obj(item.get("open_graph_story")), person(item.get("reviewer"))
    said = obj(story.get("data"))
    who = who or person(story.get("from")) or person(item.get("from"))
    found = ident(story.get("id")) or ident(item.get("id")) or f"review:{digest(item)[:32]}"
    return Message(
        id=found,
        kind=Kind.REVIEW,
        thread=found,
        sent_at=context.moment(item.get("created_time") or story.get("start_time")),
        author=who,
        text=words(item.get("review_text"))
        or words(said.get("review_text"))
        or words(story.get("message")),
        url=words(story.get("permalink_url")) or permalink(found),
        own=context.is_own(who),
        rating=_rating(item, said),
        no_reply=NO_REVIEW_REPLY,
    )


def _rating(item: Json, said: Json) -> Literal["positive", "negative"] | None:
    stars = obj(said.get("rating")).get("value")
    kind = item.get("recommendation_type") or said.get("recommendation_type")
    return rating(kind, item.get("rating") or stars)


def _conversation(_: Json, __: Json, ___: Context) -> Inbound:
    return Ignored(reason="conversation without messages")


READERS: Mapping[Found, Callable[[Json, Json, Context], Inbound]] = {
    "post": _post,
    "comment": _comment,
    "message": direct,
    "review": _review,
    "conversation": _conversation,
}
