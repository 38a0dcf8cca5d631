"""Fetching: each source with a cursor of its own, its events and cursor in one commit.

Where the network pushes, the same polls are sweeps: at the start, on a timer, and after every
outage. What a sweep brings takes the same road as everything else.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from attrs import define, evolve

from channelmix.dispatch import Dispatch
from channelmix.errors import (
    AuthorizationLost,
    ChannelmixError,
    Misconfigured,
    Paused,
    Rejected,
    RetryLater,
)
from channelmix.health import HealthBook
from channelmix.hookspecs import Channel, Clock
from channelmix.log import get_logger
from channelmix.loops import Brake, back_off, holding
from channelmix.records import Poll, Polled, Road, Source
from channelmix.settings import ChannelSettings
from channelmix.store import journal
from channelmix.store import schema as s
from channelmix.store.engine import Store

PAGES = 50
"""How many pages of one source are fetched before others have their turn."""
UNAUTHORIZED_PAUSE = timedelta(minutes=5)
LOOKUP_TRIES = 8


@define(eq=False, kw_only=True)
class Poller:
    """Polls the sources of one channel."""

    store: Store
    dispatch: Dispatch
    clock: Clock
    channel: Channel
    settings: ChannelSettings
    brake: Brake
    health: HealthBook

    async def start(self) -> None:
        """Make every source due: whatever happened while nobody looked is found now."""
        now = self.clock.now()
        names = [source.name for source in self._timed()]

        def job(connection: sa.Connection) -> None:
            table = s.sources
            mine = table.c.channel == self.channel.name
            known = set(connection.execute(sa.select(table.c.source).where(mine)).scalars())
            for name in names:
                if name not in known:
                    row = {"channel": self.channel.name, "source": name, "next_at": now}
                    connection.execute(table.insert().values(row))
            connection.execute(table.update().where(mine).values(next_at=now))

        await self.store.write(job)

    def _timed(self) -> Sequence[Source]:
        """Return the sources that are polled by the clock."""
        return [source for source in self.channel.sources if self._pause(source) is not None]

    def _pause(self, source: Source) -> timedelta | None:
        """Return how long to wait between two polls of a source."""
        if self.settings.every is not None and source.every is not None:
            return self.settings.every
        if self.settings.push and source.sweep is not None:
            return source.sweep
        return source.every

    async def step(self) -> int:
        """Poll what is due, lookups first; return how many polls it made."""
        if holding(self.brake.polls_until, self.clock):
            return 0
        return await self._lookups() + await self._sources()

    # --- sources ----------------------------------------------------------------------------

    async def _sources(self) -> int:
        """Poll the sources that are due, each page by page."""
        now = self.clock.now()
        table = s.sources
        query = sa.select(table).where(table.c.channel == self.channel.name, table.c.next_at <= now)
        due = await self.store.read(lambda connection: connection.execute(query).all())
        timed = {source.name: source for source in self._timed()}
        for row in due:
            if row.source in timed:
                await self._poll(timed[row.source], row)
        return len([row for row in due if row.source in timed])

    async def _poll(self, source: Source, row: Any) -> None:
        """Poll one source to its present end."""
        cursor = row.cursor
        for _ in range(PAGES):
            try:
                polled: Polled = await self.dispatch.addressed(
                    self.channel.name, "poll", Poll(source=source.name, cursor=cursor)
                )
            except ChannelmixError as error:
                await self._failed(source, error, row.failures + 1)
                return
            cursor = polled.cursor
            await self._store_page(source, polled)
            await self.health.fine(self.channel.name)
            if not polled.more or holding(self.brake.polls_until, self.clock):
                return

    async def _store_page(self, source: Source, polled: Polled) -> None:
        """Store a page's events and its cursor in one commit."""
        now = self.clock.now()
        pause = polled.again_in or self._pause(source) or timedelta(minutes=5)
        next_at = now if polled.more else now + pause * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        values = {
            "cursor": polled.cursor,
            "polled_at": now,
            "next_at": next_at,
            "failures": 0,
            "error": None,
        }
        arrival = self._arrival(polled, source.name, now)
        await self.store.write(
            lambda connection: _commit_page(
                connection, arrival, (self.channel.name, source.name), values
            )
        )

    def _arrival(self, polled: Polled, source: str, now: datetime) -> journal.Arrival:
        """Turn a page into what the journal takes."""
        name = self.channel.name
        return journal.Arrival(
            scope=name,
            app=self.settings.app,
            road=Road.POLL,
            events=[evolve(one, channel=name, source=source) for one in polled.events],
            at=now,
        )

    async def _failed(self, source: Source, error: ChannelmixError, failures: int) -> None:
        """Note that a poll failed, and when to come again."""
        now = self.clock.now()
        values = {
            "failures": failures,
            "error": str(error),
            "next_at": now + await self._pause_after(error, failures),
        }
        get_logger(channel=self.channel.name).warning(
            "poll.failed", source=source.name, error=str(error), failures=failures
        )
        table = s.sources
        statement = table.update().where(
            table.c.channel == self.channel.name, table.c.source == source.name
        )
        await self.store.write(lambda connection: connection.execute(statement.values(values)))

    async def _pause_after(self, error: ChannelmixError, failures: int) -> timedelta:
        """Say how long to stay away after an error, and note what it says of the channel."""
        name = self.channel.name
        match error:
            case AuthorizationLost():
                await self.health.set(name, "unauthorized", str(error))
                return UNAUTHORIZED_PAUSE
            case RetryLater(after=timedelta() as after):
                return after
            case Paused():
                return max(error.until - self.clock.now(), timedelta(seconds=1))
            case Misconfigured() | Rejected():
                await self.health.set(name, "degraded", str(error))
                return UNAUTHORIZED_PAUSE
            case _:
                await self.health.set(name, "degraded", str(error))
                return back_off(failures)

    # --- lookups ----------------------------------------------------------------------------

    async def _lookups(self) -> int:
        """Fetch what only an id is known of."""
        now = self.clock.now()
        table = s.lookups
        query = (
            sa.select(table)
            .where(
                table.c.channel == self.channel.name,
                table.c.state == "wanted",
                table.c.next_at <= now,
            )
            .order_by(table.c.id)
            .limit(PAGES)
        )
        due = await self.store.read(lambda connection: connection.execute(query).all())
        for row in due:
            await self._lookup(row)
        return len(due)

    async def _lookup(self, row: Any) -> None:
        """Fetch one object."""
        now = self.clock.now()
        arrival = None
        values: dict[str, Any]
        try:
            polled: Polled = await self.dispatch.addressed(
                self.channel.name, "poll", Poll(source=row.source, argument=row.argument)
            )
        except Rejected as error:
            values = {"state": "failed", "error": str(error)}
        except ChannelmixError as error:
            tries = row.attempts + 1
            values = {
                "state": "wanted" if tries < LOOKUP_TRIES else "failed",
                "attempts": tries,
                "error": str(error),
                "next_at": now + await self._pause_after(error, tries),
            }
        else:
            values = {"state": "done", "error": None}
            arrival = self._arrival(polled, row.source, self.clock.now())
        await self.store.write(
            lambda connection: _commit_lookup(connection, arrival, row.id, values)
        )


def _commit_page(
    connection: sa.Connection,
    arrival: journal.Arrival,
    source: tuple[str, str],
    values: Mapping[str, Any],
) -> None:
    """Write events and cursor together."""
    journal.append(connection, [arrival])
    polled = s.channels.update().where(s.channels.c.name == source[0])
    connection.execute(polled.values(last_poll_at=values["polled_at"]))
    table = s.sources
    connection.execute(
        table.update()
        .where(table.c.channel == source[0], table.c.source == source[1])
        .values(**values)
    )


def _commit_lookup(
    connection: sa.Connection,
    arrival: journal.Arrival | None,
    lookup: int,
    values: Mapping[str, Any],
) -> None:
    """Write what was fetched and that it was."""
    if arrival is not None:
        journal.append(connection, [arrival])
    connection.execute(s.lookups.update().where(s.lookups.c.id == lookup).values(**values))
