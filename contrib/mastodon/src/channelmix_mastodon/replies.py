"""Answering, changing and deleting answers, and looking whether an answer arrived."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx
from attrs import evolve, frozen
from channelmix.errors import Rejected, RetryLater, Uncertain
from channelmix.records import (
    Action,
    Attachment,
    AttachmentKind,
    Found,
    Kind,
    Limits,
    Outgoing,
    Receipt,
)

from channelmix_mastodon import text, wire
from channelmix_mastodon.client import Client, Gone

FILES = 4
SAY = Limits(
    actions=frozenset({Action.PUBLIC_REPLY, Action.PRIVATE_REPLY}),
    kinds=frozenset({Kind.MENTION, Kind.COMMENT}),
    text=text.ROOM,
    count=text.count,
    attachments=FILES,
    media=frozenset({AttachmentKind.IMAGE, AttachmentKind.VIDEO, AttachmentKind.AUDIO}),
)
SAY_DIRECTLY = evolve(
    SAY, actions=frozenset({Action.PRIVATE_REPLY}), kinds=frozenset({Kind.DIRECT_MESSAGE})
)
CHANGE = Limits(actions=frozenset({Action.EDIT}), text=text.ROOM, count=text.count)
DELETE = Limits(actions=frozenset({Action.DELETE}))
LIMITS = (SAY, SAY_DIRECTLY, CHANGE, DELETE)

SLACK = timedelta(minutes=5)
"""How far the server's clock may be behind ours."""
PAGES = 5
PATIENCE = 11
"""How often it is asked whether a file has been processed: over half a minute, ever more seldom."""


@frozen(kw_only=True)
class Speaker:
    """What one account says."""

    client: Client

    async def carry_out(self, outgoing: Outgoing) -> Receipt:
        """Do what is asked, with one call that changes anything and is never repeated here."""
        match outgoing.action:
            case Action.PUBLIC_REPLY | Action.PRIVATE_REPLY:
                return await self._say(outgoing)
            case Action.EDIT:
                return await self._edit(outgoing)
            case Action.DELETE:
                return await self._delete(outgoing)
        raise Rejected(f"Mastodon is not asked to {outgoing.action.value}")

    async def _say(self, outgoing: Outgoing) -> Receipt:
        if outgoing.target is None:
            raise Rejected("this channel answers; it publishes nothing of its own")
        target = await self._get(outgoing.target.id)
        named = text.mentions(outgoing.text, target.account.acct)
        said = outgoing.text if named else f"@{target.account.acct} {outgoing.text}"
        private = outgoing.action is Action.PRIVATE_REPLY
        body = {
            "status": said,
            "in_reply_to_id": outgoing.previous or target.id,
            "visibility": "direct" if private else target.visibility,
            "media_ids": [await self._upload(one) for one in _fit(outgoing.attachments)],
        }
        answer = await self.client.call(
            "POST",
            "/api/v1/statuses",
            otherwise=Uncertain,
            headers={"Idempotency-Key": outgoing.token},
            json=body,
        )
        status = wire.read(answer.content, wire.Status, Uncertain)
        return Receipt(ids=(status.id,), url=status.url)

    async def _get(self, number: str) -> wire.Status:
        return await self.client.get(f"/api/v1/statuses/{number}", wire.Status)

    async def _source(self, number: str) -> wire.Source:
        return await self.client.get(f"/api/v1/statuses/{number}/source", wire.Source)

    async def _upload(self, attachment: Attachment) -> str:
        """Upload a file and wait until it can be used. Nothing is said by that."""
        if attachment.path is None:
            raise Rejected("a Mastodon server takes files, and fetches no addresses")
        path = Path(attachment.path)
        name = attachment.name or path.name
        mime = attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise Rejected(f"{name} cannot be read: {type(error).__name__}") from error
        answer = await self.client.call(
            "POST",
            "/api/v2/media",
            files={"file": (name, content, mime)},
            data={"description": attachment.text} if attachment.text else {},
        )
        media = wire.read(answer.content, wire.Media, RetryLater)
        for tried in range(PATIENCE):
            if answer.status_code == httpx.codes.OK:
                break
            await asyncio.sleep(0.1 * 1.6**tried)
            answer = await self.client.call("GET", f"/api/v1/media/{media.id}")
        if answer.status_code != httpx.codes.OK:
            raise RetryLater("the server is still processing the file", after=timedelta(minutes=1))
        return media.id

    async def _edit(self, outgoing: Outgoing) -> Receipt:
        number = _own(outgoing)
        status, source = await self._get(number), await self._source(number)
        body = {
            "status": _addressed(source.text, outgoing.text),
            "spoiler_text": source.spoiler_text,
            "sensitive": status.sensitive,
            "language": status.language,
            "media_ids": [one.id for one in status.media_attachments],
        }
        path = f"/api/v1/statuses/{number}"
        answer = await self.client.call("PUT", path, otherwise=Uncertain, json=body)
        return Receipt(ids=(number,), url=wire.read(answer.content, wire.Status, Uncertain).url)

    async def _delete(self, outgoing: Outgoing) -> Receipt:
        number = _own(outgoing)
        path = f"/api/v1/statuses/{number}"
        await self.client.call("DELETE", path, otherwise=Uncertain)
        return Receipt(ids=(number,))

    async def find(self, outgoing: Outgoing, me: str) -> Found:
        """Look whether something uncertain was carried out."""
        match outgoing.action:
            case Action.EDIT:
                return await self._find_edited(outgoing)
            case Action.DELETE:
                return await self._find_deleted(outgoing)
        return await self._find_said(outgoing, me)

    async def _find_said(self, outgoing: Outgoing, me: str) -> Found:
        """Look through what the account said, back to when this was first sent."""
        if outgoing.target is None:
            return Found(status="unknown", why="it answers nothing")
        before: Mapping[str, str] = {}
        for _ in range(PAGES):
            page = await self._ours(me, before)
            for status in page:
                if outgoing.first_sent_at and status.created_at < outgoing.first_sent_at - SLACK:
                    return Found(status="absent")
                if await self._is(status, outgoing, outgoing.target.id):
                    return Found(status="found", ids=(status.id,))
            if not page:
                return Found(status="absent")
            before = {"max_id": page[-1].id}
        return Found(status="unknown", why="the account has said too much since then")

    async def _ours(self, me: str, before: Mapping[str, str]) -> list[wire.Status]:
        asked = {"exclude_reblogs": "true", "limit": "40", **before}
        path = f"/api/v1/accounts/{me}/statuses"
        return await self.client.get(path, list[wire.Status], tuple(asked.items()))

    async def _is(self, status: wire.Status, outgoing: Outgoing, target: str) -> bool:
        """Whether one of our posts is what was sent, by its place and by its text as typed."""
        place = status.in_reply_to_id == (outgoing.previous or target)
        files = len(status.media_attachments) == len(outgoing.attachments)
        if not place or not files or status.id in outgoing.taken:
            return False
        return _same(await self._typed(status.id), outgoing.text)

    async def _typed(self, number: str) -> str | None:
        try:
            return (await self._source(number)).text
        except Gone:
            return None

    async def _find_edited(self, outgoing: Outgoing) -> Found:
        number = _own(outgoing)
        same = _same(await self._typed(number), outgoing.text)
        return Found(status="found", ids=(number,)) if same else Found(status="absent")

    async def _find_deleted(self, outgoing: Outgoing) -> Found:
        number = _own(outgoing)
        try:
            await self._get(number)
        except Gone:
            return Found(status="found", ids=(number,))
        return Found(status="absent")


def _own(outgoing: Outgoing) -> str:
    if outgoing.own_id is None:
        raise Rejected(f"nothing is named to {outgoing.action.value}")
    return outgoing.own_id


def _leading(typed: str) -> str:
    """Return the mentions that a text begins with: an answer loses nobody by being edited."""
    found = text.LEADING.match(typed)
    return found[0] if found else ""


def _addressed(typed: str, said: str) -> str:
    leading = _leading(typed)
    return said if leading and said.startswith(leading) else leading + said


def _same(typed: str | None, said: str) -> bool:
    """Whether a text as the server keeps it is ours, with or without the mention before it."""
    if typed is None:
        return False
    return said.strip() in {typed.strip(), typed.removeprefix(_leading(typed)).strip()}


def _fit(attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """Refuse what one post cannot hold: four pictures, or one film, or one sound."""
    pictures = all(one.kind is AttachmentKind.IMAGE for one in attachments)
    if len(attachments) > (FILES if pictures else 1):
        raise Rejected("a post has four pictures, or one film, or one sound")
    return attachments
