"""Opening hours and deadlines, across nights, holidays and the days the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import frozen
from channelmix.records import Kind
from channelmix.service_levels import (
    AROUND_THE_CLOCK,
    Calendar,
    check_holidays,
    deadline,
    parse_hours,
)
from hypothesis import given
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar(
    timezone="Europe/Berlin",
    hours={"mon-fri": "08:00-12:00, 13:00-18:00", "sat": "09:00-14:00"},
    holidays="DE-BW",
)
NIGHT = Calendar(
    timezone="Europe/Berlin", hours={"sat-sun": "00:00-02:30, 03:00-03:10, 03:20-24:00"}
)
CALENDARS = st.sampled_from([OFFICE, NIGHT, Calendar(), Calendar(holidays="DE-BW")])

# A year around both changes of the clocks (29 March and 25 October 2026), often close to them.
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = st.one_of(
    st.floats(0, 365),
    st.floats(86, 88),
    st.floats(296, 298),
)
MOMENTS = DAYS.map(lambda days: JANUARY + timedelta(days=days))
DURATIONS = st.timedeltas(timedelta(seconds=1), timedelta(days=12))


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)  # type: ignore[arg-type,misc]  # year, month, day …


def in_opening_hours(calendar: Calendar, at: datetime) -> bool:
    """Open at that moment, or closing right then."""
    return calendar.is_open(at) or calendar.is_open(at - timedelta(microseconds=1))


@given(CALENDARS, MOMENTS, DURATIONS)
def test_what_was_added_lies_between(calendar: Calendar, start: datetime, wait: timedelta) -> None:
    assert calendar.between(start, calendar.add(start, wait)) == wait


@given(CALENDARS, MOMENTS, DURATIONS)
def test_a_deadline_lies_in_opening_hours(
    calendar: Calendar, start: datetime, wait: timedelta
) -> None:
    due = calendar.add(start, wait)
    assert due.tzinfo is UTC
    assert in_opening_hours(calendar, due)


@given(CALENDARS, MOMENTS, MOMENTS, DURATIONS)
def test_who_comes_later_is_due_later(
    calendar: Calendar, one: datetime, other: datetime, wait: timedelta
) -> None:
    earlier, later = sorted((one, other))
    assert calendar.add(earlier, wait) <= calendar.add(later, wait)
    assert calendar.add(earlier, wait) <= calendar.add(earlier, wait * 2)


@given(CALENDARS, MOMENTS, MOMENTS, MOMENTS)
def test_time_between_adds_up(
    calendar: Calendar, one: datetime, two: datetime, three: datetime
) -> None:
    a, b, c = sorted((one, two, three))
    assert calendar.between(a, b) + calendar.between(b, c) == calendar.between(a, c)
    assert calendar.between(b, a) == timedelta(0) or a == b


@given(MOMENTS)
def test_it_is_open_when_the_clock_on_the_wall_says_so(at: datetime) -> None:
    wall = at.astimezone(BERLIN)
    minute = wall.hour * 60 + wall.minute
    office = 480 <= minute < 720 or 780 <= minute < 1080
    expected = (office, office, office, office, office, 540 <= minute < 840, False)[wall.weekday()]
    assert OFFICE.is_open(at) == (expected and wall.date() not in check_holidays("DE-BW"))


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        (local(2026, 6, 8, 9), 2, local(2026, 6, 8, 11)),  # within a morning
        (local(2026, 6, 8, 11), 2, local(2026, 6, 8, 14)),  # over the lunch break
        (local(2026, 6, 8, 11), 1, local(2026, 6, 8, 12)),  # up to it, not to its end
        (local(2026, 6, 12, 17), 2, local(2026, 6, 13, 10)),  # Friday evening into Saturday
        (local(2026, 6, 13, 15), 1, local(2026, 6, 15, 9)),  # after closing, over Sunday
        (local(2026, 6, 3, 17), 2, local(2026, 6, 5, 9)),  # over Corpus Christi
        (local(2026, 3, 28, 13), 2, local(2026, 3, 30, 9)),  # over the night that lacks an hour
        (local(2026, 10, 24, 13), 2, local(2026, 10, 26, 9)),  # and the one with an hour more
    ],
)
def test_deadlines_worked_out_by_hand(start: datetime, hours: int, due: datetime) -> None:
    assert OFFICE.add(start, timedelta(hours=hours)) == due


def test_an_hour_that_the_clocks_skip_does_not_count() -> None:
    nights = Calendar(timezone="Europe/Berlin", hours={"sun": "01:00-04:00"})
    spring, autumn, other = date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 7)
    for day, length in ((spring, 2), (autumn, 4), (other, 3)):
        midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN)
        whole = nights.between(midnight, midnight + timedelta(days=1))
        assert whole == timedelta(hours=length)


def test_hours_that_begin_or_end_in_the_skipped_hour_are_cut_there() -> None:
    midnight, wait = local(2026, 3, 29), timedelta(hours=22, minutes=50)
    assert NIGHT.between(midnight, midnight + timedelta(days=1)) == wait
    assert not NIGHT.is_open(local(2026, 3, 29, 3, 15))
    early = Calendar(timezone="Europe/Berlin", hours={"sun": "01:00-02:30"})
    assert early.between(midnight, midnight + timedelta(days=1)) == timedelta(hours=1)


def test_no_wait_means_now_or_the_next_opening() -> None:
    assert OFFICE.add(local(2026, 6, 8, 9), timedelta(0)) == local(2026, 6, 8, 9)
    assert OFFICE.add(local(2026, 6, 7, 9), timedelta(0)) == local(2026, 6, 8, 8)


def test_without_hours_it_is_open_around_the_clock() -> None:
    assert parse_hours({}) == AROUND_THE_CLOCK
    start = datetime(2026, 6, 7, 3, 4, 5, tzinfo=UTC)
    assert Calendar().add(start, timedelta(days=400, seconds=1)) == start + timedelta(400, 1)


def test_a_negative_wait_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        OFFICE.add(local(2026, 6, 8, 9), timedelta(-1))


@pytest.mark.parametrize(
    ("hours", "complaint"),
    [
        ({"mo": "08:00-18:00"}, "unknown day 'mo'"),
        ({"mon-": "8-18"}, "cannot read the hours '8-18'"),
        ({"mon": "18:00-08:00"}, "must end after they begin"),
        ({"mon": "20:00-25:00"}, "24:00 at the latest"),
        ({"mon": "08:00-12:00, 11:00-13:00"}, "overlap"),
        ({"mon-fri": "08:00-18:00", "fri": "08:00-14:00"}, "fri is given twice"),
        ({"mon-sun": ""}, "never open"),
    ],
)
def test_hours_that_cannot_be_read_say_why_in_one_line(
    hours: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_hours(hours)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("DE-BV", "DE has no part 'BV', but BB, BE, BW"),
        ("XQ", "no holidays are known for 'XQ'"),
        ("", "no holi"),
    ],
)
def test_an_unknown_holidays_code_is_refused(code: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_holidays(code)


def test_a_calendar_that_never_opens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown time zone 'Mars/Base'"):
        Calendar(timezone="Mars/Base")
    mondays = {date(2025, 1, 6) + timedelta(weeks=n) for n in range(53)}
    monkeypatch.setattr("channelmix.service_levels.check_holidays", lambda code: mondays)
    with pytest.raises(ValueError, match="never open: XX has a holiday on each open day"):
        Calendar(hours={"mon": "08:00-18:00"}, holidays="XX")


@frozen(kw_only=True)
class Promise:
    first_response: timedelta
    channel: str | None = None
    kind: Kind | None = None
    topic: str | None = None


LEVELS = [
    Promise(first_response=timedelta(hours=8)),
    Promise(first_response=timedelta(hours=1), channel="page"),
    Promise(first_response=timedelta(hours=2), kind=Kind.COMMENT),
    Promise(first_response=timedelta(hours=3), channel="page", kind=Kind.DIRECT_MESSAGE),
    Promise(first_response=timedelta(hours=4), channel="page", kind=Kind.COMMENT, topic="bill"),
]


@pytest.mark.parametrize(
    ("channel", "kind", "topic", "hours"),
    [
        ("tweets", Kind.POST, None, 8),
        ("page", Kind.POST, "other", 1),
        ("page", Kind.COMMENT, None, 1),  # two that name one thing: the shortest
        ("tweets", Kind.COMMENT, None, 2),
        ("page", Kind.DIRECT_MESSAGE, None, 3),  # the more specific, though it is longer
        ("page", Kind.COMMENT, "bill", 4),
    ],
)
def test_the_most_specific_level_wins(
    channel: str, kind: Kind, topic: str | None, hours: int
) -> None:
    start = datetime(2026, 6, 8, tzinfo=UTC)
    due = deadline(
        LEVELS, channel=channel, kind=kind, topic=topic, opened_at=start, calendar=Calendar()
    )
    assert due == start + timedelta(hours=hours)


def test_without_a_fitting_level_there_is_no_deadline() -> None:
    start = datetime(2026, 6, 8, tzinfo=UTC)
    due = deadline(
        LEVELS[1:2], channel="x", kind="post", topic=None, opened_at=start, calendar=Calendar()
    )
    assert due is None
