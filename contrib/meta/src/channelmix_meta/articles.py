"""Photos and videos that we published, as articles of the help library. Pure."""

from __future__ import annotations

from channelmix.records import Article, AttachmentKind, Kind, Message

TITLE = 100
"""So many characters a title has, at the most: the first line of a text may be all of it."""
SHOWN = frozenset({AttachmentKind.IMAGE, AttachmentKind.VIDEO})


def of_post(
    message: Message, *, media: bool = False, thumbnail: str | None = None
) -> tuple[Article, ...]:
    """Make an article of a post of ours that shows something and says something; else nothing.

    `media` says that it is a photo or video whatever its attachments are; `thumbnail` is the
    address of a small picture, left out that of its first photo.
    """
    shown = [one for one in message.attachments if one.kind in SHOWN]
    text = (message.text or "").strip()
    open_to_all = message.own and message.kind is Kind.POST and not message.hidden
    if not (open_to_all and text and message.url and (shown or media)):
        return ()
    photos = (one.url for one in shown if one.kind is AttachmentKind.IMAGE and one.url)
    article = Article(
        id=message.id,
        title=_title(text),
        url=message.url,
        published_at=message.sent_at,
        text=text,
        thumbnail=thumbnail or next(photos, None),
    )
    return (article,)


def _title(text: str) -> str:
    line = " ".join(text.splitlines()[0].split())
    return line if len(line) <= TITLE else f"{line[: TITLE - 1]}…"
