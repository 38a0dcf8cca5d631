"""Two invented networks for a desk to survive: `calm` does what it should, `wild` does not.

This file is copied to where a desk finds it by entry point; no test imports it from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import threading
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import attrs
from channelmix import Channel, Misconfigured, Plugin, Rejected, Services, hook
from channelmix.config import Secret, setting
from channelmix.records import (
    Action,
    Assign,
    Assignment,
    Attachment,
    AttachmentKind,
    Checked,
    Classify,
    Connect,
    Connected,
    Draft,
    Findings,
    Found,
    Happening,
    Identity,
    Ingested,
    Kind,
    Labels,
    Limits,
    Message,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Received,
    Renewed,
    Source,
    Split,
    Suggest,
    Suggestions,
    Unlocked,
    WebhookRequest,
)


@attrs.frozen(kw_only=True)
class CalmConfig:
    account: str = setting(help="The account.")
    secret: Secret = setting(help="What signs the webhooks.")
    mood: str = setting(default="calm", help="What it does wrong.")


@attrs.define(eq=False, kw_only=True, slots=False)
class Calm(Channel):
    """Its webhooks are signed lists of `{"id": ..., "text": ...}`."""

    network: ClassVar[str] = "calm"
    Config = CalmConfig
    account_field: ClassVar[str] = "account"
    limits: ClassVar = [Limits(actions={Action.PUBLIC_REPLY}, text=100)]

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        key = self.config.secret.reveal().encode()
        wanted = hmac.new(key, request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers.get("x-signature", ""), wanted):
            return Received.refuse("bad signature")
        return Received(payload=request.body)

    @hook
    def split(self, payload: Payload) -> Split:
        found = json.loads(payload.body)
        return Split(
            events=tuple(RawEvent(key=one["id"], body=json.dumps(one).encode()) for one in found)
        )

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        return Ingested(inbounds=(self.message(json.loads(event.body)),))

    def message(self, one: dict[str, Any]) -> Message:
        return Message(
            id=one["id"],
            kind=Kind.COMMENT,
            thread=one["id"],
            sent_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
            author=Identity(id=f"author of {one['id']}"),
            text=one["text"],
        )

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        return Receipt(ids=(f"answer {outgoing.token}",))


class Nasty(BaseException):
    """Nobody expects this one."""


@attrs.define(eq=False, kw_only=True, slots=False)
class Wild(Calm):
    """What goes wrong is its `mood`."""

    network: ClassVar[str] = "wild"
    sources: ClassVar = [Source(name="feed", every=timedelta(seconds=1))]

    def fail_at(self, hook_name: str) -> None:
        """Raise where the mood is the name of a hook, in that hook."""
        if self.config.mood == hook_name:
            raise Nasty(hook_name)

    def spoil(self, hook_name: str) -> Any:
        """Do what the mood says, in any hook."""
        self.fail_at(hook_name)
        match self.config.mood:
            case "raising":
                raise Nasty(hook_name)
            case "exiting":
                raise SystemExit(hook_name)
            case "lying":
                return object()
        return None

    async def spoil_waiting(self, hook_name: str) -> Any:
        if self.config.mood == "hanging":
            self.log.warning("hanging", hook=hook_name)
            await clinging()
        return self.spoil(hook_name)

    @hook
    async def open(self, services: Services) -> None:
        self.fail_at("open")
        match self.config.mood:
            case "leaking":
                for number in range(20):
                    asyncio.create_task(clinging(), name=f"leaked {number}")  # noqa: RUF006 - it is leaked on purpose
                asyncio.create_task(failing(self.config.secret.reveal()))  # noqa: RUF006 - as above
            case "talking":
                self.talk(self.config.secret.reveal())
                raise Misconfigured(f"the secret {self.config.secret.reveal()} is wrong")

    def talk(self, secret: str) -> None:
        self.log.warning("my secret", note=secret, mapping={"deep": [secret]})
        event = f"it is {secret}"
        self.log.error(event)
        logging.getLogger("wild").error("a library says %s", secret)
        warnings.warn(f"deprecated: {secret}", stacklevel=1)

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        self.fail_at("receive")
        return super().receive(request)

    @hook
    def split(self, payload: Payload) -> Split:
        self.fail_at("split")
        return super().split(payload)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        one = json.loads(event.body)
        match self.config.mood:
            case "backtracking":
                if re.fullmatch("(a+)+", one["text"]):  # which keeps the interpreter's lock
                    raise Rejected("never gets here")
            case "looping":
                while one["text"].startswith("loop"):
                    pass
            case "vanishing" if not (been_here := Path(one["text"])).exists():
                been_here.touch()
                os._exit(0)
        return self.spoil("ingest") or Ingested(inbounds=(self.message(one),))

    def message(self, one: dict[str, Any]) -> Message:
        photo = Attachment(kind=AttachmentKind.IMAGE, url="https://media.invalid/photo.jpg")
        wanted = self.config.mood == "unlock"
        return attrs.evolve(super().message(one), attachments=(photo,) if wanted else ())

    @hook
    async def unlock(self, attachment: Attachment) -> Unlocked | None:
        self.fail_at("unlock")
        return None

    @hook
    async def check(self, services: Services) -> Checked:
        return self.spoil("check") or Checked()

    @hook
    async def renew(self, services: Services) -> Renewed:
        return self.spoil("renew") or Renewed()

    @hook
    async def connect(self, request: Connect) -> Connected:
        return self.spoil("connect") or Connected()

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        return await self.spoil_waiting("poll") or Polled()

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        if self.config.mood == "reconcile":
            raise Nasty("so that nobody knows whether it arrived")
        return await self.spoil_waiting("reply") or Receipt()

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        return await self.spoil_waiting("reconcile") or Found(status="unknown")

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        self.fail_at("review")
        return None

    @hook
    async def suggest(self, request: Suggest) -> Suggestions | None:
        self.fail_at("suggest")
        return None

    @hook
    async def observe(self, happening: Happening) -> None:
        self.fail_at("observe")

    @hook
    async def close(self, services: Services) -> None:
        self.spoil("close")


@attrs.define(eq=False, kw_only=True, slots=False)
class Meddler(Plugin):
    """Is asked about every channel's messages, and takes part in nothing."""

    @hook
    async def classify(self, request: Classify) -> Labels | None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        raise Nasty(request.message.id)

    @hook
    async def assign(self, request: Assign) -> Assignment | None:
        raise Nasty("assign")

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        raise GeneratorExit

    @hook
    async def suggest(self, request: Suggest) -> Suggestions | None:
        raise asyncio.CancelledError

    @hook
    async def observe(self, happening: Happening) -> None:
        await clinging()


async def clinging() -> None:
    """Wait for ever, and never mind being cancelled."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def failing(secret: str) -> None:
    raise ValueError(f"nobody looks at this task, which knows {secret}")
