"""One run: customers write, agents answer, processes die; then everything may come to its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from channelmix import Desk
from channelmix.errors import Refused
from channelmix.loops import wait
from channelmix.records import OutboxState, TicketState
from channelmix.store import schema as s
from sqlalchemy import func, select

from tests.crash.clock import SharedClock
from tests.crash.failpoints import PLACES, TAKEN, Failpoints, Place
from tests.crash.herd import Herd
from tests.crash.network import Customers, DeadlyPage
from tests.crash.nursery import Order, PushOnly

WORKERS = ("worker-a", "worker-b")
TURN = timedelta(minutes=2.5)
"""How far the clock is turned when only time helps: less than a sender may be silent."""
ROUND_SECONDS = 60.0
"""How long a place may wait for somebody to come by, on however busy a machine."""
REASON_SECONDS = 0.5
"""How long nobody dies until there is one more answer to be sent."""
DOUBTS = 10
"""After how many more answers something is made unclear, and the clock is turned, once more."""
END_SECONDS = 120.0


@frozen(kw_only=True)
class Plan:
    """How much happens."""

    store: str
    folder: Path
    events: int = 2000
    replies: int = 300
    times: int = 4
    """How often each place kills."""
    seed: int = 1
    defect: str | None = None

    def rounds(self) -> list[list[Place]]:
        """Return the places of each round, in a random order.

        Nothing is reconciled unless a send has become unclear, so these rounds have two deaths.
        """
        places = [(phase, one) for phase, found in PLACES.items() for one in found]
        rounds = [
            [TAKEN, place] if place[0] == "reconciling" else [place] for place in places
        ] * self.times
        random.Random(self.seed).shuffle(rounds)
        return rounds


@define(eq=False, kw_only=True)
class Run:
    """What is there while it goes on."""

    plan: Plan
    clock: SharedClock
    points: Failpoints
    herd: Herd
    page: DeadlyPage
    customers: Customers
    desk: Desk
    """That of the agents: it does no work of its own."""
    answers: dict[str, int] = field(factory=dict)
    """What the agents said, and the outbox id of each."""
    _answered: set[int] = field(factory=set)
    acts: int = 0
    """How often customers did something."""

    async def play(self) -> None:
        """Do all of it, and return when nothing is left to do."""
        rounds = self.plan.rounds()
        share = len(rounds) + 1
        self._act(self.plan.events // share)
        await self._answer(self.plan.replies // share)
        for number, places in enumerate(rounds, 2):
            for place in places:
                self.points.arm(place)
            dead = len(self.herd.deaths)
            self._act(self.plan.events * number // share - self.acts)
            await self._answer(self.plan.replies * number // share - len(self.answers))
            try:
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._until_dead(dead + len(places))
            except TimeoutError:
                raise RuntimeError(f"nobody came by {self.points.pending()}") from None
        async with asyncio.timeout(END_SECONDS):
            await self._end()

    async def _until_dead(self, count: int) -> None:
        """Wait for so many deaths; see to it that somebody has a reason to come by."""
        for tries in itertools.count(1):
            if len(self.herd.deaths) >= count:
                return
            try:
                await asyncio.wait_for(self.herd.until_deaths(count), REASON_SECONDS)
            except TimeoutError:
                often = tries % DOUBTS == 0
                if often:
                    count += self._doubt_again()
                if await self._unanswered():
                    await self._answer(1)
                else:
                    self._act(1)
                if often or await self._only_time_helps():
                    self.clock.turn(TURN)

    def _doubt_again(self) -> int:
        """Let one more die, so that something is unclear, where somebody is to reconcile.

        A desk with a defect may have sent again what was unclear, and never looked for it.
        """
        if [phase for phase, _ in self.points.pending()] != ["reconciling"]:
            return 0
        self.points.arm(TAKEN)
        return 1

    def _act(self, times: int) -> None:
        """Let customers do something; the page delivers in the background."""
        for _ in range(times):
            self.customers.act()
        self.acts += max(0, times)

    async def _answer(self, times: int) -> None:
        """Answer so many tickets that have no answer yet, as soon as there are so many."""
        event = self.desk.bell.listen()
        for _ in range(times):
            while not (ticket := await self._unanswered()):
                await wait(event, 0.5)
            text = f"We look at it. ({len(self.answers)})"
            with contextlib.suppress(Refused):  # it may have changed while we looked
                self.answers[text] = await self.desk.reply(ticket, text, agent="anna")
            self._answered.add(ticket)
        self.desk.bell.leave(event)

    async def _unanswered(self) -> int | None:
        lines = await self.desk.tickets(states=[TicketState.OPEN], limit=10_000)
        return next((one.id for one in lines if one.id not in self._answered), None)

    async def _end(self) -> None:
        """Wait until nothing is left; where only time helps, turn the clock."""
        event = self.desk.bell.listen()
        while True:
            await self.page.flush()
            if await self.desk.settled() and not self.page.waits:
                break
            if await self._only_time_helps():
                self.clock.turn(TURN)
            await wait(event, 0.2)
        self.desk.bell.leave(event)

    async def _only_time_helps(self) -> bool:
        """Say whether all that is left waits for a later moment."""
        now, part, raw = self.clock.now(), s.outbox_parts.c, s.raw_events.c
        waiting = part.next_at > now + timedelta(seconds=1)
        busy = [
            select(func.count()).where(part.state == OutboxState.SENDING),
            select(func.count()).where(
                part.state.in_([OutboxState.QUEUED, OutboxState.UNCERTAIN]), ~waiting
            ),
            select(func.count()).where(raw.settled.is_(False)),
        ]
        counts = await self.desk.store.read(lambda c: [c.execute(one).scalar() for one in busy])
        return not any(counts)


def settings(plan: Plan, page: DeadlyPage) -> dict[str, Any]:
    """Return the configuration of the desk."""
    channel = {
        "network": "facebook",
        "page_id": page.account,
        "access_token": page.access_token,
        "app_secret": page.app_secret,
        "verify_token": "a word",
        "app_id": page.app_id,
        "api_url": page.base_url,
    }
    return {
        "desk": {"store": plan.store, "media": str(plan.folder / "media")},
        "channels": {"page": channel},
        "agents": {"anna": {}},
    }


def _orders(plan: Plan, settings: dict[str, Any], port: int) -> Sequence[Order]:
    more: dict[str, Any] = {
        "settings": settings,
        "folder": str(plan.folder),
        "defect": plan.defect,
    }
    return [Order(name="receiver", port=port, **more), *(Order(name=n, **more) for n in WORKERS)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def opened(plan: Plan) -> AsyncIterator[Run]:
    """Set everything up; at the end every process is killed, the agents' desk is open longest."""
    clock = SharedClock(plan.folder / "clock")
    points = Failpoints(plan.folder / "failpoints")
    points.folder.mkdir()
    herd = Herd()
    page = DeadlyPage(clock=clock, points=points, until_dead=herd.until_dead)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(page.online())
        known = settings(plan, page)
        classes = {"facebook": PushOnly}
        desk = Desk.open(known, work=False, clock=clock, plugins=classes)
        await stack.enter_async_context(desk)
        port = _free_port()
        page.webhook = f"http://127.0.0.1:{port}/webhooks/page"
        await stack.enter_async_context(herd)
        herd.start(_orders(plan, known, port))
        delivering = asyncio.create_task(page.run())
        stack.callback(delivering.cancel)
        customers = Customers(page=page, seed=plan.seed)
        yield Run(
            plan=plan,
            clock=clock,
            points=points,
            herd=herd,
            page=page,
            customers=customers,
            desk=desk,
        )
