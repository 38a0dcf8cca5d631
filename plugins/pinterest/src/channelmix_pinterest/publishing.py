"""Our own pins: publish, change, delete, and look whether an unclear one is there.

Sources: `POST /pins`, `PATCH` and `DELETE /pins/{pin_id}`, `POST /media` and
`GET /media/{media_id}` of Pinterest's API document, and its page "Creating boards and Pins".
"""

from __future__ import annotations

import asyncio
import base64
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from attrs import frozen
from channelmix.errors import Rejected, RetryLater, Uncertain
from channelmix.hookspecs import Vault
from channelmix.records import (
    Action,
    Attachment,
    AttachmentKind,
    Draft,
    Finding,
    Found,
    Limits,
    Outgoing,
    Receipt,
)

from channelmix_pinterest.client import Api, Json, Refusal, request
from channelmix_pinterest.config import PinterestConfig
from channelmix_pinterest.parsing import link

TITLE, LINK, DESCRIPTION, ALT_TEXT = 100, 2048, 800, 500
IMAGES = frozenset({"image/jpeg", "image/png"})
"""What `content_type` of a picture may be."""
PROCESSING = timedelta(seconds=15)
SKEW = timedelta(minutes=2)
PAGES = 8
"""How many pages of pins are read before it is left to a person."""
LIMITS = (
    Limits(
        actions={Action.PUBLISH},
        text=DESCRIPTION,
        attachments=1,
        media={AttachmentKind.IMAGE, AttachmentKind.VIDEO},
        details={"title", "link", "topic", "board"},
        settle=timedelta(minutes=1),
    ),
    Limits(actions={Action.EDIT}, text=DESCRIPTION),
    Limits(actions={Action.DELETE}),
)


@frozen(kw_only=True)
class Publisher:
    """Writes to one account."""

    api: Api
    config: PinterestConfig
    vault: Vault

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action. Raises: as `Api.send`."""
        match outgoing.action:
            case Action.PUBLISH:
                return await self._publish(outgoing)
            case Action.EDIT:
                await self.api.send(
                    "PATCH", f"pins/{_own(outgoing)}", {"description": outgoing.text}
                )
            case Action.DELETE:
                await self._delete(_own(outgoing))
            case other:
                raise Rejected(f"Pinterest offers no {other} through its API")
        return Receipt()

    async def _publish(self, outgoing: Outgoing) -> Receipt:
        board = board_for(self.config, outgoing.details)
        if board is None:
            raise Rejected(_no_board(self.config, outgoing.details))
        pin: Json = {
            "board_id": board,
            "description": outgoing.text,
            "media_source": await self._source(outgoing),
        }
        given = outgoing.details
        pin |= {name: given[name] for name in ("title", "link", "alt_text") if name in given}
        made = await self.api.send("POST", "pins", pin)
        if not isinstance(made.get("id"), str):
            raise Uncertain("POST /pins: the answer names no pin")
        return Receipt(ids=(made["id"],), url=link(made["id"]))

    async def _delete(self, pin: str) -> None:
        try:
            await self.api.send("DELETE", f"pins/{pin}")
        except Refusal as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise

    # --- media ----------------------------------------------------------------------------

    async def _source(self, outgoing: Outgoing) -> Json:
        """Hand over what the pin shows. Nobody sees it before the pin, so doubt is no harm."""
        if not outgoing.attachments:
            raise Rejected("a pin needs a picture or a video")
        attachment = outgoing.attachments[0]
        if attachment.kind is AttachmentKind.VIDEO:
            return await self._video(outgoing.token, attachment)
        if attachment.path is None:
            return {"source_type": "image_url", "url": str(attachment.url)}
        kind = _mime(attachment)
        if kind not in IMAGES:
            raise Rejected(f"Pinterest takes JPEG and PNG, not {kind}")
        data = base64.b64encode(await _bytes(attachment)).decode()
        return {"source_type": "image_base64", "content_type": kind, "data": data}

    async def _video(self, token: str, attachment: Attachment) -> Json:
        """Upload a video once, and come again until Pinterest has processed it."""
        name = f"media:{token}"
        kept = await self.vault.get(name)
        if kept is None:
            kept = {"media_id": await self._upload(attachment)}
            await self.vault.put(kept, name)
        media = str(kept["media_id"])
        state = (await self.api.get(f"media/{media}")).get("status")
        if state == "failed":
            raise Rejected(
                f"Pinterest could not process the video {attachment.name or ''}".rstrip()
            )
        if state != "succeeded":
            raise RetryLater("Pinterest is still processing the video", after=PROCESSING)
        return {"source_type": "video_id", "media_id": media, "cover_image_key_frame_time": 0}

    async def _upload(self, attachment: Attachment) -> str:
        if attachment.path is None:
            raise Rejected("a video must be a file of ours: Pinterest fetches none by its address")
        try:
            told = await self.api.send("POST", "media", {"media_type": "video"})
        except Uncertain as error:
            raise RetryLater(str(error)) from error
        media, url, fields = (
            told.get("media_id"),
            told.get("upload_url"),
            told.get("upload_parameters"),
        )
        if not (isinstance(media, str) and isinstance(url, str) and isinstance(fields, dict)):
            raise RetryLater("POST /media: the answer names no place to upload to")
        file = (
            attachment.name or Path(attachment.path).name,
            await _bytes(attachment),
            _mime(attachment),
        )
        answer = await request(
            self.api.http,
            "POST",
            url,
            "POST the video",
            lost=RetryLater,
            data=fields,
            files={"file": file},
        )
        if not answer.is_success:
            raise RetryLater(f"the upload of the video ended with HTTP {answer.status_code}")
        return media

    # --- looking --------------------------------------------------------------------------

    async def find(self, outgoing: Outgoing) -> Found:
        """Look whether an unclear action is there. Raises: `RetryLater`, `AuthorizationLost`."""
        if outgoing.action is Action.PUBLISH:
            return await self._find_pin(outgoing)
        try:
            pin = await self.api.get(f"pins/{_own(outgoing)}")
        except Refusal as refusal:
            gone = refusal.status == httpx.codes.NOT_FOUND
            if gone and outgoing.action is Action.DELETE:
                return Found(status="found")
            return Found(status="unknown", why=str(refusal))
        done = outgoing.action is Action.EDIT and pin.get("description") == outgoing.text
        return Found(status="found" if done else "absent")

    async def _find_pin(self, outgoing: Outgoing) -> Found:
        bookmark: str | None = None
        for _ in range(PAGES):
            query = {"page_size": "250"} | ({"bookmark": bookmark} if bookmark else {})
            page = await self.api.get("pins", query)
            for pin in page.get("items") or ():
                if _is_it(pin, outgoing):
                    return Found(status="found", ids=(str(pin["id"]),))
            bookmark = page.get("bookmark")
            if not bookmark:
                return Found(status="absent")
        return Found(status="unknown", why="there are too many pins to look through")


def review(draft: Draft, config: PinterestConfig) -> tuple[Finding, ...]:
    """Say what Pinterest would refuse, or treat as spam."""
    if draft.action is not Action.PUBLISH:
        return ()
    title, address = draft.details.get("title", ""), draft.details.get("link", "")
    alt_text = draft.details.get("alt_text", "")
    found = []
    if board_for(config, draft.details) is None:
        found.append(_block("board", _no_board(config, draft.details)))
    if not draft.attachments:
        found.append(_block("media", "a pin needs a picture or a video"))
    if len(title) > TITLE:
        found.append(
            _block("title", f"the title has {len(title)} characters, {TITLE} are possible")
        )
    if len(alt_text) > ALT_TEXT:
        found.append(
            _block("alt", f"the alt text has {len(alt_text)} characters, {ALT_TEXT} are possible")
        )
    if len(address) > LINK:
        found.append(_block("link", f"the link has {len(address)} characters, {LINK} are possible"))
    host = _host(address) if address else None
    if address and host is None:
        found.append(_block("link", "the link must be an address that begins with https://"))
    if host in SHORTENERS:
        found.append(
            Finding(level="warn", code="link", text="Pinterest treats link shorteners as spam")
        )
    return tuple(found)


SHORTENERS = frozenset({"bit.ly", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "buff.ly"})


def board_for(config: PinterestConfig, details: Mapping[str, str]) -> str | None:
    """Return the board that is named, else that of the topic, else the one for no topic.

    None for a topic without a board: its misspelling must not land among all the others.
    """
    topic = details.get("topic")
    return details.get("board") or (config.boards.get(topic) if topic else config.board)


def _no_board(config: PinterestConfig, details: Mapping[str, str]) -> str:
    topic = details.get("topic")
    if not topic:
        return "no board: set `board`"
    known = ", ".join(sorted(config.boards)) or "none"
    return f"no board for the topic {topic}; `boards` has: {known}"


def _host(address: str) -> str | None:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return None
    return url.host or None if url.scheme in {"https", "http"} else None


def _block(code: str, text: str) -> Finding:
    return Finding(level="block", code=code, text=text)


def _is_it(pin: Any, outgoing: Outgoing) -> bool:
    if not isinstance(pin, dict) or pin.get("id") in outgoing.taken:
        return False
    first, made = outgoing.first_sent_at, _made(pin)
    if first is not None and made is not None and made < first - SKEW:
        return False
    wanted = (outgoing.details.get("title") or None, outgoing.text or None)
    return (pin.get("title") or None, pin.get("description") or None) == wanted


def _made(pin: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(pin.get("created_at"))).replace(tzinfo=UTC)
    except ValueError:
        return None


def _own(outgoing: Outgoing) -> str:
    if outgoing.own_id is None:
        raise Rejected(f"{outgoing.action}: it is not said which pin of ours")
    return outgoing.own_id


def _mime(attachment: Attachment) -> str:
    name = attachment.name or attachment.path or ""
    return attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"


async def _bytes(attachment: Attachment) -> bytes:
    path = Path(str(attachment.path))
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise Rejected(
            f"{attachment.name or path.name} cannot be read: {error.strerror}"
        ) from error
