"""The far side: a simulated page that can kill who calls it, and its customers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count

import httpx
from attrs import define, field
from channelmix.testing.simulator import BAD_GATEWAY, NO_TRUST, Answer, Request
from channelmix_facebook.simulator import FacebookSimulator
from channelmix_facebook.simulator_world import Comment, Post
from channelmix_meta.simulator_world import Note

from tests.crash.failpoints import ARRIVED, TAKEN, Failpoints
from tests.crash.nursery import PROCESS

AT_ONCE = 8
"""How many webhooks are under way at the same time, so that they share commits and get mixed."""
POSTS, PEOPLE, WRITERS = 120, 400, 150
SENDS = ("/comments", "/messages")


@define(eq=False, kw_only=True, slots=False)
class DeadlyPage(FacebookSimulator):
    """Comes by two places of the failpoints; never gives up a webhook."""

    points: Failpoints
    until_dead: Callable[[int], Awaitable[None]]
    batch: int = 4
    retries: tuple[float, ...] = (0.05,) * 2000

    async def answer(self, request: Request) -> Answer:
        """Answer, unless whoever asks is killed meanwhile."""
        if request.method != "POST" or not request.path.endswith(SENDS):
            return await super().answer(request)
        caller = int(request.headers[PROCESS])
        if self.points.passed(ARRIVED, caller):
            await self.until_dead(caller)
            return BAD_GATEWAY  # nobody is there to read it
        answer = await super().answer(request)
        if self.points.passed(TAKEN, caller):
            await self.until_dead(caller)
        return answer

    def _reconciling(self) -> bool:
        return any(phase == "reconciling" for phase, _ in self.points.pending())

    @property
    def waits(self) -> bool:
        """Say whether a webhook is still to be delivered."""
        return bool(self._pending)

    async def flush(self, *, repeat: int = 1, backwards: bool = False) -> None:
        """Deliver what waits, several webhooks side by side.

        Echoes come late while somebody is to die in reconciling: they would clear up before.
        """
        async with self._delivering:
            late = [one for one in self._pending if one.own and self._reconciling()]
            waiting = [one for one in self._pending if one not in late for _ in range(repeat)]
            self._pending.clear()
            self._pending.extend(late)
            self._ready.clear()
            gate = asyncio.Semaphore(AT_ONCE)
            async with httpx.AsyncClient(trust_env=False, verify=NO_TRUST) as http:

                async def deliver(start: int) -> None:
                    async with gate:
                        part = waiting[start : start + self.batch]
                        await self._deliver(http, self._delivery(part))

                await asyncio.gather(*map(deliver, range(0, len(waiting), self.batch)))


@define(eq=False)
class Customers:
    """They comment, write, edit and react, the same way for the same seed."""

    page: DeadlyPage
    seed: int
    _dice: random.Random = field(init=False)
    _numbers: count[int] = field(factory=lambda: count(1), init=False)
    _posts: list[Post] = field(factory=list, init=False)
    _said: list[Post | Comment | Note] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with the page's own posts."""
        self._dice = random.Random(self.seed)
        self._posts = [self.page.post(f"News {number}.") for number in range(POSTS)]

    def act(self) -> None:
        """Let one of them do something."""
        number = next(self._numbers)
        person = f"Person {self._dice.randrange(PEOPLE)}"
        match self._dice.randrange(20):
            case 0:
                self._said.append(self.page.visitor_post(person, f"Where is it? ({number})"))
            case 1 | 2 | 3 | 4:
                writer = f"Writer {self._dice.randrange(WRITERS)}"
                self._said.append(self.page.direct_message(writer, f"My bill? ({number})"))
            case 5 | 6 if self._said:
                self.page.edit(self._dice.choice(self._said), f"I mean: when? ({number})")
            case 7 if self._said:
                self.page.react(self._dice.choice(self._said), person)
            case _:
                below = self._dice.choice(self._posts[:POSTS])
                self._said.append(self.page.comment(below, person, f"Is it late? ({number})"))
