"""A first answer by itself while nobody is there: thanks, perhaps an article, a person follows.

A rule of the core's and an observer, like `wrong_topic`. It is never given twice in a thread,
and it stops no clock: the customer still waits for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from channelmix import library
from channelmix.errors import ChannelmixError
from channelmix.hookspecs import Plugin, hook
from channelmix.records import Happening, TicketState, hours, limits_for
from channelmix.rules import answering
from channelmix.settings import FirstAnswer, Settings
from channelmix.store.outbox import answered_by_machine
from channelmix.store.views import Ticket

if TYPE_CHECKING:
    from channelmix.desk import Desk

NAME = "first-answer"
"""Under which it takes part, and acts in a ticket's history."""
TELLING = frozenset({"ticket_opened", "ticket_changed", "message_added"})
FRESH = hours(12)
"""What is older when we learn of it gets none: a first start brings what was said days ago."""


def wanted(settings: Settings) -> bool:
    """Say whether the desk gives one."""
    return settings.desk.first_answer is not None


@define(eq=False, kw_only=True, slots=False)
class Rule(Plugin):
    """Gives the first answer that the settings describe."""

    desk: Desk

    @hook
    async def observe(self, happening: Happening) -> None:
        """Look at a ticket that was opened, or goes on."""
        how = self.desk.settings.desk.first_answer
        if how is None or happening.ticket is None or happening.kind not in TELLING:
            return
        if how.channels and happening.channel not in how.channels:
            return
        if how.when == "closed" and self.desk.rules.is_open(
            happening.channel, self.desk.clock.now()
        ):
            return
        ticket = await self.desk.ticket(happening.ticket)
        if self._asks_for_it(ticket, how):
            await self._answer(ticket, how)

    def _asks_for_it(self, ticket: Ticket, how: FirstAnswer) -> bool:
        """Say whether a customer waits who heard nothing of us yet, where we can answer."""
        line = ticket.line
        limits = limits_for(self.desk.limits(line.channel), answering(line.kind), line.kind)
        heard = ticket.first_response_at is not None or bool(ticket.outbox)
        asked_at = max((one.sent_at for one in ticket.messages if not one.own), default=None)
        return (
            line.state is TicketState.OPEN
            and not heard
            and asked_at is not None
            and self.desk.clock.now() - asked_at <= FRESH
            and limits is not None
            and (not how.kinds or line.kind in how.kinds)
        )

    async def _answer(self, ticket: Ticket, how: FirstAnswer) -> None:
        """Give it, unless a machine has spoken in this thread."""
        line = ticket.line
        if await self.desk.store.read(lambda c: answered_by_machine(c, line.id)):
            return
        best = await self._best(line.id, how)
        for said in dict.fromkeys((best, None)):  # an article that does not fit is left out
            text = "\n\n".join(filter(None, (how.text, said, how.person)))
            try:
                await self.desk.reply(line.id, text, agent=NAME, automatic=True, interim=True)
            except ChannelmixError as error:
                why = error
            else:
                return
        await self.desk.note(line.id, f"no first answer: {why}", by=NAME)

    async def _best(self, ticket: int, how: FirstAnswer) -> str | None:
        """Return what the library says to a request, if it is sure enough."""
        for one in await self.desk.suggest(ticket):
            if one.source.startswith(library.SOURCE) and one.confidence >= how.sure:
                return one.text
        return None
