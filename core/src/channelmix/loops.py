"""Background work: a bell that wakes it, a loop that runs it, a brake that slows it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sized
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import define, field

from channelmix.errors import StoreError
from channelmix.hookspecs import Clock
from channelmix.log import get_logger

BACK_OFF = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds to wait after the first, second … failure in a row."""


class Topic(StrEnum):
    """What there may be to do after something was written."""

    JOURNAL = "journal"
    """Events are to be settled."""
    FEED = "feed"
    """Something happened that observers are to be told."""
    OUTBOX = "outbox"
    """Parts may be sent, or looked for."""
    LOOKUPS = "lookups"
    """Something is to be fetched."""
    MEDIA = "media"
    """Files are to be fetched, or deleted."""
    TIME = "time"
    """Never rung alone: for what only the clock makes due."""


class Bell:
    """Wakes the loops of this process that wait for something to do.

    What another process writes rings it too (`Store.watch`). It only saves time: each loop
    also looks by itself now and then, so a ring that is lost costs a moment and nothing else.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, frozenset[Topic]] = {}

    def ring(self, *topics: Topic) -> None:
        """Wake whoever listens to one of `topics`; with none, everyone."""
        rung = frozenset(topics or Topic)
        for event, heard in self._waiting.items():
            if not heard.isdisjoint(rung):
                event.set()

    def listen(self, *topics: Topic) -> asyncio.Event:
        """Return an event that a ring for one of `topics` sets; with none, every ring does."""
        event = asyncio.Event()
        self._waiting[event] = frozenset(topics or Topic)
        return event

    def leave(self, event: asyncio.Event) -> None:
        """Stop listening."""
        self._waiting.pop(event, None)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for a ring, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()


async def come_along(waiting: Sized) -> None:
    """Let come along what is at the door already: as long as each look brings more.

    A look takes two turns of the event loop: of a request one reads it, and one handles it.
    """
    seen = 0
    while seen < (seen := len(waiting)):
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def forever(
    name: str,
    step: Callable[[], Awaitable[int]],
    bell: Bell,
    *,
    hears: Topic,
    rings: Collection[Topic] = (),
    every: float = 1.0,
) -> None:
    """Run `step` as long as it finds something to do, then wait for the bell; until cancelled.

    It is woken by `hears`, and rings `rings` when it has found something.

    A step that fails is logged and comes again, later and later; if the store is away, soon.
    """
    log = get_logger(loop=name)
    event = bell.listen(hears)
    failures = 0
    try:
        while True:
            try:
                found = await step()
                failures = 0
            except StoreError as error:
                failures += 1
                log.error("loop.without_store", error=str(error), again_in=store_pause(failures))  # noqa: TRY400 - it is no bug: a line says it
                await asyncio.sleep(store_pause(failures))
                continue
            except Exception:
                pause = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
                failures += 1
                log.exception("loop.failed", again_in=pause)
                await asyncio.sleep(pause)
                continue
            if found:
                if rings:
                    bell.ring(*rings)
                await asyncio.sleep(0)  # let others have their turn
            else:
                await wait(event, every)
    finally:
        bell.leave(event)


async def cancel(tasks: Collection[asyncio.Task[Any]], *, seconds: float = 2.0) -> None:
    """Cancel tasks and wait for their end, at most so long: a plugin may cling to one."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


async def let_go() -> None:
    """Cancel what else runs in this event loop, and wait no longer for what clings.

    At the end of a command: `asyncio.run` would wait for ever for a plugin's task that does.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await cancel(others)
    for one in others:
        if not one.done():
            asyncio.tasks._unregister_task(one)  # noqa: SLF001 - documented, for event loops


def store_pause(failures: int) -> float:
    """Return how many seconds to wait for a store that is away: never long, it has no limits."""
    return BACK_OFF[min(failures, 3) - 1]


def back_off(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row, with jitter."""
    seconds = BACK_OFF[min(max(failures, 1), len(BACK_OFF)) - 1]
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - no secret


@define(eq=False)
class Brake:
    """The pace of one app: until when polls, and replies, are to wait."""

    on_hold: Callable[[str, datetime], None]
    polls_until: datetime | None = None
    replies_until: datetime | None = None
    reason: str = field(default="")

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        """Let no poll (and with `replies` no reply) of this app be called until then."""
        self.reason = reason
        self.polls_until = max(self.polls_until or until, until)
        if replies:
            self.replies_until = max(self.replies_until or until, until)
        self.on_hold(reason, until)

    def turn(self, by: timedelta) -> None:
        """Hold for as long as before, though the clock was turned."""
        self.polls_until = self.polls_until and self.polls_until + by
        self.replies_until = self.replies_until and self.replies_until + by


def holding(until: datetime | None, clock: Clock) -> bool:
    """Say whether a brake is on."""
    return until is not None and clock.now() < until
