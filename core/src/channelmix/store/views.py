"""What a desk shows: read from the tables, as records that encode to JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.projection import best_labels
from channelmix.records import Kind, OutboxState, TicketState
from channelmix.store import schema as s


@frozen(kw_only=True)
class TicketLine:
    """A ticket in a list."""

    id: int
    state: TicketState
    channel: str
    kind: Kind
    customer: str | None
    subject: str
    topic: str | None
    priority: str
    team: str | None
    agent: str | None
    opened_at: datetime
    waiting_since: datetime | None
    due_at: datetime | None
    late: bool
    reason: str | None


@frozen(kw_only=True)
class AttachmentLine:
    """An attachment of a message."""

    kind: str
    state: str
    url: str | None
    path: str | None
    name: str | None
    text: str | None
    error: str | None


@frozen(kw_only=True)
class MessageLine:
    """A message in a ticket."""

    id: str
    kind: Kind
    own: bool
    native: bool
    author: str | None
    text: str | None
    sent_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    hidden: bool
    delivered_at: datetime | None
    """Ours: since when the network says that it reached the customer."""
    read_at: datetime | None
    url: str | None
    no_reply: str | None
    reply_until: datetime | None
    rating: str | None
    payload: str | None
    attachments: tuple[AttachmentLine, ...]


@frozen(kw_only=True)
class ActionLine:
    """What somebody did to a ticket."""

    kind: str
    by: str
    at: datetime
    data: dict[str, Any]


@frozen(kw_only=True)
class OutboxLine:
    """An outgoing action."""

    id: int
    ticket: int | None
    channel: str
    action: str
    state: OutboxState
    text: str
    details: Mapping[str, str]
    """What is published beside the text."""
    files: tuple[str, ...]
    """What it carries: files in the media folder, or addresses."""
    by: str
    approved_by: str | None
    automatic: bool
    created_at: datetime
    parts: int
    sent: int
    attempts: int
    error: str | None
    for_person: bool
    ids: tuple[str, ...]


@frozen(kw_only=True)
class Ticket:
    """A ticket with everything that belongs to it."""

    line: TicketLine
    thread: str
    thread_text: str | None
    thread_url: str | None
    assigned_because: str | None
    first_response_at: datetime | None
    messages: tuple[MessageLine, ...]
    actions: tuple[ActionLine, ...]
    outbox: tuple[OutboxLine, ...]
    labels: dict[str, str]


def tickets(
    connection: sa.Connection,
    *,
    states: Sequence[TicketState] = (),
    channel: str | None = None,
    agent: str | None = None,
    limit: int = 100,
) -> list[TicketLine]:
    """List tickets: what is due first comes first, then what waits longest."""
    table = s.tickets
    query = _lines().order_by(
        table.c.due_at.is_(None), table.c.due_at, table.c.opened_at, table.c.id
    )
    if states:
        query = query.where(table.c.state.in_(list(states)))
    if channel is not None:
        query = query.where(table.c.channel == channel)
    if agent is not None:
        query = query.where(table.c.agent == agent)
    return [_line(row) for row in connection.execute(query.limit(limit))]


def _lines() -> sa.Select[Any]:
    """Select tickets with the names of their customers."""
    return sa.select(s.tickets, s.customers.c.name.label("customer")).outerjoin(
        s.customers, s.customers.c.id == s.tickets.c.customer_id
    )


def _line(row: Any) -> TicketLine:
    """Turn a row into a line."""
    return TicketLine(
        id=row.id,
        state=TicketState(row.state),
        channel=row.channel,
        kind=Kind(row.kind),
        customer=row.customer,
        subject=row.subject,
        topic=row.topic,
        priority=row.priority,
        team=row.team,
        agent=row.agent,
        opened_at=row.opened_at,
        waiting_since=row.waiting_since,
        due_at=row.due_at,
        late=row.late,
        reason=row.reason,
    )


def ticket(connection: sa.Connection, ticket_id: int) -> Ticket | None:
    """Return one ticket whole, None if there is none."""
    row = connection.execute(_lines().where(s.tickets.c.id == ticket_id)).first()
    if row is None:
        return None
    thread = connection.execute(
        sa.select(s.threads).where(
            s.threads.c.channel == row.channel, s.threads.c.external_id == row.thread
        )
    ).first()
    rows = _messages(connection, row)
    labels = connection.execute(
        sa.select(s.labels).where(s.labels.c.message_id.in_([one.id for one in rows]))
    )
    return Ticket(
        line=_line(row),
        thread=row.thread,
        thread_text=thread.text if thread else None,
        thread_url=thread.url if thread else None,
        assigned_because=row.assigned_because,
        first_response_at=row.first_response_at,
        messages=_message_lines(connection, rows),
        actions=_actions(connection, ticket_id),
        outbox=tuple(outbox(connection, ticket=ticket_id)),
        labels=dict(
            best_labels((one.name, one.value, one.confidence, one.source) for one in labels)
        ),
    )


def _messages(connection: sa.Connection, ticket_row: Any) -> list[Any]:
    """Read the customer's messages and ours that answer them, in network time."""
    table = s.messages
    theirs = sa.select(table.c.external_id).where(table.c.ticket_id == ticket_row.id)
    sent = (
        sa.select(s.receipts.c.external_id)
        .join(s.outbox_parts, s.outbox_parts.c.id == s.receipts.c.part_id)
        .join(s.outbox, s.outbox.c.id == s.outbox_parts.c.outbox_id)
        .where(s.outbox.c.ticket_id == ticket_row.id)
    )
    answers = sa.and_(
        table.c.own == sa.true(),
        sa.or_(table.c.parent.in_(theirs), table.c.external_id.in_(sent)),
    )
    if ticket_row.kind == Kind.DIRECT_MESSAGE:
        answers = sa.and_(table.c.own == sa.true(), table.c.thread == ticket_row.thread)
    query = (
        sa.select(table)
        .where(
            table.c.channel == ticket_row.channel,
            sa.or_(table.c.ticket_id == ticket_row.id, answers),
        )
        .order_by(table.c.sent_at, table.c.id)
    )
    return list(connection.execute(query).all())


def _message_lines(connection: sa.Connection, rows: Sequence[Any]) -> tuple[MessageLine, ...]:
    """Turn message rows into lines, with their attachments."""
    table = s.attachments
    found: dict[int, list[AttachmentLine]] = {}
    query = sa.select(table).where(table.c.message_id.in_([row.id for row in rows]))
    for one in connection.execute(query.order_by(table.c.id)):
        found.setdefault(one.message_id, []).append(
            AttachmentLine(
                kind=one.kind,
                state=one.state,
                url=one.url,
                path=one.path,
                name=one.name,
                text=one.text,
                error=one.error,
            )
        )
    return tuple(
        MessageLine(
            id=row.external_id,
            kind=Kind(row.kind),
            own=row.own,
            native=row.native,
            author=row.author,
            text=row.text,
            sent_at=row.sent_at,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
            hidden=row.hidden,
            delivered_at=row.delivered_at,
            read_at=row.read_at,
            url=row.url,
            no_reply=row.no_reply,
            reply_until=row.reply_until,
            rating=row.rating,
            payload=row.payload,
            attachments=tuple(found.get(row.id, ())),
        )
        for row in rows
    )


def _actions(connection: sa.Connection, ticket_id: int) -> tuple[ActionLine, ...]:
    """Read what was done to a ticket."""
    table = s.actions
    query = sa.select(table).where(table.c.ticket_id == ticket_id).order_by(table.c.at, table.c.id)
    return tuple(
        ActionLine(kind=row.kind, by=row.by, at=row.at, data=row.data)
        for row in connection.execute(query)
    )


def outbox(
    connection: sa.Connection,
    *,
    states: Sequence[OutboxState] = (),
    ticket: int | None = None,
    outbox_id: int | None = None,
    limit: int = 200,
) -> list[OutboxLine]:
    """List outgoing actions, newest first."""
    box, part = s.outbox, s.outbox_parts
    query = sa.select(box).order_by(box.c.id.desc()).limit(limit)
    if states:
        query = query.where(box.c.state.in_(list(states)))
    if ticket is not None:
        query = query.where(box.c.ticket_id == ticket)
    if outbox_id is not None:
        query = query.where(box.c.id == outbox_id)
    rows = connection.execute(query).all()
    parts: dict[int, list[Any]] = {}
    for one in connection.execute(
        sa.select(part).where(part.c.outbox_id.in_([row.id for row in rows])).order_by(part.c.idx)
    ):
        parts.setdefault(one.outbox_id, []).append(one)
    ids: dict[int, list[str]] = {}
    for one in connection.execute(
        sa.select(part.c.outbox_id, s.receipts.c.external_id)
        .join(part, part.c.id == s.receipts.c.part_id)
        .where(part.c.outbox_id.in_([row.id for row in rows]))
        .order_by(part.c.idx)
    ):
        ids.setdefault(one.outbox_id, []).append(one.external_id)
    return [_outbox_line(row, parts.get(row.id, []), ids.get(row.id, [])) for row in rows]


def _outbox_line(row: Any, parts: Sequence[Any], ids: Sequence[str]) -> OutboxLine:
    """Turn an action and its parts into a line."""
    return OutboxLine(
        id=row.id,
        ticket=row.ticket_id,
        channel=row.channel,
        action=row.action,
        state=OutboxState(row.state),
        text=row.text,
        details=row.details or {},
        files=tuple(file["path"] or file["url"] for one in parts for file in one.attachments),
        by=row.by,
        approved_by=row.approved_by,
        automatic=row.automatic,
        created_at=row.created_at,
        parts=len(parts),
        sent=sum(one.state == OutboxState.SENT for one in parts),
        attempts=sum(one.attempts for one in parts),
        error=next((one.error for one in parts if one.error), None),
        for_person=any(one.for_person for one in parts),
        ids=tuple(ids),
    )
