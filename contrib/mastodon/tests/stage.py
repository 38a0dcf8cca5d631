from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog
from attrs import define, evolve, field
from channelmix import Services
from channelmix.records import Action, Kind, Message, Outgoing, Poll, Polled
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault

from channelmix_mastodon.config import MastodonConfig
from channelmix_mastodon.plugin import Mastodon
from channelmix_mastodon.simulator import MastodonSimulator

Play = Callable[..., None]
START = datetime(2026, 11, 3, 9, tzinfo=UTC)


@define
class NotedPace:
    held: list[tuple[datetime, str, bool]] = field(factory=list)

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        self.held.append((until, reason, replies))


@define
class Stage:
    """A plugin, the server it talks to, and what it was lent."""

    clock: FakeClock
    server: MastodonSimulator
    plugin: Mastodon
    pace: NotedPace
    vault: MemoryVault

    async def poll(self, source: str, cursor: Any = None) -> tuple[list[Any], Any]:
        """Poll to the end; return what it means and the last cursor."""
        inbounds: list[Any] = []
        for _ in range(100):
            page: Polled = await self.plugin.poll(Poll(source=source, cursor=cursor))
            cursor = page.cursor
            for event in page.events:
                inbounds.extend(self.plugin.ingest(event).inbounds)
            if not page.more:
                return inbounds, cursor
        raise AssertionError("it has no end")

    async def target(self, kind: Kind = Kind.MENTION, text: str = "Is it cold?") -> Message:
        number = self.server.customer(kind, text)
        inbounds, _ = await self.poll("mentions")
        found: Message = next(one for one in inbounds if one.id == number)
        return found

    async def answer(self, target: Message | None, text: str = "Yes.", **more: Any) -> str:
        return (await self.plugin.reply(outgoing(target, text, **more))).ids[0]


def outgoing(target: Message | None, text: str = "Yes.", **more: Any) -> Outgoing:
    usual: dict[str, Any] = {"token": "t1", "channel": "m", "action": Action.PUBLIC_REPLY}
    return evolve(Outgoing(**usual, target=target, text=text), **more)


@asynccontextmanager
async def stage(**more: Any) -> AsyncIterator[Stage]:
    clock, pace = FakeClock(START), NotedPace()
    server = MastodonSimulator(clock=clock)
    vault = MemoryVault({name: dict(value) for name, value in server.vault.items()})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server)) as http:
        services = Services(
            http=http,
            clock=clock,
            log=structlog.get_logger(),
            pace=pace,
            vault=vault,
            budget=MemoryBudget(clock=clock),
        )
        plugin = Mastodon(
            name="m", config=MastodonConfig(**server.section), services=services, **more
        )
        yield Stage(clock=clock, server=server, plugin=plugin, pace=pace, vault=vault)
