"""What the demo plays alike at each of Meta's networks: the day's course, and what goes wrong."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any, ClassVar, Generic, TypeVar

import httpx
from attrs import define, field
from channelmix.demo import Arrived, Facts, Pause, phrases
from channelmix.hookspecs import Clock
from channelmix.testing.simulator import Arrival, Event

from channelmix_meta.simulator_reading import RefusedError
from channelmix_meta.simulator_script import InboxScript

VERIFY = "a-word-of-the-demo"
TROUBLE = 0.15
"""How often something goes wrong on the way."""
S = TypeVar("S", bound=InboxScript[Any])
Act = Callable[[], None]


@define(eq=False, kw_only=True)
class AccountDemo(abc.ABC, Generic[S]):
    """An account with its customers, good days and bad moments included."""

    app: ClassVar[str]
    """Whose webhook address it is."""
    sending: ClassVar[Sequence[str]]
    """The calls that can go wrong, as `Simulator.fault` names them."""
    throttle: ClassVar[RefusedError]
    hiding: ClassVar[str]
    """The parameter that hides a comment."""
    said_as: ClassVar[Collection[str]]
    """The names of the events in which a customer says something new."""

    clock: Clock
    seed: int
    sim: S = field(init=False)
    random: Random = field(init=False)
    ours: list[Any] = field(factory=list, init=False)
    """What the account published."""
    theirs: list[Any] = field(factory=list, init=False)
    """What customers said and webhooks told of, as long as it is there."""
    _coming: list[Act] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        self.sim = self.opened()
        self.random = Random(f"{self.sim.platform} {self.seed}")  # noqa: S311 - a play, no secret

    @abc.abstractmethod
    def opened(self) -> S:
        """Return the simulated account."""

    @abc.abstractmethod
    def first(self) -> None:
        """Publish something."""

    @abc.abstractmethod
    def say(self, text: str) -> None:
        """Let somebody comment on something that the account published."""

    @abc.abstractmethod
    def acts(self) -> Sequence[Act]:
        """Return everything that happens, as often as it does in one round."""

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[str]:
        """Be on the wire, and tell by webhook what happens."""
        async with self.sim.online() as url:
            telling = asyncio.create_task(self.sim.run(), name=f"{self.sim.platform} webhooks")
            try:
                yield url
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    def subscribe(self, base_url: str) -> None:
        """Let webhooks go there."""
        self.sim.webhook = f"{base_url}/webhooks/{self.app}"

    async def play(self, events: int, pause: Pause) -> None:
        """Let people do so many things, some of them at once."""
        while events > 0:
            together = min(events, self.random.choice((1, 1, 1, 2, 3)))
            twist = self._twist()
            for _ in range(together):
                self._next()()
            # Without an await in between, so that these go out together.
            await twist()
            await pause()
            events -= together

    async def flush(self) -> None:
        """Return when no webhook waits or is under way."""
        await self.sim.flush()

    def _next(self) -> Act:
        """Choose what happens next: everything once, in some order, and then all over again."""
        if not self.ours:
            return self.first
        if not self._coming:
            self._coming = list(self.acts())
            self.random.shuffle(self._coming)
        return self._coming.pop()

    # what the acts are made of

    def someone(self) -> str:
        """Choose a person."""
        return self.random.choice(phrases.PEOPLE)

    def below(self) -> Any:
        """Choose one of the latest things that the account published."""
        return self.random.choice(self.ours[-3:])

    def one_of_theirs(self, *kinds: type) -> Any:
        """Choose something that was said; None if there is nothing yet."""
        found = [one for one in self.theirs if isinstance(one, kinds)]
        return self.random.choice(found[-12:]) if found else None

    def comment(self) -> None:
        """Let somebody ask or complain in public."""
        self.say(self.random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS)))

    def praise(self) -> None:
        """Let somebody be content."""
        self.say(self.random.choice(phrases.PRAISE))

    def insult(self) -> None:
        """Let somebody be rude."""
        self.say(self.random.choice(phrases.INSULTS))

    def personal(self) -> None:
        """Let somebody tell what the public should not read."""
        self.say(phrases.personal(self.random))

    def direct(self) -> None:
        """Let somebody write."""
        text = self.random.choice(phrases.QUESTIONS)
        self.theirs.append(self.sim.direct_message(self.someone(), text))

    def direct_photo(self) -> None:
        """Let somebody send a picture or a film."""
        text = self.random.choice(phrases.PHOTO_TEXTS)
        name = self.random.choice(("photo.jpg", "film.mp4"))
        who, picture = self.someone(), self.sim.picture(name)
        self.theirs.append(self.sim.direct_message(who, text, attachments=[picture]))

    # what goes wrong

    def _twist(self) -> Callable[[], Any]:
        """Choose how webhooks arrive, and perhaps something that goes wrong with our calls."""
        if self.random.random() >= TROUBLE:
            return self.sim.flush
        match self.random.randrange(5):
            case 0:
                return lambda: self.sim.flush(repeat=2)
            case 1:
                return lambda: self.sim.flush(backwards=True)
            case 2:
                self.sim.fault("close_after_accept", on=self.random.choice(self.sending))
            case 3:
                self.sim.fault("error_after_accept", on=self.random.choice(self.sending))
            case _:
                on = self.random.choice(self.sending)
                self.sim.refuse(self.throttle, on=on, headers=self._soon())
        return self.sim.flush

    def _soon(self) -> Mapping[str, str]:
        """Return what comes with a throttled call: in a minute it may go on."""
        entry = {"type": self.sim.platform, "estimated_time_to_regain_access": 1}
        return {"x-business-use-case-usage": json.dumps({self.sim.account: [entry]})}

    # what the account saw

    def facts(self) -> Facts:
        """Say what has happened so far, from the account's own record."""
        sim = self.sim
        accepted = [one for one in sim.delivered if one.accepted]
        told = {event.number for one in accepted for event in one.events}
        times = sum(
            len(one.events)
            for one in accepted
            for _, status in one.attempts
            if status == httpx.codes.OK
        )
        said = [event for event in sim.events() if self._is_said(event)]
        effects = [one for one in sim.sent if _took_effect(one)]
        return Facts(
            told=len(told),
            repeated=times - len(told),
            said=frozenset(event.subject for event in said),
            silent=frozenset(event.subject for event in said if not event.pushed),
            replies=tuple(self._arrived(one) for one in effects if self._is_reply(one)),
            hidden=frozenset(_object(one) for one in effects if self._hides(one)),
        )

    def _is_said(self, event: Event) -> bool:
        return event.name in self.said_as and not event.own

    def _is_reply(self, arrival: Arrival) -> bool:
        ends = tuple(one.partition(" ")[2] for one in self.sending)
        return arrival.request.path.endswith(ends)

    def _arrived(self, arrival: Arrival) -> Arrived:
        params, _ = self.sim.read_params(arrival.request)
        body = arrival.answer.body if arrival.answer else {}
        if "message_id" in body:
            message = json.loads(params["message"])
            text = str(message.get("text") or message.get("attachment"))
            return Arrived(id=body["message_id"], target=params["recipient"], text=text)
        target = params.get("comment_id") or params.get("media_id") or _object(arrival)
        return Arrived(id=body["id"], target=target, text=params.get("message", ""))

    def _hides(self, arrival: Arrival) -> bool:
        return self.sim.read_params(arrival.request)[0].get(self.hiding) == "true"


def _took_effect(arrival: Arrival) -> bool:
    """Say whether the account did as it was told, whatever became of its answer."""
    answer = arrival.answer
    done = answer is not None and answer.status == httpx.codes.OK
    return done and arrival.request.method == "POST"


def _object(arrival: Arrival) -> str:
    """Return the object that a call is about: what follows the version in its path."""
    return arrival.request.path.split("/")[2]
