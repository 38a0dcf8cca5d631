"""A clock that went back: what was noted for later would wait for as long again."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from channelmix.records import OutboxState
from channelmix.store import schema as s
from channelmix.store.dialect import announce

LONGEST = timedelta(minutes=10)
"""No lease is for longer."""
LATEST = 100
"""Happenings: the last few may be of a desk that is starting now."""
_LOOKED_FOR = sa.and_(
    s.outbox_parts.c.state == OutboxState.UNCERTAIN, s.outbox_parts.c.for_person == sa.false()
)
WAITING = {
    s.sources: sa.true(),
    s.lookups: s.lookups.c.state == "wanted",
    s.attachments: s.attachments.c.state == "wanted",
    s.outbox_parts: sa.or_(s.outbox_parts.c.state == OutboxState.QUEUED, _LOOKED_FOR),
}
"""What has a time to be done at, and which rows of it still have it before them."""


def back(connection: sa.Connection, now: datetime) -> None:
    """Make due what waits, and let no lease last longer than any does.

    What the network had put off comes too early then, and is put off again. It may be done by
    several processes, each for itself.
    """
    for table, waits in WAITING.items():
        due = table.update().where(waits, table.c.next_at > now)
        connection.execute(due.values(next_at=now))
    for table in s.metadata.sorted_tables:
        if "lease_until" in table.c:
            column = table.c.lease_until
            bounded = table.update().where(column > now + LONGEST)
            connection.execute(bounded.values(lease_until=now + LONGEST))
    announce(connection)


def was_later(connection: sa.Connection, now: datetime) -> bool:
    """Say whether something of what happened last is noted for a time that is yet to come."""
    latest = sa.select(s.happenings.c.at).order_by(s.happenings.c.id.desc()).limit(LATEST)
    last = connection.execute(sa.select(sa.func.max(latest.subquery().c.at))).scalar()
    return last is not None and last > now
