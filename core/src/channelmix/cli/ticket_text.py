"""One ticket, written out for a person: who, what, until when, and all that was said and done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from textwrap import indent
from zoneinfo import ZoneInfo

from channelmix.cli.output import listed, when
from channelmix.store.views import ActionLine, AttachmentLine, MessageLine, OutboxLine, Ticket


def described(ticket: Ticket, zone: ZoneInfo) -> Iterator[str]:
    """Yield the lines of a ticket."""
    yield from _head(ticket, zone)
    entries = [(one.sent_at, _message(one, zone)) for one in ticket.messages]
    entries += [(one.at, _action(one, zone)) for one in ticket.actions]
    for _, lines in sorted(entries, key=_moment):
        yield ""
        yield from lines
    if ticket.outbox:
        yield ""
        yield from (_outgoing(one) for one in ticket.outbox)


def _moment(entry: tuple[datetime, list[str]]) -> datetime:
    return entry[0]


def _head(ticket: Ticket, zone: ZoneInfo) -> Iterator[str]:
    line = ticket.line
    state = f"{line.state.value} ({line.reason})" if line.reason else line.state.value
    kind = line.kind.value.replace("_", " ")
    yield listed([f"Ticket {line.id}", state, f"{kind} on {line.channel}", line.customer])
    due = f"due {when(line.due_at, zone)}{' (late)' if line.late else ''}" if line.due_at else None
    topic = f"topic {line.topic}" if line.topic else None
    yield listed([f"opened {when(line.opened_at, zone)}", due, f"priority {line.priority}", topic])
    who = " in ".join(name for name in (line.agent, line.team) if name) or "nobody"
    yield f"assigned to {who}" + (f": {ticket.assigned_because}" if ticket.assigned_because else "")
    if ticket.labels:
        yield listed(f"{name} {value}" for name, value in ticket.labels.items())
    if ticket.thread_text or ticket.thread_url:
        yield "under " + listed([ticket.thread_text, ticket.thread_url]).replace("\n", " ")


def _message(one: MessageLine, zone: ZoneInfo) -> list[str]:
    who = "we" if one.own else one.author or "somebody"
    marks = [
        "in the network's own app" if one.native else None,
        f"edited {when(one.edited_at, zone)}" if one.edited_at else None,
        "hidden" if one.hidden else None,
        _mark(one, zone),
        one.rating,
    ]
    lines = [listed([f"{when(one.sent_at, zone)}  {who}", *marks])]
    if one.deleted_at:
        lines.append(f"    (taken back {when(one.deleted_at, zone)})")
    if one.text:
        lines += indent(one.text, "    ", lambda _: True).splitlines()
    lines += [f"    {_attachment(attachment)}" for attachment in one.attachments]
    if one.no_reply:
        lines.append(f"    cannot be answered here: {one.no_reply} {one.url or ''}".rstrip())
    return lines


def _mark(one: MessageLine, zone: ZoneInfo) -> str | None:
    if one.read_at:
        return f"read {when(one.read_at, zone)}"
    return f"delivered {when(one.delivered_at, zone)}" if one.delivered_at else None


def _attachment(one: AttachmentLine) -> str:
    what = one.path or one.url or ""
    problem = f"not downloaded: {one.error}" if one.error else None
    return f"[{one.kind}] " + listed([one.name, one.text, what, problem])


def _action(one: ActionLine, zone: ZoneInfo) -> list[str]:
    detail = one.data.get("text") or one.data.get("reason")
    known = {"text", "reason"}
    rest = [f"{name} {value}" for name, value in one.data.items() if value and name not in known]
    return [listed([f"{when(one.at, zone)}  {one.by}: {one.kind}", *rest, detail])]


def _outgoing(one: OutboxLine) -> str:
    state = f"{one.state.value}, a person must look" if one.for_person else one.state.value
    action = one.action.replace("_", " ")
    return listed([f"outbox {one.id}: {action}", state, one.error, one.text.replace("\n", " ")])
