"""What another process writes wakes this one at once."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from channelmix import loops
from channelmix.store import feed
from channelmix.store.engine import Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)

ANOTHER_PROCESS = """
import asyncio, importlib.util, json, sys
from channelmix.desk import Desk

spec = importlib.util.spec_from_file_location("toys", sys.argv[1])
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

async def main():
    settings = json.loads(sys.argv[2])
    async with Desk.open(settings, plugins={"toy": toys.Toy}, work=False) as desk:
        await desk.reply(1, "Hello", agent="anna")

asyncio.run(main())
"""
TOYS = str(Path(__file__).with_name("conftest.py"))


@pytest.mark.slow
async def test_a_reply_that_another_process_writes_goes_out_at_once(
    open_desk: Any, toy_settings: Any, push: Any, settle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = loops.wait
    # No loop looks by itself: what is done is done because it was woken.
    monkeypatch.setattr(loops, "wait", lambda event, _seconds: waiting(event, 3600))
    async with open_desk() as desk:
        await push(desk, {"id": "c1", "by": "eva", "text": "?"})
        await settle(desk)
        sent = asyncio.Event()
        calling = desk.dispatch.addressed

        async def noticed(name: str, hook: str, record: Any) -> Any:
            if hook == "reply":
                sent.set()
            return await calling(name, hook, record)

        desk.dispatch.addressed = noticed
        told = [sys.executable, "-c", ANOTHER_PROCESS, TOYS, json.dumps(toy_settings())]
        other = await asyncio.create_subprocess_exec(*told)
        async with asyncio.timeout(20):
            await sent.wait()
        assert await other.wait() == 0
        await settle(desk)


async def test_what_others_write_is_noticed_and_what_we_write_is_not(database: str) -> None:
    stores = [Store(database) for _ in range(2)]
    heard = [threading.Semaphore(0) for _ in stores]
    for store, ears in zip(stores, heard, strict=True):
        store.open()
        store.watch(ears.release)
        assert await asyncio.to_thread(ears.acquire, timeout=10), "at first it always looks"
    for writer, listener in ((0, 1), (1, 0), (0, 1)):
        fresh = feed.Fresh(kind="channel_changed", channel="toy")
        await stores[writer].write(partial(feed.tell, fresh=[fresh], now=NOW))
        assert await asyncio.to_thread(heard[listener].acquire, timeout=10)
        assert not heard[writer].acquire(blocking=False)
    for store in stores:
        await asyncio.to_thread(store.close)


async def test_a_ring_wakes_only_whom_it_concerns() -> None:
    bell = loops.Bell()
    journal, outbox = bell.listen(loops.Topic.JOURNAL), bell.listen(loops.Topic.OUTBOX)
    everything = bell.listen()
    bell.ring(loops.Topic.JOURNAL, loops.Topic.FEED)
    assert [one.is_set() for one in (journal, outbox, everything)] == [True, False, True]
    bell.ring()
    assert outbox.is_set()


async def test_what_comes_in_wakes_no_sender(open_desk: Any, push: Any, settle: Any) -> None:
    async with open_desk() as desk:
        await settle(desk)
        sender = desk.bell.listen(loops.Topic.OUTBOX)
        sender.clear()
        await push(desk, {"id": "c1", "by": "eva", "text": "?"})
        await settle(desk)
        assert not sender.is_set()
        await desk.reply(1, "Hello", agent="anna")
        assert sender.is_set()
