"""PostgreSQL: shared by several processes and hosts, several writers at a time."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import sqlalchemy as sa
from attrs import define
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from channelmix.errors import StoreError
from channelmix.store import dialect
from channelmix.store.backend import READERS, Backend
from channelmix.store.schema import metadata

CONNECT = {
    "application_name": "channelmix",
    "connect_timeout": "10",  # seconds; the system's own is minutes
    "tcp_user_timeout": "30000",  # milliseconds until a silent server counts as gone
}
SESSION = "-c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"
"""So that a process that stands still holds up the others for a minute at the most."""
BY_INDEX = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
"""For the connections that write: what the road looks up there has an index.

The server plans a prepared statement once, in a new desk for tables with next to nothing in them,
and would go on reading them from end to end as they grow: until it analyzes them, which may take
minutes that a flood does not leave.
"""
AS_IT_IS = "-c plan_cache_mode=force_custom_plan"
"""For those that read: much of it is for people, and planned for the tables as they are then."""
AGAIN = 1.0
"""Seconds until a lost connection is made again."""
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@define(eq=False, kw_only=True)
class Postgresql(Backend):
    """A database on a server, reached through psycopg 3."""

    writers: ClassVar[int] = 4
    together: ClassVar[int] = 1
    """Two jobs in one transaction would take their locks in no order; the server has its own
    group commit, and webhooks are gathered before they come here."""

    token: str
    """By this name we announce what we have written, so that we need not heed it ourselves."""

    @classmethod
    def of(cls, url: sa.URL) -> Postgresql:
        """Make the backend of a `postgresql://` URL.

        Raises: `StoreError` if psycopg is not installed.
        """
        token = secrets.token_hex(8)
        try:
            # One connection more than writers: it listens.
            to_write = _told(url, f"{SESSION} {BY_INDEX}")
            writing = _engine(to_write, "READ COMMITTED", cls.writers + 1, token)
            to_read = _told(url, f"{SESSION} {AS_IT_IS}")
            reading = _engine(to_read, "REPEATABLE READ", READERS, token)
        except ImportError as error:
            place = url.render_as_string(hide_password=True)
            raise StoreError(
                f"store {place}: needs psycopg; install channelmix[postgresql]"
            ) from error
        event.listen(reading, "connect", _read_only)
        return cls(url=url, writing=writing, reading=reading, token=token)

    def permitted(self, connection: sa.Connection) -> None:
        """Ask the server for every table; a role that lacks a right is named.

        Raises: `StoreError`.
        """
        rights = [
            sa.func.has_table_privilege(table, right).label(f"{right} on {table}")
            for table in metadata.tables
            for right in RIGHTS
        ]
        row = connection.execute(sa.select(*rights)).one()
        if lacking := [name for name, granted in row._mapping.items() if not granted]:  # noqa: SLF001 - SQLAlchemy's public name
            role = connection.execute(sa.text("SELECT current_user")).scalar()
            raise StoreError(f"store {self.place}: role {role} lacks {', '.join(lacking)}")

    def others(self, stop: threading.Event) -> Iterator[None]:
        """Yield what others announce (NOTIFY), and once whenever we begin to listen."""
        import psycopg  # noqa: PLC0415 - an extra; that it is there, the engines have shown

        while not stop.is_set():
            try:
                with self.writing.connect() as connection:
                    yield from self._heard(connection, stop)
            except (SQLAlchemyError, StoreError, psycopg.Error):
                stop.wait(AGAIN)

    def _heard(self, connection: sa.Connection, stop: threading.Event) -> Iterator[None]:
        """Listen on one connection for as long as it lasts."""
        connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = connection.connection.driver_connection
        connection.detach()  # nobody else may have one that listens
        connection.exec_driver_sql(f"LISTEN {dialect.CHANNEL}")
        yield  # whatever was written while nobody listened
        while not stop.is_set():
            for notice in driver.notifies(timeout=AGAIN, stop_after=1):
                if notice.payload != self.token:
                    yield

    def hush(self) -> None:
        """Let `others` look at its `stop` at once: by an announcement of our own."""
        with contextlib.suppress(SQLAlchemyError, StoreError), self.writing.begin() as connection:
            dialect.announce(connection)

    def said(self, cause: Any) -> str:
        """Return the server's own words, without its details."""
        return getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)

    def no_room(self, cause: Any) -> bool:
        """Say whether the server's disk is full."""
        return getattr(cause, "sqlstate", None) == dialect.DISK_FULL


def _told(url: sa.URL, options: str) -> sa.URL:
    """Return the address with what connections are told; its own options come last, and win."""
    told = {"options": " ".join([options, *url.normalized_query.get("options", ())])}
    return url.set(drivername="postgresql+psycopg", query={**CONNECT, **url.query, **told})


def _engine(url: sa.URL, isolation: Any, connections: int, token: str) -> sa.Engine:
    """Make an engine; its connections know by which name we announce."""
    return sa.create_engine(
        url,
        isolation_level=isolation,
        pool_size=connections,
        max_overflow=0,
        execution_options={"store": token},
    )


def _read_only(connection: Any, _record: Any) -> None:
    """Let a connection for reading refuse to write."""
    connection.read_only = True
