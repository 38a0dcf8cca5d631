"""Replies under test: the ways in which a channel answers, and what is answered."""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from channelmix.errors import Rejected
from channelmix.records import (
    Action,
    Attachment,
    AttachmentKind,
    Echo,
    Inbound,
    Kind,
    Limits,
    Lookup,
    Message,
    Outgoing,
    Poll,
    Polled,
    RawEvent,
    limits_for,
)
from channelmix.testing.conformance.needs import SPEAKING
from channelmix.testing.conformance.subject import Living, Subject, delivered

PAGES = 100
"""How many pages of a source are read at the most."""


@frozen(kw_only=True)
class Way:
    """One action on one kind of message, as the channel declares it."""

    action: Action
    kind: Kind | None
    """None for what answers nothing (`publish`)."""
    limits: Limits
    subject: Subject

    def __str__(self) -> str:
        """Name it as a finding does."""
        return f"{self.action} on {self.kind}" if self.kind else str(self.action)

    async def outgoing(
        self, living: Living, text: str, *attachments: Attachment, own: str | None = None
    ) -> Outgoing:
        """Let a customer say something, and make the part that answers it."""
        target = await heard(self.subject, living, self.kind) if self.kind else None
        return Outgoing(
            token=f"key-{len(living.sim.spoken())}-{len(text)}",
            channel=living.plugin.name,
            action=self.action,
            target=target,
            own_id=own if self.action in {Action.EDIT, Action.DELETE} else None,
            text=text,
            attachments=attachments,
            window_opened_at=target.sent_at if target else None,
            first_sent_at=living.clock.now(),
        )

    def taken(self, outgoing: Outgoing, ids: list[str]) -> Outgoing:
        """Make the same part, with these ids used up by others."""
        return attrs.evolve(outgoing, taken=frozenset(ids))


def ways(subject: Subject, *, speaking_too: bool = True) -> list[Way]:
    """Return how the channel says something; or else what more it can do."""
    limits = subject.channel.limits
    kinds: list[Kind] = list(subject.simulated().kinds)
    found: list[Way] = []
    for action in (one for one in Action if (one in SPEAKING) is speaking_too):
        for kind in (None,) if action is Action.PUBLISH else kinds:
            if (one := limits_for(limits, action, kind)) is not None:
                found += [Way(action=action, kind=kind, limits=one, subject=subject)]
    return found


async def speaking(subject: Subject) -> AsyncIterator[tuple[Living, Way]]:
    """Set a new stage for each way of answering.

    Raises: `LookupError` where the simulated customers do nothing that could be answered.
    """
    found = ways(subject)
    if not found:
        raise LookupError(
            "the simulator's `kinds` hold nothing that the channel declares to answer"
        )
    for way in found:
        async with subject.stage() as living:
            yield living, way


async def heard(subject: Subject, living: Living, kind: Kind) -> Message:
    """Let a customer say something, and take it in by the plugin's own road.

    Raises: `LookupError` if it does not come.
    """
    number = len(living.sim.events())
    said = living.sim.customer(kind, f"Wo bleibt mein Paket? {number}")
    for one in await inbounds(subject, living):
        if isinstance(one, Message) and one.id == said:
            return one
    raise LookupError(f"what a customer said ({kind} {said}) does not come, by webhook or by poll")


async def inbounds(
    subject: Subject, living: Living, cursors: dict[str, Any] | None = None
) -> list[Inbound]:
    """Take in what waits: what webhooks tell, and what every poll finds.

    Polls go on from `cursors`, by source, and leave there where they ended; left out, they begin
    anew.
    """
    cursors = {} if cursors is None else cursors
    events: list[RawEvent] = []
    for request in delivered(living.sim) if subject.implements("receive") else ():
        received = await living.receive(request)
        if received.payload is not None:
            events += await living.split(received.payload)
    for source in subject.polled() if subject.implements("poll") else ():
        events += await _polled(living, source, cursors)
    return [one for event in events for one in await _looked_up(living, event)]


async def _polled(living: Living, source: str, cursors: dict[str, Any]) -> list[RawEvent]:
    found: list[RawEvent] = []
    for _ in range(PAGES):
        wanted = Poll(source=source, cursor=cursors.get(source))
        page: Polled = await living.ask("poll", wanted)
        found += [living.arrived(one, source) for one in page.events]
        cursors[source] = page.cursor
        if not page.more:
            break
    return found


async def _looked_up(living: Living, event: RawEvent) -> list[Inbound]:
    """Say what an event means; where only an id came, what is behind it."""
    found: list[Inbound] = []
    for one in await living.ingest(event):
        found += await _behind(living, one) if isinstance(one, Lookup) else [one]
    return found


async def _behind(living: Living, lookup: Lookup) -> list[Inbound]:
    wanted = Poll(source=lookup.source, argument=lookup.argument)
    try:
        page: Polled = await living.ask("poll", wanted)
    except Rejected:  # it is gone
        return []
    events = [living.arrived(one, lookup.source) for one in page.events]
    return [one for event in events for one in await living.ingest(event)]


def said_by(inbound: Inbound) -> Message | None:
    """Return the message in an inbound, None if it has none."""
    if isinstance(inbound, Echo):
        return inbound.message
    return inbound if isinstance(inbound, Message) else None


def exactly(limits: Limits, unit: str) -> str:
    """Make the longest text that is allowed, of `unit` and, where that does not fit, of `a`."""
    most = limits.text or 0
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if limits.count(unit * middle) <= most else (low, middle - 1)
    text = unit * low
    while limits.count(f"{text}a") <= most:
        text += "a" * max(1, most - limits.count(text))
    return text


@asynccontextmanager
async def nowhere(subject: Subject, living: Living) -> AsyncIterator[Living]:
    """Make an instance that talks to a port at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        section: Mapping[str, Any] = {**living.sim.section, "api_url": address}
        async with subject.living(**section) as away:
            away.vault.values = dict(living.vault.values)
            yield away


@frozen
class File:
    """A small file of a kind that networks take."""

    name: str
    mime: str
    content: bytes

    def attachment(self, kind: AttachmentKind, folder: Path) -> Attachment:
        """Write it, and make the attachment."""
        path = folder / self.name
        path.write_bytes(self.content)
        return Attachment(
            kind=kind, path=str(path), name=self.name, mime=self.mime, size=len(self.content)
        )


_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES: Mapping[AttachmentKind, File] = {
    AttachmentKind.IMAGE: File("dot.png", "image/png", _PNG),
    AttachmentKind.VIDEO: File(
        "film.mp4", "video/mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(64)
    ),
    AttachmentKind.AUDIO: File(
        "word.wav", "audio/wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28)
    ),
    AttachmentKind.FILE: File("plan.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n"),
}
