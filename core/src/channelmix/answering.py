"""From a wish to answer to a row in the outbox: the target, the draft, its review."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import evolve, frozen

from channelmix.errors import NotFound, Refused
from channelmix.records import Action, Attachment, Draft, Kind, OutboxState
from channelmix.rules import answering
from channelmix.store import feed, outbox, tickets
from channelmix.store import schema as s
from channelmix.store.outbox import Accepted, Part

PRIVATE = frozenset({Kind.DIRECT_MESSAGE, Kind.STORY_REPLY})
SAME_AGAIN = timedelta(minutes=10)
ALIVE = (OutboxState.QUEUED, OutboxState.SENDING, OutboxState.SENT, OutboxState.UNCERTAIN)


@frozen(kw_only=True)
class Prepared:
    """A draft with what is needed to accept it."""

    draft: Draft
    covers: frozenset[str]
    used: bool
    """The same action was accepted for the same message before."""
    own_id: str | None = None


def prepare(
    connection: sa.Connection,
    ticket_id: int,
    *,
    action: Action | None,
    private: bool,
    message: str | None,
    own_id: str | None,
    text: str,
    attachments: Sequence[Attachment],
    automatic: bool,
) -> Prepared:
    """Find what an answer is to go to, and everything that bears on whether it may.

    Raises: `NotFound`, `Refused`.
    """
    ticket = connection.execute(sa.select(s.tickets).where(s.tickets.c.id == ticket_id)).first()
    if ticket is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    rows = _live(connection, ticket)
    target = _choose(rows, ticket_id, message)
    kind = Kind(target.kind)
    chosen = action or (Action.PRIVATE_REPLY if private else answering(kind))
    return Prepared(
        draft=Draft(
            channel=ticket.channel,
            action=chosen,
            text=text,
            attachments=tuple(attachments),
            target=outbox.target(connection, ticket.channel, target.external_id),
            automatic=automatic,
            ticket=ticket_id,
            window_opened_at=_opened(rows, target, kind),
        ),
        covers=frozenset(row.external_id for row in rows),
        used=_used(connection, ticket.channel, chosen, target.external_id),
        own_id=own_id,
    )


def _live(connection: sa.Connection, ticket: Any) -> list[Any]:
    """Return the customer's messages of a ticket that are still there, in network time."""
    table = s.messages
    query = (
        sa.select(table)
        .where(
            table.c.ticket_id == ticket.id,
            table.c.own == sa.false(),
            table.c.deleted_at.is_(None),
        )
        .order_by(table.c.sent_at, table.c.id)
    )
    return list(connection.execute(query).all())


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


def _used(connection: sa.Connection, channel: str, action: Action, target: str) -> bool:
    """Say whether the same action was accepted for the same message before."""
    table = s.outbox
    query = sa.select(sa.func.count()).where(
        table.c.channel == channel,
        table.c.action == action,
        table.c.target == target,
        table.c.state.in_(ALIVE),
    )
    return bool(connection.execute(query).scalar())


def accept(
    connection: sa.Connection,
    prepared: Prepared,
    parts: Sequence[Part],
    *,
    by: str,
    rules: tickets.Rules,
    now: datetime,
) -> int:
    """Put an answer into the outbox and the ticket's history, in one transaction.

    Raises: `Refused` for the same answer given a moment ago, by whomever, and for any that
    was given since this one was prepared.
    """
    draft = prepared.draft
    target = draft.target.id if draft.target else None
    concerned = tickets.hold(connection, s.tickets.c.id == draft.ticket)
    _refuse_twice(connection, draft, parts, now)
    if target and not prepared.used and _used(connection, draft.channel, draft.action, target):
        raise Refused("somebody has just done the same to this message: look, then decide")
    row = outbox.accept(
        connection,
        Accepted(
            channel=draft.channel,
            action=draft.action,
            by=by,
            parts=parts,
            automatic=draft.automatic,
            ticket=draft.ticket,
            target=target,
            own_id=prepared.own_id,
            window_opened_at=draft.window_opened_at,
        ),
        now,
    )
    if draft.ticket is not None:
        says = draft.action in {Action.PUBLIC_REPLY, Action.PRIVATE_REPLY}
        done = tickets.Done(
            ticket=draft.ticket,
            channel=draft.channel,
            kind="reply" if says else "act",
            by=by,
            data={"action": draft.action.value, "outbox": row},
            covers=prepared.covers if says else (),
            outbox=row,
        )
        fresh = tickets.act(connection, [done], now)
        fresh += tickets.reproject(connection, concerned, rules=rules, now=now)
        feed.tell(connection, fresh, now)
    return row


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


def _refuse_twice(
    connection: sa.Connection, draft: Draft, parts: Sequence[Part], now: datetime
) -> None:
    """Refuse the double click, and two agents with the same answer."""
    table = s.outbox
    query = sa.select(table.c.id, table.c.by).where(
        table.c.channel == draft.channel,
        table.c.action == draft.action,
        table.c.target == (draft.target.id if draft.target else None),
        table.c.text == "\n".join(part.text for part in parts if part.text),
        table.c.state.in_(ALIVE),
        table.c.created_at > now - SAME_AGAIN,
    )
    files = [one.path or one.url for part in parts for one in part.attachments]
    for same in connection.execute(query):
        if outbox.files(connection, same.id) == files:
            raise Refused(f"the same was sent a moment ago by {same.by} (outbox {same.id})")
