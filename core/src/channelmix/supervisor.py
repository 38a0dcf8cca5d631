"""The supervisor: runs the worker as a child process, and starts it again when it ends badly.

A worker that stood still, or died in a hook, names whose code it was; the next one begins with
that channel or plugin paused, longer each time. What arrives for it meanwhile is stored and
waits. An event that ends one worker after the other is quarantined by the next one, and the rest
of its channel goes on. Pauses and counts live as long as the supervisor: starting it anew resumes
everything at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

from attrs import define, evolve, field, frozen

from channelmix.breaker import Pause
from channelmix.clock import SystemClock, Turning
from channelmix.handover import Handover, LastWords, Orders
from channelmix.hookspecs import Clock
from channelmix.log import get_logger
from channelmix.loops import BACK_OFF
from channelmix.watchdog import Culprit, blame, parse

DRAIN_SECONDS = 30.0
"""How long a worker that is told to stop may take; it ends itself then."""
KILL_SECONDS = DRAIN_SECONDS + 5
"""How long it is waited for; then it is killed."""
STEADY_SECONDS = 60.0
"""A worker that has lived so long was well, and the next one starts without delay."""
LONGER = (1, 5, 15, 60)
"""How much longer than the first the second, third … pause of one channel is."""
DEATHS = 3
"""How many workers may end while one event is read, until it is quarantined."""
_CRASHES = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGABRT}


@frozen(kw_only=True)
class Ended:
    """How a worker ended."""

    code: int
    seconds: float
    words: LastWords


@define(eq=False, kw_only=True)
class Supervisor:
    """Keeps one worker running."""

    command: Sequence[str]
    """What starts a worker; it finds its orders in the folder of `handover`."""
    handover: Handover
    orders: Orders
    """Those of the first worker; the next ones get the pauses, too."""
    cool_down: timedelta = timedelta(minutes=1)
    """How long a channel that stopped a worker is paused at first."""
    clock: Clock = field(factory=SystemClock)
    _turning: Turning = field(init=False)
    _pauses: dict[str, list[Pause]] = field(factory=dict, init=False)
    """All of each channel, the last one last."""
    _deaths: Counter[int] = field(factory=Counter, init=False)
    """How many workers ended while an event was read, by its id."""
    _poison: dict[int, str] = field(factory=dict, init=False)
    _failures: int = field(default=0, init=False)
    _stop: asyncio.Event = field(factory=asyncio.Event, init=False)
    _worker: asyncio.subprocess.Process | None = field(default=None, init=False)

    @_turning.default
    def _of_clock(self) -> Turning:
        return Turning(self.clock)

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT, and let the worker drain then; return the exit code.

        That is 0 if it came to its end in time; a second SIGINT does not wait for it. A worker
        that fails before it ever works, without a plugin to blame, is not started again: its
        code is returned.
        """
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._told, one)
        ever_up = False
        while True:
            ended = await self._one_life()
            ever_up = ever_up or ended.words.was_up
            if self._stop.is_set():
                return 1 if ended.code and ended.words.was_up else 0
            culprit = _culprit(ended)
            if culprit is None and not ever_up:
                return ended.code if ended.code >= 0 else 128 - ended.code
            await self._before_next(ended, culprit)
            if self._stop.is_set():
                return 0

    def _told(self, told: signal.Signals) -> None:
        """Stop the worker, and do not start another one."""
        again = self._stop.is_set() and told == signal.SIGINT
        self._stop.set()
        with contextlib.suppress(ProcessLookupError):
            if self._worker is not None:
                self._worker.send_signal(signal.SIGKILL if again else signal.SIGTERM)

    async def _one_life(self) -> Ended:
        """Start a worker and wait for its end."""
        self.handover.give(self._orders())
        started = monotonic()
        # It reads the end of its standard input when this process is gone, and stops. A group
        # of its own: Ctrl-C reaches it once, through us.
        self._worker = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, process_group=0
        )
        if self._stop.is_set():  # told while it was started, when there was nobody to tell
            self._worker.send_signal(signal.SIGTERM)
        try:
            code = await self._end_of(self._worker)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._worker.pid, signal.SIGKILL)  # with what its plugins started
        return Ended(code=code, seconds=monotonic() - started, words=self.handover.last_words())

    def _orders(self) -> Orders:
        """Return the orders for the next worker, with the pauses that still last.

        They last for as long as they were to last, though the clock was turned.
        """
        by, now = self._turning.turned(), self.clock.now()
        for each in self._pauses.values():
            each[-1] = evolve(each[-1], until=each[-1].until + by)
        lasting = tuple(each[-1] for each in self._pauses.values() if each[-1].until > now)
        return evolve(self.orders, pauses=lasting, poison=self._poison)

    async def _end_of(self, worker: asyncio.subprocess.Process) -> int:
        """Wait for a worker; once it is told to stop, only so long."""
        ending = asyncio.create_task(worker.wait())
        told = asyncio.create_task(self._stop.wait())
        await asyncio.wait({ending, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        done, _ = await asyncio.wait({ending}, timeout=KILL_SECONDS)
        if not done:
            get_logger().error("worker.killed", why=f"still there after {KILL_SECONDS:g} s")
            worker.kill()
        return await ending

    async def _before_next(self, ended: Ended, culprit: Culprit | None) -> None:
        """Say what became of a worker, pause who did it, and wait a moment."""
        if culprit is not None and not self._is_poisoned(culprit, ended):
            for plugin in culprit.plugins:
                self._pause(plugin, culprit, ended)
        self._failures = 0 if culprit or ended.seconds > STEADY_SECONDS else self._failures + 1
        seconds = BACK_OFF[min(self._failures, len(BACK_OFF)) - 1] if self._failures else 0.0
        get_logger().error("worker.ended", how=_how(ended), again_in=seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    def _is_poisoned(self, culprit: Culprit, ended: Ended) -> bool:
        """Count what an event did; say whether from now on it alone is left out."""
        event = ended.words.event
        if event is None:
            return False
        self._deaths[event] += 1
        if self._deaths[event] < DEATHS:
            return False
        for plugin in culprit.plugins:
            self._pauses.pop(plugin, None)
        whose = " or ".join(culprit.plugins)
        why = (
            f"{whose}.{culprit.hook} {_what_it_did(ended)} at {culprit.place}, {DEATHS} times; "
            "mend the plugin, stop and run again, then `channelmix replay`"
        )
        self._poison[event] = why
        get_logger().error("event.poisonous", plugin=whose, event_id=event, why=why)
        return True

    def _pause(self, plugin: str, culprit: Culprit, ended: Ended) -> None:
        """Let the next workers leave a plugin alone for a while."""
        before = self._pauses.setdefault(plugin, [])
        times = LONGER[min(len(before), len(LONGER) - 1)]
        until = self.clock.now() + times * self.cool_down
        did = f"{plugin}.{culprit.hook} {_what_it_did(ended)} at {culprit.place}"
        why = f"{did}; paused until {until:%Y-%m-%d %H:%M:%S} UTC"
        before.append(Pause(plugin=plugin, hook=culprit.hook, until=until, why=why))
        get_logger().error("plugin.paused", plugin=plugin, why=why)


def _culprit(ended: Ended) -> Culprit | None:
    """Say whose code ended a worker; None if that cannot be told, or if it was killed."""
    words = ended.words
    thread = words.begun.thread if words.begun else 0
    homes = words.begun.homes if words.begun else {}
    stack = parse(words.stack, thread)
    if words.stack or ended.code >= 0 or ended.code in _CRASHES:
        return blame(words.calling, stack, homes)
    return None


def _what_it_did(ended: Ended) -> str:
    if ended.words.stack.startswith("Timeout"):
        return "did not come to an end"
    return f"ended the worker ({_how(ended)})"


def _how(ended: Ended) -> str:
    """Say how a worker ended."""
    if ended.words.stack.startswith("Timeout"):
        return "its event loop stood still"
    if ended.code < 0:
        return f"killed by {signal.Signals(-ended.code).name}"
    return f"exit code {ended.code}"
