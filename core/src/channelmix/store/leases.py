"""What only one process may work on at a time: a row that is leased to it for a while.

The columns are `lease_owner` and `lease_until`. An owner works on the rows of one query one
batch after the other; what it still holds when it asks again was left by a batch that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.store import schema as s
from channelmix.store.dialect import among, fetch, run
from channelmix.store.types import Time, Word

LEASED = {
    s.raw_events: s.raw_events.c.settled == sa.false(),
    s.lookups: s.lookups.c.state == "wanted",
    s.attachments: s.attachments.c.state == "wanted",
    s.sources: sa.true(),
    s.observers: sa.true(),
}
"""What is leased, and which rows of it can be."""


def free(table: sa.Table, owner: Any, now: Any) -> sa.ColumnElement[bool]:
    """Say which rows of `table` nobody but `owner` holds; values, or parameters for them."""
    return sa.or_(
        table.c.lease_until.is_(None), table.c.lease_until < now, table.c.lease_owner == owner
    )


@frozen(eq=False)
class Leasing:
    """How rows of a table are leased: statements that are made once."""

    free: sa.Select[Any]
    lease: sa.Update
    key: Callable[[Any], Any]
    """Gives the primary key of a row."""

    @classmethod
    def of(cls, table: sa.Table, query: sa.Select[Any], **values: Any) -> Leasing:
        """Make the statements that lease the rows of `table` that `query` selects.

        `query` selects the primary key, and whatever else is wanted; `values` are set as well.
        """
        owner, now = sa.bindparam("owner", type_=Word), sa.bindparam("now", type_=Time)
        until = sa.bindparam("until", type_=Time)
        key = table.primary_key.columns
        return cls(
            query.where(free(table, owner, now)).with_for_update(of=table, skip_locked=True),
            table.update()
            .where(among("taken", *key))
            .values(lease_owner=owner, lease_until=until, **values),
            attrgetter(*(column.name for column in key)),
        )

    def find(
        self, connection: sa.Connection, owner: str, now: datetime, **parameters: Any
    ) -> Sequence[Any]:
        """Return rows that nobody else has; `parameters` are those of the query."""
        return fetch(connection, self.free, {"owner": owner, "now": now, **parameters})

    def give(
        self, connection: sa.Connection, rows: Sequence[Any], owner: str, until: datetime
    ) -> None:
        """Lease rows that were found in this transaction."""
        run(connection, self.lease, self.taking(rows, owner, until))

    def taking(self, rows: Sequence[Any], owner: str, until: datetime) -> dict[str, Any]:
        """Return the parameters of `lease` that give `rows` to `owner`."""
        return {"owner": owner, "until": until, "taken": [self.key(row) for row in rows]}


def take(
    connection: sa.Connection,
    table: sa.Table,
    query: sa.Select[Any],
    *,
    owner: str,
    now: datetime,
    hold: timedelta,
) -> list[Any]:
    """Lease the rows of `table` that `query` selects and nobody else has; return them.

    For queries that are made anew each time: SQLAlchemy knows them again by their shape.
    """
    leasing = Leasing.of(table, query)
    rows = list(connection.execute(leasing.free, {"owner": owner, "now": now}))
    if rows:
        connection.execute(leasing.lease, leasing.taking(rows, owner, now + hold))
    return rows


def give_back(connection: sa.Connection, owner: str) -> None:
    """Give back all that `owner` holds, so that nobody has to wait for its leases to end."""
    for table, can_be in LEASED.items():
        connection.execute(
            table.update()
            .where(can_be, table.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )
