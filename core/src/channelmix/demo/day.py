"""The day: customers come, the staff answers, at closing time everything is counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa
from attrs import define, field, frozen

from channelmix.demo.comparison import Check, compare
from channelmix.demo.staff import Pointed, Staff, Tell
from channelmix.demo.stage import Cast, Stage
from channelmix.loops import holding, wait
from channelmix.store import schema as s
from channelmix.store.ledger import Ledger

DAY = timedelta(hours=10)
EVENING = timedelta(hours=2)
"""The end of the day, when no customer comes and the staff answers what it has."""
EVENING_STEPS = 12
BURST = 6
"""How many things happen at one network before the next has its turn."""
IDLE_SECONDS = 3.0
"""How long the desk may be busy before the day goes on all the same."""
QUIET_SECONDS = 60.0
TRICKLE = (2.0, 6.0)
"""Seconds between customers once the day is over."""


@frozen(kw_only=True)
class Report:
    """How the day ended."""

    seed: int
    events: int
    settled: bool
    ledger: Ledger
    agents: Mapping[str, Mapping[str, int]]
    """For each agent, how many tickets are in which state."""
    pointed: Mapping[Pointed, int]
    """Which tutorials the staff named in its answers, and how often."""
    checks: Mapping[str, tuple[Check, ...]]
    """For each network, what it was asked to confirm."""

    @property
    def good(self) -> bool:
        """Say whether nothing is left and everything adds up."""
        agreed = all(check.holds for checks in self.checks.values() for check in checks)
        return self.settled and self.ledger.adds_up and agreed


@define(eq=False, kw_only=True)
class Day:
    """Plays on a stage."""

    stage: Stage
    seed: int
    tell: Tell
    pace: float = 0.0
    """Seconds to wait between customers, for who looks on."""
    _leap: timedelta = field(default=timedelta(0), init=False)
    _staff: Staff = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Hire the staff."""
        random = Random(f"staff {self.seed}")  # noqa: S311 - a play, not a secret
        self._staff = Staff(desk=self.stage.desk, tell=self.tell, random=random)

    @contextlib.asynccontextmanager
    async def staffed(self) -> AsyncIterator[None]:
        """Let the staff be there meanwhile. What it fails of is raised at the end."""
        following = asyncio.create_task(self._staff.follow(), name="demo staff")
        try:
            yield
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def play(self, events: int) -> Report:
        """Let so many things happen, close, and count."""
        self._leap = max(self.stage.clock.behind - EVENING, timedelta(0)) / max(events, 1)
        left = events
        while left > 0:
            for one in self.stage.cast:
                await one.network.play(min(BURST, left), self._catch_up)
                left -= min(BURST, left)
        self._leap = self.stage.clock.behind / EVENING_STEPS
        for _ in range(EVENING_STEPS):
            await self._catch_up()
        settled = await self._close()
        return await self._count(events, settled=settled)

    async def trickle(self) -> None:
        """Let a customer come now and then, until cancelled."""
        random = Random(f"trickle {self.seed}")  # noqa: S311 - a play, not a secret
        self._staff.patience = (5, 40)
        turn = 0

        async def breathe() -> None:
            await self._staff.work()
            await asyncio.sleep(random.uniform(*TRICKLE))

        while True:
            await self.stage.cast[turn % len(self.stage.cast)].network.play(1, breathe)
            turn += 1

    async def _catch_up(self) -> None:
        """Let the desk finish what it can do now, then let time pass and the staff work."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._idle()
        self.stage.clock.leap(self._leap)
        self.stage.desk.bell.ring()
        await self._staff.work()
        if self.pace:
            await asyncio.sleep(self.pace)

    async def _idle(self) -> None:
        """Return when all webhooks are delivered and nothing is left that could be done now."""
        for one in self.stage.cast:
            await one.network.flush()
        await self._until_nothing(self._held)
        await self._staff.caught_up()

    async def _until_nothing(self, held: Any) -> None:
        desk = self.stage.desk
        event = desk.bell.listen()
        try:
            while await desk.store.read(lambda c: _doable(c, desk.clock.now(), held())):
                await wait(event, 0.5)
        finally:
            desk.bell.leave(event)

    def _held(self) -> list[str]:
        """Name the channels whose network asks for patience."""
        desk = self.stage.desk
        return [
            name
            for name in desk.assembly.channels()
            if holding(
                desk.assembly.brakes[desk.settings.channels[name].app].replies_until, desk.clock
            )
        ]

    async def _close(self) -> bool:
        """Sweep once more, and wait until nothing moves; False if that takes too long."""
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await self._sweep()
                await self._quiet()
        except TimeoutError:
            return False
        return True

    async def _sweep(self) -> None:
        """Make every source due, and wait until each was polled."""
        desk, now = self.stage.desk, self.stage.clock.now()
        await desk.store.write(lambda c: c.execute(s.sources.update().values(next_at=now)))
        event = desk.bell.listen()
        desk.bell.ring()
        due = sa.select(sa.func.count()).select_from(s.sources).where(s.sources.c.next_at <= now)
        try:
            while await desk.store.read(lambda c: c.execute(due).scalar()):
                await wait(event, 0.5)
        finally:
            desk.bell.leave(event)

    async def _quiet(self) -> None:
        """Go round until a whole round brought nothing new."""
        before = -1
        while (last := await self._round()) != before:
            before = last

    async def _round(self) -> int:
        for one in self.stage.cast:
            await one.network.flush()
        await self.stage.desk.drain()
        return await self._staff.caught_up()

    async def _count(self, events: int, *, settled: bool) -> Report:
        desk = self.stage.desk
        return Report(
            seed=self.seed,
            events=events,
            settled=settled and await desk.settled(),
            ledger=await desk.ledger(),
            agents=await desk.store.read(_by_agent),
            pointed=self._staff.pointed,
            checks={one.name: await self._check(one) for one in self.stage.cast},
        )

    async def _check(self, one: Cast) -> tuple[Check, ...]:
        facts = one.network.facts()
        return await self.stage.desk.store.read(
            lambda c: compare(c, facts, channels=one.channels, apps=one.apps)
        )


def _doable(connection: sa.Connection, now: datetime, held: list[str]) -> bool:
    """Say whether there is anything to do that need not wait for a later time."""
    raw, part, box = s.raw_events, s.outbox_parts, s.outbox
    sending = sa.or_(
        part.c.state == "sending",
        sa.and_(part.c.state == "uncertain", part.c.next_at <= now, ~part.c.for_person),
        sa.and_(part.c.state == "queued", part.c.next_at <= now, box.c.channel.not_in(held)),
    )
    queries = (
        sa.select(raw.c.id).where(raw.c.settled == sa.false()),
        sa.select(s.lookups.c.id).where(s.lookups.c.state == "wanted", s.lookups.c.next_at <= now),
        sa.select(part.c.id).join(box, box.c.id == part.c.outbox_id).where(sending),
    )
    return any(connection.execute(query.limit(1)).first() for query in queries)


def _by_agent(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Count tickets by agent and state."""
    table = s.tickets
    agent = sa.func.coalesce(table.c.agent, "(nobody)")
    query = sa.select(agent, table.c.state, sa.func.count()).group_by(agent, table.c.state)
    found: dict[str, Counter[str]] = {}
    for name, state, count in connection.execute(query.order_by(agent, table.c.state)):
        found.setdefault(name, Counter())[state] += count
    return {name: dict(states) for name, states in found.items()}
