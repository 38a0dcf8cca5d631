import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Literal

import pytest
from attrs import define
from channelmix.config import Secret
from channelmix.records import Identity, Kind, Message
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryVault
from channelmix_instagram.config import InstagramConfig
from channelmix_instagram.plugin import Instagram
from channelmix_instagram.simulator import InstagramSimulator
from channelmix_instagram.simulator_world import Comment, Media, handle
from channelmix_meta import testing_stage
from channelmix_meta.config import MetaApp
from channelmix_meta.simulator_world import Note

Thing = Media | Comment | Note
Login = Literal["facebook", "instagram"]


@define(eq=False, kw_only=True)
class Stage(testing_stage.Stage[InstagramSimulator]):
    """The plugin and the account that it talks to."""

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


@contextlib.asynccontextmanager
async def staged(login: Login) -> AsyncIterator[Stage]:
    clock, vault = FakeClock(testing_stage.START), MemoryVault()
    brake = testing_stage.Brake()
    sim = InstagramSimulator(clock=clock, login=login)
    if login == "instagram":
        sim.access_token = sim.desk.issue(clock.now() - timedelta(days=2))
    async with sim.online() as url, testing_stage.services("photos", clock, vault, brake) as lent:
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
            services=lent,
            api_url=url,
        )
        post = sim.post("Der neue Bus.")
        yield Stage(
            sim=sim,
            channel=channel,
            clock=clock,
            brake=brake,
            vault=vault,
            post=post,
            comment=sim.comment(post, "Mira Sommer", "Wo hält er?"),
            note=sim.direct_message("Jonas Weber", "Meine Rechnung stimmt nicht."),
        )
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
