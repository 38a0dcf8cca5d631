"""The database behind one desk: threads that write, threads that read, one that watches.

Several processes may share one store: on one machine a file of SQLite (a second `run` beside
the first, the command line beside both), on several hosts PostgreSQL. Leases keep them from
doing the same twice, and each is woken by what another writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from channelmix.errors import StoreError
from channelmix.store import migrate
from channelmix.store.backend import READERS, Backend
from channelmix.store.dialect import in_the_way, in_trouble

T = TypeVar("T")
Job = tuple[Callable[[sa.Connection], Any], "asyncio.Future[Any]"]
Outcome = tuple["asyncio.Future[Any]", Any, BaseException | None]

TRIES = 5
"""How often a job is run that another transaction was in the way of."""
_CLOSE = object()


class _Kept:
    """A connection that a thread keeps: to take one from the pool costs it as much as a statement.

    After an error it goes back there, where it is put right or replaced.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    def __enter__(self) -> sa.Connection:
        """Return the connection, with no transaction begun. Raises: as `Engine.connect`."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.give_back()

    def give_back(self) -> None:
        """Give the connection back, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Store:
    """The tables, reached only by functions that take a connection.

    `write` runs its function in a writer thread, inside a transaction that it may share with
    whatever else waits; it returns after the commit. A function that raises is rolled back
    alone; one that collides with another process is run again. `read` runs in a reader thread
    and sees one moment, not older than the last commit.
    """

    def __init__(self, url: str) -> None:
        self._backend = _backend(url)
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="channelmix-read")
        self._writers = [
            threading.Thread(target=self._work, name=f"channelmix-write-{number}", daemon=True)
            for number in range(self._backend.writers)
        ]
        self._watcher: threading.Thread | None = None
        self._closing = threading.Event()
        self._commits = 0
        self._origin: str | None = None

    @property
    def url(self) -> sa.URL:
        """Where the data is, with its password."""
        return self._backend.url

    @property
    def place(self) -> str:
        """Where the data is, without a password."""
        return self._backend.place

    @property
    def commits(self) -> int:
        """How many transactions this store has committed."""
        return self._commits

    def open(self) -> None:
        """Connect, and bring the tables up to date.

        Raises: `StoreError` if the database cannot be used or comes from a newer version.
        """
        backend = self._backend
        try:
            migrate.prepare(backend.writing, backend.place)
            with backend.reading.connect() as connection:
                self._origin = migrate.origin(connection)
                backend.permitted(connection)
        except (SQLAlchemyError, OSError) as error:
            self._dispose()
            raise backend.trouble(error) from error
        except StoreError:
            self._dispose()
            raise
        for engine in (backend.writing, backend.reading):
            sa_event.listen(engine, "connect", self._recognize)
        for writer in self._writers:
            writer.start()

    def watch(self, changed: Callable[[], object]) -> None:
        """Call `changed`, in a thread, whenever another process may have written."""

        def watching() -> None:
            for _ in self._backend.others(self._closing):
                changed()

        self._watcher = threading.Thread(target=watching, name="channelmix-watch", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Finish what is queued, then disconnect."""
        self._closing.set()
        if self._watcher is not None:
            self._backend.hush()
            self._watcher.join()
        # Counted first: whoever takes the first word to close is gone before the next is said.
        alive = [writer for writer in self._writers if writer.is_alive()]
        for _ in alive:
            self._jobs.put(_CLOSE)
        for writer in alive:
            writer.join()
        self._readers.shutdown(wait=True)
        self._dispose()

    def _dispose(self) -> None:
        """Close every connection."""
        self._backend.writing.dispose()
        self._backend.reading.dispose()

    def write(self, job: Callable[[sa.Connection], T]) -> Awaitable[T]:
        """Run `job` in a transaction; the result comes after its commit.

        Raises: `StoreError` if the database is in trouble; whatever `job` raises.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, future))
        return future

    async def read(self, job: Callable[[sa.Connection], T]) -> T:
        """Run `job` on what is committed.

        Raises: `StoreError` if the database is in trouble; whatever `job` raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    def _read(self, job: Callable[[sa.Connection], T], tries: int = TRIES) -> T:
        """Run `job` in a reader thread; again if its connection had gone stale."""
        try:
            with self._backend.reading.connect() as connection:
                return job(connection)
        except DBAPIError as error:
            if tries > 1 and in_the_way(error):
                return self._read(job, tries - 1)
            raise self._backend.trouble(error) from error

    # --- writing --------------------------------------------------------------------------

    def _work(self) -> None:
        """Take what waits, commit it together, tell everyone; until closed."""
        kept = _Kept(self._backend.writing)
        while batch := self._next():
            self._commit(kept, batch)
        kept.give_back()

    def _next(self) -> list[Job]:
        """Wait for jobs; nothing: it is time to close."""
        batch: list[Job] = []
        with contextlib.suppress(queue.Empty):
            while len(batch) < self._backend.together:
                item = self._jobs.get(block=not batch)
                if item is _CLOSE:
                    if batch:
                        self._jobs.put(_CLOSE)
                    break
                batch.append(item)
        return batch

    def _commit(self, kept: _Kept, batch: list[Job]) -> None:
        """Run the jobs of a batch in one transaction, and say how they went."""
        try:
            outcomes = self._transact(kept, batch, TRIES)
        except Exception as error:  # noqa: BLE001 - whatever it is, everybody waiting is told
            outcomes = [(future, None, self._told(error)) for _, future in batch]
        else:
            self._commits += 1
        # All at once: each call into a loop from outside wakes it up.
        for loop in {future.get_loop() for future, _, _ in outcomes}:
            mine = [one for one in outcomes if one[0].get_loop() is loop]
            with contextlib.suppress(RuntimeError):  # it is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, mine)

    def _transact(
        self, kept: _Kept, batch: list[Job], tries: int, *, apart: bool = False
    ) -> list[Outcome]:
        """Run jobs in one transaction; again as long as others are in the way.

        If one fails, all are undone and run again, each apart, so that it is undone alone: that
        is rare, and a savepoint costs more than many a job. Never after a commit was asked for:
        it may have succeeded.
        """
        done = False
        try:
            with self._backend.turn, kept as connection, connection.begin():
                run = _run_apart if apart else _run
                outcomes = [run(connection, job, future) for job, future in batch]
                done = True
        except Exception as error:
            if done:
                raise
            if isinstance(error, DBAPIError) and in_the_way(error) and tries > 1:
                return self._transact(kept, batch, tries - 1, apart=apart)
            if apart or len(batch) == 1:
                raise
            return self._transact(kept, batch, tries, apart=True)
        return outcomes

    def _told(self, error: Exception) -> Exception:
        """Return an error as whoever waits for a job is told it."""
        if not isinstance(error, SQLAlchemyError):
            return error
        told = self._backend.trouble(error)
        told.__cause__ = error
        return told

    def _recognize(self, connection: Any, _record: Any) -> None:
        """Make sure that a new connection leads to the database that was opened.

        Raises: `StoreError`.
        """
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT id FROM origin")
            found = cursor.fetchone()
        except Exception:  # noqa: BLE001 - each driver has its own error for: there is no table
            found = None
        if found != (self._origin,):
            connection.close()
            raise StoreError(
                f"store {self.place}: is now another database, or an empty one; bring back the "
                f"one with origin {self._origin}, or stop and start to go on with what is there"
            )
        connection.rollback()


def _tell(outcomes: list[Outcome]) -> None:
    """Say in their event loop how jobs went; a caller may have been cancelled meanwhile."""
    for future, value, problem in outcomes:
        if future.done():
            continue
        if problem is None:
            future.set_result(value)
        else:
            future.set_exception(problem)


def _run(
    connection: sa.Connection, job: Callable[[sa.Connection], Any], future: asyncio.Future[Any]
) -> Outcome:
    """Run one job."""
    return future, job(connection), None


def _run_apart(
    connection: sa.Connection, job: Callable[[sa.Connection], Any], future: asyncio.Future[Any]
) -> Outcome:
    """Run one job; if it fails, undo it alone.

    Raises: what the database is in trouble with, as a full disk: SQLite may have undone the whole
    transaction then, with the jobs that went well.
    """
    savepoint = connection.begin_nested()
    try:
        value = job(connection)
    except Exception as error:
        if isinstance(error, DBAPIError) and in_trouble(error):
            raise
        savepoint.rollback()
        return future, None, error
    savepoint.commit()
    return future, value, None


def _backend(url: str) -> Backend:
    """Choose the backend by the URL; its module is imported only where it is used.

    Raises: `StoreError` for a URL that is none, or of another database.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise StoreError("store: is no URL; write sqlite:///desk.db") from error
    match parsed.get_backend_name():
        case "sqlite":
            from channelmix.store.sqlite import Sqlite  # noqa: PLC0415 - see above

            return Sqlite.of(parsed)
        case "postgresql":
            from channelmix.store.postgresql import Postgresql  # noqa: PLC0415 - see above

            return Postgresql.of(parsed)
        case other:
            raise StoreError(f"store: {other} is neither sqlite:/// nor postgresql://")
