"""A clock for a day that is played in seconds and ends now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class DayClock:
    """Runs like any clock, some time behind, and makes up for it in leaps.

    Once it has caught up it tells the true time, so that another process may work on the same
    desk with a clock of its own.
    """

    def __init__(self, behind: timedelta) -> None:
        self._behind = behind

    @property
    def behind(self) -> timedelta:
        """How far it is behind the true time."""
        return self._behind

    def now(self) -> datetime:
        """Return its time, aware, in UTC."""
        return datetime.now(UTC) - self._behind

    def leap(self, by: timedelta) -> None:
        """Go forward, at most to the true time."""
        self._behind = max(self._behind - by, timedelta(0))
