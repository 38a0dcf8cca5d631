"""A reply goes out at most once, and every outcome ends in its own state."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from channelmix import AuthorizationLost, Rejected, RetryLater, Uncertain
from channelmix.errors import NotFound, Refused
from channelmix.records import Action, Attachment, AttachmentKind, Draft, Message
from channelmix.store import outbox as rows
from channelmix.store import schema as s
from channelmix.testing.clock import FakeClock

QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}
PRIVATE = {"id": "d1", "by": "eva", "kind": "direct_message", "thread": "eva", "text": "Hello"}


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "state", "sent"),
    [
        (None, "sent", 1),
        (RetryLater("throttled", after=timedelta(milliseconds=10)), "sent", 1),
        (Rejected("spam"), "failed", 0),
        (Uncertain("timed out, but it arrived"), "sent", 1),
        (RuntimeError("a bug before the call"), "sent", 1),
    ],
)
async def test_each_outcome_has_its_state(open_desk, push, fault, state, sent, settle):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy_of(desk).faults = [fault] if fault else []
        await desk.reply(ticket, "Hello", agent="anna")
        await settle(desk)
        assert (await last(desk)).state == state
        assert len(toy_of(desk).arrived) == sent
        line = (await desk.tickets())[0]
        assert line.state == ("answered" if state == "sent" else "open")


@pytest.mark.slow
async def test_what_surely_did_not_arrive_is_sent_again(open_desk, push, settle):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy_of(desk).lost = True
        await desk.reply(ticket, "Hello", agent="anna")
        await settle(desk)
        line = await last(desk)
        assert (line.state, line.attempts, len(toy_of(desk).arrived)) == ("sent", 2, 1)


async def test_an_echo_clears_what_is_uncertain(open_desk, push, monkeypatch, settle, until):
    monkeypatch.setattr("channelmix.outbox.FIRST_LOOK", timedelta(hours=1))
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy_of(desk).faults = [Uncertain("timed out")]
        await desk.reply(ticket, "Hello", agent="anna")

        async def reached():
            return (await last(desk)).state == "uncertain"

        await until(desk, reached)
        echo = {"type": "echo", "id": "e1", "by": "acme", "text": " Hello\n", "parent": "c1"}
        await push(desk, echo, {**echo, "id": "e2", "at": 1_700_000_500})
        await settle(desk)
        line = await last(desk)
        assert (line.state, line.ids) == ("sent", ("e1",))
        messages = {one.id: one.native for one in (await desk.ticket(ticket)).messages}
        assert messages == {"c1": False, "e1": False, "e2": True}


async def test_an_echo_that_came_before_the_time_out_clears_it_too(
    open_desk, push, monkeypatch, settle, until
):
    monkeypatch.setattr("channelmix.outbox.FIRST_LOOK", timedelta(hours=1))
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        held = asyncio.Event()
        toy = toy_of(desk)

        async def slow(_request):
            await push(
                desk, {"type": "echo", "id": "e1", "by": "acme", "text": "Hello", "parent": "c1"}
            )
            await held.wait()
            raise Uncertain("timed out")

        calling = desk.dispatch.addressed
        desk.dispatch.addressed = lambda name, hook, record: (
            slow(record) if hook == "reply" else calling(name, hook, record)
        )
        await desk.reply(ticket, "Hello", agent="anna")

        async def reached():
            return (await desk.ticket(ticket)).messages[1:]

        await until(desk, reached)
        held.set()
        await settle(desk)
        assert (await last(desk)).ids == ("e1",)
        assert toy.arrived == []


@pytest.mark.slow
async def test_what_nobody_can_tell_goes_to_a_person(open_desk, push, monkeypatch, settle):
    monkeypatch.setattr("channelmix.reconciling.LOOKS", 1)
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy = toy_of(desk)
        calling = desk.dispatch.addressed

        async def blind(name, hook, record):
            if hook == "reconcile":
                raise RetryLater("the network is down")
            return await calling(name, hook, record)

        desk.dispatch.addressed = blind
        toy.lost = True
        outbox = await desk.reply(ticket, "Hello", agent="anna")
        await settle(desk)
        line = await last(desk)
        assert (line.state, line.for_person) == ("uncertain", True)
        await desk.resolve(outbox, arrived=True)
        assert (await last(desk)).state == "sent"
        assert toy.arrived == []
        with pytest.raises(Refused, match="is not uncertain"):
            await desk.resolve(outbox, arrived=False)


async def test_lost_authorization_keeps_the_reply_and_says_so(open_desk, push, settle, until):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy_of(desk).faults = [AuthorizationLost("log in again")]
        outbox = await desk.reply(ticket, "Hello", agent="anna")

        async def reached():
            return (await last(desk)).error is not None

        await until(desk, reached)
        assert (await last(desk)).state == "queued"
        assert (await desk.channels())[0].state == "unauthorized"
        await push(desk, {"id": "c2", "by": "ben", "text": "still taken in"})
        await desk.cancel(outbox)
        await settle(desk)
        assert len(await desk.tickets()) == 2


async def test_the_same_answer_twice_is_refused(open_desk, push, settle):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        await desk.reply(ticket, "Hello", agent="anna")
        with pytest.raises(Refused, match="a moment ago by anna"):
            await desk.reply(ticket, "Hello", agent="ben")
        await settle(desk)
        assert len(toy_of(desk).arrived) == 1


async def test_a_failed_reply_can_be_sent_again(open_desk, push, settle):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        toy_of(desk).faults = [Rejected("not today")]
        outbox = await desk.reply(ticket, "Hello", agent="anna")
        await settle(desk)
        await desk.retry(outbox)
        await settle(desk)
        assert (await last(desk)).state == "sent"
        for wrong in (desk.retry(outbox), desk.cancel(outbox)):
            with pytest.raises(Refused):
                await wrong


async def test_text_and_pictures_go_apart_where_the_network_wants_it(open_desk, push, settle):
    now = int(datetime.now(UTC).timestamp())
    async with open_desk() as desk:
        ticket = await asked(desk, push, {**PRIVATE, "at": now})
        pictures = [
            Attachment(kind=AttachmentKind.IMAGE, url=f"https://x.invalid/{n}") for n in "ab"
        ]
        await desk.reply(ticket, "Look:", agent="anna", attachments=pictures)
        await settle(desk)
        sent = [(one.text, len(one.attachments)) for one in toy_of(desk).arrived]
        assert sent == [("Look:", 0), ("", 1), ("", 1)]
        assert (await last(desk)).ids == ("r1", "r2", "r3")


async def test_a_part_that_fails_cancels_what_would_follow(open_desk, push, settle):
    now = int(datetime.now(UTC).timestamp())
    async with open_desk() as desk:
        ticket = await asked(desk, push, {**PRIVATE, "at": now})
        toy_of(desk).faults = [Rejected("no")]
        picture = Attachment(kind=AttachmentKind.IMAGE, url="https://x.invalid/a")
        await desk.reply(ticket, "Look:", agent="anna", attachments=[picture])
        await settle(desk)
        assert (await last(desk)).state == "failed"
        assert toy_of(desk).arrived == []


@pytest.mark.parametrize(
    ("age", "automatic", "blocked"),
    [
        (timedelta(hours=23, minutes=59), True, False),
        (timedelta(hours=24, minutes=1), True, True),
        (timedelta(hours=24, minutes=1), False, False),
        (timedelta(days=7, minutes=1), False, True),
    ],
)
async def test_windows_are_checked_before_anything_is_sent(
    open_desk, push, age, automatic, blocked, settle
):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, {**PRIVATE, "at": int(clock.now().timestamp())})
        clock.advance(age)
        if blocked:
            with pytest.raises(Refused, match="window is closed"):
                await desk.reply(ticket, "Hello", agent="anna", automatic=automatic)
        else:
            await desk.reply(ticket, "Hello", agent="anna", automatic=automatic)
            await settle(desk)
        assert len(toy_of(desk).arrived) == (not blocked)


@pytest.mark.slow
async def test_a_window_that_closes_in_the_queue_stops_the_reply(open_desk, push, settle, until):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, {**PRIVATE, "at": int(clock.now().timestamp())})
        toy_of(desk).faults = [RetryLater("throttled", after=timedelta(days=8))]
        await desk.reply(ticket, "Hello", agent="anna")

        async def reached():
            return (await last(desk)).error is not None

        await until(desk, reached)
        clock.advance(timedelta(days=9))
        await settle(desk)
        line = await last(desk)
        assert line.state == "failed"
        assert "window is closed" in (line.error or "")
        assert toy_of(desk).arrived == []


async def test_findings_say_what_is_wrong(open_desk, push):
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        message = (await desk.ticket(ticket)).messages[0]
        target = Message(id=message.id, kind=message.kind, thread="post-1", sent_at=message.sent_at)

        async def codes(**draft):
            asked_of = {"channel": "toy", "target": target, "action": Action.PUBLIC_REPLY, **draft}
            return [one.code for one in await desk.review(Draft(**asked_of))]

        assert await codes(text="fine") == []
        assert await codes(text="x" * 100) == []
        assert await codes(text="x" * 101) == ["length"]
        assert await codes(text=" ") == ["empty"]
        assert await codes(action=Action.LIKE) == ["unsupported"]
        assert await codes(action=Action.HIDE, text="why") == ["text"]
        image = Attachment(kind=AttachmentKind.IMAGE)
        assert await codes(text="x", attachments=(image,)) == ["attachments"]
        with pytest.raises(NotFound):
            await desk.review(Draft(channel="nowhere", action=Action.HIDE))


async def test_one_private_reply_for_each_comment(open_desk, push, settle):
    now = int(datetime.now(UTC).timestamp())
    async with open_desk() as desk:
        ticket = await asked(desk, push, {**QUESTION, "at": now})
        await desk.reply(ticket, "In private:", agent="anna", private=True)
        with pytest.raises(Refused, match="only one private reply"):
            await desk.reply(ticket, "And again", agent="anna", private=True)
        await desk.act(ticket, Action.HIDE, by="anna")
        await settle(desk)
        assert [one.action for one in toy_of(desk).arrived] == [Action.PRIVATE_REPLY, Action.HIDE]


@pytest.mark.slow
async def test_a_part_whose_sender_vanished_is_looked_for_and_not_sent_blindly(
    open_desk, push, settle
):
    async with open_desk(work=False) as desk:
        await push(desk, QUESTION)
    async with open_desk() as desk:
        await settle(desk)
    async with open_desk(work=False) as desk:
        (line,) = await desk.tickets()
        await desk.reply(line.id, "Hello", agent="anna")
        now = desk.clock.now()
        claim = {"channel": "toy", "owner": "gone", "now": now, "hold": timedelta(0), "limit": 9}
        (claimed,) = await desk.store.write(lambda c: rows.claim(c, **claim))
        toy_of(desk).arrived.append(claimed.outgoing)
        taken = list(toy_of(desk).arrived)
    async with open_desk() as desk:
        toy_of(desk).arrived[:] = taken
        await settle(desk)
        assert (await last(desk)).state == "sent"
        assert len(toy_of(desk).arrived) == 1
        how = sa.select(s.receipts.c.how)
        assert await desk.store.read(lambda c: c.execute(how).scalars().all()) == ["reconcile"]


async def test_closing_the_desk_leaves_no_reply_in_doubt_about_being_in_doubt(
    open_desk, push, monkeypatch
):
    monkeypatch.setattr("channelmix.workers.STOP_SECONDS", 0.05)
    started = asyncio.Event()
    async with open_desk() as desk:
        ticket = await asked(desk, push)
        calling = desk.dispatch.addressed

        async def hang(name, hook, record):
            if hook == "reply":
                started.set()
                await asyncio.Event().wait()
            return await calling(name, hook, record)

        desk.dispatch.addressed = hang
        await desk.reply(ticket, "Hello", agent="anna")
        await started.wait()
    async with open_desk(work=False) as desk:
        assert (await last(desk)).state == "uncertain"


@pytest.mark.slow
async def test_an_attached_file_is_kept_until_it_is_sent(open_desk, push, tmp_path, settle):
    now = int(datetime.now(UTC).timestamp())
    async with open_desk() as desk:
        ticket = await asked(desk, push, {**PRIVATE, "at": now})
        picture = tmp_path / "Plan.PNG"
        picture.write_bytes(b"pixels")
        attachment = Attachment(kind=AttachmentKind.IMAGE, path=str(picture))
        toy_of(desk).faults = [RetryLater("throttled", after=timedelta(milliseconds=1))]
        await desk.reply(ticket, "", agent="anna", attachments=[attachment])
        picture.unlink()
        await settle(desk)
        (sent,) = toy_of(desk).arrived[0].attachments
        assert (sent.name, Path(sent.path).read_bytes()) == ("Plan.PNG", b"pixels")
        with pytest.raises(Refused, match="cannot be read"):
            await desk.reply(ticket, "Again", agent="anna", attachments=[attachment])
