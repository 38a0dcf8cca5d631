"""Two accounts with different topics at one desk, from the webhook to the answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from attrs import define
from channelmix.desk import Desk
from channelmix.errors import Refused
from channelmix.loops import wait
from channelmix.records import OutboxState, TicketState, WebhookRequest
from channelmix.store import schema
from channelmix.testing.clock import FakeClock
from channelmix.testing.simulator import NO_TRUST
from channelmix_twitter.simulator import PICTURE, XSimulator

pytest.importorskip("channelmix_keywords", reason="what finds the topics is another package")
BILLING = "1400000000000000777"
START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


@define
class Shop:
    sim: XSimulator
    desk: Desk
    clock: FakeClock

    async def tickets(self) -> Any:
        """Deliver what waits, and return the tickets once nothing is left to do."""
        async with asyncio.timeout(30):
            for delivery in [*self.sim._pending]:
                body, headers = self.sim.wrap([delivery])
                request = WebhookRequest(method="POST", headers=headers, body=body)
                assert (await self.desk.receive("acme", request)).status == 200
            self.sim._pending.clear()
            await self.desk.drain()
            return {one.channel: one for one in await self.desk.tickets()}

    async def until(self, ready: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until the desk has done something, and return what `ready` gives."""
        event = self.desk.bell.listen()
        try:
            async with asyncio.timeout(30):
                while not (found := await ready()):
                    await wait(event, 0.2)
                return found
        finally:
            self.desk.bell.leave(event)

    async def teams(self, channel: str, wanted: set[str]) -> bool:
        """Say whether the open tickets of a channel are with these teams, all of them."""
        lines = await self.desk.tickets(channel=channel)
        return {one.team for one in lines if one.state is TicketState.OPEN} == wanted

    async def nothing(self, query: Any) -> bool:
        """Say whether a query counts nothing."""
        return not await self.desk.store.read(lambda c: c.execute(query).scalar())

    async def swept(self) -> None:
        """Let an hour pass, and wait until every source was polled in it."""
        now = self.clock.advance(timedelta(hours=1))
        table = schema.sources
        due = sa.select(sa.func.count()).select_from(table).where(table.c.next_at <= now)
        async with asyncio.timeout(30):
            self.desk.bell.ring()
            await self.until(lambda: self.nothing(due))
            await self.desk.drain()


@contextlib.asynccontextmanager
async def shop(folder: Path, wrong_topic: str) -> AsyncIterator[Shop]:
    clock = FakeClock(START)
    sim = XSimulator(clock=clock, webhook="http://127.0.0.1:9/unused")
    sim.open(BILLING, "stadtwerke_bill", "Stadtwerke Rechnung")
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    gate = sim.gate
    async with sim.online() as url:
        base = {"network": "twitter", "app": "acme", "api_url": url, "wrong_topic": wrong_topic}
        base["pointer"] = "Dafür ist {account} da ({topic})."
        tokens = [gate.signing(user) for user in sim.ours]
        keys = [{"access_token": t, "access_token_secret": secret} for t, secret in tokens]
        told = {
            "desk": {"store": f"sqlite:///{folder}/desk.db", "media": f"{folder}/media"},
            "apps": {
                "acme": {
                    "network": "twitter",
                    "consumer_key": gate.consumer_key,
                    "consumer_secret": gate.consumer_secret,
                    "bearer_token": gate.bearer,
                }
            },
            "channels": {
                "x": {
                    **base,
                    **keys[0],
                    "user_id": sim.account,
                    "handle": sim.handle,
                    "topics": ["outage"],
                    "teams": ["service"],
                },
                "bill": {
                    **base,
                    **keys[1],
                    "user_id": BILLING,
                    "handle": "stadtwerke_bill",
                    "topics": ["billing"],
                    "known_as": "@stadtwerke_bill",
                    "teams": ["billing"],
                },
            },
            "teams": {
                "service": {"agents": ["lena"]},
                "billing": {"agents": ["mehmet"], "topics": ["billing"]},
            },
            "agents": {"lena": {}, "mehmet": {}},
            "plugins": {"keywords": {"topics": {"billing": ["*rechnung*"], "outage": ["strom"]}}},
        }
        async with Desk.open(told, clock=clock, transport=wire) as desk:
            yield Shop(sim, desk, clock)


@pytest.mark.slow
async def test_the_wrong_account_points_to_the_right_one(tmp_path: Path) -> None:
    async with shop(tmp_path, "point") as s:
        asked = s.sim.say("Mira Sommer", "@stadtwerke meine Rechnung ist falsch")
        right = s.sim.say("Ole Brandt", "@stadtwerke_bill die Rechnung fehlt")
        found = await s.tickets()
        [pointer] = await s.until(lambda: s.desk.outbox(states=[OutboxState.SENT]))
        assert pointer.text == "Dafür ist @stadtwerke_bill da (billing)."
        answers = [one for one in s.sim.world.posts.values() if one.replied_to]
        assert [(one.replied_to, one.text) for one in answers] == [(asked.id, pointer.text)]
        assert found["bill"].agent == "mehmet"
        # Who goes on in the same thread is not pointed there again.
        s.sim.reply(answers[0], "Mira Sommer", "@stadtwerke es geht aber um die Rechnung!")
        s.sim.reply(asked, "Clara Nguyen", "@stadtwerke bei mir auch die Rechnung")
        await s.tickets()
        await s.until(lambda: s.teams("x", {"billing"}))
        assert len(await s.desk.outbox()) == 1
        assert right.id in s.sim.world.posts


async def test_the_wrong_account_moves_it(tmp_path: Path) -> None:
    async with shop(tmp_path, "move") as s:
        s.sim.say("Mira Sommer", "@stadtwerke meine Rechnung ist falsch")
        s.sim.say("Ole Brandt", "@stadtwerke der Strom ist weg")
        await s.tickets()
        await s.until(lambda: s.teams("x", {"billing", "service"}))
        found = {one.topic: one for one in await s.desk.tickets()}
        assert (found["billing"].agent, found["billing"].channel) == ("mehmet", "x")
        assert (found["outage"].team, found["outage"].agent) == ("service", "lena")
        assert await s.desk.outbox() == []


async def test_it_is_kept_where_nothing_is_said(tmp_path: Path) -> None:
    async with shop(tmp_path, "keep") as s:
        s.sim.say("Mira Sommer", "@stadtwerke meine Rechnung ist falsch")
        found = await s.tickets()
        assert (found["x"].team, found["x"].topic) == ("service", "billing")
        assert s.desk.registry.get("wrong-topic") is None


async def test_who_mentions_both_accounts_asks_once(tmp_path: Path) -> None:
    async with shop(tmp_path, "keep") as s:
        s.sim.say("Mira Sommer", "@stadtwerke_bill @stadtwerke wer ist zuständig?")
        s.sim.write("Jonas Weber", "Hallo?")
        assert {*await s.tickets()} == {"bill", "x"}
        lines = await s.desk.tickets()
        assert len(lines) == 2
        books = await s.desk.ledger()
        assert books.adds_up


@pytest.mark.parametrize("push", [True, False])
async def test_either_road_alone_is_enough_and_both_count_once(tmp_path: Path, push: bool) -> None:  # noqa: FBT001 - parametrized
    async with shop(tmp_path, "keep") as s:
        s.sim.say("Mira Sommer", "@stadtwerke wo?", push=push)
        s.sim.write("Jonas Weber", "Hallo?", push=push)
        await s.tickets()
        await s.swept()
        lines = await s.desk.tickets()
        assert sorted(str(one.customer) for one in lines) == ["Jonas Weber", "Mira Sommer"]
        assert (await s.desk.ledger()).adds_up


async def test_a_long_answer_goes_out_as_a_thread(tmp_path: Path) -> None:
    async with shop(tmp_path, "keep") as s:
        asked = s.sim.say("Mira Sommer", "@stadtwerke was ist passiert?")
        ticket = (await s.tickets())["x"]
        text = "Wir haben das geprüft und melden uns noch heute bei Ihnen. " * 12
        with pytest.raises(Refused, match="shorten the text"):
            await s.desk.reply(ticket.id, text, agent="lena")
        await s.desk.reply(ticket.id, text, agent="lena", thread=True)
        await s.until(lambda: s.desk.outbox(states=[OutboxState.SENT]))
        answers = [one for one in s.sim.world.posts.values() if one.author.id == s.sim.account]
        assert [one.text[-3:] for one in answers] == ["1/3", "2/3", "3/3"]
        assert [one.replied_to for one in answers] == [asked.id, answers[0].id, answers[1].id]
        # Our own posts come back by webhook, and are known as ours.
        await s.tickets()
        assert len(await s.desk.tickets()) == 1
        assert (await s.desk.ledger()).adds_up


async def test_a_photo_in_a_message_is_there_for_the_agent(tmp_path: Path) -> None:
    async with shop(tmp_path, "keep") as s:
        s.sim.write("Jonas Weber", "So sieht es aus.", media=[s.sim.picture("customer")])
        ticket = (await s.tickets())["x"]
        [message] = (await s.desk.ticket(ticket.id)).messages
        [photo] = message.attachments
        assert Path(str(photo.path)).read_bytes() == PICTURE


@pytest.mark.parametrize("push", [True, False])
async def test_quotes_and_answers_without_our_name_ask_once(tmp_path: Path, push: bool) -> None:  # noqa: FBT001 - parametrized
    async with shop(tmp_path, "keep") as s:
        ours = s.sim.native(s.sim.ours[0], None, "Wir öffnen um neun.")
        s.sim.quote(ours, "Mira Sommer", "Das ist zu spät!", push=push)
        s.sim.quote(ours, "Ole Brandt", "@stadtwerke_bill ihr auch?", push=push)
        s.sim.reply(ours, "Clara Nguyen", "Und wer um acht kommt?", push=push, named=False)
        s.sim.reply(ours, "Jonas Weber", "Seit wann?", push=push)
        await s.tickets()
        await s.swept()
        lines = await s.desk.tickets()
        assert sorted((one.channel, one.customer) for one in lines) == [
            ("bill", "Ole Brandt"),
            ("x", "Clara Nguyen"),
            ("x", "Jonas Weber"),
            ("x", "Mira Sommer"),
        ]
        assert (await s.desk.ledger()).adds_up


@pytest.mark.slow
async def test_what_customers_take_back_is_forgotten(tmp_path: Path) -> None:
    async with shop(tmp_path, "keep") as s:
        asked = s.sim.say("Mira Sommer", "@stadtwerke meine Nummer ist 4711")
        s.sim.say("Ole Brandt", "@stadtwerke der Strom ist weg")
        other = s.sim.say("Clara Nguyen", "@stadtwerke_bill hallo?")
        s.sim.write("Jonas Weber", "Und bei mir?")
        await s.tickets()
        for post in (asked, other):
            s.sim.remove(post)
        s.sim.compliance.slow = 1

        async def forgotten() -> bool:
            s.clock.advance(timedelta(minutes=3))
            s.desk.bell.ring()
            lines = await s.desk.tickets(states=[TicketState.CLOSED])
            return {one.customer for one in lines} == {"Mira Sommer", "Clara Nguyen"}

        # Both channels ask, one after the other: their app may have one job at a time.
        s.clock.advance(timedelta(hours=27))
        await s.until(forgotten)
        told = {one for ids in s.sim.compliance.uploads.values() for one in ids}
        assert {asked.id, other.id} <= told <= set(s.sim.world.posts) | {asked.id, other.id}
        held = await s.desk.store.read(
            lambda c: str(c.execute(sa.select(schema.raw_events.c.body)).all())
        )
        assert "4711" not in held
        assert (await s.desk.ledger()).adds_up
        assert {one.state for one in await s.desk.channels()} == {"ok"}


async def test_the_sibling_is_no_customer(tmp_path: Path) -> None:
    async with shop(tmp_path, "keep") as s:
        asked = s.sim.say("Mira Sommer", "@stadtwerke was ist passiert?")
        await s.tickets()
        s.sim.native(s.sim.ours[1], asked, "Wir sind schon dran.")
        s.sim.write("Stadtwerke Rechnung", "Kannst du das übernehmen?")
        await s.tickets()
        [line] = await s.desk.tickets()
        assert (line.channel, line.customer) == ("x", "Mira Sommer")
        # What the sister said in public is our answer, and whoever goes on answers it.
        assert line.state is TicketState.ANSWERED
        said = (await s.desk.ticket(line.id)).messages
        assert [one.text for one in said] == [asked.text, "Wir sind schon dran."]
        s.clock.advance(timedelta(minutes=1))
        s.sim.reply(asked, "Mira Sommer", "Und wie lange noch?")
        await s.tickets()
        [line] = await s.desk.tickets()
        assert (line.channel, line.state) == ("x", TicketState.OPEN)
