"""The few places where SQLite and PostgreSQL want to be asked differently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")
IN_LIMIT = 500
"""How many values one IN list takes: databases have limits, and plans get slow before."""


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


def lock(connection: sa.Connection, statement: sa.Select[Any], *, skip: bool = False) -> Any:
    """Lock the rows that `statement` selects; SQLite's writer holds the whole file anyway."""
    if connection.dialect.name == "sqlite":
        return statement
    return statement.with_for_update(skip_locked=skip)
