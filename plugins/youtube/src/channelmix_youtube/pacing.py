"""How often to poll: as often as the quota allows, most often where most is said.

A poll is worth what it brings, so the time between two is chosen such that each brings about the
same number of comments: while a channel is quiet it waits, and what it saves then is there when
many write. How much that may be follows from what is left until the quota is whole again, and from
how much will be written until then: a channel learns how much is usual in each hour of a day. An
hour of polls is kept back for the hour in which far more than usual is written.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, define
from channelmix.records import Spending

SHORTEST, LONGEST = timedelta(seconds=20), timedelta(minutes=15)
LATELY = timedelta(minutes=15)
"""Over which time the present traffic is averaged."""
TRUSTED = 0.7
"""How much the present says about the next minutes; the rest the usual does."""
LASTS = timedelta(minutes=30)
"""How long what is more than usual is expected to go on."""
REMEMBERED = 5 * 3600.0
"""Of how many seconds of each hour of a day traffic is remembered: five days."""
ENOUGH = 60.0
"""From so many seconds on an hour is known."""
SURPRISE = 4
"""So many times the usual is what polls were kept back for."""
RELEASE = timedelta(hours=2)
"""Before the end of the day what is kept back is given free, little by little."""
STRESS = 1.3
"""A little above 1: an hour in which much comes has the better of quiet ones."""
RARE = 1e-7
"""So few comments a second are none: three a year."""
COMMENTS = 0.9
"""The share of what polls may spend that goes into the newest comments; the rest is for sweeps."""
HOUR = 3600


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
    """How many comments come, per second: lately, and usually in each hour of a day (UTC)."""

    lately: Average = Factory(lambda: Average(over=LATELY))
    hours: list[list[float]] = Factory(lambda: [[0.0, 0.0] for _ in range(24)])
    """For each, how many seconds of it were seen, and how many comments came in them."""
    at: float | None = None
    """When it was counted last, in seconds since 1970."""

    @classmethod
    def of(cls, saved: Any) -> Traffic:
        """Read what `saved` returned."""
        match saved:
            case [int() | float() as at, [value, weight], [*hours]] if len(hours) == 24:  # noqa: PLR2004 - a day
                lately = Average(over=LATELY, value=value, weight=weight)
                return cls(at=at, lately=lately, hours=[list(one) for one in hours])
        return cls()

    def saved(self) -> list[Any] | None:
        """Return it as plain JSON."""
        if self.at is None:
            return None
        return [self.at, [self.lately.value, self.lately.weight], self.hours]

    def count(self, comments: int, now: datetime) -> None:
        """Take in how many comments came since it was counted last."""
        if self.at is not None:
            seconds = max(now.timestamp() - self.at, 1.0)
            self.lately.take(comments / seconds, seconds)
            known = self.hours[_hour(now.timestamp())]
            known[:] = known[0] + seconds, known[1] + comments
            if known[0] > REMEMBERED:
                known[:] = (one * REMEMBERED / known[0] for one in known)
        self.at = now.timestamp()

    def usual(self, hour: int) -> float:
        """Return the usual rate in an hour of the day, evened out with its neighbours."""
        near = ((hour - 1, 0.5), (hour, 1.0), (hour + 1, 0.5))
        seconds, comments = (
            sum(self.hours[one % 24][part] * weight for one, weight in near) for part in (0, 1)
        )
        if seconds < ENOUGH:
            seconds, comments = (sum(one[part] for one in self.hours) for part in (0, 1))
        return comments / seconds if seconds else 0.0

    def rate(self, now: datetime) -> float:
        """Return the rate that is expected in the next minutes."""
        usual = self.usual(_hour(now.timestamp()))
        if not self.lately.weight:
            return usual
        return TRUSTED * self.lately.rate + (1 - TRUSTED) * usual

    def expected(self, now: datetime, until: datetime) -> float:
        """Return how many comments are expected until then."""
        at, end, usual = now.timestamp(), until.timestamp(), 0.0
        more = max(self.rate(now) - self.usual(_hour(at)), 0.0)
        more *= min(LASTS.total_seconds(), end - at)
        while at < end:
            following = min((at // HOUR + 1) * HOUR, end)
            usual += self.usual(_hour(at)) * (following - at)
            at = following
        return usual + more

    def surprising(self, now: datetime) -> bool:
        """Say whether far more comes than usual."""
        return self.rate(now) >= SURPRISE * max(self.usual(_hour(now.timestamp())), RARE)


def newest(spending: Spending, traffic: Traffic, now: datetime) -> timedelta:
    """Return when to look for new comments again."""
    evenly = share(spending, COMMENTS, 1, now)
    polls, left = spending.left_for_polls * COMMENTS, (spending.ends_at - now).total_seconds()
    if polls >= 1 and left > 0:
        if not traffic.surprising(now):
            kept = timedelta(hours=1) / SHORTEST * min(left / RELEASE.total_seconds(), 1)
            polls -= min(kept, polls / 2)
        mean = max(traffic.expected(now, spending.ends_at) / left, RARE)
        stressed: float = (mean / max(traffic.rate(now), RARE)) ** STRESS
        wanted = timedelta(seconds=min(left / polls * stressed, left))
    else:
        wanted = evenly
    return min(max(wanted, SHORTEST), max(LONGEST, evenly))


def share(spending: Spending, part: float, units: int, now: datetime) -> timedelta:
    """Return how far apart calls of so many units are if they use `part` of what is left."""
    remaining = max(spending.ends_at - now, timedelta(0))
    calls = spending.left_for_polls * part / units
    return remaining / calls if calls >= 1 else max(remaining, SHORTEST)


def _hour(at: float) -> int:
    return int(at // HOUR) % 24
