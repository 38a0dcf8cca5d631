"""The whole road over real HTTP: a simulated page, the web endpoints, a desk on SQLite."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from attrs import define, field
from channelmix.cli.answers import attachment
from channelmix.clock import SystemClock
from channelmix.desk import Desk
from channelmix.errors import StoreError
from channelmix.loops import wait
from channelmix.records import Action, Kind, OutboxState, TicketState, WebhookRequest
from channelmix.store import schema as s
from channelmix.store.views import Ticket
from channelmix_facebook.simulator import FacebookSimulator
from channelmix_facebook.simulator_world import Comment, Post
from channelmix_meta.simulator_world import Note
from channelmix_web.server import serve

pytestmark = pytest.mark.slow
PATIENCE = 20.0


class Impatient(httpx.AsyncHTTPTransport):
    """Waits for an answer no longer than half a second."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), 0.5)
        return await super().handle_async_request(request)


@define
class Shaky:
    """A desk whose store fails: before it has stored anything, or after."""

    desk: Desk
    before: int = 0
    after: int = 0

    @property
    def settings(self) -> Any:
        return self.desk.settings

    async def health(self) -> Any:
        return await self.desk.health()

    async def receive(self, app: str, request: WebhookRequest) -> Any:
        if self.before:
            self.before -= 1
            raise StoreError("disk full")
        answer = await self.desk.receive(app, request)
        if self.after:
            self.after -= 1
            raise StoreError("gone before the answer")
        return answer


@define
class Road:
    """What is under test, and how to look at it."""

    desk: Desk
    web: Shaky
    sims: list[FacebookSimulator] = field(factory=list)

    @property
    def sim(self) -> FacebookSimulator:
        return self.sims[0]

    async def quiet(self, **how: Any) -> None:
        """Deliver and settle until a whole round brings nothing new."""
        async with asyncio.timeout(PATIENCE):
            before = -1
            while (happened := sum(len(sim.events()) for sim in self.sims)) != before:
                for sim in self.sims:
                    await sim.flush(**how)
                await self.desk.drain()
                before = happened

    async def sweep(self) -> None:
        """Make every source due, wait until each was polled, and for what it brought."""
        now = self.desk.clock.now()
        await self.desk.store.write(lambda c: c.execute(s.sources.update().values(next_at=now)))
        await self.polled()
        await self.quiet()

    async def polled(self) -> None:
        """Wait until no source is due any more."""
        now, event = self.desk.clock.now(), self.desk.bell.listen()
        self.desk.bell.ring()
        async with asyncio.timeout(PATIENCE):
            while await self.count(s.sources, s.sources.c.next_at <= now):
                await wait(event, 0.5)
        self.desk.bell.leave(event)

    async def room(self, pages: int) -> None:
        """Give the database a disk of so many pages; never fewer than it has already."""
        limit = f"PRAGMA max_page_count = {pages}"
        await self.desk.store.write(lambda c: c.exec_driver_sql(limit).close())

    async def rows(self, query: Any) -> list[Any]:
        return await self.desk.store.read(lambda c: list(c.execute(query).all()))

    async def count(self, table: sa.Table, *where: Any) -> int:
        query = sa.select(sa.func.count()).select_from(table).where(*where)
        return int((await self.rows(query))[0][0])

    async def ticket(self, thing: Any) -> Ticket:
        """Return the ticket that something said is in."""
        said = s.messages.c.external_id == thing.id
        [row] = await self.rows(sa.select(s.messages.c.ticket_id).where(said))
        return await self.desk.ticket(row.ticket_id)

    async def answer(self, thing: Any, text: str = "Wir schauen nach.", **how: Any) -> Ticket:
        """Answer something, let it arrive, and return its ticket."""
        ticket = await self.ticket(thing)
        await self.desk.reply(ticket.line.id, text, agent="anna", **how)
        await self.quiet()
        return await self.ticket(thing)

    def arrived(self, text: str = "Wir schauen nach.") -> list[str]:
        """List what the page has said with this text: external ids."""
        world = self.sim.world
        notes = [note for one in world.conversations.values() for note in one.notes]
        said: list[Comment | Note] = [*world.comments.values(), *notes]
        return [one.id for one in said if one.text == text and one.author == world.account]

    async def proven(self) -> None:
        """See that the books are balanced, and that the page's own record agrees with them."""
        ledger = await self.desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.unsettled == 0
        told = {
            (sim.account, event.number)
            for sim in self.sims
            for delivery in sim.delivered
            if delivery.accepted
            for event in delivery.events
        }
        assert await self.count(s.raw_events, s.raw_events.c.road == "push") == len(told)
        said = Counter(
            event.subject
            for sim in self.sims
            for event in sim.events()
            if event.name.endswith(" add") and not event.own and "reaction" not in event.name
        )
        here = await self.rows(
            sa.select(s.messages.c.external_id).where(s.messages.c.own == sa.false())
        )
        assert Counter(row.external_id for row in here) == said


def content(path: str | None) -> bytes:
    return Path(str(path)).read_bytes()


OpenRoad = Callable[..., AbstractAsyncContextManager[Road]]


def channel(sim: FacebookSimulator, **more: Any) -> dict[str, Any]:
    return {
        "network": "facebook",
        "app": "meta",
        "page_id": sim.account,
        "access_token": sim.access_token,
        "api_url": sim.base_url,
        **more,
    }


@pytest.fixture
def open_road(tmp_path: Path) -> OpenRoad:
    @contextlib.asynccontextmanager
    async def opened(*accounts: str, **settings: Any) -> AsyncIterator[Road]:
        sims = [FacebookSimulator(clock=SystemClock(), account=one) for one in accounts]
        async with contextlib.AsyncExitStack() as stack:
            for sim in sims:
                await stack.enter_async_context(sim.online())
                await stack.enter_async_context(_telling(sim))
            names = ["page", "second"]
            app = {"network": "facebook", "app_id": sims[0].app_id, "verify_token": "word"}
            whole = {
                "desk": {
                    "store": f"sqlite:///{tmp_path / 'desk.db'}",
                    "media": str(tmp_path / "media"),
                    "base": "page",
                    **settings.get("desk", {}),
                },
                "apps": {"meta": {**app, "app_secret": sims[0].app_secret}},
                "channels": {
                    name: channel(sim, **settings.get(name, {}))
                    for name, sim in zip(names, sims, strict=False)
                },
                "service_levels": [{"first_response": "1h"}],
                "agents": {"anna": {}, "ben": {}},
                "teams": settings.get("teams", {}),
            }
            desk = Desk.open(whole, transport=Impatient())
            await stack.enter_async_context(desk)
            web = Shaky(desk)
            url = await stack.enter_async_context(_served(web))
            for sim in sims:
                sim.webhook, sim.retries = f"{url}/webhooks/meta", (0.0, 0.0, 0.0)
            road = Road(desk, web, sims)
            await road.polled()  # the sweep at the start, so that later ones are the test's own
            yield road

    return opened


@contextlib.asynccontextmanager
async def _telling(sim: FacebookSimulator) -> AsyncIterator[None]:
    """Deliver webhooks as things happen; a `flush` before the next await goes first."""
    task = asyncio.create_task(sim.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _served(web: Shaky) -> AsyncIterator[str]:
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(
            serve(web, host="127.0.0.1", port=0, started=started.set_result, drain=1)
        )
        yield await started
        serving.cancel()


@pytest.fixture
async def road(open_road: OpenRoad) -> AsyncIterator[Road]:
    async with open_road("101010101010101") as road:
        yield road


# --- in -----------------------------------------------------------------------------------------


async def test_everything_that_is_said_becomes_a_ticket(road: Road) -> None:
    sim = road.sim
    post = sim.post("Ab Montag gilt der neue Tarif.")
    comment = sim.comment(post, "Mira Sommer", "Für mich auch?")
    things = {
        "post": sim.visitor_post("Jonas Weber", "Bei uns ist der Strom weg."),
        "comment": comment,
        "nested": sim.comment(comment, "Ole Brandt", "Für mich dann auch?"),
        "photo": sim.comment(post, "Ayşe Kaya", None, photo=sim.media()),
        "direct": sim.direct_message("Clara Nguyen", "Mein Zähler", attachments=[sim.picture()]),
        "review": sim.review("Deniz Arslan", "Nie wieder.", positive=False),
        "mention": sim.mention("Hannah Liebig", "Hat jemand Strom, Stadtwerke Musterstadt?"),
    }
    await road.quiet()
    tickets = {name: await road.ticket(thing) for name, thing in things.items()}
    assert len({one.line.id for one in tickets.values()}) == len(things)
    assert {name: one.line.kind for name, one in tickets.items()} == {
        "post": Kind.POST,
        "comment": Kind.COMMENT,
        "nested": Kind.COMMENT,
        "photo": Kind.COMMENT,
        "direct": Kind.DIRECT_MESSAGE,
        "review": Kind.REVIEW,
        "mention": Kind.MENTION,
    }
    assert {one.line.state for one in tickets.values()} == {TicketState.OPEN}
    assert all(one.line.agent and one.line.due_at for one in tickets.values())
    assert tickets["comment"].line.customer == "Mira Sommer"
    assert tickets["nested"].messages[0].text == "Für mich dann auch?"
    assert tickets["review"].messages[0].rating == "negative"
    assert await road.count(s.tickets) == len(things)
    await road.proven()


async def test_a_name_that_is_told_later_is_the_customers(road: Road) -> None:
    direct = road.sim.direct_message("Clara Nguyen", "Habt ihr auf?")
    await road.quiet()
    assert (await road.ticket(direct)).line.customer is None  # Messenger tells an id only
    road.sim.comment(road.sim.post("Wir haben auf."), "Clara Nguyen", "Danke!")
    await road.quiet()
    assert (await road.ticket(direct)).line.customer == "Clara Nguyen"


async def test_photos_are_fetched(road: Road) -> None:
    sim = road.sim
    post = sim.post("Zeigt uns eure Zähler!")
    below = sim.comment(post, "Ayşe Kaya", None, photo=sim.media("picture.png"))
    direct = sim.direct_message("Clara Nguyen", None, attachments=[sim.picture("photo.jpg")])
    await road.quiet()
    for thing, name in ((below, "picture.png"), (direct, "photo.jpg")):
        [attachment] = (await road.ticket(thing)).messages[0].attachments
        assert attachment.state == "stored", attachment.error
        assert content(attachment.path) == sim.world.media[name][1]


async def test_what_happens_to_a_message_afterwards(road: Road) -> None:
    sim = road.sim
    post = sim.post("Sommerfest am Samstag!")
    edited = sim.comment(post, "Mira Sommer", "Wann gehts los?")
    taken_back = sim.comment(post, "Ole Brandt", "Meine Kundennummer ist 4711")
    hidden = sim.comment(post, "Tom Reuter", "Gibt es Eis?")
    told_natively = sim.direct_message("Clara Nguyen", "Habt ihr auf?")
    await road.quiet()
    sim.edit(edited, "Wann geht es los?")
    sim.remove(taken_back)
    sim.changed(hidden, "hide")
    sim.react(edited, "Ole Brandt", "love")
    sim.native_reply(told_natively, "Bis 18 Uhr.")
    await road.quiet()
    assert (await road.ticket(edited)).messages[0].text == "Wann geht es los?"
    gone = await road.ticket(taken_back)
    assert (gone.line.state, gone.messages[0].text) == (TicketState.CLOSED, None)
    assert (await road.ticket(hidden)).messages[0].hidden
    answered = await road.ticket(told_natively)
    assert answered.line.state is TicketState.ANSWERED
    assert [(one.own, one.native) for one in answered.messages] == [(False, False), (True, True)]
    assert (await road.desk.ledger()).fates == {"ticket": 4, "context": 2, "applied": 4}
    assert b"4711" not in b"".join(row.body for row in await road.rows(sa.select(s.raw_events)))
    await road.proven()


async def test_only_the_sweep_finds_what_no_webhook_tells(road: Road) -> None:
    sim = road.sim
    post = sim.post("Glasfaser kommt.")
    told = sim.comment(post, "Mira Sommer", "Wann?")
    await road.quiet()
    silent = [
        sim.comment(told, "Ole Brandt", "Das wüsste ich auch gern.", push=False),
        sim.visitor_post("Jonas Weber", "Und in der Nordstadt?", push=False),
        sim.direct_message("Clara Nguyen", "Was kostet das?", push=False),
        sim.review("Deniz Arslan", "Dauert zu lange.", positive=False, push=False),
        sim.mention("Hannah Liebig", "Wann kommt das Netz, Stadtwerke?", push=False),
    ]
    assert await road.count(s.tickets) == 1
    await road.sweep()
    assert {(await road.ticket(one)).line.state for one in silent} == {TicketState.OPEN}
    assert (await road.desk.ledger()).sweep_only == len(silent)
    await road.proven()


async def test_a_sweep_of_what_was_told_counts_nothing_twice(road: Road) -> None:
    sim = road.sim
    post = sim.post("Glasfaser kommt.")
    comment = sim.comment(post, "Mira Sommer", "Wan?")
    sim.direct_message("Clara Nguyen", "Was kostet das?")
    sim.edit(comment, "Wann?")
    await road.quiet()
    tickets = await road.count(s.tickets)
    await road.sweep()
    ledger = await road.desk.ledger()
    assert (await road.count(s.tickets), ledger.sweep_only) == (tickets, 0)
    assert ledger.fates["duplicate"] > 0
    await road.proven()


async def test_twice_and_backwards_counts_once(road: Road) -> None:
    sim = road.sim
    post = sim.post("Neue Öffnungszeiten.")
    comment = sim.comment(post, "Mira Sommer", "Auch Samstag")
    nested = sim.comment(comment, "Ole Brandt", "Gute Frage")
    sim.edit(comment, "Auch Samstag?")
    gone = sim.comment(post, "Tom Reuter", "Ach egal")
    sim.remove(gone)
    await road.quiet(repeat=3, backwards=True)
    assert (await road.ticket(comment)).messages[0].text == "Auch Samstag?"
    assert (await road.ticket(nested)).line.state is TicketState.OPEN
    assert (await road.ticket(gone)).line.state is TicketState.CLOSED
    ledger = await road.desk.ledger()
    assert (ledger.stored, ledger.repeated) == (6, 12)
    assert sum(ledger.tickets.values()) == 3
    await road.proven()


@pytest.mark.parametrize("shaken", ["before", "after"])
async def test_what_we_answer_with_an_error_comes_again_and_counts_once(
    road: Road, shaken: str
) -> None:
    setattr(road.web, shaken, 2)
    comment = road.sim.comment(road.sim.post("Hallo!"), "Mira Sommer", "Hallo?")
    await road.quiet()
    [delivery] = road.sim.delivered
    assert [status for _, status in delivery.attempts] == [503, 503, 200]
    assert (await road.ticket(comment)).line.state is TicketState.OPEN
    ledger = await road.desk.ledger()
    assert (ledger.stored, ledger.repeated) == (2, 4 if shaken == "after" else 0)
    await road.proven()


async def test_a_full_disk_is_answered_503_until_there_is_room(road: Road) -> None:
    post = road.sim.post("Hallo!")
    await road.quiet()
    await road.room(pages=1)
    asked: list[Comment] = []
    address = str(road.sim.webhook)
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            asked.append(road.sim.comment(post, "Mira Sommer", f"{len(asked)}" + "x" * 5_000))
            [told] = road.sim.deliveries()
            answer = await http.post(address, content=told.body, headers=told.headers)
            if answer.status_code != 200:
                break
            assert len(asked) < 500, "this disk is endless"
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "desk.db" not in answer.text
        await road.room(pages=1_000_000)
        answer = await http.post(address, content=told.body, headers=told.headers)
        assert answer.status_code == 200
    await road.quiet()
    for one in asked:
        assert (await road.ticket(one)).line.state is TicketState.OPEN


# --- out ----------------------------------------------------------------------------------------


@pytest.fixture
async def asked(road: Road) -> dict[str, Post | Comment | Note]:
    """Let customers ask in every place that can be answered."""
    sim = road.sim
    comment = sim.comment(sim.post("Neuer Tarif!"), "Mira Sommer", "Was kostet er?")
    things: dict[str, Post | Comment | Note] = {
        "comment": comment,
        "nested": sim.comment(comment, "Ole Brandt", "Und für mich?"),
        "post": sim.visitor_post("Jonas Weber", "Bei uns ist der Strom weg."),
        "direct": sim.direct_message("Clara Nguyen", "Meine Rechnung stimmt nicht."),
    }
    await road.quiet()
    return things


@pytest.mark.parametrize(
    ("place", "private"),
    [
        ("comment", False),
        ("comment", True),
        ("nested", False),
        ("nested", True),
        ("post", False),
        ("post", True),
        ("direct", False),
    ],
)
async def test_an_answer_arrives_where_it_belongs(
    road: Road, asked: dict[str, Any], place: str, *, private: bool
) -> None:
    thing = asked[place]
    ticket = await road.answer(thing, private=private)
    [arrived] = road.arrived()
    [row] = ticket.outbox
    assert (row.state, row.ids, row.attempts) == (OutboxState.SENT, (arrived,), 1)
    assert ticket.line.state is TicketState.ANSWERED
    world = road.sim.world
    if private or place == "direct":
        found = world.note(arrived)
        assert found is not None
        assert found[0].person == thing.author
    else:
        above = thing.parent if place == "nested" else thing.id
        assert world.comments[arrived].parent == (None if place == "post" else above)
        assert world.comments[arrived].post == getattr(thing, "post", thing.id)
    await road.proven()


@pytest.mark.parametrize("fault", [None, "timeout_after_accept", "close_after_accept"])
async def test_a_first_answer_is_said_once_and_stops_no_clock(
    open_road: OpenRoad, fault: Any
) -> None:
    first = {"when": "always", "text": "Danke!", "person": "Ein Mensch meldet sich."}
    async with open_road("101010101010101", desk={"first_answer": first}) as road:
        sim, said = road.sim, "Danke!\n\nEin Mensch meldet sich."
        if fault:
            sim.fault(fault, on="POST /comments")
        post = sim.post("Neuer Tarif!")
        comment = sim.comment(post, "Mira Sommer", "Was kostet er?")
        async with asyncio.timeout(PATIENCE):
            while not road.arrived(said) or not await road.desk.settled():
                await road.quiet()
        await road.quiet()  # its echo came by webhook
        [arrived] = road.arrived(said)
        ticket = await road.ticket(comment)
        [row], [asked, echo] = ticket.outbox, ticket.messages
        assert (row.state, row.ids, row.automatic) == (OutboxState.SENT, (arrived,), True)
        assert (asked.id, echo.id, echo.native) == (comment.id, arrived, False)
        line = ticket.line
        assert (line.state, ticket.first_response_at) == (TicketState.OPEN, None)
        assert (line.waiting_since, line.due_at) == (
            asked.sent_at,
            asked.sent_at + timedelta(hours=1),
        )
        other = sim.comment(post, "Ole Brandt", "Und wann?")
        sim.comment(post, "Mira Sommer", "Hallo?")
        await road.quiet()
        await road.sweep()  # the echo comes back by this road, too
        assert road.arrived(said) == [arrived]
        assert (await road.ticket(comment)).first_response_at is None
        assert (await road.ticket(other)).line.state is TicketState.OPEN
        answered = await road.answer(comment)
        assert answered.line.state is TicketState.ANSWERED
        await road.proven()


async def test_hiding_reaches_the_page(road: Road, asked: dict[str, Any]) -> None:
    ticket = await road.ticket(asked["comment"])
    await road.desk.act(ticket.line.id, Action.HIDE, by="anna")
    await road.quiet()
    assert asked["comment"].hidden
    assert (await road.ticket(asked["comment"])).messages[0].hidden
    await road.proven()


async def test_an_answer_of_two_parts_is_one_action(
    road: Road, asked: dict[str, Any], tmp_path: Path
) -> None:
    photo = tmp_path / "plan.png"
    photo.write_bytes(road.sim.world.media["picture.png"][1])
    ticket = await road.answer(asked["direct"], attachments=[attachment(photo)])
    [row] = ticket.outbox
    assert (row.state, row.parts, row.sent, len(row.ids)) == (OutboxState.SENT, 2, 2, 2)
    conversation, _ = road.sim.world.note(row.ids[0]) or pytest.fail("nothing arrived")
    assert [bool(note.attachments) for note in conversation.notes[1:]].count(True) == 1


@pytest.mark.parametrize(
    "fault", ["timeout_after_accept", "close_after_accept", "error_after_accept"]
)
@pytest.mark.parametrize(("place", "on"), [("comment", "comments"), ("direct", "messages")])
async def test_an_answer_whose_receipt_is_lost_arrives_once(
    road: Road, asked: dict[str, Any], place: str, on: str, fault: Any
) -> None:
    road.sim.fault(fault, on=f"POST /{on}")
    ticket = await road.answer(asked[place])
    [arrived] = road.arrived()
    [row] = ticket.outbox
    assert (row.state, row.ids, row.attempts) == (OutboxState.SENT, (arrived,), 1)
    assert [message.native for message in ticket.messages] == [False, False]
    assert [row.how for row in await road.rows(sa.select(s.receipts.c.how))] == ["echo"]
    await road.proven()


@pytest.mark.parametrize(("place", "on"), [("comment", "comments"), ("direct", "messages")])
async def test_without_an_echo_it_is_looked_for(
    road: Road, asked: dict[str, Any], place: str, on: str
) -> None:
    road.sim.webhook = None
    road.sim.fault("close_after_accept", on=f"POST /{on}")
    ticket = await road.answer(asked[place])
    assert [(row.state, row.ids) for row in ticket.outbox] == [
        (OutboxState.SENT, tuple(road.arrived()))
    ]
    [how] = await road.rows(sa.select(s.receipts.c.how))
    assert how.how == "reconcile"


@pytest.mark.parametrize("place", ["comment", "direct"])
async def test_an_echo_before_the_receipt_counts_once(
    road: Road, asked: dict[str, Any], place: str
) -> None:
    road.sim.echo_first = True
    ticket = await road.answer(asked[place])
    [arrived] = road.arrived()
    assert [(row.state, row.ids) for row in ticket.outbox] == [(OutboxState.SENT, (arrived,))]
    assert [(one.own, one.native) for one in ticket.messages] == [(False, False), (True, False)]
    await road.proven()


async def test_a_refusal_is_final_and_the_ticket_stays_open(
    road: Road, asked: dict[str, Any]
) -> None:
    road.sim.unavailable("Clara Nguyen")
    ticket = await road.answer(asked["direct"])
    assert ticket.outbox[0].state is OutboxState.FAILED
    assert ticket.line.state is TicketState.OPEN
    assert not road.arrived()


# --- several pages ------------------------------------------------------------------------------


async def test_two_pages_of_one_app_share_an_address_but_not_their_tickets(
    open_road: OpenRoad,
) -> None:
    teams = {"general": {"agents": ["ben"]}, "service": {"agents": ["anna"]}}
    pages = {"page": {"teams": ["service"]}, "teams": teams}
    async with open_road("101010101010101", "202020202020202", **pages) as road:
        things = {
            sim.account: sim.visitor_post("Mira Sommer", f"An {sim.account}: hallo?")
            for sim in road.sims
        }
        await road.quiet()
        lines = {account: (await road.ticket(one)).line for account, one in things.items()}
        assert [one.channel for one in lines.values()] == ["page", "second"]
        # The second says nothing of teams, so it has those of the base.
        assert [(one.team, one.agent) for one in lines.values()] == [("service", "anna")] * 2
        for account, line in lines.items():
            await road.desk.reply(line.id, f"Danke von {account}", agent="anna")
        await road.quiet()
        for sim in road.sims:
            said = [one.text for one in sim.world.comments.values()]
            assert said == [f"Danke von {sim.account}"]
        await road.proven()


async def test_what_belongs_to_no_page_of_ours_is_kept(road: Road) -> None:
    stranger = FacebookSimulator(clock=SystemClock(), account="303030303030303")
    stranger.webhook = road.sim.webhook
    stranger.visitor_post("Mira Sommer", "Ist hier jemand?")
    await stranger.flush()
    await road.quiet()
    assert (await road.desk.ledger()).fates == {"unrouted": 1}
    assert await road.count(s.tickets) == 0
