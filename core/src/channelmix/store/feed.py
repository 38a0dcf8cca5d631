"""The durable feed of what happened: written with what caused it, read by observers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from channelmix.records import Happening
from channelmix.store import locks
from channelmix.store import schema as s
from channelmix.store.dialect import add, announce, fetch, first

PAGE = 100
"""How many happenings are read at once."""


@frozen(kw_only=True)
class Fresh:
    """Something that happens in this transaction."""

    kind: str
    channel: str
    ticket: int | None = None
    data: Mapping[str, Any] = field(factory=dict)


def tell(connection: sa.Connection, fresh: list[Fresh], now: datetime) -> None:
    """Append to the feed; the last thing a transaction does.

    Whoever tells waits for those who have told and not yet committed. So the ids come in the
    order of the commits, and a reader never passes one that appears behind it later.
    """
    if fresh:
        locks.hold(connection, [locks.FEED])
        rows = [
            {
                "kind": one.kind,
                "at": now,
                "channel": one.channel,
                "ticket_id": one.ticket,
                "data": dict(one.data),
            }
            for one in fresh
        ]
        add(connection, s.happenings, rows)
        announce(connection)


_AFTER = (
    sa.select(s.happenings)
    .where(s.happenings.c.id > sa.bindparam("position"))
    .order_by(s.happenings.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def after(connection: sa.Connection, position: int, limit: int = PAGE) -> list[Happening]:
    """Read the feed from after `position` on."""
    return [
        Happening(
            id=row.id,
            kind=row.kind,
            at=row.at,
            channel=row.channel,
            ticket=row.ticket_id,
            data=row.data,
        )
        for row in fetch(connection, _AFTER, {"position": position, "limit": limit})
    ]


_POSITION = sa.select(s.observers.c.position).where(s.observers.c.name == sa.bindparam("name"))


def position(connection: sa.Connection, name: str) -> int:
    """Return how far an observer has come."""
    return first(connection, _POSITION, {"name": name}) or 0


def last(connection: sa.Connection) -> int:
    """Return the newest position."""
    return connection.execute(sa.select(sa.func.max(s.happenings.c.id))).scalar() or 0
