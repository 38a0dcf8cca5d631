"""The few places where SQLite and PostgreSQL want to be asked differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from channelmix.store.types import Id, Rows

CHANNEL = "channelmix"
"""Where processes announce to each other that they have written."""
COLLISIONS = frozenset({"40001", "40P01"})
"""PostgreSQL, Appendix A (error codes): serialization failure, deadlock."""
TROUBLE = frozenset({"08", "40", "53", "57", "58"})
"""The same, classes: connection, rollback, resources, operator, system."""
LOCK_TIMEOUT = "55P03"
DISK_FULL = "53100"


_INSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT that knows ON CONFLICT, as the connection's database writes it."""
    return _INSERT[connection.dialect.name](table)


def inserting(build: Callable[[Any], Any]) -> Mapping[str, Any]:
    """Make an INSERT that knows ON CONFLICT for every database, by the name of its dialect.

    For those that are made once and executed often: making one costs more than it does.
    """
    return {name: build(make) for name, make in _INSERT.items()}


def run(
    connection: sa.Connection, statement: Any, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> int:
    """Execute a statement that is made once and gives no rows; return how many it changed.

    With several `rows`, all with the same keys, for each of them. On SQLite it goes to the driver
    as it was compiled: what SQLAlchemy does for every call and row takes longer than the database.
    """
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, rows).rowcount
    several = [rows] if isinstance(rows, Mapping) else rows
    text, binds = _prepared(statement, tuple(several[0]))
    values = [
        tuple([known if name is None else convert(row[name]) for name, convert, known in binds])
        for row in several
    ]
    return connection.exec_driver_sql(text, values if len(values) > 1 else values[0]).rowcount


_SQLITE: Any = sqlite.dialect()
_Bind = tuple[str | None, Callable[[Any], Any], Any]
"""The key of a row and what makes of its value what the driver takes; without a key, a value."""


@lru_cache(maxsize=256)
def _prepared(statement: Any, names: tuple[str, ...]) -> tuple[str, Sequence[_Bind]]:
    """Compile a statement for SQLite."""
    compiled = statement.compile(dialect=_SQLITE, column_keys=list(names))
    binds: list[_Bind] = []
    for name in compiled.positiontup:
        convert = compiled.binds[name].type.dialect_impl(_SQLITE).bind_processor(_SQLITE) or _as_is
        if name in names:
            binds.append((name, convert, None))
        else:
            binds.append((None, _as_is, convert(compiled.params[name])))
    return str(compiled), binds


def _as_is(value: Any) -> Any:
    return value


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
    columns = [name for name in rows[0] if name not in key] if update is None else update
    statement = _upserting(connection.dialect.name, table, tuple(key), tuple(columns))
    run(connection, statement, rows)


@cache
def _upserting(
    dialect: str, table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...]
) -> Any:
    """Make the statement of an upsert, once."""
    statement = _INSERT[dialect](table)
    if not columns:
        return statement.on_conflict_do_nothing(index_elements=key)
    values = {name: statement.excluded[name] for name in columns}
    return statement.on_conflict_do_update(index_elements=key, set_=values)


def add(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, all with the same columns.

    PostgreSQL takes a row at a time ten times as long as arrays of columns, in one statement.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        run(connection, _plain(table), rows)
        return
    columns = tuple(rows[0])
    arrays = {name: [row[name] for row in rows] for name in columns}
    connection.execute(_adding(table, columns), arrays)


@cache
def _plain(table: sa.Table) -> sa.Insert:
    return table.insert()


@cache
def _adding(table: sa.Table, columns: tuple[str, ...]) -> sa.Insert:
    """Make an INSERT whose parameters are the arrays of its columns."""
    typed = [(name, table.c[name].type) for name in columns]
    # Of one dimension: a list in a column of JSON is a value, and no array within the array.
    arrays = [
        sa.bindparam(name, type_=postgresql.ARRAY(kind, dimensions=1)) for name, kind in typed
    ]
    each = sa.func.unnest(*arrays).table_valued(*(sa.column(name, kind) for name, kind in typed))
    return table.insert().from_select(list(columns), sa.select(*each.render_derived().c))


def numbers(connection: sa.Connection, table: sa.Table, count: int) -> Sequence[int]:
    """Return ids for `count` rows to be inserted: asked for once, not row by row.

    SQLite's one writer holds the file, so that nobody else takes them.
    """
    if connection.dialect.name == "sqlite":
        last = connection.execute(_last(table)).scalar() or 0
        return range(last + 1, last + 1 + count)
    wanted = {"sequence": f"{table.name}_id_seq", "count": count}
    return connection.execute(_NEXT, wanted).scalars().all()


@cache
def _last(table: sa.Table) -> sa.Select[Any]:
    return sa.select(sa.func.max(table.c.id))


_NEXT = sa.text("SELECT nextval(:sequence) FROM generate_series(1, :count)")


class _Elements(FunctionElement[Any]):
    """The elements of a JSON list, each a row with the column `value`."""

    inherit_cache = True


class _Element(FunctionElement[Any]):
    """The element of a JSON list at a place."""

    inherit_cache = True


@compiles(_Elements, "sqlite")
def _elements_of_sqlite(which: _Elements, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(which.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _elements_of_postgresql(which: _Elements, compiler: Any, **options: Any) -> str:
    return f"jsonb_array_elements(CAST({compiler.process(which.clauses, **options)} AS jsonb))"


@compiles(_Element, "sqlite")
def _element_of_sqlite(which: _Element, compiler: Any, **options: Any) -> str:
    value, place = (compiler.process(one, **options) for one in which.clauses)
    return f"json_extract({value}, '$[{place}]')"


@compiles(_Element, "postgresql")
def _element_of_postgresql(which: _Element, compiler: Any, **options: Any) -> str:
    value, place = (compiler.process(one, **options) for one in which.clauses)
    return f"({value} ->> {place})"


def among(name: str, *columns: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Say that `columns` together are one of the rows that the parameter `name` brings.

    One parameter, however many rows: the statement is made, and prepared, once. And the index
    on the columns is used, which SQLite does not for a list of row values.
    """
    each = _Elements(sa.bindparam(name, type_=Rows())).table_valued("value")
    picked = []
    for place, column in enumerate(columns):
        found = _Element(each.c.value, sa.literal_column(str(place)))
        picked.append(sa.cast(found, Id) if column.type is Id else found)
    return sa.tuple_(*columns).in_(sa.select(*picked))


def lock(
    connection: sa.Connection, statement: sa.Select[Any], of: sa.Table, *, skip: bool = False
) -> sa.Select[Any]:
    """Lock the rows of `of` that `statement` selects; SQLite's writer holds the file anyway.

    A statement that is made once says so itself: on SQLite it is left out.
    """
    if connection.dialect.name == "sqlite":
        return statement
    return statement.with_for_update(of=of, skip_locked=skip)


_ANNOUNCE = sa.select(sa.func.pg_notify(CHANNEL, sa.bindparam("token", type_=sa.Text())))


def announce(connection: sa.Connection) -> None:
    """Tell other processes, with the commit, that there is work; on SQLite they see it."""
    if connection.dialect.name == "sqlite":
        return
    token = connection.get_execution_options()["store"]
    connection.execute(_ANNOUNCE, {"token": token})


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
