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
from attrs import define, evolve, field

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
from channelmix.records import Kind, Poll, Polled, Road, Source
from channelmix.settings import ChannelSettings
from channelmix.store import journal, leases
from channelmix.store import schema as s
from channelmix.store.dialect import upsert
from channelmix.store.engine import Store

PAGES = 50
"""How many pages of one source are fetched before others have their turn."""
LOOKUPS = 10
"""How many lookups are leased at once."""
HOLD = timedelta(minutes=5)
"""How long a source or a lookup is left to the process that took it; longer than any call."""
UNAUTHORIZED_PAUSE = timedelta(minutes=5)
LOOKUP_TRIES = 8
PRIVATE = (Kind.DIRECT_MESSAGE, Kind.STORY_REPLY)


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
    owner: str
    _put_off: int = field(default=0, init=False)
    """How many lookups in a row the network put off."""

    async def start(self) -> None:
        """Make every source due: whatever happened while nobody looked is found now."""
        now = self.clock.now()
        names = [source.name for source in self._timed()]

        def job(connection: sa.Connection) -> None:
            rows = [{"channel": self.channel.name, "source": one, "next_at": now} for one in names]
            upsert(connection, s.sources, rows, key=["channel", "source"])

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
        table = s.sources
        timed = {source.name: source for source in self._timed()}
        query = sa.select(table).where(
            table.c.channel == self.channel.name,
            table.c.next_at <= self.clock.now(),
            table.c.source.in_(timed),
        )
        due = await self._take(table, query)
        for row in due:
            await self._poll(timed[row.source], row)
        return len(due)

    async def _take(self, table: sa.Table, query: sa.Select[Any]) -> list[Any]:
        """Lease what is due and no other process has; ask first, asking costs less."""
        now = self.clock.now()
        due = query.where(leases.free(table, self.owner, now))
        if not await self.store.read(lambda connection: connection.execute(due).first()):
            return []
        return await self.store.write(
            lambda connection: leases.take(
                connection, table, query, owner=self.owner, now=now, hold=HOLD
            )
        )

    async def _poll(self, source: Source, row: Any) -> None:
        """Poll one source to its present end."""
        cursor = row.cursor
        for _ in range(PAGES):
            try:
                known = await self._known(source)
                polled: Polled = await self.dispatch.addressed(
                    self.channel.name,
                    "poll",
                    Poll(source=source.name, cursor=cursor, known=known),
                )
            except ChannelmixError as error:
                await self._failed(source, error, row.failures)
                return
            cursor = polled.cursor
            kept = await self._store_page(source, polled)
            await self.health.fine(self.channel.name)
            if not kept or not polled.more or holding(self.brake.polls_until, self.clock):
                return

    async def _known(self, source: Source) -> tuple[str, ...]:
        """Return what customers said in public and is still there, where a source wants that."""
        if source.known is None:
            return ()
        said = s.messages.c
        query = sa.select(said.external_id).where(
            said.channel == self.channel.name,
            said.own.is_(False),
            said.deleted_at.is_(None),
            said.kind.not_in(PRIVATE),
            said.sent_at >= self.clock.now() - source.known,
        )
        found = await self.store.read(lambda c: c.execute(query.order_by(said.id)).scalars().all())
        return tuple(found)

    async def _store_page(self, source: Source, polled: Polled) -> bool:
        """Store a page's events and its cursor in one commit, if the source is still ours."""
        now = self.clock.now()
        pause = polled.again_in or self._pause(source) or timedelta(minutes=5)
        next_at = now if polled.more else now + pause * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        values = {
            "cursor": polled.cursor,
            "polled_at": now,
            "next_at": next_at,
            "failures": 0,
            "error": None,
            "lease_until": now + HOLD if polled.more else None,
        }
        arrival = self._arrival(polled, source.name, now)
        mine = self._mine(source)
        return await self.store.write(
            lambda connection: _commit_page(connection, arrival, mine, values)
        )

    def _mine(self, source: Source) -> sa.ColumnElement[bool]:
        """Select the row of a source, if it is leased to us."""
        table = s.sources
        return sa.and_(
            table.c.channel == self.channel.name,
            table.c.source == source.name,
            table.c.lease_owner == self.owner,
        )

    def _arrival(self, polled: Polled, source: str, now: datetime) -> journal.Arrival:
        """Turn a page into what the journal takes."""
        name = self.channel.name
        return journal.Arrival(
            scope=name,
            app=self.settings.app,
            road=Road.POLL,
            events=[(name, evolve(one, source=source)) for one in polled.events],
            at=now,
        )

    async def _failed(self, source: Source, error: ChannelmixError, failures: int) -> None:
        """Note that a poll failed, after so many failures in a row, and when to come again.

        Without authorization, or paused, it is the channel that fails: see `HealthBook.set`.
        """
        now = self.clock.now()
        failures += not isinstance(error, AuthorizationLost | Paused)
        values = {
            "failures": failures,
            "error": str(error),
            "next_at": now + await self._pause_after(error, failures),
            "lease_until": None,
        }
        get_logger(channel=self.channel.name).warning(
            "poll.failed", source=source.name, error=str(error), failures=failures
        )
        statement = s.sources.update().where(self._mine(source)).values(values)
        await self.store.write(lambda connection: connection.execute(statement))

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
            .limit(LOOKUPS)
        )
        due = await self._take(table, query)
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
            values = {"state": "failed", "attempts": row.attempts + 1, "error": str(error)}
        except (AuthorizationLost, Paused, RetryLater) as error:
            # No try: it says nothing of the object, and may go on for days.
            self._put_off += 1
            pause = await self._pause_after(error, self._put_off)
            values = {"error": str(error), "next_at": now + pause}
        except ChannelmixError as error:
            tries = row.attempts + 1
            pause = await self._pause_after(error, tries)
            values = {"attempts": tries, "error": str(error)}
            values |= {"next_at": now + pause} if tries < LOOKUP_TRIES else {"state": "failed"}
        else:
            self._put_off = 0
            values = {"state": "done", "error": None}
            arrival = self._arrival(polled, row.source, self.clock.now())
        await self.store.write(
            lambda connection: _commit_lookup(connection, arrival, row.id, values)
        )


def _commit_page(
    connection: sa.Connection,
    arrival: journal.Arrival,
    mine: sa.ColumnElement[bool],
    values: Mapping[str, Any],
) -> bool:
    """Write events and cursor together; neither, if another process polls the source now."""
    if not connection.execute(s.sources.update().where(mine).values(**values)).rowcount:
        return False
    journal.append(connection, arrival)
    polled = s.channels.update().where(s.channels.c.name == arrival.scope)
    connection.execute(polled.values(last_poll_at=values["polled_at"]))
    return True


def _commit_lookup(
    connection: sa.Connection,
    arrival: journal.Arrival | None,
    lookup: int,
    values: Mapping[str, Any],
) -> None:
    """Write what was fetched and that it was."""
    if arrival is not None:
        journal.append(connection, arrival)
    done = s.lookups.update().where(s.lookups.c.id == lookup)
    connection.execute(done.values(**values, lease_owner=None, lease_until=None))
