"""What networks that push nothing have in common in the demo: everything is found by polls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import ClassVar

from attrs import define, field

from channelmix.demo import Pause
from channelmix.hookspecs import Clock
from channelmix.testing.simulator import Simulator

Act = Callable[[], None]
"""Something that people do."""


@define(eq=False, kw_only=True)
class PolledDemo:
    """The base of a `NetworkDemo` without webhooks; `sim`, `sections` and `facts` are its own."""

    name: ClassVar[str]
    """The network's; the same seed brings others on each."""
    clock: Clock
    seed: int
    sim: Simulator = field(init=False)
    random: Random = field(init=False)

    @random.default
    def _seeded(self) -> Random:
        return Random(f"{self.name} {self.seed}")  # noqa: S311 - a play, not a secret

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[str]:
        """Be on the wire."""
        async with self.sim.online() as url:
            yield url

    def subscribe(self, base_url: str) -> None:
        """Tell nothing: there are no webhooks."""

    async def flush(self) -> None:
        """There is no webhook to wait for."""

    async def play(self, events: int, pause: Pause) -> None:
        """Let people do so many things."""
        for _ in range(events):
            self.choose()()
            self.twist()
            await pause()

    def choose(self) -> Act:
        """Choose what happens next."""
        raise NotImplementedError

    def twist(self) -> None:
        """Let perhaps something go wrong with the next of our calls; by itself nothing does."""
