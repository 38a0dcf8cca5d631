"""What an app may spend: when a period begins and ends, and who may spend how much of it.

The rule. Of the amount, a reserve is kept for replies; the rest is for polls. The period is cut
into stretches, each half as long as what is left of it. What polls have not spent when a stretch
begins is divided by the number of channels, and that is each channel's share in this stretch.

- A poll is accepted if it stays within its channel's share, and if what all have spent on polls,
  plus what replies have spent or the reserve, whichever is more, stays within the amount.
- A reply is accepted if everything spent stays within the amount.

So, whatever the order: no more than the amount is spent; no reply is refused as long as replies
have spent no more than the reserve; and, that holding, no channel is refused its share, because
the shares of a stretch together are never more than what polls have left when it begins. What a
channel leaves unused in one stretch belongs to all in the next.

What a network charges for pushing, nobody can refuse: it is noted as a poll of the channel's, and
polls make up for it. Only where it is more than all polls may spend does it touch the reserve.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from channelmix.errors import Misconfigured, RetryLater
from channelmix.records import Allowance, Forecast, Spending

STRETCHES = 6
"""The last begins when 1/32 of the period is left: 45 minutes of a day."""
_ROUNDING = 1e-9
"""Prices are no binary fractions: by so much of the amount their sum may be off."""
EARLY = 1 / 48
"""Of the period (half an hour of a day): before that, nothing is forecast from so little."""
_LONGEST_MONTH = timedelta(days=31)


@frozen(kw_only=True)
class Period:
    """A calendar day or month of some time zone, in UTC: from `begins_at` up to `ends_at`."""

    begins_at: datetime
    ends_at: datetime

    def stretch(self, now: datetime) -> int:
        """Return the number of the stretch that `now` is in, from 0."""
        ends = (self.stretch_ends_at(number) for number in range(STRETCHES - 1))
        return sum(now >= end for end in ends)

    def stretch_ends_at(self, number: int) -> datetime:
        """Return when a stretch ends."""
        if number >= STRETCHES - 1:
            return self.ends_at
        return self.ends_at - (self.ends_at - self.begins_at) / (2 << number)


def period(allowance: Allowance, now: datetime) -> Period:
    """Return the period that `now` is in; a day is 23 or 25 hours long when clocks change."""
    zone = ZoneInfo(allowance.timezone)
    first = now.astimezone(zone).date()
    if allowance.period == "day":
        following = first + timedelta(days=1)
    else:
        first = first.replace(day=1)
        following = (first + _LONGEST_MONTH).replace(day=1)
    return Period(begins_at=_midnight(first, zone), ends_at=_midnight(following, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


@frozen(kw_only=True)
class Account:
    """What is spent in one period."""

    replies: float = 0.0
    before: float = 0.0
    """On polls, in the stretches that are over."""
    stretch: int = 0
    polls: Mapping[str, float] = field(factory=dict)
    """On polls, in this stretch, by channel."""

    @property
    def spent(self) -> float:
        """Everything that is spent."""
        return self.replies + self.before + sum(self.polls.values())

    def at(self, stretch: int) -> Account:
        """Return the account as a stretch begins or goes on; time never runs backwards."""
        if stretch <= self.stretch:
            return self
        before = self.before + sum(self.polls.values())
        return evolve(self, before=before, stretch=stretch, polls={})


@frozen(kw_only=True)
class Share:
    """One channel among those that share an allowance."""

    allowance: Allowance
    channel: str
    channels: int
    """How many share it."""

    def period(self, now: datetime) -> Period:
        """Return the period of the allowance that `now` is in."""
        return period(self.allowance, now)

    def charge(self, kept: Account, amount: float, now: datetime, *, reply: bool) -> Account:
        """Return this period's account after a call that costs `amount`.

        Raises: `RetryLater` if the call must not be made, with the time until it could be, as
        things are now; `ValueError` for an amount that is no price.
        """
        if not amount >= 0:  # NaN as well
            raise ValueError(f"{amount} is no price")
        this = self.period(now)
        account = kept.at(this.stretch(now))
        if self._fits(account, amount, reply=reply):
            return self._charged(account, amount, reply=reply)
        later = () if reply else range(account.stretch + 1, STRETCHES)
        fits = (one for one in later if self._fits(account.at(one), amount, reply=False))
        again_at = this.stretch_ends_at(next(fits, STRETCHES) - 1)
        left = self.left(account) if reply else self.left_for_polls(account)
        what = f"for a {'reply' if reply else 'poll'} that costs {figure(amount)}"
        raise RetryLater(
            f"budget: {figure(left)} {self.allowance.unit} left {what}; "
            f"wait until {again_at:%Y-%m-%d %H:%M} UTC",
            after=again_at - now,
        )

    def noted(self, kept: Account, amount: float, now: datetime) -> Account:
        """Return the account after the network charged for something without being asked.

        It counts as this channel's polls, whatever is left.
        """
        return self._charged(kept.at(self.period(now).stretch(now)), amount, reply=False)

    def _fits(self, account: Account, amount: float, *, reply: bool) -> bool:
        left = self.left(account) if reply else self.left_for_polls(account)
        return amount <= left + self.allowance.amount * _ROUNDING

    def _charged(self, account: Account, amount: float, *, reply: bool) -> Account:
        if reply:
            return evolve(account, replies=account.replies + amount)
        mine = account.polls.get(self.channel, 0.0) + amount
        return evolve(account, polls={**account.polls, self.channel: mine})

    def left(self, account: Account) -> float:
        """Return what a reply may cost."""
        return max(self.allowance.amount - account.spent, 0.0)

    def left_for_polls(self, account: Account) -> float:
        """Return what a poll of this channel may cost in this stretch."""
        for_polls = self.allowance.amount - self.allowance.reserve
        share = (for_polls - account.before) / self.channels
        mine = share - account.polls.get(self.channel, 0.0)
        beyond_reserve = max(account.replies - self.allowance.reserve, 0.0)
        all_polls = account.before + sum(account.polls.values())
        of_all = for_polls - beyond_reserve - all_polls
        return max(min(mine, of_all, self.left(account)), 0.0)

    def state(self, kept: Account, now: datetime) -> Spending:
        """Say how this period's account looks from here."""
        this = self.period(now)
        account = kept.at(this.stretch(now))
        return Spending(
            unit=self.allowance.unit,
            amount=self.allowance.amount,
            spent=account.spent,
            left=self.left(account),
            left_for_polls=self.left_for_polls(account),
            channels=self.channels,
            ends_at=this.ends_at,
            forecast=forecast(self.allowance, account, this, now),
        )


def forecast(
    allowance: Allowance, account: Account, this: Period, now: datetime
) -> Forecast | None:
    """Say what comes of `this` period if polls and replies go on at their pace so far.

    None while less than `EARLY` of the period is over. By the rule above, but for the stretches: a
    channel that runs out of its share of one only waits for the next.
    """
    passed, remains = now - this.begins_at, this.ends_at - now
    if passed < (this.ends_at - this.begins_at) * EARLY:
        return None
    ends = remains / passed  # all times below are multiples of the time that has passed
    polls, replies = account.spent - account.replies, account.replies
    stops = _polls_stop(allowance, polls, replies)
    kept = allowance.amount - polls * (1 + min(stops, ends))
    left = kept - replies * (1 + ends)
    lasts = left > allowance.amount * _ROUNDING
    empty = max(kept / replies - 1, stops) if replies > 0 else stops
    return Forecast(
        polls_until=now + passed * stops if polls > 0 and stops < ends else None,
        used_up_at=None if lasts else now + passed * min(empty, ends),
        left=left if lasts else 0.0,
    )


def _polls_stop(allowance: Allowance, polls: float, replies: float) -> float:
    """Say when what polls spent, plus the reserve or what replies spent, comes to the amount."""
    if polls <= 0:
        return 0.0
    beside_reserve = (allowance.amount - allowance.reserve) / polls
    beside_replies = allowance.amount / (polls + replies)
    return max(min(beside_reserve, beside_replies) - 1, 0.0)


def check(allowance: Allowance) -> None:
    """Make sure that an allowance can be kept to. Raises: `Misconfigured`."""
    if not 0 <= allowance.reserve <= allowance.amount:
        raise Misconfigured(
            f"budget: the reserve ({figure(allowance.reserve)}) must be between 0 and the "
            f"amount ({figure(allowance.amount)})"
        )
    try:
        ZoneInfo(allowance.timezone)
    except (OSError, LookupError, ValueError):
        raise Misconfigured(f"budget: unknown time zone {allowance.timezone}") from None


def figure(amount: float) -> str:
    """Write an amount without the dust of binary fractions: `0.015`, `9950`."""
    return f"{round(amount, 6):.15g}"
