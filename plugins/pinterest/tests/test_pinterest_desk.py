"""A how-to pin at a desk: held, approved by a second person, published into its topic's board."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from attrs import define
from channelmix.desk import Desk
from channelmix.errors import Refused
from channelmix.loops import wait
from channelmix.records import Action, Attachment, AttachmentKind, OutboxState
from channelmix.store import schema
from channelmix.testing.clock import FakeClock
from channelmix.testing.simulator import NO_TRUST
from channelmix_pinterest.simulator import PinterestSimulator

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
DETAILS = {"title": "Lampe wechseln", "link": "https://example.org/lampe", "topic": "garden"}


@define
class Account:
    sim: PinterestSimulator
    desk: Desk
    clock: FakeClock
    picture: Attachment

    async def settled(self) -> None:
        async with asyncio.timeout(30):
            await self.desk.drain()

    async def swept(self) -> None:
        """Let an hour pass, and wait until every source was polled in it."""
        now, table = self.clock.advance(timedelta(hours=1)), schema.sources
        due = sa.select(sa.func.count()).select_from(table).where(table.c.next_at <= now)
        event = self.desk.bell.listen()
        self.desk.bell.ring()
        async with asyncio.timeout(30):
            while await self.desk.store.read(lambda c: c.execute(due).scalar()):
                await wait(event, 0.2)
            await self.desk.drain()
        self.desk.bell.leave(event)


@pytest.fixture
async def a(tmp_path: Path) -> AsyncIterator[Account]:
    clock = FakeClock(START)
    sim = PinterestSimulator(clock=clock)
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    path = tmp_path / "lamp.png"
    path.write_bytes(b"\x89PNG invented")
    picture = Attachment(kind=AttachmentKind.IMAGE, path=str(path), name="lamp.png")
    async with contextlib.AsyncExitStack() as stack:
        channel = {
            **sim.section,
            "network": "pinterest",
            "api_url": await stack.enter_async_context(sim.online()),
            "access_token": sim.token(),
            "boards": {"garden": "900002"},
            "approval": True,
            "approvers": ["press"],
        }
        told = {
            "desk": {"store": f"sqlite:///{tmp_path}/desk.db", "media": str(tmp_path / "media")},
            "channels": {"pins": channel},
            "teams": {"press": {"agents": ["mehmet"]}},
            "agents": {"mehmet": {}},
        }
        desk = await stack.enter_async_context(Desk.open(told, clock=clock, transport=wire))
        yield Account(sim, desk, clock, picture)


def posted(sim: PinterestSimulator) -> list[str]:
    """Name the calls that wrote something."""
    return [one.request.path for one in sim.sent if one.request.method != "GET"]


async def test_a_pin_is_published_once_another_department_has_approved_it(a: Account) -> None:
    said = "So geht es."
    outbox = await a.desk.publish("pins", said, by="anna", attachments=[a.picture], details=DETAILS)
    await a.settled()
    for by in ("anna", "zoe"):
        with pytest.raises(Refused):
            await a.desk.approve(outbox, by=by)
    await a.settled()
    assert (posted(a.sim), a.sim.pins) == ([], {})

    await a.desk.approve(outbox, by="mehmet")
    await a.settled()
    [made] = a.sim.pins.values()
    assert (made.board, made.title, made.description) == ("900002", DETAILS["title"], said)
    assert made.link == DETAILS["link"]
    [line] = await a.desk.outbox()
    assert (line.state, line.ids, line.approved_by) == (OutboxState.SENT, (made.id,), "mehmet")
    assert posted(a.sim) == ["/v5/pins"]


async def test_a_lost_answer_does_not_publish_it_twice(a: Account) -> None:
    outbox = await a.desk.publish("pins", "x", by="anna", attachments=[a.picture], details=DETAILS)
    a.sim.fault("close_after_accept", on="POST /pins")
    await a.desk.approve(outbox, by="mehmet")
    event = a.desk.bell.listen()
    async with asyncio.timeout(30):
        while (line := (await a.desk.outbox())[0]).state is not OutboxState.SENT:
            a.clock.advance(timedelta(seconds=10))
            a.desk.bell.ring()
            await wait(event, 0.2)
    assert list(a.sim.pins) == list(line.ids)


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"topic": "gardn"}, "no board for the topic gardn; `boards` has: garden"),
        ({"tittle": "x"}, "no tittle in what is published here; did you mean title"),
        ({"link": "http://"}, "the link must be an address"),
    ],
)
async def test_a_mistake_is_said_before_anybody_approves(
    a: Account, details: dict[str, str], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await a.desk.publish("pins", "x", by="anna", attachments=[a.picture], details=details)


async def test_an_answer_is_refused_with_the_link_to_the_pin(a: Account) -> None:
    pin = a.sim.pin("Lampe wechseln")
    await a.swept()
    a.sim.comment(pin, 2)
    await a.swept()
    [ticket] = await a.desk.tickets()
    there = f"open the pin: https://www.pinterest.com/pin/{pin.id}/"
    for private in (False, True):
        with pytest.raises(Refused, match=f"the network takes no answer: .*{there}$"):
            await a.desk.reply(ticket.id, "Danke!", agent="anna", private=private)
    assert await a.desk.outbox() == []
    await a.desk.act(ticket.id, Action.EDIT, by="anna", text="Besser so.", own_id=pin.id)
    await a.settled()
    assert pin.description == "Besser so."
