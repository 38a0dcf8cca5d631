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
from channelmix.store.dialect import announce


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
        connection.execute(s.happenings.insert(), rows)
        announce(connection)


def after(connection: sa.Connection, position: int, limit: int = 100) -> list[Happening]:
    """Read the feed from after `position` on."""
    table = s.happenings
    query = sa.select(table).where(table.c.id > position).order_by(table.c.id).limit(limit)
    return [
        Happening(
            id=row.id,
            kind=row.kind,
            at=row.at,
            channel=row.channel,
            ticket=row.ticket_id,
            data=row.data,
        )
        for row in connection.execute(query)
    ]


def position(connection: sa.Connection, name: str) -> int:
    """Return how far an observer has come."""
    query = sa.select(s.observers.c.position).where(s.observers.c.name == name)
    return connection.execute(query).scalar() or 0


def last(connection: sa.Connection) -> int:
    """Return the newest position."""
    return connection.execute(sa.select(sa.func.max(s.happenings.c.id))).scalar() or 0
