"""Defects that a process gets on request: the run must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from attrs import evolve
from channelmix.outbox import Sender
from channelmix.records import OutboxState
from channelmix.store import journal, outcomes
from channelmix.store import schema as s

EVERY = 10


def drop_after_200() -> None:
    """Answer 200 for all events, and store every tenth not."""
    original, events = journal.append, count(1)

    def append(connection: Any, arrival: Any) -> Mapping[str, float]:
        kept = [one for one in arrival.events if next(events) % EVERY]
        return original(connection, evolve(arrival, events=kept))

    journal.append = append


def blind_resend() -> None:
    """Queue again, without a look, every second part that an owner was sending when it died."""
    original = Sender.abandon

    async def abandon(self: Sender) -> None:
        def job(connection: Any) -> None:
            parts = outcomes.under_way(connection, self.owner, self.channel.name)
            table = s.outbox_parts
            again = table.update().where(table.c.id.in_(parts), table.c.id % 2 == 0)
            connection.execute(again.values(state=OutboxState.QUEUED))

        await self.store.write(job)
        await original(self)

    Sender.abandon = abandon  # type: ignore[method-assign]  # that is the defect


DEFECTS: Mapping[str, Callable[[], None]] = {
    "drop-after-200": drop_after_200,
    "blind-resend": blind_resend,
}
