"""Publishing: what is said to everybody, held until a second person approves where one must.

It is kept in the outbox like an answer, with no ticket and no target.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from channelmix.answering import ALIVE, SAME_AGAIN
from channelmix.errors import Refused
from channelmix.settings import Settings
from channelmix.store import feed, locks, outbox, outcomes
from channelmix.store import schema as s
from channelmix.store.outbox import Accepted
from channelmix.store.types import clean


def accept(connection: sa.Connection, wanted: Accepted, now: datetime) -> int:
    """Put into the outbox what is to be published; return its outbox id.

    Raises: `Refused` for the same published on that channel a moment ago, by whomever.
    """
    locks.hold(connection, [("publish", wanted.channel)])  # the second has to see the first
    _refuse_same(connection, wanted, now)
    [row] = outbox.accept(connection, [wanted], now)
    if wanted.held:
        data = {"outbox": row, "by": wanted.by}
        told = feed.Fresh(kind="approval_wanted", channel=wanted.channel, data=data)
        feed.tell(connection, [told], now)
    return row


def _refuse_same(connection: sa.Connection, wanted: Accepted, now: datetime) -> None:
    box = s.outbox
    query = sa.select(box).where(
        box.c.channel == wanted.channel,
        box.c.action == wanted.action,
        box.c.text == clean(wanted.text),
        box.c.created_at > now - SAME_AGAIN,
        box.c.state.in_(ALIVE),
    )
    for same in connection.execute(query).all():
        alike = (same.details or {}) == dict(wanted.details)
        if alike and outbox.files(connection, same.id) == wanted.files:
            raise Refused(f"{same.by} published the same a moment ago (outbox {same.id})")


def approve(
    connection: sa.Connection, outbox_id: int, *, by: str, settings: Settings, now: datetime
) -> list[feed.Fresh] | None:
    """Let go out what is held; None if it is not.

    Raises: `Refused` for the author, and for whoever is no approver of the channel.
    """
    box = s.outbox
    held = connection.execute(sa.select(box).where(box.c.id == outbox_id)).first()
    if held is not None and (why := _may_not(by, held.by, held.channel, settings)):
        raise Refused(f"outbox {outbox_id}: {why}")
    return outcomes.approve(connection, outbox_id, by=by, now=now)


def _may_not(by: str, author: str, channel: str, settings: Settings) -> str | None:
    """Say why somebody may not approve, None if they may."""
    if not by.strip():
        return "say who approves it"
    if _same_person(by, author):
        return f"{author} wrote it, so another person has to approve it"
    section = settings.channels.get(channel)
    if section is None or not section.approvers:
        return None
    team = {agent for one in section.approvers for agent in _in_team(one, settings)}
    if any(_same_person(by, one) for one in {*section.approvers, *team}):
        return None
    return f"{by} is none of those who may approve on {channel}: {', '.join(section.approvers)}"


def _in_team(name: str, settings: Settings) -> tuple[str, ...]:
    team = settings.teams.get(name)
    return team.agents if team else ()


def _same_person(one: str, other: str) -> bool:
    """Compare names as people write them: `Anna` is no second person beside `anna`."""
    return one.strip().casefold() == other.strip().casefold()


def holding(settings: Settings) -> list[str]:
    """Name the channels on which nothing is published that nobody approved."""
    return [one.name for one in settings.channels.values() if one.approval]
