import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

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
from channelmix_instagram.config import InstagramConfig
from channelmix_instagram.plugin import Instagram
from channelmix_instagram.simulator import InstagramSimulator
from channelmix_instagram.simulator_world import Comment, Media, handle
from channelmix_meta.config import MetaApp
from channelmix_meta.simulator_world import Note

Thing = Media | Comment | Note
Login = Literal["facebook", "instagram"]
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

    sim: InstagramSimulator
    channel: Instagram
    clock: FakeClock
    brake: Brake
    vault: MemoryVault
    post: Media
    comment: Comment
    note: Note

    def as_message(self, thing: Thing) -> Message:
        """Make the record that ingest would make of something at the network."""
        given: dict[str, Any] = {"id": thing.id, "sent_at": thing.created, "text": thing.text}
        given["author"] = Identity(id=thing.author.id, handle=handle(thing.author))
        if isinstance(thing, Note):
            kind = Kind.STORY_REPLY if thing.story else Kind.DIRECT_MESSAGE
            return Message(**given, kind=kind, thread=thing.author.id)
        if isinstance(thing, Media):
            return Message(**given, kind=Kind.MENTION, thread=thing.id)
        above = self.sim.world.posts[thing.post]
        mine = above.author == self.sim.world.account
        return Message(
            **given,
            kind=Kind.COMMENT if mine else Kind.MENTION,
            thread=thing.post,
            parent=thing.parent or thing.post,
            payload="LIVE" if above.live else None,
        )

    def outgoing(
        self, action: Action, thing: Thing | None = None, text: str = "", **more: Any
    ) -> Outgoing:
        """Make an outgoing part."""
        given = {"first_sent_at": self.clock.now(), "token": f"token-{text}", **more}
        if thing is not None:
            given |= {"target": self.as_message(thing), "window_opened_at": thing.created}
        return Outgoing(channel="photos", action=action, text=text, **given)

    def answer(self, thing: Thing, text: str = "Danke, wir schauen nach.", **more: Any) -> Outgoing:
        """Make a public or a direct answer, as fits."""
        direct = isinstance(thing, Note)
        action = Action.PRIVATE_REPLY if direct else Action.PUBLIC_REPLY
        return self.outgoing(action, thing, text, **more)

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Give up soon on an answer that never comes; a busy machine needs time for the others."""
        self.channel.http.timeout = IMPATIENT
        yield
        self.channel.http.timeout = PATIENT

    def calls(self) -> list[str]:
        """List what arrived, as method and the end of the path."""
        requests = [one.request for one in self.sim.sent]
        return [f"{one.method} {one.path.partition('/v26.0/')[2] or one.path}" for one in requests]


@contextlib.asynccontextmanager
async def staged(login: Login) -> AsyncIterator[Stage]:
    clock, brake, log, vault = FakeClock(START), Brake(), structlog.get_logger(), MemoryVault()
    sim = InstagramSimulator(clock=clock, login=login)
    if login == "instagram":
        sim.access_token = sim.desk.issue(clock.now() - timedelta(days=2))
    # Reading all the world's certificates for each test takes longer than the test.
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    http = client(channel="photos", log=log, transport=wire, timeout=PATIENT, retries=0)
    async with sim.online() as url, http:
        secret = Secret(sim.app_secret)
        channel = Instagram(
            name="photos",
            config=InstagramConfig(
                account_id=sim.account,
                login=login,
                access_token=Secret(sim.access_token),
                username=sim.username,
            ),
            app=MetaApp(
                app_secret=secret if login == "facebook" else Secret("the other one"),
                verify_token=Secret("word"),
                app_id=sim.app_id,
                instagram_app_id=sim.app_id,
                instagram_app_secret=secret,
            ),
            services=Services(
                http=http,
                clock=clock,
                log=log,
                pace=brake,
                vault=vault,
                budget=MemoryBudget(clock=clock),
            ),
            api_url=url,
        )
        post = sim.post("Der neue Bus.")
        comment = sim.comment(post, "Mira Sommer", "Wo hält er?")
        note = sim.direct_message("Jonas Weber", "Meine Rechnung stimmt nicht.")
        yield Stage(sim, channel, clock, brake, vault, post, comment, note)
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    tokens = [sim.access_token, *sim.desk.issued]
    assert not [url for url in urls for token in tokens if token in url], "a token in a URL"


@pytest.fixture
async def stage() -> Callable[[Login], AbstractAsyncContextManager[Stage]]:
    return staged


@pytest.fixture(params=["facebook", "instagram"])
async def s(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """The account in both families."""
    async with staged(request.param) as one:
        yield one
