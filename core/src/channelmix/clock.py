"""Where the time comes from outside of tests."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock; see `channelmix.testing.clock` for one that a test can turn."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC)
