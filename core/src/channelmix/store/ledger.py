"""The proof that nothing is ignored: sums over tables that are written independently."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.store import schema as s


@frozen(kw_only=True)
class Balance:
    """One equation: what `left` counts must be what `right` counts."""

    claim: str
    left: int
    right: int

    @property
    def holds(self) -> bool:
        """Say whether it does."""
        return self.left == self.right


@frozen(kw_only=True)
class Ledger:
    """What became of everything that ever arrived."""

    arrived: int
    """Events that were delivered or polled, repeated ones too."""
    repeated: int
    """Of these, deliveries that had come before; of what was pushed, once a worker has it."""
    stored: int
    settled: int
    unsettled: int
    fates: Mapping[str, int]
    reasons: Mapping[str, int]
    """For ignored, quarantined and unrouted events and failed lookups: how many for each."""
    sweep_only: int
    """Items that only a sweep saw, where the network should have pushed them."""
    tickets: Mapping[str, int]
    outbox: Mapping[str, int]
    balances: tuple[Balance, ...]

    @property
    def adds_up(self) -> bool:
        """Say whether every equation holds."""
        return all(one.holds for one in self.balances)


def ledger(connection: sa.Connection, *, pushing: frozenset[str]) -> Ledger:
    """Count everything. `pushing` are the channels whose network should push."""
    raw, fates = s.raw_events, s.fates
    arrived = _number(connection, sa.select(sa.func.sum(s.intake.c.events)))
    stored = _number(connection, sa.select(sa.func.sum(s.intake.c.stored)))
    settled = _count(connection, raw, raw.c.settled == sa.true())
    return Ledger(
        arrived=arrived,
        repeated=arrived - stored,
        stored=stored,
        settled=settled,
        unsettled=_count(connection, raw, raw.c.settled == sa.false()),
        fates=_tally(connection, fates.c.fate),
        reasons=_reasons(connection),
        sweep_only=len(connection.execute(swept_only(pushing)).all()),
        tickets=_tally(connection, s.tickets.c.state),
        outbox=_tally(connection, s.outbox.c.state),
        balances=_balances(connection, stored, settled),
    )


def swept_only(channels: Collection[str]) -> sa.Select[tuple[str, str]]:
    """Select channel and external id of each customer's message that the network did not push.

    One that was pushed, then edited and swept, was pushed; so was one of which only the id was.
    """
    told, other, said = s.inbounds, s.inbounds.alias(), s.messages
    pushed = sa.exists().where(
        other.c.channel == told.c.channel, other.c.item == told.c.item, other.c.pushed == sa.true()
    )
    foreign = sa.exists().where(
        said.c.channel == told.c.channel,
        said.c.external_id == told.c.item,
        said.c.own == sa.false(),
    )
    looked_up = sa.exists().where(
        s.raw_events.c.id == told.c.event_id,
        s.lookups.c.channel == told.c.channel,
        s.lookups.c.source == s.raw_events.c.source,
    )
    return (
        sa.select(told.c.channel, told.c.item)
        .where(told.c.type == "message", told.c.channel.in_(channels), ~pushed, foreign, ~looked_up)
        .distinct()
    )


def _balances(connection: sa.Connection, stored: int, settled: int) -> tuple[Balance, ...]:
    """Hold the tables against each other."""
    raw, fates, told, said = s.raw_events, s.fates, s.inbounds, s.messages
    matched = (
        sa.select(sa.func.count())
        .select_from(raw.join(fates, fates.c.event_id == raw.c.id))
        .where(raw.c.settled == sa.true())
    )
    items = (
        sa.select(told.c.channel, told.c.item)
        .where(told.c.type.in_(["message", "echo"]))
        .distinct()
        .subquery()
    )
    ticketed = (
        sa.select(sa.func.count())
        .select_from(said.join(s.tickets, s.tickets.c.id == said.c.ticket_id))
        .where(said.c.own == sa.false())
    )
    alive = sa.select(said.c.ticket_id).where(said.c.own == sa.false()).distinct().subquery()
    replied = sa.select(sa.func.count()).select_from(
        s.actions.join(s.outbox, s.outbox.c.id == s.actions.c.outbox_id)
    )
    with_parts = sa.select(s.outbox_parts.c.outbox_id).distinct().subquery()
    equations = (
        ("events counted as stored are in the journal", stored, _count(connection, raw)),
        ("every settled event has its one fate", settled, _number(connection, matched)),
        (
            "every fate belongs to a settled event",
            _count(connection, fates),
            _number(connection, matched),
        ),
        (
            "what events brought is stored",
            _number(connection, sa.select(sa.func.sum(fates.c.inbounds))),
            _count(connection, told),
        ),
        (
            "every lookup asked for is in the list",
            _count(connection, told, told.c.type == "lookup"),
            _count(connection, s.lookups),
        ),
        (
            "every item said is a message",
            _number(connection, sa.select(sa.func.count()).select_from(items)),
            _count(connection, said),
        ),
        (
            "every customer's message is in a ticket",
            _count(connection, said, said.c.own == sa.false()),
            _number(connection, ticketed),
        ),
        (
            "every ticket has a message",
            _count(connection, s.tickets, sa.func.coalesce(s.tickets.c.reason, "") != "merged"),
            _number(connection, sa.select(sa.func.count()).select_from(alive)),
        ),
        (
            "every reply to a ticket is in its history",
            _count(connection, s.outbox, s.outbox.c.ticket_id.is_not(None)),
            _number(connection, replied),
        ),
        (
            "every outgoing action has its parts",
            _count(connection, s.outbox),
            _number(connection, sa.select(sa.func.count()).select_from(with_parts)),
        ),
    )
    return tuple(Balance(claim=claim, left=left, right=right) for claim, left, right in equations)


def _count(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    """Count rows."""
    return _number(connection, sa.select(sa.func.count()).select_from(table).where(*where))


def _number(connection: sa.Connection, query: sa.Select[Any]) -> int:
    """Return the one number of a query, 0 if there is none."""
    return int(connection.execute(query).scalar() or 0)


def _tally(connection: sa.Connection, column: sa.Column[str]) -> dict[str, int]:
    """Count rows by the values of a column."""
    query = sa.select(column, sa.func.count()).group_by(column).order_by(column)
    return {row[0]: row[1] for row in connection.execute(query)}


def _reasons(connection: sa.Connection) -> dict[str, int]:
    """Count the reasons of what became no part of a ticket."""
    fates, wanted = s.fates, s.lookups
    query = (
        sa.select(fates.c.fate, fates.c.reason, sa.func.count())
        .where(fates.c.reason.is_not(None))
        .group_by(fates.c.fate, fates.c.reason)
        .order_by(sa.func.count().desc(), fates.c.reason)
    )
    failed = (
        sa.select(sa.literal("lookup failed"), wanted.c.error, sa.func.count())
        .where(wanted.c.state == "failed")
        .group_by(wanted.c.error)
        .order_by(sa.func.count().desc(), wanted.c.error)
    )
    rows = [*connection.execute(query), *connection.execute(failed)]
    return {f"{what}: {why}": count for what, why, count in rows}


def nothing_left(connection: sa.Connection) -> bool:
    """Say whether no event, lookup, attachment or outgoing part is under way; held is not."""
    part = s.outbox_parts
    waiting = (
        _count(connection, s.raw_events, s.raw_events.c.settled == sa.false())
        + _count(connection, s.lookups, s.lookups.c.state == "wanted")
        + _count(connection, s.attachments, s.attachments.c.state == "wanted")
        + _count(
            connection,
            part,
            part.c.state.in_(["queued", "sending", "uncertain"]),
            part.c.for_person == sa.false(),
        )
    )
    return waiting == 0
