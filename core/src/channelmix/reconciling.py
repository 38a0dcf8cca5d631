"""Looking for what may have arrived: nothing unclear is ever sent again unseen."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from attrs import define, evolve, field

from channelmix.clock import Turning
from channelmix.dispatch import Dispatch
from channelmix.errors import ChannelmixError
from channelmix.hookspecs import Channel, Clock
from channelmix.loops import back_off
from channelmix.outbox import (
    HOLD,
    SIDE_BY_SIDE,
    Outcome,
    Sender,
    insist,
    limits_of,
    settle,
    unclear,
)
from channelmix.records import Found, Outgoing
from channelmix.store import feed, outbox, outcomes, tickets
from channelmix.store.engine import Store
from channelmix.store.outbox import Claimed

LOST = 5
"""How often a part may be taken and not be found before a person is asked."""
LOOKS = 6
"""How often an unclear outcome is looked at before a person is asked."""


@define(eq=False, kw_only=True)
class Reconciler:
    """Looks for the unclear parts of one channel."""

    store: Store
    dispatch: Dispatch
    clock: Clock
    channel: Channel
    rules: tickets.Rules
    sender: Sender
    turning: Turning
    reconciles: bool
    _known: dict[tuple[int, int], float] = field(factory=dict, init=False)
    """Since when parts, by their attempts, are looked for here: while the clock is not trusted."""

    async def step(self) -> int:
        """Look for parts that may have arrived, one after the other; return how many."""
        now = self.clock.now()
        if not await self.store.read(lambda c: outcomes.in_doubt(c, self.channel.name, now)):
            return 0
        mine = self.sender.mine
        claimed = await self.store.write(lambda c: self._claim(c, mine, now))
        for one in claimed:
            await self._look_for(one)
        return len(claimed)

    def _claim(
        self, connection: sa.Connection, mine: Collection[int], now: datetime
    ) -> list[Claimed]:
        """Take what is to be looked for now."""
        fresh = self._take_orphans(connection, mine, now)
        found = outbox.claim_uncertain(
            connection, channel=self.channel.name, now=now, hold=HOLD, limit=SIDE_BY_SIDE
        )
        feed.tell(connection, fresh, now)
        return found

    def _take_orphans(
        self, connection: sa.Connection, mine: Collection[int], now: datetime
    ) -> list[feed.Fresh]:
        """Make uncertain what somebody was sending who has not come back.

        What is under way here (`mine`) is no orphan, however long the machine was asleep.
        """
        name = self.channel.name
        lost = [part for part in outcomes.orphans(connection, name, now) if part not in mine]
        if not lost:
            return []
        concerned = tickets.hold(connection, outbox.tickets_with(connection, lost))
        fresh: list[feed.Fresh] = []
        for part in outcomes.orphans(connection, name, now, held=lost):
            fresh += unclear(connection, part, now, "the sender stopped")
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
                self.channel.name, "reconcile", self._from_earlier(claimed.outgoing)
            )
        except ChannelmixError as error:
            found = Found(status="unknown", why=str(error))
        now = self.clock.now()
        await self._record(claimed, self._seen(claimed, found, now))

    def _seen(self, claimed: Claimed, found: Found, now: datetime) -> Outcome:
        """Turn what was seen into what is recorded."""
        part = claimed.part
        if found.status == "found":
            return lambda c: outcomes.sent(c, part, found.ids, how="reconcile", now=now)
        if found.status == "absent":
            settled_at = self._settled_at(claimed, now)
            if now >= settled_at and claimed.attempts >= LOST:
                why = f"the network took it {claimed.attempts} times and shows it nowhere"
                return _ask_person(part, now, why)
            if now >= settled_at:
                again_at = now + back_off(claimed.attempts)
                return lambda c: outcomes.absent(c, part, again_at)
            why = "not there yet"
            return lambda c: outcomes.looked(c, part, next_at=settled_at, why=why, give_up=False)
        why = found.why or "the network does not tell"
        if claimed.looks + 1 >= LOOKS:
            return _ask_person(part, now, why)
        next_at = now + back_off(claimed.looks + 1)
        return lambda c: outcomes.looked(c, part, next_at=next_at, why=why, give_up=False)

    def _from_earlier(self, outgoing: Outgoing) -> Outgoing:
        """Let the plugin look further back where our time was perhaps not the network's."""
        first = outgoing.first_sent_at
        return evolve(outgoing, first_sent_at=first and first - self.turning.spread)

    def _settled_at(self, claimed: Claimed, now: datetime) -> datetime:
        """Say from when on absent counts.

        A clock that was turned tells neither how long ago a part was sent, nor whether the lease
        of its sender, who may yet send it, is over: then it counts what has really passed.
        """
        settle = _settling(self.channel, claimed.outgoing)
        if not self.turning.spread:
            return min(claimed.last_sent_at or now, now) + settle
        passed = self.turning.passed()
        waited = passed - self._known.setdefault((claimed.part, claimed.attempts), passed)
        return now + max(settle, HOLD) - timedelta(seconds=waited)

    async def _record(self, claimed: Claimed, outcome: Outcome) -> None:
        """Write what was seen, and judge the ticket anew with it."""
        now = self.clock.now()

        def job(connection: sa.Connection) -> None:
            done = [(claimed, outcome)]
            feed.tell(connection, settle(connection, done, rules=self.rules, now=now), now)

        await insist(lambda: self.store.write(job), channel=self.channel.name)


def _settling(channel: Channel, outgoing: Outgoing) -> timedelta:
    """Return how long the network may take to show what it was sent."""
    limits = limits_of(channel, outgoing)
    return limits.settle if limits else timedelta(seconds=30)


def _ask_person(part: int, now: datetime, why: str) -> Outcome:
    """Leave an unclear part to a person."""
    return lambda c: outcomes.looked(c, part, next_at=now, why=why, give_up=True)
