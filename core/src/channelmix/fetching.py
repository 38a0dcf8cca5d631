"""Downloading what belongs to messages, long after the messages are safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import define

from channelmix.dispatch import Dispatch
from channelmix.errors import (
    AuthorizationLost,
    ChannelmixError,
    MediaError,
    Paused,
    Rejected,
    RetryLater,
)
from channelmix.hookspecs import Clock
from channelmix.log import get_logger
from channelmix.media import Downloader, Stored
from channelmix.records import Attachment, AttachmentKind, Unlocked
from channelmix.registry import Registry
from channelmix.store import leases
from channelmix.store import schema as s
from channelmix.store.engine import Store

SIDE_BY_SIDE = 4
TRIES = 6
FIRST_PAUSE = timedelta(seconds=5)
PUT_OFF = timedelta(minutes=5)
"""How long to wait where the network, or a person who has to log in, lets us wait."""
HOLD = timedelta(minutes=10)
"""How long an attachment is left to the process that took it; longer than any download."""


@define(eq=False, kw_only=True)
class Fetcher:
    """Fetches wanted attachments. A failure stays with the attachment, never with the message."""

    store: Store
    clock: Clock
    registry: Registry
    dispatch: Dispatch
    downloader: Downloader
    api_url: Callable[[str], str | None]
    """Where a channel's network is, if it has been told: the one private address allowed."""
    owner: str

    async def step(self) -> int:
        """Fetch some of what is wanted; return how many."""
        now = self.clock.now()
        table, said = s.attachments, s.messages
        query = (
            sa.select(
                *(table.c.id, table.c.url, table.c.kind, table.c.external_id, table.c.name),
                *(table.c.attempts, said.c.channel),
            )
            .join(said, said.c.id == table.c.message_id)
            .where(
                table.c.state == "wanted",
                sa.or_(table.c.next_at.is_(None), table.c.next_at <= now),
            )
            .order_by(table.c.id)
            .limit(SIDE_BY_SIDE)
        )
        due = query.where(leases.free(table, self.owner, now))
        if not await self.store.read(lambda connection: connection.execute(due).first()):
            return 0
        rows = await self.store.write(
            lambda connection: leases.take(
                connection, table, query, owner=self.owner, now=now, hold=HOLD
            )
        )
        await asyncio.gather(*(self._fetch(row) for row in rows))
        return len(rows)

    async def _fetch(self, row: Any) -> None:
        """Fetch one attachment and write how it went."""
        values: dict[str, Any]
        try:
            stored = await self._download(row)
        except (AuthorizationLost, Paused, RetryLater) as error:
            # No try: it says nothing of the file, and may go on for days.
            after = getattr(error, "after", None) or PUT_OFF
            values = {"error": str(error), "next_at": self.clock.now() + after}
        except MediaError as error:
            tries = row.attempts + 1
            final = error.permanent or tries >= TRIES
            values = {
                "state": "failed" if final else "wanted",
                "error": str(error),
                "attempts": tries,
                "next_at": self.clock.now() + FIRST_PAUSE * 4 ** (tries - 1),
            }
            get_logger(channel=row.channel).warning("media.failed", error=str(error), final=final)
        else:
            values = {
                "state": "stored",
                "path": str(stored.path),
                "size": stored.size,
                "mime": stored.mime,
                "error": None,
            }
        # Only if it is still wanted: the customer may have taken the message back meanwhile.
        statement = s.attachments.update().where(
            s.attachments.c.id == row.id, s.attachments.c.state == "wanted"
        )
        free = {"lease_owner": None, "lease_until": None}
        kept = await self.store.write(
            lambda connection: connection.execute(statement.values(values | free)).rowcount
        )
        if not kept and values.get("state") == "stored":
            await self.forget([values["path"]])

    async def _download(self, row: Any) -> Stored:
        """Download one file, as its channel says that it is asked for.

        Raises: `MediaError`, `AuthorizationLost`, `Paused`, `RetryLater`.
        """
        asked = Attachment(
            kind=AttachmentKind(row.kind), url=row.url, id=row.external_id, name=row.name
        )
        unlocked = None
        if self.registry.implements(row.channel, "unlock"):
            try:
                unlocked = await self.dispatch.addressed(row.channel, "unlock", asked)
            except (AuthorizationLost, Paused, RetryLater):
                raise
            except ChannelmixError as error:
                raise MediaError(str(error), permanent=isinstance(error, Rejected)) from error
        found: Unlocked = unlocked or Unlocked(url=row.url)
        return await self.downloader.fetch(
            found.url, allow_origin=self.api_url(row.channel), headers=found.headers
        )

    async def sweep(self) -> int:
        """Delete the files of messages that were taken back, unless another one shares them."""
        table = s.attachments
        query = sa.select(table.c.path).where(
            table.c.state == "forgotten", table.c.path.is_not(None)
        )
        paths = await self.store.read(lambda connection: list(connection.execute(query).scalars()))
        if paths:
            await self.forget(paths)
            gone = table.update().where(table.c.state == "forgotten", table.c.path.in_(paths))
            await self.store.write(lambda connection: connection.execute(gone.values(path=None)))
        return len(paths)

    async def forget(self, paths: list[str]) -> None:
        """Delete files that no message uses any more."""
        table = s.attachments
        query = sa.select(table.c.path).where(table.c.path.in_(paths), table.c.state == "stored")
        used = set(
            await self.store.read(lambda connection: list(connection.execute(query).scalars()))
        )
        for path in set(paths) - used:
            await asyncio.to_thread(Path(path).unlink, missing_ok=True)
