"""What became of what went out: by the network's answer, by an echo, by looking, by a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.records import Action, OutboxState
from channelmix.store import schema as s
from channelmix.store.dialect import among, fetch, first, inserting, lock, run
from channelmix.store.feed import Fresh
from channelmix.store.outbox import Claimed, sum_up
from channelmix.store.types import Time

_part, _box = s.outbox_parts, s.outbox


@frozen(kw_only=True)
class Arrived:
    """A part that is on the network, under these external ids."""

    part: int
    channel: str
    ids: Collection[str]


# --- arrived --------------------------------------------------------------------------------


def answered(connection: sa.Connection, arrived: Sequence[Arrived], now: datetime) -> list[Fresh]:
    """Record what the network took, by its own answers: they stand above every match."""
    _receive(connection, arrived, "answer", now)
    return _arrived(connection, arrived, "answer", now)


def sent(
    connection: sa.Connection, part: int, ids: Collection[str], *, how: str, now: datetime
) -> list[Fresh]:
    """Record that a part was found to have arrived. False ids (of another part) are refused."""
    one = Arrived(part=part, channel=part_of(connection, part).channel, ids=ids)
    _receive(connection, [one], how, now)
    if any(owner_of(connection, one.channel, external) != part for external in ids):
        return []
    return _arrived(connection, [one], how, now)


_RECEIVE = inserting(lambda insert: insert(s.receipts).on_conflict_do_nothing())


def _receive(
    connection: sa.Connection, arrived: Sequence[Arrived], how: str, now: datetime
) -> None:
    """Write which external ids belong to which part; the first one keeps it."""
    rows = [
        {
            "channel": one.channel,
            "external_id": external,
            "part_id": one.part,
            "at": now,
            "how": how,
        }
        for one in arrived
        for external in one.ids
    ]
    if rows:
        run(connection, _RECEIVE[connection.dialect.name], rows)


# In whatever state: a late answer or echo may find the part queued again, or given up.
_ARRIVE = (
    _part.update()
    .where(among("ids", _part.c.id), _part.c.state != OutboxState.SENT)
    .values(
        state=OutboxState.SENT,
        sent_at=sa.bindparam("now", type_=Time),
        error=None,
        owner=None,
        for_person=False,
    )
    .returning(_part.c.id, _part.c.outbox_id)
)
_OURS = (
    s.messages.update()
    .where(
        among("items", s.messages.c.channel, s.messages.c.external_id),
        s.messages.c.native == sa.true(),
    )
    .values(native=False)
)


def _arrived(
    connection: sa.Connection, arrived: Sequence[Arrived], how: str, now: datetime
) -> list[Fresh]:
    """Change the state of parts that arrived, and tell which actions are complete by it."""
    moved = fetch(connection, _ARRIVE, {"ids": [one.part for one in arrived], "now": now})
    boxes = {row.id: row.outbox_id for row in moved}
    done = {boxes[one.part]: one for one in arrived if one.part in boxes}
    if not done:
        return []
    items = {(one.channel, external) for one in done.values() for external in one.ids}
    run(connection, _OURS, {"items": sorted(items)})
    return [
        Fresh(
            kind="replied",
            channel=row.channel,
            ticket=row.ticket_id,
            data={"outbox": row.id, "ids": sorted(done[row.id].ids), "how": how},
        )
        for row in sum_up(connection, done)
        if row.state == OutboxState.SENT
    ]


# --- or not, or nobody knows ----------------------------------------------------------------


def postponed(
    connection: sa.Connection, claimed: Claimed, *, until: datetime, why: str, attempt: bool = True
) -> list[Fresh]:
    """Put a part that was surely not carried out back into the queue."""
    more: dict[str, Any] = {} if attempt else {"attempts": _part.c.attempts - 1}
    _move(
        connection,
        claimed.part,
        [OutboxState.SENDING],
        OutboxState.QUEUED,
        claimed_at=claimed.last_sent_at,
        next_at=until,
        error=why,
        owner=None,
        **more,
    )
    sum_up(connection, [claimed.outbox])
    return []


def failed(connection: sa.Connection, claimed: Claimed, *, why: str) -> list[Fresh]:
    """Record that the network refuses a part for good; what would follow it is cancelled."""
    if not _move(
        connection,
        claimed.part,
        [OutboxState.SENDING],
        OutboxState.FAILED,
        claimed_at=claimed.last_sent_at,
        error=why,
        owner=None,
    ):
        return []
    _cancel_waiting(connection, claimed.outbox)
    return [_told("reply_failed", row, why) for row in sum_up(connection, [claimed.outbox])]


def uncertain(
    connection: sa.Connection,
    part: int,
    *,
    look_at: datetime,
    why: str,
    claimed_at: datetime | None = None,
) -> list[Fresh]:
    """Record that a part may have been carried out; by its sender, if it still is the one."""
    if not _move(
        connection,
        part,
        [OutboxState.SENDING],
        OutboxState.UNCERTAIN,
        claimed_at=claimed_at,
        next_at=look_at,
        error=why,
        owner=None,
    ):
        return []
    box = part_of(connection, part).outbox_id
    return [_told("reply_uncertain", row, why) for row in sum_up(connection, [box])]


def _told(kind: str, box: Any, why: str) -> Fresh:
    """Say what happened to an action."""
    data = {"outbox": box.id, "why": why}
    return Fresh(kind=kind, channel=box.channel, ticket=box.ticket_id, data=data)


def looked(
    connection: sa.Connection, part: int, *, next_at: datetime, why: str, give_up: bool
) -> list[Fresh]:
    """Record that looking did not tell; after a while it is for a person to say."""
    connection.execute(
        _part.update()
        .where(_part.c.id == part, _part.c.state == OutboxState.UNCERTAIN)
        .values(next_at=next_at, error=why, looks=_part.c.looks + 1, for_person=give_up)
    )
    return []


def absent(connection: sa.Connection, part: int, next_at: datetime) -> list[Fresh]:
    """Queue again a part that is surely not on the network."""
    _move(
        connection,
        part,
        [OutboxState.UNCERTAIN],
        OutboxState.QUEUED,
        next_at=next_at,
        for_person=False,
        looks=_part.c.looks + 1,
        error="not found on the network: sending again",
    )
    sum_up(connection, [part_of(connection, part).outbox_id])
    return []


# --- whose sender is gone -------------------------------------------------------------------

_HERE = _part.c.channel == sa.bindparam("channel")
_ORPHANS = (
    sa.select(_part.c.id)
    .where(
        _HERE,
        _part.c.state == OutboxState.SENDING,
        _part.c.lease_until < sa.bindparam("now"),
    )
    .order_by(_part.c.id)
)


_IN_DOUBT = (
    sa.select(_part.c.id)
    .where(  # the channel twice, so that each alternative is found by the whole index
        sa.or_(
            sa.and_(
                _HERE,
                _part.c.state == OutboxState.SENDING,
                _part.c.lease_until < sa.bindparam("now"),
            ),
            sa.and_(
                _HERE,
                _part.c.state == OutboxState.UNCERTAIN,
                _part.c.next_at <= sa.bindparam("now"),
                _part.c.for_person == sa.false(),
            ),
        )
    )
    .limit(1)
)


def in_doubt(connection: sa.Connection, channel: str, now: datetime) -> bool:
    """Say whether a part of a channel is to be looked for now."""
    return bool(fetch(connection, _IN_DOUBT, {"now": now, "channel": channel}))


def orphans(
    connection: sa.Connection, channel: str, now: datetime, *, held: Collection[int] | None = None
) -> list[int]:
    """Return the parts of a channel in `sending` whose owner has not come back.

    To change them, hold their tickets first, then ask again which of them (`held`) still are.
    """
    query = _ORPHANS
    if held is not None:
        query = lock(connection, query.where(_part.c.id.in_(held)), _part)
    return list(connection.execute(query, {"now": now, "channel": channel}).scalars())


def under_way(connection: sa.Connection, owner: str, channel: str) -> list[int]:
    """Return the parts that `owner` is sending on a channel."""
    query = (
        sa.select(_part.c.id)
        .where(
            _part.c.channel == channel,
            _part.c.state == OutboxState.SENDING,
            _part.c.owner == owner,
        )
        .order_by(_part.c.id)
    )
    return list(connection.execute(query).scalars())


# --- people ---------------------------------------------------------------------------------


def cancel(connection: sa.Connection, outbox_id: int) -> list[Fresh] | None:
    """Cancel what still waits of an action; None if nothing does."""
    done = _cancel_waiting(connection, outbox_id)
    sum_up(connection, [outbox_id])
    return [] if done else None


def approve(
    connection: sa.Connection, outbox_id: int, *, by: str, now: datetime
) -> list[Fresh] | None:
    """Queue what is held of an action, as approved; None if nothing is."""
    held = _part.c.outbox_id == outbox_id, _part.c.state == OutboxState.HELD
    waiting = _part.update().where(*held).values(state=OutboxState.QUEUED, next_at=now)
    if not connection.execute(waiting).rowcount:
        return None
    connection.execute(_box.update().where(_box.c.id == outbox_id).values(approved_by=by))
    data = {"outbox": outbox_id, "by": by}
    return [
        Fresh(kind="approved", channel=row.channel, ticket=row.ticket_id, data=data)
        for row in sum_up(connection, [outbox_id])
    ]


def retry(
    connection: sa.Connection, outbox_id: int, now: datetime, *, holding: Collection[str] = ()
) -> list[Fresh] | None:
    """Queue a failed or cancelled action again, from the part that failed on, if it is one.

    What is published on one of the `holding` channels, and nobody approved, is held again.
    """
    unapproved = sa.exists().where(
        _box.c.id == outbox_id,
        _box.c.action == Action.PUBLISH,
        _box.c.channel.in_(holding),
        _box.c.approved_by.is_(None),
    )
    done = connection.execute(
        _part.update()
        .where(
            _part.c.outbox_id == outbox_id,
            _part.c.state.in_([OutboxState.FAILED, OutboxState.CANCELLED]),
        )
        .values(
            state=sa.case((unapproved, OutboxState.HELD), else_=OutboxState.QUEUED),
            next_at=now,
            error=None,
            attempts=0,
            looks=0,
            first_sent_at=None,  # the time to try begins anew
        )
    ).rowcount
    summed = sum_up(connection, [outbox_id])
    return [_wanted(row) for row in summed if row.state == OutboxState.HELD] if done else None


def _wanted(box: Any) -> Fresh:
    """Say that a second person has to look at an action."""
    data = {"outbox": box.id, "by": box.by}
    return Fresh(kind="approval_wanted", channel=box.channel, ticket=box.ticket_id, data=data)


def resolve(
    connection: sa.Connection, outbox_id: int, *, arrived: bool, now: datetime
) -> list[Fresh] | None:
    """Take a person's word for the uncertain part of an action; None if there is none."""
    query = sa.select(_part.c.id).where(
        _part.c.outbox_id == outbox_id, _part.c.state == OutboxState.UNCERTAIN
    )
    part = connection.execute(query).scalar()
    if part is None:
        return None
    if arrived:
        return sent(connection, part, [], how="person", now=now)
    return absent(connection, part, now)


# --- shared ---------------------------------------------------------------------------------

_OWNER = sa.select(s.receipts.c.part_id).where(
    s.receipts.c.channel == sa.bindparam("channel"),
    s.receipts.c.external_id == sa.bindparam("external"),
)


def owner_of(connection: sa.Connection, channel: str, external: str) -> int | None:
    """Return the part an external id belongs to."""
    part: int | None = first(connection, _OWNER, {"channel": channel, "external": external})
    return part


_ONE = (
    sa.select(_part, _box.c.target, _box.c.ticket_id, _box.c.action)
    .join(_box, _box.c.id == _part.c.outbox_id)
    .where(_part.c.id == sa.bindparam("part"))
)


def part_of(connection: sa.Connection, part: int) -> Any:
    """Read one part with its action."""
    return connection.execute(_ONE, {"part": part}).one()


def _move(
    connection: sa.Connection,
    part: int,
    states: Sequence[OutboxState],
    to: OutboxState,
    *,
    claimed_at: datetime | None = None,
    **values: Any,
) -> bool:
    """Change the state of a part if it is one of `states`; say whether it was.

    `claimed_at` keeps a sender that comes back late from changing what another one sends now.
    """
    which = [_part.c.id == part, _part.c.state.in_(list(states))]
    if claimed_at is not None:
        which.append(_part.c.last_sent_at == claimed_at)
    done = connection.execute(_part.update().where(*which).values(state=to, **values))
    return bool(done.rowcount)


def _cancel_waiting(connection: sa.Connection, outbox_id: int) -> bool:
    """Cancel the parts of an action that still wait; say whether there were any."""
    waiting = [OutboxState.HELD, OutboxState.QUEUED]
    done = connection.execute(
        _part.update()
        .where(_part.c.outbox_id == outbox_id, _part.c.state.in_(waiting))
        .values(state=OutboxState.CANCELLED)
    )
    return bool(done.rowcount)
