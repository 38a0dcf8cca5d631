"""Photos, videos, stickers, places, as messages carry them: by webhook, and in Graph answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from channelmix.payloads import Json, array, first, ident, obj, objects, words
from channelmix.records import Attachment, AttachmentKind

from channelmix_meta.parsing_json import data

Attachments = tuple[Attachment, ...]

MESSENGER_KINDS = {
    "image": AttachmentKind.IMAGE,
    "video": AttachmentKind.VIDEO,
    "audio": AttachmentKind.AUDIO,
    "file": AttachmentKind.FILE,
    "location": AttachmentKind.LOCATION,
    "fallback": AttachmentKind.LINK,
    "share": AttachmentKind.LINK,
    "post": AttachmentKind.LINK,
    "ig_post": AttachmentKind.LINK,
    "template": AttachmentKind.TEMPLATE,
    "sticker": AttachmentKind.STICKER,
    "reel": AttachmentKind.VIDEO,
    "ig_reel": AttachmentKind.VIDEO,
}
"""Messenger Platform and Instagram Platform, Webhooks, `messages`.

What is not listed is kept as `OTHER`, under its name. What may be picture or film (a story that
mentions the account, a shared post) and is at the networks' own place for files is a `FILE`.
"""

MEDIA_HOSTS = ("fbcdn.net", "fbsbx.com", "cdninstagram.com")
"""Where the networks keep files. Their addresses end after a while, so what is there is fetched."""

READABLE = ("intro_message", "text", "title", "subtitle", "name", "description", "price")
"""Where a template says what a person reads."""

ATTACHMENT_IDS = (
    *("sticker_id", "attachment_id", "reel_video_id", "ig_post_media_id", "booking_id", "id"),
)
MESSAGE_FIELDS = {"image_data", "video_data", "file_url", "generic_template", "mime_type"}
"""What only the attachments of messages have in a Graph answer."""

STORIES = {"reply_to": "story", "mention": "story_mention"}
"""What a story is called here, by how a Graph message names it."""

UNSUPPORTED = Attachment(kind=AttachmentKind.OTHER, text="unsupported")
"""Stands for something said that the network does not hand to apps."""


def of_messenger(message: Json) -> Attachments:
    """Return the attachments of a Messenger webhook's `message`."""
    found = [_messenger(one) for one in objects(message.get("attachments"))]
    found += of_story({"reply_to": obj(message.get("reply_to")).get("story")})
    return tuple(found) + ((UNSUPPORTED,) if truth(message.get("is_unsupported")) else ())


def truth(value: Any) -> bool:
    """Read a flag; some come as the words `true` and `false`."""
    return value != "false" and bool(value)


def _messenger(item: Json) -> Attachment:
    name, payload = words(item.get("type")) or "", obj(item.get("payload"))
    kind = MESSENGER_KINDS.get(name, AttachmentKind.OTHER)
    if payload.get("sticker_id"):
        kind = AttachmentKind.STICKER
    url = words(payload.get("url")) or words(item.get("url")) or _template_url(payload)
    return Attachment(
        kind=_fetched(kind, url),
        url=url,
        id=first(payload, *ATTACHMENT_IDS),
        text=_messenger_text(kind, name, item, payload),
    )


def _fetched(kind: AttachmentKind, url: str | None) -> AttachmentKind:
    """Say that something is a file where its address does, and nothing else tells."""
    vague = kind in {AttachmentKind.LINK, AttachmentKind.OTHER}
    return AttachmentKind.FILE if vague and _is_media(url) else kind


def _is_media(url: str | None) -> bool:
    try:
        return (urlsplit(url or "").hostname or "").endswith(MEDIA_HOSTS)
    except ValueError:
        return False


def _messenger_text(kind: AttachmentKind, name: str, item: Json, payload: Json) -> str | None:
    match kind:
        case AttachmentKind.LOCATION:
            return lines([*_coordinates(payload), *readable(item), *readable(payload)])
        case AttachmentKind.OTHER:
            status = words(payload.get("status"))
            return lines([name, *([status] if status else []), *readable(payload)])
        case _:
            return lines([*readable(item), *readable(payload)])


def _coordinates(payload: Json) -> list[str]:
    where = obj(payload.get("coordinates"))
    latitude, longitude = where.get("lat"), where.get("long")
    known = isinstance(latitude, int | float) and isinstance(longitude, int | float)
    return [f"{latitude}, {longitude}"] if known else []


def lines(parts: Iterable[str]) -> str | None:
    """Join what there is to read, each thing once."""
    return "\n".join(dict.fromkeys(part for part in parts if part)) or None


def readable(value: Any) -> Iterator[str]:
    """Yield what a person reads in a template, from the top down."""
    if isinstance(value, list):
        for one in value:
            yield from readable(one)
    if isinstance(value, dict):
        yield from (text for key in READABLE if (text := words(value.get(key))))
        for one in value.values():
            yield from readable(one)


def _template_url(payload: Json) -> str | None:
    """Return the first picture or link in a template."""
    for one in _walk(payload):
        found = words(one.get("image_url")) or words(one.get("media_url")) or words(one.get("url"))
        if found:
            return found
    return None


def _walk(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else array(value):
        yield from _walk(one)


def of_message(item: Json) -> Attachments:
    """Return the attachments of a Graph message: attachments, a sticker, shares."""
    sticker = words(item.get("sticker"))
    return (
        *(_message(one) for one in data(item.get("attachments"))),
        *((Attachment(kind=AttachmentKind.STICKER, url=sticker),) if sticker else ()),
        *(_share(one) for one in data(item.get("shares"))),
        *((UNSUPPORTED,) if truth(item.get("is_unsupported")) else ()),
    )


def _message(item: Json) -> Attachment:
    image, video = obj(item.get("image_data")), obj(item.get("video_data"))
    template = obj(item.get("generic_template"))
    mime, size = words(item.get("mime_type")), item.get("size")
    return Attachment(
        kind=_message_kind(item, mime),
        url=words(video.get("url"))
        or words(item.get("file_url"))
        or words(image.get("url"))
        or _template_url(template),
        id=ident(item.get("id")),
        name=words(item.get("name")),
        mime=mime,
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        text=lines(readable(template)),
    )


def _message_kind(item: Json, mime: str | None) -> AttachmentKind:
    if item.get("generic_template"):
        return AttachmentKind.TEMPLATE
    if obj(item.get("image_data")).get("render_as_sticker"):
        return AttachmentKind.STICKER
    for kind in (AttachmentKind.VIDEO, AttachmentKind.AUDIO, AttachmentKind.IMAGE):
        if item.get(f"{kind}_data") or (mime or "").startswith(f"{kind}/"):
            return kind
    return AttachmentKind.FILE if item.get("file_url") else AttachmentKind.OTHER


def _share(item: Json) -> Attachment:
    url = words(item.get("link")) or _template_url(obj(item.get("template")))
    kind = AttachmentKind.TEMPLATE if item.get("template") else AttachmentKind.LINK
    return Attachment(
        kind=_fetched(kind, url),
        url=url,
        id=ident(item.get("id")),
        text=lines(readable(item)),
    )


def of_story(story: Json) -> Attachments:
    """Return the stories that a Graph message answers, or that mention the account."""
    named = ((obj(story.get(name)), name) for name in ("reply_to", "mention"))
    return tuple(_story(one, STORIES[name]) for one, name in named if one)


def _story(item: Json, text: str) -> Attachment:
    url = words(item.get("link")) or words(item.get("url"))
    kind = _fetched(AttachmentKind.OTHER, url)
    return Attachment(kind=kind, url=url, id=ident(item.get("id")), text=text)
