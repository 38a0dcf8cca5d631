"""The few places where SQLite and PostgreSQL want to be asked differently."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")
IN_LIMIT = 500
"""How many values one IN list takes: databases have limits, and plans get slow before."""
CHANNEL = "channelmix"
"""Where processes announce to each other that they have written."""
COLLISIONS = frozenset({"40001", "40P01"})
"""PostgreSQL, Appendix A (error codes): serialization failure, deadlock."""
TROUBLE = frozenset({"08", "40", "53", "57", "58"})
"""The same, classes: connection, rollback, resources, operator, system."""
LOCK_TIMEOUT = "55P03"


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT that knows ON CONFLICT, as the connection's database writes it."""
    maker = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return maker(table)


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert `rows`, all with the same columns; where `key` is known, set `update` instead.

    `update` left out means every other column of the rows; empty means: leave it as it is.
    """
    if not rows:
        return
    statement = insert(connection, table)
    columns = [name for name in rows[0] if name not in key] if update is None else update
    if columns:
        values = {name: statement.excluded[name] for name in columns}
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    connection.execute(statement, [dict(row) for row in rows])


def chunks(values: Iterable[T]) -> Iterable[list[T]]:
    """Cut `values` into pieces that an IN list takes."""
    whole = list(values)
    for start in range(0, len(whole), IN_LIMIT):
        yield whole[start : start + IN_LIMIT]


def among(
    connection: sa.Connection,
    columns: Sequence[sa.ColumnElement[Any]],
    rows: Iterable[Sequence[Any]],
) -> sa.ColumnElement[bool]:
    """Say that `columns` together are one of `rows`, so that the index on them is used.

    SQLite scans the whole index for a list of row values, and not for a subquery.
    """
    listed = [list(row) for row in rows]
    if connection.dialect.name != "sqlite":
        return sa.tuple_(*columns).in_([tuple(row) for row in listed])
    each = sa.func.json_each(sa.literal(json.dumps(listed), sa.Text())).table_valued("value")
    picked = (
        sa.func.json_extract(each.c.value, sa.literal_column(f"'$[{number}]'"))
        for number in range(len(columns))
    )
    return sa.tuple_(*columns).in_(sa.select(*picked))


def lock(
    connection: sa.Connection, statement: sa.Select[Any], of: sa.Table, *, skip: bool = False
) -> sa.Select[Any]:
    """Lock the rows of `of` that `statement` selects; SQLite's writer holds the file anyway."""
    if connection.dialect.name == "sqlite":
        return statement
    return statement.with_for_update(of=of, skip_locked=skip)


def announce(connection: sa.Connection) -> None:
    """Tell other processes, with the commit, that there is work; on SQLite they see it."""
    if connection.dialect.name == "sqlite":
        return
    token = connection.get_execution_options()["store"]
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, token)))


def in_trouble(error: DBAPIError) -> bool:
    """Say whether the database is in trouble, so that the same may well succeed later."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlstate", None)
    if code is None:  # SQLite, or PostgreSQL out of reach
        return isinstance(error, OperationalError)
    return code[:2] in TROUBLE or code == LOCK_TIMEOUT


def in_the_way(error: DBAPIError) -> bool:
    """Say whether another transaction was in the way, or the connection had gone stale.

    The same may be tried again at once, as long as it was not committed.
    """
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in COLLISIONS
