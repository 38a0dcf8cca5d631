from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from channelmix.clock import SystemClock
from channelmix.handover import Handover, LastWords, Orders
from channelmix.hookspecs import Clock
from channelmix.supervisor import Ended, Supervisor
from channelmix.testing.clock import FakeClock
from channelmix.watchdog import Culprit
from structlog.testing import capture_logs

Fixture = Callable[..., Any]
WORKER = """
import os, signal, sys, threading
from pathlib import Path
from channelmix.handover import Begun, Handover

folder = Path(sys.argv[1])
handover = Handover(folder)
lives = len(list(folder.glob("life*"))) + 1
(folder / f"life{lives}").write_bytes((folder / "orders").read_bytes())
calling = handover.note()

def dying_in(plugin):
    call = calling.call(plugin, "ingest")
    call.now[0] = call.row

def until_told():
    signal.sigwait([signal.SIGTERM])
    sys.exit(0)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
"""


class Lives:
    """A supervisor whose worker does what a script says."""

    def __init__(self, folder: Path, script: str, clock: Clock | None = None) -> None:
        self.folder = folder
        (folder / "worker.py").write_text(WORKER + script)
        self.supervisor = Supervisor(
            command=[sys.executable, str(folder / "worker.py"), str(folder)],
            handover=Handover(folder),
            orders=Orders(),
            cool_down=timedelta(minutes=1),
            clock=clock or SystemClock(),
        )

    def orders(self, life: int) -> Orders:
        (self.folder / "orders").write_bytes((self.folder / f"life{life}").read_bytes())
        return Handover(self.folder).orders()

    async def ready(self) -> None:
        """Wait until a worker has made the file of that name."""
        while not (self.folder / "ready").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)

    async def run(self) -> tuple[int, list[Any]]:
        """Let it run to its end; return the exit code and the log."""
        with capture_logs() as lines:
            code = await asyncio.wait_for(self.supervisor.run(), 60)
        return code, [(line["event"], line.get("how") or line.get("plugin")) for line in lines]


@pytest.fixture
def lives(tmp_path: Path) -> Callable[..., Lives]:
    return partial(Lives, tmp_path)


TELL_PARENT = "os.kill(os.getppid(), signal.SIGTERM); until_told()"


@pytest.mark.slow
async def test_a_worker_that_dies_is_started_again_and_told_to_stop(lives: Fixture) -> None:
    script = f"handover.up()\nif lives == 1: sys.exit(3)\n{TELL_PARENT}"
    found = lives(script)
    code, lines = await found.run()
    assert code == 0
    assert lines == [("worker.ended", "exit code 3")]
    assert found.orders(1).owner == found.orders(2).owner


async def test_one_that_never_worked_is_not_started_again(lives: Fixture) -> None:
    assert await lives("sys.exit(2)").run() == (2, [])


async def test_one_that_does_not_end_well_is_told(lives: Fixture) -> None:
    script = f"handover.up()\n{TELL_PARENT.replace('until_told()', 'sys.exit(5)')}"
    assert await lives(script).run() == (1, [])


async def test_one_that_is_started_when_told_to_stop_is_told_as_well(
    lives: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = asyncio.create_subprocess_exec

    async def told_meanwhile(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        return await start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", told_meanwhile)
    assert await lives("handover.up(); until_told()").run() == (0, [])


@pytest.mark.parametrize("patience", [0.2, 60])
async def test_one_that_does_not_stop_is_killed_after_a_while_or_at_the_second_sigint(
    lives: Fixture, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr("channelmix.supervisor.KILL_SECONDS", patience)
    found = lives("handover.up(); (folder / 'ready').touch(); threading.Event().wait()")

    async def told() -> None:
        await found.ready()
        for _ in range(1 if patience < 1 else 2):
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0.01)

    (code, lines), _ = await asyncio.gather(found.run(), told())
    assert code == 1
    assert lines == ([("worker.killed", None)] if patience < 1 else [])


async def test_who_ends_the_process_is_paused_for_longer_each_time(lives: Fixture) -> None:
    script = f"if lives < 3: dying_in('odd'); os._exit(7)\n{TELL_PARENT}"
    found = lives(script)
    before = SystemClock().now()
    code, lines = await found.run()
    assert code == 0
    assert lines == [("plugin.paused", "odd"), ("worker.ended", "exit code 7")] * 2
    assert found.orders(1).pauses == ()
    (first,), (second,) = found.orders(2).pauses, found.orders(3).pauses
    assert (first.plugin, first.hook) == ("odd", "ingest")
    assert timedelta(minutes=1) <= first.until - before < timedelta(minutes=2)
    assert second.until - first.until > timedelta(minutes=3)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [1, -1])
async def test_a_pause_lasts_as_long_as_it_was_to_last_though_the_clock_is_turned(
    lives: Fixture, hours: int
) -> None:
    script = (
        f"if lives == 1: dying_in('odd'); os._exit(7)\n"
        f"if lives == 2: handover.up(); (folder / 'ready').touch(); signal.pause()\n{TELL_PARENT}"
    )
    clock = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    found = lives(script, clock=clock)
    supervisor = found.supervisor

    async def turned() -> None:
        await found.ready()
        clock.step(timedelta(hours=hours))
        clock.advance(timedelta(seconds=20))
        supervisor._worker.kill()

    await asyncio.gather(found.run(), turned())
    (before,), (after,) = found.orders(2).pauses, found.orders(3).pauses
    assert before.until == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    assert after.until - clock.now() == timedelta(seconds=40)


def test_an_event_is_left_out_also_where_it_cannot_be_told_whose_it_is(lives: Fixture) -> None:
    supervisor = lives("").supervisor
    culprit = Culprit(plugins=("one", "other"), hook="ingest", place="odd.py:1 ingest")
    ended = Ended(
        code=7,
        seconds=1,
        words=LastWords(calling=None, event=4711, stack="", begun=None, was_up=True),
    )
    assert [supervisor._is_poisoned(culprit, ended) for _ in range(3)] == [False, False, True]
    assert "one or other.ingest ended the worker" in supervisor._poison[4711]


@pytest.mark.slow
async def test_an_event_that_ends_one_worker_after_the_other_is_left_out(lives: Fixture) -> None:
    reading = "with calling.reading(4711): dying_in('odd'); os._exit(7)"
    other = "with calling.reading(4712): dying_in('odd'); os._exit(7)"
    script = f"if lives in (1, 3, 4):\n  {reading}\nif lives == 2:\n  {other}\n{TELL_PARENT}"
    found = lives(script)
    code, lines = await found.run()
    assert code == 0
    assert [event for event, _ in lines if event != "worker.ended"] == [
        "plugin.paused",
        "plugin.paused",
        "plugin.paused",
        "event.poisonous",
    ]
    assert [len(found.orders(life).poison) for life in (1, 2, 3, 4, 5)] == [0, 0, 0, 0, 1]
    last = found.orders(5)
    assert last.pauses == ()
    assert "odd.ingest ended the worker (exit code 7)" in last.poison[4711]
    assert "3 times" in last.poison[4711]


async def test_a_crash_in_a_hook_is_its_plugins(lives: Fixture) -> None:
    script = f"if lives == 1: dying_in('odd'); os.kill(os.getpid(), signal.SIGSEGV)\n{TELL_PARENT}"
    _, lines = await lives(script).run()
    assert lines == [("plugin.paused", "odd"), ("worker.ended", "killed by SIGSEGV")]


@pytest.mark.slow
async def test_nobody_is_blamed_for_a_kill_from_outside(lives: Fixture) -> None:
    script = (
        "handover.up()\n"
        "if lives == 1: dying_in('odd'); os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{TELL_PARENT}"
    )
    found = lives(script)
    assert (await found.run())[1] == [("worker.ended", "killed by SIGKILL")]
    assert found.orders(2).pauses == ()


async def test_what_a_worker_started_does_not_outlive_it(lives: Fixture, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    script = (
        "held = open(folder / 'fifo', 'w')\n"
        "if os.fork() == 0: signal.sigwait([signal.SIGUSR1])\n"
        f"{TELL_PARENT}"
    )
    nobody_has_it = asyncio.create_task(asyncio.to_thread((tmp_path / "fifo").read_bytes))
    assert (await lives(script).run())[0] == 0
    assert await asyncio.wait_for(nobody_has_it, 30) == b""


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGKILL, signal.SIGHUP])
def test_the_worker_goes_when_its_supervisor_is_gone(
    configure: Fixture, run: Fixture, told: signal.Signals
) -> None:
    configure()
    desk = run()
    desk.up()
    desk.process.send_signal(told)
    assert desk.ended() == -told


@pytest.mark.slow
def test_a_worker_that_is_killed_comes_back_and_goes_on(
    configure: Fixture, run: Fixture, customers: Fixture, accounted: Fixture
) -> None:
    configure()
    desk = run()
    desk.up()
    crowd = customers(desk.webhook("calm"))
    for _ in range(2):
        crowd.wait_for_more()
        before = desk.seen()
        os.kill(desk.worker(), signal.SIGKILL)
        assert desk.log("worker.ended", after=before)["how"] == "killed by SIGKILL"
        desk.up(after=before)
    crowd.wait_for_more()
    accounted("calm", crowd.leave())
    assert desk.stop() == 0
