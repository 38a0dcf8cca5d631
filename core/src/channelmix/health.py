"""How each channel does: one line when it goes bad, one when it comes back, and a row to see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from attrs import define, field, frozen

from channelmix.hookspecs import Clock
from channelmix.log import get_logger
from channelmix.store import feed
from channelmix.store import schema as s
from channelmix.store.dialect import announce, upsert
from channelmix.store.engine import Store

State = Literal["ok", "degraded", "paused", "unauthorized", "disabled"]


@frozen(kw_only=True)
class Health:
    """How a channel does, and why."""

    state: State
    why: str | None = None


@define(eq=False, kw_only=True)
class HealthBook:
    """The present health of every channel; what changes is logged, stored and told."""

    store: Store
    clock: Clock
    _now: dict[str, Health] = field(factory=dict, init=False)
    _in_turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    def of(self, channel: str) -> Health:
        """Return how a channel does."""
        return self._now.get(channel, Health(state="ok"))

    async def set(self, channel: str, state: State, why: str | None = None) -> None:
        """Note how a channel does; nothing happens if it is known.

        When a channel comes back, its sources are swept for what was missed meanwhile.
        """
        before = self.of(channel)
        if before.state == state and channel in self._now:
            return
        self._now[channel] = Health(state=state, why=why)
        log = get_logger(channel=channel)
        if state == "ok":
            log.info("channel.ok", was=before.state)
        else:
            log.warning("channel.bad", state=state, why=why)
        now = self.clock.now()

        def job(connection: sa.Connection) -> None:
            if state == "ok" and before.state != "ok":
                _sweep(connection, channel, now)
            _write(connection, channel, state, why, now)

        async with self._in_turn:  # the store has several writers: the last word must come last
            await self.store.write(job)

    async def hold(self, channels: Sequence[str], why: str, until: datetime) -> None:
        """Note that channels slow down."""
        table = s.channels
        statement = table.update().where(table.c.name.in_(channels))
        values = {"held_until": until, "held_because": why}
        await self.store.write(lambda connection: connection.execute(statement.values(values)))

    async def fine(self, channel: str) -> None:
        """Note that a call to the network went well; a paused or disabled channel stays so."""
        if self.of(channel).state in {"degraded", "unauthorized"}:
            await self.set(channel, "ok")


def _sweep(connection: sa.Connection, channel: str, now: datetime) -> None:
    """Make the sources due that were not polled since the channel went bad.

    Not those that failed themselves: they have a time of their own, it may be the network's.
    """
    source, channels = s.sources.c, s.channels.c
    since = sa.select(channels.since).where(channels.name == channel).scalar_subquery()
    missed = sa.or_(source.polled_at.is_(None), source.polled_at < since)
    due = s.sources.update().where(source.channel == channel, source.failures == 0, missed)
    connection.execute(due.values(next_at=now))


def _write(
    connection: sa.Connection, channel: str, state: State, why: str | None, now: datetime
) -> None:
    """Write the health of a channel, and tell it."""
    row = {"name": channel, "state": state, "why": why, "since": now}
    upsert(connection, s.channels, [row], key=["name"])
    told = feed.Fresh(kind="channel_changed", channel=channel, data={"state": state, "why": why})
    feed.tell(connection, [told], now)


def connected(
    connection: sa.Connection, channel: str, expires_at: datetime | None, now: datetime
) -> None:
    """Note that somebody has logged a channel in, and let its sources be polled at once."""
    renewed(connection, channel, expires_at)
    due = s.sources.update().where(s.sources.c.channel == channel)
    connection.execute(due.values(next_at=now))
    announce(connection)


def checked(
    connection: sa.Connection, channel: str, expires_at: datetime | None, now: datetime
) -> None:
    """Note that a channel was checked, and when its token ends, as far as that showed."""
    _set(connection, channel, checked_at=now)
    if expires_at is not None:
        renewed(connection, channel, expires_at)


def renewed(connection: sa.Connection, channel: str, expires_at: datetime | None) -> None:
    """Note until when a channel's token holds."""
    _set(connection, channel, token_expires_at=expires_at)


def _set(connection: sa.Connection, channel: str, **values: datetime | None) -> None:
    connection.execute(s.channels.update().where(s.channels.c.name == channel).values(**values))


def saved(connection: sa.Connection) -> dict[str, Any]:
    """Return what is written of each channel."""
    return {row.name: row for row in connection.execute(sa.select(s.channels))}
