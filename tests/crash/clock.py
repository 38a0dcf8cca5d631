"""One clock for all processes of a run; it can be turned, so that nobody waits for minutes."""

from __future__ import annotations

import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path

SIZE = 8


class SharedClock:
    """The system's time and an offset in a file, in seconds."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(SIZE))
        with file.open("r+b") as opened:
            self._offset = memoryview(mmap.mmap(opened.fileno(), SIZE)).cast("d")

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._offset[0])

    def turn(self, by: timedelta) -> None:
        """Turn it forward, for every process."""
        self._offset[0] += by.total_seconds()
