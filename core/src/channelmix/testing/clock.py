"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NAIVE = "a clock needs an aware datetime: add tzinfo=UTC"


class FakeClock:
    """A clock for tests and for a day played in seconds."""

    def __init__(self, start: datetime) -> None:
        self._steady = 0.0
        if start.tzinfo is None:
            raise ValueError(NAIVE)
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the time it was set to, aware, in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Let time pass until `now`, an aware datetime; back, it is turned as by `step`.

        Raises: `ValueError` for a naive one.
        """
        if now.tzinfo is None:
            raise ValueError(NAIVE)
        self._steady += max((now - self._now).total_seconds(), 0.0)
        self._now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> datetime:
        """Let time pass and return the new time; by less than nothing, as by `step`."""
        self.set(self._now + by)
        return self._now

    def step(self, by: timedelta) -> datetime:
        """Turn it, forward or back, though no time passes; return the new time."""
        self._now += by
        return self._now

    def steady(self) -> float:
        """Return the seconds that have passed."""
        return self._steady
