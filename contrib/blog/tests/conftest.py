import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from attrs import define, field
from channelmix.config import load
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import Action, Kind, Message, Outgoing, Poll, Polled, RawEvent
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST
from channelmix_blog.plugin import Blog
from channelmix_blog.simulator import BlogSimulator
from channelmix_blog.simulator_world import Comment

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


class Brake:
    """Nothing here brakes."""

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        raise AssertionError((until, reason, replies))


@define
class Stage:
    """The plugin and the blog that it reads."""

    sim: BlogSimulator
    channel: Blog
    clock: FakeClock
    cursors: dict[str, Any] = field(factory=dict)
    events: list[RawEvent] = field(factory=list)

    async def walk(self, source: str = "comments") -> list[Any]:
        """Poll a source to its end, and return what the events mean."""
        inbounds: list[Any] = []
        polled = Polled(more=True)
        while polled.more:
            polled = await self.channel.poll(Poll(source=source, cursor=self.cursors.get(source)))
            self.cursors[source] = polled.cursor
            for event in polled.events:
                self.events.append(event)
                inbounds += self.channel.ingest(event).inbounds
        return inbounds

    def calls(self) -> list[str]:
        """Take the list of what arrived."""
        made = [f"{one.request.method} {one.request.path}" for one in self.sim.sent]
        self.sim.sent.clear()
        return made

    def message(self, comment: Comment) -> Message:
        """Make the record that ingest would make of a comment."""
        return Message(
            id=str(comment.id),
            kind=Kind.COMMENT,
            thread=str(comment.post.id),
            sent_at=comment.date,
            text=comment.text,
        )

    def outgoing(
        self, comment: Comment | None, text: str = "Danke.", action: Any = None, **more: Any
    ) -> Outgoing:
        """Make an outgoing part."""
        given: dict[str, Any] = {"first_sent_at": self.clock.now(), "token": f"t-{text}", **more}
        if comment is not None:
            given.setdefault("target", self.message(comment))
        action = action or Action.PUBLIC_REPLY
        return Outgoing(channel="blog", action=action, text=text, **given)


@contextlib.asynccontextmanager
async def staged(**section: Any) -> AsyncIterator[Stage]:
    """Put a blog on the wire, and a channel beside it; left out: WordPress with our user."""
    clock, log = FakeClock(START), structlog.get_logger()
    sim = BlogSimulator(clock=clock)
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="blog", log=log, transport=wire, timeout=httpx.Timeout(60), retries=0)
    said = {"network": "blog", "url": sim.account, **(section or sim.section)}
    async with sim.online() as url, http:
        lent: dict[str, Any] = {"http": http, "clock": clock, "log": log, "pace": Brake()}
        services = Services(**lent, vault=MemoryVault(), budget=MemoryBudget(clock=clock))
        config = load({"channels": {"blog": said}}, plugins={"blog": Blog}).channels["blog"].config
        channel = Blog(name="blog", config=config, services=services, api_url=url)
        yield Stage(sim, channel, clock)
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    assert not [url for url in urls if sim.password in url], "the password in a URL"


@pytest.fixture
def on_stage() -> Any:
    return staged


@pytest.fixture
async def b() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage
