"""Replies in doubt: what proves that they arrived, and when a person is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from channelmix import RetryLater, Uncertain
from channelmix.clock import Turning
from channelmix.errors import Refused
from channelmix.reconciling import Reconciler
from channelmix.records import Attachment, AttachmentKind, Found
from channelmix.store import schema as s
from channelmix.testing.clock import FakeClock

QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}
ECHO = {"type": "echo", "id": "e1", "by": "acme", "text": "Hello", "parent": "c1"}


async def asked(desk, push, event=QUESTION):
    await push(desk, event)
    async with asyncio.timeout(15):
        await desk.drain()
    (line,) = await desk.tickets()
    return line.id


async def last(desk):
    return (await desk.outbox())[0]


def toy_of(desk):
    return desk.registry.get("toy")


async def token(desk):
    return await desk.store.read(lambda c: c.execute(sa.select(s.outbox_parts.c.token)).scalar())


@pytest.mark.slow
@pytest.mark.parametrize("by_token", [True, False])
async def test_an_echo_stops_what_was_queued_again(open_desk, push, until, settle, by_token):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy_of(desk).lost = True
        brake = desk.assembly.brakes["toy"]
        looking = desk.dispatch.addressed

        async def hold_after_look(name, hook, record):
            if hook == "reconcile":
                brake.hold(desk.clock.now() + timedelta(hours=1), "limit", replies=True)
            return await looking(name, hook, record)

        desk.dispatch.addressed = hold_after_look
        await desk.reply(ticket, "Hello", agent="anna")

        async def queued_again():
            line = await last(desk)
            return line.state == "queued" and line.attempts == 1

        await until(desk, queued_again)
        text = "another wording" if by_token else "Hello"
        await push(desk, {**ECHO, "text": text, "token": await token(desk) if by_token else None})
        await settle(desk)
        line = await last(desk)
        assert (line.state, line.ids, toy_of(desk).arrived) == ("sent", ("e1",), [])


async def test_an_echo_proves_also_what_was_given_up(open_desk, push, settle):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        brake = desk.assembly.brakes["toy"]
        brake.hold(desk.clock.now() + timedelta(hours=1), "limit", replies=True)
        outbox = await desk.reply(ticket, "Hello", agent="anna")
        await desk.cancel(outbox)
        await push(desk, {**ECHO, "token": await token(desk)})
        await settle(desk)
        assert (await last(desk)).state == "sent"
        with pytest.raises(Refused):
            await desk.retry(outbox)


async def test_a_double_click_with_a_picture_goes_out_once(open_desk, push, settle, tmp_path):
    now = int(datetime.now(UTC).timestamp())
    message = {"id": "d1", "by": "eva", "kind": "direct_message", "thread": "eva", "at": now}
    pictures = []
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
        pictures.append(Attachment(kind=AttachmentKind.IMAGE, path=str(tmp_path / name)))
    async with open_desk() as desk:
        ticket = await asked(desk, push, {**message, "text": "Hello"})
        await desk.reply(ticket, "Look", agent="anna", attachments=pictures[:1])
        with pytest.raises(Refused, match="a moment ago by anna"):
            await desk.reply(ticket, "Look", agent="ben", attachments=pictures[:1])
        await desk.reply(ticket, "Look", agent="anna", attachments=pictures[1:])
        await settle(desk)
        assert len(toy_of(desk).arrived) == 4


@pytest.mark.slow
async def test_what_is_taken_again_and_again_and_never_shown_is_for_a_person(
    open_desk, push, settle, monkeypatch
):
    monkeypatch.setattr("channelmix.reconciling.LOST", 2)
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        calls = []
        calling = desk.dispatch.addressed

        async def swallow(name, hook, record):
            if hook == "reply":
                calls.append(record)
                raise Uncertain("500")
            if hook == "reconcile":
                return Found(status="absent")
            return await calling(name, hook, record)

        desk.dispatch.addressed = swallow
        await desk.reply(ticket, "Hello", agent="anna")
        await settle(desk)
        line = await last(desk)
        assert (line.state, line.for_person, len(calls)) == ("uncertain", True, 2)


async def test_a_sender_that_slept_does_not_take_its_own_part_for_lost(open_desk, push, until):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    gate, calls = asyncio.Event(), []
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push)
        calling = desk.dispatch.addressed

        async def slow(name, hook, record):
            if hook == "reply":
                calls.append(record)
                await gate.wait()
            return await calling(name, hook, record)

        desk.dispatch.addressed = slow
        await desk.reply(ticket, "Hello", agent="anna")

        async def sending():
            return bool(calls)

        await until(desk, sending)
        clock.advance(timedelta(minutes=10))
        (sender,) = desk._workers._senders
        looking = Reconciler(
            store=desk.store,
            dispatch=desk.dispatch,
            clock=clock,
            channel=toy_of(desk),
            rules=desk.rules,
            sender=sender,
            turning=Turning(clock),
            reconciles=True,
        )
        await looking.step()
        assert (await last(desk)).state == "sending"
        gate.set()

        async def sent():
            return (await last(desk)).state == "sent"

        await until(desk, sent)
        assert len(calls) == 1


@pytest.mark.slow
async def test_after_a_person_says_again_the_time_to_try_begins_anew(open_desk, push, until):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push)
        calling, waits = desk.dispatch.addressed, [timedelta(hours=25)] * 2

        async def busy(name, hook, record):
            if hook == "reply" and waits:
                raise RetryLater("busy", after=waits.pop())
            return await calling(name, hook, record)

        desk.dispatch.addressed = busy
        outbox = await desk.reply(ticket, "Hello", agent="anna")

        async def reached(state, error):
            line = await last(desk)
            return line.state == state and (line.error is not None) == error

        await until(desk, lambda: reached("queued", error=True))
        clock.advance(timedelta(hours=26))
        await until(desk, lambda: reached("failed", error=True))
        waits.append(timedelta(seconds=1))
        await desk.retry(outbox)
        await until(desk, lambda: reached("queued", error=True))
        clock.advance(timedelta(seconds=2))
        await until(desk, lambda: reached("sent", error=False))
