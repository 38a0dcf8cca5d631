"""YouTube and Pinterest behind one desk: what is asked below a film, what is counted on a pin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define
from channelmix.clock import SystemClock
from channelmix.desk import Desk
from channelmix.errors import Refused
from channelmix.records import TicketState
from channelmix.store import schema as s
from channelmix.store.views import TicketLine
from channelmix_pinterest.simulator import PinterestSimulator
from channelmix_youtube.simulator import YouTubeSimulator

pytestmark = pytest.mark.slow
PATIENCE = 60.0


@define
class Shelf:
    """A desk with a channel of each."""

    desk: Desk
    tube: YouTubeSimulator
    pins: PinterestSimulator

    async def look(self) -> dict[str, TicketLine]:
        """Poll every source once more; return the tickets by what they are about."""
        due = self.desk.clock.now() - timedelta(seconds=1)
        await self.desk.store.write(lambda c: c.execute(s.sources.update().values(next_at=due)))
        self.desk.bell.ring()
        async with asyncio.timeout(PATIENCE):
            query = s.sources.select().where(s.sources.c.next_at <= due)
            while await self.desk.store.read(lambda c: c.execute(query).first()):
                await self.desk.drain()
        await self.desk.drain()
        return {line.subject: line for line in await self.desk.tickets(states=tuple(TicketState))}


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    clock = SystemClock()
    tube, pins = YouTubeSimulator(clock=clock), PinterestSimulator(clock=clock)
    async with tube.online() as tube_url, pins.online() as pins_url:
        settings = {
            "desk": {"store": f"sqlite:///{tmp_path / 'desk.db'}", "media": str(tmp_path)},
            "channels": {
                "tube": {
                    "network": "youtube",
                    "api_url": tube_url,
                    "channel_id": tube.account,
                    "client_id": tube.client_id,
                    "client_secret": tube.client_secret,
                    "refresh_token": tube.connected()["refresh_token"],
                },
                "pins": {
                    "network": "pinterest",
                    "api_url": pins_url,
                    **pins.section,
                    "access_token": pins.token(),
                },
            },
            "agents": {"anna": {}},
        }
        async with Desk.open(settings) as desk:
            yield Shelf(desk, tube, pins)


async def test_a_question_below_a_film_is_answered_below_it(shelf: Shelf) -> None:
    top = shelf.tube.comment(shelf.tube.video("Lampe wechseln"), "@mira", "Welche Lampe?")
    ticket = (await shelf.look())["Welche Lampe?"]
    await shelf.desk.reply(ticket.id, "Die mit E27.", agent="anna")
    await shelf.desk.drain()
    assert [one.text for one in top.replies] == ["Die mit E27."]
    # The reply is seen again by the next poll, and opens nothing.
    assert len(await shelf.look()) == 1
    ledger = await shelf.desk.ledger()
    assert ledger.adds_up
    assert "quarantined" not in ledger.fates


async def test_a_held_reply_becomes_a_ticket_that_says_what_to_do(shelf: Shelf) -> None:
    top = shelf.tube.comment(shelf.tube.video("Lampe wechseln"), "@mira", "Welche Lampe?")
    reply = shelf.tube.answer_to(top, "@jonas", "Und bei mir?")
    reply.status = "heldForReview"
    ticket = (await shelf.look())["Und bei mir?"]
    with pytest.raises(Refused, match="publish it first"):
        await shelf.desk.reply(ticket.id, "Auch E27.", agent="anna")
    reply.status = "published"
    await shelf.look()
    await shelf.desk.reply(ticket.id, "Auch E27.", agent="anna")
    await shelf.desk.drain()
    assert top.replies[-1].text == "@jonas Auch E27."


async def test_new_comments_on_a_pin_are_a_ticket_until_a_person_marks_it_done(
    shelf: Shelf,
) -> None:
    pin = shelf.pins.pin("Lampe wechseln")
    assert await shelf.look() == {}
    shelf.pins.comment(pin, 2)
    ((subject, ticket),) = (await shelf.look()).items()
    assert subject.startswith("2 new comments on pin “Lampe wechseln”")
    shelf.pins.comment(pin)  # while nobody has looked: the same ticket
    assert [one.id for one in (await shelf.look()).values()] == [ticket.id]
    with pytest.raises(Refused, match="open the pin: https"):
        await shelf.desk.reply(ticket.id, "Danke!", agent="anna")
    assert [(one.id, one.state) for one in (await shelf.look()).values()] == [
        (ticket.id, TicketState.OPEN)
    ]
    await shelf.desk.close(ticket.id, by="anna")
    assert {one.state for one in (await shelf.look()).values()} == {TicketState.CLOSED}
    shelf.pins.comment(pin)
    opened = [one for one in (await shelf.look()).values() if one.state is TicketState.OPEN]
    assert len(opened) == 1
