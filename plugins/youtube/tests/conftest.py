import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import structlog
from attrs import define, field
from channelmix.config import Secret
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import (
    Action,
    Echo,
    Identity,
    Kind,
    Message,
    Outgoing,
    Poll,
    Polled,
)
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST
from channelmix_youtube.config import YouTubeApp, YouTubeConfig
from channelmix_youtube.plugin import YouTube
from channelmix_youtube.simulator import YouTubeSimulator
from channelmix_youtube.simulator_world import Comment, Video

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


@define
class Brake:
    """Remembers what was asked of the pace."""

    holds: list[tuple[datetime, bool, str]] = field(factory=list)

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        self.holds.append((until, replies, reason))


@define
class Stage:
    """The plugin and the network that it talks to."""

    sim: YouTubeSimulator
    channel: YouTube
    clock: FakeClock
    purse: MemoryBudget
    vault: MemoryVault
    brake: Brake
    video: Video
    cursors: dict[str, Any] = field(factory=dict)
    again_in: timedelta | None = None

    async def walk(self, source: str = "comments") -> list[Any]:
        """Poll a source to its end, and return what the events mean."""
        inbounds: list[Any] = []
        polled = Polled(more=True)
        while polled.more:
            wanted = Poll(source=source, cursor=self.cursors.get(source))
            polled = await self.channel.poll(wanted)
            self.cursors[source] = polled.cursor
            for event in polled.events:
                inbounds += self.channel.ingest(event).inbounds
        self.again_in = polled.again_in
        return inbounds

    @property
    def paid(self) -> tuple[float, float]:
        """How many units went into polls and into replies."""
        accounts = self.purse.accounts.values()
        return sum(one.spent - one.replies for one in accounts), sum(
            one.replies for one in accounts
        )

    def message(self, comment: Comment) -> Message:
        """Make the record that ingest would make of a comment."""
        return Message(
            id=comment.id,
            kind=Kind.COMMENT,
            thread=comment.video,
            sent_at=comment.published,
            text=comment.text,
            author=Identity(id=comment.author, name=comment.name, handle=comment.name),
        )

    def outgoing(
        self, action: Action, comment: Comment | None = None, text: str = "Danke.", **more: Any
    ) -> Outgoing:
        """Make an outgoing part."""
        given: dict[str, Any] = {"first_sent_at": self.clock.now(), "token": f"t-{text}", **more}
        if comment is not None:
            given.setdefault("target", self.message(comment))
        return Outgoing(channel="tube", action=action, text=text, **given)

    def calls(self) -> list[str]:
        """List what arrived."""
        requests = [one.request for one in self.sim.sent]
        return [f"{one.method} {one.path.removeprefix('/youtube/v3/')}" for one in requests]


def messages(inbounds: list[Any]) -> list[str]:
    """Return the texts of what customers said."""
    return [str(one.text) for one in inbounds if isinstance(one, Message) and not one.own]


@pytest.fixture
def texts() -> Any:
    return messages


@pytest.fixture
def echoes() -> Any:
    return lambda inbounds: [one.message for one in inbounds if isinstance(one, Echo)]


@contextlib.asynccontextmanager
async def staged(**config: Any) -> AsyncIterator[Stage]:
    """Put a channel on the wire."""
    clock, brake, vault, log = FakeClock(START), Brake(), MemoryVault(), structlog.get_logger()
    purse = MemoryBudget(clock=clock)
    sim = YouTubeSimulator(clock=clock)
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="tube", log=log, transport=wire, timeout=httpx.Timeout(60), retries=0)
    async with sim.online() as url, http:
        services = Services(http=http, clock=clock, log=log, pace=brake, vault=vault, budget=purse)
        channel = YouTube(
            name="tube",
            config=YouTubeConfig(channel_id=sim.account, **config),
            app=YouTubeApp(
                client_id=sim.client_id,
                client_secret=Secret(sim.client_secret),
                hub_secret=Secret("a word of ours"),
                callback="http://127.0.0.1:1/webhooks/tube",
            ),
            services=services,
            api_url=url,
        )
        purse.allowance = channel.allowance
        await vault.put(sim.connected())
        video = sim.video("Lampe wechseln")
        yield Stage(sim, channel, clock, purse, vault, brake, video)
    kept = [
        str(value)
        for one in vault.values.values()
        for name, value in one.items()
        if "token" in name
    ]
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    assert not [url for url in urls for secret in kept if secret in url], "a token in a URL"


@pytest.fixture
async def y() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


@pytest.fixture
def on_stage() -> Any:
    return staged
