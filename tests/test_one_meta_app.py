"""One app at Meta, one webhook address: a page and an Instagram account over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define
from channelmix.clock import SystemClock
from channelmix.desk import Desk
from channelmix.records import Kind, TicketState
from channelmix.testing.simulator import NO_TRUST
from channelmix_facebook.simulator import FacebookSimulator
from channelmix_instagram.simulator import InstagramSimulator
from channelmix_instagram.simulator_events import flat_body
from channelmix_meta.signing import signature
from channelmix_web.server import serve

pytestmark = pytest.mark.slow
INSTAGRAM_SECRET = "the-instagram-app-secret"


@define
class Both:
    """A page and an account, and the desk behind the one address."""

    desk: Desk
    page: FacebookSimulator
    photos: InstagramSimulator
    url: str

    async def settle(self) -> dict[str, tuple[str, Kind, TicketState]]:
        """Let everything arrive; return the tickets by what was asked."""
        for sim in (self.page, self.photos):
            await sim.flush()
        await self.desk.drain()
        for sim in (self.page, self.photos):
            await sim.flush()
        await self.desk.drain()
        lines = await self.desk.tickets()
        return {one.subject: (one.channel, one.kind, one.state) for one in lines}

    async def deliver(self, body: bytes, secret: str) -> int:
        """Post a webhook by hand."""
        async with httpx.AsyncClient(trust_env=False, verify=NO_TRUST) as http:
            answer = await http.post(self.url, content=body, headers=signature(secret, body))
        return answer.status_code


@pytest.fixture(params=[("page", "photos"), ("photos", "page")], ids="-first".join)
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Both]:
    """Whoever of the two stands first in the file, and so is asked first."""
    clock = SystemClock()
    page, photos = FacebookSimulator(clock=clock), InstagramSimulator(clock=clock)
    async with page.online() as page_url, photos.online() as photos_url:
        channels: dict[str, Any] = {
            "page": {
                "network": "facebook",
                "api_url": page_url,
                "page_id": page.account,
                "access_token": page.access_token,
            },
            "photos": {
                "network": "instagram",
                "api_url": photos_url,
                "account_id": photos.account,
                "username": photos.username,
                "access_token": photos.access_token,
            },
        }
        app = {
            "network": "facebook",
            "app_id": page.app_id,
            "app_secret": page.app_secret,
            "verify_token": "word",
            "instagram_app_secret": INSTAGRAM_SECRET,
        }
        settings = {
            "desk": {"store": f"sqlite:///{tmp_path / 'desk.db'}", "media": str(tmp_path)},
            "apps": {"meta": app},
            "channels": {name: {**channels[name], "app": "meta"} for name in request.param},
            "agents": {"anna": {}},
        }
        async with Desk.open(settings) as desk, asyncio.TaskGroup() as group:
            started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            serving = group.create_task(
                serve(desk, host="127.0.0.1", port=0, started=started.set_result, drain=1)
            )
            url = f"{await started}/webhooks/meta"
            page.webhook = photos.webhook = url
            yield Both(desk, page, photos, url)
            serving.cancel()


async def test_each_event_reaches_its_own_network(both: Both) -> None:
    both.page.comment(both.page.post("Neues"), "Mira Sommer", "Wo ist mein Paket?")
    both.photos.comment(both.photos.post("Der Bus"), "Ole Brandt", "Wo hält er?")
    both.photos.story_reply("Ole Brandt", "Toll! Wo ist das?")
    found = await both.settle()
    opened = TicketState.OPEN
    assert found["Wo ist mein Paket?"] == ("page", Kind.COMMENT, opened)
    assert found["Wo hält er?"] == ("photos", Kind.COMMENT, opened)
    assert found["Toll! Wo ist das?"] == ("photos", Kind.STORY_REPLY, opened)
    ledger = await both.desk.ledger()
    assert ledger.adds_up
    assert not {"unrouted", "quarantined"} & ledger.fates.keys()


async def test_answers_go_out_by_their_own_network(both: Both) -> None:
    note = both.page.direct_message("Mira Sommer", "Hallo, Seite?")
    asked = both.photos.comment(both.photos.post("Der Bus"), "Ole Brandt", "Wo hält er?")
    await both.settle()
    for one in await both.desk.tickets():
        await both.desk.reply(one.id, f"Antwort auf: {one.subject}", agent="anna")
    states = {state for _, _, state in (await both.settle()).values()}
    assert states == {TicketState.ANSWERED}
    said = both.page.world.conversations[note.author.id].notes[-1].text
    assert said == "Antwort auf: Hallo, Seite?"
    replies = [one.text for one in both.photos.world.comments.values() if one.parent == asked.id]
    assert replies == ["Antwort auf: Wo hält er?"]


async def test_both_log_ins_tell_of_one_thing_and_it_counts_once(both: Both) -> None:
    """In two shapes, signed with two secrets."""
    both.photos.comment(both.photos.post("Der Bus"), "Ole Brandt", "Wo hält er?")
    both.photos.direct_message("Ole Brandt", "Und wann?")
    await both.settle()
    flat = flat_body(both.photos.events())
    assert await both.deliver(flat, "another secret") == 401
    assert await both.deliver(flat, INSTAGRAM_SECRET) == 200
    assert len(await both.settle()) == 2
    ledger = await both.desk.ledger()
    assert ledger.adds_up
    assert ledger.fates["ticket"] == 2
