"""The only way to call a hook: all of them, the first that answers, or a channel's own.

pluggy knows no async and no bad plugins, so its implementations are walked here, each with a
guard. Whatever a plugin does, its caller sees a value of the right type, an error that the
plugin named (`PluginError`), or a `PluginFault`; the host's own cancellation passes through.
No secret stands in the text of an error: it is stored, logged and shown from here on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

from attrs import frozen

from channelmix.breaker import Breakers, BreakerState, OnChange, Pause
from channelmix.calling import Call, Calling
from channelmix.errors import NotFound, Paused, PluginError, PluginFault
from channelmix.guard import WAITS, Bug, at_once, guarded
from channelmix.hookspecs import Clock
from channelmix.log import SecretMask, frames, get_logger

if TYPE_CHECKING:
    import pluggy
    from structlog.typing import FilteringBoundLogger

    from channelmix.registry import Implementations, Registry

DEADLINES: Mapping[str, float] = {
    "open": 30,
    "close": 10,
    "check": 30,
    "connect": 60,
    "renew": 60,
    "poll": 60,
    "unlock": 60,
    "classify": 5,
    "assign": 5,
    "suggest": 15,
    "review": 5,
    "reply": 60,
    "reconcile": 60,
    "observe": 30,
}
"""How long each asynchronous hook may take, in seconds."""


@frozen(kw_only=True, slots=False)  # without slots it is made in half the time
class Outcome:
    """What one implementation made of a call: a value or an error."""

    plugin: str
    value: Any = None
    error: PluginError | PluginFault | None = None


class Dispatch:
    """Calls the hooks of the plugins in `registry`.

    After `failures` faults in a row an asynchronous hook of a plugin is paused. When `cool_down`
    is over, one call is let through: if it does well the hook is back, else it stays paused.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Clock,
        on_change: OnChange | None = None,
        deadlines: Mapping[str, float] = DEADLINES,
        failures: int = 5,
        cool_down: timedelta = timedelta(minutes=1),
        log: FilteringBoundLogger | None = None,
        mask: SecretMask | None = None,
    ) -> None:
        self._calling = Calling()
        self._mask = mask or SecretMask()
        self._calls: dict[pluggy.HookImpl, Call] = {}
        self._registry = registry
        self._deadlines = {**DEADLINES, **deadlines}
        self._log = log or get_logger()
        self._breakers = Breakers(
            clock=clock,
            on_change=on_change,
            failures=failures,
            cool_down=cool_down,
            log=self._log,
        )

    async def collect(self, hook_name: str, request: object) -> list[Outcome]:
        """Ask all an asynchronous hook; the outcomes come in call order, without those paused.

        One after the other, because most never wait; those whose class says `slow = True` run
        beside the others.
        """
        asked = self._registry.implementations(hook_name)
        slow = [one for one in asked if getattr(one.plugin, "slow", False)]
        if not slow:
            outcomes = [await self._outcome(one, hook_name, request) for one in asked]
        else:
            outcomes = await self._side_by_side(asked, slow, hook_name, request)
        return [outcome for outcome in outcomes if outcome is not None]

    async def first(self, hook_name: str, request: object) -> Outcome | None:
        """Ask one after the other until one answers; None if none does.

        An error is logged, and the next one is asked.
        """
        for one in self._registry.implementations(hook_name):
            outcome = await self._outcome(one, hook_name, request)
            if outcome is not None and outcome.value is not None:
                return outcome
        return None

    async def addressed(self, plugin_name: str, hook_name: str, request: object) -> Any:
        """Ask the plugin or channel of that name.

        Raises: what the plugin named (`PluginError`), `PluginFault` for its bug, `Paused`, and
        `NotFound` if there is no such plugin or it does not implement the hook.
        """
        if hook_name not in WAITS:
            return self.pure(plugin_name, hook_name, request)
        return await self._call(self._one(plugin_name, hook_name), hook_name, request)

    def pure(self, plugin_name: str, hook_name: str, request: object) -> Any:
        """Ask the plugin or channel of that name for what takes no waiting.

        Raises: as `addressed`.
        """
        one = self._one(plugin_name, hook_name)
        self._breakers.admit(plugin_name, hook_name)
        call = self._calls.get(one) or self._noted(one, hook_name)
        started = perf_counter()
        try:
            value = at_once(one.function, hook_name, request, call)
        except PluginError as error:
            self._named(one, hook_name, error)
            raise
        except Bug as bug:
            raise self._note(one, hook_name, bug, perf_counter() - started) from bug.__cause__
        self._breakers.well(plugin_name, hook_name)
        return value

    def _one(self, plugin_name: str, hook_name: str) -> pluggy.HookImpl:
        one = self._registry.implementation(plugin_name, hook_name)
        if one is not None:
            return one
        if self._registry.get(plugin_name) is None:
            raise NotFound(f"no channel or plugin {plugin_name!r} is running")
        raise NotFound(f"{plugin_name} does not implement {hook_name}")

    def state(self) -> list[BreakerState]:
        """Return every hook that failed at its last call."""
        return self._breakers.state()

    @property
    def calling(self) -> Calling:
        """Where it is noted which hook runs; to be replaced before the first call only."""
        return self._calling

    @calling.setter
    def calling(self, calling: Calling) -> None:
        self._calling = calling
        self._calls.clear()

    def pause(self, pause: Pause) -> None:
        """Call no hook of a plugin for a while, but what `breaker.SPARED` names."""
        self._breakers.pause(pause)

    def paused(self) -> Mapping[str, Pause]:
        """Return the plugins that `pause` holds back now, by name."""
        return self._breakers.paused()

    def turn(self, by: timedelta) -> None:
        """Let pauses last for as long as before, though the clock was turned."""
        self._breakers.turn(by)

    async def _side_by_side(
        self,
        asked: Implementations,
        slow: Implementations,
        hook_name: str,
        request: object,
    ) -> list[Outcome | None]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                one.plugin_name: group.create_task(self._outcome(one, hook_name, request))
                for one in slow
            }
            quick = {
                one.plugin_name: await self._outcome(one, hook_name, request)
                for one in asked
                if one.plugin_name not in tasks
            }
        done = quick | {name: task.result() for name, task in tasks.items()}
        return [done[one.plugin_name] for one in asked]

    async def _outcome(self, one: pluggy.HookImpl, hook: str, request: object) -> Outcome | None:
        try:
            value = await self._call(one, hook, request)
        except Paused:
            return None
        except PluginError as error:
            # Without its text: it may quote what a customer wrote.
            self._log.warning("plugin_error", **_who(one, hook), error=type(error).__name__)
            return Outcome(plugin=one.plugin_name, error=error)
        except PluginFault as error:
            return Outcome(plugin=one.plugin_name, error=error)
        return Outcome(plugin=one.plugin_name, value=value)

    async def _call(self, one: pluggy.HookImpl, hook: str, request: object) -> Any:
        self._breakers.admit(one.plugin_name, hook)
        call = self._calls.get(one) or self._noted(one, hook)
        started = perf_counter()
        try:
            value = await guarded(one.function, hook, request, self._deadlines.get(hook), call)
        except PluginError as error:
            self._named(one, hook, error)
            raise
        except Bug as bug:
            raise self._note(one, hook, bug, perf_counter() - started) from bug.__cause__
        self._breakers.well(one.plugin_name, hook)
        return value

    def _noted(self, one: pluggy.HookImpl, hook: str) -> Call:
        call = self._calls[one] = self.calling.call(one.plugin_name, hook)
        return call

    def _named(self, one: pluggy.HookImpl, hook: str, error: PluginError) -> None:
        """Take an error that the plugin named for a call that went well; no secret stays in it."""
        self._breakers.well(one.plugin_name, hook)
        error.args = tuple(self._mask.text(str(word)) for word in error.args)

    def _note(self, one: pluggy.HookImpl, hook: str, bug: Bug, seconds: float) -> PluginFault:
        """Log a fault, count it, and return what the caller is told."""
        cause = bug.__cause__ or bug
        self._log.error(
            "plugin_fault",
            **_who(one, hook),
            milliseconds=round(seconds * 1000, 1),
            error=type(cause).__name__,
            what=str(bug),
            trace=frames(cause),
        )
        # A pure hook has no breaker: it is quick, and what it cannot read is quarantined.
        if hook in self._deadlines:
            self._breakers.failed(one.plugin_name, hook, str(bug))
        return PluginFault(f"{one.plugin_name}.{hook}: {bug}")


def _who(one: pluggy.HookImpl, hook: str) -> dict[str, str]:
    return {"plugin": type(one.plugin).__name__, "channel": one.plugin_name, "hook": hook}
