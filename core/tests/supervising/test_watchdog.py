from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from channelmix import Plugin, guard, hook, watchdog
from channelmix.calling import SIZE, Calling, read
from channelmix.clock import SystemClock
from channelmix.dispatch import Dispatch
from channelmix.records import Classify, Ingested, Kind, Labels, Message, RawEvent
from channelmix.registry import Registry
from channelmix.watchdog import Culprit, Frame, Watchdog, blame, parse

EVENT = RawEvent(key="k", body=b"")
MESSAGE = Message(id="m", kind=Kind.COMMENT, thread="t", sent_at=SystemClock().now())
CLASSIFY = Classify(channel="c", message=MESSAGE)


class Stalling(Plugin):
    """Blocks the event loop until somebody has noticed."""

    noticed: threading.Event

    def block(self) -> None:
        assert self.noticed.wait(30)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        self.block()
        return Ingested(inbounds=())

    @hook
    async def classify(self, request: Classify) -> Labels | None:
        await asyncio.sleep(0)
        self.block()
        return None


class Innocent(Plugin):
    @hook
    async def classify(self, request: Classify) -> Labels | None:
        await asyncio.sleep(0)
        return None


@pytest.fixture
def noticed() -> Iterator[tuple[threading.Event, list[MutableMapping[str, Any]]]]:
    """Set as soon as a line names a plugin; with these lines. A busy machine stalls without one."""
    lines: list[MutableMapping[str, Any]] = []
    event = threading.Event()

    def keep(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Any:
        if line.get("plugin"):
            lines.append(dict(line))
            event.set()
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield event, lines
    structlog.reset_defaults()


Watched = Callable[[], tuple[Dispatch, Watchdog]]


@pytest.fixture
def watched(noticed: Any) -> Watched:
    def make() -> tuple[Dispatch, Watchdog]:
        registry = Registry()
        for name, cls in (("before", Innocent), ("stalling", Stalling), ("after", Innocent)):
            registry.register(cls(name=name, services=None))  # type: ignore[arg-type]  # not asked
        registry.get("stalling").noticed = noticed[0]  # type: ignore[union-attr]  # just set
        dispatch = Dispatch(registry, clock=SystemClock())
        homes = {"stalling": __file__}
        return dispatch, Watchdog(calling=dispatch.calling, homes=homes, notice=0.1)

    return make


async def test_a_pure_hook_that_holds_the_loop_is_named(watched: Watched, noticed: Any) -> None:
    dispatch, dog = watched()
    async with dog:
        await asyncio.sleep(0)
        await dispatch.addressed("stalling", "ingest", EVENT)
    (line,) = noticed[1]
    assert (line["event"], line["plugin"]) == ("loop.stands_still", "stalling")
    assert line["hook"] == "ingest"
    assert line["place"].startswith("test_watchdog.py:")
    assert line["place"].endswith(" block")


async def test_of_many_waiting_hooks_the_one_that_runs_is_named(
    watched: Watched, noticed: Any
) -> None:
    dispatch, dog = watched()
    asked = [
        dispatch.addressed(name, "classify", CLASSIFY) for name in ("before", "stalling", "after")
    ]
    async with dog:
        await asyncio.sleep(0)
        await asyncio.gather(*asked)
    (line,) = noticed[1]
    assert (line["plugin"], line["hook"]) == ("stalling", "classify")


async def test_a_task_of_its_own_is_found_by_its_file(watched: Watched, noticed: Any) -> None:
    dispatch, dog = watched()
    stalling: Any = dispatch._registry.get("stalling")
    async with dog:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(stalling.block)
        await asyncio.to_thread(noticed[0].wait, 30)
    (line,) = noticed[1]
    assert (line["plugin"], line["hook"]) == ("stalling", "a task of its own")


async def test_no_hook_is_noted_once_it_has_ended(watched: Watched, noticed: Any) -> None:
    dispatch, _ = watched()
    noticed[0].set()
    seen = []
    waiting = asyncio.ensure_future(dispatch.addressed("before", "classify", CLASSIFY))
    await asyncio.sleep(0)
    seen.append(read(dispatch.calling.memory))
    await waiting
    await dispatch.addressed("stalling", "ingest", EVENT)
    seen.append(read(dispatch.calling.memory))
    assert seen == [None, None]


def test_a_note_is_read_as_it_was_written_until_the_rows_are_used_up() -> None:
    calling = Calling()
    calls = [calling.call(f"channel-{number}", "ingest") for number in range(600)]
    read_back = []
    for call in calls:
        call.now[0] = call.row
        read_back.append(read(calling.memory))
    assert read_back[:511] == [(f"channel-{number}", "ingest") for number in range(511)]
    assert set(read_back[511:]) == {None}
    assert len(calling.memory) == SIZE


STACK = [Frame("/site/re.py", 1, "match"), Frame("/site/odd/parts.py", 2, "cut")]
HOMES = {"a": "/site/odd", "b": "/site/odd", "c": "/site/od"}


@pytest.mark.parametrize(
    ("calling", "stack", "plugins", "place"),
    [
        (("a", "ingest"), STACK, ("a",), "parts.py:2 cut"),
        (("c", "ingest"), STACK, ("c",), "re.py:1 match"),
        (("c", "ingest"), [Frame(guard.__file__, 3, "_step")], ("c",), "a place that is not known"),
        (None, STACK, ("a", "b"), "parts.py:2 cut"),
    ],
)
def test_whose_code_it_is(
    calling: Any, stack: list[Frame], plugins: tuple[str, ...], place: str
) -> None:
    culprit = blame(calling, stack, HOMES)
    assert culprit is not None
    assert (culprit.plugins, culprit.place) == (plugins, place)


def test_nobody_is_blamed_for_what_is_nobodys() -> None:
    assert blame(None, STACK[:1], HOMES) is None


HOLDS_THE_LOCK = """
import asyncio, os, re, sys
from channelmix.calling import Calling
from channelmix.watchdog import Watchdog

async def ingest():
    dog = Watchdog(calling=Calling(), homes={}, notice=0.1, patience=0.5, stack=1)
    async with dog:
        await asyncio.sleep(0)
        re.fullmatch("(a+)+", "a" * 99 + "b")

print(__import__("threading").get_ident(), flush=True)
asyncio.run(ingest())
"""


@pytest.mark.slow
def test_code_that_keeps_the_interpreters_lock_is_ended_too(tmp_path: Path) -> None:
    script = tmp_path / "stalling.py"
    script.write_text(HOLDS_THE_LOCK)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    thread, _, text = done.stdout.partition("\n")
    assert done.returncode == 1
    assert text.startswith("Timeout (0:00:00.500000)!")
    stack = parse(text, int(thread))
    assert [one.function for one in stack if one.file == str(script)] == ["ingest", "<module>"]
    culprit = blame(("odd", "ingest"), stack, {"odd": str(script)})
    assert culprit == Culprit(plugins=("odd",), hook="ingest", place="stalling.py:10 ingest")


def test_homes_are_packages_or_files_and_never_the_core() -> None:
    server = pytest.importorskip("channelmix_web.server", reason="any package will do")

    class InPackage(Plugin):
        __module__ = server.__name__

    class InFile(Plugin):
        __module__ = "structlog"

    class InCore(Plugin):
        __module__ = watchdog.__name__

    found = watchdog.homes({"package": InPackage, "file": InFile, "core": InCore})
    assert found["package"] == str(Path(server.__file__).parent)
    assert "core" not in found
