"""Fetching: cursors move with their events, errors slow it down, sweeps come after outages."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa
from channelmix import AuthorizationLost, RetryLater
from channelmix.records import Polled, RawEvent
from channelmix.store import schema as s

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


async def test_a_cursor_never_moves_without_its_events(open_desk, monkeypatch, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        toy = desk.registry.get("toy")
        toy.feed[:] = ITEMS[:1]

        def refuse(_connection, _arrivals):
            raise OSError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr("channelmix.store.journal.append", refuse)
            await make_due(desk)
            await asyncio.sleep(0.3)
        assert (await source(desk)).cursor == 0
        await make_due(desk)
        await until(desk, desk.tickets)


async def test_the_networks_own_hints_are_heeded(open_desk, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        desk.registry.get("toy").faults = [RetryLater("slow down", after=timedelta(hours=3))]
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
        desk.registry.get("toy").faults = [AuthorizationLost("log in again")]
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


async def test_a_brake_holds_polls_and_replies(open_desk, push, settle, until):
    async with open_desk() as desk:
        await until(desk, lambda: polled(desk))
        brake = desk.assembly.brakes["toy"]
        brake.hold(desk.clock.now() + timedelta(hours=1), "usage 95 %", replies=True)
        desk.registry.get("toy").feed[:] = ITEMS
        await make_due(desk)
        await push(desk, ITEMS[0])
        await settle(desk)
        (line,) = await desk.tickets()
        await desk.reply(line.id, "Hello", agent="anna")
        await asyncio.sleep(0.2)
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
