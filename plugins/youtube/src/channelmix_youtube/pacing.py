"""How often to poll: as often as the quota allows, most often where most is said.

A poll is worth what it brings, so the time between two is chosen such that each brings about the
same number of comments: while a channel is quiet it waits, and what it saves then is there when
many write. How much that may be follows from what is left until the quota is whole again.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, define
from channelmix.records import Spending

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(minutes=10)
LATELY, USUAL = timedelta(minutes=30), timedelta(days=1)
"""Over which times the present and the usual traffic are averaged."""
QUIETEST = 20
"""A quiet channel is polled this much less often than usual, at the most."""
BUSIEST = 1_000
STRESS = 1.3
"""A little above 1: an hour in which much comes has the better of quiet ones."""
RARE = 1e-7
"""So few comments a second are none: three a year."""
COMMENTS = 0.9
"""The share of what polls may spend that goes into the newest comments; the rest is for sweeps."""


@define(kw_only=True)
class Average:
    """What a rate was over the last time, the nearer the more it counts."""

    over: timedelta
    value: float = 0.0
    weight: float = 0.0
    """How much of `over` was seen yet: 0 nothing, 1 all of it."""

    def take(self, rate: float, seconds: float) -> None:
        """Take in a rate that held for so long."""
        part = 1 - math.exp(-seconds / self.over.total_seconds())
        self.value += (rate - self.value) * part
        self.weight += (1 - self.weight) * part

    @property
    def rate(self) -> float:
        """The average of what was seen, 0 if nothing was."""
        return self.value / self.weight if self.weight else 0.0


@define(kw_only=True)
class Traffic:
    """How many comments come, per second: lately and usually."""

    lately: Average = Factory(lambda: Average(over=LATELY))
    usual: Average = Factory(lambda: Average(over=USUAL))
    at: float | None = None
    """When it was counted last, in seconds since 1970."""

    @classmethod
    def of(cls, saved: Any) -> Traffic:
        """Read what `saved` returned."""
        match saved:
            case [int() | float() as at, [lately, seen], [usual, seen_usual]]:
                return cls(
                    at=at,
                    lately=Average(over=LATELY, value=lately, weight=seen),
                    usual=Average(over=USUAL, value=usual, weight=seen_usual),
                )
        return cls()

    def saved(self) -> list[Any] | None:
        """Return it as plain JSON."""
        if self.at is None:
            return None
        return [self.at, *([one.value, one.weight] for one in (self.lately, self.usual))]

    def count(self, comments: int, now: datetime) -> None:
        """Take in how many comments came since it was counted last."""
        if self.at is not None:
            seconds = max(now.timestamp() - self.at, 1.0)
            for average in (self.lately, self.usual):
                average.take(comments / seconds, seconds)
        self.at = now.timestamp()

    @property
    def busy(self) -> float:
        """How much more comes than usual: 1 as usual, below 1 less."""
        if self.usual.rate < RARE:
            return 1.0
        return min(max(self.lately.rate / self.usual.rate, 1 / QUIETEST), BUSIEST)


def newest(spending: Spending, traffic: Traffic, now: datetime) -> timedelta:
    """Return when to look for new comments again."""
    evenly = share(spending, COMMENTS, 1, now)
    stressed: float = traffic.busy**STRESS
    return min(max(evenly / stressed, SHORTEST), max(LONGEST, evenly))


def share(spending: Spending, part: float, units: int, now: datetime) -> timedelta:
    """Return how far apart calls of so many units are if they use `part` of what is left."""
    remaining = max(spending.ends_at - now, timedelta(0))
    calls = spending.left_for_polls * part / units
    return remaining / calls if calls >= 1 else max(remaining, SHORTEST)
