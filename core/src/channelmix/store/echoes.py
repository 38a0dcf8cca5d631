"""Echoes: our own messages, seen again, and the parts of outgoing actions that they prove."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from channelmix.records import Echo, Kind, Message, OutboxState
from channelmix.store import items
from channelmix.store import schema as s
from channelmix.store.feed import Fresh
from channelmix.store.outcomes import owner_of, part_of, sent


def echoed(connection: sa.Connection, echoes: Sequence[items.Told]) -> set[int]:
    """Return the parts that our own messages, seen again, seem to be; hold their tickets."""
    return {part for one in echoes if (part := _claimant(connection, one)) is not None}


def _claimant(connection: sa.Connection, one: items.Told) -> int | None:
    """Return the part that an echo seems to be, if it belongs to none yet."""
    echo, (channel, external) = one.inbound, one.item
    if not isinstance(echo, Echo) or owner_of(connection, channel, external) is not None:
        return None
    part = _by_token(connection, echo.token)
    if part is None and echo.ours is not False:
        part = _by_text(connection, channel, echo.message)
    return part


def match_echoes(
    connection: sa.Connection, echoes: Sequence[items.Told], now: datetime
) -> list[Fresh]:
    """Match our own messages, seen again, to uncertain parts; else they are native."""
    fresh: list[Fresh] = []
    for one in echoes:
        channel, external = one.item
        part = _claimant(connection, one)
        if part is not None:
            fresh += sent(connection, part, [external], how="echo", now=now)
        native = owner_of(connection, channel, external) is None
        connection.execute(
            s.messages.update()
            .where(s.messages.c.channel == channel, s.messages.c.external_id == external)
            .values(native=native)
        )
    return fresh


def match_uncertain(connection: sa.Connection, part: int, now: datetime) -> list[Fresh]:
    """Match a part that just became uncertain to an echo that came before."""
    row = part_of(connection, part)
    table, receipts = s.messages, s.receipts
    unclaimed = ~sa.exists().where(
        receipts.c.channel == table.c.channel, receipts.c.external_id == table.c.external_id
    )
    query = (
        sa.select(table)
        .where(
            table.c.channel == row.channel,
            table.c.own == sa.true(),
            table.c.arrived_at >= row.first_sent_at,
            unclaimed,
        )
        .order_by(table.c.id)
    )
    for message in connection.execute(query).all():
        if _same_text(message.text, row.text) and _same_place(connection, row, message):
            return sent(connection, part, [message.external_id], how="echo", now=now)
    return []


def _by_token(connection: sa.Connection, token: str | None) -> int | None:
    """Return the part with a send key, whatever we believe of it: the key proves it is there."""
    if token is None:
        return None
    table = s.outbox_parts
    query = sa.select(table.c.id).where(table.c.token == token, table.c.state != OutboxState.SENT)
    return connection.execute(query).scalar()


def _by_text(connection: sa.Connection, channel: str, message: Message) -> int | None:
    """Return the oldest part in doubt that said this at this place.

    In doubt is also what was not found and queued again (`looks`): it may show late.
    """
    part, box = s.outbox_parts, s.outbox
    states = part.c.state.in_([OutboxState.UNCERTAIN, OutboxState.QUEUED])
    doubtful = sa.or_(part.c.state == OutboxState.UNCERTAIN, part.c.looks > 0)
    query = (
        sa.select(part, box.c.target)
        .join(box, box.c.id == part.c.outbox_id)
        .where(part.c.channel == channel, states, doubtful)
        .order_by(part.c.id)
    )
    for row in connection.execute(query).all():
        if _same_text(message.text, row.text) and _same_place(connection, row, message):
            return int(row.id)
    return None


def _same_text(one: str | None, other: str | None) -> bool:
    """Compare texts as networks keep them: without the white space around."""
    return bool(one) and " ".join((one or "").split()) == " ".join((other or "").split())


def _same_place(connection: sa.Connection, row: Any, message: Any) -> bool:
    """Say whether a message of ours stands where a part was to go."""
    table = s.messages
    query = sa.select(table.c.thread, table.c.kind).where(
        table.c.channel == row.channel, table.c.external_id == row.target
    )
    there = connection.execute(query).first()
    if there is None or there.thread != message.thread:
        return False
    if there.kind == Kind.DIRECT_MESSAGE:
        return True
    return message.parent in {row.target, _parent(connection, row.channel, row.target)}


def _parent(connection: sa.Connection, channel: str, external_id: str) -> str | None:
    """Return what a message answers."""
    table = s.messages
    query = sa.select(table.c.parent).where(
        table.c.channel == channel, table.c.external_id == external_id
    )
    return connection.execute(query).scalar()
