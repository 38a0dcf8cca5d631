"""SQLite: one file, one writer at a time, and several processes that share it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import sqlalchemy as sa
from attrs import define, field
from sqlalchemy import event

from channelmix.errors import StoreError
from channelmix.store.backend import READERS, Backend

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # Pages until the log (of 32 MB then) is copied back. Keys come in no order, so most pages
    # of an index are written again before long; the default of 1,000 copies each many times.
    "wal_autocheckpoint=8000",
)
FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
PATIENCE = 15
"""Seconds that a write waits for one of another process."""
PULSE = 0.1
"""Seconds between two looks whether another process has written."""


@define(eq=False, kw_only=True)
class Sqlite(Backend):
    """A database in a file. Any number of processes of one machine may open it."""

    writers: ClassVar[int] = 1
    together: ClassVar[int] = 256

    turn: threading.Lock = field(factory=threading.Lock, init=False)
    _driver: Any = field(default=None, init=False)
    """The driver's own connection of the one that writes."""

    @classmethod
    def of(cls, url: sa.URL) -> Sqlite:
        """Make the backend of an `sqlite:///` URL.

        Raises: `StoreError` where the URL names no file: threads would each have a database.
        """
        if url.database in {None, "", ":memory:"}:
            raise StoreError(f"store {url}: names no file; write sqlite:///desk.db")
        # A transaction that reads and then writes could not upgrade its lock while another
        # process writes; so whoever writes takes the lock at once.
        writing, reading = _engine(url, "BEGIN IMMEDIATE", 1), _engine(url, "BEGIN", READERS)
        backend = cls(url=url, writing=writing, reading=reading)
        event.listen(writing, "connect", backend._connected)
        return backend

    def others(self, stop: threading.Event) -> Iterator[None]:
        """Yield at first, then when `data_version` changes: by other connections' writes alone.

        The one writing connection is the one that asks, so our own writes do not count.
        """
        seen = None
        while not stop.is_set():
            with contextlib.suppress(sqlite3.Error):  # whoever works with the store will say so
                if seen != (seen := self._version()):
                    yield
            stop.wait(PULSE)

    def no_room(self, cause: Any) -> bool:
        """Say whether the disk is full; SQLite's index of its log tells it in words of its own."""
        return getattr(cause, "sqlite_errorcode", None) in FULL

    def _version(self) -> Any:
        """Return a number that another process' commit changes."""
        with self.turn:
            return self._driver.execute("PRAGMA data_version").fetchone()

    def _connected(self, driver: Any, _record: Any) -> None:
        """Keep the driver's own connection, to ask it what others have written."""
        self._driver = driver


def _engine(url: sa.URL, begin: str, connections: int) -> sa.Engine:
    """Make an engine whose transactions begin as told."""
    engine = sa.create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": PATIENCE},
        poolclass=sa.QueuePool,
        pool_size=connections,
        max_overflow=0,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver says no BEGIN, see below
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def _begin(dbapi_connection: Any) -> None:
        dbapi_connection.execute(begin)

    # Said by the dialect and by no listener: for those SQLAlchemy looks with every statement.
    engine.dialect.do_begin = _begin  # type: ignore[method-assign]  # of this engine alone
    return engine
