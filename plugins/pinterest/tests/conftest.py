from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import structlog
from attrs import define
from channelmix.config import Secret
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import Action, Attachment, AttachmentKind, Outgoing, Poll, Polled
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST
from channelmix_pinterest.config import PinterestApp, PinterestConfig
from channelmix_pinterest.plugin import Pinterest
from channelmix_pinterest.simulator import PinterestSimulator

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
BACK = "http://127.0.0.1:8765/"


@define
class Brake:
    """Nothing here brakes the app as a whole."""

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        raise AssertionError((until, reason, replies))


@define
class Stage:
    """The plugin and the network that it talks to."""

    sim: PinterestSimulator
    channel: Pinterest
    clock: FakeClock
    vault: MemoryVault
    cursor: Any = None

    async def sweep(self) -> list[Any]:
        """Poll to the end of the list, and return what the events mean."""
        inbounds: list[Any] = []
        polled = Polled(more=True)
        while polled.more:
            polled = await self.channel.poll(Poll(source="pins", cursor=self.cursor))
            self.cursor = polled.cursor
            for event in polled.events:
                inbounds += self.channel.ingest(event).inbounds
        self.again_in = polled.again_in
        return inbounds

    again_in: timedelta | None = None

    def outgoing(self, action: Action = Action.PUBLISH, **more: Any) -> Outgoing:
        """Make an outgoing part."""
        picture = Attachment(kind=AttachmentKind.IMAGE, url="https://example.org/lamp.jpg")
        given: dict[str, Any] = {"attachments": (picture,), "text": "So geht es.", "token": "t1"}
        given |= {"details": {"title": "Lampe"}, "first_sent_at": self.clock.now()}
        return Outgoing(channel="pins", action=action, **{**given, **more})


@pytest.fixture
async def p() -> AsyncIterator[Stage]:
    clock, log, vault = FakeClock(START), structlog.get_logger(), MemoryVault()
    sim = PinterestSimulator(clock=clock)
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="pins", log=log, transport=wire, timeout=httpx.Timeout(60), retries=0)
    async with sim.online() as url, http:
        services: dict[str, Any] = {"http": http, "clock": clock, "log": log, "pace": Brake()}
        channel = Pinterest(
            name="pins",
            config=PinterestConfig(
                username=sim.account, board="900001", boards={"garden": "900002"}
            ),
            app=PinterestApp(client_id=sim.client_id, client_secret=Secret(sim.client_secret)),
            services=Services(**services, vault=vault, budget=MemoryBudget(clock=clock)),
            api_url=url,
        )
        await vault.put(sim.connected())
        yield Stage(sim, channel, clock, vault)
    secrets = [
        str(kept[name]) for kept in vault.values.values() for name in kept if "token" in name
    ]
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    assert not [url for url in urls for secret in secrets if secret in url], "a token in a URL"
