"""Budgets on the store: durable, shared by channels and processes, shown where it matters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import attrs
import pytest
import sqlalchemy as sa
from channelmix import Misconfigured, RetryLater, hook
from channelmix.allowances import Share
from channelmix.budget import StoredBudget
from channelmix.records import (
    Action,
    Allowance,
    AttachmentKind,
    Draft,
    Kind,
    Limits,
    Message,
    Poll,
    Polled,
    RawEvent,
    Source,
    hours,
    minutes,
)
from channelmix.store import schema as s
from channelmix.store.engine import Store
from channelmix.testing.clock import FakeClock

MORNING = datetime(2026, 3, 4, 6, tzinfo=UTC)
both_ways = pytest.mark.parametrize("by", [hours(1), hours(-1)], ids=["forwards", "back"])
UNITS = Allowance(unit="units", amount=100, reserve=40, period="day")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(MORNING)


@pytest.fixture
def stores(database: str) -> Iterator[list[Store]]:
    """Two processes on one store."""
    with ExitStack() as opened:
        both = [Store(database), Store(database)]
        for one in both:
            one.open()
            opened.callback(one.close)
        yield both


@pytest.fixture
def budget(stores: list[Store], clock: FakeClock) -> Any:
    def make(channel: str = "a", *, process: int = 0, channels: int = 2, **more: Any) -> Any:
        share = Share(allowance=UNITS, channel=channel, channels=channels)
        values = {"app": "meta", "share": lambda: share, **more}
        return StoredBudget(store=stores[process], clock=clock, **values)

    return make


async def test_spending_counts_for_every_channel_and_process(budget, clock):
    await budget("a").spend(20)
    await budget("b", process=1).spend(5)
    await budget("b").spend(7, reply=True)
    for process in (0, 1):
        state = await budget("a", process=process).state()
        assert (state.spent, state.left, state.left_for_polls) == (32, 68, 10)
        assert (state.channels, state.ends_at) == (2, MORNING + hours(18))
    assert (await budget("a", app="other").state()).spent == 0
    with pytest.raises(RetryLater):
        await budget("a", process=1).spend(11)
    assert (await budget("a").state()).spent == 32
    clock.advance(hours(18))
    assert (await budget("a").state()).spent == 0


async def test_two_processes_together_never_spend_more(budget):
    async def spend(number: int) -> bool:
        try:
            await budget("ab"[number % 2], process=number // 2 % 2).spend(1)
        except RetryLater:
            return False
        return True

    accepted = await asyncio.gather(*(spend(number) for number in range(100)))
    assert sum(accepted) == 60
    assert (await budget().state()).spent == 60
    replies = [budget(process=number % 2).spend(10, reply=True) for number in range(4)]
    await asyncio.gather(*replies)
    with pytest.raises(RetryLater) as refused:
        await budget().spend(1, reply=True)
    assert refused.value.after == hours(18)


async def test_without_an_allowance_nothing_is_counted(budget):
    free = budget(share=lambda: None)
    await free.spend(1e9)
    with pytest.raises(Misconfigured, match="no allowance"):
        await free.state()


@pytest.mark.slow
@both_ways
async def test_however_the_clock_is_turned_no_day_spends_more(budget, clock, by):
    clock.advance(hours(17.5))  # half an hour before midnight

    waits: list[timedelta] = []

    async def spend_all() -> None:
        for reply in (False, True):
            for number in range(110):
                try:
                    await budget("ab"[number % 2], process=number % 2).spend(1, reply=reply)
                except RetryLater as refused:
                    waits.append(refused.after or timedelta(0))

    spent = []
    for step in (by, -by, by, -by):
        await spend_all()
        spent.append((await budget().state()).spent)
        clock.step(step)
    assert spent == [100] * 4
    assert timedelta(0) < min(waits) <= max(waits) <= hours(24)
    assert (await budget().state()).spent == 100
    clock.advance(hours(48))
    assert (await budget().state()).left_for_polls > 0


# --- on a desk ---------------------------------------------------------------------------------


@pytest.fixture
def metered(toy: Any) -> Any:
    """A network whose calls cost."""

    @attrs.frozen(kw_only=True)
    class Config:
        account_id: str = "acme"
        amount: float = 10.0

    class Metered(toy):  # type: ignore[misc]  # known to a fixture only
        network: ClassVar[str] = "metered"
        sources: ClassVar = [
            Source(name="feed", every=minutes(1), cost=0.5),
            Source(name="free", every=minutes(1)),
        ]
        limits: ClassVar = [
            Limits(
                actions={Action.PUBLIC_REPLY},
                text=100,
                cost=lambda draft: 0.2 if "http" in draft.text else 0.015,
            ),
            Limits(actions={Action.HIDE}, media={AttachmentKind.IMAGE}),
        ]

        @property
        def allowance(self) -> Allowance | None:
            amount = self.config.amount
            return Allowance(unit="USD", amount=amount, period="month") if amount else None

        def _event(self, one: Any) -> RawEvent:
            event: RawEvent = super()._event(one)
            return attrs.evolve(event, cost=one.get("cost", 0.0))

    Metered.Config = Config
    return Metered


@pytest.fixture
async def metered_desk(open_desk: Any, metered: Any, clock: FakeClock) -> AsyncIterator[Any]:
    channels = {"x": {"network": "metered"}}
    options = {"classes": {"metered": metered}, "channels": channels}
    async with open_desk(work=False, clock=clock, **options) as desk:
        yield desk


async def test_what_is_pushed_is_counted_once_and_never_turned_away(metered_desk, push):
    budget = metered_desk.registry.get("x").services.budget
    dear = [{"id": f"c{number}\0", "by": "eva", "cost": 4.0} for number in range(3)]
    await push(metered_desk, dear[0], {"id": "free", "by": "eva"}, app="x")
    await push(metered_desk, dear[0], app="x")
    assert (await budget.state()).spent == 4
    await push(metered_desk, *dear, dear[2], app="x")
    state = await budget.state()
    assert (state.spent, state.left, state.left_for_polls) == (12, 0, 0)
    assert (await metered_desk.ledger()).stored == 4


async def findings(desk: Any, text: str, action: Action = Action.PUBLIC_REPLY) -> list[str]:
    target = Message(id="1", kind=Kind.COMMENT, thread="t", sent_at=MORNING)
    found = await desk.review(Draft(channel="x", action=action, text=text, target=target))
    assert all(one.level == "warn" for one in found)
    return [f"{one.code}: {one.text}" for one in found]


async def test_the_review_of_a_draft_says_what_it_costs_and_what_is_left(metered_desk):
    assert await findings(metered_desk, "Hello") == ["cost: this costs 0.015 USD"]
    assert await findings(metered_desk, "See http://a.example") == ["cost: this costs 0.2 USD"]
    assert await findings(metered_desk, "", Action.HIDE) == []
    budget = metered_desk.registry.get("x").budget
    await budget.spend(9)
    assert await findings(metered_desk, "Hello") == [
        "cost: this costs 0.015 USD",
        "budget: the budget is nearly spent: 1 of 10 USD left until 2026-04-01 00:00 UTC",
    ]
    await budget.spend(0.9, reply=True)
    assert (await findings(metered_desk, "See http://a.example"))[1:] == [
        "budget: the budget is spent (0.1 of 10 USD left): this waits until 2026-04-01 00:00 UTC"
    ]


async def test_the_channels_show_what_is_spent(metered_desk):
    await metered_desk.registry.get("x").budget.spend(2.5)
    (line,) = await metered_desk.channels()
    assert (line.spending.spent, line.spending.left, line.spending.unit) == (2.5, 7.5, "USD")


async def test_the_channels_show_what_a_poll_costs(open_desk, metered, until):
    channels = {"x": {"network": "metered"}}

    async def shown():
        (line,) = await desk.channels()
        return {one["source"]: one["cost"] for one in line.sources} == {"feed": 0.5, "free": None}

    async with open_desk(classes={"metered": metered}, channels=channels) as desk:
        await until(desk, shown)


async def test_a_reply_beyond_the_budget_waits_for_the_next_period(
    open_desk: Any, metered: Any, clock: Any, push: Any, settle: Any, until: Any
):
    class Paying(metered):  # type: ignore[misc]  # known to a fixture only
        @hook
        async def reply(self, outgoing: Any) -> Any:
            await self.budget.spend(6, reply=True)
            return await super().reply(outgoing)

    channels = {"x": {"network": "metered"}}
    async with open_desk(clock=clock, classes={"metered": Paying}, channels=channels) as desk:
        await push(desk, {"id": "c1", "by": "eva", "text": "Where is it?"}, app="x")
        await settle(desk)
        (ticket,) = await desk.tickets()
        for text in ("first", "second"):
            await desk.reply(ticket.id, text, agent="anna")

        async def one_waits():
            lines = {line.text: line for line in await desk.outbox()}
            return lines["first"].state == "sent" and "budget: 4 USD left" in str(lines["second"])

        await until(desk, one_waits)
        assert [one.text for one in desk.registry.get("x").arrived] == ["first"]
        clock.set(datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=1))
        desk.bell.ring()

        async def all_sent():
            return all(line.state == "sent" for line in await desk.outbox())

        await until(desk, all_sent)


async def test_channels_of_one_app_have_one_budget(open_desk, metered):
    channels = {
        "one": {"network": "metered", "amount": 10.0, "app": "both"},
        "two": {"network": "metered", "amount": 20.0, "app": "both"},
        "three": {"network": "metered", "amount": 10.0, "app": "both"},
        "four": {"network": "metered", "amount": -1.0},
    }
    apps = {"both": {"network": "metered"}}
    options = {"classes": {"metered": metered}, "channels": channels, "apps": apps}
    async with open_desk(work=False, **options) as desk:
        assert desk.assembly.unavailable == {
            "two": "its budget is not that of channel one, with which it shares the app both: "
            "write it into [apps.both]",
            "four": "budget: the reserve (0) must be between 0 and the amount (-1)",
        }
        assert (await desk.registry.get("one").budget.state()).channels == 2


@pytest.mark.slow
@both_ways
async def test_what_waits_for_the_next_month_is_polled_then_though_the_clock_is_turned(
    open_desk: Any, metered: Any, until: Any, clock: FakeClock, by: Any
) -> None:
    class Paying(metered):  # type: ignore[misc]  # known to a fixture only
        sources: ClassVar = [Source(name="feed", every=minutes(1))]

        @hook
        async def poll(self, wanted: Poll) -> Polled:
            await self.budget.spend(4)
            polled: Polled = await super().poll(wanted)
            return polled

    clock.set(datetime(2026, 3, 31, 22, 30, tzinfo=UTC))
    options = {"classes": {"metered": Paying}, "channels": {"x": {"network": "metered"}}}
    async with open_desk(clock=clock, **options) as desk:
        budget = desk.registry.get("x").budget

        async def at_rest(spent: float, error: str = "", april: datetime | None = None) -> bool:
            row = await desk.store.read(lambda c: c.execute(sa.select(s.sources)).one())
            due = row.next_at == april if april else row.next_at > clock.now()
            fits = due and row.lease_until is None and error in (row.error or "")
            return fits and (await budget.state()).spent == spent

        april = datetime(2026, 4, 1, tzinfo=UTC)
        for spent in (4, 8):
            await until(desk, partial(at_rest, spent))
            clock.advance(minutes(2))
        await until(desk, partial(at_rest, 8, "budget", april))
        clock.step(by)  # back, it comes too early, and is put off again
        await until(desk, partial(at_rest, 8, "budget", april))
        clock.set(april)
        await until(desk, partial(at_rest, 4))
