"""Which hook runs at this moment, noted where a watchdog can read it, also in another process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from mmap import mmap

from attrs import define, field, frozen

_ROW = 128
_ROWS = 512
SIZE = _ROW * _ROWS
"""Bytes of a note. Row 0 begins with the number of the row that names what runs, 0 for nothing;
after eight bytes follows the id of the event that is read, 0 for none."""
_EVENT = 1

Memory = bytearray | mmap


def read(memory: bytes | Memory) -> tuple[str, str] | None:
    """Return plugin and hook that run, None where none does."""
    row = memoryview(memory).cast("H")[0]
    text = bytes(memory[row * _ROW : (row + 1) * _ROW]).partition(b"\0")[0]
    plugin, _, hook = text.decode(errors="replace").rpartition(" ")
    return (plugin, hook) if row and plugin else None


def event(memory: bytes | Memory) -> int | None:
    """Return the id of the event that is read, None where none is."""
    return memoryview(memory).cast("Q")[_EVENT] or None


@frozen
class Call:
    """How to note that one hook of one plugin runs.

    Before each step of its code `now[0] = row`, and `now[0] = 0` after it: written out where it
    happens, because a function for it would cost as much as all the rest of a call.
    """

    now: memoryview
    row: int


@define(eq=False)
class Calling:
    """The note of one event loop, in which one thing runs at a time."""

    memory: Memory = field(factory=lambda: bytearray(SIZE))
    """Of `SIZE` bytes."""
    _now: memoryview = field(init=False)
    _event: memoryview = field(init=False)
    _rows: count[int] = field(factory=lambda: count(1), init=False)

    @_now.default
    def _view(self) -> memoryview:
        return memoryview(self.memory).cast("H")

    @_event.default
    def _view_of_event(self) -> memoryview:
        return memoryview(self.memory).cast("Q")

    @contextmanager
    def reading(self, event: int) -> Iterator[None]:
        """Note that a stored event is read meanwhile: it may be what never comes to an end."""
        self._event[_EVENT] = event
        try:
            yield
        finally:
            self._event[_EVENT] = 0

    def call(self, plugin: str, hook: str) -> Call:
        """Return how to note a hook; once the rows are used up, one that notes nothing."""
        row = next(self._rows)
        if row >= _ROWS:
            return Call(self._now, 0)
        text = f"{plugin} {hook}".encode()[: _ROW - 1]
        self.memory[row * _ROW : row * _ROW + len(text)] = text
        return Call(self._now, row)
