"""What the store asks of a database, apart from SQL; each kind of database has its own answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import sqlalchemy as sa
from attrs import define, field

from channelmix.errors import StoreError

READERS = 2
NO_ROOM = "; make room on its disk: the work goes on by itself then, and nothing was lost"


@define(eq=False, kw_only=True)
class Backend:
    """One database: how to connect to it, and how it behaves beside other processes."""

    url: sa.URL
    writing: sa.Engine
    """Its connections begin transactions that write."""
    reading: sa.Engine
    """Its connections see one moment for as long as a transaction lasts."""
    turn: AbstractContextManager[Any] = field(factory=nullcontext, init=False)
    """Held by whoever uses a connection that a thread keeps, where another may want it as well."""

    writers: ClassVar[int]
    """How many threads write at once."""
    together: ClassVar[int]
    """How many jobs share a commit at the most."""

    @property
    def place(self) -> str:
        """Where the data is, without a password."""
        return self.url.render_as_string(hide_password=True)

    def permitted(self, connection: sa.Connection) -> None:
        """Make sure that every table may be read and written.

        Raises: `StoreError` that names the role and the tables.
        """

    def others(self, stop: threading.Event) -> Iterator[None]:
        """Yield whenever another process may have written, until `stop` is set."""
        raise NotImplementedError

    def hush(self) -> None:
        """Let `others` look at its `stop` at once."""

    def trouble(self, error: BaseException) -> StoreError:
        """Say in one line what is wrong with the database, and what to do where that is known."""
        cause = getattr(error, "orig", None) or error
        hint = NO_ROOM if self.no_room(cause) else ""
        return StoreError(f"store {self.place}: {' '.join(self.said(cause).split())}{hint}")

    def said(self, cause: Any) -> str:
        """Return the driver's words for what went wrong."""
        return str(cause)

    def no_room(self, cause: Any) -> bool:
        """Say whether the disk is full."""
        raise NotImplementedError
