"""What YouTube tells, as raw events and what they mean. Pure.

A raw event is one resource as the API shows it, in an envelope with what only its surroundings
told: `{"resource": {…}, "video": "…", "can_reply": false, "hidden": true, "plain": true}`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from channelmix.errors import InvalidPayload
from channelmix.payloads import array, decode, digest, encode, obj, words
from channelmix.records import (
    Article,
    Attachment,
    AttachmentKind,
    Deletion,
    Echo,
    Identity,
    Ignored,
    Inbound,
    Ingested,
    Kind,
    Lookup,
    Message,
    Payload,
    RawEvent,
    Split,
)

from channelmix_youtube import atom

HELD = "held for review at YouTube: publish it first (unhide)"
CLOSED = "YouTube takes no reply to this comment"
READ_ONLY = {
    "heldForReview": HELD,
    "likelySpam": "taken for spam by YouTube: publish it first (unhide)",
    "rejected": "rejected: nobody sees it",
    "withheld": "not public at YouTube: publish it first (unhide)",
}
"""By status; `withheld` is ours, where YouTube tells only that a thread is not public."""
LIVE = "live:"
"""The payload of a live chat message: with it, an answer goes into the chat."""
VIDEO_PARTS = "snippet,status"
"""What a video is asked for: what it says, and whether everybody may see it."""
BROKEN = frozenset({"deleted", "failed", "rejected"})
"""An `uploadStatus` with which a video cannot be seen."""
NO_LANGUAGE = frozenset({"zxx", "und"})
"""Codes for no language, and for one that nobody knows."""
SMALL = 300
"""So many pixels wide a small picture is, at the least."""
_TAG = re.compile(r"<(?:br\s*/?|/?(?:a|b|i|s|u|em|strong|p)(?:\s[^<>]*)?)>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p)", re.IGNORECASE)
Body = Mapping[str, Any]


def event(body: Body, source: str) -> RawEvent:
    """Make a raw event; its key is the same for the same version of the same resource.

    A video may be taken back and shown again any number of times: each time is another event.
    """
    if "gone" in body:
        key = f"gone:{body['gone']}"
    else:
        resource = body["resource"]
        snippet = obj(resource.get("snippet"))
        version = (
            _content(resource, snippet)
            or snippet.get("updatedAt")
            or resource.get("etag")
            or snippet.get("publishedAt")
        )
        seen = f"{status(body)}:{body.get('can_reply')}"
        key = f"{resource.get('kind')}:{_id(resource)}:{version}:{seen}"
    key += f":{body['taken']}" if body.get("taken") else ""
    return RawEvent(key=key, body=encode(body), source=source)


def status(body: Body) -> str:
    """Return the moderation status of the comment in a raw event."""
    told = obj(obj(body.get("resource")).get("snippet")).get("moderationStatus")
    return str(told) if told else "withheld" if body.get("hidden") is True else "published"


def _content(resource: Body, snippet: Body) -> str | None:
    """Name what a video says by its hash: its etag also changes with what nobody wrote."""
    if str(resource.get("kind")).removeprefix("youtube#") not in _VIDEOS:
        return None
    said = [snippet.get(name) for name in ("title", "description", "tags", *_LANGUAGES)]
    return digest([*said, is_public(resource)])[:16]


# --- splitting --------------------------------------------------------------------------


def split(payload: Payload) -> Split:
    """Cut an answer of the API, or what the hub sent, into events.

    Raises: `InvalidPayload`.
    """
    if payload.body.lstrip()[:1] == b"<":
        return Split(events=tuple(atom.events(payload.body)))
    document = _decode(payload.body)
    return Split(events=tuple(event(one, payload.source) for one in resources(document)))


def resources(document: Body) -> Iterator[dict[str, Any]]:
    """Give each resource of an answer with what its surroundings tell; threads are taken apart."""
    items = document.get("items")
    for item in items if isinstance(items, list) else [document]:
        if not isinstance(item, dict):
            continue
        if item.get("kind") == "youtube#commentThread":
            yield from thread(item)
        else:
            yield {"resource": item}


def thread(item: Body, *, plain: bool = False) -> Iterator[dict[str, Any]]:
    """Give the comments of a thread: the one on top, and the replies that are shown."""
    snippet = obj(item.get("snippet"))
    around: dict[str, Any] = {"video": snippet.get("videoId"), "plain": plain}
    if snippet.get("canReply") is False:
        around["can_reply"] = False
    if snippet.get("isPublic") is False:
        around["hidden"] = True
    top = snippet.get("topLevelComment")
    replies = obj(item.get("replies")).get("comments")
    for comment in (top, *(replies if isinstance(replies, list) else ())):
        if isinstance(comment, dict):
            yield {"resource": comment, **around}


# --- meaning ----------------------------------------------------------------------------


def ingest(raw: RawEvent, *, channel_id: str) -> Ingested:
    """Say what an event means. Raises: `InvalidPayload`."""
    body = _decode(raw.body)
    if isinstance(body.get("gone"), str):
        at = _time(body.get("seen_at")) or raw.received_at
        return Ingested(inbounds=(Deletion(id=body["gone"], at=at, thread=body.get("video")),))
    if isinstance(body.get("look"), str):
        return Ingested(inbounds=(Lookup(source="video", argument=body["look"]),))
    resource = obj(body.get("resource"))
    otherwise = "an error" if "error" in resource else "no resource"
    kind = str(resource.get("kind") or otherwise).removeprefix("youtube#")
    read = _READERS.get(kind)
    found = read(resource, body, raw, channel_id) if read else Ignored(reason=kind[:60])
    return Ingested(inbounds=(found, *_articles(resource, found)))


def _comment(resource: Body, body: Body, raw: RawEvent, channel_id: str) -> Inbound:
    snippet = obj(resource.get("snippet"))
    comment = _id(resource)
    if not comment or not snippet:
        return Ignored(reason="a comment without content")
    published = _time(snippet.get("publishedAt")) or raw.received_at
    video = body.get("video") or snippet.get("videoId")
    top = comment.partition(".")[0]
    reply = "." in comment or bool(snippet.get("parentId"))
    author = _author(snippet)
    state = status(body)
    message = Message(
        id=comment,
        kind=Kind.COMMENT,
        thread=str(video or snippet.get("parentId") or top),
        parent=str(snippet.get("parentId") or top) if reply else (str(video) if video else None),
        sent_at=published,
        author=author,
        text=_text(snippet, plain=body.get("plain") is True) or None,
        attachments=_picture(snippet),
        url=_link(video, comment),
        own=author is not None and author.id == channel_id,
        revision=f"{snippet.get('updatedAt') or published.isoformat()}:{state}",
        hidden=state in READ_ONLY,
        no_reply=READ_ONLY.get(state) or (CLOSED if body.get("can_reply") is False else None),
        thread_url=f"https://www.youtube.com/watch?v={video}" if video else None,
    )
    return Echo(message=message) if message.own else message


def _chat(resource: Body, body: Body, raw: RawEvent, channel_id: str) -> Inbound:
    """Read a live chat message; what a moderator or its author removed is a deletion."""
    snippet, author = obj(resource.get("snippet")), obj(resource.get("authorDetails"))
    published = _time(snippet.get("publishedAt")) or raw.received_at
    video = str(body.get("video") or snippet.get("liveChatId"))
    for removed in ("messageDeletedDetails", "messageRetractedDetails"):
        target = obj(snippet.get(removed)).get(
            "deletedMessageId", obj(snippet.get(removed)).get("retractedMessageId")
        )
        if isinstance(target, str):
            return Deletion(id=target, at=published, thread=video)
    text = snippet.get("displayMessage") or obj(snippet.get("textMessageDetails")).get(
        "messageText"
    )
    message_id = _id(resource)
    if not message_id or not isinstance(text, str) or not text.strip():
        return Ignored(reason=str(snippet.get("type") or "a chat event without text")[:60])
    name, who = author.get("displayName"), author.get("channelId") or snippet.get("authorChannelId")
    own = who == channel_id
    message = Message(
        id=message_id,
        kind=Kind.COMMENT,
        thread=video,
        parent=video,
        sent_at=published,
        author=Identity(id=who, name=name, url=_channel(who)) if isinstance(who, str) else None,
        text=text,
        url=f"https://www.youtube.com/watch?v={video}",
        own=own,
        payload=f"{LIVE}{snippet.get('liveChatId')}",
    )
    return Echo(message=message) if own else message


def _video(resource: Body, _body: Body, raw: RawEvent, channel_id: str) -> Inbound:
    """Read a video: ours is context, one of others (found by a search) a mention."""
    snippet = obj(resource.get("snippet"))
    video = video_id(resource)
    if not video:
        return Ignored(reason="no video")
    owner = snippet.get("videoOwnerChannelId") or snippet.get("channelId")
    own = owner == channel_id
    text = "\n".join(
        html.unescape(str(snippet[n])) for n in ("title", "description") if snippet.get(n)
    )
    name = snippet.get("videoOwnerChannelTitle") or snippet.get("channelTitle")
    told = obj(resource.get("contentDetails")).get("videoPublishedAt")
    return Message(
        id=video,
        kind=Kind.POST if own else Kind.MENTION,
        thread=video,
        sent_at=_time(told or snippet.get("publishedAt")) or raw.received_at,
        author=Identity(id=owner, name=name, url=_channel(owner))
        if isinstance(owner, str)
        else None,
        text=text or None,
        attachments=_thumbnail(snippet),
        url=f"https://www.youtube.com/watch?v={video}",
        own=own,
    )


def _articles(resource: Body, found: Inbound) -> tuple[Inbound, ...]:
    """Make an article of a video of ours that everybody may see.

    Only the video itself tells its language and tags, and whether it may be seen; an item of a
    list does not, and would only bring the same article in a poorer version.
    """
    snippet = obj(resource.get("snippet"))
    title = words(snippet.get("title"))
    if not (isinstance(found, Message) and found.own and title and is_public(resource)):
        return ()
    article = Article(
        id=found.id,
        title=html.unescape(title),
        url=f"https://youtu.be/{found.id}",
        published_at=found.sent_at,
        text=words(snippet.get("description")),
        thumbnail=_small(snippet),
        language=_language(snippet),
        topics=tuple(tag for tag in array(snippet.get("tags")) if words(tag)),
    )
    return (article,)


def is_public(resource: Body) -> bool:
    """Say whether everybody may see a video, and there is something to see already."""
    status, snippet = obj(resource.get("status")), obj(resource.get("snippet"))
    return (
        status.get("privacyStatus") == "public"
        and words(status.get("uploadStatus")) not in BROKEN
        and snippet.get("liveBroadcastContent") in (None, "none")
    )


def _language(snippet: Body) -> str | None:
    """Return what is spoken, else what is written: `de` for `de-AT`."""
    told = (words(snippet.get(name)) for name in _LANGUAGES)
    found = next((one.partition("-")[0].lower() for one in told if one), None)
    return None if found in NO_LANGUAGE else found


_VIDEOS = frozenset({"video", "playlistItem", "searchResult"})
_LANGUAGES = ("defaultAudioLanguage", "defaultLanguage")
_READERS = {
    "comment": _comment,
    "liveChatMessage": _chat,
    **dict.fromkeys(_VIDEOS, _video),
}


def video_id(resource: Body) -> str:
    """Return which video a resource is about, "" if it is none."""
    identity, snippet = resource.get("id"), obj(resource.get("snippet"))
    for found in (
        obj(identity).get("videoId"),
        obj(snippet.get("resourceId")).get("videoId"),
        identity if resource.get("kind") == "youtube#video" else None,
    ):
        if isinstance(found, str):
            return found
    return ""


def _author(snippet: Body) -> Identity | None:
    who = obj(snippet.get("authorChannelId")).get("value")
    name = snippet.get("authorDisplayName")
    if not isinstance(who, str):
        return None
    shown = name if isinstance(name, str) else None
    handle = shown if shown and shown.startswith("@") else None
    return Identity(id=who, name=shown, handle=handle, url=_channel(who))


def _text(snippet: Body, *, plain: bool) -> str:
    """Return what was written. Only where HTML was not asked away may it stand in the text."""
    original = snippet.get("textOriginal")
    if isinstance(original, str):
        return original
    shown = snippet.get("textDisplay")
    if not isinstance(shown, str):
        return ""
    if plain:
        return shown
    return html.unescape(_TAG.sub(lambda tag: "\n" if _BREAK.match(tag[0]) else "", shown))


def _picture(snippet: Body) -> tuple[Attachment, ...]:
    url = snippet.get("imageUrl")
    return (Attachment(kind=AttachmentKind.IMAGE, url=url),) if isinstance(url, str) and url else ()


def _thumbnail(snippet: Body) -> tuple[Attachment, ...]:
    """Return the picture of a video as a link: it need not be kept."""
    urls = _pictures(snippet)
    return (Attachment(kind=AttachmentKind.LINK, url=urls[-1][1]),) if urls else ()


def _small(snippet: Body) -> str | None:
    """Return the smallest picture that is not tiny."""
    urls = _pictures(snippet)
    return next((url for width, url in urls if width >= SMALL), urls[-1][1]) if urls else None


def _pictures(snippet: Body) -> list[tuple[float, str]]:
    """Return the pictures of a video with their width, the widest last."""
    sizes = [obj(one) for one in obj(snippet.get("thumbnails")).values()]
    return sorted(
        (one["width"] if isinstance(one.get("width"), int | float) else 0, url)
        for one in sizes
        if (url := words(one.get("url")))
    )


def _link(video: Any, comment: str) -> str | None:
    return f"https://www.youtube.com/watch?v={video}&lc={comment}" if video else None


def _channel(who: Any) -> str:
    return f"https://www.youtube.com/channel/{who}"


def _id(resource: Body) -> str:
    identity = resource.get("id")
    if isinstance(identity, dict):
        return str(identity.get("videoId") or identity.get("channelId") or "")
    return identity if isinstance(identity, str) else ""


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC) if time else None


def _decode(body: bytes) -> dict[str, Any]:
    document = decode(body)
    if not isinstance(document, dict):
        raise InvalidPayload(f"a {type(document).__name__} instead of a JSON object")
    return document
