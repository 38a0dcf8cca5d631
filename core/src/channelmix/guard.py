"""One call of one hook, so that a plugin's bug stays the plugin's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from inspect import iscoroutinefunction
from typing import Any, get_type_hints

from channelmix.calling import Call
from channelmix.errors import PluginError
from channelmix.log import frames
from channelmix.registry import HOOKS

GRACE = 2.0
"""How long a hook may clean up after its deadline, in seconds; then it is let go."""

WAITS = frozenset(name for name, method in HOOKS.items() if iscoroutinefunction(method))
"""The asynchronous hooks; the others are pure, and never wait."""
_RETURNS = {name: get_type_hints(method)["return"] for name, method in HOOKS.items()}


class Bug(Exception):
    """What a plugin did wrong, in words without values; its cause is the exception, if any."""


class _CancelledByHost(BaseException):
    """Whatever the plugin makes of it, the host wants to stop."""


async def guarded(
    function: Callable[[Any], Any], hook: str, request: object, deadline: float | None, call: Call
) -> Any:
    """Call one implementation of an asynchronous hook; `deadline` is in seconds.

    `call` is told when a step of the plugin's own code begins and ends.

    Raises: the errors the plugin named (`PluginError`) untouched, `Bug` for everything else that
    it may do. If the host cancels the call, that counts, whatever the plugin makes of it.
    """
    try:
        return _checked(hook, await _finished(function(request), deadline, call))
    except (PluginError, Bug, KeyboardInterrupt, GeneratorExit):
        raise
    except _CancelledByHost:
        raise asyncio.CancelledError from None
    except BaseException as error:  # SystemExit and a CancelledError of its own making as well
        raise _bug(error) from error


def at_once(function: Callable[[Any], Any], hook: str, request: object, call: Call) -> Any:
    """Call one implementation of a pure hook. Raises: as `guarded`, but the host cannot cancel."""
    call.now[0] = call.row
    try:
        return _checked(hook, function(request))
    except (PluginError, Bug, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise _bug(error) from error
    finally:
        call.now[0] = 0


def _bug(error: BaseException) -> Bug:
    return Bug(f"{type(error).__name__} at {frames(error)[-1]}")


def _checked(hook: str, value: Any) -> Any:
    wanted = _RETURNS[hook]
    if isinstance(value, wanted):
        return value
    name = getattr(wanted, "__name__", str(wanted))
    raise Bug(f"returned {type(value).__name__} instead of {name}")


async def _finished(coroutine: Coroutine[Any, Any, Any], deadline: float | None, call: Call) -> Any:
    """Run a coroutine to its end.

    Most hooks never wait, and a time-out costs three times as much as such a hook (6 µs to 2), so
    the first step is taken by hand: only what is not finished then needs a deadline.
    """
    call.now[0] = call.row
    try:
        waits_for = coroutine.send(None)
    except StopIteration as done:
        return done.value
    finally:
        call.now[0] = 0
    host = _current_task()
    cancelled_before = host.cancelling()
    try:
        return await _in_time(coroutine, waits_for, deadline, call)
    finally:
        if host.cancelling() > cancelled_before:
            raise _CancelledByHost


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("hooks are called from within a task")
    return task


async def _in_time(
    coroutine: Coroutine[Any, Any, Any], waits_for: Any, deadline: float | None, call: Call
) -> Any:
    patience = None if deadline is None else deadline + GRACE
    async with asyncio.timeout(patience) as last, asyncio.timeout(deadline) as limit:
        try:
            return await _Rest(coroutine, waits_for, last.expired, call)
        except (TimeoutError, asyncio.CancelledError) as error:
            if limit.expired():
                raise Bug(f"took longer than {deadline:g} s") from error
            raise


class _Rest:
    """The rest of a coroutine that has begun to wait.

    It goes on in the task it began in: time-outs, task groups and cancel scopes that it opened
    belong to that task. When `hopeless` says so and it still waits, it is closed.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        waits_for: Any,
        hopeless: Callable[[], bool],
        call: Call,
    ) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._hopeless = hopeless
        self._call = call

    def __await__(self) -> Generator[Any, None, Any]:
        while True:
            thrown: BaseException | None = None
            try:
                yield self._waits_for
            except BaseException as error:  # noqa: BLE001 - it is passed on, to the coroutine
                thrown = error
            try:
                self._step(thrown)
            except StopIteration as done:
                return done.value
            if self._hopeless():
                self._let_go()

    def _step(self, thrown: BaseException | None) -> None:
        self._call.now[0] = self._call.row
        try:
            if thrown is None:
                self._waits_for = self._coroutine.send(None)
            else:
                self._waits_for = self._coroutine.throw(thrown)
        finally:
            self._call.now[0] = 0

    def _let_go(self) -> None:
        self._call.now[0] = self._call.row
        with contextlib.suppress(Exception):  # it does not want to end, and may say so
            self._coroutine.close()
        self._call.now[0] = 0
        raise asyncio.CancelledError
