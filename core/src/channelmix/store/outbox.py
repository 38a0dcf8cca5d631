"""The outbox: a reply is a row before it is a request, and it goes out at most once.

Every change of state is a compare and set on the state it expects, so that two workers, or a
worker and a person, cannot both believe that they made it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from attrs import frozen

from channelmix.records import (
    Action,
    Attachment,
    Echo,
    Kind,
    Message,
    OutboxState,
    Outgoing,
)
from channelmix.store import items
from channelmix.store import schema as s
from channelmix.store.dialect import insert, lock
from channelmix.store.feed import Fresh
from channelmix.store.types import Time

HOLDING_UP = (
    OutboxState.UNCERTAIN,
    OutboxState.FAILED,
    OutboxState.SENDING,
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
    """An action accepted for sending."""

    channel: str
    action: Action
    by: str
    parts: Sequence[Part]
    automatic: bool = False
    ticket: int | None = None
    target: str | None = None
    own_id: str | None = None
    window_opened_at: datetime | None = None


@frozen(kw_only=True)
class Claimed:
    """A part that this worker may send, or look for."""

    part: int
    outbox: int
    attempts: int
    looks: int
    last_sent_at: datetime | None
    outgoing: Outgoing


def accept(connection: sa.Connection, accepted: Accepted, now: datetime) -> int:
    """Write an action and its parts; return its id."""
    row = connection.execute(
        s.outbox.insert()
        .values(
            ticket_id=accepted.ticket,
            channel=accepted.channel,
            action=accepted.action,
            target=accepted.target,
            own_id=accepted.own_id,
            text="\n".join(part.text for part in accepted.parts if part.text),
            by=accepted.by,
            automatic=accepted.automatic,
            window_opened_at=accepted.window_opened_at,
            created_at=now,
            state=OutboxState.QUEUED,
        )
        .returning(s.outbox.c.id)
    )
    made: int = row.scalar_one()
    connection.execute(
        s.outbox_parts.insert(),
        [
            {
                "outbox_id": made,
                "idx": index,
                "token": secrets.token_hex(12),
                "text": part.text,
                "attachments": msgspec.to_builtins(part.attachments),
                "state": OutboxState.QUEUED,
                "next_at": now,
            }
            for index, part in enumerate(accepted.parts)
        ],
    )
    return made


def files(connection: sa.Connection, outbox_id: int) -> list[str | None]:
    """Return what an action carries, in its order: by path, which names the content, or address."""
    table = s.outbox_parts
    query = sa.select(table.c.attachments).where(table.c.outbox_id == outbox_id)
    rows = connection.execute(query.order_by(table.c.idx)).scalars()
    return [one["path"] or one["url"] for row in rows for one in row]


# --- sending --------------------------------------------------------------------------------


def claim(
    connection: sa.Connection,
    *,
    channel: str,
    owner: str,
    now: datetime,
    hold: timedelta,
    limit: int,
) -> list[Claimed]:
    """Take queued parts to be sent now, oldest first; within a ticket in their order."""
    part, box = s.outbox_parts, s.outbox
    before, earlier = part.alias("before"), box.alias("earlier")
    follows = sa.exists().where(
        before.c.outbox_id == part.c.outbox_id,
        before.c.idx < part.c.idx,
        before.c.state != OutboxState.SENT,
    )
    overtakes = sa.exists().where(
        earlier.c.ticket_id == box.c.ticket_id,
        earlier.c.id < box.c.id,
        earlier.c.state.in_([OutboxState.QUEUED, OutboxState.SENDING]),
    )
    query = (
        sa.select(part.c.id)
        .join(box, box.c.id == part.c.outbox_id)
        .where(
            part.c.state == OutboxState.QUEUED,
            part.c.next_at <= now,
            box.c.channel == channel,
            ~follows,
            ~overtakes,
        )
        .order_by(part.c.id)
        .limit(limit)
    )
    ids = list(connection.execute(lock(connection, query, part, skip=True)).scalars())
    if not ids:
        return []
    connection.execute(
        part.update()
        .where(part.c.id.in_(ids), part.c.state == OutboxState.QUEUED)
        .values(
            state=OutboxState.SENDING,
            owner=owner,
            lease_until=now + hold,
            first_sent_at=sa.func.coalesce(part.c.first_sent_at, sa.literal(now, Time())),
            last_sent_at=now,
            attempts=part.c.attempts + 1,
            error=None,
        )
    )
    _sum_up(connection, _boxes(connection, ids))
    return _claimed(connection, ids, taken=False)


def claim_uncertain(
    connection: sa.Connection,
    *,
    channel: str,
    now: datetime,
    hold: timedelta,
    limit: int,
) -> list[Claimed]:
    """Take uncertain parts to be looked for now; nobody else looks for them during `hold`."""
    part, box = s.outbox_parts, s.outbox
    query = (
        sa.select(part.c.id)
        .join(box, box.c.id == part.c.outbox_id)
        .where(
            part.c.state == OutboxState.UNCERTAIN,
            part.c.next_at <= now,
            part.c.for_person == sa.false(),
            box.c.channel == channel,
        )
        .order_by(part.c.id)
        .limit(limit)
    )
    ids = list(connection.execute(lock(connection, query, part, skip=True)).scalars())
    if ids:
        connection.execute(part.update().where(part.c.id.in_(ids)).values(next_at=now + hold))
    return _claimed(connection, ids, taken=True)


def _claimed(connection: sa.Connection, ids: Sequence[int], *, taken: bool) -> list[Claimed]:
    """Read parts as the plugin gets them; what is taken matters only to who looks for them."""
    if not ids:
        return []
    part, box = s.outbox_parts, s.outbox
    query = (
        sa.select(
            part,
            box.c.channel,
            box.c.action,
            box.c.target,
            box.c.own_id,
            box.c.automatic,
            box.c.window_opened_at,
        )
        .join(box, box.c.id == part.c.outbox_id)
        .where(part.c.id.in_(ids))
        .order_by(part.c.id)
    )
    return [
        Claimed(
            part=row.id,
            outbox=row.outbox_id,
            attempts=row.attempts,
            looks=row.looks,
            last_sent_at=row.last_sent_at,
            outgoing=Outgoing(
                token=row.token,
                channel=row.channel,
                action=Action(row.action),
                target=target(connection, row.channel, row.target),
                own_id=row.own_id,
                text=row.text,
                attachments=tuple(msgspec.convert(row.attachments, list[Attachment])),
                automatic=row.automatic,
                window_opened_at=row.window_opened_at,
                first_sent_at=row.first_sent_at,
                taken=_taken(connection, row.channel, row.first_sent_at) if taken else frozenset(),
            ),
        )
        for row in connection.execute(query).all()
    ]


def target(connection: sa.Connection, channel: str, external_id: str | None) -> Message | None:
    """Return a message as it stands now, None if it is not known."""
    if external_id is None:
        return None
    folded = items.fold_items(connection, {(channel, external_id)}).get((channel, external_id))
    return folded.message if folded else None


def _taken(connection: sa.Connection, channel: str, since: datetime | None) -> frozenset[str]:
    """Return the external ids that belong to other parts, as far back as it matters."""
    table = s.receipts
    query = sa.select(table.c.external_id).where(table.c.channel == channel)
    if since is not None:
        query = query.where(table.c.at >= since - timedelta(days=1))
    return frozenset(connection.execute(query).scalars())


# --- outcomes -------------------------------------------------------------------------------


def sent(
    connection: sa.Connection, part: int, ids: Collection[str], *, how: str, now: datetime
) -> list[Fresh]:
    """Record that a part arrived, with its external ids. False ids (taken) are refused."""
    row = _part(connection, part)
    table = s.receipts
    for external in ids:
        taken = connection.execute(
            insert(connection, table)
            .values(channel=row.channel, external_id=external, part_id=part, at=now, how=how)
            .on_conflict_do_nothing()
        ).rowcount
        if not taken and how != "answer":
            owner = connection.execute(
                sa.select(table.c.part_id).where(
                    table.c.channel == row.channel, table.c.external_id == external
                )
            ).scalar()
            if owner != part:
                return []
    # In whatever state: a late answer or echo may find the part queued again, or given up.
    states = [state for state in OutboxState if state is not OutboxState.SENT]
    if not _move(
        connection,
        part,
        states,
        OutboxState.SENT,
        sent_at=now,
        error=None,
        owner=None,
        for_person=False,
    ):
        return []
    connection.execute(
        s.messages.update()
        .where(s.messages.c.channel == row.channel, s.messages.c.external_id.in_(list(ids)))
        .values(native=False)
    )
    if _sum_up(connection, [row.outbox_id])[row.outbox_id] is not OutboxState.SENT:
        return []
    data = {"outbox": row.outbox_id, "ids": sorted(ids), "how": how}
    return [Fresh(kind="replied", channel=row.channel, ticket=row.ticket_id, data=data)]


def postponed(
    connection: sa.Connection, claimed: Claimed, *, until: datetime, why: str, attempt: bool = True
) -> None:
    """Put a part that was surely not carried out back into the queue."""
    table = s.outbox_parts
    more: dict[str, Any] = {} if attempt else {"attempts": table.c.attempts - 1}
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
    _sum_up(connection, [claimed.outbox])


def failed(connection: sa.Connection, claimed: Claimed, *, why: str) -> list[Fresh]:
    """Record that the network refuses a part for good; what would follow it is cancelled."""
    row = _part(connection, claimed.part)
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
    _cancel_rest(connection, row.outbox_id)
    _sum_up(connection, [row.outbox_id])
    data = {"outbox": row.outbox_id, "why": why}
    return [Fresh(kind="reply_failed", channel=row.channel, ticket=row.ticket_id, data=data)]


def uncertain(
    connection: sa.Connection,
    part: int,
    *,
    look_at: datetime,
    why: str,
    claimed_at: datetime | None = None,
) -> list[Fresh]:
    """Record that a part may have been carried out; by its sender, if it still is the one."""
    row = _part(connection, part)
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
    _sum_up(connection, [row.outbox_id])
    data = {"outbox": row.outbox_id, "why": why}
    return [Fresh(kind="reply_uncertain", channel=row.channel, ticket=row.ticket_id, data=data)]


def looked(
    connection: sa.Connection, part: int, *, next_at: datetime, why: str, give_up: bool
) -> None:
    """Record that looking did not tell; after a while it is for a person to say."""
    table = s.outbox_parts
    connection.execute(
        table.update()
        .where(table.c.id == part, table.c.state == OutboxState.UNCERTAIN)
        .values(next_at=next_at, error=why, looks=table.c.looks + 1, for_person=give_up)
    )


def absent(connection: sa.Connection, part: int, next_at: datetime) -> None:
    """Queue again a part that is surely not on the network."""
    _move(
        connection,
        part,
        [OutboxState.UNCERTAIN],
        OutboxState.QUEUED,
        next_at=next_at,
        for_person=False,
        looks=s.outbox_parts.c.looks + 1,
        error="not found on the network: sending again",
    )
    _sum_up(connection, _boxes(connection, [part]))


def orphans(
    connection: sa.Connection, channel: str, now: datetime, *, held: Collection[int] | None = None
) -> list[int]:
    """Return the parts of a channel in `sending` whose owner has not come back.

    To change them, hold their tickets first, then ask again which of them (`held`) still are.
    """
    table, box = s.outbox_parts, s.outbox
    query = (
        sa.select(table.c.id)
        .join(box, box.c.id == table.c.outbox_id)
        .where(
            table.c.state == OutboxState.SENDING,
            table.c.lease_until < now,
            box.c.channel == channel,
        )
        .order_by(table.c.id)
    )
    if held is not None:
        query = lock(connection, query.where(table.c.id.in_(held)), table)
    return list(connection.execute(query).scalars())


def under_way(connection: sa.Connection, owner: str, channel: str) -> list[int]:
    """Return the parts that `owner` is sending on a channel."""
    table, box = s.outbox_parts, s.outbox
    query = (
        sa.select(table.c.id)
        .join(box, box.c.id == table.c.outbox_id)
        .where(
            table.c.state == OutboxState.SENDING,
            table.c.owner == owner,
            box.c.channel == channel,
        )
        .order_by(table.c.id)
    )
    return list(connection.execute(query).scalars())


# --- echoes ---------------------------------------------------------------------------------


def echoed(connection: sa.Connection, echoes: Sequence[items.Told]) -> set[int]:
    """Return the parts that our own messages, seen again, seem to be; hold their tickets."""
    return {part for one in echoes if (part := _part_of(connection, one)) is not None}


def _part_of(connection: sa.Connection, one: items.Told) -> int | None:
    """Return the part that an echo seems to be, if it belongs to none yet."""
    echo, (channel, external) = one.inbound, one.item
    if not isinstance(echo, Echo) or _owner_of(connection, channel, external) is not None:
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
        part = _part_of(connection, one)
        if part is not None:
            fresh += sent(connection, part, [external], how="echo", now=now)
        native = _owner_of(connection, channel, external) is None
        connection.execute(
            s.messages.update()
            .where(s.messages.c.channel == channel, s.messages.c.external_id == external)
            .values(native=native)
        )
    return fresh


def match_uncertain(connection: sa.Connection, part: int, now: datetime) -> list[Fresh]:
    """Match a part that just became uncertain to an echo that came before."""
    row = _part(connection, part)
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


def _owner_of(connection: sa.Connection, channel: str, external: str) -> int | None:
    """Return the part an external id belongs to."""
    table = s.receipts
    query = sa.select(table.c.part_id).where(
        table.c.channel == channel, table.c.external_id == external
    )
    return connection.execute(query).scalar()


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
    again = sa.and_(part.c.state == OutboxState.QUEUED, part.c.looks > 0)
    query = (
        sa.select(part, box.c.channel, box.c.target)
        .join(box, box.c.id == part.c.outbox_id)
        .where(box.c.channel == channel, sa.or_(part.c.state == OutboxState.UNCERTAIN, again))
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


# --- people ---------------------------------------------------------------------------------


def cancel(connection: sa.Connection, outbox_id: int) -> list[Fresh] | None:
    """Cancel what is still queued of an action; None if nothing was."""
    table = s.outbox_parts
    done = connection.execute(
        table.update()
        .where(table.c.outbox_id == outbox_id, table.c.state == OutboxState.QUEUED)
        .values(state=OutboxState.CANCELLED)
    ).rowcount
    _sum_up(connection, [outbox_id])
    return [] if done else None


def retry(connection: sa.Connection, outbox_id: int, now: datetime) -> list[Fresh] | None:
    """Queue a failed or cancelled action again, from the part that failed on, if it is one."""
    table = s.outbox_parts
    done = connection.execute(
        table.update()
        .where(
            table.c.outbox_id == outbox_id,
            table.c.state.in_([OutboxState.FAILED, OutboxState.CANCELLED]),
        )
        .values(
            state=OutboxState.QUEUED,
            next_at=now,
            error=None,
            attempts=0,
            looks=0,
            first_sent_at=None,  # the time to try begins anew
        )
    ).rowcount
    _sum_up(connection, [outbox_id])
    return [] if done else None


def resolve(
    connection: sa.Connection, outbox_id: int, *, arrived: bool, now: datetime
) -> list[Fresh] | None:
    """Take a person's word for the uncertain part of an action; None if there is none."""
    table = s.outbox_parts
    query = sa.select(table.c.id).where(
        table.c.outbox_id == outbox_id, table.c.state == OutboxState.UNCERTAIN
    )
    part = connection.execute(query).scalar()
    if part is None:
        return None
    if arrived:
        return sent(connection, part, [], how="person", now=now)
    absent(connection, part, now)
    return []


# --- inside ---------------------------------------------------------------------------------


def _part(connection: sa.Connection, part: int) -> Any:
    """Read one part with its action."""
    table, box = s.outbox_parts, s.outbox
    query = (
        sa.select(table, box.c.channel, box.c.target, box.c.ticket_id, box.c.action)
        .join(box, box.c.id == table.c.outbox_id)
        .where(table.c.id == part)
    )
    return connection.execute(query).one()


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
    table = s.outbox_parts
    which = [table.c.id == part, table.c.state.in_(list(states))]
    if claimed_at is not None:
        which.append(table.c.last_sent_at == claimed_at)
    done = connection.execute(table.update().where(*which).values(state=to, **values))
    return bool(done.rowcount)


def _boxes(connection: sa.Connection, parts: Sequence[int]) -> list[int]:
    """Return the actions that parts belong to."""
    table = s.outbox_parts
    query = sa.select(table.c.outbox_id).where(table.c.id.in_(parts)).distinct()
    return list(connection.execute(query).scalars())


def _sum_up(connection: sa.Connection, boxes: Collection[int]) -> dict[int, OutboxState]:
    """Write the state of actions: that of the part which holds them up, or `sent`."""
    table, box = s.outbox_parts, s.outbox
    rows = sa.select(box.c.id).where(box.c.id.in_(boxes)).order_by(box.c.id)
    connection.execute(lock(connection, rows, box))  # what others change is seen, or waits
    states: dict[int, set[str]] = {one: set() for one in boxes}
    query = sa.select(table.c.outbox_id, table.c.state).where(table.c.outbox_id.in_(boxes))
    for row in connection.execute(query):
        states[row.outbox_id].add(row.state)
    summed = {
        one: next((state for state in HOLDING_UP if state in found), OutboxState.SENT)
        for one, found in states.items()
    }
    for state in set(summed.values()):
        which = [one for one, found in summed.items() if found is state]
        connection.execute(box.update().where(box.c.id.in_(which)).values(state=state))
    return summed


def _cancel_rest(connection: sa.Connection, outbox_id: int) -> None:
    """Cancel the parts that would have followed."""
    table = s.outbox_parts
    connection.execute(
        table.update()
        .where(table.c.outbox_id == outbox_id, table.c.state == OutboxState.QUEUED)
        .values(state=OutboxState.CANCELLED)
    )
