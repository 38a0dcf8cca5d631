"""The whole road on a toy network: in, ticket, answer, proof."""

from __future__ import annotations

import asyncio

import pytest

from channelmix import Rejected, Uncertain
from channelmix.errors import NotFound, Refused
from channelmix.records import OutboxState, TicketState, WebhookRequest


async def settle(desk):
    async with asyncio.timeout(10):
        await desk.drain()


async def test_a_comment_becomes_a_ticket_and_is_answered(open_desk, push):
    async with open_desk(agents={"anna": {}}) as desk:
        await push(desk, {"id": "c1", "by": "eva", "text": "Where is my parcel?"})
        await settle(desk)
        (line,) = await desk.tickets()
        assert (line.state, line.agent, line.customer) == (TicketState.OPEN, "anna", "Eva")
        outbox = await desk.reply(line.id, "We look into it.", agent="anna")
        await settle(desk)
        ticket = await desk.ticket(line.id)
        assert ticket.line.state is TicketState.ANSWERED
        assert [(one.id, one.state, one.ids) for one in ticket.outbox] == [
            (outbox, OutboxState.SENT, ("r1",))
        ]
        assert ticket.first_response_at is not None
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 1}
