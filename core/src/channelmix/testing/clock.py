"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock for tests and for a day played in seconds."""

    def __init__(self, start: datetime) -> None:
        self.set(start)

    def now(self) -> datetime:
        """Return the time it was set to, aware, in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Turn it to `now`, an aware datetime. Raises: `ValueError` for a naive one."""
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware datetime: add tzinfo=UTC")
        self._now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> datetime:
        """Turn it forward and return the new time."""
        self._now += by
        return self._now
