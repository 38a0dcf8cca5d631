"""Sending what is in the outbox: at most once, and every outcome in its own state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa
from attrs import define, field

from channelmix.dispatch import Dispatch
from channelmix.errors import (
    AuthorizationLost,
    ChannelmixError,
    Misconfigured,
    NotFound,
    Paused,
    Rejected,
    RetryLater,
    StoreError,
)
from channelmix.health import HealthBook
from channelmix.hookspecs import Channel, Clock
from channelmix.log import get_logger
from channelmix.loops import Bell, Brake, Topic, back_off, cancel, come_along, holding, store_pause
from channelmix.records import Limits, Outgoing, Receipt, limits_for
from channelmix.reviewing import window_closed
from channelmix.store import echoes, feed, outbox, outcomes, tickets
from channelmix.store.engine import Store
from channelmix.store.outbox import Claimed
from channelmix.store.outcomes import Arrived

T = TypeVar("T")
SIDE_BY_SIDE = 8
"""How many parts of one channel are under way at once."""
HOLD = timedelta(minutes=3)
"""How long a sender may be silent before its parts count as uncertain; longer than any call."""
UNAUTHORIZED_PAUSE = timedelta(minutes=5)
FIRST_LOOK = timedelta(seconds=1)
LAST_SECONDS = 3.0
"""How long a sender that closes tries to write its last outcomes."""
GIVE_UP = timedelta(hours=24)
"""How long a reply is tried again before it fails."""

Outcome = Callable[[sa.Connection], list[feed.Fresh]]
"""Writes what came of a part."""


@define(eq=False, kw_only=True)
class Sender:
    """Sends for one channel.

    It goes in turns: what came of some parts is written in one transaction, which also claims the
    next; meanwhile others are under way.
    """

    store: Store
    dispatch: Dispatch
    clock: Clock
    channel: Channel
    brake: Brake
    health: HealthBook
    rules: tickets.Rules
    bell: Bell
    owner: str
    _under_way: dict[asyncio.Task[None], Claimed] = field(factory=dict, init=False)
    """The parts that are being sent, by the task that does."""
    _done: list[tuple[Claimed, Receipt | Outcome]] = field(factory=list, init=False)
    """What came of parts, to be written in the next turn."""
    _turn: asyncio.Task[int] | None = field(default=None, init=False)
    _writing: Sequence[Claimed] = field(default=(), init=False)

    async def step(self) -> int:
        """Take a turn; say whether there may be more for another one.

        Whoever cancels this does not cancel the turn: what it claims is sent.
        """
        self._turn = asyncio.create_task(self._take_turn(), name=f"turn {self.channel.name}")
        return await asyncio.shield(self._turn)

    @property
    def mine(self) -> Collection[int]:
        """The parts that are being sent here, or whose outcome is yet to be written."""
        done = [claimed for claimed, _ in self._done]
        return {one.part for one in (*self._under_way.values(), *done, *self._writing)}

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, so long; what is not done by then is uncertain."""
        try:
            async with asyncio.timeout(seconds):
                await self._finish()
        except TimeoutError:
            await cancel([*self._under_way, *([self._turn] if self._turn else [])])
        # If the store is away these outcomes are lost, and their parts uncertain: not sent again.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._write(self._done)
        await self.abandon()

    async def _finish(self) -> None:
        """Wait for the last turn, and for all that it began."""
        if self._turn is not None:
            await asyncio.wait([self._turn])
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def abandon(self) -> None:
        """Make uncertain what this owner was sending, also in an earlier life."""
        now = self.clock.now()

        def job(connection: sa.Connection) -> None:
            parts = outcomes.under_way(connection, self.owner, self.channel.name)
            tickets.hold(connection, outbox.tickets_with(connection, parts))
            fresh: list[feed.Fresh] = []
            for part in parts:
                fresh += outcomes.uncertain(connection, part, look_at=now, why="the sender stopped")
            feed.tell(connection, fresh, now)

        await self.store.write(job)

    # --- a turn -----------------------------------------------------------------------------

    async def _take_turn(self) -> int:
        """Write what came of parts, claim what is queued as far as there is room, and send it."""
        await come_along(self._done)
        done, self._done = self._done, []
        room = self._room()
        if not done and not room:
            return 0
        claimed = await self._write(done, room)
        for one in claimed:
            task = asyncio.create_task(self._send(one), name=f"send {one.part}")
            self._under_way[task] = one
            task.add_done_callback(self._sent)
        if done or claimed:
            self.bell.ring(Topic.FEED)
        return int(room > 0 and len(claimed) == room)

    def _room(self) -> int:
        """Return how many more may be under way now."""
        paused = self.channel.name in self.dispatch.paused()
        if paused or holding(self.brake.replies_until, self.clock):
            return 0
        return SIDE_BY_SIDE - len(self._under_way)

    async def _write(
        self, done: Sequence[tuple[Claimed, Receipt | Outcome]], room: int = 0
    ) -> list[Claimed]:
        """Write what came of parts, judge their tickets anew, and claim `room` parts."""
        now, name = self.clock.now(), self.channel.name

        def job(connection: sa.Connection) -> list[Claimed]:
            fresh = settle(connection, done, rules=self.rules, now=now) if done else []
            claimed = (
                outbox.claim(
                    connection, channel=name, owner=self.owner, now=now, hold=HOLD, limit=room
                )
                if room
                else []
            )
            feed.tell(connection, fresh, now)
            return claimed

        if not done:
            return await self.store.write(job) if room else []
        self._writing = [claimed for claimed, _ in done]
        try:
            return await insist(lambda: self.store.write(job), channel=name)
        except Exception:  # noqa: BLE001 - whatever it is, only one of them is to blame
            get_logger(channel=name).exception("outbox.not_written", parts=len(done))
            return await self._one_by_one(done)
        finally:
            self._writing = ()

    async def _one_by_one(self, done: Sequence[tuple[Claimed, Receipt | Outcome]]) -> list[Claimed]:
        """Keep one outcome that cannot be written from taking the others along.

        Its part will be looked for when its lease has ended.
        """
        if len(done) > 1:
            for one in done:
                await self._write([one])
        return []

    def _sent(self, task: asyncio.Task[None]) -> None:
        """Make room, and see to it that the outcome is written."""
        del self._under_way[task]
        self.bell.ring(Topic.OUTBOX)

    # --- one part ---------------------------------------------------------------------------

    async def _send(self, claimed: Claimed) -> None:
        """Carry out one part and keep what came of it."""
        outgoing = claimed.outgoing
        if closed := self._closed(outgoing):
            self._done.append((claimed, lambda c: outcomes.failed(c, claimed, why=closed)))
            return
        try:
            receipt: Receipt = await self.dispatch.addressed(self.channel.name, "reply", outgoing)
        except ChannelmixError as error:
            self._done.append((claimed, await self._outcome(claimed, error)))
            return
        self._done.append((claimed, receipt))
        await self.health.fine(self.channel.name)

    def _closed(self, outgoing: Outgoing) -> str | None:
        """Say why the window is over, if it is: it may have closed while the part was queued."""
        limits = limits_of(self.channel, outgoing)
        if limits is None:
            return None
        return window_closed(
            limits,
            opened_at=outgoing.window_opened_at,
            automatic=outgoing.automatic,
            now=self.clock.now(),
        )

    async def _outcome(self, claimed: Claimed, error: ChannelmixError) -> Outcome:
        """Turn an error into what is recorded of the part."""
        now, name = self.clock.now(), self.channel.name
        why = str(error)
        match error:
            case Rejected() | Misconfigured() | NotFound():
                return lambda c: outcomes.failed(c, claimed, why=why)
            case AuthorizationLost():
                await self.health.set(name, "unauthorized", why)
                until = now + UNAUTHORIZED_PAUSE
                return lambda c: outcomes.postponed(c, claimed, until=until, why=why, attempt=False)
            case Paused():
                return lambda c: outcomes.postponed(
                    c, claimed, until=error.until, why=why, attempt=False
                )
            case RetryLater():
                first = claimed.outgoing.first_sent_at or now
                if now - first > GIVE_UP:
                    return lambda c: outcomes.failed(c, claimed, why=f"gave up: {why}")
                until = now + (error.after or back_off(claimed.attempts))
                return lambda c: outcomes.postponed(c, claimed, until=until, why=why)
            case _:  # Uncertain, PluginFault, whatever else: nobody knows whether it arrived
                return lambda c: unclear(c, claimed.part, now, why, claimed.last_sent_at)


def settle(
    connection: sa.Connection,
    done: Sequence[tuple[Claimed, Receipt | Outcome]],
    *,
    rules: tickets.Rules,
    now: datetime,
) -> list[feed.Fresh]:
    """Write what came of parts, and judge their tickets anew with it."""
    ids = {claimed.ticket for claimed, _ in done if claimed.ticket is not None}
    concerned = tickets.hold(connection, ids)
    arrived = [
        Arrived(part=claimed.part, channel=claimed.outgoing.channel, ids=came.ids)
        for claimed, came in done
        if isinstance(came, Receipt)
    ]
    fresh = outcomes.answered(connection, arrived, now) if arrived else []
    for _, came in done:
        if not isinstance(came, Receipt):
            fresh += came(connection)
    return fresh + tickets.reproject(connection, concerned, rules=rules, now=now)


def limits_of(channel: Channel, outgoing: Outgoing) -> Limits | None:
    """Return what a channel declares of such an action."""
    kind = outgoing.target.kind if outgoing.target else None
    return limits_for(channel.limits, outgoing.action, kind)


def unclear(
    connection: sa.Connection,
    part: int,
    now: datetime,
    why: str,
    claimed_at: datetime | None = None,
) -> list[feed.Fresh]:
    """Make a part uncertain; an echo that came before may clear it at once."""
    fresh = outcomes.uncertain(
        connection, part, look_at=now + FIRST_LOOK, why=why, claimed_at=claimed_at
    )
    return fresh + echoes.match_uncertain(connection, part, now) if fresh else fresh


async def insist(write: Callable[[], Awaitable[T]], *, channel: str) -> T:
    """Write, however long the store is away: what the network answered is known only here."""
    failures = 0
    while True:
        try:
            return await write()
        except StoreError as error:
            failures += 1
            get_logger(channel=channel).error("outbox.not_recorded", error=str(error))
            await asyncio.sleep(store_pause(failures))
