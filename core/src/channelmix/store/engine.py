"""The database behind one desk: one writer thread with group commit, and a few readers."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from channelmix.errors import ChannelmixError, StoreError
from channelmix.store.migrate import prepare

T = TypeVar("T")
Job = tuple[Callable[[sa.Connection], Any], "Future[Any]"]

GROUP = 256
"""How many jobs share a commit at the most."""
READERS = 2
_CLOSE = object()


class Store:
    """The tables, reached only by functions that take a connection.

    `write` runs its function in the writer thread, inside a transaction that it shares with
    whatever else waits; it returns after the commit. A function that raises is rolled back
    alone. `read` runs in a reader thread and sees the last commit.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self._engine = _engine(self.url)
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="channelmix-read")
        self._writer = threading.Thread(target=self._work, name="channelmix-write", daemon=True)
        self._commits = 0

    @property
    def place(self) -> str:
        """Where the data is, without a password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def commits(self) -> int:
        """How many transactions this store has committed."""
        return self._commits

    def open(self) -> None:
        """Connect, and bring the tables up to date.

        Raises: `StoreError` if the database cannot be used or comes from a newer version.
        """
        try:
            prepare(self._engine, self.place)
        except (SQLAlchemyError, OSError) as error:
            self._engine.dispose()
            raise StoreError(_why(self.place, error)) from error
        except ChannelmixError:
            self._engine.dispose()
            raise
        self._writer.start()

    def close(self) -> None:
        """Finish what is queued, then disconnect."""
        if self._writer.is_alive():
            self._jobs.put(_CLOSE)
            self._writer.join()
        self._readers.shutdown(wait=True)
        self._engine.dispose()

    def write(self, job: Callable[[sa.Connection], T]) -> Awaitable[T]:
        """Run `job` in a transaction; the result comes after its commit."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return asyncio.wrap_future(future)

    async def read(self, job: Callable[[sa.Connection], T]) -> T:
        """Run `job` on what is committed."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    def _read(self, job: Callable[[sa.Connection], T]) -> T:
        """Run `job` in a reader thread."""
        try:
            with self._engine.connect() as connection:
                return job(connection)
        except DBAPIError as error:
            raise StoreError(_why(self.place, error)) from error

    def _work(self) -> None:
        """Take what waits, commit it together, tell everyone; until closed."""
        closing = False
        while not closing:
            batch: list[Job] = []
            item = self._jobs.get()
            while True:
                if item is _CLOSE:
                    closing = True
                    break
                batch.append(item)
                if len(batch) >= GROUP:
                    break
                try:
                    item = self._jobs.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[Job]) -> None:
        """Run the jobs of a batch in one transaction."""
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._engine.begin() as connection:
                outcomes = [
                    _run(connection, job, future, alone=len(batch) == 1) for job, future in batch
                ]
        except Exception as error:  # noqa: BLE001 - whatever it is, everybody waiting is told
            told = error
            if isinstance(error, SQLAlchemyError):
                told = StoreError(_why(self.place, error))
                told.__cause__ = error
            outcomes = [(future, None, told) for _, future in batch]
        else:
            self._commits += 1
        for future, value, problem in outcomes:
            with contextlib.suppress(Exception):  # the caller may have been cancelled
                if problem is None:
                    future.set_result(value)
                else:
                    future.set_exception(problem)


def _run(
    connection: sa.Connection,
    job: Callable[[sa.Connection], Any],
    future: Future[Any],
    *,
    alone: bool,
) -> tuple[Future[Any], Any, BaseException | None]:
    """Run one job; if it shares its transaction, in a savepoint of its own."""
    if alone:
        return future, job(connection), None
    savepoint = connection.begin_nested()
    try:
        value = job(connection)
    except Exception as error:  # noqa: BLE001 - it goes to the one who waits for this job
        savepoint.rollback()
        return future, None, error
    savepoint.commit()
    return future, value, None


def _engine(url: sa.URL) -> sa.Engine:
    """Make the engine, with what each database needs to be told."""
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=READERS + 1, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"check_same_thread": False, "timeout": 15})

    @sa_event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa_event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # A transaction that reads and then writes could not upgrade its lock while another
        # process writes; so the writer takes the lock at once.
        writing = threading.current_thread().name.startswith("channelmix-write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _why(place: str, error: BaseException) -> str:
    """Say in one line what is wrong with the database."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    text = " ".join(str(cause).split())
    return f"store {place}: {text}"


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, None for any other."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)
