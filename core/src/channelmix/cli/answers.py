"""Answering: reply, review a text beforehand, and the other actions at the network."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from channelmix.cli import desks, output
from channelmix.cli.call import Call
from channelmix.desk import Desk
from channelmix.errors import Refused
from channelmix.hookspecs import Channel
from channelmix.records import (
    Action,
    Attachment,
    AttachmentKind,
    Draft,
    Finding,
    Kind,
    Limits,
    Message,
    limits_for,
)
from channelmix.rules import answering

OURS = (Action.EDIT, Action.DELETE)
"""Actions on what we said ourselves."""
ACTIONS = (Action.HIDE, Action.UNHIDE, Action.LIKE, *OURS, Action.BAN)
FILE = click.Path(exists=True, dir_okay=False, readable=True, resolve_path=True, path_type=Path)


@click.command("reply")
@desks.ticket_id
@click.argument("text", default="")
@click.option("--private", is_flag=True, help="In private, though it was asked in public.")
@click.option("--attach", type=FILE, multiple=True, help="A file; it must stay until it is sent.")
@click.option("--message", metavar="ID", help="Answer this message; else the newest.")
@click.option("--thread", is_flag=True, help="If it is too long, as several numbered messages.")
@desks.by
@click.pass_obj
def reply_command(
    call: Call,
    /,
    *,
    ticket_id: int,
    text: str,
    attach: tuple[Path, ...],
    message: str | None,
    by: str,
    private: bool,
    thread: bool,
) -> None:
    """Answer a ticket.

    The answer waits in the outbox until the desk that runs sends it.
    """
    files = [attachment(path) for path in attach]
    row = desks.on_desk(
        call,
        lambda desk: desk.reply(
            ticket_id,
            text,
            agent=by,
            private=private,
            attachments=files,
            message=message,
            thread=thread,
        ),
    )
    output.say(f"Outbox {row}: queued.")


def attachment(path: Path) -> Attachment:
    """Describe a local file."""
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    family = mime.partition("/")[0]
    kind = AttachmentKind(family) if family in {"image", "video", "audio"} else AttachmentKind.FILE
    size = path.stat().st_size
    return Attachment(kind=kind, path=str(path), name=path.name, mime=mime, size=size)


@click.command("act")
@desks.ticket_id
@click.argument("action", type=desks.one_of(ACTIONS))
@click.argument("text", default="")
@click.option("--message", metavar="ID", help="About this message; else the newest.")
@click.option("--own-id", metavar="ID", help="To edit or delete: our message; else the newest.")
@desks.by
@click.pass_obj
def act_command(
    call: Call,
    /,
    *,
    ticket_id: int,
    action: str,
    text: str,
    message: str | None,
    own_id: str | None,
    by: str,
) -> None:
    """Hide, like, edit, delete or ban at the network.

    Hides, unhides or likes what the customer wrote, bans its author, edits or deletes our answer.
    """
    wanted = Action(action)

    async def job(desk: Desk) -> int:
        ours = own_id
        if wanted in OURS and ours is None:
            ours = await _newest_answer(desk, ticket_id)
        return await desk.act(ticket_id, wanted, by=by, text=text, message=message, own_id=ours)

    output.say(f"Outbox {desks.on_desk(call, job)}: queued.")


async def _newest_answer(desk: Desk, ticket_id: int) -> str:
    ticket = await desk.ticket(ticket_id)
    ours = [one.id for one in ticket.messages if one.own and one.deleted_at is None]
    if not ours:
        raise Refused(f"ticket {ticket_id} has no answer of ours yet; name one with --own-id")
    return ours[-1]


@click.command("review")
@click.argument("channel")
@click.argument("text")
@click.option("--kind", type=desks.one_of(Kind), help="What would be answered.")
@click.option("--private", is_flag=True, help="As a private answer.")
@desks.as_json
@click.pass_obj
def review_command(
    call: Call,
    /,
    *,
    channel: str,
    text: str,
    kind: str | None,
    private: bool,
    as_json: bool,
) -> None:
    """Say what speaks against a text; send nothing.

    As an answer to what was written just now; the length is as the network counts it.
    Exits with 1 if it could not be sent.
    """
    wanted = Kind(kind) if kind else None
    action = answering(wanted) if wanted else Action.PUBLIC_REPLY
    if private:
        action = Action.PRIVATE_REPLY

    async def job(desk: Desk) -> tuple[list[Finding], Limits | None]:
        found = await desk.review(_draft(desk, channel, action, wanted, text))
        plugin = desk.registry.get(channel)
        declared = plugin.limits if isinstance(plugin, Channel) else ()
        return found, limits_for(declared, action, wanted)

    found, limits = desks.on_desk(call, job)
    length = _length(limits, text)
    if as_json:
        output.print_json({"action": action, **length, "findings": found})
    else:
        _print_review(length, found)
    if any(one.level == "block" for one in found):
        click.get_current_context().exit(1)


def _draft(desk: Desk, channel: str, action: Action, kind: Kind | None, text: str) -> Draft:
    now = desk.clock.now()
    target = Message(id="", kind=kind, thread="", sent_at=now) if kind else None
    return Draft(channel=channel, action=action, text=text, target=target, window_opened_at=now)


def _length(limits: Limits | None, text: str) -> dict[str, Any]:
    if limits is None:
        return {"length": len(text), "limit": None, "unit": "characters"}
    return {"length": limits.count(text), "limit": limits.text, "unit": limits.unit}


def _print_review(length: dict[str, Any], found: Sequence[Finding]) -> None:
    most = "" if length["limit"] is None else f" of {length['limit']}"
    output.say(f"{length['length']}{most} {length['unit']}")
    output.say(*(f"{one.level}: {one.text} ({one.code})" for one in found))
    if not found:
        output.say("Nothing speaks against it.")
