"""Everything that goes on in the background of a desk that works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import define, field

from channelmix.clock import TOLERANCE, Turning
from channelmix.fetching import Fetcher
from channelmix.loops import Topic, cancel, forever
from channelmix.media import Downloader
from channelmix.observing import Observer
from channelmix.outbox import Sender
from channelmix.pipeline import Pipeline
from channelmix.polling import Poller
from channelmix.reconciling import Reconciler
from channelmix.store import feed, leases, tickets, turned
from channelmix.upkeep import Upkeep

if TYPE_CHECKING:
    import sqlalchemy as sa

    from channelmix.desk import Desk
    from channelmix.hookspecs import Channel
    from channelmix.loops import Brake

STOP_SECONDS = 10.0
"""How long sends under way may take when the desk closes."""


@define(eq=False, kw_only=True)
class Workers:
    """The loops of one desk."""

    desk: Desk
    owner: str
    _tasks: list[asyncio.Task[None]] = field(factory=list, init=False)
    _senders: list[Sender] = field(factory=list, init=False)
    _pipeline: Pipeline | None = field(default=None, init=False)
    _downloader: Downloader | None = field(default=None, init=False)
    _turning: Turning = field(init=False)
    _turn: list[Callable[[timedelta], None]] = field(factory=list, init=False)
    """Told when the clock was turned, by those that remember times."""
    _backs: int = field(default=0, init=False)
    """Of how often the clock went back the store was told: it may be away meanwhile."""

    @_turning.default
    def _of_desk(self) -> Turning:
        return Turning(self.desk.clock)

    async def start(self) -> None:
        """Start every loop."""
        desk = self.desk
        await desk.store.write(self._since_last_time)
        self._turn += [desk.dispatch.turn, *(one.turn for one in desk.assembly.brakes.values())]
        self._loop("clock", self._look_at_clock, Topic.TIME)
        self._pipeline = Pipeline(
            store=desk.store,
            registry=desk.registry,
            dispatch=desk.dispatch,
            rules=desk.rules,
            clock=desk.clock,
            owner=self.owner,
            unavailable=self._unavailable,
            cut=desk.cut,
            poison=desk.poison,
            bell=desk.bell,
        )
        self._loop("pipeline", self._pipeline.step, Topic.JOURNAL, every=5)
        self._downloader = Downloader(desk.settings.desk.media, log=desk.log)
        fetcher = Fetcher(
            store=desk.store,
            clock=desk.clock,
            registry=desk.registry,
            dispatch=desk.dispatch,
            downloader=self._downloader,
            api_url=lambda name: getattr(desk.settings.channels.get(name), "api_url", None),
            owner=self.owner,
        )
        self._loop("media", fetcher.step, Topic.MEDIA)
        self._loop("forgetting", fetcher.sweep, Topic.MEDIA, every=5)
        self._loop("deadlines", self._late, Topic.TIME, rings=[Topic.FEED], every=5)
        for channel in desk.assembly.channels().values():
            await self._start_channel(channel)
        for implementation in desk.registry.implementations("observe"):
            observer = Observer(
                store=desk.store,
                dispatch=desk.dispatch,
                clock=desk.clock,
                name=implementation.plugin_name,
                owner=self.owner,
            )
            await observer.start()
            self._turn.append(observer.turn)
            step = self._unless_paused(observer.name, observer.step)
            self._loop(f"observe {observer.name}", step, Topic.FEED)

    async def _start_channel(self, channel: Channel) -> None:
        """Start what a channel needs."""
        desk, name = self.desk, channel.name
        section = desk.settings.channels[name]
        brake = desk.assembly.brakes[section.app]
        upkeep = Upkeep(
            store=desk.store,
            dispatch=desk.dispatch,
            clock=desk.clock,
            channel=channel,
            health=desk.book,
            check=desk.check if desk.registry.implements(name, "check") else None,
            renews=desk.registry.implements(name, "renew"),
        )
        await upkeep.start()
        self._turn.append(upkeep.turn)
        step = self._unless_paused(name, upkeep.step)
        self._loop(f"upkeep {name}", step, Topic.TIME, every=5)
        if desk.registry.implements(name, "poll"):
            poller = Poller(
                store=desk.store,
                dispatch=desk.dispatch,
                clock=desk.clock,
                channel=channel,
                settings=section,
                brake=brake,
                health=desk.book,
                owner=self.owner,
            )
            await poller.start()
            step = self._unless_paused(name, poller.step)
            self._loop(f"poll {name}", step, Topic.LOOKUPS, rings=[Topic.JOURNAL])
        if desk.registry.implements(name, "reply"):
            await self._start_sending(channel, brake)

    async def _start_sending(self, channel: Channel, brake: Brake) -> None:
        """Start what sends on a channel, and what looks for what may have arrived."""
        desk, name = self.desk, channel.name
        sender = Sender(
            store=desk.store,
            dispatch=desk.dispatch,
            clock=desk.clock,
            channel=channel,
            brake=brake,
            health=desk.book,
            rules=desk.rules,
            bell=desk.bell,
            owner=self.owner,
        )
        await sender.abandon()
        self._senders.append(sender)
        # Also while the channel is paused: what came of its parts has to be written.
        self._loop(f"send {name}", sender.step, Topic.OUTBOX)
        reconciler = Reconciler(
            store=desk.store,
            dispatch=desk.dispatch,
            clock=desk.clock,
            channel=channel,
            rules=desk.rules,
            sender=sender,
            turning=self._turning,
            reconciles=desk.registry.implements(name, "reconcile"),
        )
        step = self._unless_paused(name, reconciler.step)
        self._loop(f"reconcile {name}", step, Topic.TIME, rings=[Topic.OUTBOX, Topic.FEED])

    async def stop(self) -> None:
        """Stop the loops, wait for what they have under way, and give back what is leased."""
        await cancel(self._tasks)
        closing: list[Awaitable[None]] = [one.close(STOP_SECONDS) for one in self._senders]
        if self._pipeline is not None:
            closing.append(self._pipeline.close())
        if self._downloader is not None:
            closing.append(self._downloader.close())
        outcomes = await asyncio.gather(*closing, self._give_back(), return_exceptions=True)
        for problem in outcomes:
            if isinstance(problem, Exception):  # the store is away: leases end by themselves
                self.desk.log.warning("close.failed", error=str(problem))

    async def _give_back(self) -> None:
        """Let others have at once what this desk was to do."""
        await self.desk.store.write(lambda connection: leases.give_back(connection, self.owner))

    def _loop(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        hears: Topic,
        *,
        rings: Collection[Topic] = (),
        every: float = 1.0,
    ) -> None:
        """Start one loop."""
        running = forever(name, step, self.desk.bell, hears=hears, rings=rings, every=every)
        self._tasks.append(asyncio.create_task(running, name=name))

    def _unavailable(self) -> Collection[str]:
        """Return the configured channels whose plugin is not there, or paused: events wait."""
        taking_part = self.desk.assembly.channels()
        return [
            one.name
            for one in self.desk.settings.channels.values()
            if one.enabled
            and (one.name not in taking_part or one.name in self.desk.dispatch.paused())
        ] + [name for name in self.desk.settings.unavailable if name not in taking_part]

    def _unless_paused(
        self, name: str, step: Callable[[], Awaitable[int]]
    ) -> Callable[[], Awaitable[int]]:
        """Return a step that does nothing while a plugin is paused."""

        async def unless() -> int:
            return 0 if name in self.desk.dispatch.paused() else await step()

        return unless

    def _since_last_time(self, connection: sa.Connection) -> None:
        """See whether the clock went back while nobody worked here."""
        now = self.desk.clock.now()
        if turned.was_later(connection, now + TOLERANCE):
            turned.back(connection, now)

    async def _look_at_clock(self) -> int:
        """Let nothing wait, or end, because the clock was turned."""
        by, backs, now = self._turning.turned(), self._turning.backs, self.desk.clock.now()
        if by:
            self.desk.log.warning("clock.turned", seconds=by.total_seconds(), now=now.isoformat())
            for turn in self._turn:
                turn(by)
        if backs != self._backs:
            await self.desk.store.write(lambda connection: turned.back(connection, now))
        if by or backs != self._backs:
            self._backs = backs
            self.desk.bell.ring()
        return 0

    async def _late(self) -> int:
        """Mark and tell what has become late."""
        now = self.desk.clock.now()

        def job(connection: sa.Connection) -> int:
            fresh = tickets.late(connection, now)
            feed.tell(connection, fresh, now)
            return len(fresh)

        return await self.desk.store.write(job)
