"""The breakers: what fails again and again is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from channelmix.errors import Paused
from channelmix.hookspecs import Clock

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

OnChange = Callable[[str, bool, str], None]
"""Told when a hook pauses or recovers: the plugin's name, whether it runs, and why."""


@frozen(kw_only=True)
class BreakerState:
    """A hook that fails: how often in a row, and until when it is not called (None: it is)."""

    plugin: str
    hook: str
    failures: int = 0
    open_until: datetime | None = None


SPARED = frozenset({"open", "close", "receive", "split"})
"""What a paused plugin is asked all the same: what arrives for it is stored, and waits."""


@frozen(kw_only=True)
class Pause:
    """A plugin that the host leaves alone until then, because this hook of it stopped the host."""

    plugin: str
    hook: str
    until: datetime
    why: str


@define(kw_only=True)
class Breakers:
    """One breaker for each hook of each plugin; only those that failed last time exist."""

    clock: Clock
    on_change: OnChange | None
    failures: int
    cool_down: timedelta
    log: FilteringBoundLogger
    _failing: dict[tuple[str, str], BreakerState] = field(factory=dict, init=False)
    _pauses: dict[str, Pause] = field(factory=dict, init=False)

    def pause(self, pause: Pause) -> None:
        """Leave a whole plugin alone for a while."""
        self._pauses[pause.plugin] = pause

    def paused(self) -> Mapping[str, Pause]:
        """Return the pauses that last, by plugin; those that are over end here."""
        now = self.clock.now()
        for pause in [one for one in self._pauses.values() if one.until <= now]:
            del self._pauses[pause.plugin]
            self.log.warning("plugin_resumed", channel=pause.plugin)
            self._tell(pause.plugin, runs=True, why="its pause is over")
        return self._pauses

    def turn(self, by: timedelta) -> None:
        """Let everything last for as long as before, though the clock was turned."""
        for name, pause in self._pauses.items():
            self._pauses[name] = evolve(pause, until=pause.until + by)
        for breaker in list(self._failing.values()):
            if breaker.open_until is not None:
                self._keep(evolve(breaker, open_until=breaker.open_until + by))

    def admit(self, plugin: str, hook: str) -> None:
        """Let a call through. Raises: `Paused`."""
        if self._pauses and (pause := self.paused().get(plugin)):
            if hook not in SPARED - {pause.hook}:
                raise Paused(pause.why, until=pause.until)
            return
        if not self._failing:  # as nearly always; every call comes by here, twice
            return
        breaker = self._failing.get((plugin, hook))
        if breaker is None or breaker.open_until is None:
            return
        if self.clock.now() < breaker.open_until:
            raise Paused(f"{plugin}.{hook} is paused after its faults", until=breaker.open_until)
        # This call is the trial; all others wait for what becomes of it.
        self._keep(evolve(breaker, open_until=self._later()))

    def well(self, plugin: str, hook: str) -> None:
        """Note that a call went well: it ended with a value or with an error of the contract."""
        if not self._failing:
            return
        breaker = self._failing.pop((plugin, hook), None)
        if breaker is not None and breaker.open_until is not None:
            self.log.warning("hook_recovered", channel=plugin, hook=hook)
            self._tell(plugin, runs=True, why=f"{hook} works again")

    def failed(self, plugin: str, hook: str, why: str) -> None:
        """Note a fault, and pause the hook if it was one too many."""
        before = self._failing.get((plugin, hook)) or BreakerState(plugin=plugin, hook=hook)
        opens = before.failures + 1 >= self.failures
        until = self._later() if opens else None
        self._keep(evolve(before, failures=before.failures + 1, open_until=until))
        if opens and before.open_until is None:
            self.log.error("hook_paused", channel=plugin, hook=hook, until=str(until), why=why)
            self._tell(plugin, runs=False, why=f"{hook} is paused: {why}")

    def state(self) -> list[BreakerState]:
        """Return every breaker that counts a fault."""
        return list(self._failing.values())

    def _keep(self, breaker: BreakerState) -> None:
        self._failing[breaker.plugin, breaker.hook] = breaker

    def _later(self) -> datetime:
        return self.clock.now() + self.cool_down

    def _tell(self, plugin: str, *, runs: bool, why: str) -> None:
        if self.on_change:
            self.on_change(plugin, runs, why)
