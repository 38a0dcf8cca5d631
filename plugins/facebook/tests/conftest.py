from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import define
from channelmix.config import Secret
from channelmix.records import Identity, Kind, Message
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryVault
from channelmix_facebook.config import FacebookConfig
from channelmix_facebook.plugin import Facebook
from channelmix_facebook.simulator import FacebookSimulator
from channelmix_facebook.simulator_world import Comment, Post
from channelmix_meta import testing_stage
from channelmix_meta.config import MetaApp
from channelmix_meta.simulator_world import Note

Thing = Post | Comment | Note


@define(eq=False, kw_only=True)
class Stage(testing_stage.Stage[FacebookSimulator]):
    """The plugin and the page that it talks to."""

    post: Post
    comment: Comment
    note: Note

    @property
    def page(self) -> Facebook:
        """The plugin."""
        plugin: Facebook = self.channel
        return plugin

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


@pytest.fixture
async def s() -> AsyncIterator[Stage]:
    clock, vault = FakeClock(testing_stage.START), MemoryVault()
    brake = testing_stage.Brake()
    sim = FacebookSimulator(clock=clock)
    async with sim.online() as url, testing_stage.services("page", clock, vault, brake) as lent:
        page = Facebook(
            name="page",
            config=FacebookConfig(page_id=sim.account, access_token=Secret(sim.access_token)),
            app=MetaApp(
                app_secret=Secret(sim.app_secret), verify_token=Secret("word"), app_id=sim.app_id
            ),
            services=lent,
            api_url=url,
        )
        post = sim.post("Wir öffnen um neun.")
        yield Stage(
            sim=sim,
            channel=page,
            clock=clock,
            brake=brake,
            vault=vault,
            post=post,
            comment=sim.comment(post, "Mira Sommer", "Wo ist mein Paket?"),
            note=sim.direct_message("Jonas Weber", "Meine Rechnung stimmt nicht."),
        )
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    assert not [url for url in urls if sim.access_token in url], "a token in a URL"
