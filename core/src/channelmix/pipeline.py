"""From the journal to tickets: lease, ask the plugins, apply everything in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from attrs import define, evolve, field

from channelmix.dispatch import Dispatch, Outcome
from channelmix.errors import PluginError, PluginFault
from channelmix.hookspecs import Clock
from channelmix.log import get_logger
from channelmix.projection import best_labels
from channelmix.records import (
    INBOUNDS,
    Assign,
    Assignment,
    Classify,
    Fate,
    Ingested,
    Label,
    Labels,
    Message,
    RawEvent,
)
from channelmix.registry import Registry
from channelmix.store import apply as applying
from channelmix.store import journal, tickets
from channelmix.store.engine import Store
from channelmix.store.types import clean

BATCH = 100
KINDS = tuple(INBOUNDS.values())
HOLD = timedelta(seconds=60)
"""How long a lease lasts; far longer than a batch ever takes."""
PATIENCE = 2.0
"""Seconds that a ticket waits for classifiers; what they say later refines it."""


@define(eq=False, kw_only=True)
class Pipeline:
    """One worker. Several may share a journal."""

    store: Store
    registry: Registry
    dispatch: Dispatch
    rules: tickets.Rules
    clock: Clock
    owner: str
    unavailable: Callable[[], Collection[str]]
    """Channels whose events must wait, because their plugin is not there."""
    _late: set[asyncio.Task[Any]] = field(factory=set, init=False)

    async def step(self) -> int:
        """Settle one batch; return how many events it took."""
        now, without = self.clock.now(), self.unavailable()
        events = await self.store.write(
            lambda connection: journal.lease(
                connection, owner=self.owner, now=now, hold=HOLD, limit=BATCH, without=without
            )
        )
        if not events:
            return 0
        works = [await self._work(event) for event in events]
        done = self.clock.now()
        await self.store.write(
            lambda connection: applying.apply(
                connection, works, owner=self.owner, rules=self.rules, now=done
            )
        )
        return len(events)

    async def close(self) -> None:
        """Stop waiting for late classifiers."""
        for task in self._late:
            task.cancel()

    async def _work(self, event: RawEvent) -> applying.Work:
        """Ask the plugins about one event."""
        work = applying.Work(event=event)
        if not event.channel:
            why = f"no channel has account {event.account or '(none)'}"
            return evolve(work, failed=(Fate.UNROUTED, why))
        if not self.registry.implements(event.channel, "ingest"):
            why = f"channel {event.channel} is not configured"
            return evolve(work, failed=(Fate.UNROUTED, why))
        try:
            told: Ingested = await self.dispatch.addressed(event.channel, "ingest", event)
        except (PluginError, PluginFault) as error:
            return evolve(work, failed=(Fate.QUARANTINED, str(error)))
        if wrong := [one for one in told.inbounds if not isinstance(one, KINDS)]:
            why = f"{event.channel}.ingest: returned a {type(wrong[0]).__name__} as an inbound"
            return evolve(work, failed=(Fate.QUARANTINED, why))
        asked = [one for one in told.inbounds if isinstance(one, Message) and not one.own]
        labels = {one.id: await self._classify(event.channel, one) for one in asked}
        return evolve(
            work,
            inbounds=told.inbounds,
            labels=labels,
            assignments=await self._assign(event.channel, asked, labels),
        )

    async def _classify(self, channel: str, message: Message) -> list[tuple[str, Label]]:
        """Ask the classifiers; who takes too long may still answer later."""
        if not self.registry.implementations("classify"):
            return []
        request = Classify(channel=channel, message=message)
        task = asyncio.ensure_future(self.dispatch.collect("classify", request))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if done:
            return _labels(task.result())
        self._late.add(task)
        task.add_done_callback(lambda _: self._refine(channel, message.id, task))
        return []

    def _refine(self, channel: str, message: str, task: asyncio.Task[list[Outcome]]) -> None:
        """Take in what a slow classifier said after all."""
        self._late.discard(task)
        if task.cancelled() or task.exception() is not None:
            return
        labels = _labels(task.result())
        if labels:
            writing = asyncio.ensure_future(self._write_late(channel, message, labels))
            self._late.add(writing)
            writing.add_done_callback(self._late.discard)

    async def _write_late(
        self, channel: str, message: str, labels: list[tuple[str, Label]]
    ) -> None:
        """Write late labels and judge the ticket anew."""
        now = self.clock.now()

        try:
            await self.store.write(
                lambda connection: applying.apply_late(
                    connection, (channel, clean(message)), labels, rules=self.rules, now=now
                )
            )
        except Exception as error:  # noqa: BLE001 - the ticket stands without it
            get_logger().error("classify.late_failed", channel=channel, error=str(error))

    async def _assign(
        self,
        channel: str,
        asked: Collection[Message],
        labels: Mapping[str, list[tuple[str, Label]]],
    ) -> dict[str, Assignment]:
        """Ask the assigners."""
        chosen: dict[str, Assignment] = {}
        if not self.registry.implementations("assign"):
            return chosen
        for message in asked:
            best = best_labels(
                (one.name, one.value, one.confidence, source) for source, one in labels[message.id]
            )
            request = Assign(channel=channel, message=message, labels=best)
            answer = await self.dispatch.first("assign", request)
            if answer is not None and answer.value is not None:
                chosen[clean(message.id)] = answer.value
        return chosen


def _labels(outcomes: Collection[Outcome]) -> list[tuple[str, Label]]:
    """Gather what classifiers said, each with its source."""
    return [
        (outcome.plugin, label)
        for outcome in outcomes
        if isinstance(outcome.value, Labels)
        for label in outcome.value.labels
    ]
