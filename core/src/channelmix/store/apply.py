"""Apply what a worker found out: all results and all fates of a batch in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from attrs import evolve, field, frozen
from sqlalchemy.exc import DBAPIError

from channelmix.projection import Folded
from channelmix.records import (
    Article,
    Assignment,
    DeliveryStatus,
    Echo,
    Fate,
    Ignored,
    Inbound,
    Label,
    Lookup,
    Message,
    RawEvent,
)
from channelmix.store import feed, items, journal, library, locks, outbox, tickets, units
from channelmix.store import schema as s
from channelmix.store.dialect import in_trouble, upsert
from channelmix.store.echoes import echoed, match_echoes
from channelmix.store.feed import Fresh
from channelmix.store.journal import Routed, Settled
from channelmix.store.types import clean


@frozen(kw_only=True)
class Work:
    """One event, and what plugins made of it."""

    event: RawEvent
    inbounds: tuple[Inbound, ...] = ()
    parts: tuple[Routed, ...] = ()
    """For a payload stored whole: the events it was cut into after all."""
    failed: tuple[Fate, str] | None = None
    """Quarantined or unrouted, and why; then there are no inbounds."""
    labels: Mapping[str, Sequence[tuple[str, Label]]] = field(factory=dict)
    """For each message id: (source, label)."""
    assignments: Mapping[str, Assignment] = field(factory=dict)
    """For each message id: whom an assigner chose."""


def apply(
    connection: sa.Connection,
    works: Sequence[Work],
    *,
    owner: str,
    rules: tickets.Rules,
    now: datetime,
) -> int:
    """Apply a batch; return how many events it settled.

    Events whose lease was lost meanwhile are left to whoever has them now. An event that
    cannot be applied is quarantined alone.
    """
    mine = journal.still_leased(connection, owner, [work.event.id for work in works])
    held = [work for work in works if work.event.id in mine]
    if held:
        # Before any savepoint: going back to one would let go of them.
        locks.hold(connection, (key for one in _told(held) for key in one.locks))
        _guarded(connection, held, rules, now)
    return len(held)


def _guarded(
    connection: sa.Connection, works: Sequence[Work], rules: tickets.Rules, now: datetime
) -> None:
    """Apply together; if that fails, one by one, so that a poisonous event harms only itself."""
    savepoint = connection.begin_nested()
    try:
        _apply(connection, works, rules, now)
    except Exception as error:
        if isinstance(error, DBAPIError) and in_trouble(error):
            raise  # the database is in trouble, not the event
        savepoint.rollback()
        if len(works) > 1:
            for work in works:
                _guarded(connection, [work], rules, now)
            return
        reason = f"apply: {type(error).__name__}: {error}"
        _settle_failed(connection, evolve(works[0], failed=(Fate.QUARANTINED, reason)), now)
    else:
        savepoint.commit()


def _settle_failed(connection: sa.Connection, work: Work, now: datetime) -> None:
    """Settle an event that nothing could be made of."""
    if work.failed is None:  # pragma: no cover - the caller has set it
        raise AssertionError(work.event.id)
    fate, reason = work.failed
    journal.settle(connection, [Settled(event=work.event.id, fate=fate, reason=reason)], now)


def _apply(
    connection: sa.Connection, works: Sequence[Work], rules: tickets.Rules, now: datetime
) -> None:
    """Store what is new, fold it, judge the tickets concerned, settle."""
    told = _told(works)
    new = items.store_new(connection, told)
    touched = {one.item for one in new if not isinstance(one.inbound, DeliveryStatus | Lookup)}
    # A version of an article that is known may be the newest again.
    touched |= {one.item for one in told if isinstance(one.inbound, Article)}
    folded = items.fold_items(connection, touched)
    echoes = [one for one in new if isinstance(one.inbound, Echo)]
    concerned = _hold(connection, folded, echoes)
    items.write_messages(connection, folded)
    items.scrub(connection, [item for item, one in folded.items() if one.deleted_at is not None])
    items.delivered(connection, new)
    items.want_lookups(connection, new, now)
    library.keep(connection, told, folded)
    write_labels(connection, _labelled(works))
    fresh = _tell_items(new)
    fresh += match_echoes(connection, echoes, now)
    fresh += tickets.reproject(
        connection, concerned, rules=rules, now=now, proposals=_proposals(works)
    )
    for work in works:
        if work.parts:
            journal.append_parts(connection, work.event, work.parts)
    journal.settle(connection, _fates(works, new), now)
    repeated = {one.item for one in told} - touched
    items.scrub(connection, items.deleted(connection, repeated))
    feed.tell(connection, fresh, now)


def _told(works: Sequence[Work]) -> list[items.Told]:
    """Gather everything that events tell."""
    return [
        items.Told(event=work.event, inbound=inbound)
        for work in works
        for inbound in work.inbounds
        if not isinstance(inbound, Ignored)
    ]


def _hold(
    connection: sa.Connection,
    folded: Mapping[items.Item, Folded],
    echoes: Sequence[items.Told],
) -> set[units.Unit]:
    """Hold the units that a batch concerns, and return them."""
    concerned = units.concerned(connection, folded)
    if parts := echoed(connection, echoes):
        concerned |= tickets.of(connection, outbox.tickets_with(connection, parts))
    units.hold(connection, concerned)
    return concerned


def apply_late(
    connection: sa.Connection,
    item: items.Item,
    labels: Sequence[tuple[str, Label]],
    *,
    rules: tickets.Rules,
    now: datetime,
) -> None:
    """Take in what classifiers said of a message after its ticket was opened."""
    locks.hold(connection, [("item", *item)])
    concerned = _hold(connection, items.fold_items(connection, {item}), ())
    write_labels(connection, {item: labels})
    feed.tell(connection, tickets.reproject(connection, concerned, rules=rules, now=now), now)


def write_labels(
    connection: sa.Connection,
    said: Mapping[items.Item, Sequence[tuple[str, Label]]],
) -> None:
    """Write what classifiers said of messages."""
    ids = items.message_ids(connection, said)
    rows = {
        (ids[item], source, label.name): {
            "message_id": ids[item],
            "source": source,
            "name": label.name,
            "value": label.value,
            "confidence": label.confidence,
        }
        for item, labels in said.items()
        if item in ids
        for source, label in labels
    }
    upsert(connection, s.labels, list(rows.values()), key=["message_id", "source", "name"])


def _labelled(works: Sequence[Work]) -> dict[items.Item, Sequence[tuple[str, Label]]]:
    """Gather what classifiers said."""
    return {
        (work.event.channel, clean(message)): labels
        for work in works
        for message, labels in work.labels.items()
        if labels
    }


def _proposals(works: Sequence[Work]) -> dict[tuple[str, str], Assignment]:
    """Gather whom assigners chose."""
    return {
        (work.event.channel, message): chosen
        for work in works
        for message, chosen in work.assignments.items()
    }


def _tell_items(new: Sequence[items.Told]) -> list[Fresh]:
    """Say which messages came, changed or went."""
    kinds = {"message": "message_added", "echo": "message_added"}
    kinds |= {"edit": "message_changed", "deletion": "message_deleted"}
    return [
        Fresh(kind=kinds[name], channel=one.event.channel, data={"message": one.item[1]})
        for one in new
        if (name := items.TYPES[type(one.inbound)]) in kinds
    ]


def _fates(works: Sequence[Work], new: Sequence[items.Told]) -> list[Settled]:
    """Give every event its one fate."""
    brought: dict[int, list[Inbound]] = defaultdict(list)
    for one in new:
        brought[one.event.id].append(one.inbound)
    return [_fate(work, brought.get(work.event.id, [])) for work in works]


def _fate(work: Work, new: Sequence[Inbound]) -> Settled:
    """Name the fate of one event: that of the weightiest thing in it."""
    event = work.event.id
    if work.failed is not None:
        return Settled(event=event, fate=work.failed[0], reason=work.failed[1])
    if work.parts:
        reason = f"cut into events of their own: {len(work.parts)}"
        return Settled(event=event, fate=Fate.FETCHED, reason=reason)
    told = [one for one in work.inbounds if not isinstance(one, Ignored)]
    reasons = sorted({one.reason for one in work.inbounds if isinstance(one, Ignored)})
    if not told:
        reason = "; ".join(reasons) or "nothing in it"
        return Settled(event=event, fate=Fate.IGNORED, reason=reason)
    item = items.item_id(told[0])
    if not new:
        return Settled(event=event, fate=Fate.DUPLICATE, item=item)
    if any(isinstance(one, Message) and not one.own for one in new):
        fate = Fate.TICKET
    elif any(isinstance(one, Message | Echo) for one in new):
        fate = Fate.CONTEXT
    elif all(isinstance(one, Lookup) for one in new):
        fate = Fate.FETCHED
    else:
        fate = Fate.APPLIED
    return Settled(event=event, fate=fate, item=item, inbounds=len(new))
