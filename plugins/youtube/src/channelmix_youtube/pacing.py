"""How often to poll: as often as the quota allows, most often where most is said.

A poll is worth what it brings, so the time between two is chosen such that each brings about the
same number of comments: while a channel is quiet it waits, and what it saves then is there when
many write. How much that may be follows from what is left until the quota is whole again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import define
from channelmix.records import Spending

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(minutes=10)
LATELY, USUAL = timedelta(minutes=15), timedelta(days=1)
"""Over which times the present and the usual traffic are averaged."""
QUIETEST = 20
"""A quiet channel is polled this much less often than usual, at the most."""
COMMENTS = 0.8
"""The share of what polls may spend that goes into the newest comments; the rest is for sweeps."""


@define(kw_only=True)
class Traffic:
    """How many comments come, per second: lately and usually."""

    lately: float = 0.0
    usual: float = 0.0
    at: float | None = None
    """When it was counted last, in seconds since 1970."""

    @classmethod
    def of(cls, saved: Any) -> Traffic:
        """Read what `saved` returned."""
        known: Mapping[str, Any] = saved if isinstance(saved, dict) else {}
        return cls(
            lately=float(known.get("lately", 0)),
            usual=float(known.get("usual", 0)),
            at=known.get("at"),
        )

    def count(self, comments: int, now: datetime) -> None:
        """Take in how many comments came since it was counted last."""
        since = None if self.at is None else max(now.timestamp() - self.at, 1.0)
        self.at = now.timestamp()
        if since is None:
            return
        self.lately = _average(self.lately, comments / since, since, LATELY)
        self.usual = _average(self.usual, comments / since, since, USUAL)

    def saved(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"lately": self.lately, "usual": self.usual, "at": self.at}

    @property
    def busy(self) -> float:
        """How much more comes than usual: 1 as usual, below 1 less."""
        if self.usual <= 0:
            return 1.0
        return max(self.lately, self.usual / QUIETEST) / self.usual


def _average(before: float, value: float, seconds: float, over: timedelta) -> float:
    return before + (value - before) * (1 - math.exp(-seconds / over.total_seconds()))


def newest(spending: Spending, traffic: Traffic, now: datetime) -> timedelta:
    """Return when to look for new comments again."""
    evenly = share(spending, COMMENTS, 1, now)
    return min(max(evenly / traffic.busy, SHORTEST), max(LONGEST, evenly))


def share(spending: Spending, part: float, units: int, now: datetime) -> timedelta:
    """Return how far apart calls of so many units are if they use `part` of what is left."""
    remaining = max(spending.ends_at - now, timedelta(0))
    calls = spending.left_for_polls * part / units
    return remaining / calls if calls >= 1 else max(remaining, SHORTEST)
