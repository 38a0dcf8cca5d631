"""What the desk has in its tables, held against what the networks themselves saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import sqlalchemy as sa
from attrs import frozen

from channelmix.demo import Facts
from channelmix.records import Action, OutboxState, Road
from channelmix.store import schema as s
from channelmix.store.ledger import swept_only

SHOWN = 5
"""How many differences are named."""


@frozen(kw_only=True)
class Check:
    """One thing that the network and the desk must agree on."""

    claim: str
    there: int
    """How many the network counts."""
    here: int
    """How many the desk counts."""
    differ: tuple[str, ...] = ()
    """Some of what only one of them knows, or what should not be."""

    @property
    def holds(self) -> bool:
        """Say whether they agree."""
        return self.there == self.here and not self.differ


def compare(
    connection: sa.Connection, facts: Facts, *, channels: Collection[str], apps: Collection[str]
) -> tuple[Check, ...]:
    """Hold one network's facts against the tables. It must be quiet meanwhile."""
    raw, said, box = s.raw_events, s.messages, s.outbox
    pushed = [raw.c.app.in_(apps), raw.c.road == Road.PUSH]
    foreign = [said.c.channel.in_(channels), said.c.own == sa.false()]
    hid = [box.c.channel.in_(channels), box.c.action == Action.HIDE]
    sent = s.receipts.c.channel.in_(channels)
    pushed_ids = _column(connection, raw.c.id, *pushed)
    foreign_ids = _column(connection, said.c.external_id, *foreign)
    return (
        Check(
            claim="events told and answered 200 are in the journal",
            there=facts.told,
            here=len(pushed_ids),
        ),
        Check(
            claim="what was told again is counted as repeated",
            there=facts.repeated,
            here=_repeated(connection, apps),
        ),
        _same("everything customers said is here", facts.said, foreign_ids),
        _same(
            "what no webhook told the sweeps found",
            facts.silent,
            [row.item for row in connection.execute(swept_only(channels))],
        ),
        _same(
            "every reply that arrived is one that was sent",
            [one.id for one in facts.replies],
            _column(connection, s.receipts.c.external_id, sent),
        ),
        _once(facts),
        _same(
            "what is hidden there was hidden here",
            facts.hidden,
            _column(connection, box.c.target, *hid, box.c.state == OutboxState.SENT),
        ),
    )


def _same(claim: str, there: Iterable[str], here: Iterable[str]) -> Check:
    """Hold two sets of external ids against each other."""
    theirs, ours = set(there), set(here)
    differ = sorted(theirs ^ ours)[:SHOWN]
    return Check(claim=claim, there=len(theirs), here=len(ours), differ=tuple(differ))


def _once(facts: Facts) -> Check:
    """See that no reply arrived twice."""
    count = Counter((one.target, one.text) for one in facts.replies)
    twice = [f"{target}: {text}" for (target, text), times in count.items() if times > 1]
    return Check(
        claim="no reply arrived twice",
        there=len(facts.replies),
        here=len(count),
        differ=tuple(twice[:SHOWN]),
    )


def _repeated(connection: sa.Connection, apps: Collection[str]) -> int:
    """Count the pushed events that had come before."""
    table = s.intake
    query = sa.select(sa.func.sum(table.c.events - table.c.stored)).where(
        table.c.scope.in_([f"app:{app}" for app in apps])
    )
    return int(connection.execute(query).scalar() or 0)


def _column(
    connection: sa.Connection, column: sa.Column[str], *where: sa.ColumnElement[bool]
) -> list[str]:
    return list(connection.execute(sa.select(column).where(*where).distinct()).scalars())
