"""The whole road at a desk: what is said, edited and taken back, and an answer that gets lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from attrs import define
from channelmix.desk import Desk
from channelmix.loops import wait
from channelmix.records import Action, Kind, OutboxState, TicketState
from channelmix.store import schema
from channelmix.testing.clock import FakeClock
from channelmix.testing.simulator import NO_TRUST
from channelmix_mastodon.simulator import MastodonSimulator

START = datetime(2026, 11, 3, 9, tzinfo=UTC)
MIRA = "@mira_sommer_aus_der_hafenstadt@kunden.example"


@define
class Account:
    server: MastodonSimulator
    desk: Desk
    clock: FakeClock

    async def swept(self) -> None:
        """Let the longest pause of a source pass, and wait until each was polled."""
        now, table = self.clock.advance(timedelta(minutes=6)), schema.sources
        due = sa.select(sa.func.count()).select_from(table).where(table.c.next_at <= now)
        event = self.desk.bell.listen()
        self.desk.bell.ring()
        async with asyncio.timeout(30):
            while await self.desk.store.read(lambda c: c.execute(due).scalar()):
                await wait(event, 0.2)
            await self.desk.drain()
        self.desk.bell.leave(event)

    async def sent(self) -> Any:
        """Wait until the last answer is sent; what is unclear is looked for meanwhile."""
        event = self.desk.bell.listen()
        async with asyncio.timeout(30):
            while (line := (await self.desk.outbox())[0]).state is not OutboxState.SENT:
                self.clock.advance(timedelta(seconds=10))
                self.desk.bell.ring()
                await wait(event, 0.2)
        self.desk.bell.leave(event)
        return line


@pytest.fixture
async def a(tmp_path: Path) -> AsyncIterator[Account]:
    clock = FakeClock(START)
    server = MastodonSimulator(clock=clock)
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    async with server.online() as url:
        token = {"access_token": server.gate.token}
        channel = {**server.section, **token, "network": "mastodon", "api_url": url}
        told = {
            "desk": {"store": f"sqlite:///{tmp_path}/desk.db", "media": str(tmp_path / "media")},
            "channels": {"m": channel},
        }
        async with Desk.open(told, clock=clock, transport=wire) as desk:
            yield Account(server, desk, clock)


@pytest.mark.slow
async def test_a_mention_is_answered_once_although_the_answer_got_lost(a: Account) -> None:
    number = a.server.customer(Kind.MENTION, "Is it cold?")
    await a.swept()
    [ticket] = await a.desk.tickets()
    a.server.fault("close_after_accept", on="POST /api/v1/statuses")
    await a.desk.reply(ticket.id, "Not any more.", agent="anna")
    line = await a.sent()
    [answer] = [one for one in a.server.statuses.values() if one["in_reply_to_id"]]
    assert (line.ids, answer["in_reply_to_id"]) == ((answer["id"],), number)
    assert a.server.typed[answer["id"]] == f"{MIRA} Not any more."
    await a.swept()
    assert (await a.desk.ledger()).adds_up


async def test_a_direct_message_is_answered_directly(a: Account) -> None:
    a.server.customer(Kind.DIRECT_MESSAGE, "My number is 4711.")
    await a.swept()
    [ticket] = await a.desk.tickets()
    await a.desk.reply(ticket.id, "Thank you.", agent="anna")
    line = await a.sent()
    assert line.action == Action.PRIVATE_REPLY
    assert a.server.statuses[line.ids[0]]["visibility"] == "direct"


async def test_what_is_edited_is_read_anew_and_what_is_taken_back_is_forgotten(
    a: Account,
) -> None:
    kept = a.server.customer(Kind.MENTION, "Is it cold?")
    gone = a.server.customer(Kind.DIRECT_MESSAGE, "My number is 4711.")
    await a.swept()
    a.server.edit(kept, "It is warm.")
    a.server.delete(gone)
    await a.swept()
    said = sa.select(schema.messages.c.external_id, schema.messages.c.text)
    rows = await a.desk.store.read(lambda connection: connection.execute(said).all())
    texts = {row.external_id: row.text for row in rows}
    assert texts[kept] == "It is warm."
    assert "4711" not in str(texts)
    assert {one.state: one.kind for one in await a.desk.tickets()} == {
        TicketState.OPEN: Kind.MENTION,
        TicketState.CLOSED: Kind.DIRECT_MESSAGE,
    }
    assert (await a.desk.ledger()).adds_up
