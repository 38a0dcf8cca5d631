"""Opening hours, holidays, and the time by which a request wants its first answer.

All of it is pure: the same arguments give the same result. Local times are wall-clock times in
the calendar's zone; everything that goes out is an aware datetime in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from attrs import field, frozen

from channelmix.hints import did_you_mean

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Span = tuple[int, int]
"""From and to, in minutes after midnight; to is exclusive and at most 1440."""
Week = tuple[tuple[Span, ...], ...]
"""The spans of Monday to Sunday, each day's in order and apart."""

AROUND_THE_CLOCK: Week = (((0, 1440),),) * 7

_SPAN = re.compile(r"(\d\d):([0-5]\d)\s*-\s*(\d\d):([0-5]\d)")
_YEAR_TO_TRY = date(2025, 1, 1)


def parse_hours(hours: Mapping[str, str]) -> Week:
    """Read `{"mon-fri": "08:00-12:00, 13:00-18:00"}`; an empty mapping is around the clock.

    Raises: `ValueError` with one line that says what is wrong.
    """
    if not hours:
        return AROUND_THE_CLOCK
    week: dict[int, tuple[Span, ...]] = {}
    for days, text in hours.items():
        spans = _spans(text)
        for day in _days(days):
            if day in week:
                raise ValueError(f"{DAYS[day]} is given twice")
            week[day] = spans
    if not any(week.values()):
        raise ValueError("it is never open; leave the hours out to be open around the clock")
    return tuple(week.get(day, ()) for day in range(7))


def _days(text: str) -> Iterator[int]:
    first, _, last = text.strip().lower().partition("-")
    for name in (first, last or first):
        if name not in DAYS:
            raise ValueError(f"unknown day {text!r}; write one of {', '.join(DAYS)}, or mon-fri")
    begin = DAYS.index(first)
    for step in range((DAYS.index(last or first) - begin) % 7 + 1):
        yield (begin + step) % 7


def _spans(text: str) -> tuple[Span, ...]:
    spans = sorted(_span(part.strip()) for part in text.split(",") if part.strip())
    for before, after in pairwise(spans):
        if after[0] < before[1]:
            raise ValueError(f"the hours {text!r} overlap")
    return tuple(spans)


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"cannot read the hours {text!r}; write 08:00-18:00")
    hour, minute, to_hour, to_minute = map(int, found.groups())
    begin, end = hour * 60 + minute, to_hour * 60 + to_minute
    if not begin < end <= 24 * 60:
        raise ValueError(f"the hours {text!r} must end after they begin, at 24:00 at the latest")
    return begin, end


def check_holidays(code: str) -> Collection[date]:
    """Return the public holidays that a code like `DE` or `DE-BW` (ISO 3166) stands for.

    Raises: `ValueError` with one line for a country or a part of one that is not known.
    """
    # Imported here because it takes longer than all the rest of a start.
    import holidays  # noqa: PLC0415 - see above

    country, _, part = code.partition("-")
    known: Mapping[str, Iterable[str]] = holidays.list_supported_countries(include_aliases=True)
    if country not in known:
        raise ValueError(f"no holidays are known for {code!r}{did_you_mean(country, known)}")
    if part and part not in known[country]:
        raise ValueError(f"{country} has no part {part!r}, but {', '.join(known[country])}")
    found: Collection[date] = holidays.country_holidays(country, subdiv=part or None)
    return found


@frozen(kw_only=True)
class Calendar:
    """When the team is there.

    `timezone` is an IANA name; `hours` as in `parse_hours`; `holidays` as in `check_holidays`.
    Raises: `ValueError` for what cannot be read, or if it never opens.
    """

    timezone: str = "UTC"
    hours: Mapping[str, str] = field(factory=dict)
    holidays: str | None = None
    _zone: ZoneInfo = field(init=False, repr=False, eq=False)
    _week: Week = field(init=False, repr=False, eq=False)
    _closed: Collection[date] = field(init=False, repr=False, eq=False)

    @_zone.default
    def _load_zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timezone)
        except (OSError, LookupError, ValueError) as error:
            raise ValueError(f"unknown time zone {self.timezone!r}") from error

    @_week.default
    def _read_hours(self) -> Week:
        return parse_hours(self.hours)

    @_closed.default
    def _load_holidays(self) -> Collection[date]:
        return check_holidays(self.holidays) if self.holidays else ()

    def __attrs_post_init__(self) -> None:
        """Refuse what would send `add` through all of time: every open day is a holiday."""
        if not any(self._open_minutes(_YEAR_TO_TRY + timedelta(n)) for n in range(366)):
            raise ValueError(f"it is never open: {self.holidays} has a holiday on each open day")

    def is_open(self, at: datetime) -> bool:
        """Whether somebody is there at this moment."""
        at = at.astimezone(UTC)
        return any(begin <= at < end for begin, end in self._openings_of(self._local_day(at)))

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """Return when `duration` of opening time has passed since `start`.

        What is used up exactly at closing time ends there, not at the next opening. No duration
        gives `start` itself, or the next opening. Raises: `ValueError` for a negative duration,
        `OverflowError` past the year 9999.
        """
        if duration < timedelta(0):
            raise ValueError("a negative duration leads nowhere")
        for begin, end in self._openings(start):
            if begin + duration <= end:
                return begin + duration
            duration -= end - begin
        raise OverflowError("the calendar ended")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return how much opening time lies from `start` to `end`; none if `end` is earlier."""
        end, total = end.astimezone(UTC), timedelta(0)
        for begin, close in self._openings(start):
            if begin >= end:
                break
            total += min(close, end) - begin
        return total

    def _openings(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """All openings from `start` on, the first one cut off there."""
        start = start.astimezone(UTC)
        today = self._local_day(start)
        for days in count():
            for begin, end in self._openings_of(today + timedelta(days)):
                if end > start:
                    yield max(begin, start), end

    def _openings_of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        instants = [self._instant(day, minute) for minute in self._open_minutes(day)]
        each = iter(instants)
        return ((begin, end) for begin, end in zip(each, each, strict=True) if begin < end)

    def _open_minutes(self, day: date) -> list[int]:
        if day in self._closed:
            return []
        return [minute for span in self._week[day.weekday()] for minute in span]

    def _instant(self, day: date, minute: int) -> datetime:
        """When the clock shows this; for a time that the clocks skip, when they skip it."""
        wall = datetime.combine(day, time(0)) + timedelta(minutes=minute)
        while True:
            instant = wall.replace(tzinfo=self._zone).astimezone(UTC)
            if instant.astimezone(self._zone).replace(tzinfo=None) == wall:
                return instant
            wall += timedelta(minutes=1)

    def _local_day(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()


class Level(Protocol):
    """A promise: how soon the first answer comes, to what. A field that is None fits all."""

    @property
    def first_response(self) -> timedelta:
        """Opening time until the first answer."""

    @property
    def channel(self) -> str | None:
        """The channel's name."""

    @property
    def kind(self) -> str | None:
        """The kind of the message."""

    @property
    def topic(self) -> str | None:
        """The topic that the classifiers gave it."""


def deadline(
    levels: Iterable[Level],
    *,
    channel: str,
    kind: str,
    topic: str | None,
    opened_at: datetime,
    calendar: Calendar,
) -> datetime | None:
    """Return when the first answer is due; None if no level fits.

    The level that names most of channel, kind and topic wins; of equals, the shortest.
    """
    facts = {"channel": channel, "kind": kind, "topic": topic}
    fitting = [level for level in levels if _fits(level, facts)]
    if not fitting:
        return None
    best = min(fitting, key=lambda level: (-_named(level, facts), level.first_response))
    return calendar.add(opened_at, best.first_response)


def _fits(level: Level, facts: Mapping[str, str | None]) -> bool:
    return all(getattr(level, name) in {None, value} for name, value in facts.items())


def _named(level: Level, facts: Iterable[str]) -> int:
    return sum(getattr(level, name) is not None for name in facts)
