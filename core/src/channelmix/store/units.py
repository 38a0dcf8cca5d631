"""What bears on a customer's requests in a thread: read from the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from channelmix.projection import Answer, Close, Folded
from channelmix.records import Kind, OutboxState
from channelmix.store import items, locks
from channelmix.store import schema as s
from channelmix.store.dialect import among, chunks
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


def _so_far(connection: sa.Connection, of: Collection[Item]) -> set[Unit]:
    """Return the units of customers' messages as they are written."""
    table = s.messages
    units: set[Unit] = set()
    for part in chunks(sorted(of)):
        query = sa.select(table.c.channel, table.c.thread, table.c.person).where(
            among(connection, (table.c.channel, table.c.external_id), part),
            table.c.own == sa.false(),
        )
        units.update((row[0], row[1], row[2]) for row in connection.execute(query))
    return units


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


def load(connection: sa.Connection, units: Sequence[Unit]) -> dict[Unit, Inputs]:
    """Read all the inputs of `units`."""
    loaded = {unit: Inputs() for unit in units}
    by_message: dict[tuple[str, str], Unit] = {}
    by_row: dict[int, Unit] = {}
    by_ticket: dict[int, Unit] = {}
    for row in _rows(connection, s.messages, units):
        unit = (row.channel, row.thread, row.person)
        if row.own:
            continue
        loaded[unit].messages.append(row)
        by_message[row.channel, row.external_id] = unit
        by_row[row.id] = unit
    for row in _rows(connection, s.tickets, units):
        unit = (row.channel, row.thread, row.person)
        loaded[unit].tickets[row.episode] = row
        by_ticket[row.id] = unit
    _load_labels(connection, by_row, loaded)
    _load_actions(connection, by_ticket, loaded)
    _load_native(connection, by_message, loaded)
    return loaded


def _rows(connection: sa.Connection, table: sa.Table, units: Sequence[Unit]) -> Iterable[Any]:
    """Read the rows of `units` in a table that has their columns."""
    for part in chunks(units):
        key = among(connection, (table.c.channel, table.c.thread, table.c.person), part)
        yield from connection.execute(sa.select(table).where(key))


def _load_labels(
    connection: sa.Connection, by_row: Mapping[int, Unit], loaded: Mapping[Unit, Inputs]
) -> None:
    """Read what classifiers and people said."""
    table = s.labels
    for part in chunks(by_row):
        for row in connection.execute(sa.select(table).where(table.c.message_id.in_(part))):
            loaded[by_row[row.message_id]].labels.append(
                (row.message_id, row.name, row.value, row.confidence, row.source)
            )


def _load_actions(
    connection: sa.Connection, by_ticket: Mapping[int, Unit], loaded: Mapping[Unit, Inputs]
) -> None:
    """Read what we did; replies count as answers while they may have been said."""
    table, box = s.actions, s.outbox
    for part in chunks(by_ticket):
        query = (
            sa.select(table, box.c.state.label("outbox_state"))
            .outerjoin(box, box.c.id == table.c.outbox_id)
            .where(table.c.ticket_id.in_(part))
            .order_by(table.c.at, table.c.id)
        )
        for row in connection.execute(query):
            unit = loaded[by_ticket[row.ticket_id]]
            covers = frozenset(row.covers)
            if row.kind == "reply" and row.outbox_state not in NOT_SAID:
                sent = row.outbox_state == OutboxState.SENT
                unit.answers.append(Answer(at=row.at, covers=covers, delivered=sent))
            elif row.kind in {"close", "reopen"}:
                unit.closes.append(Close(at=row.at, covers=covers, reopen=row.kind == "reopen"))
            unit.actions.append(row)


def _load_native(
    connection: sa.Connection,
    by_message: Mapping[tuple[str, str], Unit],
    loaded: Mapping[Unit, Inputs],
) -> None:
    """Read our messages that did not come through the outbox: typed at the network."""
    table, receipts = s.messages, s.receipts
    ours = (
        sa.select(table.c.channel, table.c.thread, table.c.parent, table.c.sent_at)
        .outerjoin(
            receipts,
            sa.and_(
                receipts.c.channel == table.c.channel,
                receipts.c.external_id == table.c.external_id,
            ),
        )
        .where(table.c.own == sa.true(), receipts.c.part_id.is_(None))
    )
    for part in chunks(sorted(by_message)):
        query = ours.where(among(connection, (table.c.channel, table.c.parent), part))
        for row in connection.execute(query):
            loaded[by_message[row.channel, row.parent]].answers.append(Answer(at=row.sent_at))
    talks: dict[tuple[str, str], set[Unit]] = defaultdict(set)
    for unit, one in loaded.items():
        for row in one.messages:
            if row.kind == Kind.DIRECT_MESSAGE:
                talks[row.channel, row.thread].add(unit)
    for part in chunks(sorted(talks)):
        query = ours.where(
            among(connection, (table.c.channel, table.c.thread), part),
            table.c.kind == Kind.DIRECT_MESSAGE,
        )
        for row in connection.execute(query):
            for unit in talks[row.channel, row.thread]:
                loaded[unit].answers.append(Answer(at=row.sent_at))
