"""The stored tickets are the same in whatever order their inputs came."""

from __future__ import annotations

from itertools import permutations

import pytest
from channelmix.records import TicketState

NAMELESS = {"id": "c1", "text": "Where is my parcel?", "at": 1_700_000_000}
NAMED = {**NAMELESS, "by": "eva"}
SECOND = {"id": "c2", "by": "eva", "text": "Hello?", "parent": "c1", "at": 1_700_000_100}
NATIVE = {
    "type": "echo",
    "id": "n1",
    "by": "acme",
    "text": "Hi",
    "parent": "c2",
    "at": 1_700_000_200,
}
INPUTS = (NAMELESS, NAMED, SECOND, NATIVE)


@pytest.mark.slow
@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
async def test_the_same_inputs_make_the_same_tickets(open_desk, push, settle, order):
    async with open_desk() as desk:
        for number in order:
            await push(desk, INPUTS[number])
            await settle(desk)
        lines = [one for one in await desk.tickets() if one.reason != "merged"]
        assert [(one.customer, one.state) for one in lines] == [("Eva", TicketState.ANSWERED)]
        ticket = await desk.ticket(lines[0].id)
        assert [one.id for one in ticket.messages] == ["c1", "c2", "n1"]
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances


async def test_an_answer_in_a_conversation_counts_for_everyone_in_it(open_desk, push, settle):
    direct = {"kind": "direct_message", "thread": "eva"}
    async with open_desk() as desk:
        await push(
            desk,
            {**direct, "id": "d1", "by": "eva", "text": "Hello", "at": 1_700_000_000},
            {**direct, "id": "d2", "text": "a picture", "at": 1_700_000_001},
            {**direct, "type": "echo", "id": "n1", "by": "acme", "text": "Hi", "at": 1_700_000_002},
        )
        await settle(desk)
        assert {one.state for one in await desk.tickets()} == {TicketState.ANSWERED}


async def test_a_message_from_the_future_does_not_outdate_its_edit(open_desk, push, settle):
    async with open_desk() as desk:
        ahead = int(desk.clock.now().timestamp()) + 3600
        await push(desk, {**NAMED, "at": ahead})
        await settle(desk)
        edit = {"type": "edit", "id": "c1", "text": "mended", "at": ahead - 3000}
        await push(desk, edit)
        await settle(desk)
        assert [one.subject for one in await desk.tickets()] == ["mended"]
