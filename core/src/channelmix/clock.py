"""Where the time comes from outside of tests, and what happens when somebody turns it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import define, field

from channelmix.hookspecs import Clock

TOLERANCE = timedelta(seconds=5)
"""A clock that is put right by less is not worth mentioning."""
REMEMBERED = timedelta(days=1).total_seconds()
"""How long it matters that a clock was turned: nothing stays unclear for longer."""
_KIND = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # also while the machine sleeps


class SystemClock:
    """The machine's clock; see `channelmix.testing.clock` for one that a test can turn."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC)

    def steady(self) -> float:
        """Return seconds that only ever pass: turning the clock does not change them."""
        return time.clock_gettime(_KIND)


@define(eq=False)
class Turning:
    """Notices when a clock is turned.

    A clock that has no `steady` seconds is taken at its word when it goes forward.
    """

    clock: Clock
    _now: datetime = field(init=False)
    _passed: float = field(default=0.0, init=False)
    """Seconds, as far as they can be told."""
    _steady: float = field(default=0.0, init=False)
    _by: timedelta = field(default=timedelta(0), init=False)
    """How far it was turned altogether; and the least and the most that this ever was."""
    _range: tuple[timedelta, timedelta] = field(default=(timedelta(0),) * 2, init=False)
    _told: timedelta = field(default=timedelta(0), init=False)
    _last: float = field(default=0.0, init=False)
    _backs: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin to look."""
        self._now, self._steady = self.clock.now(), self._seconds() or 0.0

    def passed(self) -> float:
        """Return how many seconds have passed since this began to look."""
        self._look()
        return self._passed

    def turned(self) -> timedelta:
        """Return by how much the clock was turned since this was asked last; back is negative."""
        self._look()
        by, self._told = self._by - self._told, self._by
        return by

    @property
    def backs(self) -> int:
        """How often the clock went back, also after it had gone forward."""
        self._look()
        return self._backs

    @property
    def spread(self) -> timedelta:
        """How far apart two notes of the same moment may be, because the clock was turned."""
        self._look()
        if self._passed - self._last > REMEMBERED:
            self._range = (self._by, self._by)
        return self._range[1] - self._range[0]

    def _look(self) -> None:
        now, steady = self.clock.now(), self._seconds()
        went = now - self._now
        if steady is None:
            really = max(went, timedelta(0))
        else:
            really, self._steady = timedelta(seconds=steady - self._steady), steady
        self._now = now
        self._passed += really.total_seconds()
        if abs(went - really) >= TOLERANCE:
            self._by += went - really
            self._backs += went < really
            self._range = (min(self._range[0], self._by), max(self._range[1], self._by))
            self._last = self._passed

    def _seconds(self) -> float | None:
        steady: Callable[[], float] | None = getattr(self.clock, "steady", None)
        return None if steady is None else steady()
