"""Filling tables: what the pipeline wrote of a few events, copied until it is many.

Every copy gets ids and names of its own and keeps what hangs together: a copied message is in the
copied ticket of the copied customer.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from attrs import frozen
from channelmix.store import schema as s
from channelmix.store.types import Id

NAMES = frozenset({"key", "external_id", "item", "thread", "person", "parent", "target", "token"})
"""Columns with a name that the network gave; an answer's target and token are such, too."""
NUMBERED = [
    table
    for table in s.metadata.sorted_tables
    if isinstance(next(iter(table.primary_key)).type, sa.Integer)
    or next(iter(table.primary_key)).type is Id
]


@frozen(kw_only=True)
class Copied:
    """One table of which copies are made."""

    name: str
    columns: Sequence[str]
    select: str
    """Reads the rows of copy `:copy`."""
    unique: Sequence[str]
    """The columns by which a row is found, none: by its number."""

    @property
    def insert(self) -> str:
        """Writes one row."""
        marks = ", ".join("?" for _ in self.columns)
        return f"insert into {self.name} ({', '.join(self.columns)}) values ({marks})"

    @property
    def lookup(self) -> str:
        """Finds one row."""
        where = " and ".join(f"{one} = ?" for one in self.unique or self.columns[:1])
        return f"select 1 from {self.name} where {where}"

    def key(self, row: Sequence[object]) -> list[object]:
        """Return what `lookup` asks for."""
        return [row[self.columns.index(one)] for one in self.unique or self.columns[:1]]


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database as the store does."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on"):
            connection.execute(f"pragma {pragma}")
        yield connection
    finally:
        connection.close()


def copied(file: Path) -> list[Copied]:
    """Return every numbered table in which there is anything."""
    with opened(file) as connection:
        sizes = {
            table.name: connection.execute(f"select count(*), max({_first(table)}) from {table}")
            .fetchone()
            for table in NUMBERED
        }  # fmt: skip
    span = max(last or 0 for _, last in sizes.values()) + 1
    return [_copied(table, span) for table in NUMBERED if sizes[table.name][0]]


def multiply(file: Path, times: int) -> None:
    """Add so many copies of everything."""
    plan = copied(file)
    with opened(file) as connection:
        for one in plan:
            connection.execute(f"create temp table template as select * from {one.name}")
            source = one.select.replace(f"from {one.name}", "from template")
            connection.execute("begin immediate")
            for copy in range(1, times + 1):
                into = f"insert into main.{one.name} ({', '.join(one.columns)})"
                connection.execute(f"{into} {source}", {"copy": copy})
            connection.execute("commit")
            connection.execute("drop table template")


def duplicate(file: Path, other: Path) -> None:
    """Copy a whole database that nobody has open."""
    with opened(file) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    shutil.copyfile(file, other)


def _copied(table: sa.Table, span: int) -> Copied:
    columns = [one.name for one in table.columns]
    shown = ", ".join(_moved(one, span) for one in table.columns)
    unique = next((one for one in table.constraints if isinstance(one, sa.UniqueConstraint)), None)
    return Copied(
        name=table.name,
        columns=columns,
        select=f"select {shown} from {table.name}",
        unique=[one.name for one in unique.columns] if unique is not None else [],
    )


def _moved(column: sa.Column[object], span: int) -> str:
    """Return a column as a copy has it."""
    if column.name in NAMES:
        return f":copy || '-' || {column.name}"  # in front: the rows of a copy lie side by side
    if column.type is Id:
        return f"{column.name} + {span} * :copy"
    return column.name


def _first(table: sa.Table) -> str:
    return str(next(iter(table.primary_key)).name)
