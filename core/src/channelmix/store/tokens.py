"""What the vaults keep: values by channel and name, each with a lease for whoever renews it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.store import leases
from channelmix.store import schema as s
from channelmix.store.dialect import announce, insert, upsert


@frozen
class Key:
    """One value of one channel."""

    channel: str
    name: str

    def row(self) -> sa.ColumnElement[bool]:
        """Select the row."""
        return sa.and_(s.tokens.c.channel == self.channel, s.tokens.c.name == self.name)


def read(connection: sa.Connection, key: Key) -> Any:
    """Return the value, None if there is none."""
    return connection.execute(sa.select(s.tokens.c.value).where(key.row())).scalar()


def is_free(connection: sa.Connection, key: Key, owner: str, now: datetime) -> bool:
    """Say whether nobody but `owner` renews the value."""
    held = sa.select(s.tokens.c.name).where(key.row(), ~leases.free(s.tokens, owner, now))
    return connection.execute(held).first() is None


def lease(
    connection: sa.Connection, key: Key, *, owner: str, now: datetime, hold: timedelta
) -> Any:
    """Let `owner` renew the value; return its `value` and `revision`, None if another does."""
    empty = {"channel": key.channel, "name": key.name}
    upsert(connection, s.tokens, [empty], key=["channel", "name"], update=[])
    query = sa.select(s.tokens).where(key.row())
    taken = leases.take(connection, s.tokens, query, owner=owner, now=now, hold=hold)
    return taken[0] if taken else None


def release(connection: sa.Connection, key: Key, owner: str) -> None:
    """Let others renew the value."""
    mine = s.tokens.update().where(key.row(), s.tokens.c.lease_owner == owner)
    connection.execute(mine.values(lease_owner=None, lease_until=None))
    announce(connection)


def put(
    connection: sa.Connection,
    key: Key,
    value: Mapping[str, Any],
    *,
    now: datetime,
    revision: int | None = None,
) -> bool:
    """Keep a value and end the lease on it; with `revision` only if it is still that one."""
    kept = {"value": value, "changed_at": now, "lease_owner": None, "lease_until": None}
    statement = insert(connection, s.tokens).values(
        channel=key.channel, name=key.name, revision=1, **kept
    )
    statement = statement.on_conflict_do_update(
        index_elements=["channel", "name"],
        set_={**kept, "revision": s.tokens.c.revision + 1},
        where=None if revision is None else s.tokens.c.revision == revision,
    )
    return bool(connection.execute(statement).rowcount)
