"""Handing the durable feed to observers, each at its own pace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from attrs import define, field

from channelmix.dispatch import Dispatch
from channelmix.errors import ChannelmixError, Paused
from channelmix.hookspecs import Clock
from channelmix.records import Happening
from channelmix.store import feed, leases
from channelmix.store import schema as s
from channelmix.store.dialect import upsert
from channelmix.store.engine import Store

BATCH = 50
HOLD = timedelta(minutes=5)
"""How long the feed of one observer is left to the process that hands it over."""


@define(eq=False, kw_only=True)
class Observer:
    """Feeds one plugin. It sees every happening in order, again until it takes it.

    Of several processes one hands over; another takes its place when it has gone.
    """

    store: Store
    dispatch: Dispatch
    clock: Clock
    name: str
    owner: str
    _ours_until: datetime | None = field(default=None, init=False)

    async def start(self) -> None:
        """Begin, the first time, with what happens from now on."""

        def job(connection: sa.Connection) -> None:
            row = {"name": self.name, "position": feed.last(connection)}
            upsert(connection, s.observers, [row], key=["name"], update=[])

        await self.store.write(job)

    async def step(self) -> int:
        """Hand over what is new; return how many it took."""
        if not await self.store.read(self._next) or not await self._ours():
            return 0
        taken = 0
        position, problem = None, None
        for one in await self.store.read(self._next):
            try:
                await self.dispatch.addressed(self.name, "observe", one)
            except Paused:
                break
            except ChannelmixError as error:
                problem = str(error)
                break
            position, taken = one.id, taken + 1
        if taken or problem:
            await self._write(position, problem)
        return taken

    def turn(self, _by: timedelta) -> None:
        """Ask again whether the feed is ours, now that the clock was turned."""
        self._ours_until = None

    def _next(self, connection: sa.Connection) -> list[Happening]:
        """Read what comes next."""
        return feed.after(connection, feed.position(connection, self.name), BATCH)

    async def _ours(self) -> bool:
        """Make sure that nobody else hands over meanwhile; ask only if it is not sure."""
        now = self.clock.now()
        if self._ours_until is not None and now < self._ours_until - HOLD / 2:
            return True
        query = sa.select(s.observers.c.name).where(s.observers.c.name == self.name)
        rows = await self.store.write(
            lambda connection: leases.take(
                connection, s.observers, query, owner=self.owner, now=now, hold=HOLD
            )
        )
        self._ours_until = now + HOLD if rows else None
        return bool(rows)

    async def _write(self, position: int | None, problem: str | None) -> None:
        """Write how far the observer has come, unless another process has taken over."""
        table = s.observers
        until = self.clock.now() + HOLD
        values: dict[str, Any] = {"error": problem, "lease_until": until}
        values["failures"] = table.c.failures + 1 if problem else 0
        if position is not None:
            values["position"] = position
        mine = table.update().where(table.c.name == self.name, table.c.lease_owner == self.owner)
        done = await self.store.write(
            lambda connection: connection.execute(mine.values(values)).rowcount
        )
        self._ours_until = until if done else None
