"""What a supervisor and its worker tell each other: files in a folder of their own.

Files, because they outlive the worker, however it ends.
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec
from attrs import field, frozen

from channelmix import calling
from channelmix.breaker import Pause
from channelmix.calling import Calling

T = TypeVar("T")


@frozen(kw_only=True)
class Orders:
    """What the supervisor wants of a worker."""

    owner: str = field(factory=lambda: secrets.token_hex(8))
    """The same for all workers of a supervisor: each goes on with what the last one had begun."""
    broken: Mapping[str, str] = field(factory=dict)
    """Entry points that must not be imported, and why."""
    pauses: tuple[Pause, ...] = ()
    patience: float = 10.0
    """Seconds that the worker's event loop may stand still."""
    poison: Mapping[int, str] = field(factory=dict)
    """Events that ended one worker after the other, and what they did: not to be read again."""


@frozen(kw_only=True)
class Begun:
    """What a worker tells of itself before it begins to work."""

    thread: int
    """The identity of the thread with its event loop."""
    homes: Mapping[str, str]
    """Where the code of each plugin is."""


@frozen(kw_only=True)
class LastWords:
    """What a worker left."""

    calling: tuple[str, str] | None
    """The plugin and hook that ran at the end."""
    event: int | None = None
    """The event that was read at the end."""
    stack: str
    """The stacks of its threads, if it was ended by its watchdog or crashed."""
    begun: Begun | None
    was_up: bool
    """It has taken up its work."""


@frozen
class Handover:
    """The folder, seen from both sides."""

    folder: Path

    def give(self, orders: Orders) -> None:
        """Prepare for a new worker."""
        for name in ("stack", "begun", "up"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "calling").write_bytes(bytes(calling.SIZE))
        (self.folder / "orders").write_bytes(msgspec.json.encode(orders))

    def last_words(self) -> LastWords:
        """Return what a worker has left."""
        stack, note = self.folder / "stack", (self.folder / "calling").read_bytes()
        return LastWords(
            calling=calling.read(note),
            event=calling.event(note),
            stack=stack.read_text(errors="replace") if stack.exists() else "",
            begun=self._read("begun", Begun) if (self.folder / "begun").exists() else None,
            was_up=(self.folder / "up").exists(),
        )

    def orders(self) -> Orders:
        """Return what the worker is to do."""
        return self._read("orders", Orders)

    def note(self) -> Calling:
        """Return the worker's note of what it calls, in memory that outlives it."""
        with (self.folder / "calling").open("r+b") as file:
            return Calling(mmap.mmap(file.fileno(), calling.SIZE))

    def stack(self) -> int:
        """Return a file descriptor for the worker's last stack."""
        return os.open(self.folder / "stack", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def begin(self, begun: Begun) -> None:
        """Tell what the worker is."""
        (self.folder / "begun").write_bytes(msgspec.json.encode(begun))

    def up(self) -> None:
        """Tell that the worker works."""
        (self.folder / "up").touch()

    def _read(self, name: str, kind: type[T]) -> T:
        return msgspec.json.decode((self.folder / name).read_bytes(), type=kind)


def new_folder() -> TemporaryDirectory[str]:
    """Return a folder for a handover, that only this user can look into."""
    return TemporaryDirectory(prefix="channelmix-")
