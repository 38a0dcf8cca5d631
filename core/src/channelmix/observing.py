"""Handing the durable feed to observers, each at its own pace."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from attrs import define

from channelmix.dispatch import Dispatch
from channelmix.errors import ChannelmixError, Paused
from channelmix.store import feed
from channelmix.store import schema as s
from channelmix.store.dialect import upsert
from channelmix.store.engine import Store

BATCH = 50


@define(eq=False, kw_only=True)
class Observer:
    """Feeds one plugin. It sees every happening in order, again until it takes it."""

    store: Store
    dispatch: Dispatch
    name: str

    async def start(self) -> None:
        """Begin, the first time, with what happens from now on."""

        def job(connection: sa.Connection) -> None:
            row = {"name": self.name, "position": feed.last(connection)}
            upsert(connection, s.observers, [row], key=["name"], update=[])

        await self.store.write(job)

    async def step(self) -> int:
        """Hand over what is new; return how many it took."""
        known = await self.store.read(lambda connection: feed.position(connection, self.name))
        happenings = await self.store.read(lambda connection: feed.after(connection, known, BATCH))
        taken = 0
        problem: str | None = None
        for one in happenings:
            try:
                await self.dispatch.addressed(self.name, "observe", one)
            except Paused:
                break
            except ChannelmixError as error:
                problem = str(error)
                break
            known, taken = one.id, taken + 1
        if taken or problem:
            await self.store.write(lambda connection: self._write(connection, known, problem))
        return taken

    def _write(self, connection: sa.Connection, position: int, problem: str | None) -> None:
        """Write how far the observer has come."""
        table = s.observers
        values: dict[str, Any] = {"position": position, "error": problem}
        values["failures"] = table.c.failures + 1 if problem else 0
        connection.execute(table.update().where(table.c.name == self.name).values(values))
