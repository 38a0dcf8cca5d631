"""The journal: raw events in, in one durable commit; leased to workers; settled with a fate.

A delivery that comes again has the key of an event that is there. An event is *original* once it
is known that none with its key came before. What is polled is mostly known, and of what costs
something it must be known at once, so their keys are looked up when they arrive. What else is
pushed is mostly new, and whoever pushes waits for our answer: it is written as it comes, at the
end of the table, and told apart when it is leased; then what came again is taken out. An index
of keys in no order would make a page of its own dirty for each event, most of a commit's cost.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.records import Fate, RawEvent, Road
from channelmix.store import leases, locks
from channelmix.store import schema as s
from channelmix.store.dialect import among, announce, fetch, inserting, run, upsert
from channelmix.store.types import Time, clean

UNSPLIT = "unsplit"
"""The source of an event that is a whole payload, because the plugin could not cut it."""
SEEN = timedelta(seconds=1)
LONGEST_KEY = 500
"""Characters. PostgreSQL indexes no text beyond some 2,700 bytes, and no delivery may fail."""


Routed = tuple[str, RawEvent]
"""An event, and before it the channel it belongs to: nothing where none has its account."""


@frozen(kw_only=True)
class Arrival:
    """The events of one poll, or of deliveries that came together."""

    scope: str
    app: str
    road: Road
    events: Sequence[Routed]
    at: datetime
    """When they were there to be stored: of what came together, the same for all."""
    deliveries: int = 1


_ORIGINAL = s.raw_events.c.original == sa.true()
_APPEND = inserting(
    lambda insert: (
        insert(s.raw_events)
        .on_conflict_do_nothing(index_elements=["scope", "key"], index_where=_ORIGINAL)
        .execution_options(preserve_rowcount=True)
    )
)
_COUNT = s.intake.insert()


def append(connection: sa.Connection, arrival: Arrival) -> Mapping[str, float]:
    """Store what arrived; return what the network charges for having pushed it, by channel.

    A delivery that comes again counts as arrived, costs nothing, and is not stored again: it is
    left out here, or taken out when it is leased.
    """
    statement = _APPEND[connection.dialect.name]
    rows = [_row(arrival, *one) for one in arrival.events]
    costs: defaultdict[str, float] = defaultdict(float)
    if any(_dear(arrival, event) for _, event in arrival.events):
        stored = 0
        # Who tells the same keys apart at this moment must see them; and each says if it is new.
        locks.hold(connection, (("key", arrival.scope, clean(row["key"])) for row in rows))
        for row, (channel, event) in zip(rows, arrival.events, strict=True):
            new = run(connection, statement, row)
            stored += new
            if new and _dear(arrival, event):
                costs[channel] += event.cost
    else:
        stored = run(connection, statement, rows) if rows else 0
    count = {
        "scope": arrival.scope,
        "road": arrival.road,
        "at": arrival.at,
        "deliveries": arrival.deliveries,
        "events": len(arrival.events),
        "stored": stored,
    }
    run(connection, _COUNT, count)
    _seen(connection, arrival)
    if stored:
        announce(connection)
    return costs


def _dear(arrival: Arrival, event: RawEvent) -> bool:
    """Say whether the network charges for an event; what was polled is paid by who polls."""
    return event.cost > 0 and arrival.road is Road.PUSH


def append_parts(connection: sa.Connection, whole: RawEvent, parts: Sequence[Routed]) -> None:
    """Store the parts of a payload that was stored whole, as if it had been cut on arrival."""
    raw = s.raw_events
    row = connection.execute(sa.select(raw.c.scope, raw.c.app).where(raw.c.id == whole.id)).one()
    arrival = Arrival(
        scope=row.scope, app=row.app, road=whole.road, events=parts, at=whole.received_at
    )
    append(connection, arrival)


def _row(arrival: Arrival, channel: str, event: RawEvent) -> dict[str, Any]:
    """Turn an event into a row."""
    return {
        "scope": arrival.scope,
        "key": _short(event.key),
        "app": arrival.app,
        "channel": channel or None,
        "account": event.account,
        "source": event.source,
        "road": arrival.road,
        "body": event.body,
        "received_at": arrival.at,
        "original": arrival.road is Road.POLL or event.cost > 0,
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
    for name in sorted({channel for channel, _ in arrival.events} - {""}):
        run(connection, _HEARD[arrival.road], {"channel": name, **now})


_EVENT = ("id", "key", "body", "account", "source", "road", "channel", "received_at")
_UNSETTLED = (
    sa.select(*(s.raw_events.c[name] for name in (*_EVENT, "scope", "original")))
    .where(
        s.raw_events.c.settled == sa.false(),
        sa.or_(s.raw_events.c.channel.is_(None), ~among("without", s.raw_events.c.channel)),
    )
    .order_by(s.raw_events.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_LEASING = leases.Leasing.of(
    s.raw_events, _UNSETTLED, attempts=s.raw_events.c.attempts + 1, original=True
)
_known = s.raw_events.alias()
_KNOWN = (
    sa.select(s.raw_events.c.id)
    .join(
        _known,
        sa.and_(
            _known.c.scope == s.raw_events.c.scope,
            _known.c.key == s.raw_events.c.key,
            _known.c.original == sa.true(),
        ),
    )
    .where(among("ids", s.raw_events.c.id))
)
_TAKE_OUT = s.raw_events.delete().where(among("ids", s.raw_events.c.id))


@frozen(kw_only=True)
class Leased:
    """What one look for unsettled events came to."""

    events: Sequence[RawEvent]
    again: int
    """How many came again, and are gone; behind them there may be more."""


def lease(
    connection: sa.Connection,
    *,
    owner: str,
    now: datetime,
    hold: timedelta,
    limit: int,
    without: Collection[str] = (),
) -> Leased:
    """Lease unsettled events, oldest first, none of the channels in `without`.

    What came again is taken out.
    """
    rows = _LEASING.find(connection, owner, now, limit=limit, without=list(without))
    new = [row for row in rows if not row.original]
    again = _came_again(connection, new)
    new = [row for row in new if row.id not in again]
    ours = _ours(connection, new)
    left = {row.id for row in new} - {row.id for row in ours}
    if connection.dialect.name != "sqlite":  # while others write as well
        again |= _came_again(connection, ours)
    _take_out(connection, [row for row in rows if row.id in again], now)
    mine = [row for row in rows if row.id not in again | left]
    if mine:
        _LEASING.give(connection, mine, owner, now + hold)
    return Leased(events=[to_event(row) for row in mine], again=len(again))


def _came_again(connection: sa.Connection, rows: Sequence[Any]) -> set[int]:
    """Return which of `rows` have the key of an event that is known, or of one before them."""
    if not rows:
        return set()
    again = {row.id for row in fetch(connection, _KNOWN, {"ids": [row.id for row in rows]})}
    firsts = {(row.scope, row.key): row.id for row in reversed(rows)}
    return again | {row.id for row in rows} - set(firsts.values())


def _ours(connection: sa.Connection, rows: Sequence[Any]) -> list[Any]:
    """Return those of `rows` whose keys no other process tells apart at this moment."""
    keys = {row.id: ("key", row.scope, row.key) for row in rows}
    held = locks.attempt(connection, keys.values())
    return [row for row in rows if keys[row.id] in held]


def _take_out(connection: sa.Connection, rows: Sequence[Any], now: datetime) -> None:
    """Delete what came again, and count it as what was not stored."""
    if not rows:
        return
    run(connection, _TAKE_OUT, {"ids": [row.id for row in rows]})
    for (scope, road), many in sorted(Counter((row.scope, row.road) for row in rows).items()):
        count = {"scope": scope, "road": road, "at": now}
        run(connection, _COUNT, {**count, "deliveries": 0, "events": 0, "stored": -many})


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
