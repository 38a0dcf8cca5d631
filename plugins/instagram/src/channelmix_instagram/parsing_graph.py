"""What the Graph API answers of an Instagram account: media, comments, mentions, conversations.

An answer does not say what it holds, so objects are told apart by their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, flag, ident, obj, words
from channelmix.records import Attachment, AttachmentKind, Identity, Ignored, Inbound, Kind, Message
from channelmix_meta.articles import of_post
from channelmix_meta.parsing import Told
from channelmix_meta.parsing_json import Context, data
from channelmix_meta.parsing_messages import direct, echo_or_message, is_message

from channelmix_instagram.parsing_changes import writer

Found = Literal["message", "conversation", "mention", "comment", "media"]

MEDIA_FIELDS = {"media_type", "media_product_type", "media_url", "caption"}
MEDIA_KINDS: Mapping[str, AttachmentKind] = {
    "IMAGE": AttachmentKind.IMAGE,
    "VIDEO": AttachmentKind.VIDEO,
}
PASSING = frozenset({"STORY", "LIVE", "AD"})
"""A `media_product_type` that is gone after a day, or stands in no profile."""
REASONS: Mapping[str, str] = {
    "error": "graph error",
    "message_id": "send answer",
    "business_discovery": "another account's profile",
    "values": "insight",
    "total_value": "insight",
    "quota_usage": "publishing limit",
    "status_code": "container",
    "audio": "audio",
    "product_id": "product",
    "catalog_id": "catalogue",
    "boost_ads_list": "boosted media",
    "followers_count": "profile",
    "username": "profile",
    "biography": "profile",
    "token_type": "token",
    "name": "hashtag or profile",
    "id": "no content asked for",
}
"""Why an object is nobody's content, by the first of these fields that it has."""


def graph(part: Json, context: Context) -> Told:
    """Return what one item of a Graph answer means; `part` is as `parsing_split` wrapped it.

    A photo or video of ours is an article beside the post.

    Raises: `InvalidPayload` where somebody said something that has no id.
    """
    item, under = part["graph"], obj(part.get("under"))
    if not isinstance(item, dict):
        return Ignored(reason="empty item")
    kind = _kind(item, context.source, words(under.get("kind")))
    if kind is None:
        return Ignored(reason=next((why for key, why in REASONS.items() if key in item), "unknown"))
    found = READERS[kind](item, under, context)
    if kind == "media" and isinstance(found, Message) and not _passes(item):
        return (found, *of_post(found, media=True, thumbnail=_thumbnail(item)))
    return found


def _passes(item: Json) -> bool:
    """Say whether a post will be gone; older answers tell a story by its address only."""
    link = words(item.get("permalink")) or ""
    return words(item.get("media_product_type")) in PASSING or "/stories/" in link


def _thumbnail(item: Json) -> str | None:
    """Return a picture of a post; of a film there is one beside its own address."""
    still = words(item.get("thumbnail_url"))
    return still or (None if item.get("media_type") == "VIDEO" else words(item.get("media_url")))


def _kind(item: Json, source: str, under: str | None) -> Found | None:
    if under == "conversation" or is_message(item):
        return "message"
    if "mentioned_comment" in item or "mentioned_media" in item:
        return "mention"
    if under or is_comment(item, source):
        return "comment"
    if "participants" in item or ("updated_time" in item and "id" in item):
        return "conversation"
    return "media" if MEDIA_FIELDS & item.keys() else None


def is_comment(item: Json, source: str) -> bool:
    """Say whether a Graph object is a comment, by its fields and the source asked."""
    if MEDIA_FIELDS & item.keys() or is_message(item):
        return False
    return "text" in item or (source == "comment" and "timestamp" in item)


def _comment(item: Json, under: Json, context: Context) -> Inbound:
    found, media = ident(item.get("id")), obj(item.get("media"))
    if found is None:
        raise InvalidPayload("a comment without its id")
    thread = ident(under.get("id")) or ident(media.get("id")) or found
    above = words(under.get("url")) or words(media.get("permalink"))
    message = Message(
        id=found,
        kind=Kind.COMMENT,
        thread=thread,
        sent_at=context.moment(item.get("timestamp")),
        author=writer(item),
        text=words(item.get("text")),
        parent=ident(item.get("parent_id")) or ident(under.get("parent")) or thread,
        url=_link(above, found),
        hidden=flag(item.get("hidden")),
        thread_text=words(under.get("text")) or words(media.get("caption")),
        thread_url=above,
    )
    return echo_or_message(message, context)


def _link(media: str | None, comment: str) -> str | None:
    return f"{media.rstrip('/')}/c/{comment}/" if media else None


def _media(item: Json, _: Json, context: Context) -> Inbound:
    found, owner = ident(item.get("id")), ident(obj(item.get("owner")).get("id"))
    if found is None:
        raise InvalidPayload("a post without its id")
    handle = words(item.get("username"))
    who = Identity(id=owner or handle or "", handle=handle) if owner or handle else None
    return Message(
        id=found,
        kind=Kind.POST,
        thread=found,
        sent_at=context.moment(item.get("timestamp")),
        author=who,
        text=words(item.get("caption")),
        attachments=_files(item),
        url=words(item.get("permalink")),
        # Instagram lists an account's own media only; others are looked up as mentions.
        own=True,
    )


def _files(item: Json) -> tuple[Attachment, ...]:
    parts = data(item.get("children")) or [item]
    return tuple(
        Attachment(
            kind=MEDIA_KINDS.get(str(one.get("media_type")), AttachmentKind.OTHER),
            url=words(one.get("media_url")),
            id=ident(one.get("id")),
        )
        for one in parts
        if words(one.get("media_url"))
    )


def _mention(item: Json, _: Json, context: Context) -> Inbound:
    """Read what somebody said elsewhere; the comment, if it was one, else the caption."""
    comment, media = obj(item.get("mentioned_comment")), obj(item.get("mentioned_media"))
    place = obj(comment.get("media")) if comment else media
    said = _comment(comment, {}, context) if comment else _media(media, {}, context)
    if not isinstance(said, Message):
        return said
    return evolve(
        said,
        kind=Kind.MENTION,
        own=False,
        thread=ident(place.get("id")) or said.thread,
        parent=(ident(comment.get("parent_id")) or ident(place.get("id"))) if comment else None,
    )


def _conversation(_: Json, __: Json, ___: Context) -> Inbound:
    return Ignored(reason="conversation without messages")


READERS: Mapping[Found, Callable[[Json, Json, Context], Inbound]] = {
    "message": direct,
    "conversation": _conversation,
    "mention": _mention,
    "comment": _comment,
    "media": _media,
}
