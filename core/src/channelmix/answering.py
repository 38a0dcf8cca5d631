"""From wishes to answer to rows in the outbox: targets, drafts, and what forbids them.

What is wished at the same time is done together: its queries cost the same for one or for many.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import evolve, frozen

from channelmix.errors import ChannelmixError, NotFound, Refused
from channelmix.records import Action, Attachment, Draft, Kind, Message, OutboxState
from channelmix.rules import answering
from channelmix.store import feed, locks, outbox, tickets
from channelmix.store import schema as s
from channelmix.store.dialect import among, fetch
from channelmix.store.items import Item
from channelmix.store.outbox import Accepted, Part
from channelmix.store.types import clean

PRIVATE = frozenset({Kind.DIRECT_MESSAGE, Kind.STORY_REPLY})
SAME_AGAIN = timedelta(minutes=10)
ALIVE = (
    OutboxState.HELD,
    OutboxState.QUEUED,
    OutboxState.SENDING,
    OutboxState.SENT,
    OutboxState.UNCERTAIN,
)


@frozen(kw_only=True)
class Wish:
    """What somebody wants to do about a ticket, as `Desk.act` describes it."""

    ticket: int
    action: Action | None = None
    text: str = ""
    private: bool = False
    attachments: Sequence[Attachment] = ()
    message: str | None = None
    own_id: str | None = None
    automatic: bool = False
    thread: bool = False
    interim: bool = False


@frozen(kw_only=True)
class Prepared:
    """A draft with what is needed to accept it."""

    ticket: int
    draft: Draft
    covers: frozenset[str]
    used: bool
    """The same action was accepted for the same message before."""
    own_id: str | None = None
    interim: bool = False
    """It says only that an answer follows."""


@frozen(kw_only=True)
class Ready:
    """A draft that nothing speaks against, as it will be sent."""

    prepared: Prepared
    parts: Sequence[Part]
    by: str

    @property
    def draft(self) -> Draft:
        """What is said."""
        return self.prepared.draft

    @property
    def target(self) -> str | None:
        """What it is about, by its external id."""
        return self.draft.target.id if self.draft.target else None

    @property
    def first(self) -> tuple[str, str] | None:
        """The thread, if it is a machine's word that an answer follows: said there only once."""
        target = self.draft.target
        machine = self.prepared.interim and self.draft.automatic
        return (self.draft.channel, clean(target.thread)) if machine and target else None


@frozen(kw_only=True)
class _Aim:
    """What a wish is about."""

    channel: str
    action: Action
    target: Any
    covers: frozenset[str]
    opened_at: datetime | None

    @property
    def item(self) -> Item:
        """The message to answer."""
        return self.channel, self.target.external_id


# --- preparing ------------------------------------------------------------------------------

_TICKETS = sa.select(s.tickets.c.id, s.tickets.c.channel).where(among("ids", s.tickets.c.id))
_LIVE = (
    sa.select(
        *(
            s.messages.c[name]
            for name in (
                "ticket_id",
                "external_id",
                "kind",
                "sent_at",
                "arrived_at",
                "opens_window",
            )
        )
    )
    .where(
        among("ids", s.messages.c.ticket_id),
        s.messages.c.own == sa.false(),
        s.messages.c.deleted_at.is_(None),
    )
    .order_by(s.messages.c.sent_at, s.messages.c.id)
)
"""The customers' messages that are still there, in network time."""
_DONE = (
    sa.select(
        *(
            s.outbox.c[name]
            for name in ("id", "channel", "action", "target", "text", "by", "created_at", "state")
        )
    )
    .where(among("items", s.outbox.c.channel, s.outbox.c.target))
    .order_by(s.outbox.c.id)
)
"""What was done about messages. Were it asked by state too, SQLite would look through all."""


def prepare(connection: sa.Connection, wishes: Sequence[Wish]) -> list[Prepared | ChannelmixError]:
    """Find what each wish is about, and everything that bears on whether it may be done.

    For one that cannot be done there is the error: `NotFound`, `Refused`.
    """
    aims = _aims(connection, wishes)
    items = {aim.item for aim in aims if isinstance(aim, _Aim)}
    targets = outbox.targets(connection, items)
    done = _done(connection, items)
    return [
        _prepared(wish, aim, targets, done) if isinstance(aim, _Aim) else aim
        for wish, aim in zip(wishes, aims, strict=True)
    ]


def _prepared(
    wish: Wish, aim: _Aim, targets: Mapping[Item, Message], done: Collection[Any]
) -> Prepared:
    """Write the draft of a wish."""
    return Prepared(
        ticket=wish.ticket,
        draft=Draft(
            channel=aim.channel,
            action=aim.action,
            text=wish.text,
            attachments=tuple(wish.attachments),
            target=targets.get(aim.item),
            automatic=wish.automatic,
            thread=wish.thread,
            ticket=wish.ticket,
            window_opened_at=aim.opened_at,
        ),
        covers=aim.covers,
        used=(*aim.item, aim.action) in done,
        own_id=wish.own_id,
        interim=wish.interim,
    )


def _aims(connection: sa.Connection, wishes: Sequence[Wish]) -> list[_Aim | ChannelmixError]:
    """Find what each wish is about, or why it cannot be done."""
    wanted = {"ids": sorted({wish.ticket for wish in wishes})}
    channels = {row.id: row.channel for row in fetch(connection, _TICKETS, wanted)}
    messages: dict[int, list[Any]] = defaultdict(list)
    for row in fetch(connection, _LIVE, wanted):
        messages[row.ticket_id].append(row)
    aims: list[_Aim | ChannelmixError] = []
    for wish in wishes:
        try:
            aims.append(_aim(wish, channels.get(wish.ticket), messages[wish.ticket]))
        except ChannelmixError as error:
            aims.append(error)
    return aims


def _aim(wish: Wish, channel: str | None, rows: Sequence[Any]) -> _Aim:
    """Find what a wish is about. Raises: `NotFound`, `Refused`."""
    if channel is None:
        raise NotFound(f"there is no ticket {wish.ticket}")
    if wish.action is Action.PUBLISH:
        raise Refused("what is published belongs to no ticket: use Desk.publish")
    target = _choose(rows, wish.ticket, wish.message)
    kind = Kind(target.kind)
    return _Aim(
        channel=channel,
        action=wish.action or (Action.PRIVATE_REPLY if wish.private else answering(kind)),
        target=target,
        covers=frozenset(row.external_id for row in rows),
        opened_at=_opened(rows, target, kind),
    )


def _choose(rows: Sequence[Any], ticket_id: int, message: str | None) -> Any:
    """Return the message to answer: the one that was named, else the newest."""
    if not rows:
        raise Refused(f"ticket {ticket_id}: the customer has taken everything back")
    if message is None:
        return rows[-1]
    for row in rows:
        if row.external_id == message:
            return row
    raise NotFound(f"ticket {ticket_id} has no message {message}")


def _opened(rows: Sequence[Any], target: Any, kind: Kind) -> datetime | None:
    """Return when the reply window was opened last.

    In a conversation every message of the customer opens it; a public item stands for itself.
    """
    opening = rows if kind in PRIVATE else [target]
    return max(
        (min(row.sent_at, row.arrived_at) for row in opening if row.opens_window), default=None
    )


Deed = tuple[str, str | None, str]
"""What is done: channel, target, action."""


def _done(connection: sa.Connection, items: Collection[Item]) -> dict[Deed, list[Any]]:
    """Return what was done about messages and stands, in its order."""
    done: dict[Deed, list[Any]] = defaultdict(list)
    if items:
        for row in fetch(connection, _DONE, {"items": sorted(items)}):
            if row.state in ALIVE:
                done[row.channel, row.target, row.action].append(row)
    return done


# --- accepting ------------------------------------------------------------------------------


def accept(
    connection: sa.Connection, ready: Sequence[Ready], *, rules: tickets.Rules, now: datetime
) -> list[int | ChannelmixError]:
    """Put answers into the outbox and their tickets' history; return their outbox ids.

    For one that comes too late there is the error: `Refused` for the same answer given a moment
    ago, by whomever, for any that was given since this one was prepared, and for a machine's word
    that an answer follows where a machine has spoken in that thread.
    """
    locks.hold(connection, (("first", *one.first) for one in ready if one.first))
    concerned = tickets.hold(connection, {one.prepared.ticket for one in ready})
    made: dict[int, int | ChannelmixError] = {}
    fresh: list[feed.Fresh] = []
    left = list(enumerate(ready))
    while left:  # of those that are the same, the second has to see the first
        first = {key: number for number, one in reversed(left) for key in _once(one)}
        turn = [each for each in left if all(first[key] == each[0] for key in _once(each[1]))]
        left = [each for each in left if each not in turn]
        results, told = _accept_different(connection, [one for _, one in turn], now)
        made.update(zip((number for number, _ in turn), results, strict=True))
        fresh += told
    if fresh:
        fresh += tickets.reproject(connection, concerned, rules=rules, now=now)
    feed.tell(connection, fresh, now)
    return [made[number] for number in range(len(ready))]


def _deed(one: Ready) -> Deed:
    """Say what is done."""
    return one.draft.channel, one.target, one.draft.action


def _once(one: Ready) -> list[tuple[str | None, ...]]:
    """Say what at most one of those that are accepted together may be."""
    return [_deed(one), *([one.first] if one.first else [])]


def _accept_different(
    connection: sa.Connection, ready: Sequence[Ready], now: datetime
) -> tuple[list[int | ChannelmixError], list[feed.Fresh]]:
    """Accept answers of which no two are the same deed."""
    done = _done(connection, {(one.draft.channel, one.target) for one in ready if one.target})
    refused = [_refused(connection, one, done.get(_deed(one), ()), now) for one in ready]
    fine = [one for one, why in zip(ready, refused, strict=True) if why is None]
    ids = outbox.accept(connection, [_accepted(one) for one in fine], now)
    made = iter(ids)
    results: list[int | ChannelmixError] = [next(made) if why is None else why for why in refused]
    acts = [_act(one, row) for one, row in zip(fine, ids, strict=True)]
    return results, tickets.act(connection, acts, now)


def _refused(
    connection: sa.Connection, one: Ready, done: Sequence[Any], now: datetime
) -> Refused | None:
    """Refuse the double click, two agents with the same answer, and what was just done."""
    accepted = _accepted(one)
    text, files = clean(accepted.text), accepted.files
    for same in done:
        if (
            same.text == text
            and same.created_at > now - SAME_AGAIN
            and outbox.files(connection, same.id) == files
        ):
            return Refused(f"the same was sent a moment ago by {same.by} (outbox {same.id})")
    if done and not one.prepared.used:
        return Refused("somebody has just done the same to this message: look, then decide")
    if one.first and outbox.answered_by_machine(connection, one.prepared.ticket):
        return Refused("a machine has spoken in this thread before")
    return None


def _accepted(one: Ready) -> Accepted:
    """Make the row of an answer."""
    draft = one.draft
    return Accepted(
        channel=draft.channel,
        action=draft.action,
        by=one.by,
        parts=one.parts,
        automatic=draft.automatic,
        ticket=one.prepared.ticket,
        target=one.target,
        own_id=one.prepared.own_id,
        window_opened_at=draft.window_opened_at,
    )


def _act(one: Ready, row: int) -> tickets.Done:
    """Make the entry in the ticket's history."""
    draft = one.draft
    replies = {Action.PUBLIC_REPLY, Action.PRIVATE_REPLY}
    says = draft.action in replies and not one.prepared.interim
    return tickets.Done(
        ticket=one.prepared.ticket,
        channel=draft.channel,
        kind="reply" if says else "act",
        by=one.by,
        data={"action": draft.action.value, "outbox": row},
        covers=one.prepared.covers if says else (),
        outbox=row,
    )


# --- files ----------------------------------------------------------------------------------


def keep(attachments: Sequence[Attachment], folder: Path) -> list[Attachment]:
    """Copy local files into the media folder, so that they are there when they are sent.

    Raises: `Refused` for a file that cannot be read.
    """
    return [one if one.path is None else _keep(one, Path(one.path), folder) for one in attachments]


def _keep(attachment: Attachment, source: Path, folder: Path) -> Attachment:
    """Copy one file, named after its content."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise Refused(f"{source}: cannot be read: {error.strerror}") from error
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{hashlib.sha256(content).hexdigest()}{source.suffix.lower()}"
    kept.write_bytes(content)
    return evolve(attachment, path=str(kept), name=attachment.name or source.name)
