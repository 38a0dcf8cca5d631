"""A blog at a desk: what is asked becomes a ticket, an answer arrives, and nothing gets lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from attrs import define
from channelmix.desk import Desk
from channelmix.loops import wait
from channelmix.records import OutboxState, TicketState
from channelmix.store import schema
from channelmix.testing.clock import FakeClock
from channelmix.testing.simulator import NO_TRUST, Answer
from channelmix_blog.simulator import BlogSimulator

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


@define
class Office:
    """A desk with one blog."""

    sim: BlogSimulator
    desk: Desk
    clock: FakeClock

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

    async def later(self, hours: float = 1) -> None:
        """Let time pass, and wait until every source was polled in it."""
        now = self.clock.advance(timedelta(hours=hours))
        due = sa.select(sa.func.count()).where(schema.sources.c.next_at <= now)

        async def polled() -> bool:
            return not await self.desk.store.read(lambda c: c.execute(due).scalar())

        self.desk.bell.ring()
        await self.until(polled)
        await self.desk.drain()

    async def errors(self) -> dict[str, str | None]:
        """Return what each source says of its last poll."""
        query = sa.select(schema.sources.c.source, schema.sources.c.error)
        rows = await self.desk.store.read(lambda c: c.execute(query).all())
        return {row.source: row.error for row in rows}


@contextlib.asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    clock = FakeClock(START)
    sim = BlogSimulator(clock=clock)
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    async with sim.online() as url:
        told = {
            "desk": {"store": f"sqlite:///{folder}/desk.db"},
            "channels": {"blog": {"network": "blog", "api_url": url, **sim.section}},
        }
        async with Desk.open(told, clock=clock, transport=wire) as desk:
            yield Office(sim, desk, clock)


async def test_what_is_asked_is_answered_and_the_books_add_up(tmp_path: Path) -> None:
    async with office(tmp_path) as o:
        asked = o.sim.comment(o.sim.post("Lampe wechseln"), "Mira Sommer", "Welche Lampe?")
        await o.later()
        [line] = await o.desk.tickets()
        assert (line.channel, line.state) == ("blog", TicketState.OPEN)
        await o.desk.reply(line.id, "Eine mit E27 & 5 Watt.", agent="anna")
        await o.until(lambda: o.desk.outbox(states=[OutboxState.SENT]))
        assert [(one.parent, one.text) for one in o.sim.ours()] == [
            (asked.id, "Eine mit E27 & 5 Watt.")
        ]
        await o.later()
        assert [one.state for one in await o.desk.tickets()] == [TicketState.ANSWERED]
        books = await o.desk.ledger()
        assert books.adds_up
        assert (books.fates["ticket"], books.fates["applied"]) == (1, 1)


async def test_a_broken_feed_is_told_and_harms_no_comment(tmp_path: Path) -> None:
    async with office(tmp_path) as o:
        o.sim.answers["/feed/"] = Answer(body=b"<html>hacked</html>", content_type="text/html")
        o.sim.post("Lampe wechseln")
        o.sim.customer(o.sim.kinds[0], "Welche Lampe?")
        await o.later()
        assert len(await o.desk.tickets()) == 1
        errors = await o.errors()
        assert errors["articles"] == "this is no feed, RSS or Atom: it begins with <html>"
        assert (errors["comments"], errors["changes"]) == (None, None)
        o.sim.answers.clear()
        await o.later()
        assert (await o.errors())["articles"] is None
        assert (await o.desk.ledger()).fates["applied"] == 1


async def test_what_is_taken_back_at_the_blog_is_scrubbed(tmp_path: Path) -> None:
    async with office(tmp_path) as o:
        asked = o.sim.comment(o.sim.post("Lampe"), "Mira", "Meine Nummer ist 4711-0815")
        await o.later()
        await o.later()
        [line] = await o.desk.tickets()
        asked.status = "trash"
        await o.later(2)
        assert (await o.desk.ticket(line.id)).line.state is TicketState.CLOSED
        query = sa.select(schema.raw_events.c.body)
        bodies = await o.desk.store.read(lambda c: c.execute(query).scalars().all())
        assert len(bodies) == 3
        assert not [body for body in bodies if b"4711-0815" in body]


async def test_an_article_is_suggested_as_the_answer(tmp_path: Path) -> None:
    async with office(tmp_path) as o:
        post = o.sim.post("Heizung entlüften in vier Schritten", "<p>Pumpe aus, Ventil auf.</p>")
        o.sim.comment(post, "Mira", "Wie kann ich die Heizung entlüften?")
        await o.later()
        [line] = await o.desk.tickets()
        [suggestion] = await o.desk.suggest(line.id)
        assert suggestion.article is not None
        assert suggestion.article.url == f"https://blog.example.org/{post.slug}/"
        assert suggestion.article.url in suggestion.text
