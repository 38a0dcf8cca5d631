"""Photos, videos, stickers, places: every form in which the network carries them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from channelmix.records import Attachment, AttachmentKind

from channelmix_facebook.parsing_json import Json, array, data, first, ident, obj, objects, words

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
"""Messenger Platform, Webhooks, `messages`. What is not listed is kept as `OTHER`."""

READABLE = ("intro_message", "text", "title", "subtitle", "name", "description", "price")
"""Where a template says what a person reads."""

UNSUPPORTED = Attachment(kind=AttachmentKind.OTHER, text="unsupported")
"""Stands for something said that the network does not hand to apps."""


def of_messenger(message: Json) -> Attachments:
    """Return the attachments of a Messenger webhook's `message`."""
    found = [_messenger(one) for one in objects(message.get("attachments"))]
    return tuple(found) + ((UNSUPPORTED,) if truth(message.get("is_unsupported")) else ())


def truth(value: Any) -> bool:
    """Read a flag; some come as the words `true` and `false`."""
    return value != "false" and bool(value)


def _messenger(item: Json) -> Attachment:
    name, payload = words(item.get("type")) or "", obj(item.get("payload"))
    kind = MESSENGER_KINDS.get(name, AttachmentKind.OTHER)
    if payload.get("sticker_id"):
        kind = AttachmentKind.STICKER
    return Attachment(
        kind=kind,
        url=words(payload.get("url")) or words(item.get("url")) or _template_url(payload),
        id=first(payload, "sticker_id", "attachment_id", "reel_video_id", "booking_id", "id"),
        text=_messenger_text(kind, name, item, payload),
    )


def _messenger_text(kind: AttachmentKind, name: str, item: Json, payload: Json) -> str | None:
    match kind:
        case AttachmentKind.LOCATION:
            return _lines([*_coordinates(payload), *_readable(item), *_readable(payload)])
        case AttachmentKind.OTHER:
            status = words(payload.get("status"))
            return _lines([name, *([status] if status else []), *_readable(payload)])
        case _:
            return _lines([*_readable(item), *_readable(payload)])


def _coordinates(payload: Json) -> list[str]:
    where = obj(payload.get("coordinates"))
    latitude, longitude = where.get("lat"), where.get("long")
    known = isinstance(latitude, int | float) and isinstance(longitude, int | float)
    return [f"{latitude}, {longitude}"] if known else []


def _lines(parts: Iterable[str]) -> str | None:
    """Join what there is to read, each thing once."""
    return "\n".join(dict.fromkeys(part for part in parts if part)) or None


def _readable(value: Any) -> Iterator[str]:
    """Yield what a person reads in a template, from the top down."""
    if isinstance(value, list):
        for one in value:
            yield from _readable(one)
    if isinstance(value, dict):
        yield from (text for key in READABLE if (text := words(value.get(key))))
        for one in value.values():
            yield from _readable(one)


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


def of_change(value: Json) -> Attachments:
    """Return the attachments of a `feed` change: a photo, a video, a link, or many photos."""
    found = [*_change_media(value), *_change_link(value)]
    urls = {one.url for one in found}
    more = (url for one in array(value.get("photos")) if (url := words(one)) and url not in urls)
    return (*found, *(Attachment(kind=AttachmentKind.IMAGE, url=url) for url in more))


def _change_media(value: Json) -> Iterator[Attachment]:
    for key, kind in (("photo", AttachmentKind.IMAGE), ("video", AttachmentKind.VIDEO)):
        if url := words(value.get(key)):
            yield Attachment(kind=kind, url=url)


def _change_link(value: Json) -> Iterator[Attachment]:
    link = words(value.get("link"))
    photo, video = ident(value.get("photo_id")), ident(value.get("video_id"))
    if video:
        yield Attachment(kind=AttachmentKind.VIDEO, url=link, id=video)
    elif photo:
        yield Attachment(kind=AttachmentKind.IMAGE, url=link, id=photo)
    elif link:
        yield Attachment(kind=AttachmentKind.LINK, url=link)


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
        text=_lines(_readable(template)),
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
    return Attachment(
        kind=AttachmentKind.TEMPLATE if item.get("template") else AttachmentKind.LINK,
        url=words(item.get("link")) or _template_url(obj(item.get("template"))),
        id=ident(item.get("id")),
        text=_lines(_readable(item)),
    )


def of_story(item: Json) -> Attachments:
    """Return the attachments of a Graph post (`attachments`) or comment (`attachment`)."""
    found = data(item.get("attachments")) or objects([item.get("attachment")])
    picture = words(item.get("full_picture"))
    if not found and picture:
        return (Attachment(kind=AttachmentKind.IMAGE, url=picture),)
    return tuple(_story(one) for item in found for one in _parts(item))


def _parts(item: Json) -> list[Json]:
    """Return the photos of an album, which are said below it, or the one thing there is."""
    return data(item.get("subattachments")) or [item]


def _story(item: Json) -> Attachment:
    media, target = obj(item.get("media")), obj(item.get("target"))
    kind = _story_kind(f"{words(item.get('media_type'))} {words(item.get('type'))}")
    image = words(obj(media.get("image")).get("src"))
    link = words(item.get("unshimmed_url")) or words(item.get("url")) or words(target.get("url"))
    source = words(media.get("source"))
    return Attachment(
        kind=kind,
        url=link if kind is AttachmentKind.LINK else source or image or link,
        id=ident(target.get("id")),
        text=_lines(_readable(item)),
    )


def _story_kind(name: str) -> AttachmentKind:
    """Read the kind from `media_type` and `type`, like `video video_inline`."""
    for word, kind in (
        ("sticker", AttachmentKind.STICKER),
        ("animated_image", AttachmentKind.IMAGE),
        ("video", AttachmentKind.VIDEO),
        ("photo", AttachmentKind.IMAGE),
    ):
        if word in name:
            return kind
    return AttachmentKind.LINK
