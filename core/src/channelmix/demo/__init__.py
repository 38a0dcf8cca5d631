"""The demo: simulated networks, a desk at work, a day of customers, and whether it adds up.

A network takes part with a class of its own (see `NetworkDemo`), which the core finds by entry
point. The company and its customers are invented; `phrases` holds what they say, so that they
are the same people on every network.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from attrs import field, frozen

from channelmix.hookspecs import Clock

ENTRY_POINTS = "channelmix.demos"
"""The entry point group; each name is that of the network, each object a `NetworkDemo` class."""

Pause = Callable[[], Awaitable[None]]


@frozen(kw_only=True)
class Arrived:
    """A reply that the desk sent, as the network got it."""

    id: str
    """The external id that the network gave it."""
    target: str
    """What it answers, as the network names it."""
    text: str


@frozen(kw_only=True)
class Facts:
    """What a simulated network itself saw, to be held against what the desk says."""

    told: int
    """Events told by webhook and answered 200, each counted once."""
    repeated: int
    """How often one of these was told again, and answered 200 again."""
    said: frozenset[str]
    """The external ids of everything that customers said."""
    silent: frozenset[str]
    """Those of `said` that no webhook told of: only a sweep could find them."""
    replies: tuple[Arrived, ...]
    """Every reply of the desk that had its effect, whatever became of the answer."""
    hidden: frozenset[str] = field(factory=frozenset)
    """What the desk has hidden."""


class NetworkDemo(Protocol):
    """A network's part in the demo. The same seed brings the same customers."""

    def __init__(self, *, clock: Clock, seed: int) -> None:
        """Prepare; nothing is served yet."""

    def online(self) -> AbstractAsyncContextManager[str]:
        """Be on the wire on the loopback interface, deliver webhooks, and give the base URL."""

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return `apps` and `channels` as the configuration file has them, secrets in plain."""

    def subscribe(self, base_url: str) -> None:
        """Let webhooks go to `{base_url}/webhooks/{app}` from now on."""

    async def play(self, events: int, pause: Pause) -> None:
        """Let customers do so many things, with `pause()` wherever the desk may catch up."""

    async def flush(self) -> None:
        """Return when no webhook waits or is under way."""

    def facts(self) -> Facts:
        """Say what has happened so far."""
