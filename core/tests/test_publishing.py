"""What is published waits for a second person where one must approve, and goes out once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channelmix.config import load
from channelmix.errors import ConfigError, NotFound, Refused
from channelmix.records import Action, Attachment, AttachmentKind, Limits, OutboxState
from channelmix.store import feed
from channelmix.testing.clock import FakeClock
from hypothesis import example, given, settings
from hypothesis import strategies as st

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PEOPLE = {
    "agents": {"anna": {}, "mehmet": {}, "zoe": {}},
    "teams": {"editors": {"agents": ["mehmet"]}},
}
OFFERS = Limits(
    actions={Action.PUBLISH},
    text=100,
    attachments=1,
    media={AttachmentKind.IMAGE},
    details={"title", "link"},
)


@pytest.fixture
def publishing(open_desk, toy):
    """Open a desk with a channel on which something can be published."""

    offering = type("Publishing", (toy,), {"limits": [*toy.limits, OFFERS]})

    def opened(*, approval=True, approvers=(), **more):
        asked = {"approval": True, "approvers": list(approvers)} if approval else {}
        channels = {
            "toy": {"network": "toy", "account_id": "acme", **asked},
            "free": {"network": "toy", "account_id": "free"},
        }
        return open_desk(classes={"toy": offering}, channels=channels, **PEOPLE, **more)

    return opened


async def row(desk, outbox):
    [line] = await desk.outbox(outbox_id=outbox)
    return line


async def told(desk):
    """Return what happened so far: kind, channel, outbox, by."""
    happened = await desk.store.read(lambda connection: feed.after(connection, 0))
    found = [
        (one.kind, one.channel, one.data.get("outbox"), one.data.get("by")) for one in happened
    ]
    return [one for one in found if one[0] != "channel_changed"]


def arrived(desk, channel="toy"):
    return [(one.text, dict(one.details)) for one in desk.registry.get(channel).arrived]


async def test_without_approval_it_goes_out_at_once_with_its_details(publishing, settle):
    async with publishing(approval=False) as desk:
        outbox = await desk.publish("toy", "How to", by="anna", details={"title": "Lamps"})
        await settle(desk)
        line = await row(desk, outbox)
        assert (line.state, line.ticket, line.action) == (OutboxState.SENT, None, "publish")
        assert (line.details, line.approved_by) == ({"title": "Lamps"}, None)
        assert arrived(desk) == [("How to", {"title": "Lamps"})]
        assert [kind for kind, *_ in await told(desk)] == ["replied"]


async def test_it_is_held_blocks_nobody_and_goes_out_once_it_is_approved(publishing, settle):
    async with publishing() as desk:
        held = await desk.publish("toy", "How to", by="anna", details={"title": "Lamps"})
        free = await desk.publish("free", "No need to ask", by="anna")
        await settle(desk)  # what is held is no work in progress
        assert await desk.settled()
        assert (await row(desk, held)).state is OutboxState.HELD
        assert (await row(desk, free)).state is OutboxState.SENT
        assert arrived(desk) == []
        assert [one.id for one in await desk.outbox(states=[OutboxState.HELD])] == [held]
        assert (await desk.ledger()).outbox == {"held": 1, "sent": 1}
        second = await desk.publish("toy", "Another", by="zoe")
        await desk.approve(second, by="anna")
        await settle(desk)
        assert arrived(desk) == [("Another", {})]  # the older one, still held, did not stop it
        await desk.approve(held, by="mehmet")
        await settle(desk)
        line = await row(desk, held)
        assert (line.state, line.approved_by, line.attempts) == (OutboxState.SENT, "mehmet", 1)
        assert arrived(desk)[1:] == [("How to", {"title": "Lamps"})]
        assert [one for one in await told(desk) if one[0] != "replied"] == [
            ("approval_wanted", "toy", held, "anna"),
            ("approval_wanted", "toy", second, "zoe"),
            ("approved", "toy", second, "anna"),
            ("approved", "toy", held, "mehmet"),
        ]
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances


@pytest.mark.parametrize(
    ("approvers", "by", "why"),
    [
        ((), "anna", "anna wrote it"),
        ((), " Anna", "anna wrote it"),
        ((), " ", "say who"),
        ((), "whoever", None),
        (("editors",), "mehmet", None),
        (("editors",), "zoe", "none of those who may approve on toy: editors"),
        (("editors", "zoe"), "zoe", None),
        (("zoe",), "mehmet", "may approve on toy: zoe"),
        (("editors", "anna"), "anna", "anna wrote it"),
    ],
)
async def test_who_may_approve(publishing, approvers, by, why):
    async with publishing(approvers=approvers, work=False) as desk:
        held = await desk.publish("toy", "How to", by="anna")
        if why is None:
            await desk.approve(held, by=by)
            assert (await row(desk, held)).state is OutboxState.QUEUED
            return
        with pytest.raises(Refused, match=f"outbox {held}: .*{why}"):
            await desk.approve(held, by=by)
        line = await row(desk, held)
        assert (line.state, line.approved_by) == (OutboxState.HELD, None)


async def test_only_what_is_held_is_approved_and_only_once(publishing):
    async with publishing(work=False) as desk:
        held = await desk.publish("toy", "How to", by="anna")
        both = (desk.approve(held, by="zoe"), desk.approve(held, by="mehmet"))
        results = await asyncio.gather(*both, return_exceptions=True)
        assert sum(isinstance(one, Refused) for one in results) == 1
        free = await desk.publish("free", "Hello", by="anna")
        for outbox in (held, free, 999):
            with pytest.raises(Refused, match=f"outbox {outbox} is not held"):
                await desk.approve(outbox, by="zoe")


async def test_what_was_cancelled_unapproved_is_held_again_when_it_is_retried(publishing, settle):
    async with publishing() as desk:
        held = await desk.publish("toy", "How to", by="anna")
        await desk.cancel(held)
        assert (await row(desk, held)).state is OutboxState.CANCELLED
        with pytest.raises(Refused, match="is not held"):
            await desk.approve(held, by="zoe")
        await desk.retry(held)
        await settle(desk)
        assert ((await row(desk, held)).state, arrived(desk)) == (OutboxState.HELD, [])
        assert [kind for kind, *_ in await told(desk)] == ["approval_wanted"] * 2


async def test_the_same_twice_is_refused_also_while_the_first_is_held(publishing):
    clock = FakeClock(START)
    async with publishing(work=False, clock=clock) as desk:
        twice = [desk.publish("toy", "How to", by=by) for by in ("anna", "zoe")]
        results = await asyncio.gather(*twice, return_exceptions=True)
        [refused] = [one for one in results if isinstance(one, Refused)]
        assert "published the same a moment ago (outbox 1)" in str(refused)
        await desk.publish("toy", "How to", by="anna", details={"title": "Lamps"})
        picture = Attachment(kind=AttachmentKind.IMAGE, url="https://example.org/a.png")
        await desk.publish("toy", "How to", by="anna", attachments=[picture])
        clock.advance(timedelta(hours=1))
        await desk.publish("toy", "How to", by="anna")
        await desk.cancel(1)
        assert len(await desk.outbox()) == 4


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"text": "x" * 101}, "101 characters, the network takes 100"),
        ({"text": ""}, "there is nothing to say"),
        ({"details": {"titel": "x"}}, "no titel in what is published here; did you mean title"),
        ({"attachments": 2}, "2 attachments, the network takes 1"),
    ],
)
async def test_a_draft_is_reviewed_before_it_is_held(publishing, wrong, why):
    picture = Attachment(kind=AttachmentKind.IMAGE, url="https://example.org/a.png")
    given: dict[str, Any] = {"text": "How to", **wrong}
    given["attachments"] = [picture] * given.get("attachments", 0)
    async with publishing(work=False) as desk:
        with pytest.raises(Refused, match=why):
            await desk.publish("toy", by="anna", **given)
        assert await desk.outbox() == []


async def test_where_nothing_can_be_published_it_says_so(open_desk, push, settle):
    async with open_desk() as desk:
        with pytest.raises(Refused, match=r"this channel offers no publish$"):
            await desk.publish("toy", "Hello", by="anna")
        with pytest.raises(NotFound, match="there is no channel tyo"):
            await desk.publish("tyo", "Hello", by="anna")


async def test_a_ticket_is_no_way_round_the_approval(publishing, push, settle):
    async with publishing() as desk:
        await push(desk, {"id": "c1", "by": "eva", "text": "Where is my parcel?"})
        await settle(desk)
        [line] = await desk.tickets()
        with pytest.raises(Refused, match=r"use Desk\.publish"):
            await desk.act(line.id, Action.PUBLISH, by="anna", text="How to")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"approval": True, "approvers": ["editor"]}, "no team or agent editor; did you mean"),
        ({"approvers": ["editors"]}, "nobody is asked without approval = true"),
        ({"approval": "yes"}, "write true or false"),
    ],
)
def test_a_configuration_that_asks_nobody_is_a_mistake(toy, section, problem):
    channel = {"network": "toy", "account_id": "acme", **section}
    with pytest.raises(ConfigError) as caught:
        load({"channels": {"toy": channel}, **PEOPLE}, plugins={"toy": toy})
    [line] = caught.value.problems
    assert line.startswith("channels.toy.appro")
    assert problem in line


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["approve", "cancel", "retry"]), st.sampled_from(["anna", "mehmet", "zoe"])
    ),
    max_size=8,
)


@pytest.fixture
def run_on_desk(publishing):
    """Do something on one desk that stays open, from a test that is not asynchronous itself."""
    with asyncio.Runner() as runner:
        opened = publishing(approvers=["editors"], work=False)
        desk = runner.run(opened.__aenter__())
        yield lambda job: runner.run(job(desk))
        runner.run(opened.__aexit__(None, None, None))


@pytest.mark.slow
def test_nothing_is_ever_queued_that_no_approver_approved(run_on_desk):
    numbers = iter(range(1_000_000))

    @given(STEPS)
    @settings(max_examples=40)
    @example([("cancel", "anna"), ("retry", "anna"), ("approve", "anna"), ("approve", "mehmet")])
    def play(steps):
        async def job(desk):
            outbox = await desk.publish("toy", f"How to {next(numbers)}", by="anna")
            state, approved = OutboxState.HELD, None
            for what, by in steps:
                step = desk.approve(outbox, by=by) if what == "approve" else None
                try:
                    await (step or getattr(desk, what)(outbox))
                except Refused:
                    continue
                if what == "approve":
                    assert (state, by) == (OutboxState.HELD, "mehmet")
                    state, approved = OutboxState.QUEUED, by
                elif what == "cancel":
                    assert state in {OutboxState.HELD, OutboxState.QUEUED}
                    state = OutboxState.CANCELLED
                else:
                    assert state is OutboxState.CANCELLED
                    state = OutboxState.QUEUED if approved else OutboxState.HELD
                line = await row(desk, outbox)
                assert (line.state, line.approved_by) == (state, approved)

        run_on_desk(job)

    play()
