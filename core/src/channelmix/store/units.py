"""What bears on a customer's requests in a thread: read from the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from channelmix.projection import Answer, Close, Folded
from channelmix.records import Kind, OutboxState
from channelmix.store import items, locks
from channelmix.store import schema as s
from channelmix.store.dialect import among, fetch
from channelmix.store.items import Item
from channelmix.store.types import clean

Unit = tuple[str, str, str]
"""Whose requests are judged together: channel, thread, person."""
NOT_SAID = (OutboxState.FAILED, OutboxState.CANCELLED)


@frozen(kw_only=True)
class Inputs:
    """All the inputs of one unit."""

    messages: list[Any] = field(factory=list)
    answers: list[Answer] = field(factory=list)
    closes: list[Close] = field(factory=list)
    tickets: dict[int, Any] = field(factory=dict)
    actions: list[Any] = field(factory=list)
    labels: list[tuple[int, str, str, float, str]] = field(factory=list)


def concerned(connection: sa.Connection, folded: Mapping[Item, Folded]) -> set[Unit]:
    """Return the units that items belong to, before they are written, and did belong to.

    Our own belong to whom they answer. The caller holds the items' locks.
    """
    units = _so_far(connection, folded)
    parents: set[Item] = set()
    for (channel, _), one in folded.items():
        message = one.message
        if message is None:
            continue
        thread = clean(message.thread)
        if not message.own:
            units.add((channel, thread, items.person_of(message)))
        elif message.kind is Kind.DIRECT_MESSAGE:
            units |= _in_thread(connection, channel, thread)
        elif message.parent is not None:
            parents.add((channel, clean(message.parent)))
    return units | _so_far(connection, parents)


_UNITS = sa.select(s.messages.c.channel, s.messages.c.thread, s.messages.c.person).where(
    among("items", s.messages.c.channel, s.messages.c.external_id),
    s.messages.c.own == sa.false(),
)


def _so_far(connection: sa.Connection, of: Collection[Item]) -> set[Unit]:
    """Return the units of customers' messages as they are written."""
    if not of:
        return set()
    rows = fetch(connection, _UNITS, {"items": sorted(of)})
    return {(channel, thread, person) for channel, thread, person in rows}


def hold(connection: sa.Connection, units: Collection[Unit]) -> None:
    """Let nobody else judge these units, or add to them, until the transaction ends.

    By their people: whoever turns up in two threads at the same moment is one customer.
    """
    locks.hold(connection, (("person", channel, person) for channel, _, person in units))


def _in_thread(connection: sa.Connection, channel: str, thread: str) -> set[Unit]:
    """Return the units of a thread."""
    table = s.messages
    query = (
        sa.select(table.c.person)
        .where(table.c.channel == channel, table.c.thread == thread, table.c.own == sa.false())
        .distinct()
    )
    return {(channel, thread, person) for person in connection.execute(query).scalars()}


def _of(table: sa.Table, *names: str) -> sa.Select[Any]:
    """Make the query for columns of those rows of a table that belong to some units."""
    unit = [table.c[name] for name in ("channel", "thread", "person")]
    return sa.select(*unit, *(table.c[name] for name in names)).where(among("units", *unit))


_MESSAGES = _of(
    s.messages,
    "id",
    "external_id",
    "kind",
    "text",
    "sent_at",
    "arrived_at",
    "deleted_at",
    "reply_until",
    "opens_window",
    "ticket_id",
).where(s.messages.c.own == sa.false())
_GIVEN = {"channel", "thread", "person", "customer_id", "late", "changed_at"}
"""What is asked for anyway of a ticket, and what judging it does not need."""
_TICKETS = _of(s.tickets, *(one.name for one in s.tickets.c if one.name not in _GIVEN))


def load(connection: sa.Connection, units: Sequence[Unit]) -> dict[Unit, Inputs]:
    """Read all the inputs of `units`."""
    loaded = {unit: Inputs() for unit in units}
    by_message: dict[tuple[str, str], Unit] = {}
    by_row: dict[int, Unit] = {}
    by_ticket: dict[int, Unit] = {}
    for row in fetch(connection, _MESSAGES, {"units": units}):
        unit = (row.channel, row.thread, row.person)
        loaded[unit].messages.append(row)
        by_message[row.channel, row.external_id] = unit
        by_row[row.id] = unit
    for row in fetch(connection, _TICKETS, {"units": units}):
        unit = (row.channel, row.thread, row.person)
        loaded[unit].tickets[row.episode] = row
        by_ticket[row.id] = unit
    _load_labels(connection, by_row, loaded)
    _load_actions(connection, by_ticket, loaded)
    _load_native(connection, by_message, loaded)
    return loaded


_LABELS = sa.select(
    *(s.labels.c[name] for name in ("message_id", "name", "value", "confidence", "source"))
).where(among("ids", s.labels.c.message_id))


def _load_labels(
    connection: sa.Connection, by_row: Mapping[int, Unit], loaded: Mapping[Unit, Inputs]
) -> None:
    """Read what classifiers and people said."""
    if by_row:
        for row in fetch(connection, _LABELS, {"ids": list(by_row)}):
            loaded[by_row[row.message_id]].labels.append(tuple(row))


_ACTIONS = (
    sa.select(
        *(s.actions.c[name] for name in ("ticket_id", "kind", "at", "covers", "data")),
        s.outbox.c.state.label("outbox_state"),
    )
    .outerjoin(s.outbox, s.outbox.c.id == s.actions.c.outbox_id)
    .where(among("ids", s.actions.c.ticket_id))
    .order_by(s.actions.c.at, s.actions.c.id)
)


def _load_actions(
    connection: sa.Connection, by_ticket: Mapping[int, Unit], loaded: Mapping[Unit, Inputs]
) -> None:
    """Read what we did; replies count as answers while they may have been said."""
    if not by_ticket:
        return
    for row in fetch(connection, _ACTIONS, {"ids": list(by_ticket)}):
        unit = loaded[by_ticket[row.ticket_id]]
        covers = frozenset(row.covers)
        if row.kind == "reply" and row.outbox_state not in NOT_SAID:
            sent = row.outbox_state == OutboxState.SENT
            unit.answers.append(Answer(at=row.at, covers=covers, delivered=sent))
        elif row.kind in {"close", "reopen"}:
            unit.closes.append(Close(at=row.at, covers=covers, reopen=row.kind == "reopen"))
        unit.actions.append(row)


_OURS = (
    sa.select(*(s.messages.c[name] for name in ("channel", "thread", "parent", "sent_at")))
    .outerjoin(
        s.receipts,
        sa.and_(
            s.receipts.c.channel == s.messages.c.channel,
            s.receipts.c.external_id == s.messages.c.external_id,
        ),
    )
    .where(s.messages.c.own == sa.true(), s.receipts.c.part_id.is_(None))
)
_OUR_ANSWERS = _OURS.where(among("items", s.messages.c.channel, s.messages.c.parent))
_OUR_TALK = _OURS.where(
    among("talks", s.messages.c.channel, s.messages.c.thread),
    s.messages.c.kind == Kind.DIRECT_MESSAGE,
)


def _load_native(
    connection: sa.Connection,
    by_message: Mapping[tuple[str, str], Unit],
    loaded: Mapping[Unit, Inputs],
) -> None:
    """Read our messages that did not come through the outbox: typed at the network."""
    if by_message:
        for row in fetch(connection, _OUR_ANSWERS, {"items": list(by_message)}):
            loaded[by_message[row.channel, row.parent]].answers.append(Answer(at=row.sent_at))
    talks: dict[tuple[str, str], set[Unit]] = defaultdict(set)
    for unit, one in loaded.items():
        for row in one.messages:
            if row.kind == Kind.DIRECT_MESSAGE:
                talks[row.channel, row.thread].add(unit)
    if talks:
        for row in fetch(connection, _OUR_TALK, {"talks": list(talks)}):
            for unit in talks[row.channel, row.thread]:
                loaded[unit].answers.append(Answer(at=row.sent_at))
