"""Photos, videos, links in posts and comments, by webhook and in Graph answers."""

from __future__ import annotations

from collections.abc import Iterator

from channelmix.payloads import Json, array, ident, obj, objects, words
from channelmix.records import Attachment, AttachmentKind
from channelmix_meta.parsing_attachments import Attachments, lines, readable
from channelmix_meta.parsing_json import data


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


def of_story(item: Json) -> Attachments:
    """Return the attachments of a Graph post (`attachments`) or comment (`attachment`)."""
    found = data(item.get("attachments")) or objects([item.get("attachment")])
    picture = words(item.get("full_picture"))
    if not found and picture:
        return (Attachment(kind=AttachmentKind.IMAGE, url=picture),)
    return tuple(_story(one) for item in found for one in _parts(item))


def thumbnail(item: Json) -> str | None:
    """Return a picture of a Graph post, also where it is of a video."""
    images = (obj(obj(one.get("media")).get("image")) for one in data(item.get("attachments")))
    return words(item.get("full_picture")) or next(
        (found for one in images if (found := words(one.get("src")))), None
    )


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
        text=lines(readable(item)),
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
