"""Several workers share one store: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import evolve
from channelmix import answering, hook
from channelmix.errors import Refused
from channelmix.hookspecs import Plugin
from channelmix.outbox import unclear
from channelmix.records import (
    Attachment,
    AttachmentKind,
    Deletion,
    Echo,
    Edit,
    Identity,
    Kind,
    Message,
    OutboxState,
    RawEvent,
    Road,
    TicketState,
)
from channelmix.store import apply as applying
from channelmix.store import feed, items, journal, locks, outbox, outcomes, tickets
from channelmix.store import schema as s
from channelmix.store.engine import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Job = Callable[[sa.Connection], Any]


def said(name: str, by: str = "eva", **more: Any) -> Message:
    told = {"text": f"this is {name}", "thread": "post-1", "sent_at": NOW, "kind": Kind.COMMENT}
    return Message(id=name, author=Identity(id=by, name=by.title()), **{**told, **more})


class Meeting:
    """Two workers on one store, brought together in the middle of their transactions."""

    def __init__(self, one: Store, two: Store, rules: Any) -> None:
        self.one, self.two, self.rules = one, two, rules
        self.shares_file = one.url.get_backend_name() == "sqlite"
        self.waited = False
        self.runs = 0
        self._keys = map(str, itertools.count())

    async def job(self, owner: str, *inbounds: Any) -> Job:
        """Store inbounds as events, lease them to `owner`, return the job that applies them."""
        events = [("toy", RawEvent(key=next(self._keys), body=b"{}")) for _ in inbounds]
        came = journal.Arrival(scope="toy", app="toy", road=Road.PUSH, events=events, at=NOW)
        await self.one.write(lambda c: journal.append(c, came))
        lease = partial(journal.lease, owner=owner, now=NOW, hold=MINUTE, limit=len(inbounds))
        leased = (await self.one.write(lease)).events
        works = [
            applying.Work(event=event, inbounds=(told,))
            for event, told in zip(leased, inbounds, strict=True)
        ]
        return lambda c: applying.apply(c, works, owner=owner, rules=self.rules, now=NOW)

    async def apply(self, *inbounds: Any) -> None:
        await self.one.write(await self.job("one", *inbounds))

    async def apply_both(self, first: Any, second: Any) -> None:
        await self.both(await self.job("one", first), await self.job("two", second))

    async def both(self, first: Job, second: Job, meanwhile: Any = None) -> list[Any]:
        """Run `second` while `first` has done all its work and has not committed."""
        inside, go = threading.Event(), threading.Event()

        def held(connection: sa.Connection) -> Any:
            self.runs += 1
            done = first(connection)
            inside.set()
            assert go.wait(20)
            return done

        running = asyncio.ensure_future(self.one.write(held))
        await asyncio.to_thread(inside.wait, 20)
        other = asyncio.ensure_future(self.two.write(second))
        while not other.done() and not await self._waits():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        self.waited = not other.done()
        if meanwhile is not None:
            await meanwhile()
        go.set()
        return list(await asyncio.gather(running, other, return_exceptions=True))

    async def _waits(self) -> bool:
        """Say whether a transaction waits for another; on SQLite the second always does."""
        if self.shares_file:
            return True
        waiting = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(await self.one.read(lambda c: c.exec_driver_sql(waiting).scalar()))

    async def rows(self, table: sa.Table) -> list[Any]:
        query = sa.select(table).order_by(*table.primary_key.columns)
        return list(await self.one.read(lambda c: c.execute(query).all()))

    async def judged_anew(self) -> list[feed.Fresh]:
        """What would change if every ticket were judged again: nothing, if none was lost."""
        every = [row.id for row in await self.rows(s.tickets)]
        return await self.one.write(
            lambda c: tickets.reproject(c, tickets.of(c, every), rules=self.rules, now=NOW)
        )


@contextlib.contextmanager
def opened(url: str) -> Iterator[Store]:
    store = Store(url)
    store.open()
    yield store
    store.close()


@pytest.fixture
async def meeting(database: str, open_desk: Any) -> AsyncIterator[Meeting]:
    async with open_desk(work=False, agents={"anna": {}}) as desk:
        with opened(database) as one, opened(database) as two:
            meeting = Meeting(one, two, desk.rules)
            yield meeting
            ledger = await desk.ledger()
            assert ledger.adds_up, ledger.balances
            assert "quarantined" not in ledger.fates
            assert await meeting.judged_anew() == []
            assert meeting.runs <= 1


@pytest.mark.parametrize("known", [False, True])
async def test_two_workers_on_a_new_thread_open_one_ticket(meeting: Meeting, known: Any) -> None:
    if known:
        await meeting.apply(said("c0", thread="post-0"))
    await meeting.apply_both(said("c1"), said("c2", sent_at=NOW + MINUTE))
    await one_ticket_holds_both(meeting)


async def test_the_thread_s_row_alone_keeps_them_apart(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the locks stands the unique key of threads: whoever comes second waits for the row
    that the first one writes, before it reads what there is to judge.
    """
    await meeting.apply(said("c0", thread="post-0"))  # so that it does not wait for the person
    monkeypatch.setattr(locks, "hold", lambda *_: None)
    await meeting.apply_both(said("c1"), said("c2", sent_at=NOW + MINUTE))
    await one_ticket_holds_both(meeting)


async def test_the_locks_alone_keep_them_apart(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of the thread is waited for: it was there, and nothing new was said of it."""
    await meeting.apply(said("c0", "ben"), said("c00", thread="post-0"))
    for writes in ("_write_threads", "_write_people"):
        monkeypatch.setattr(items, writes, lambda *_: None)
    await meeting.apply_both(said("c1"), said("c2", sent_at=NOW + MINUTE))
    await one_ticket_holds_both(meeting)


async def one_ticket_holds_both(meeting: Meeting) -> None:
    (ticket,) = [
        row
        for row in await meeting.rows(s.tickets)
        if (row.thread, row.person) == ("post-1", "eva")
    ]
    both = [row for row in await meeting.rows(s.messages) if row.external_id in {"c1", "c2"}]
    assert [row.ticket_id for row in both] == [ticket.id] * 2
    assert meeting.waited


async def test_a_delivery_that_two_workers_lease_twice_at_once_is_one(meeting: Meeting) -> None:
    """Neither sees that the other has it, and nobody waits: it is left until that is known."""
    again = [("toy", RawEvent(key="again", body=b"{}"))]
    came = journal.Arrival(scope="toy", app="toy", road=Road.PUSH, events=again, at=NOW)
    for _ in range(2):
        await meeting.one.write(lambda c: journal.append(c, came))
    lease = partial(journal.lease, now=NOW, hold=MINUTE, limit=1)
    first, second = await meeting.both(partial(lease, owner="one"), partial(lease, owner="two"))
    assert meeting.waited is meeting.shares_file
    assert ([event.key for event in first.events], second.events) == (["again"], [])
    later = await meeting.two.write(partial(lease, owner="two"))
    assert (later.events, second.again + later.again) == ([], 1)
    assert [row.id for row in await meeting.rows(s.raw_events)] == [first.events[0].id]


async def test_what_came_for_nothing_and_comes_again_at_a_cost_is_one(meeting: Meeting) -> None:
    """Its key is told apart at this moment: who stores it at a cost waits, and then knows it."""
    free, dear = RawEvent(key="again", body=b"{}"), RawEvent(key="again", body=b"{}", cost=4.0)
    came = journal.Arrival(scope="toy", app="toy", road=Road.PUSH, events=[("toy", free)], at=NOW)
    await meeting.one.write(lambda c: journal.append(c, came))
    lease = partial(journal.lease, owner="one", now=NOW, hold=MINUTE, limit=9)
    again = evolve(came, events=[("toy", dear)])
    leased, costs = await meeting.both(lease, lambda c: journal.append(c, again))
    assert meeting.waited
    assert ([event.key for event in leased.events], dict(costs)) == (["again"], {})
    assert len(await meeting.rows(s.raw_events)) == 1


@pytest.mark.parametrize("backwards", [True, False])
async def test_a_message_and_its_edit_are_both_taken_in(meeting: Meeting, backwards: Any) -> None:
    told = [said("c1"), Edit(id="c1", at=NOW + MINUTE, revision="2", text="better")]
    await meeting.apply_both(*(reversed(told) if backwards else told))
    assert [row.text for row in await meeting.rows(s.messages)] == ["better"]


async def test_a_message_and_its_deletion_leave_nothing(meeting: Meeting) -> None:
    await meeting.apply_both(said("c1"), Deletion(id="c1", at=NOW + MINUTE))
    assert [row.text for row in await meeting.rows(s.messages)] == [None]
    assert [row.state for row in await meeting.rows(s.tickets)] == [TicketState.CLOSED]


@pytest.mark.parametrize("kind", [Kind.COMMENT, Kind.DIRECT_MESSAGE])
@pytest.mark.parametrize("backwards", [True, False])
async def test_a_question_meets_its_answer_from_the_network(
    meeting: Meeting, kind: Kind, backwards: Any
) -> None:
    parent = "c1" if kind is Kind.COMMENT else None
    ours = said("n1", "acme", own=True, kind=kind, parent=parent, sent_at=NOW + MINUTE)
    told = [said("c1", kind=kind), Echo(message=ours)]
    await meeting.apply_both(*(reversed(told) if backwards else told))
    assert [row.state for row in await meeting.rows(s.tickets)] == [TicketState.ANSWERED]


async def test_one_person_in_two_threads_is_one_customer(meeting: Meeting) -> None:
    await meeting.apply_both(said("c1"), said("c2", thread="post-2"))
    assert len(await meeting.rows(s.customers)) == 1
    assert len(await meeting.rows(s.identities)) == 1
    assert len({row.customer_id for row in await meeting.rows(s.tickets)}) == 1


async def test_the_same_in_opposite_order_does_not_block_for_good(meeting: Meeting) -> None:
    told = [said(f"a{n}", f"p{n}", thread=f"t{n}") for n in range(6)]
    other = [said(f"b{n}", f"p{n}", thread=f"t{n}") for n in reversed(range(6))]
    await meeting.both(await meeting.job("one", *told), await meeting.job("two", *other))
    assert len(await meeting.rows(s.tickets)) == 6


async def test_strangers_under_one_post_do_not_wait_for_each_other(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await meeting.apply(said("c1"))
    jobs = [await meeting.job(by, said(f"c-{by}", by)) for by in ("one", "two")]
    with monkeypatch.context() as patched:
        patched.setattr(feed, "tell", lambda *_: None)  # here alone all take turns
        await meeting.both(*jobs)
    assert meeting.waited is meeting.shares_file


async def test_an_attachment_may_be_huge(meeting: Meeting) -> None:
    video = Attachment(kind=AttachmentKind.VIDEO, size=5_000_000_000)
    await meeting.apply(said("c1", attachments=(video,)))
    assert [row.size for row in await meeting.rows(s.attachments)] == [5_000_000_000]


async def reply(meeting: Meeting, text: str = "Hello") -> Job:
    """Return the job with which an agent answers the only ticket."""
    (ticket,) = await meeting.rows(s.tickets)
    wish = answering.Wish(ticket=ticket.id, text=text)
    (prepared,) = await meeting.one.read(lambda c: answering.prepare(c, [wish]))
    assert isinstance(prepared, answering.Prepared)
    ready = answering.Ready(prepared=prepared, parts=[outbox.Part(text=text)], by="anna")

    def job(connection: sa.Connection) -> int:
        (done,) = answering.accept(connection, [ready], rules=meeting.rules, now=NOW - MINUTE)
        if isinstance(done, Exception):
            raise done
        return done

    return job


@pytest.mark.parametrize("texts", [("Hello", "Hello"), ("Hello", "Good day")])
async def test_of_two_agents_who_answer_at_once_one_does(
    meeting: Meeting, texts: tuple[str, str]
) -> None:
    await meeting.apply(said("c1"))
    done, refused = await meeting.both(*[await reply(meeting, text) for text in texts])
    assert isinstance(refused, Refused), refused
    assert [row.id for row in await meeting.rows(s.outbox)] == [done]


@pytest.mark.parametrize("backwards", [True, False])
async def test_an_answer_does_not_cover_what_it_did_not_see(
    meeting: Meeting, backwards: Any
) -> None:
    await meeting.apply(said("c1"))
    jobs = [await reply(meeting), await meeting.job("two", said("c2", sent_at=NOW + MINUTE))]
    await meeting.both(*(reversed(jobs) if backwards else jobs))
    assert [row.state for row in await meeting.rows(s.tickets)] == [TicketState.OPEN]


@pytest.mark.parametrize("backwards", [True, False])
@pytest.mark.parametrize("outcome", ["lost", "answered"])
async def test_an_echo_and_the_outcome_of_its_sending_meet(
    meeting: Meeting, outcome: str, backwards: Any
) -> None:
    await meeting.apply(said("c1"))
    await meeting.one.write(await reply(meeting))
    claim = partial(outbox.claim, channel="toy", owner="one", now=NOW, hold=MINUTE, limit=1)
    (claimed,) = await meeting.one.write(claim)

    def record(connection: sa.Connection) -> None:
        held = tickets.hold(connection, [claimed.ticket or 0])
        if outcome == "lost":
            fresh = unclear(connection, claimed.part, NOW + MINUTE, "timed out")
        else:
            one = outcomes.Arrived(part=claimed.part, channel="toy", ids=["e1"])
            fresh = outcomes.answered(connection, [one], NOW)
        fresh += tickets.reproject(connection, held, rules=meeting.rules, now=NOW)
        feed.tell(connection, fresh, NOW)

    ours = said("e1", "acme", own=True, parent="c1", text="Hello", sent_at=NOW + MINUTE)
    echo = await meeting.job("two", Echo(message=ours))
    jobs = [record, echo]
    await meeting.both(*(reversed(jobs) if backwards else jobs))
    assert [row.state for row in await meeting.rows(s.outbox)] == [OutboxState.SENT]
    assert [row.external_id for row in await meeting.rows(s.receipts)] == ["e1"]
    assert {row.external_id: row.native for row in await meeting.rows(s.messages)} == {
        "c1": False,
        "e1": False,
    }


async def test_what_is_late_is_told_once(meeting: Meeting) -> None:
    await meeting.apply(said("c1"))
    due = s.tickets.update().values(due_at=NOW)
    await meeting.one.write(lambda c: c.execute(due))
    told = await meeting.both(*[lambda c: tickets.late(c, NOW + MINUTE)] * 2)
    assert sum(map(len, told)) == 1
    await meeting.one.write(lambda c: c.execute(due.values(due_at=None, late=False)))


async def test_a_reader_of_the_feed_passes_nothing(meeting: Meeting) -> None:
    seen: list[int] = []

    async def catch_up() -> None:
        position = seen[-1] if seen else 0
        seen.extend(one.id for one in await meeting.one.read(lambda c: feed.after(c, position)))

    def tell(connection: sa.Connection) -> None:
        feed.tell(connection, [feed.Fresh(kind="channel_changed", channel="toy")], NOW)

    await meeting.both(tell, tell, meanwhile=catch_up)
    await catch_up()
    assert len(seen) == len(await meeting.rows(s.happenings)) == 2


# --- whole desks ----------------------------------------------------------------------------


def a_busy_day(seed: int) -> list[dict[str, Any]]:
    """Messages, edits, deletions and answers at the network, of a few people in a few threads."""
    dice = random.Random(seed)
    day: list[dict[str, Any]] = []
    for n in range(40):
        kind, thread = dice.choice([("comment", "t1"), ("comment", "t2"), ("direct_message", "d")])
        by = "eva" if thread == "d" else dice.choice(["eva", "ben", "cem"])
        at = 1_700_000_000 + n
        day.append({"id": f"m{n}", "by": by, "text": "?", "thread": thread, "kind": kind, "at": at})
        change = {"id": f"m{dice.randrange(n + 1)}", "text": f"edit {n}", "at": at + 1000}
        match dice.randrange(6):
            case 0:
                day.append({"type": "edit", **change})
            case 1:
                day.append({"type": "deletion", **change})
            case 2:
                ours = {"by": "acme", "kind": kind, "parent": change["id"], "thread": thread}
                day.append({"type": "echo", "id": f"n{n}", "text": "!", "at": at, **ours})
    dice.shuffle(day)
    return day


async def outcome(desk: Any) -> list[Any]:
    """What became of a day, without the ids of rows."""
    lines = await desk.tickets(limit=1000)
    whole = [await desk.ticket(line.id) for line in lines]
    return sorted(
        (
            one.thread,
            one.line.customer or "",
            one.line.state,
            one.line.subject,
            # Of what has the same time at the network, what arrived first comes first.
            tuple(sorted((message.id, message.text) for message in one.messages)),
        )
        for one in whole
        if one.line.reason != "merged"
    )


async def settled(desk: Any, settle: Any) -> Any:
    await settle(desk, seconds=60)
    ledger = await desk.ledger()
    assert ledger.adds_up, ledger.balances
    return ledger


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_three_desks_make_the_tickets_that_one_makes(
    open_desk: Any,
    new_database: Any,
    push: Any,
    settle: Any,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr("channelmix.pipeline.BATCH", 3)
    day = a_busy_day(seed)
    async with contextlib.AsyncExitStack() as stack:
        desks = [await stack.enter_async_context(open_desk()) for _ in range(3)]
        for desk, event in zip(itertools.cycle(desks), day):
            await push(desk, event)
        shared = await settled(desks[0], settle)
        several = await outcome(desks[0])
        owners = await desks[0].store.read(lambda c: c.execute(sa.select(s.fates)).all())
        assert len(owners) == len(day)
    async with open_desk(desk={"store": new_database()}) as desk:
        await push(desk, *day)
        alone = await settled(desk, settle)
        assert await outcome(desk) == several
    assert "quarantined" not in shared.fates
    assert sum(shared.fates.values()) == sum(alone.fates.values())


@pytest.mark.slow
async def test_two_desks_send_each_reply_once(open_desk: Any, push: Any, settle: Any) -> None:
    async with open_desk() as one, open_desk() as two:
        await push(one, *[{"id": f"c{n}", "by": f"p{n}", "text": "?"} for n in range(30)])
        await settled(one, settle)
        for line in await two.tickets():
            await two.reply(line.id, f"To {line.customer}", agent="anna")
        await settled(two, settle)
        sent = [
            outgoing.text for desk in (one, two) for outgoing in desk.registry.get("toy").arrived
        ]
        assert sorted(sent) == sorted(f"To P{n}" for n in range(30))
        assert {line.state for line in await one.outbox()} == {"sent"}


async def test_two_desks_poll_a_source_in_turns(open_desk: Any, until: Any) -> None:
    async with open_desk() as one:
        calling, gate, started = one.dispatch.addressed, asyncio.Event(), asyncio.Event()

        async def hang(name: str, called: str, record: Any) -> Any:
            if called == "poll":
                started.set()
                await gate.wait()
            return await calling(name, called, record)

        source = sa.select(s.sources)
        one.dispatch.addressed = hang

        async def polled() -> Any:
            row = await one.store.read(lambda c: c.execute(source).first())
            return row is not None and row.polled_at is not None and row.lease_until is None

        async def begun() -> Any:  # a first poll that had begun before we looked must end first
            return started.is_set() or await polled()

        await until(one, begun)
        if not started.is_set():
            due = s.sources.update().values(next_at=one.clock.now())
            await one.store.write(lambda c: c.execute(due))
            one.bell.ring()
        await started.wait()
        async with open_desk() as two:
            toy = two.registry.get("toy")
            toy.feed[:] = [{"id": "c1", "by": "eva", "text": "polled twice?"}]
            two.bell.ring()
            await two.drain()
            assert await two.tickets() == []
            one.registry.get("toy").feed[:] = toy.feed
            gate.set()
            await until(one, one.tickets)
            await until(one, polled)
            row = await one.store.read(lambda c: c.execute(source).one())
            assert (row.cursor, len(await one.tickets())) == (1, 1)


class Watcher(Plugin):
    """Notes in which order it sees what."""

    @hook
    async def observe(self, happening: Any) -> None:
        seen.append(happening.id)


seen: list[int] = []


async def test_two_desks_hand_over_each_happening_once(
    open_desk: Any, push: Any, settle: Any, until: Any
) -> None:
    seen.clear()
    watching = {"classes": {"watch": Watcher}, "plugins": {"watch": {}}}
    async with open_desk(**watching) as one:
        async with open_desk(**watching) as two:
            for n in range(20):
                await push(two, {"id": f"c{n}", "by": f"p{n}", "text": "?"})
            await settled(two, settle)

            async def caught_up() -> bool:
                last = await one.store.read(feed.last)
                return bool(seen) and seen[-1] == last

            await until(one, caught_up)
        await push(one, {"id": "c20", "by": "eva", "text": "?"})
        await settled(one, settle)
        await until(one, caught_up)
    assert seen == sorted(set(seen))
    assert len(seen) >= 42


@pytest.mark.slow
async def test_what_a_dead_worker_held_is_done_by_another(
    open_desk: Any, push: Any, settle: Any
) -> None:
    async with open_desk(work=False) as dead:
        await push(dead, {"id": "c1", "by": "eva", "text": "?"})
        lease = partial(journal.lease, owner="dead", hold=timedelta(seconds=0.2), limit=9)
        assert (await dead.store.write(partial(lease, now=dead.clock.now()))).events
        async with open_desk() as alive:
            await settled(alive, settle)
            assert len(await alive.tickets()) == 1
