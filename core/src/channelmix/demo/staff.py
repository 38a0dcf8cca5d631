"""The demo's people behind the desk: they follow its feed and answer, but leave some for you."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from attrs import define, field

from channelmix.demo import phrases
from channelmix.desk import Desk
from channelmix.errors import ChannelmixError
from channelmix.records import Action, Happening, Kind, TicketState, limits_for
from channelmix.store import feed
from channelmix.store.views import MessageLine, Ticket

COORDINATOR = "petra"
SURE = 0.4
"""How sure a tutorial must be to be named in an answer."""
LEFT_OPEN = 0.12
"""The share of requests that nobody of the demo answers."""
PUBLIC = {Kind.COMMENT, Kind.POST}
Tell = Callable[[Happening, Ticket], None]


class Pointed(NamedTuple):
    """A tutorial that was named in an answer."""

    asked_on: str
    """The channel of the ticket."""
    title: str
    source: str
    """Where it comes from: `library:` and the channel that published it."""


@define(eq=False, kw_only=True)
class Staff:
    """Answers what the desk shows, through the desk and nothing else."""

    desk: Desk
    tell: Tell
    random: Random
    patience: tuple[float, float] = (120, 5400)
    """Seconds of the desk's time between a question and its answer, at least and at most."""
    pointed: Counter[Pointed] = field(factory=Counter, init=False)
    """Which tutorials were named in answers, and how often."""
    _todo: dict[int, datetime] = field(factory=dict, init=False)
    _skipped: set[int] = field(factory=set, init=False)
    _seen: int = field(default=0, init=False)
    _moved: asyncio.Condition = field(factory=asyncio.Condition, init=False)

    async def follow(self) -> None:
        """Follow the desk's feed until cancelled."""
        async for one in self.desk.events():
            if one.ticket is not None and _matters(one):
                await self._see(one, await self.desk.ticket(one.ticket))
            async with self._moved:
                self._seen = one.id
                self._moved.notify_all()

    async def caught_up(self) -> int:
        """Return the newest position of the feed, once everything up to it was seen."""
        last = await self.desk.store.read(feed.last)
        async with self._moved:
            await self._moved.wait_for(lambda: self._seen >= last)
        return last

    async def work(self) -> None:
        """Answer whatever is due to be answered."""
        now = self.desk.clock.now()
        for ticket_id in [one for one, when in self._todo.items() if when <= now]:
            del self._todo[ticket_id]
            ticket = await self.desk.ticket(ticket_id)
            if ticket.line.state is TicketState.OPEN:
                await self._handle(ticket)

    async def _see(self, one: Happening, ticket: Ticket) -> None:
        """Take note of one happening."""
        self.tell(one, ticket)
        line = ticket.line
        if line.state is not TicketState.OPEN:
            self._todo.pop(line.id, None)
            return
        if one.kind == "reply_failed":
            self._skipped.add(line.id)
        if one.kind == "ticket_opened":
            await self._distribute(ticket)
        if line.id in self._skipped:
            self._todo.pop(line.id, None)
        elif line.id not in self._todo:
            wait = timedelta(seconds=self.random.uniform(*self.patience))
            self._todo[line.id] = self.desk.clock.now() + wait

    async def _distribute(self, ticket: Ticket) -> None:
        """Leave some alone, and give bills to those who know about bills."""
        line = ticket.line
        if self.random.random() < LEFT_OPEN:
            self._skipped.add(line.id)
        about = phrases.topic(line.subject)
        if about:
            await self.desk.set(line.id, by=COORDINATOR, topic=about)
        teams = [one for one in self.desk.settings.teams.values() if about in one.topics]
        if teams and line.team != teams[0].name:
            team = teams[0]
            agent = self.random.choice(team.agents)
            await self.desk.assign(line.id, by=COORDINATOR, team=team.name, agent=agent)

    async def _handle(self, ticket: Ticket) -> None:
        """Do what is right for one ticket; the desk says if it may not be."""
        asked = [one for one in ticket.messages if not one.own and one.deleted_at is None]
        if not asked:
            return
        try:
            await self._answer(ticket, asked[-1])
        except ChannelmixError as error:
            text = f"No answer: {error}"
            await self.desk.note(ticket.line.id, text, by=_agent(ticket))
            self._skipped.add(ticket.line.id)

    async def _answer(self, ticket: Ticket, message: MessageLine) -> None:
        """Hide, thank, answer in private or in public."""
        desk, line, agent = self.desk, ticket.line, _agent(ticket)
        text = message.text or ""
        public = message.kind in PUBLIC
        likes = limits_for(desk.limits(line.channel), Action.LIKE, message.kind) is not None
        if message.kind is Kind.REVIEW and not phrases.is_praise(text):
            await desk.note(line.id, "A recommendation against us: call back.", by=agent)
            self._skipped.add(line.id)
        elif message.kind is Kind.REVIEW:
            await desk.close(line.id, by=agent, reason="thanks")
        elif phrases.is_rude(text) and public:
            await desk.act(line.id, Action.HIDE, by=agent)
            await desk.close(line.id, by=agent, reason="an insult")
        elif phrases.is_praise(text) and public:
            if likes:
                await desk.act(line.id, Action.LIKE, by=agent)
            await desk.close(line.id, by=agent, reason="thanks")
        elif phrases.is_personal(text) and public:
            await desk.act(line.id, Action.HIDE, by=agent)
            await desk.reply(
                line.id, self._words(ticket, text, private=True), agent=agent, private=True
            )
        else:
            await self._point_or_say(ticket, self._words(ticket, text))

    async def _point_or_say(self, ticket: Ticket, words: str) -> None:
        """Answer with a tutorial if one fits the question and the answer, else with words."""
        desk, line, agent = self.desk, ticket.line, _agent(ticket)
        best = next(iter(await desk.suggest(line.id)), None)
        if best is not None and best.article is not None and best.confidence >= SURE:
            try:
                await desk.reply(line.id, f"{words}\n{best.text}", agent=agent)
            except ChannelmixError:
                pass  # it got too long: without the tutorial, then
            else:
                self.pointed[Pointed(line.channel, best.article.title, best.source)] += 1
                return
        await desk.reply(line.id, words, agent=agent)

    def _words(self, ticket: Ticket, text: str, *, private: bool = False) -> str:
        return phrases.answer(
            self.random,
            name=ticket.line.customer or "",
            text=text,
            agent=_agent(ticket),
            case=f"{ticket.line.id}-{len(ticket.outbox) + 1}",
            private=private,
        )


def _matters(one: Happening) -> bool:
    """Leave out what only says that somebody did what changes nothing but the history."""
    if one.data.get("action") == "assign":
        return one.data.get("by") != "core"
    return one.data.get("action") in {None, "close"}


def _agent(ticket: Ticket) -> str:
    """Say who answers a ticket: whose it is, else the coordinator."""
    return ticket.line.agent or COORDINATOR
