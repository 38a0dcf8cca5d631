"""The outbox: a reply is a row before it is a request, and it goes out at most once.

What became of what went out is in `outcomes`. Every change of state is a compare and set on the
state it expects, so that two workers, or a worker and a person, cannot both believe that they
made it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from attrs import field, frozen

from channelmix.records import Action, Attachment, Message, OutboxState, Outgoing
from channelmix.store import items
from channelmix.store import schema as s
from channelmix.store.dialect import add, among, fetch, numbers, run
from channelmix.store.types import Time

HOLDING_UP = (
    OutboxState.UNCERTAIN,
    OutboxState.FAILED,
    OutboxState.SENDING,
    OutboxState.HELD,
    OutboxState.QUEUED,
    OutboxState.CANCELLED,
)
"""The states of parts, by how much they hold up their action."""


@frozen(kw_only=True)
class Part:
    """One call of an action, as it will be made."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()


@frozen(kw_only=True)
class Accepted:
    """An action accepted for sending, or held until somebody approves it."""

    channel: str
    action: Action
    by: str
    parts: Sequence[Part]
    details: Mapping[str, str] = field(factory=dict)
    held: bool = False
    automatic: bool = False
    ticket: int | None = None
    target: str | None = None
    own_id: str | None = None
    window_opened_at: datetime | None = None

    @property
    def text(self) -> str:
        """All that it says."""
        return "\n".join(part.text for part in self.parts if part.text)

    @property
    def files(self) -> list[str | None]:
        """What it carries, as `files` reads it from its row."""
        return [each.path or each.url for part in self.parts for each in part.attachments]

    @property
    def state(self) -> OutboxState:
        """Where it starts."""
        return OutboxState.HELD if self.held else OutboxState.QUEUED


@frozen(kw_only=True)
class Claimed:
    """A part that this worker may send, or look for."""

    part: int
    outbox: int
    ticket: int | None
    attempts: int
    looks: int
    last_sent_at: datetime | None
    outgoing: Outgoing


def accept(connection: sa.Connection, accepted: Sequence[Accepted], now: datetime) -> list[int]:
    """Write actions and their parts; return their ids."""
    if not accepted:
        return []
    made = list(numbers(connection, s.outbox, len(accepted)))
    boxes = [
        {
            "id": box,
            "ticket_id": one.ticket,
            "channel": one.channel,
            "action": one.action,
            "target": one.target,
            "own_id": one.own_id,
            "text": one.text,
            "details": dict(one.details) or None,
            "by": one.by,
            "automatic": one.automatic,
            "window_opened_at": one.window_opened_at,
            "created_at": now,
            "state": one.state,
        }
        for box, one in zip(made, accepted, strict=True)
    ]
    add(connection, s.outbox, boxes)
    parts = [
        {
            "outbox_id": box,
            "channel": one.channel,
            "idx": index,
            "token": secrets.token_hex(12),
            "text": part.text,
            "attachments": msgspec.to_builtins(part.attachments),
            "state": one.state,
            "next_at": now,
        }
        for box, one in zip(made, accepted, strict=True)
        for index, part in enumerate(one.parts)
    ]
    add(connection, s.outbox_parts, parts)
    return made


def files(connection: sa.Connection, outbox_id: int) -> list[str | None]:
    """Return what an action carries, in its order: by path, which names the content, or address."""
    table = s.outbox_parts
    query = sa.select(table.c.attachments).where(table.c.outbox_id == outbox_id)
    rows = connection.execute(query.order_by(table.c.idx)).scalars()
    return [one["path"] or one["url"] for row in rows for one in row]


_CONCERNED = (
    sa.select(s.outbox.c.ticket_id)
    .join(s.outbox_parts, s.outbox_parts.c.outbox_id == s.outbox.c.id)
    .where(among("ids", s.outbox_parts.c.id), s.outbox.c.ticket_id.is_not(None))
)


def tickets_with(connection: sa.Connection, parts: Collection[int]) -> set[int]:
    """Return the tickets that parts of actions are about."""
    rows = fetch(connection, _CONCERNED, {"ids": sorted(parts)})
    return {row.ticket_id for row in rows}


def ticket_of(connection: sa.Connection, outbox_id: int) -> set[int]:
    """Return the ticket that an action is about, if there is one."""
    query = sa.select(s.outbox.c.ticket_id).where(
        s.outbox.c.id == outbox_id, s.outbox.c.ticket_id.is_not(None)
    )
    return set(connection.execute(query).scalars())


def answered_by_machine(connection: sa.Connection, ticket: int) -> bool:
    """Say whether any ticket of the same thread was answered automatically before."""
    here, there = s.tickets.alias("here"), s.tickets.alias("there")
    query: sa.Select[Any] = (
        sa.select(s.outbox.c.id)
        .join(there, there.c.id == s.outbox.c.ticket_id)
        .join(here, sa.and_(here.c.channel == there.c.channel, here.c.thread == there.c.thread))
        .where(here.c.id == ticket, s.outbox.c.automatic)
        .limit(1)
    )
    return connection.execute(query).first() is not None


# --- sending --------------------------------------------------------------------------------

_part, _box = s.outbox_parts, s.outbox
_OF_PART = (
    *("id", "outbox_id", "channel", "idx", "token", "text", "attachments"),
    *("attempts", "looks", "first_sent_at", "last_sent_at"),
)
_OF_BOX = ("ticket_id", "action", "target", "own_id", "details", "automatic", "window_opened_at")
_WHOLE = sa.select(*(_part.c[name] for name in _OF_PART), *(_box.c[name] for name in _OF_BOX)).join(
    _box, _box.c.id == _part.c.outbox_id
)
"""Parts as the plugin gets them."""


def _first_come() -> sa.ColumnElement[bool]:
    """Say that nothing which has to go out before a part still waits."""
    before, earlier = _part.alias("before"), _box.alias("earlier")
    follows = sa.exists().where(
        before.c.outbox_id == _part.c.outbox_id,
        before.c.idx < _part.c.idx,
        before.c.state != OutboxState.SENT,
    )
    overtakes = sa.exists().where(
        earlier.c.ticket_id == _box.c.ticket_id,
        earlier.c.id < _box.c.id,
        earlier.c.state.in_([OutboxState.QUEUED, OutboxState.SENDING]),
    )
    return sa.and_(~follows, ~overtakes)


def _due(state: OutboxState, *also: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Select parts of a channel that are in a state and due; nobody else gets them meanwhile.

    In the order of the index: of those that wait for others, no more are looked at than needed.
    """
    return (
        _WHOLE.where(
            _part.c.channel == sa.bindparam("channel"),
            _part.c.state == state,
            _part.c.next_at <= sa.bindparam("now"),
            *also,
        )
        .order_by(_part.c.next_at, _part.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .with_for_update(of=_part, skip_locked=True)
    )


_QUEUED = _due(OutboxState.QUEUED, _first_come())
_TAKE = (
    _part.update()
    .where(among("ids", _part.c.id))
    .values(
        state=OutboxState.SENDING,
        owner=sa.bindparam("sender"),
        lease_until=sa.bindparam("until", type_=Time),
        first_sent_at=sa.func.coalesce(_part.c.first_sent_at, sa.bindparam("now", type_=Time)),
        last_sent_at=sa.bindparam("now", type_=Time),
        attempts=_part.c.attempts + 1,
        error=None,
    )
)
# What is sent of an action is its first part that has not arrived: none holds it up more.
_SENDING = _box.update().where(among("ids", _box.c.id)).values(state=OutboxState.SENDING)


def claim(
    connection: sa.Connection,
    *,
    channel: str,
    owner: str,
    now: datetime,
    hold: timedelta,
    limit: int,
) -> list[Claimed]:
    """Take queued parts to be sent now, those first that are due first; a ticket's in order."""
    rows = fetch(connection, _QUEUED, {"now": now, "channel": channel, "limit": limit})
    if not rows:
        return []
    taken = {"ids": [row.id for row in rows], "sender": owner, "until": now + hold, "now": now}
    run(connection, _TAKE, taken)
    run(connection, _SENDING, {"ids": [row.outbox_id for row in rows]})
    targets = _targets(connection, rows)
    return [
        _claimed(row, targets, taken_at=now, previous=_previous(connection, row)) for row in rows
    ]


_UNCERTAIN = _due(OutboxState.UNCERTAIN, _part.c.for_person == sa.false())
_LOOK = (
    _part.update().where(among("ids", _part.c.id)).values(next_at=sa.bindparam("until", type_=Time))
)


def claim_uncertain(
    connection: sa.Connection,
    *,
    channel: str,
    now: datetime,
    hold: timedelta,
    limit: int,
) -> list[Claimed]:
    """Take uncertain parts to be looked for now; nobody else looks for them during `hold`."""
    rows = fetch(connection, _UNCERTAIN, {"now": now, "channel": channel, "limit": limit})
    if not rows:
        return []
    run(connection, _LOOK, {"ids": [row.id for row in rows], "until": now + hold})
    targets = _targets(connection, rows)
    return [
        _claimed(
            row,
            targets,
            others=_others(connection, channel, row.first_sent_at),
            previous=_previous(connection, row),
        )
        for row in rows
    ]


def _claimed(
    row: Any,
    targets: Mapping[items.Item, Message],
    *,
    taken_at: datetime | None = None,
    others: Collection[str] = (),
    previous: str | None = None,
) -> Claimed:
    """Make of a row what the plugin gets; `taken_at`: when it was taken to be sent."""
    return Claimed(
        part=row.id,
        outbox=row.outbox_id,
        ticket=row.ticket_id,
        attempts=row.attempts if taken_at is None else row.attempts + 1,
        looks=row.looks,
        last_sent_at=taken_at or row.last_sent_at,
        outgoing=Outgoing(
            token=row.token,
            channel=row.channel,
            action=Action(row.action),
            target=targets.get((row.channel, row.target)),
            own_id=row.own_id,
            previous=previous,
            text=row.text,
            attachments=tuple(msgspec.convert(row.attachments, list[Attachment])),
            automatic=row.automatic,
            window_opened_at=row.window_opened_at,
            details=row.details or {},
            first_sent_at=row.first_sent_at or taken_at,
            taken=frozenset(others),
        ),
    )


def _previous(connection: sa.Connection, row: Any) -> str | None:
    """Return the external id of the part before, None for a first part."""
    if not row.idx:
        return None
    receipt = s.receipts
    query = (
        sa.select(receipt.c.external_id)
        .join(_part, _part.c.id == receipt.c.part_id)
        .where(_part.c.outbox_id == row.outbox_id, _part.c.idx == row.idx - 1)
        .order_by(receipt.c.external_id)
    )
    return connection.execute(query).scalar()


def _targets(connection: sa.Connection, rows: Sequence[Any]) -> dict[items.Item, Message]:
    """Return the messages that parts are about, as they stand now."""
    return targets(connection, {(row.channel, row.target) for row in rows if row.target})


def targets(connection: sa.Connection, wanted: Collection[items.Item]) -> dict[items.Item, Message]:
    """Return messages as they stand now, those that are known."""
    folded = items.fold_items(connection, wanted)
    return {item: one.message for item, one in folded.items() if one.message is not None}


_OTHERS = sa.select(s.receipts.c.external_id).where(s.receipts.c.channel == sa.bindparam("channel"))


def _others(connection: sa.Connection, channel: str, since: datetime | None) -> frozenset[str]:
    """Return the external ids that belong to other parts, as far back as it matters."""
    query = _OTHERS
    if since is not None:
        query = query.where(s.receipts.c.at >= since - timedelta(days=1))
    return frozenset(connection.execute(query, {"channel": channel}).scalars())


# --- the state of an action -----------------------------------------------------------------

_LOCK_BOXES = (
    sa.select(_box.c.id).where(among("ids", _box.c.id)).order_by(_box.c.id).with_for_update()
)


def _summed() -> sa.ColumnElement[str]:
    """Give the state of that part of an action which holds it up most, or `sent`."""
    ranks = {state.value: rank for rank, state in enumerate(HOLDING_UP)}
    worst = (
        sa.select(sa.func.min(sa.case(ranks, value=_part.c.state, else_=len(ranks))))
        .where(_part.c.outbox_id == _box.c.id)
        .scalar_subquery()
    )
    states = {rank: state for state, rank in ranks.items()}
    return sa.case(states, value=worst, else_=OutboxState.SENT.value)


_SUM_UP = (
    _box.update()
    .where(among("ids", _box.c.id))
    .values(state=_summed())
    .returning(_box.c.id, _box.c.state, _box.c.channel, _box.c.ticket_id, _box.c.by)
)


def sum_up(connection: sa.Connection, boxes: Collection[int]) -> Sequence[Any]:
    """Write the state of actions: that of the part which holds them up, or `sent`.

    Returns their rows: id, state, channel, ticket_id, by.
    """
    wanted = {"ids": sorted(boxes)}
    if connection.dialect.name != "sqlite":  # what others change is seen, or waits
        connection.execute(_LOCK_BOXES, wanted)
    return fetch(connection, _SUM_UP, wanted)
