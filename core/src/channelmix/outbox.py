"""Sending what is in the outbox, and looking for what may have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
)
from channelmix.health import HealthBook
from channelmix.hookspecs import Channel, Clock
from channelmix.loops import Bell, Brake, back_off, cancel, holding
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
    _under_way: set[asyncio.Task[None]] = field(factory=set, init=False)

    async def step(self) -> int:
        """Start what can be sent now, look for what is unclear; return how many it took."""
        return await self._send() + await self._look()

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, so long; what is not done by then is uncertain."""
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=seconds)
            await cancel(left)
        now = self.clock.now()
        await self.store.write(
            lambda connection: feed.tell(
                connection, outbox.abandon(connection, self.owner, self.channel.name, now), now
            )
        )

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
            self._under_way.add(task)
            task.add_done_callback(self._sent)
        return len(claimed)

    def _sent(self, task: asyncio.Task[None]) -> None:
        """Make room, and wake whoever waits for the outcome."""
        self._under_way.discard(task)
        self.bell.ring()

    async def _send_one(self, claimed: Claimed) -> None:
        """Carry out one part and record what came of it."""
        outgoing = claimed.outgoing
        if closed := self._closed(outgoing):
            await self._record(claimed, lambda c: outbox.failed(c, claimed.part, why=closed))
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
        now, part, name = self.clock.now(), claimed.part, self.channel.name
        why = str(error)
        match error:
            case Rejected() | Misconfigured() | NotFound():
                return lambda c: outbox.failed(c, part, why=why)
            case AuthorizationLost():
                await self.health.set(name, "unauthorized", why)
                until = now + UNAUTHORIZED_PAUSE
                return lambda c: outbox.postponed(c, part, until=until, why=why, attempt=False)
            case Paused():
                return lambda c: outbox.postponed(
                    c, part, until=error.until, why=why, attempt=False
                )
            case RetryLater():
                first = claimed.outgoing.first_sent_at or now
                if now - first > GIVE_UP:
                    return lambda c: outbox.failed(c, part, why=f"gave up: {why}")
                until = now + (error.after or back_off(claimed.attempts))
                return lambda c: outbox.postponed(c, part, until=until, why=why)
            case _:  # Uncertain, PluginFault, whatever else: nobody knows whether it arrived
                return lambda c: _unclear(c, part, now, why)

    async def _record(self, claimed: Claimed, outcome: Outcome) -> None:
        """Write an outcome, and judge the ticket anew with it."""
        now = self.clock.now()

        def job(connection: sa.Connection) -> None:
            fresh = outcome(connection) or []
            fresh += tickets.reproject_of(connection, claimed.outbox, rules=self.rules, now=now)
            feed.tell(connection, fresh, now)

        await self.store.write(job)

    # --- looking ----------------------------------------------------------------------------

    async def _look(self) -> int:
        """Look for parts that may have arrived, one after the other."""
        now = self.clock.now()

        def job(connection: sa.Connection) -> list[Claimed]:
            for part in outbox.orphans(connection, self.channel.name, now):
                feed.tell(connection, _unclear(connection, part, now, "the sender stopped"), now)
            return outbox.claim_uncertain(
                connection, channel=self.channel.name, now=now, hold=HOLD, limit=SIDE_BY_SIDE
            )

        claimed = await self.store.write(job)
        for one in claimed:
            await self._look_for(one)
        return len(claimed)

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
            if now >= settled_at:
                return _nothing(lambda c: outbox.absent(c, part, now))
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


def _unclear(connection: sa.Connection, part: int, now: datetime, why: str) -> list[feed.Fresh]:
    """Make a part uncertain; an echo that came before may clear it at once."""
    fresh = outbox.uncertain(connection, part, look_at=now + FIRST_LOOK, why=why)
    return fresh + outbox.match_uncertain(connection, part, now) if fresh else fresh
