"""The whole road on a toy network: in, ticket, answer, proof."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from channelmix import hook
from channelmix.errors import AuthorizationLost, NotFound, PluginFault, Rejected
from channelmix.hookspecs import Plugin
from channelmix.records import (
    Action,
    Assignment,
    Checked,
    Draft,
    Finding,
    Findings,
    Label,
    Labels,
    TicketState,
)
from channelmix.store import schema as s
from channelmix.testing.clock import FakeClock


async def only(desk):
    (line,) = await desk.tickets()
    return line


async def count(desk, table):
    return await desk.store.read(
        lambda c: c.execute(sa.select(sa.func.count()).select_from(table)).scalar()
    )


QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}


async def test_a_comment_becomes_a_ticket_and_is_answered(open_desk, push, settle):
    async with open_desk(agents={"anna": {}}) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        line = await only(desk)
        assert (line.state, line.agent, line.customer) == (TicketState.OPEN, "anna", "Eva")
        await desk.reply(line.id, "We look into it.", agent="anna")
        await settle(desk)
        ticket = await desk.ticket(line.id)
        assert ticket.line.state is TicketState.ANSWERED
        assert [(one.state, one.ids) for one in ticket.outbox] == [("sent", ("r1",))]
        assert ticket.first_response_at is not None
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 1}


async def test_push_and_poll_of_the_same_thing_count_once(open_desk, push, settle, until):
    async with open_desk() as desk:
        toy = desk.registry.get("toy")
        await push(desk, QUESTION)
        await push(desk, QUESTION)
        await settle(desk)
        toy.feed += [QUESTION, {"id": "c2", "by": "ben", "text": "Hello?"}]
        await desk.store.write(
            lambda c: c.execute(s.sources.update().values(next_at=desk.clock.now()))
        )
        desk.bell.ring()

        async def reached():
            return len(await desk.tickets()) >= 2

        await until(desk, reached)
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 2, "duplicate": 1}
        assert (ledger.repeated, ledger.sweep_only) == (1, 1)


@pytest.mark.slow
async def test_two_customers_under_one_post_have_a_ticket_each(open_desk, push, settle):
    async with open_desk() as desk:
        await push(
            desk, {"type": "own", "id": "post-1", "by": "acme", "kind": "post", "text": "New!"}
        )
        await push(desk, QUESTION, {"id": "c2", "by": "ben", "text": "Me too", "parent": "c1"})
        await push(desk, {"id": "c3", "by": "eva", "text": "Still nothing", "at": 1_700_000_100})
        await settle(desk)
        lines = await desk.tickets()
        assert sorted(one.customer for one in lines) == ["Ben", "Eva"]
        eva = next(one for one in lines if one.customer == "Eva")
        ticket = await desk.ticket(eva.id)
        assert [one.id for one in ticket.messages] == ["c1", "c3"]
        assert ticket.thread_text == "New!"
        assert (await desk.ledger()).fates == {"context": 1, "ticket": 3}


async def test_an_answer_typed_at_the_network_counts(open_desk, push, settle):
    async with open_desk() as desk:
        echo = {
            "type": "echo",
            "id": "n1",
            "by": "acme",
            "text": "Done",
            "parent": "c1",
            "at": 1_700_000_050,
        }
        await push(desk, echo)
        await settle(desk)
        await push(desk, QUESTION)
        await settle(desk)
        ticket = await desk.ticket((await only(desk)).id)
        assert ticket.line.state is TicketState.ANSWERED
        assert [(one.id, one.native) for one in ticket.messages] == [("c1", False), ("n1", True)]


@pytest.mark.slow
async def test_a_file_waits_for_who_must_open_it(open_desk, push, until):
    clock = FakeClock(datetime(2026, 11, 3, 9, 0, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        desk.registry.get("toy").locks = [AuthorizationLost("log in"), Rejected("it is private")]
        await push(desk, {"id": "c1", "by": "eva", "photos": ["https://x.invalid/a"]})

        async def file():
            return await desk.store.read(lambda c: c.execute(sa.select(s.attachments)).first())

        async def says(error):
            return getattr(await file(), "error", None) == error

        await until(desk, lambda: says("log in"))
        waiting = await file()
        assert (waiting.state, waiting.attempts) == ("wanted", 0)
        clock.advance(timedelta(minutes=5))
        await until(desk, lambda: says("it is private"))
        assert (await file()).state == "failed"


async def test_an_edit_shows_and_a_deletion_scrubs(open_desk, push, settle, until):
    async with open_desk() as desk:
        secret = {
            "id": "c1",
            "by": "eva",
            "text": "my number is 4711",
            "photos": ["https://x.invalid/a"],
        }
        await push(desk, secret)
        await until(desk, lambda: settled(desk))
        await push(
            desk, {"type": "edit", "id": "c1", "text": "my number is 4712", "at": 1_700_000_009}
        )
        await until(desk, lambda: settled(desk))
        ticket = await desk.ticket((await only(desk)).id)
        assert ticket.messages[0].text == "my number is 4712"
        await push(desk, {"type": "deletion", "id": "c1", "at": 1_700_000_010})
        await settle(desk)
        ticket = await desk.ticket(ticket.line.id)
        assert (ticket.line.state, ticket.messages[0].text) == (TicketState.CLOSED, None)
        assert ticket.messages[0].attachments[0].url is None
        await push(desk, {**secret, "at": 1_700_000_001})
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        held = await desk.store.read(_everything)
        assert b"my number" not in held


async def settled(desk):
    query = sa.select(sa.func.count()).where(s.raw_events.c.settled == sa.false())
    return not await desk.store.read(lambda c: c.execute(query).scalar())


def _everything(connection):
    rows = []
    for table in s.metadata.sorted_tables:
        rows += [repr(tuple(row)).encode() for row in connection.execute(sa.select(table))]
    return b"\n".join(row for row in rows if b"ticket_changed" not in row)


async def test_closing_covers_what_was_there(open_desk, push, settle):
    async with open_desk() as desk:
        await push(desk, QUESTION)
        await settle(desk)
        line = await only(desk)
        await desk.close(line.id, by="anna", reason="solved by phone")
        assert (await only(desk)).state is TicketState.CLOSED
        await push(desk, {"id": "c0", "by": "eva", "text": "sent earlier", "at": 1_699_999_000})
        await settle(desk)
        assert (await only(desk)).state is TicketState.OPEN


async def test_people_assign_note_and_overrule(open_desk, push, settle):
    async with open_desk(
        agents={"anna": {}, "ben": {}}, teams={"tech": {"agents": ["ben"]}}
    ) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        line = await only(desk)
        assert (line.team, line.agent) == ("tech", "ben")
        await desk.assign(line.id, by="chief", agent="anna")
        await desk.note(line.id, "regular customer", by="anna")
        await desk.set(line.id, by="anna", topic="delivery", priority="high")
        line = await only(desk)
        assert (line.agent, line.topic, line.priority) == ("anna", "delivery", "high")
        await desk.set(line.id, by="anna", service="no")
        assert (await only(desk)).state is TicketState.FILTERED
        ticket = await desk.ticket(line.id)
        assert [one.kind for one in ticket.actions] == ["assign", "assign", "note", "set", "set"]
        for wrong in (
            desk.assign(line.id, by="x", agent="nobody"),
            desk.ticket(99),
            desk.close(99, by="x"),
        ):
            with pytest.raises(NotFound):
                await wrong


class Judge(Plugin):
    @hook
    async def classify(self, request):
        asks = "?" in (request.message.text or "")
        return Labels(
            labels=(
                Label(name="service", value="yes" if asks else "no"),
                Label(name="topic", value="billing"),
            )
        )

    @hook
    async def assign(self, request):
        return Assignment(team="money", reason="it is about money") if request.labels else None


async def test_classifiers_and_assigners_decide(open_desk, push, settle):
    teams, plugins = {"money": dict[str, str]()}, {"judge": dict[str, str]()}
    async with open_desk(classes={"judge": Judge}, teams=teams, plugins=plugins) as desk:
        await push(desk, QUESTION, {"id": "c2", "by": "ben", "text": "nice colours"})
        await settle(desk)
        lines = {one.customer: one for one in await desk.tickets()}
        assert (lines["Eva"].state, lines["Eva"].topic, lines["Eva"].team) == (
            "open",
            "billing",
            "money",
        )
        assert (lines["Ben"].state, lines["Ben"].team) == ("filtered", None)


async def test_a_slow_classifier_holds_up_nothing_and_still_counts(
    open_desk, push, monkeypatch, settle
):
    monkeypatch.setattr("channelmix.pipeline.PATIENCE", 0.05)
    gate = asyncio.Event()

    class Slow(Plugin):
        @hook
        async def classify(self, request):
            await gate.wait()
            return Labels(labels=(Label(name="topic", value="late"),))

    async with open_desk(classes={"slow": Slow}, plugins={"slow": {}}) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        assert (await only(desk)).topic is None
        gate.set()
        async with asyncio.timeout(10):
            async for happening in desk.events():
                if happening.kind == "ticket_changed" and "topic" in happening.data.get(
                    "changed", ()
                ):
                    break
        assert (await only(desk)).topic == "late"


async def test_a_batch_waits_once_for_slow_classifiers(open_desk, push, monkeypatch, settle):
    monkeypatch.setattr("channelmix.pipeline.PATIENCE", 30)
    gate, everyone, asked = asyncio.Event(), asyncio.Event(), set()

    class Slow(Plugin):
        @hook
        async def classify(self, request):
            asked.add(request.message.id)
            if len(asked) == 100:
                everyone.set()
            await gate.wait()
            return Labels(labels=(Label(name="topic", value="slow"),))

    async with open_desk(classes={"slow": Slow}, plugins={"slow": {}}) as desk:
        await push(desk, *[{"id": f"c{n}", "by": f"p{n}", "text": "?"} for n in range(100)])
        async with asyncio.timeout(15):
            await everyone.wait()
        gate.set()
        await settle(desk, seconds=30)
        assert {one.topic for one in await desk.tickets(limit=200)} == {"slow"}


async def test_what_a_classifier_says_before_the_ticket_is_written_is_not_lost(
    open_desk, push, monkeypatch, until
):
    monkeypatch.setattr("channelmix.pipeline.PATIENCE", 0.01)
    gate, said = asyncio.Event(), asyncio.Event()

    class Slow(Plugin):
        @hook
        async def classify(self, request):
            await gate.wait()
            said.set()
            return Labels(labels=(Label(name="topic", value="late"),))

        @hook
        async def assign(self, request):
            gate.set()
            await said.wait()

    async with open_desk(classes={"slow": Slow}, plugins={"slow": {}}) as desk:
        await push(desk, QUESTION)

        async def refined():
            return [one.topic for one in await desk.tickets()] == ["late"]

        await until(desk, refined)


async def test_the_feed_tells_what_happened_and_observers_catch_up(open_desk, push, settle, until):
    seen = []

    class Watcher(Plugin):
        @hook
        async def observe(self, happening):
            if happening.kind == "ticket_opened" and "refused once" not in seen:
                seen.append("refused once")
                raise RuntimeError("not yet")
            seen.append(happening.kind)

    async with open_desk(classes={"watch": Watcher}, plugins={"watch": {}}) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        told = []
        async with asyncio.timeout(10):
            async for happening in desk.events():
                told.append(happening.kind)
                if happening.kind == "ticket_opened":
                    break
        assert told[-2:] == ["message_added", "ticket_opened"]

        async def caught_up():
            return "ticket_opened" in seen

        await until(desk, caught_up)
        assert seen.index("refused once") < seen.index("ticket_opened")


@pytest.mark.slow
async def test_a_deleted_row_shows_in_the_ledger(open_desk, push, settle):
    for table in (
        s.raw_events,
        s.fates,
        s.inbounds,
        s.messages,
        s.tickets,
        s.outbox_parts,
        s.actions,
    ):
        async with open_desk(agents={"anna": {}}) as desk:
            if not await desk.tickets():
                await push(desk, QUESTION)
                await settle(desk)
                await desk.reply((await only(desk)).id, "Hello", agent="anna")
                await settle(desk)
            assert (await desk.ledger()).adds_up
            kept = await desk.store.read(
                lambda c, t=table: c.execute(sa.select(t)).mappings().all()
            )
            await desk.store.write(lambda c, t=table: c.execute(t.delete()))
            assert not (await desk.ledger()).adds_up, table.name
            await desk.store.write(
                lambda c, t=table, k=kept: c.execute(t.insert(), [dict(row) for row in k])
            )


async def test_two_desks_in_one_process(push, open_desk, new_database, settle):
    async with (
        open_desk() as one,
        open_desk(desk={"store": new_database()}) as two,
    ):
        await push(one, QUESTION)
        await settle(one)
        assert len(await one.tickets()) == 1
        assert await two.tickets() == []


async def test_deadlines_are_promises_and_windows(open_desk, push, settle):
    levels = [{"first_response": "1h"}, {"first_response": "48h", "kind": "direct_message"}]
    async with open_desk(service_levels=levels) as desk:
        now = int(desk.clock.now().timestamp())
        await push(
            desk,
            {**QUESTION, "at": now},
            {
                "id": "d1",
                "by": "ben",
                "kind": "direct_message",
                "thread": "ben",
                "text": "x",
                "at": now,
            },
        )
        await settle(desk)
        due = {one.customer: one.due_at - one.waiting_since for one in await desk.tickets()}
        assert due == {"Eva": timedelta(hours=1), "Ben": timedelta(hours=48)}


@pytest.mark.slow
async def test_a_late_ticket_is_told_once(open_desk, push):
    async with open_desk(service_levels=[{"first_response": "1h"}]) as desk:
        await push(desk, QUESTION)
        async with asyncio.timeout(10):
            async for happening in desk.events():
                if happening.kind == "ticket_late":
                    break
        assert (await only(desk)).late


@pytest.mark.slow
async def test_a_ticket_stays_late_until_its_deadline_is_another(open_desk, push, settle, until):
    async with open_desk(service_levels=[{"first_response": "1h"}], agents={"anna": {}}) as desk:
        await push(desk, QUESTION)

        async def late():
            return [one for one in await desk.tickets() if one.late]

        await until(desk, late)
        ticket = (await only(desk)).id
        await desk.assign(ticket, agent="anna", by="anna")
        assert (await only(desk)).late
        await desk.reply(ticket, "On its way", agent="anna")
        await settle(desk)
        assert not (await only(desk)).late


async def test_a_read_only_desk_starts_nothing(open_desk, push, settle):
    async with open_desk(work=False) as desk:
        await push(desk, QUESTION)
        assert (await desk.ledger()).unsettled == 1
        assert len(asyncio.all_tasks()) == 1
    async with open_desk() as desk:
        await settle(desk)
        assert (await only(desk)).subject == "Where is my parcel?"


async def test_a_plugin_that_cannot_start_disables_only_itself(open_desk, push, settle):
    class Broken(Plugin):
        @hook
        async def open(self, services):
            raise RuntimeError("no")

    classes, section = {"broken": Broken}, dict[str, str]()
    async with open_desk(classes=classes, plugins={"broken": section}) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        assert len(await desk.tickets()) == 1
        assert "RuntimeError" in desk.assembly.unavailable["broken"]
    section["on_error"] = "fail"
    with pytest.raises(PluginFault):
        async with open_desk(classes=classes, plugins={"broken": section}):
            pytest.fail("it opened")


async def test_a_desk_that_does_no_work_opens_only_whom_it_asks(open_desk, push):
    opened = []

    class Opening(Plugin):
        @hook
        async def open(self, services):
            opened.append(self.name)

        @hook
        async def close(self, services):
            opened.append(f"{self.name} closed")

    class Reviewer(Opening):
        @hook
        async def review(self, draft):
            return Findings(findings=(Finding(level="warn", code="tone", text="a bit curt"),))

    classes = {"reviewer": Reviewer, "opening": Opening}
    sections = {name: dict[str, str]() for name in classes}
    async with open_desk(classes=classes, plugins=sections, work=False) as desk:
        assert opened == []
        draft = Draft(channel="toy", action=Action.PUBLIC_REPLY, text="No.")
        assert [one.code for one in await desk.review(draft)] == ["tone"]
        assert await desk.check("toy") == Checked()
    assert opened == ["reviewer", "reviewer closed"]
