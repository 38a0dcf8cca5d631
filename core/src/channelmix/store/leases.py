"""What only one process may work on at a time: a row that is leased to it for a while.

The columns are `lease_owner` and `lease_until`. An owner works on the rows of one query one
batch after the other; what it still holds when it asks again was left by a batch that failed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from channelmix.store import schema as s
from channelmix.store.dialect import lock

LEASED = {
    s.raw_events: s.raw_events.c.settled == sa.false(),
    s.lookups: s.lookups.c.state == "wanted",
    s.attachments: s.attachments.c.state == "wanted",
    s.sources: sa.true(),
    s.observers: sa.true(),
}
"""What is leased, and which rows of it can be."""


def free(table: sa.Table, owner: str, now: datetime) -> sa.ColumnElement[bool]:
    """Say which rows of `table` nobody but `owner` holds."""
    return sa.or_(
        table.c.lease_until.is_(None), table.c.lease_until < now, table.c.lease_owner == owner
    )


def take(
    connection: sa.Connection,
    table: sa.Table,
    query: sa.Select[Any],
    *,
    owner: str,
    now: datetime,
    hold: timedelta,
    **values: Any,
) -> list[Any]:
    """Lease the rows of `table` that `query` selects and nobody else has; return them.

    `query` selects the primary key, and whatever else is wanted; `values` are set as well.
    """
    wanted = lock(connection, query.where(free(table, owner, now)), table, skip=True)
    rows = list(connection.execute(wanted).all())
    if rows:
        columns = table.primary_key.columns
        which = [tuple(getattr(row, column.name) for column in columns) for row in rows]
        connection.execute(
            table.update()
            .where(sa.tuple_(*columns).in_(which))
            .values(lease_owner=owner, lease_until=now + hold, **values)
        )
    return rows


def give_back(connection: sa.Connection, owner: str) -> None:
    """Give back all that `owner` holds, so that nobody has to wait for its leases to end."""
    for table, can_be in LEASED.items():
        connection.execute(
            table.update()
            .where(can_be, table.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )
