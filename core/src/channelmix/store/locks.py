"""Who works on the same things takes turns: locks that last as long as the transaction.

SQLite has one writer at a time and needs none. On PostgreSQL every transaction takes them in
this order, each kind at once and sorted, so that nobody waits in a circle:

1. items and conversations, before what an event tells is stored; where something is published,
   or a machine answers first,
2. people, and with them their units, before messages are written,
3. rows,
4. the feed, last: its ids then come in the order of the commits.

A worker that leases waits for no key of a delivery: what another holds is left to it. So whoever
stores what costs something can wait for it there, with other locks in hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import sqlalchemy as sa

Key = tuple[str, ...]
"""A kind (`item`, `talk`, `person`, `publish`, `first`, `feed`, `key`), then what names the one
meant."""
FEED: Key = ("feed",)
MIGRATION: Key = ("migration",)

_HOLD = sa.text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def hold(connection: sa.Connection, keys: Iterable[Key]) -> None:
    """Wait until nobody else holds any of `keys`, and hold them until the transaction ends."""
    if connection.dialect.name == "sqlite":
        return
    if wanted := sorted({_number(key) for key in keys}):
        connection.execute(_HOLD, {"keys": wanted})


_ATTEMPT = sa.text(
    "SELECT key FROM unnest(CAST(:keys AS bigint[])) AS key WHERE pg_try_advisory_xact_lock(key)"
)


def attempt(connection: sa.Connection, keys: Iterable[Key]) -> set[Key]:
    """Hold those of `keys` that nobody else holds until the transaction ends; return them."""
    wanted = {key: _number(key) for key in keys}
    if connection.dialect.name == "sqlite" or not wanted:
        return set(wanted)
    numbers = sorted(set(wanted.values()))
    held = set(connection.execute(_ATTEMPT, {"keys": numbers}).scalars())
    return {key for key, number in wanted.items() if number in held}


def _number(key: Key) -> int:
    """Name a key by 64 bits; two that share them only take turns without need."""
    digest = hashlib.blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), signed=True)
