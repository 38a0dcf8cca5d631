"""The clock is turned by an hour while a desk works: nothing stands still or goes out twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from channelmix.clock import SystemClock, Turning
from channelmix.errors import RetryLater, StoreError, Uncertain
from channelmix.records import Found, Receipt
from channelmix.store import feed, journal, turned
from channelmix.store import schema as s
from channelmix.testing.clock import FakeClock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}
both_ways = pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forwards", "back"])
Fixture = Callable[..., Any]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


async def asked(desk: Any, push: Fixture, settle: Fixture) -> int:
    """Return the ticket of a question."""
    await push(desk, QUESTION)
    await settle(desk)
    (line,) = await desk.tickets()
    return int(line.id)


class Network:
    """What a desk's calls meet, in place of the toy's own answers."""

    def __init__(self, desk: Any) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self._calling = desk.dispatch.addressed
        desk.dispatch.addressed = self._called

    async def _called(self, name: str, hook: str, record: Any) -> Any:
        self.calls.append((hook, record))
        if hook not in self.answers:
            return await self._calling(name, hook, record)
        answer = self.answers[hook](record)
        if asyncio.isfuture(answer):
            return await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def of(self, hook: str) -> list[Any]:
        return [record for name, record in self.calls if name == hook]


def state(desk: Any, *wanted: str) -> Callable[[], Any]:
    async def reached() -> bool:
        return [one.state for one in await desk.outbox()] == list(wanted)

    return reached


# --- nothing stands still ---------------------------------------------------------------------


@pytest.mark.slow
@both_ways
async def test_what_waits_a_moment_does_not_wait_an_hour(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock, by: Any
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
        network = Network(desk)
        busy = RetryLater("busy", after=10 * SECOND)
        network.answers |= {"reply": lambda _: busy, "poll": lambda _: busy}
        await push(desk, {"type": "lookup", "id": "c2"})
        await desk.reply(ticket, "Hello", agent="anna")

        async def put_off() -> bool:
            polls = {poll.argument for poll in network.of("poll")}
            return bool(network.of("reply")) and "c2" in polls and await state(desk, "queued")()

        await until(desk, put_off)
        network.answers.clear()
        network.calls.clear()
        clock.step(by)
        clock.advance(2 * MINUTE)  # and the feed has its turn

        async def done() -> bool:
            polls = {poll.argument for poll in network.of("poll")}
            return polls == {None, "c2"} and await state(desk, "sent")()

        await until(desk, done)
        assert len(network.of("reply")) == 1


@pytest.mark.slow
@both_ways
async def test_what_the_dead_held_is_free_in_minutes(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock, by: Any
) -> None:
    async with open_desk(work=False, clock=clock) as dead:
        await push(dead, QUESTION)
        lease = partial(journal.lease, owner="dead", now=clock.now(), hold=MINUTE, limit=9)
        assert (await dead.store.write(lease)).events
    async with open_desk(clock=clock) as desk:
        clock.step(by)
        far = sa.select(s.raw_events).where(s.raw_events.c.lease_until > clock.now() + 10 * MINUTE)

        async def bounded() -> bool:
            return not await desk.store.read(lambda c: c.execute(far).all())

        await until(desk, bounded)
        clock.advance(11 * MINUTE)
        await settle(desk)
        assert len(await desk.tickets()) == 1


@pytest.mark.slow
@both_ways
async def test_a_brake_lasts_as_long_as_it_was_to_last(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock, by: Any
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
        brake = desk.assembly.brakes["toy"]
        brake.hold(clock.now() + MINUTE, "limit", replies=True)
        before = brake.replies_until
        clock.step(by)

        async def moved() -> bool:
            return bool(brake.replies_until == before + by)

        await until(desk, moved)
        await desk.reply(ticket, "Hello", agent="anna")
        clock.advance(61 * SECOND)
        await until(desk, state(desk, "sent"))


@pytest.mark.slow
async def test_a_pause_after_faults_lasts_as_long_as_it_was_to_last(
    open_desk: Fixture, until: Fixture, clock: FakeClock
) -> None:
    async with open_desk(clock=clock) as desk:
        network = Network(desk)
        for _ in range(5):
            desk.dispatch._breakers.failed("toy", "poll", "a bug")
        clock.step(-HOUR)

        async def moved() -> bool:
            (one,) = desk.dispatch.state()
            return bool(one.open_until == clock.now() + MINUTE)

        await until(desk, moved)
        clock.advance(61 * SECOND)
        await until(desk, lambda: is_in(network, "poll"))


async def is_in(network: Network, hook: str) -> bool:
    return bool(network.of(hook))


async def test_the_clock_may_go_back_while_nobody_works(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
    async with open_desk(work=False, clock=clock) as desk:
        await desk.reply(ticket, "Hello", agent="anna")
    clock.step(-HOUR)
    async with open_desk(clock=clock) as desk:
        await until(desk, state(desk, "sent"))


@pytest.mark.slow
async def test_a_clock_that_goes_back_while_the_store_is_away_is_not_forgotten(
    open_desk: Fixture,
    push: Fixture,
    settle: Fixture,
    until: Fixture,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
        network = Network(desk)
        network.answers["reply"] = lambda _: RetryLater("busy", after=10 * SECOND)
        await desk.reply(ticket, "Hello", agent="anna")
        await until(desk, lambda: is_in(network, "reply"))
        network.answers.clear()
        away, loop = asyncio.Event(), asyncio.get_running_loop()

        def no_store(*_: Any) -> None:
            loop.call_soon_threadsafe(away.set)
            raise StoreError("the server is away")

        with monkeypatch.context() as patched:
            patched.setattr(turned, "back", no_store)
            clock.step(-HOUR)
            await asyncio.wait_for(away.wait(), 15)
        clock.advance(MINUTE)
        await until(desk, state(desk, "sent"))


# --- nothing goes out twice -------------------------------------------------------------------


async def looks(network: Network, more: int) -> Callable[[], Any]:
    wanted = len(network.of("reconcile")) + more

    async def enough() -> bool:
        return len(network.of("reconcile")) >= wanted

    return enough


@pytest.mark.slow
@both_ways
async def test_absent_does_not_count_sooner_because_the_clock_was_turned(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock, by: Any
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
        network = Network(desk)
        network.answers["reply"] = lambda _: Uncertain("timed out")
        network.answers["reconcile"] = lambda _: Found(status="absent")  # not there yet
        await desk.reply(ticket, "Hello", agent="anna")
        await until(desk, state(desk, "uncertain"))
        clock.step(by)
        clock.advance(2 * SECOND)
        await until(desk, await looks(network, 1))
        clock.advance(MINUTE)
        assert await state(desk, "uncertain")()
        network.answers["reconcile"] = lambda _: Found(status="found", ids=("r1",))
        clock.advance(3 * MINUTE)
        await until(desk, state(desk, "sent"))
        assert len(network.of("reply")) == 1


@pytest.mark.slow
async def test_what_is_absent_for_long_enough_is_sent_again(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
        network = Network(desk)
        network.answers["reply"] = lambda _: Uncertain("timed out")
        network.answers["reconcile"] = lambda _: Found(status="absent")
        await desk.reply(ticket, "Hello", agent="anna")
        await until(desk, state(desk, "uncertain"))
        clock.step(HOUR)
        clock.advance(2 * SECOND)
        await until(desk, await looks(network, 1))
        network.answers["reply"] = lambda _: Receipt(ids=("r1",))
        clock.advance(4 * MINUTE)
        await until(desk, await looks(network, 1))
        clock.advance(MINUTE)
        await until(desk, state(desk, "sent"))
        assert len(network.of("reply")) == 2


@pytest.mark.slow
@both_ways
async def test_a_look_goes_back_to_what_the_network_calls_the_time_of_sending(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock, by: Any
) -> None:
    async with open_desk(clock=clock) as desk:
        ticket = await asked(desk, push, settle)
        network = Network(desk)
        network.answers["reply"] = lambda _: Uncertain("timed out")
        network.answers["reconcile"] = lambda _: Found(status="found", ids=("r1",))
        clock.step(by)

        async def noticed() -> bool:
            return bool(desk._workers._turning._told == by)

        await until(desk, noticed)
        await desk.reply(ticket, "Hello", agent="anna")
        await until(desk, state(desk, "uncertain"))
        clock.step(-by)
        clock.advance(2 * SECOND)
        await until(desk, state(desk, "sent"))
        (look, *_) = network.of("reconcile")
        assert look.first_sent_at <= START


async def test_another_desk_does_not_send_what_one_is_sending(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock
) -> None:
    async with open_desk(clock=clock) as one:
        ticket = await asked(one, push, settle)
        network, answer = Network(one), asyncio.get_running_loop().create_future()
        network.answers["reply"] = lambda _: answer
        await one.reply(ticket, "Hello", agent="anna")
        await until(one, lambda: is_in(network, "reply"))
        async with open_desk(clock=clock) as two:
            other = Network(two)
            for each in (network, other):  # it is still on its way
                each.answers["reconcile"] = lambda _: Found(status="absent")
            other.answers["reply"] = lambda _: Receipt(ids=("twice",))
            clock.step(HOUR)
            await until(two, state(two, "uncertain"))
            clock.advance(2 * SECOND)

            async def looked() -> bool:
                return await is_in(network, "reconcile") or await is_in(other, "reconcile")

            await until(two, looked)
            clock.advance(MINUTE)
            assert await state(two, "uncertain")()
            answer.set_result(Receipt(ids=("r1",)))
            await until(two, state(two, "sent"))
            assert other.of("reply") == []
            assert [line.ids for line in await two.outbox()] == [("r1",)]


@pytest.mark.slow
@both_ways
async def test_what_is_late_is_told_once(
    open_desk: Fixture, push: Fixture, settle: Fixture, until: Fixture, clock: FakeClock, by: Any
) -> None:
    async with open_desk(clock=clock, service_levels=[{"first_response": "30m"}]) as desk:
        await asked(desk, push, settle)
        for step in (by, -by, by, -by):
            clock.step(step)
            await push(desk, {**QUESTION, "id": f"c{clock.now()}", "by": f"{step}"})
            await settle(desk)
        clock.advance(2 * HOUR)

        async def told() -> list[int]:
            every = await desk.store.read(lambda c: feed.after(c, 0, 1000))
            return [one.ticket for one in every if one.kind == "ticket_late"]

        async def all_late() -> bool:
            return set(await told()) == {line.id for line in await desk.tickets()}

        await until(desk, all_late)
        late = await told()
        assert len(late) == len(set(late)) == len(await desk.tickets())


# --- noticing ---------------------------------------------------------------------------------


def test_time_that_passes_is_no_turn(clock: FakeClock) -> None:
    turning = Turning(clock)
    clock.advance(HOUR)
    assert turning.turned() == turning.spread == timedelta(0)
    assert turning.passed() == 3600


def test_turns_add_up_and_are_forgotten(clock: FakeClock) -> None:
    turning = Turning(clock)
    clock.step(HOUR)
    assert turning.turned() == HOUR
    clock.step(-HOUR / 2)
    clock.step(-HOUR)
    assert turning.turned() == -1.5 * HOUR
    assert turning.turned() == timedelta(0)
    assert turning.spread == 1.5 * HOUR
    assert turning.passed() == 0
    clock.advance(25 * HOUR)
    assert turning.spread == timedelta(0)


def test_a_little_is_not_worth_mentioning(clock: FakeClock) -> None:
    turning = Turning(clock)
    clock.step(2 * SECOND)
    assert turning.turned() == turning.spread == timedelta(0)


def test_a_clock_without_steady_seconds_is_believed_when_it_goes_forward() -> None:
    class Plain:
        at = START

        def now(self) -> datetime:
            return self.at

    plain = Plain()
    turning = Turning(plain)
    plain.at += HOUR
    assert turning.turned() == timedelta(0)
    assert turning.passed() == 3600
    plain.at -= HOUR
    assert turning.turned() == -HOUR
    assert turning.passed() == 3600


def test_the_system_s_clock_is_not_turned_by_itself() -> None:
    turning = Turning(SystemClock())
    assert turning.turned() == timedelta(0)
    assert 0 <= turning.passed() < 60
