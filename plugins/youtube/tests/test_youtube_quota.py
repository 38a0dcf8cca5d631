"""A day of one project with three channels: what polling may cost, and how quick it is.

2,000 comments, 600 of them in one hour below one channel; 150 replies; 10,000 units, of which the
default reserve is for replies. The clock is turned from one call to the next, everything else is
real: plugin, budget rule, simulator, HTTP. What a channel knows of the days before it has learnt
from two other ordinary days. The fixed interval that it is held against gets everything that polls
may spend, and makes no sweeps.

The same rule without HTTP, for many days and busy hours: `test_every_busy_hour_of_the_day`.
"""

import contextlib
import heapq
import json
import math
from bisect import bisect
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any

import httpx
import pytest
import structlog
from channelmix.allowances import Account, Share
from channelmix.config import Secret
from channelmix.errors import RetryLater
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import Action, Allowance, Identity, Kind, Message, Outgoing, Poll, Spending
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST
from channelmix_youtube import pacing
from channelmix_youtube.config import YouTubeApp, YouTubeConfig
from channelmix_youtube.pacing import Traffic
from channelmix_youtube.plugin import YouTube
from channelmix_youtube.polling import SHARES
from channelmix_youtube.simulator import YouTubeSimulator
from channelmix_youtube.simulator_world import Project
from hypothesis import given
from hypothesis import strategies as st

MIDNIGHT = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
"""In California; in Germany it is nine in the morning."""
DAY = timedelta(days=1)
CHANNELS, COMMENTS, BURST, REPLIES, QUOTA = 3, 2_000, 600, 150, 10_000
RESERVE = 7_500
"""What the plugin keeps for replies if nobody says otherwise."""
BUSY = 9
"""The hour of the burst, counted from midnight in California."""
SOURCES = ("comments", "threads", "held", "spam", "videos")


def arrivals(random, busy=None):
    """Say when comments come, in seconds, for each channel: by day more than by night."""
    hours = range(24)
    local = [(hour + 9) % 24 for hour in hours]
    weights = [1.05 + math.sin((h - 9) / 24 * 2 * math.pi) if h >= 6 else 0.08 for h in local]
    found: list[list[float]] = [[] for _ in range(CHANNELS)]
    for _ in range(COMMENTS - BURST):
        (hour,) = random.choices(hours, weights)
        found[random.randrange(CHANNELS)].append((hour + random.random()) * 3600)
    if busy is not None:
        found[0] += [(busy + random.random()) * 3600 for _ in range(BURST)]
    return [sorted(times) for times in found]


def learnt(random):
    """Return what each channel knows after two ordinary days, looked at every five minutes."""
    found = [Traffic() for _ in range(CHANNELS)]
    for day in (2, 1):
        for traffic, times in zip(found, arrivals(random), strict=True):
            for number in range(288):
                begin, end = number * 300, (number + 1) * 300
                came = sum(begin <= time < end for time in times)
                traffic.count(came, MIDNIGHT - day * DAY + timedelta(seconds=end))
    return found


def fixed(times, polls):
    """Return the median delay if each channel is polled so many times, evenly."""
    every = DAY.total_seconds() / polls
    return median(every - time % every for channel in times for time in channel)


@contextlib.asynccontextmanager
async def tube(number, clock, project, accounts):
    """Put one channel on the wire."""
    log = structlog.get_logger()
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="tube", log=log, transport=wire, timeout=httpx.Timeout(60), retries=0)
    sim = YouTubeSimulator(clock=clock, project=project, account=f"UC{number:022d}")
    vault = MemoryVault()
    async with sim.online() as url, http:
        app = YouTubeApp(
            client_id=sim.client_id,
            client_secret=Secret(sim.client_secret),
        )
        name = f"tube{number}"
        budget = MemoryBudget(clock=clock, channel=name, channels=CHANNELS, accounts=accounts)
        given: dict[str, Any] = {"http": http, "clock": clock, "log": log, "pace": None}
        channel = YouTube(
            name=name,
            config=YouTubeConfig(channel_id=sim.account),
            app=app,
            api_url=url,
            services=Services(**given, vault=vault, budget=budget),
        )
        budget.allowance = channel.allowance
        await vault.put(sim.connected())
        yield sim, channel


class Game:
    """Turns the clock from one thing to the next."""

    def __init__(self, clock, tubes, random) -> None:
        self.clock, self.tubes = clock, tubes
        self.videos = [sim.video(f"Film {number}") for number, (sim, _) in enumerate(tubes)]
        self.waiting: list[Any] = []
        self.came: dict[str, datetime] = {}
        self.delays: list[float] = []
        self.order = self.refused = self.replied = 0
        self.cursors = {
            (number, "comments"): {"since": MIDNIGHT.timestamp(), "traffic": traffic.saved()}
            for number, traffic in enumerate(learnt(Random(0)))
        }
        for number, times in enumerate(arrivals(random, BUSY)):
            for time in times:
                self.at(time, "comment", number, None)
        for number in range(CHANNELS):
            for source in SOURCES:
                self.at(random.random() * 60, "poll", number, source)
        for _ in range(REPLIES):
            self.at(3600 + random.random() * 22 * 3600, "reply", random.randrange(CHANNELS), None)

    def at(self, seconds, what, number, source):
        self.order += 1
        heapq.heappush(self.waiting, (seconds, self.order, what, number, source))

    async def play(self):
        while self.waiting:
            seconds, _, what, number, source = heapq.heappop(self.waiting)
            if seconds >= DAY.total_seconds():
                return
            self.clock.set(MIDNIGHT + timedelta(seconds=seconds))
            if what == "comment":
                made = self.tubes[number][0].comment(self.videos[number], f"@p{self.order}", "Wie?")
                self.came[made.id] = self.clock.now()
                self.order += 1
            elif what == "reply":
                await self.reply(number)
            else:
                await self.poll(seconds, number, source)

    async def poll(self, seconds, number, source):
        channel = self.tubes[number][1]
        minute = timedelta(minutes=1)
        more, after = True, minute
        while more:
            wanted = Poll(source=source, cursor=self.cursors.get((number, source)))
            try:
                polled = await channel.poll(wanted)
            except RetryLater as error:
                after, more = error.after or minute, False
                continue
            self.cursors[number, source] = polled.cursor
            for event in polled.events:
                for inbound in channel.ingest(event).inbounds:
                    came = self.came.pop(getattr(inbound, "id", ""), None)
                    if came is not None:
                        self.delays.append((self.clock.now() - came).total_seconds())
            more = polled.more
            declared = {one.name: one.every for one in channel.sources}[source]
            after = polled.again_in or declared or after
        self.at(seconds + after.total_seconds(), "poll", number, source)

    async def reply(self, number):
        sim, channel = self.tubes[number]
        comment = next(iter(sim.world.comments.values()))
        target = Message(
            id=comment.id,
            kind=Kind.COMMENT,
            thread=comment.video,
            sent_at=comment.published,
            author=Identity(id=comment.author),
        )
        try:
            await channel.reply(
                Outgoing(
                    token="t",
                    channel=channel.name,
                    action=Action.PUBLIC_REPLY,
                    target=target,
                    text="So.",
                )
            )
        except RetryLater:
            self.refused += 1
        else:
            self.replied += 1


@pytest.mark.slow
@pytest.mark.timeout(900)  # 2,700 calls over HTTP
async def test_a_day_of_three_channels() -> None:
    clock, project = FakeClock(MIDNIGHT), Project(quota=QUOTA)
    accounts: dict[datetime, Account] = {}
    async with contextlib.AsyncExitStack() as stack:
        tubes = [
            await stack.enter_async_context(tube(number, clock, project, accounts))
            for number in range(CHANNELS)
        ]
        assert {channel.allowance.reserve for _, channel in tubes} == {RESERVE}
        game = Game(clock, tubes, Random(1))
        await game.play()
    reference = fixed(arrivals(Random(1), BUSY), (QUOTA - RESERVE) / CHANNELS)
    ours = median(game.delays)
    used = max(project.used.values())
    unseen = len(game.came)
    told = f"median {ours:.1f} s, fixed {reference:.1f} s, {used} units, {unseen} not seen"
    assert (game.replied, game.refused) == (REPLIES, 0), told
    assert unseen <= 20, told  # what came in the last minutes of the day
    assert used <= QUOTA, told
    assert ours <= reference / 2, told


def by_the_rule(seed, busy):
    """Play a day of polls without HTTP: return the median delay, and how many were not seen."""
    random = Random(seed)
    times, known = arrivals(random, busy), learnt(Random(1_000 + seed))
    allowance = Allowance(
        unit="units", amount=QUOTA, period="day", timezone="America/Los_Angeles", reserve=RESERVE
    )
    account, seen, delays = Account(), [0] * CHANNELS, []
    shares = [
        Share(allowance=allowance, channel=f"{number}", channels=CHANNELS)
        for number in range(CHANNELS)
    ]
    lists = ("comments", *SHARES)
    waiting = [(random.random() * 60, n, one) for n in range(CHANNELS) for one in lists]
    heapq.heapify(waiting)
    while waiting[0][0] < DAY.total_seconds():
        at, number, source = heapq.heappop(waiting)
        now = MIDNIGHT + timedelta(seconds=at)
        try:
            account = shares[number].charge(account, 1, now, reply=False)
        except RetryLater as error:
            heapq.heappush(waiting, (at + (error.after or DAY).total_seconds(), number, source))
            continue
        spending = shares[number].state(account, now)
        if source == "comments":
            there = bisect(times[number], at)
            delays += [at - came for came in times[number][seen[number] : there]]
            known[number].count(there - seen[number], now)
            seen[number] = there
            after = pacing.newest(spending, known[number], now)
        else:
            declared = next(one.every for one in YouTube.sources if one.name == source)
            assert declared is not None
            after = max(declared, pacing.share(spending, SHARES[source], 1, now))
        jitter = random.uniform(0.9, 1.1)  # the core's
        heapq.heappush(waiting, (at + after.total_seconds() * jitter, number, source))
    return median(delays), COMMENTS - len(delays)


@pytest.mark.parametrize("busy", range(1, 13))
def test_every_busy_hour_of_the_day(busy) -> None:
    """From ten in the morning, where the comments come from, until ten at night: other days."""
    ours, unseen = by_the_rule(busy, busy)
    reference = fixed(arrivals(Random(busy), busy), (QUOTA - RESERVE) / CHANNELS)
    assert ours <= reference / 2, f"median {ours:.1f} s, fixed {reference:.1f} s"
    assert unseen <= 20


@pytest.mark.parametrize("busy", [0, 16, 20])
def test_a_busy_hour_at_another_time_is_still_better_than_a_fixed_interval(busy) -> None:
    ours, unseen = by_the_rule(1, busy)
    reference = fixed(arrivals(Random(1), busy), (QUOTA - RESERVE) / CHANNELS)
    assert ours <= 0.8 * reference, f"median {ours:.1f} s, fixed {reference:.1f} s"
    assert unseen <= 40


# --- the rule itself ------------------------------------------------------------------------


def state(left, hours):
    return Spending(
        unit="units",
        amount=QUOTA,
        spent=0,
        left=QUOTA,
        left_for_polls=left,
        channels=1,
        ends_at=MIDNIGHT + timedelta(hours=hours),
    )


def busy_by(lately, usual):
    return Traffic.of([0.0, [lately, 1.0], [[3600.0, usual * 3600.0]] * 24])


@given(
    left=st.floats(0, 10_000),
    hours=st.floats(0, 25),
    lately=st.floats(0, 100),
    usual=st.floats(0, 100),
)
def test_the_pace_is_never_absurd(left, hours, lately, usual) -> None:
    traffic = busy_by(lately, usual)
    again_in = pacing.newest(state(left, hours), traffic, MIDNIGHT)
    assert pacing.SHORTEST <= again_in <= max(pacing.LONGEST, timedelta(hours=25))


@given(left=st.floats(10, 10_000), busy=st.lists(st.floats(0.01, 50), min_size=2, max_size=5))
def test_the_busier_the_sooner(left, busy) -> None:
    spending = state(left, 12)
    paces = [pacing.newest(spending, busy_by(one, 1), MIDNIGHT) for one in sorted(busy)]
    assert all(later <= earlier for earlier, later in pairwise(paces))


@given(left=st.floats(1, 9_999))
def test_the_more_is_left_the_sooner(left) -> None:
    traffic = busy_by(1, 1)
    now = pacing.newest(state(left, 12), traffic, MIDNIGHT)
    assert pacing.newest(state(left + 1, 12), traffic, MIDNIGHT) <= now


def test_traffic_is_counted_over_time() -> None:
    traffic = Traffic()
    traffic.count(5, MIDNIGHT)  # there is no time yet to count over
    assert (traffic.lately.rate, traffic.rate(MIDNIGHT)) == (0, 0)
    now = MIDNIGHT
    for _ in range(2 * 24 * 60):
        now += timedelta(minutes=1)
        traffic.count(1, now)
    assert traffic.rate(now) == pytest.approx(1 / 60)
    again = Traffic.of(json.loads(json.dumps(traffic.saved())))
    assert again == traffic
    assert not traffic.surprising(now)
    traffic.count(600, now + timedelta(minutes=2))
    assert traffic.surprising(now + timedelta(minutes=2))


def test_each_hour_of_the_day_has_its_usual_traffic() -> None:
    traffic = learnt(Random(1))[0]
    day, night = MIDNIGHT + timedelta(hours=4), MIDNIGHT + timedelta(hours=17)
    assert traffic.usual(day.hour) > 5 * traffic.usual(night.hour)
    hour = timedelta(hours=1)
    assert traffic.expected(day, day + hour) > 3 * traffic.expected(night, night + hour)
    for _ in range(20 * 24):  # what was long ago is forgotten
        day += hour
        traffic.count(0, day)
    assert traffic.usual(day.hour) < 0.001


@pytest.mark.parametrize("saved", [None, 5, [1.0, [1, 2]], [1.0, [0, 0], [[1, 1]] * 23]])
def test_a_cursor_without_traffic_begins_to_learn(saved) -> None:
    assert Traffic.of(saved) == Traffic()
