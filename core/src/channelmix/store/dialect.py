"""The few places where SQLite and PostgreSQL want to be asked differently."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from itertools import starmap
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from channelmix.store.types import Id, Kept, Rows, Word

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

    With several `rows`, all with the same keys, for each of them. As with `fetch`, SQLite's driver
    gets it as it was compiled once.
    """
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, rows).rowcount
    several = [rows] if isinstance(rows, Mapping) else rows
    prepared = _prepared(statement, tuple(several[0]))
    changed, _ = prepared.execute(connection, several)
    return changed


def fetch(connection: sa.Connection, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
    """Execute a statement that is made once; return its rows, with their columns as attributes.

    On SQLite it goes to the driver as it was compiled: what SQLAlchemy does for every call takes
    many times as long as the database.
    """
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, values).all()
    prepared = _prepared(statement, tuple(values))
    _, found = prepared.execute(connection, [values])
    return list(map(prepared.make, starmap(prepared.take, found)))


def first(connection: sa.Connection, statement: Any, values: Mapping[str, Any]) -> Any:
    """Execute a statement that is made once; return the first value of its first row, or None."""
    rows = fetch(connection, statement, values)
    return rows[0][0] if rows else None


_SQLITE: Any = sqlite.dialect()
_Convert = Callable[[Any], Any]
_row_class: Any = namedtuple  # noqa: PYI024 - its columns are known only once it is compiled


@frozen(kw_only=True)
class _Prepared:
    """A statement, compiled for SQLite.

    There are many values, so that most of what is done with each is done by functions in C.
    """

    text: str
    known: Mapping[str, Any]
    """The values that are in the statement itself."""
    pick: Callable[[Mapping[str, Any]], Sequence[Any]]
    """Picks the parameters, in their order, from those that are given and those that are known."""
    put: Callable[..., Sequence[Any]]
    """Makes of parameters what the driver takes."""
    take: Callable[..., Sequence[Any]]
    """Makes of columns that the driver gives what they are."""
    make: Callable[[Iterable[Any]], Any]
    """Makes a row of the result of its columns."""

    def execute(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[int, Sequence[Any]]:
        """Execute it for each of `rows`, in a transaction; return how many it changed, or gave.

        Raises: errors as SQLAlchemy does, those of a row that is fetched too.
        """
        if not connection.in_transaction():
            connection.begin()
        driver: Any = connection.connection.driver_connection
        whole = [{**row, **self.known} for row in rows] if self.known else rows
        values = list(starmap(self.put, map(self.pick, whole)))
        try:
            if len(values) == 1:
                done = driver.execute(self.text, values[0])
                found = done.fetchall()
            else:
                done, found = driver.executemany(self.text, values), ()
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                self.text, None, error, sqlite3.Error, dialect=connection.dialect
            ) from error
        return done.rowcount, found


@lru_cache(maxsize=512)
def _prepared(statement: Any, names: tuple[str, ...]) -> _Prepared:
    """Compile a statement for SQLite. Raises: `ValueError` for a list that is not an `among`."""
    compiled = statement.compile(dialect=_SQLITE, column_keys=list(names))
    if lists := [
        name for name in names if name in compiled.binds and compiled.binds[name].expanding
    ]:
        raise ValueError(f"{lists[0]}: as many parameters as it has elements; use among()")
    whole = compiled.construct_expanded_state(dict.fromkeys(names))
    order = whole.positiontup
    # There is no bind for an element of a list that is in the statement.
    puts = [
        _put(bind.type) if (bind := compiled.binds.get(name)) is not None else None
        for name in order
    ]
    columns = compiled._result_columns  # noqa: SLF001 - what SQLAlchemy itself reads rows with
    row: Any = _row_class("Row", [one.keyname for one in columns], rename=True)
    return _Prepared(
        text=whole.statement,
        known={name: whole.parameters[name] for name in order if name not in names},
        pick=itemgetter(*order) if len(order) > 1 else lambda row: [row[name] for name in order],
        put=_converting(puts),
        take=_converting([_take(one.type) for one in columns]),
        make=partial(tuple.__new__, row),
    )


def _converting(by: Sequence[_Convert | None]) -> Callable[..., Sequence[Any]]:
    """Write the function that converts its arguments, each by its own, but for None.

    It is written like this because a loop over them would take three times as long.
    """
    values = [f"v{place}" for place in range(len(by))]
    made = [
        name if convert is None else f"{name} if {name} is None else to_{name}({name})"
        for name, convert in zip(values, by, strict=True)
    ]
    text = f"lambda {', '.join(values)}: [{', '.join(made)}]"
    function: Callable[..., Sequence[Any]] = eval(  # noqa: S307 - a text of numbers alone
        text, {f"to_{name}": convert for name, convert in zip(values, by, strict=True)}
    )
    return function


def _put(kind: Any) -> Any:
    """Return what makes of a value that which SQLite's driver takes, if it is not the same."""
    if isinstance(kind, Word):
        return None
    if isinstance(kind, Kept):
        return kind.put
    if isinstance(kind, sa.Boolean):
        return int
    return kind.dialect_impl(_SQLITE).bind_processor(_SQLITE)


def _take(kind: Any) -> Any:
    """Return what makes a value of that which SQLite's driver gives, if it is not the same."""
    if isinstance(kind, Kept):
        return kind.take
    return kind.dialect_impl(_SQLITE).result_processor(_SQLITE, None)


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
        last = first(connection, _last(table), {}) or 0
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
    """What is at a place of an element, a list itself; without a place the element, as text."""

    inherit_cache = True


@compiles(_Elements, "sqlite")
def _elements_of_sqlite(which: _Elements, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(which.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _elements_of_postgresql(which: _Elements, compiler: Any, **options: Any) -> str:
    return f"jsonb_array_elements(CAST({compiler.process(which.clauses, **options)} AS jsonb))"


@compiles(_Element, "sqlite")
def _element_of_sqlite(which: _Element, compiler: Any, **options: Any) -> str:
    value, *place = (compiler.process(one, **options) for one in which.clauses)
    return f"json_extract({value}, '$[{place[0]}]')" if place else value


@compiles(_Element, "postgresql")
def _element_of_postgresql(which: _Element, compiler: Any, **options: Any) -> str:
    value, *place = (compiler.process(one, **options) for one in which.clauses)
    return f"({value} ->> {place[0]})" if place else f"({value} #>> '{{}}')"


def among(name: str, *columns: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Say that `columns` together are one of the rows that the parameter `name` brings.

    For one column these are values. One parameter, however many: the statement is made, and
    prepared, once. And the index on the columns is used, which SQLite does not for a list of row
    values.
    """
    each = _Elements(sa.bindparam(name, type_=Rows())).table_valued("value")
    picked = []
    for place, column in enumerate(columns):
        at: list[Any] = [sa.literal_column(str(place))] if len(columns) > 1 else []
        found: Any = _Element(each.c.value, *at)
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
