from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from attrs import define, evolve, field
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import Action, Kind, Message, Outgoing, Poll, Polled
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST
from channelmix_mastodon.config import MastodonConfig
from channelmix_mastodon.plugin import Mastodon
from channelmix_mastodon.simulator import MastodonSimulator

START = datetime(2026, 11, 3, 9, tzinfo=UTC)


@define
class Brake:
    """Remembers what was asked of the pace."""

    held: list[tuple[datetime, str, bool]] = field(factory=list)

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        self.held.append((until, reason, replies))


@define
class Stage:
    """A plugin, the server it talks to, and what it was lent."""

    clock: FakeClock
    server: MastodonSimulator
    plugin: Mastodon
    pace: Brake
    vault: MemoryVault

    async def poll(self, source: str, cursor: Any = None) -> tuple[list[Any], Any]:
        """Poll to the end; return what it means and the last cursor."""
        inbounds: list[Any] = []
        more = True
        while more:
            page: Polled = await self.plugin.poll(Poll(source=source, cursor=cursor))
            more, cursor = page.more, page.cursor
            for event in page.events:
                inbounds.extend(self.plugin.ingest(event).inbounds)
        return inbounds, cursor

    async def target(self, kind: Kind = Kind.MENTION, text: str = "Is it cold?") -> Message:
        number = self.server.customer(kind, text)
        inbounds, _ = await self.poll("mentions")
        found: Message = next(one for one in inbounds if one.id == number)
        return found

    def outgoing(self, target: Message | None, text: str = "Yes.", **more: Any) -> Outgoing:
        usual: dict[str, Any] = {"token": "t1", "channel": "m", "action": Action.PUBLIC_REPLY}
        return evolve(Outgoing(**usual, target=target, text=text), **more)

    async def answer(self, target: Message | None, text: str = "Yes.", **more: Any) -> str:
        return (await self.plugin.reply(self.outgoing(target, text, **more))).ids[0]


@pytest.fixture
async def at() -> AsyncIterator[Stage]:
    clock, pace = FakeClock(START), Brake()
    server = MastodonSimulator(clock=clock)
    vault = MemoryVault({name: dict(value) for name, value in server.vault.items()})
    log, wire = structlog.get_logger(), httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="m", log=log, transport=wire, timeout=httpx.Timeout(60), retries=0)
    async with server.online() as url, http:
        services = Services(
            http=http,
            clock=clock,
            log=log,
            pace=pace,
            vault=vault,
            budget=MemoryBudget(clock=clock),
        )
        config = MastodonConfig(**server.section)
        plugin = Mastodon(name="m", config=config, services=services, api_url=url)
        yield Stage(clock=clock, server=server, plugin=plugin, pace=pace, vault=vault)
