"""Fetching: cursors move with their events, errors slow it down, sweeps come after outages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from channelmix import AuthorizationLost, Rejected, RetryLater, hook, loops
from channelmix.errors import Paused
from channelmix.polling import Poller
from channelmix.records import Polled, RawEvent, Source, minutes
from channelmix.settings import ChannelSettings
from channelmix.store import schema as s
from channelmix.testing.clock import FakeClock

ITEMS = [{"id": f"c{n}", "by": "eva", "text": f"question {n}"} for n in range(5)]


async def source(desk, name="feed"):
    query = sa.select(s.sources).where(s.sources.c.source == name)
    return await desk.store.read(lambda c: c.execute(query).first())


async def make_due(desk):
    now = desk.clock.now()
    await desk.store.write(lambda c: c.execute(s.sources.update().values(next_at=now)))
    desk.bell.ring()


async def polled(desk):
    row = await source(desk)
    return row is not None and (row.polled_at is not None or row.failures > 0)


async def test_pages_are_fetched_to_the_end_and_the_cursor_stays(
    open_desk, tmp_path, settle, until
):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").feed[:] = ITEMS
        await make_due(desk)

        async def all_there():
            return (await source(desk)).cursor == 5

        await until(desk, all_there)
        await settle(desk)
        ledger = await desk.ledger()
        assert (ledger.arrived, ledger.fates) == (5, {"ticket": 5})
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        assert (await source(desk)).cursor == 5


@pytest.mark.slow
async def test_a_cursor_never_moves_without_its_events(open_desk, monkeypatch, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        toy = desk.registry.get("toy")
        toy.feed[:] = ITEMS[:1]

        tries = []

        def refuse(_connection, _arrival):
            tries.append(1)
            raise OSError("disk full")

        async def tried():  # when it comes again, all of the first try is over
            return len(tries) >= 2

        with monkeypatch.context() as patched:
            patched.setattr("channelmix.store.journal.append", refuse)
            await make_due(desk)
            await until(desk, tried)
            assert (await source(desk)).cursor == 0
        await make_due(desk)
        await until(desk, desk.tickets)


async def test_the_networks_own_hints_are_heeded(open_desk, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").poll_faults = [RetryLater("slow down", after=timedelta(hours=3))]
        await make_due(desk)

        async def failed():
            return (await source(desk)).failures == 1

        await until(desk, failed)
        row = await source(desk)
        assert timedelta(hours=2.9) < row.next_at - desk.clock.now() <= timedelta(hours=3)
        assert row.error == "slow down"
        assert (await desk.channels())[0].state == "ok"


async def test_lost_authorization_shows_and_pushes_are_still_taken(open_desk, push, settle, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").poll_faults = [AuthorizationLost("log in again")]
        await make_due(desk)

        async def shown():
            (channel,) = await desk.channels()
            return (channel.state, channel.why) == ("unauthorized", "log in again")

        await until(desk, shown)
        await push(desk, ITEMS[0])
        await settle(desk)
        assert len(await desk.tickets()) == 1
        await make_due(desk)

        async def back():
            return (await desk.channels())[0].state == "ok"

        await until(desk, back)


@pytest.mark.slow
async def test_a_brake_holds_polls_and_replies(open_desk, push, settle, until, monkeypatch):
    asked = []

    def holding(brake, clock):
        asked.append(brake)
        return loops.holding(brake, clock)

    for module in ("polling", "outbox"):
        monkeypatch.setattr(f"channelmix.{module}.holding", holding)
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        brake = desk.assembly.brakes["toy"]

        async def had_their_turns():
            return min(map(asked.count, (brake.polls_until, brake.replies_until))) >= 2

        async def turns():
            asked.clear()
            desk.bell.ring()
            await until(desk, had_their_turns)

        brake.hold(desk.clock.now() + timedelta(hours=2), "usage 95 %")
        brake.hold(desk.clock.now() + timedelta(hours=1), "usage 95 %", replies=True)
        await turns()  # whoever had asked before the brake was on is done
        desk.registry.get("toy").feed[:] = ITEMS
        await make_due(desk)
        await push(desk, ITEMS[0])
        await settle(desk)
        (line,) = await desk.tickets()
        await desk.reply(line.id, "Hello", agent="anna")
        await turns()
        assert (await source(desk)).cursor == 0
        assert (await desk.outbox())[0].state == "queued"
        (channel,) = await desk.channels()
        assert channel.held_because == "usage 95 %"
        assert channel.held_until > desk.clock.now()


async def test_an_id_is_looked_up_and_what_it_gives_takes_the_same_road(
    open_desk, push, settle, until
):
    async with open_desk() as desk:
        desk.registry.get("toy").feed[:] = []
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").feed[:] = [{"id": "c9", "by": "eva", "text": "found"}]
        await push(desk, {"type": "lookup", "id": "c9"})
        await until(desk, desk.tickets)
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.fates == {"fetched": 1, "ticket": 1}
        assert ledger.adds_up, ledger.balances


async def test_a_sweep_follows_every_start(open_desk, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        first = (await source(desk)).polled_at
    async with open_desk() as desk:

        async def again():
            return (await source(desk)).polled_at > first

        await until(desk, again)


async def test_a_page_that_hangs_blocks_nobody_else(open_desk, push, until):
    gate = asyncio.Event()
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        calling = desk.dispatch.addressed

        async def hang(name, hook, record):
            if hook == "poll":
                await gate.wait()
                return Polled(events=(RawEvent(key="late", body=b'{"id": "c8"}'),), cursor=1)
            return await calling(name, hook, record)

        desk.dispatch.addressed = hang
        await make_due(desk)
        await push(desk, ITEMS[0])

        async def reached():
            return await desk.tickets()

        await until(desk, reached)
        gate.set()

        async def reached():
            return len(await desk.tickets()) >= 2

        await until(desk, reached)


async def lookup(desk):
    return await desk.store.read(lambda c: c.execute(sa.select(s.lookups)).first())


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        AuthorizationLost("token expired"),
        RetryLater("throttled"),
        Paused("it fails", until=datetime(2026, 3, 1, 1, tzinfo=UTC)),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_says_nothing_of_an_object_is_no_try_of_its_lookup(
    open_desk, push, settle, until, monkeypatch, error
):
    monkeypatch.setattr("channelmix.polling.LOOKUP_TRIES", 1)
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        await until(desk, lambda: polled(desk))
        calling = desk.dispatch.addressed

        async def fail(name, hook, record):
            if hook == "poll":
                raise error
            return await calling(name, hook, record)

        async def tried():
            row = await lookup(desk)
            return row is not None and row.error == str(error)

        with monkeypatch.context() as patched:
            patched.setattr(desk.dispatch, "addressed", fail)
            await push(desk, {"type": "lookup", "id": "c9"})
            await until(desk, tried)
        row = await lookup(desk)
        assert (row.state, row.attempts) == ("wanted", 0)
        assert row.next_at > clock.now()
        desk.registry.get("toy").feed[:] = [{"id": "c9", "by": "eva", "text": "found"}]
        clock.advance(timedelta(hours=2))
        await until(desk, desk.tickets)
        await settle(desk)
        assert (await desk.ledger()).adds_up


@pytest.mark.parametrize(
    ("error", "why"), [(Rejected("gone"), "gone"), (KeyError("x"), "toy.poll: KeyError")]
)
async def test_a_lookup_that_failed_shows_and_can_be_made_again(
    open_desk, push, settle, until, monkeypatch, error, why
):
    monkeypatch.setattr("channelmix.polling.LOOKUP_TRIES", 1)
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").poll_faults = [error]
        await push(desk, {"type": "lookup", "id": "c9"})
        await settle(desk)
        row = await lookup(desk)
        assert (row.state, row.attempts) == ("failed", 1)
        ledger = await desk.ledger()
        ((reason, count),) = ledger.reasons.items()
        assert (reason.startswith(f"lookup failed: {why}"), count) == (True, 1)
        assert ledger.adds_up, ledger.balances
        desk.registry.get("toy").feed[:] = [{"id": "c9", "by": "eva", "text": "found"}]
        assert await desk.replay(channel="other") == {}
        assert await desk.replay(channel="toy") == {"lookups": 1}
        await until(desk, desk.tickets)
        await settle(desk)
        assert (await desk.ledger()).reasons == {}
        assert await desk.replay() == {}


async def test_a_lookup_that_is_lost_does_not_add_up(open_desk, push, settle):
    async with open_desk() as desk:
        await push(desk, {"type": "lookup", "id": "c9"})
        await settle(desk)
        await desk.store.write(lambda c: c.execute(s.lookups.delete()))
        (wrong,) = [one for one in (await desk.ledger()).balances if not one.holds]
        assert (wrong.claim, wrong.left) == ("every lookup asked for is in the list", 1)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["degraded", "unauthorized", "paused"])
async def test_a_sweep_follows_every_outage(open_desk, until, state):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        await until(desk, lambda: polled(desk))
        first = (await source(desk)).polled_at
        clock.advance(timedelta(seconds=1))

        async def again():
            return (await source(desk)).polled_at > first

        await desk.book.set("toy", state, "log in again")
        await desk.book.set("toy", "ok")
        await until(desk, again)


async def test_the_end_of_an_outage_hurries_no_source_that_waits_for_itself(open_desk, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").poll_faults = [RetryLater("slow down", after=timedelta(hours=3))]
        await make_due(desk)

        async def failed():
            return (await source(desk)).failures == 1

        await until(desk, failed)
        before = (await source(desk)).next_at
        await desk.book.set("toy", "unauthorized", "log in again")
        await desk.book.set("toy", "ok")
        assert (await source(desk)).next_at == before


@pytest.mark.slow
async def test_a_lost_authorization_is_no_failure_of_the_source(open_desk, until):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        await until(desk, lambda: polled(desk))
        clock.advance(timedelta(seconds=1))
        desk.registry.get("toy").poll_faults = [AuthorizationLost("log in again")]
        await make_due(desk)

        async def failed():
            return (await source(desk)).error is not None

        await until(desk, failed)
        clock.advance(timedelta(seconds=1))
        await desk.book.fine("toy")  # a reply went well, say

        async def swept():
            return (await source(desk)).polled_at == clock.now()

        await until(desk, swept)


@pytest.mark.parametrize(
    ("given", "source", "pause"),
    [
        ({}, {"every": 1, "sweep": 5}, 5),
        ({}, {"every": 1}, 1),
        ({"push": False}, {"every": 1, "sweep": 5}, 1),
        ({"push": False}, {"sweep": 5}, None),
        ({"every": minutes(3)}, {"every": 1, "sweep": 5}, 3),
        ({"every": minutes(3)}, {"sweep": 5}, 5),
        ({}, {}, None),
    ],
)
def test_how_often_a_source_is_polled(given, source, pause):
    lent = ("store", "dispatch", "clock", "channel", "brake", "health", "owner")
    nothing: Any = dict.fromkeys(lent)
    poller = Poller(settings=ChannelSettings(name="toy", network="toy", **given), **nothing)
    often: Any = {key: minutes(value) for key, value in source.items()}
    asked = Source(name="feed", **often)
    assert poller._pause(asked) == (None if pause is None else minutes(pause))


@pytest.mark.slow
async def test_the_sweep_comes_by_the_clock_and_never_at_the_same_moment(open_desk, until):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        await until(desk, lambda: polled(desk))
        pauses = set()
        for _ in range(3):
            row = await source(desk)
            pauses.add(row.next_at - row.polled_at)
            clock.set(row.next_at)

            async def swept():
                return (await source(desk)).polled_at == clock.now()

            await until(desk, swept)
        assert all(minutes(4.5) <= pause <= minutes(5.5) for pause in pauses)
        assert len(pauses) == 3


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 5), (4, 15), (5, 60), (99, 60)]
)
def test_back_off_grows_to_a_minute_and_has_jitter(failures, seconds):
    pauses = {loops.back_off(failures) for _ in range(100)}
    assert all(0.8 * seconds <= pause.total_seconds() <= 1.2 * seconds for pause in pauses)
    assert len(pauses) > 50


async def test_a_source_is_told_what_customers_said_in_public(open_desk, toy, push, settle, until):
    asked = []

    class Looking(toy):  # type: ignore[misc, valid-type]  # known to a fixture only
        sources = [
            Source(name="feed", every=minutes(1)),
            Source(name="there", every=minutes(1), known=timedelta(days=30)),
        ]

        @hook
        async def poll(self, wanted):
            if wanted.source == "there":
                asked.append(wanted.known)
            else:
                assert wanted.known == ()
            return Polled()

    at = int(datetime.now(UTC).timestamp())
    said = [
        {"id": "c1", "by": "eva", "at": at},
        {"id": "c2", "by": "eva", "at": at},
        {"id": "old", "by": "eva", "at": at - 40 * 86400},
        {"id": "note", "by": "eva", "kind": "direct_message", "at": at},
        {"id": "ours", "by": "us", "type": "own", "at": at},
        {"type": "deletion", "id": "c2", "at": at},
    ]
    async with open_desk(classes={"toy": Looking}) as desk:
        await push(desk, *said)
        await settle(desk)
        await make_due(desk)

        async def told():
            return asked[-1:] == [("c1",)]

        await until(desk, told)
