"""Sending what is in the outbox, and looking for what may have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

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
from channelmix.loops import Bell, Brake, Topic, back_off, cancel, holding, store_pause
from channelmix.records import Found, Outgoing, Receipt, limits_for
from channelmix.reviewing import window_closed
from channelmix.store import feed, outbox, tickets
from channelmix.store.engine import Store
from channelmix.store.outbox import Claimed

SIDE_BY_SIDE = 8
"""How many parts of one channel are under way at once."""
HOLD = timedelta(minutes=3)
"""How long a sender may be silent before its parts count as uncertain; longer than any call."""
UNAUTHORIZED_PAUSE = timedelta(minutes=5)
FIRST_LOOK = timedelta(seconds=1)
LOST = 5
"""How often a part may be taken and not be found before a person is asked."""
LOOKS = 6
"""How often an unclear outcome is looked at before a person is asked."""
GIVE_UP = timedelta(hours=24)
"""How long a reply is tried again before it fails."""

Outcome = Callable[[sa.Connection], list[feed.Fresh] | None]


@define(eq=False, kw_only=True)
class Sender:
    """Sends and reconciles for one channel."""

    store: Store
    dispatch: Dispatch
    clock: Clock
    channel: Channel
    brake: Brake
    health: HealthBook
    rules: tickets.Rules
    bell: Bell
    owner: str
    reconciles: bool
    _under_way: dict[asyncio.Task[None], int] = field(factory=dict, init=False)
    """The parts that are being sent, by the task that does."""

    async def step(self) -> int:
        """Start what can be sent now, look for what is unclear; return how many it took."""
        return await self._send() + await self._look()

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, so long; what is not done by then is uncertain."""
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=seconds)
            await cancel(left)
        await self.abandon()

    async def abandon(self) -> None:
        """Make uncertain what this owner was sending, also in an earlier life."""
        now = self.clock.now()

        def job(connection: sa.Connection) -> None:
            parts = outbox.under_way(connection, self.owner, self.channel.name)
            tickets.hold(connection, tickets.with_parts(parts))
            fresh: list[feed.Fresh] = []
            for part in parts:
                fresh += outbox.uncertain(connection, part, look_at=now, why="the sender stopped")
            feed.tell(connection, fresh, now)

        await self.store.write(job)

    # --- sending ----------------------------------------------------------------------------

    async def _send(self) -> int:
        """Claim what is queued, as far as there is room, and send it side by side."""
        room = SIDE_BY_SIDE - len(self._under_way)
        if room <= 0 or holding(self.brake.replies_until, self.clock):
            return 0
        now = self.clock.now()
        claimed = await self.store.write(
            lambda connection: outbox.claim(
                connection,
                channel=self.channel.name,
                owner=self.owner,
                now=now,
                hold=HOLD,
                limit=room,
            )
        )
        for one in claimed:
            task = asyncio.create_task(self._send_one(one), name=f"send {one.part}")
            self._under_way[task] = one.part
            task.add_done_callback(self._sent)
        return len(claimed)

    def _sent(self, task: asyncio.Task[None]) -> None:
        """Make room, and wake whoever waits for the outcome."""
        del self._under_way[task]
        self.bell.ring(Topic.OUTBOX, Topic.FEED)

    async def _send_one(self, claimed: Claimed) -> None:
        """Carry out one part and record what came of it."""
        outgoing = claimed.outgoing
        if closed := self._closed(outgoing):
            await self._record(claimed, lambda c: outbox.failed(c, claimed, why=closed))
            return
        try:
            receipt: Receipt = await self.dispatch.addressed(self.channel.name, "reply", outgoing)
        except ChannelmixError as error:
            await self._record(claimed, await self._outcome(claimed, error))
            return
        now = self.clock.now()
        await self._record(
            claimed, lambda c: outbox.sent(c, claimed.part, receipt.ids, how="answer", now=now)
        )
        await self.health.fine(self.channel.name)

    def _closed(self, outgoing: Outgoing) -> str | None:
        """Say why the window is over, if it is: it may have closed while the part was queued."""
        kind = outgoing.target.kind if outgoing.target else None
        limits = limits_for(self.channel.limits, outgoing.action, kind)
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
                return lambda c: outbox.failed(c, claimed, why=why)
            case AuthorizationLost():
                await self.health.set(name, "unauthorized", why)
                until = now + UNAUTHORIZED_PAUSE
                return lambda c: outbox.postponed(c, claimed, until=until, why=why, attempt=False)
            case Paused():
                return lambda c: outbox.postponed(
                    c, claimed, until=error.until, why=why, attempt=False
                )
            case RetryLater():
                first = claimed.outgoing.first_sent_at or now
                if now - first > GIVE_UP:
                    return lambda c: outbox.failed(c, claimed, why=f"gave up: {why}")
                until = now + (error.after or back_off(claimed.attempts))
                return lambda c: outbox.postponed(c, claimed, until=until, why=why)
            case _:  # Uncertain, PluginFault, whatever else: nobody knows whether it arrived
                return lambda c: _unclear(c, claimed.part, now, why, claimed.last_sent_at)

    async def _record(self, claimed: Claimed, outcome: Outcome) -> None:
        """Write an outcome, and judge the ticket anew with it.

        However long the store is away: what the network answered is known only here.
        """
        now, failures = self.clock.now(), 0

        def job(connection: sa.Connection) -> None:
            concerned = tickets.hold(connection, tickets.answered_by(claimed.outbox))
            fresh = outcome(connection) or []
            fresh += tickets.reproject(connection, concerned, rules=self.rules, now=now)
            feed.tell(connection, fresh, now)

        while True:
            try:
                await self.store.write(job)
            except StoreError as error:
                failures += 1
                get_logger(channel=self.channel.name).error(
                    "outbox.not_recorded", part=claimed.part, error=str(error)
                )
                await asyncio.sleep(store_pause(failures))
            else:
                return

    # --- looking ----------------------------------------------------------------------------

    async def _look(self) -> int:
        """Look for parts that may have arrived, one after the other."""
        now, mine = self.clock.now(), set(self._under_way.values())

        def job(connection: sa.Connection) -> list[Claimed]:
            fresh = self._take_orphans(connection, mine, now)
            found = outbox.claim_uncertain(
                connection, channel=self.channel.name, now=now, hold=HOLD, limit=SIDE_BY_SIDE
            )
            feed.tell(connection, fresh, now)
            return found

        claimed = await self.store.write(job)
        for one in claimed:
            await self._look_for(one)
        return len(claimed)

    def _take_orphans(
        self, connection: sa.Connection, mine: Collection[int], now: datetime
    ) -> list[feed.Fresh]:
        """Make uncertain what somebody was sending who has not come back.

        What is under way here (`mine`) is no orphan, however long the machine was asleep.
        """
        name = self.channel.name
        lost = [part for part in outbox.orphans(connection, name, now) if part not in mine]
        if not lost:
            return []
        concerned = tickets.hold(connection, tickets.with_parts(lost))
        fresh: list[feed.Fresh] = []
        for part in outbox.orphans(connection, name, now, held=lost):
            fresh += _unclear(connection, part, now, "the sender stopped")
        return fresh + tickets.reproject(connection, concerned, rules=self.rules, now=now)

    async def _look_for(self, claimed: Claimed) -> None:
        """Ask the network for one part."""
        part, now = claimed.part, self.clock.now()
        if not self.reconciles:
            why = "the outcome is unclear, and this network cannot be asked: look, then resolve"
            await self._record(claimed, _ask_person(part, now, why))
            return
        try:
            found: Found = await self.dispatch.addressed(
                self.channel.name, "reconcile", claimed.outgoing
            )
        except ChannelmixError as error:
            found = Found(status="unknown", why=str(error))
        now = self.clock.now()
        await self._record(claimed, self._seen(claimed, found, now))

    def _seen(self, claimed: Claimed, found: Found, now: datetime) -> Outcome:
        """Turn what was seen into what is recorded."""
        part = claimed.part
        if found.status == "found":
            return lambda c: outbox.sent(c, part, found.ids, how="reconcile", now=now)
        if found.status == "absent":
            settled_at = (claimed.last_sent_at or now) + self._settle(claimed.outgoing)
            if now >= settled_at and claimed.attempts >= LOST:
                why = f"the network took it {claimed.attempts} times and shows it nowhere"
                return _ask_person(part, now, why)
            if now >= settled_at:
                again_at = now + back_off(claimed.attempts)
                return _nothing(lambda c: outbox.absent(c, part, again_at))
            why = "not there yet"
            return _nothing(
                lambda c: outbox.looked(c, part, next_at=settled_at, why=why, give_up=False)
            )
        why = found.why or "the network does not tell"
        if claimed.looks + 1 >= LOOKS:
            return _ask_person(part, now, why)
        next_at = now + back_off(claimed.looks + 1)
        return _nothing(lambda c: outbox.looked(c, part, next_at=next_at, why=why, give_up=False))

    def _settle(self, outgoing: Outgoing) -> timedelta:
        """Return how long the network may take to show what it was sent."""
        kind = outgoing.target.kind if outgoing.target else None
        limits = limits_for(self.channel.limits, outgoing.action, kind)
        return limits.settle if limits else timedelta(seconds=30)


def _nothing(job: Callable[[sa.Connection], Any]) -> Outcome:
    """Make an outcome of a job that tells nobody."""

    def outcome(connection: sa.Connection) -> list[feed.Fresh]:
        job(connection)
        return []

    return outcome


def _ask_person(part: int, now: datetime, why: str) -> Outcome:
    """Leave an unclear part to a person."""
    return _nothing(lambda c: outbox.looked(c, part, next_at=now, why=why, give_up=True))


def _unclear(
    connection: sa.Connection,
    part: int,
    now: datetime,
    why: str,
    claimed_at: datetime | None = None,
) -> list[feed.Fresh]:
    """Make a part uncertain; an echo that came before may clear it at once."""
    fresh = outbox.uncertain(
        connection, part, look_at=now + FIRST_LOOK, why=why, claimed_at=claimed_at
    )
    return fresh + outbox.match_uncertain(connection, part, now) if fresh else fresh
