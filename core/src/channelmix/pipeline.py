"""From the journal to tickets: lease, ask the plugins, apply everything in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import timedelta
from functools import partial
from typing import Any

from attrs import define, evolve, field, frozen

from channelmix.dispatch import Dispatch, Outcome
from channelmix.errors import NotFound, PluginError, PluginFault
from channelmix.hookspecs import Clock
from channelmix.log import get_logger
from channelmix.loops import Bell, Topic
from channelmix.projection import best_labels
from channelmix.records import (
    INBOUNDS,
    Assign,
    Classify,
    Deletion,
    Echo,
    Edit,
    Fate,
    Ingested,
    Label,
    Labels,
    Lookup,
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
"""How long a lease lasts; longer than a batch takes, which waits once for all its messages."""
PATIENCE = 2.0
"""Seconds that a batch waits for classifiers; what they say later refines its tickets."""


@frozen(kw_only=True)
class Asking:
    """A message that the classifiers are asked about."""

    request: Classify
    task: asyncio.Task[list[Outcome]]


Asked = Mapping[tuple[int, str], Asking]
"""By event and message."""


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
    cut: Callable[[RawEvent], Sequence[journal.Routed]]
    """Cuts a payload that was stored whole into routed events."""
    poison: Mapping[int, str] = field(factory=dict)
    """Events that are not to be read, and why: see `Desk.poison`."""
    bell: Bell = field(factory=Bell)
    """Wakes whoever has to do with what was written."""
    _under_way: set[asyncio.Task[Any]] = field(factory=set, init=False)

    async def step(self) -> int:
        """Settle one batch; return how many events it took, or took out."""
        now, without = self.clock.now(), self.unavailable()
        leased = await self.store.write(
            lambda connection: journal.lease(
                connection, owner=self.owner, now=now, hold=HOLD, limit=BATCH, without=without
            )
        )
        events = leased.events
        if not events:
            return leased.again
        works: Sequence[applying.Work] = [self._read(event) for event in events]
        asked = self._ask(works)
        if asked:
            await asyncio.wait([one.task for one in asked.values()], timeout=PATIENCE)
            works = [_labelled(work, asked) for work in works]
        late = [one for one in asked.values() if not one.task.done()]
        await self._apply(await self._assign(works))
        for one in late:  # only now is there a ticket that can be refined
            one.task.add_done_callback(partial(self._refine, one.request))
        return len(events)

    async def close(self) -> None:
        """Stop waiting for late classifiers."""
        for task in self._under_way:
            task.cancel()

    async def _apply(self, works: Sequence[applying.Work]) -> None:
        """Write down what a batch came to."""
        now = self.clock.now()
        await self.store.write(
            lambda connection: applying.apply(
                connection, works, owner=self.owner, rules=self.rules, now=now
            )
        )
        self.bell.ring(Topic.FEED, *{topic for work in works for topic in _topics(work)})

    def _read(self, event: RawEvent) -> applying.Work:
        """Ask the channel's plugin what one event means, or into what a whole payload is cut."""
        hook = "split" if event.source == journal.UNSPLIT else "ingest"
        if not event.channel:
            why = f"no channel has account {event.account or '(none)'}"
            return applying.Work(event=event, failed=(Fate.UNROUTED, why))
        if not self.registry.implements(event.channel, hook):
            why = f"channel {event.channel} is not configured"
            return applying.Work(event=event, failed=(Fate.UNROUTED, why))
        try:
            return self._told(event, hook)
        except (PluginError, PluginFault, NotFound) as error:
            return applying.Work(event=event, failed=(Fate.QUARANTINED, str(error)))

    def _told(self, event: RawEvent, hook: str) -> applying.Work:
        """Let the channel's plugin read an event, or cut it.

        Raises: as `Dispatch.pure`; `PluginFault` also for what must not be read again.
        """
        if event.id in self.poison:
            raise PluginFault(self.poison[event.id])
        with self.dispatch.calling.reading(event.id):
            if hook == "split":
                return applying.Work(event=event, parts=tuple(self.cut(event)))
            told: Ingested = self.dispatch.pure(event.channel, hook, event)
        if wrong := [one for one in told.inbounds if not isinstance(one, KINDS)]:
            kind = type(wrong[0]).__name__
            raise PluginFault(f"{event.channel}.ingest: returned a {kind} as an inbound")
        return applying.Work(event=event, inbounds=told.inbounds)

    def _ask(self, works: Sequence[applying.Work]) -> Asked:
        """Ask the classifiers about all messages of a batch at the same time."""
        if not self.registry.implementations("classify"):
            return {}
        return {
            (work.event.id, message.id): self._asking(work.event.channel, message)
            for work in works
            for message in _questions(work)
        }

    def _asking(self, channel: str, message: Message) -> Asking:
        """Begin to ask the classifiers about one message."""
        request = Classify(channel=channel, message=message)
        return Asking(request=request, task=self._start(self.dispatch.collect("classify", request)))

    def _start(self, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a job that `close` ends."""
        task = asyncio.create_task(job)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def _refine(self, asked: Classify, task: asyncio.Task[list[Outcome]]) -> None:
        """Take in what a slow classifier said after all."""
        if task.cancelled() or task.exception() is not None:
            return
        if labels := _labels(task.result()):
            self._start(self._write_late(asked.channel, asked.message.id, labels))

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
        else:
            self.bell.ring(Topic.FEED)

    async def _assign(self, works: Sequence[applying.Work]) -> Sequence[applying.Work]:
        """Ask the assigners about all messages of a batch at the same time."""
        if not self.registry.implementations("assign"):
            return works
        return await asyncio.gather(*map(self._assigned, works))

    async def _assigned(self, work: applying.Work) -> applying.Work:
        """Ask the assigners about the messages of one event."""
        messages = _questions(work)
        answers = await asyncio.gather(*(self._choose(work, one) for one in messages))
        chosen = {
            clean(message.id): answer.value
            for message, answer in zip(messages, answers, strict=True)
            if answer is not None
        }
        return evolve(work, assignments=chosen)

    async def _choose(self, work: applying.Work, message: Message) -> Outcome | None:
        """Ask the assigners about one message."""
        best = best_labels(
            (one.name, one.value, one.confidence, source)
            for source, one in work.labels.get(message.id, ())
        )
        request = Assign(channel=work.event.channel, message=message, labels=best)
        return await self.dispatch.first("assign", request)


def _questions(work: applying.Work) -> list[Message]:
    """Return the messages of customers in an event."""
    return [one for one in work.inbounds if isinstance(one, Message) and not one.own]


def _topics(work: applying.Work) -> Iterator[Topic]:
    """Say who has to do with what an event brought, besides those who follow the feed."""
    for inbound in work.inbounds:
        match inbound:
            case Lookup():
                yield Topic.LOOKUPS
            case Echo():
                yield Topic.OUTBOX
            case Edit() | Deletion():
                yield Topic.MEDIA
            case Message() if inbound.attachments:
                yield Topic.MEDIA


def _labelled(work: applying.Work, asked: Asked) -> applying.Work:
    """Add what the classifiers said so far."""
    tasks = {one.id: asked[work.event.id, one.id].task for one in _questions(work)}
    done = {message: task for message, task in tasks.items() if task.done()}
    return evolve(work, labels={message: _labels(task.result()) for message, task in done.items()})


def _labels(outcomes: Collection[Outcome]) -> list[tuple[str, Label]]:
    """Gather what classifiers said, each with its source."""
    return [
        (outcome.plugin, label)
        for outcome in outcomes
        if isinstance(outcome.value, Labels)
        for label in outcome.value.labels
    ]
