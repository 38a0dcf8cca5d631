"""Budgets: what is promised of the rule holds whatever is spent, by whom, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from channelmix.allowances import EARLY, STRETCHES, Account, Share, check, figure, forecast, period
from channelmix.errors import Misconfigured, RetryLater
from channelmix.records import Allowance
from hypothesis import assume, given, settings
from hypothesis import strategies as st

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DUST = 1e-6
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Los_Angeles",
    "America/Havana",  # midnight comes twice
    "America/Sao_Paulo",  # once had no midnight
    "Asia/Beirut",
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Apia",  # skipped a whole day
    "Asia/Kathmandu",
]
moments = st.datetimes(datetime(2009, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them naive
allowances = st.builds(
    lambda amount, kept, per, zone: Allowance(
        unit="units", amount=amount, reserve=amount * kept, period=per, timezone=zone
    ),
    st.floats(0.01, 1e6),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from(["day", "month"]),
    st.sampled_from(ZONES),
)
calls = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.5, 0.99]),  # when, as a part of the period
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([0.01, 0.1, 0.2, 0.3, 0.6]),  # of the amount
        st.sampled_from([False, False, True]),
    ),
    min_size=12,
    max_size=60,
)


def share_of(allowance: Allowance, channel: str = "a", channels: int = 3) -> Share:
    return Share(allowance=allowance, channel=channel, channels=channels)


def charged(share: Share, kept: Account, *call: Any, reply: bool) -> Any:
    """The account after a call, or the refusal."""
    try:
        return share.charge(kept, *call, reply=reply)
    except RetryLater as refused:
        return refused


def day(amount: float = 100, reserve: float = 10, **more: str) -> Allowance:
    return Allowance(unit="USD", amount=amount, reserve=reserve, period="day", **more)


@given(allowances, moments)
def test_every_moment_is_in_one_period(allowance: Allowance, now: datetime) -> None:
    this = period(allowance, now)
    assert this.begins_at <= now < this.ends_at
    assert period(allowance, this.begins_at) == this
    assert period(allowance, this.ends_at).begins_at == this.ends_at
    hours = (this.ends_at - this.begins_at) / timedelta(hours=1)
    assert 22 <= hours <= 26 if allowance.period == "day" else 27 * 24 <= hours <= 32 * 24


@given(allowances, moments)
def test_stretches_follow_each_other_to_the_end_of_the_period(
    allowance: Allowance, now: datetime
) -> None:
    this = period(allowance, now)
    ends = [this.stretch_ends_at(number) for number in range(STRETCHES)]
    assert ends == sorted(set(ends))
    assert ends[-1] == this.ends_at
    number = this.stretch(now)
    assert now < ends[number]
    assert number == 0 or now >= ends[number - 1]


@pytest.mark.parametrize(
    ("now", "begins", "hours"),
    [
        ("2026-03-08T20:00+00:00", "2026-03-08T00:00-08:00", 23),
        ("2026-11-01T08:30+00:00", "2026-11-01T00:00-07:00", 25),
        ("2026-11-02T07:59+00:00", "2026-11-01T00:00-07:00", 25),
        ("2026-11-02T08:00+00:00", "2026-11-02T00:00-08:00", 24),
    ],
)
def test_a_day_ends_at_midnight_there_also_when_clocks_change(
    now: str, begins: str, hours: int
) -> None:
    allowance = day(timezone="America/Los_Angeles")
    this = period(allowance, datetime.fromisoformat(now))
    assert this.begins_at == datetime.fromisoformat(begins)
    assert this.ends_at - this.begins_at == timedelta(hours=hours)


def test_a_month_is_one_of_the_calendar() -> None:
    allowance = Allowance(unit="USD", amount=1, period="month", timezone="Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    this = period(allowance, datetime(2026, 2, 28, 23, 30, tzinfo=UTC))
    assert this.begins_at == datetime(2026, 3, 1, tzinfo=berlin)
    assert this.ends_at == datetime(2026, 4, 1, tzinfo=berlin)


@pytest.mark.slow
@settings(max_examples=300)
@given(allowances, calls)
def test_the_promises_hold_whatever_is_spent(
    allowance: Allowance, wanted: list[tuple[float, str, float, bool]]
) -> None:
    """No more than the amount; replies within the reserve; each channel its share."""
    amount, reserve = allowance.amount, allowance.reserve
    this = period(allowance, NOON)
    kept = Account()
    for part, channel, cost, reply in sorted(wanted):
        now = min(this.begins_at + (this.ends_at - this.begins_at) * part, this.ends_at)
        now -= timedelta(microseconds=now == this.ends_at)
        share, price = share_of(allowance, channel), cost * amount
        before = kept.at(this.stretch(now))
        dealt = (amount - reserve - before.before) / share.channels
        promised = (
            before.replies + price <= reserve
            if reply
            else before.replies <= reserve and before.polls.get(channel, 0) + price <= dealt
        )
        after = charged(share, kept, price, now, reply=reply)
        if isinstance(after, RetryLater):
            assert not promised
            assert after.after is not None
            assert timedelta(0) < after.after <= this.ends_at - now
            state = share.state(kept, now)
            assert price > (state.left if reply else state.left_for_polls)
        else:
            kept = after
            assert kept.spent == pytest.approx(before.spent + price)
        assert kept.spent <= amount * (1 + DUST)
        polls = kept.before + sum(kept.polls.values())
        assert polls + max(kept.replies, reserve) <= amount * (1 + DUST) or kept.replies > reserve


@pytest.mark.slow
@given(allowances, calls, st.data())
def test_replies_have_their_reserve_also_when_channels_come_and_go(
    allowance: Allowance, wanted: list[tuple[float, str, float, bool]], data: st.DataObject
) -> None:
    this, kept = period(allowance, NOON), Account()
    for _, channel, cost, reply in wanted:
        share = share_of(allowance, channel, data.draw(st.integers(1, 3)))
        price = cost * allowance.amount
        after = charged(share, kept, price, this.begins_at, reply=reply)
        assert not (
            isinstance(after, RetryLater) and reply and kept.replies + price <= allowance.reserve
        )
        kept = kept if isinstance(after, RetryLater) else after
        assert kept.spent <= allowance.amount * (1 + DUST)


@pytest.mark.slow
@given(allowances, calls)
def test_what_is_said_to_be_left_can_be_spent(
    allowance: Allowance, wanted: list[tuple[float, str, float, bool]]
) -> None:
    this, kept = period(allowance, NOON), Account()
    for _, channel, cost, reply in wanted:
        price = cost * allowance.amount
        after = charged(share_of(allowance, channel), kept, price, this.begins_at, reply=reply)
        kept = kept if isinstance(after, RetryLater) else after
    share = share_of(allowance)
    state = share.state(kept, this.begins_at)
    assert state.left_for_polls <= state.left
    share.charge(kept, state.left_for_polls, this.begins_at, reply=False)
    share.charge(kept, state.left, this.begins_at, reply=True)


def test_a_channel_has_its_share_and_gets_of_what_others_leave() -> None:
    share, kept, begin = share_of(day(100, 10)), Account(), datetime(2026, 3, 4, tzinfo=UTC)
    kept = share.charge(kept, 30, begin, reply=False)
    with pytest.raises(RetryLater, match=r"^budget: 0 USD left for a poll that costs 20; wait"):
        share.charge(kept, 20, begin, reply=False)
    assert charged(share, kept, 20, begin, reply=False).after == timedelta(hours=12)
    assert charged(share, kept, 21, begin, reply=False).after == timedelta(hours=24)
    assert share.state(kept, begin + timedelta(hours=12)).left_for_polls == 20
    kept = share.charge(kept, 20, begin + timedelta(hours=12), reply=False)
    assert share_of(day(100, 10), "b").state(kept, begin + timedelta(hours=13)).left_for_polls == 20
    assert share.state(kept, begin + timedelta(hours=24)).spent == 50


def test_one_channel_alone_may_have_all_at_once() -> None:
    share = share_of(day(100, 10), channels=1)
    kept = share.charge(Account(), 90, NOON, reply=False)
    kept = share.charge(kept, 10, NOON, reply=True)
    with pytest.raises(RetryLater) as refused:
        share.charge(kept, 0.01, NOON, reply=True)
    assert refused.value.after == timedelta(hours=12)


def test_thousands_of_prices_add_up_to_the_amount() -> None:
    share, kept = share_of(day(15, 0), channels=1), Account()
    for _ in range(3000):
        kept = share.charge(kept, 0.005, NOON, reply=False)
    with pytest.raises(RetryLater):
        share.charge(kept, 0.005, NOON, reply=False)
    assert figure(kept.spent) == "15"


def test_a_clock_that_is_late_changes_no_stretch_that_is_over() -> None:
    share, noon = share_of(day(90, 0)), datetime(2026, 3, 4, 12, tzinfo=UTC)
    kept = share.charge(Account(), 30, noon, reply=False)
    with pytest.raises(RetryLater):
        share.charge(kept, 1, noon - timedelta(seconds=1), reply=False)


@pytest.mark.parametrize("price", [-1, float("nan")])
def test_what_is_no_price_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="no price"):
        share_of(day()).charge(Account(), price, NOON, reply=False)


@pytest.mark.parametrize(
    ("allowance", "why"),
    [
        (day(10, 11), r"reserve \(11\) must be between 0 and the amount \(10\)"),
        (day(10, -1), "reserve"),
        (day(timezone="Berlin"), "unknown time zone Berlin"),
    ],
)
def test_an_allowance_that_cannot_be_kept_to_is_named(allowance: Allowance, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        check(allowance)


# --- what will be -------------------------------------------------------------------------------

STEPS = 300
rates = st.floats(0.0, 4.0)
"""What is spent in a whole period, as a part of the amount."""


def spent_so_far(allowance: Allowance, polls: float, replies: float, part: float) -> Account:
    """An account after `part` of the period, at an even pace, as far as the rule lets it."""
    share, this, kept = share_of(allowance, channels=1), period(allowance, NOON), Account()
    for step in range(round(part * STEPS)):
        now = this.begins_at + (this.ends_at - this.begins_at) * (step / STEPS)
        for rate, reply in ((replies, True), (polls, False)):
            price = rate * allowance.amount / STEPS
            after = charged(share, kept, price, now, reply=reply)
            kept = kept if isinstance(after, RetryLater) else after
    return kept


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(allowances, rates, rates, st.sampled_from([0.1, 0.25, 0.5]))
def test_what_is_forecast_is_what_comes_at_an_even_pace(
    allowance: Allowance, polls: float, replies: float, part: float
) -> None:
    this = period(allowance, NOON)
    length, step = this.ends_at - this.begins_at, 1 / STEPS
    kept = spent_so_far(allowance, polls, replies, part)
    # What the rule refuses before tells nothing of the pace any more.
    assume(kept.replies >= allowance.amount * replies * (part - step) * (1 - DUST))
    assume(
        kept.before + sum(kept.polls.values())
        >= allowance.amount * polls * (part - step) * (1 - DUST)
    )
    told = forecast(allowance, kept, this, this.begins_at + length * part)
    assert told is not None
    tolerance = 3 * (polls + replies + 1) * step / part
    ending = spent_so_far(allowance, polls, replies, 1.0)
    assert abs(allowance.amount - ending.spent - told.left) <= allowance.amount * tolerance
    for at, reply, rate in ((told.polls_until, False, polls), (told.used_up_at, True, replies)):
        if at is None or rate < 0.1:  # so little is never refused for long
            continue
        share, price = share_of(allowance, channels=1), rate * allowance.amount * step
        before = (at - this.begins_at) / length - tolerance
        after = (at - this.begins_at) / length + tolerance
        if before > part:
            early = spent_so_far(allowance, polls, replies, before)
            assert not isinstance(charged(share, early, price, at, reply=reply), RetryLater)
        if after < 1:
            late = spent_so_far(allowance, polls, replies, after)
            assert isinstance(charged(share, late, price, at, reply=reply), RetryLater)


@given(allowances, rates, rates, st.floats(0.0, 1.0, exclude_max=True))
def test_a_forecast_keeps_within_the_period_and_the_amount(
    allowance: Allowance, polls: float, replies: float, part: float
) -> None:
    this = period(allowance, NOON)
    now = this.begins_at + (this.ends_at - this.begins_at) * part
    kept = Account(
        replies=replies * allowance.amount / 4, polls={"a": polls * allowance.amount / 4}
    )
    assume(kept.spent <= allowance.amount)
    told = forecast(allowance, kept, this, now)
    assert (told is None) == (part < EARLY)
    if told is None:
        return
    assert 0 <= told.left <= allowance.amount - kept.spent + allowance.amount * DUST
    assert (told.used_up_at is None) == (told.left > 0)
    times = [one for one in (told.polls_until, told.used_up_at) if one is not None]
    assert [now, *times, this.ends_at] == sorted([now, *times, this.ends_at])


@pytest.mark.parametrize(
    ("polls", "replies", "expected"),
    [
        (0, 0, (None, None, 100)),
        (10, 5, (None, None, 70)),
        (0, 60, (None, "20:00", 0)),
        (60, 0, ("18:00", None, 10)),
        (60, 4, ("18:00", None, 2)),
        (60, 8, ("17:38", "17:38", 0)),
        (90, 0, ("12:00", None, 10)),
        (90, 10, ("12:00", "12:00", 0)),
    ],
)
def test_a_forecast_tells_polls_from_replies(
    polls: float, replies: float, expected: tuple[str | None, str | None, float]
) -> None:
    """Of 100 a day, 10 are for replies, and it is noon."""
    kept = Account(replies=replies, before=polls)
    told = share_of(day(100, 10)).state(kept, NOON).forecast
    assert told is not None
    times = [one and f"{one:%H:%M}" for one in (told.polls_until, told.used_up_at)]
    assert (*times, round(told.left, 6)) == expected
