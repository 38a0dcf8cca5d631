import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from attrs import define, field
from channelmix.config import Secret
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import Action, Identity, Kind, Message, Outgoing
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST
from channelmix_facebook.config import FacebookConfig
from channelmix_facebook.plugin import Facebook
from channelmix_facebook.simulator import FacebookSimulator
from channelmix_facebook.simulator_world import Comment, Post
from channelmix_meta.config import MetaApp
from channelmix_meta.simulator_world import Note

Thing = Post | Comment | Note
START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
PATIENT, IMPATIENT = httpx.Timeout(60), httpx.Timeout(60, read=0.5)


@define
class Brake:
    """Remembers what was asked of the pace: until when, replies too, why."""

    holds: list[tuple[datetime, bool, str]] = field(factory=list)

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        self.holds.append((until, replies, reason))


@define
class Stage:
    """The plugin and the network that it talks to."""

    sim: FacebookSimulator
    page: Facebook
    clock: FakeClock
    brake: Brake
    post: Post
    comment: Comment
    note: Note

    def as_message(self, thing: Thing) -> Message:
        """Make the record that ingest would make of something at the network."""
        given: dict[str, Any] = {"id": thing.id, "sent_at": thing.created, "text": thing.text}
        given["author"] = Identity(id=thing.author.id, name=thing.author.name)
        if isinstance(thing, Note):
            return Message(**given, kind=Kind.DIRECT_MESSAGE, thread=thing.author.id)
        if isinstance(thing, Comment):
            above = thing.parent or thing.post
            return Message(**given, kind=Kind.COMMENT, thread=thing.post, parent=above)
        return Message(**given, kind=Kind.POST, thread=thing.id)

    def outgoing(
        self, action: Action, thing: Thing | None = None, text: str = "", **more: Any
    ) -> Outgoing:
        """Make an outgoing part."""
        given = {"first_sent_at": self.clock.now(), "token": f"token-{text}", **more}
        if thing is not None:
            given |= {"target": self.as_message(thing), "window_opened_at": thing.created}
        return Outgoing(channel="page", action=action, text=text, **given)

    def answer(self, thing: Thing, text: str = "Danke, wir schauen nach.", **more: Any) -> Outgoing:
        """Make a public or a direct answer, as fits."""
        direct = isinstance(thing, Note)
        action = Action.PRIVATE_REPLY if direct else Action.PUBLIC_REPLY
        return self.outgoing(action, thing, text, **more)

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Give up soon on an answer that never comes; a busy machine needs time for the others."""
        self.page.http.timeout = IMPATIENT
        yield
        self.page.http.timeout = PATIENT

    def calls(self) -> list[str]:
        """List what arrived, as method and the end of the path."""
        requests = [one.request for one in self.sim.sent]
        return [f"{one.method} {one.path.partition('/v26.0/')[2]}" for one in requests]


@pytest.fixture
async def s() -> AsyncIterator[Stage]:
    clock, brake, log = FakeClock(START), Brake(), structlog.get_logger()
    sim = FacebookSimulator(clock=clock)
    # Reading all the world's certificates for each test takes longer than the test.
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="page", log=log, transport=wire, timeout=PATIENT, retries=0)
    async with sim.online() as url, http:
        page = Facebook(
            name="page",
            config=FacebookConfig(page_id=sim.account, access_token=Secret(sim.access_token)),
            app=MetaApp(
                app_secret=Secret(sim.app_secret), verify_token=Secret("word"), app_id=sim.app_id
            ),
            services=Services(
                http=http,
                clock=clock,
                log=log,
                pace=brake,
                vault=MemoryVault(),
                budget=MemoryBudget(clock=clock),
            ),
            api_url=url,
        )
        post = sim.post("Wir öffnen um neun.")
        comment = sim.comment(post, "Mira Sommer", "Wo ist mein Paket?")
        note = sim.direct_message("Jonas Weber", "Meine Rechnung stimmt nicht.")
        yield Stage(sim, page, clock, brake, post, comment, note)
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    assert not [url for url in urls if sim.access_token in url], "a token in a URL"
