"""What a set of inputs means: pure, and the same in whatever order they came.

`fold` turns everything heard of one item into one message; `project` turns a customer's
messages in a thread, our answers and our closes into tickets. Display follows network time,
attention follows arrival: an answer or a close covers the messages that had arrived when it
was made, so one that comes in late, however old, waits for us again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from channelmix.records import (
    Deletion,
    Echo,
    Edit,
    Inbound,
    Message,
    Reaction,
    Road,
    TicketState,
)


@frozen(kw_only=True)
class Heard:
    """One inbound about an item, with when and how it arrived."""

    inbound: Inbound
    arrived_at: datetime
    road: Road = Road.PUSH


@frozen(kw_only=True)
class Folded:
    """An item as it stands now. `message` is None while only edits or deletions are known."""

    message: Message | None
    arrived_at: datetime
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    hidden: bool = False


def revision(inbound: Inbound) -> str:
    """Return what tells this version of an item from another."""
    match inbound:
        case Message() | Echo():
            message = inbound.message if isinstance(inbound, Echo) else inbound
            return message.revision or _digest(_content(message))
        case Edit():
            return inbound.revision
        case Deletion():
            return ""
        case Reaction():
            who = inbound.author.id if inbound.author else ""
            return f"{who}:{inbound.name}:{inbound.removed}:{inbound.at.isoformat()}"
        case _:
            return _digest(repr(inbound))


def _content(message: Message) -> str:
    """Say what is told of a message: one road may tell its author, say, and the other not."""
    author = message.author.id if message.author else None
    told = (message.text or "", author, message.parent, message.rating, bool(message.hidden))
    return repr((*told, bool(message.attachments)))


def _digest(text: str) -> str:
    """Name a text by its hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def fold(heard: Iterable[Heard]) -> Folded:
    """Fold everything heard of one item. The newest observation of each part counts.

    A poll observes the present, so it is as new as its arrival; a push is as new as it says.
    A deletion is final.
    """
    ordered = list(heard)
    if len(ordered) > 1:
        ordered.sort(key=lambda one: (_observed(one), _rank(one.inbound), repr(one)))
    message: Message | None = None
    edit_text: tuple[str | None, Any] = (None, None)
    edited_at = deleted_at = None
    hidden = False
    for one in ordered:
        match one.inbound:
            case Deletion(at=at):
                deleted_at = min(deleted_at or at, at)
            case Edit() as edit:
                if edit.text is not None or edit.attachments is not None:
                    edited_at = edit.at
                    edit_text = (
                        edit.text if edit.text is not None else edit_text[0],
                        edit.attachments if edit.attachments is not None else edit_text[1],
                    )
                hidden = hidden if edit.hidden is None else edit.hidden
            case Message() | Echo() as said:
                seen = said.message if isinstance(said, Echo) else said
                if message is not None and seen.text != message.text:
                    edited_at = edited_at or _observed(one)
                message = seen if message is None else _merge(message, seen)
                edit_text = (None, None)
                hidden = hidden if seen.hidden is None else seen.hidden
    if message is not None and edit_text != (None, None):
        text, attachments = edit_text
        message = evolve(
            message,
            text=message.text if text is None else text,
            attachments=message.attachments if attachments is None else attachments,
        )
    return Folded(
        message=message,
        arrived_at=min(one.arrived_at for one in ordered),
        edited_at=edited_at,
        deleted_at=deleted_at,
        hidden=hidden,
    )


def _rank(inbound: Inbound) -> int:
    """Order what speaks as of the same moment: first said, then changed, then taken back."""
    return {Edit: 1, Deletion: 2}.get(type(inbound), 0)


def _observed(one: Heard) -> datetime:
    """Say as of when an inbound speaks; a time in the future is no time."""
    if one.road is Road.POLL:
        return one.arrived_at
    match one.inbound:
        case Edit(at=at) | Deletion(at=at) | Reaction(at=at):
            return min(at, one.arrived_at)
        case Message(sent_at=at) | Echo(message=Message(sent_at=at)):
            return min(at, one.arrived_at)
        case _:
            return one.arrived_at


def _merge(older: Message, newer: Message) -> Message:
    """Take the newer observation, and from the older one what the newer does not tell."""
    return evolve(
        newer,
        sent_at=min(older.sent_at, newer.sent_at),
        author=newer.author or older.author,
        parent=newer.parent or older.parent,
        attachments=newer.attachments or older.attachments,
        url=newer.url or older.url,
        rating=newer.rating or older.rating,
        payload=newer.payload or older.payload,
        thread_text=newer.thread_text or older.thread_text,
        thread_url=newer.thread_url or older.thread_url,
    )


# --- tickets --------------------------------------------------------------------------------


@frozen(kw_only=True)
class Said:
    """A customer's message, as far as a ticket is concerned."""

    id: str
    sent_at: datetime
    arrived_at: datetime
    deleted: bool = False
    service: bool | None = None
    """What classifiers or a person say: a request for service or not; None: nobody said."""

    @property
    def at(self) -> datetime:
        """Network time; a time in the future is no time."""
        return min(self.sent_at, self.arrived_at)


@frozen(kw_only=True)
class Answer:
    """Something we said to the customer."""

    at: datetime
    covers: frozenset[str] | None = None
    """The messages it answers; None for one typed at the network: all that were there."""
    delivered: bool = True
    """Whether it surely reached the network."""

    def answers(self, message: Said) -> bool:
        """Say whether `message` had been seen when this was written."""
        return message.at <= self.at if self.covers is None else message.id in self.covers


@frozen(kw_only=True)
class Close:
    """A person closed (or opened again) what they had before them."""

    at: datetime
    covers: frozenset[str]
    reopen: bool = False


@frozen(kw_only=True)
class Projected:
    """One ticket: the request that these messages make together."""

    episode: int
    messages: tuple[str, ...]
    state: TicketState
    opened_at: datetime
    last_message_at: datetime
    reason: str | None = None
    waiting_since: datetime | None = None
    first_response_at: datetime | None = None


def project(
    said: Iterable[Said],
    answers: Sequence[Answer] = (),
    closes: Sequence[Close] = (),
    *,
    reopen_within: timedelta = timedelta(days=14),
) -> tuple[Projected, ...]:
    """Turn what one customer said in one thread into tickets.

    A message within `reopen_within` after a close opens that ticket again; a later one is a
    new request.
    """
    groups = _episodes(sorted(said, key=lambda one: (one.at, one.id)), closes, reopen_within)
    return tuple(
        _ticket(number, group, answers, closes) for number, group in enumerate(groups) if group
    )


def _episodes(
    said: Sequence[Said], closes: Sequence[Close], reopen_within: timedelta
) -> list[list[Said]]:
    """Cut the messages where a close lies long enough before the next one."""
    groups: list[list[Said]] = [[]]
    for message in said:
        present = {one.id for one in groups[-1]}
        shut = max(
            (one.at for one in closes if not one.reopen and one.covers & present), default=None
        )
        known = any(message.id in one.covers and one.covers & present for one in closes)
        if shut is not None and not known and message.at > shut + reopen_within:
            groups.append([])
        groups[-1].append(message)
    return groups


def _ticket(
    number: int, group: Sequence[Said], answers: Sequence[Answer], closes: Sequence[Close]
) -> Projected:
    """Judge one request."""
    ids = {one.id for one in group}
    live = [one for one in group if not one.deleted]
    given = [one for one in answers if any(one.answers(message) for message in group)]
    verdict = max((one for one in closes if one.covers & ids), key=_close_order, default=None)
    closed = verdict.covers if verdict is not None and not verdict.reopen else frozenset()
    asked_again = verdict.covers if verdict is not None and verdict.reopen else frozenset()
    waiting = [
        one
        for one in live
        if one.id not in closed
        and (
            not any(answer.answers(one) for answer in given)
            or (one.id in asked_again and not _answered_after(one, given, verdict))
        )
    ]
    state, reason = _state(live, waiting, closed)
    return Projected(
        episode=number,
        messages=tuple(one.id for one in group),
        state=state,
        reason=reason,
        opened_at=group[0].at,
        last_message_at=group[-1].at,
        waiting_since=waiting[0].at if state is TicketState.OPEN else None,
        first_response_at=min((one.at for one in given if one.delivered), default=None),
    )


def _state(
    live: Sequence[Said], waiting: Sequence[Said], closed: frozenset[str]
) -> tuple[TicketState, str | None]:
    """Say where a request stands, and why it is out of the queue if it is."""
    if not live:
        return TicketState.CLOSED, "taken back by the customer"
    if waiting:
        if all(one.service is False for one in live):
            return TicketState.FILTERED, "no request for service"
        return TicketState.OPEN, None
    if any(one.id in closed for one in live):
        return TicketState.CLOSED, "closed"
    return TicketState.ANSWERED, None


def _close_order(close: Close) -> tuple[datetime, bool, list[str]]:
    """Order closes by time, the rest only to be the same in any order."""
    return close.at, close.reopen, sorted(close.covers)


def _answered_after(message: Said, answers: Sequence[Answer], reopened: Close | None) -> bool:
    """Say whether an answer came after the ticket was opened again."""
    return reopened is not None and any(
        answer.at > reopened.at and answer.answers(message) for answer in answers
    )


def best_labels(labels: Iterable[tuple[str, str, float, str]]) -> Mapping[str, str]:
    """Choose for each name the value with the most confidence.

    Takes (name, value, confidence, source); a person's word (`person`) beats any machine's.
    """
    best: dict[str, tuple[tuple[bool, float, str, str], str]] = {}
    for name, value, confidence, source in labels:
        rank = (source == "person", confidence, source, value)
        if name not in best or rank > best[name][0]:
            best[name] = (rank, value)
    return {name: value for name, (_, value) in best.items()}


__all__ = [
    "Answer",
    "Close",
    "Folded",
    "Heard",
    "Projected",
    "Said",
    "best_labels",
    "fold",
    "project",
    "revision",
]
