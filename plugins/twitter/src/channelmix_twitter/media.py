"""Handing a file over in pieces (X, "Chunked media upload"), and getting one out of a message.

Nobody sees what was uploaded until a post or a message shows it, so doubt is no harm here: what
went wrong is begun again. A film is looked at by X for a while; the post then waits in the
outbox, and the file is kept in mind meanwhile.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field
from channelmix.errors import Rejected, RetryLater, Uncertain
from channelmix.payloads import Json, obj, words
from channelmix.records import Attachment, Outgoing, Unlocked

from channelmix_twitter.client import Api

PIECE = 4 * 1024 * 1024
LIMITS = {"image": 5 * 1024 * 1024, "gif": 15 * 1024 * 1024, "video": 512 * 1024 * 1024}
"""In bytes (X, "Media best practices")."""
TYPES = frozenset(
    {
        *("image/jpeg", "image/png", "image/webp", "image/gif"),
        *("video/mp4", "video/quicktime", "video/webm"),
    }
)
MOST_PENDING = 100
_PRIVATE = re.compile(r"(.+)/1\.1/ton/data/dm/([0-9]{1,19})/([0-9]{1,19})/([A-Za-z0-9_.-]{1,50})")
"""The address of a photo in a direct message."""
PRIVATE_HOSTS = frozenset({"https://ton.twitter.com", "https://ton.x.com"})


@define(eq=False, kw_only=True)
class Uploads:
    """What X was handed for parts that are not sent yet."""

    _ids: dict[tuple[str, int], str] = field(factory=dict, init=False)
    """By send key and place."""

    async def all(self, api: Api, outgoing: Outgoing, *, direct: bool) -> list[str]:
        """Return the media ids of an outgoing part.

        Raises: `RetryLater` while X looks at a film, or if an upload was lost; `Rejected`.
        """
        return [
            await self._one(api, one, (outgoing.token, index), direct=direct)
            for index, one in enumerate(outgoing.attachments)
        ]

    def forget(self, token: str) -> None:
        """Let go of what was shown, or refused."""
        for key in [one for one in self._ids if one[0] == token]:
            del self._ids[key]

    async def _one(
        self, api: Api, attachment: Attachment, key: tuple[str, int], *, direct: bool
    ) -> str:
        if key in self._ids:
            await self._processed(api, self._ids[key], key)
            return self._ids[key]
        content, mime = await _read(attachment)
        try:
            media, told = await _upload(api, content, mime, direct=direct)
        except Uncertain as error:
            raise RetryLater(str(error)) from error
        if len(self._ids) >= MOST_PENDING:
            del self._ids[next(iter(self._ids))]
        self._ids[key] = media
        self._judge(told, key)
        return media

    async def _processed(self, api: Api, media: str, key: tuple[str, int]) -> None:
        params = {"command": "STATUS", "media_id": media}
        answer = await api.get("/2/media/upload", params)
        self._judge(obj(answer.body.get("data")), key)

    def _judge(self, told: Json, key: tuple[str, int]) -> None:
        """Go on if X is done with a file. Raises: `RetryLater`, `Rejected`."""
        info = obj(told.get("processing_info"))
        state = info.get("state", "succeeded")
        if state == "failed":
            del self._ids[key]
            why = words(obj(info.get("error")).get("message")) or "no reason given"
            raise Rejected(f"X cannot use the file: {why}")
        if state != "succeeded":
            wait = info.get("check_after_secs")
            seconds = wait if isinstance(wait, int) and wait > 0 else 1
            raise RetryLater("X is still looking at the film", after=timedelta(seconds=seconds))


async def unlock(api: Api, attachment: Attachment) -> Unlocked | None:
    """Say how a photo of a direct message is asked for, None for all other files.

    By OAuth 1.0a its address is signed ("Retrieving media"); for OAuth 2.0 the same file has
    another address ("Download DM Media").
    Raises: `RetryLater`, `AuthorizationLost`.
    """
    found = _PRIVATE.fullmatch(attachment.url or "")
    if found is None or found[1] not in PRIVATE_HOSTS | {api.host}:
        return None
    direct, media, name = found.groups()[1:]
    url = f"{api.host}/2/dm_conversations/media/{direct}/{media}/{name}"
    headers = await api.key.headers("GET", url)
    if headers["Authorization"].startswith("OAuth "):
        url, headers = found[0], await api.key.headers("GET", found[0])
    return Unlocked(url=url, headers=headers)


async def _read(attachment: Attachment) -> tuple[bytes, str]:
    if attachment.path is None:
        raise Rejected("X takes files, not addresses: attach the file itself")
    path = Path(attachment.path)
    name = attachment.name or path.name
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise Rejected(f"the attachment {name} cannot be read: {error.strerror}") from error
    mime = attachment.mime or mimetypes.guess_type(name)[0] or mimetypes.guess_type(path)[0]
    if mime not in TYPES:
        raise Rejected(f"X does not take {name}: it takes JPEG, PNG, WebP, GIF, MP4, MOV, WebM")
    most = LIMITS[_class(mime)]
    if len(content) > most:
        raise Rejected(f"{name} is too large for X: at most {most // 1024 // 1024} MB")
    return content, mime


def _class(mime: str) -> str:
    return "gif" if mime == "image/gif" else mime.partition("/")[0]


async def _upload(api: Api, content: bytes, mime: str, *, direct: bool) -> tuple[str, Json]:
    category = f"{'dm' if direct else 'tweet'}_{_class(mime)}"
    body: Any = {"media_type": mime, "media_category": category, "total_bytes": len(content)}
    begun = await api.send("POST", "/2/media/upload/initialize", body)
    media = words(obj(begun.get("data")).get("id"))
    if media is None:
        raise RetryLater("POST /2/media/upload/initialize: the answer names no media")
    for index, start in enumerate(range(0, len(content), PIECE)):
        files = {"media": ("piece", content[start : start + PIECE], "application/octet-stream")}
        form = {"segment_index": str(index)}
        await api.send("POST", f"/2/media/upload/{media}/append", files=files, form=form)
    done = await api.send("POST", f"/2/media/upload/{media}/finalize")
    return media, obj(done.get("data"))
