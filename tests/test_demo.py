"""`channelmix demo`: the day as a newcomer sees it, and that it would not hide a mistake."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from attrs import evolve, frozen
from channelmix.demo import Facts
from channelmix.demo.clock import DayClock
from channelmix.demo.comparison import Check, compare
from channelmix.demo.day import DAY, Day
from channelmix.demo.stage import Cast, Stage, stage
from channelmix.store import ledger
from channelmix.store import schema as s
from channelmix_facebook.demo import FacebookDemo

CHANNELMIX = [sys.executable, "-c", "from channelmix.cli import main; main()"]
slow = pytest.mark.slow

ALWAYS_SEEN = {
    "events told and answered 200 are in the journal",
    "everything customers said is here",
    "every reply that arrived is one that was sent",
    "no reply arrived twice",
}
"""What a pushing network shows on the shortest day; repeats and hiding are left to chance."""


def channelmix(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHANNELMIX, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


# --- the command --------------------------------------------------------------------------------


@slow
def test_a_day_adds_up() -> None:
    done = channelmix("demo", "--once", "--seed", "7", "--events", "120", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["good"], report["settled"], report["events"]) == (True, True, 120)
    books = report["ledger"]
    assert books["adds_up"]
    assert all(one["left"] == one["right"] for one in books["balances"])
    assert sum(books["fates"].values()) == books["settled"] == books["stored"] > 120
    assert books["sweep_only"] > 0
    assert {"open", "answered", "closed"} <= set(books["tickets"])
    assert sum(books["tickets"].values()) == sum(
        count for states in report["agents"].values() for count in states.values()
    )
    assert books["outbox"]["sent"] > 20
    assert {"facebook", "instagram", "twitter"} <= set(report["checks"])
    for checks in report["checks"].values():
        assert all(one["holds"] and one["there"] == one["here"] for one in checks)
    for network in ("facebook", "instagram", "twitter"):
        seen = {one["claim"] for one in report["checks"][network] if one["there"] > 0}
        assert seen >= ALWAYS_SEEN, network


@slow
def test_another_process_answers_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [*CHANNELMIX, "demo", "--seed", "3", "--events", "8", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            lines = iter(demo.stdout.readline, "")
            assert any("Ctrl-C ends it" in line for line in lines), "it ended too early"
            _answer_one(folder, "Antwort aus dem zweiten Fenster")
            assert any("Antwort aus dem zweiten Fenster" in line for line in lines)
            demo.send_signal(signal.SIGINT)
            list(lines)
            assert demo.wait(20) == 0
        finally:
            demo.kill()


@slow
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_however_it_is_ended_its_folder_goes_away(tmp_path: Path, told: signal.Signals) -> None:
    command = [*CHANNELMIX, "demo", "--events", "2"]
    elsewhere = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=elsewhere) as demo:
        try:
            assert demo.stdout is not None
            lines = iter(demo.stdout.readline, "")
            assert any("Ctrl-C ends it" in line for line in lines), "it ended too early"
            assert list(tmp_path.glob("channelmix-demo-*"))
            demo.send_signal(told)
            list(lines)
            assert demo.wait(20) == 0
        finally:
            demo.kill()
    assert not list(tmp_path.glob("channelmix-demo-*"))


def _answer_one(folder: Path, text: str) -> None:
    desk = ["-c", str(folder / "channelmix.toml")]
    tickets = json.loads(channelmix(*desk, "tickets", "--json").stdout)
    ticket = next(one["id"] for one in tickets if one["kind"] in {"comment", "post"})
    answered = channelmix(*desk, "reply", str(ticket), text)
    assert answered.returncode == 0, answered.stderr


@pytest.mark.slow
def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "desk.db").touch()
    done = channelmix("demo", "--once", "--dir", str(tmp_path))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "desk.db is there already" in line


# --- what it would notice -----------------------------------------------------------------------


@frozen(kw_only=True)
class Played:
    """A small day that is over."""

    stage: Stage
    facts: Facts

    async def checks(self, *tamper: sa.Executable, facts: Facts | None = None) -> Sequence[str]:
        """Return what would not hold any more, of books and comparison."""
        cast = pushing(self.stage)

        def look(connection: sa.Connection) -> list[str]:
            savepoint = connection.begin_nested()
            for one in tamper:
                connection.execute(one)
            found: list[Check | ledger.Balance] = [
                *compare(connection, facts or self.facts, channels=cast.channels, apps=cast.apps),
                *ledger.ledger(connection, pushing=frozenset(cast.channels)).balances,
            ]
            savepoint.rollback()
            return [one.claim for one in found if not one.holds]

        return await self.stage.desk.store.write(look)


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[Played]:
    async with asyncio.timeout(60), stage(tmp_path, seed=5, clock=DayClock(behind=DAY)) as up:
        day = Day(stage=up, seed=5, tell=lambda _happening, _ticket: None)
        async with day.staffed():
            report = await day.play(30)
            assert report.good, report
            yield Played(stage=up, facts=pushing(up).network.facts())


def pushing(up: Stage) -> Cast:
    """Return a network that pushes, and whose webhooks are therefore counted."""
    return next(one for one in up.cast if one.name == "facebook")


def first(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.Delete:
    """Delete one row."""
    key = list(table.primary_key.columns)
    return sa.delete(table).where(sa.tuple_(*key).in_(sa.select(*key).where(*where).limit(1)))


@slow
async def test_a_row_too_few_is_noticed(played: Played) -> None:
    assert await played.checks() == []
    for gone, noticed in (
        (
            first(s.raw_events, s.raw_events.c.app == "meta", s.raw_events.c.road == "push"),
            "events told and answered 200",
        ),
        (
            first(s.messages, s.messages.c.channel == "page", ~s.messages.c.own),
            "everything customers said",
        ),
        (first(s.receipts, s.receipts.c.channel == "page"), "every reply that arrived"),
        (first(s.fates), "every settled event has its one fate"),
        (first(s.actions, s.actions.c.outbox_id.is_not(None)), "every reply to a ticket"),
        (first(s.outbox_parts), "every outgoing action has its parts"),
    ):
        assert any(one.startswith(noticed) for one in await played.checks(gone)), noticed


@slow
async def test_a_reply_too_many_is_noticed(played: Played) -> None:
    again = evolve(played.facts.replies[0], id="another")
    twice = evolve(played.facts, replies=(*played.facts.replies, again))
    assert await played.checks(facts=twice) == [
        "every reply that arrived is one that was sent",
        "no reply arrived twice",
    ]


# --- the customers ------------------------------------------------------------------------------


async def customers(seed: int, events: int = 80) -> list[tuple[str, str, str]]:
    async def go_on() -> None:
        """Wait for nobody."""

    clock = DayClock(behind=DAY)
    page = FacebookDemo(clock=clock, seed=seed)
    await page.play(events, go_on)
    return [(one.name, one.subject, one.account) for one in page.sim.events()]


async def test_the_same_seed_brings_the_same_customers() -> None:
    assert await customers(1) == await customers(1)
    assert await customers(1) != await customers(2)


async def test_a_day_has_everything_in_it() -> None:
    kinds = {name for name, _, _ in await customers(1)}
    adds = {f"{kind} add" for kind in ("post", "comment", "message", "review", "mention")}
    assert adds | {"comment edited", "comment remove", "reaction add"} <= kinds


def test_the_clock_catches_up_and_never_overtakes() -> None:
    clock = DayClock(behind=timedelta(hours=2))
    assert datetime.now(UTC) - clock.now() > timedelta(hours=1, minutes=59)
    clock.leap(timedelta(hours=1))
    assert timedelta(minutes=59) < datetime.now(UTC) - clock.now() <= timedelta(hours=1)
    clock.leap(timedelta(days=1))
    assert clock.behind == timedelta(0)
    assert clock.now() <= datetime.now(UTC)
