"""The journal: raw events in, in one durable commit; leased to workers; settled with a fate."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.records import Fate, RawEvent, Road
from channelmix.store import leases
from channelmix.store import schema as s
from channelmix.store.dialect import among, announce, fetch, inserting, run, upsert
from channelmix.store.types import Time

UNSPLIT = "unsplit"
"""The source of an event that is a whole payload, because the plugin could not cut it."""
SEEN = timedelta(seconds=1)
LONGEST_KEY = 500
"""Characters. PostgreSQL indexes no text beyond some 2,700 bytes, and no delivery may fail."""


@frozen(kw_only=True)
class Arrival:
    """The events of one poll, or of deliveries that came together, already routed to channels."""

    scope: str
    app: str
    road: Road
    events: Sequence[RawEvent]
    at: datetime
    """When they were there to be stored: of what came together, the same for all."""
    deliveries: int = 1


_APPEND = inserting(
    lambda insert: (
        insert(s.raw_events)
        .on_conflict_do_nothing(index_elements=["scope", "key"])
        .execution_options(preserve_rowcount=True)
    )
)
_COUNT = s.intake.insert()


def append(connection: sa.Connection, arrival: Arrival) -> int:
    """Store what arrived, each event once; return how many were new.

    A delivery that comes again counts as arrived, and is not stored again.
    """
    rows = [_row(arrival, event) for event in arrival.events]
    stored = run(connection, _APPEND[connection.dialect.name], rows) if rows else 0
    count = {
        "scope": arrival.scope,
        "road": arrival.road,
        "at": arrival.at,
        "deliveries": arrival.deliveries,
        "events": len(rows),
        "stored": stored,
    }
    run(connection, _COUNT, count)
    _seen(connection, arrival)
    if stored:
        announce(connection)
    return stored


def fresh(
    connection: sa.Connection, arrival: Arrival, wanted: Callable[[RawEvent], bool]
) -> list[RawEvent]:
    """Return those of the events about to be stored that are `wanted` and not known yet."""
    found = {_short(event.key): event for event in arrival.events if wanted(event)}
    raw = s.raw_events.c
    if found:
        known = sa.select(raw.key).where(raw.scope == arrival.scope, raw.key.in_(list(found)))
        for key in connection.execute(known).scalars():
            del found[key]
    return list(found.values())


def append_parts(connection: sa.Connection, whole: RawEvent, parts: Sequence[RawEvent]) -> None:
    """Store the parts of a payload that was stored whole, as if it had been cut on arrival."""
    raw = s.raw_events
    row = connection.execute(sa.select(raw.c.scope, raw.c.app).where(raw.c.id == whole.id)).one()
    arrival = Arrival(
        scope=row.scope, app=row.app, road=whole.road, events=parts, at=whole.received_at
    )
    append(connection, arrival)


def _row(arrival: Arrival, event: RawEvent) -> dict[str, Any]:
    """Turn an event into a row."""
    return {
        "scope": arrival.scope,
        "key": _short(event.key),
        "app": arrival.app,
        "channel": event.channel or None,
        "account": event.account,
        "source": event.source,
        "road": arrival.road,
        "body": event.body,
        "received_at": arrival.at,
    }


def _short(key: str) -> str:
    """Return a delivery key as it is, or if it is too long to be indexed, its hash."""
    if len(key) <= LONGEST_KEY:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


_HEARD = {
    road: s.channels.update()
    .where(
        s.channels.c.name == sa.bindparam("channel"),
        sa.or_(column.is_(None), column < sa.bindparam("before", type_=Time)),
    )
    .values({column: sa.bindparam("now", type_=Time)})
    for road, column in (
        (Road.PUSH, s.channels.c.last_push_at),
        (Road.POLL, s.channels.c.last_poll_at),
    )
}


def _seen(connection: sa.Connection, arrival: Arrival) -> None:
    """Note for each channel when it was last heard of, to the second.

    Receivers would otherwise wait for each other at its row, commit by commit.
    """
    now = {"before": arrival.at - SEEN, "now": arrival.at}
    for name in sorted({event.channel for event in arrival.events} - {""}):
        run(connection, _HEARD[arrival.road], {"channel": name, **now})


_EVENT = ("id", "key", "body", "account", "source", "road", "channel", "received_at")
_UNSETTLED = (
    sa.select(*(s.raw_events.c[name] for name in _EVENT))
    .where(
        s.raw_events.c.settled == sa.false(),
        sa.or_(s.raw_events.c.channel.is_(None), ~among("without", s.raw_events.c.channel)),
    )
    .order_by(s.raw_events.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_LEASING = leases.Leasing.of(s.raw_events, _UNSETTLED, attempts=s.raw_events.c.attempts + 1)


def lease(
    connection: sa.Connection,
    *,
    owner: str,
    now: datetime,
    hold: timedelta,
    limit: int,
    without: Collection[str] = (),
) -> list[RawEvent]:
    """Lease unsettled events, oldest first, none of the channels in `without`."""
    rows = _LEASING.take(
        connection, owner=owner, now=now, hold=hold, limit=limit, without=list(without)
    )
    return [to_event(row) for row in rows]


def to_event(row: Any) -> RawEvent:
    """Turn a row back into an event."""
    return RawEvent(
        id=row.id,
        key=row.key,
        body=row.body,
        account=row.account,
        source=row.source,
        road=Road(row.road),
        channel=row.channel or "",
        received_at=row.received_at,
    )


_HELD = (
    sa.select(s.raw_events.c.id)
    .where(
        among("ids", s.raw_events.c.id),
        s.raw_events.c.lease_owner == sa.bindparam("owner"),
        s.raw_events.c.settled == sa.false(),
    )
    .with_for_update(of=s.raw_events)
)


def still_leased(connection: sa.Connection, owner: str, ids: Sequence[int]) -> set[int]:
    """Return those of `ids` that are unsettled and leased to `owner`."""
    return {row.id for row in fetch(connection, _HELD, {"ids": ids, "owner": owner})}


@frozen(kw_only=True)
class Settled:
    """What became of one event."""

    event: int
    fate: Fate
    reason: str | None = None
    item: str | None = None
    inbounds: int = 0
    """How many inbounds it brought that were new."""


_SETTLE = (
    s.raw_events.update()
    .where(among("ids", s.raw_events.c.id))
    .values(settled=True, lease_owner=None, lease_until=None)
)


def settle(connection: sa.Connection, settled: Sequence[Settled], now: datetime) -> None:
    """Record what became of events."""
    rows = [
        {
            "event_id": one.event,
            "fate": one.fate,
            "reason": one.reason,
            "item": one.item,
            "inbounds": one.inbounds,
            "at": now,
        }
        for one in settled
    ]
    upsert(connection, s.fates, rows, key=["event_id"])
    run(connection, _SETTLE, {"ids": [one.event for one in settled]})


def replay(
    connection: sa.Connection,
    *,
    fates: Collection[Fate],
    channels_by_account: Mapping[tuple[str, str], str],
    channel: str | None = None,
) -> Counter[str]:
    """Make events with one of `fates` unsettled again; route those that now have a channel.

    Lookups that failed are wanted again. What events brought before stays: an item known already
    is known. Returns how many of each fate, and how many `lookups`.
    """
    raw, fate = s.raw_events, s.fates
    query = (
        sa.select(raw.c.id, raw.c.app, raw.c.account, raw.c.channel, fate.c.fate)
        .join(fate, fate.c.event_id == raw.c.id)
        .where(fate.c.fate.in_(list(fates)))
    )
    if channel is not None:
        query = query.where(raw.c.channel == channel)
    count = _look_again(connection, channel)
    for row in connection.execute(query).all():
        routed = row.channel or channels_by_account.get((row.app, row.account))
        if row.fate == Fate.UNROUTED and routed is None:
            continue
        connection.execute(
            raw.update().where(raw.c.id == row.id).values(settled=False, channel=routed)
        )
        connection.execute(fate.delete().where(fate.c.event_id == row.id))
        count[row.fate] += 1
    return count


def _look_again(connection: sa.Connection, channel: str | None) -> Counter[str]:
    """Queue the lookups that failed, of one channel or of all."""
    table = s.lookups
    again = table.update().where(table.c.state == "failed")
    if channel is not None:
        again = again.where(table.c.channel == channel)
    found = connection.execute(again.values(state="wanted", attempts=0, error=None)).rowcount
    return Counter(lookups=found) if found else Counter()
