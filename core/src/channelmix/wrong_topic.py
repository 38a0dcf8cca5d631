"""A request that was sent to the wrong account: pointed to the right one, or moved, or kept.

A rule of the core's and no plugin, because it answers and assigns, which only the desk can. It
is an observer of the durable feed like any other, so that it goes on where it was after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from channelmix.errors import ChannelmixError
from channelmix.hookspecs import Plugin, hook
from channelmix.records import Happening, TicketState
from channelmix.settings import ChannelSettings, Settings
from channelmix.store.outbox import answered_by_machine
from channelmix.store.views import Ticket

if TYPE_CHECKING:
    from channelmix.desk import Desk

NAME = "wrong-topic"
"""Under which it takes part, and acts in a ticket's history."""
TELLING = frozenset({"ticket_opened", "ticket_changed", "message_added"})


def wanted(settings: Settings) -> bool:
    """Say whether any channel does something about it."""
    return any(one.enabled and one.wrong_topic != "keep" for one in settings.channels.values())


def right_channel(settings: Settings, channel: str, topic: str | None) -> ChannelSettings | None:
    """Return the other channel of the same network that a topic belongs to, None if there is none.

    A channel without topics takes everything, so nothing is wrong there.
    """
    here = settings.channels.get(channel)
    if here is None or topic is None or not here.topics or topic in here.topics:
        return None
    others = (one for one in settings.channels.values() if one.enabled and one is not here)
    return next(
        (one for one in others if one.network == here.network and topic in one.topics), None
    )


@define(eq=False, kw_only=True, slots=False)
class Rule(Plugin):
    """Does what the channels' settings say about requests in the wrong place."""

    desk: Desk

    @hook
    async def observe(self, happening: Happening) -> None:
        """Look at a ticket that was opened, goes on, or got another topic."""
        if happening.kind not in TELLING or happening.ticket is None:
            return
        here = self.desk.settings.channels.get(happening.channel)
        if here is None or here.wrong_topic == "keep":
            return
        ticket = await self.desk.ticket(happening.ticket)
        right = right_channel(self.desk.settings, happening.channel, ticket.line.topic)
        by_person = any(not one.automatic for one in ticket.outbox)
        if right is None or ticket.line.state is not TicketState.OPEN or by_person:
            return
        if here.wrong_topic == "move" or not await self._point(ticket, here, right):
            await self._move(ticket, right)

    async def _point(self, ticket: Ticket, here: ChannelSettings, right: ChannelSettings) -> bool:
        """Answer with a pointer to the right account; False if that cannot be said here."""
        line = ticket.line
        if await self.desk.store.read(lambda c: answered_by_machine(c, line.id)):
            return False
        text = here.pointer.format(account=right.known_as or right.name, topic=line.topic)
        try:
            await self.desk.reply(line.id, text, agent=NAME, automatic=True)
        except ChannelmixError as error:
            await self.desk.note(line.id, f"no pointer to {right.name}: {error}", by=NAME)
            return False
        return True

    async def _move(self, ticket: Ticket, right: ChannelSettings) -> None:
        """Give a ticket to who answers on the right channel; it is answered where it was asked."""
        line = ticket.line
        chosen = self.desk.rules.choose(
            channel=right.name, topic=line.topic, language=None, load={}
        )
        if chosen.team is not None and chosen.team != line.team:
            await self.desk.assign(line.id, by=NAME, team=chosen.team, agent=chosen.agent)
