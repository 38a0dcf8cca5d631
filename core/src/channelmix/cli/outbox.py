"""The outbox: what goes out, and a person's decision on what is stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import click
from click.core import ParameterSource

from channelmix.cli import desks, output
from channelmix.cli.call import Call
from channelmix.desk import Desk
from channelmix.errors import NotFound
from channelmix.records import OutboxState
from channelmix.store.views import OutboxLine

outbox_id = click.argument("outbox_id", metavar="ID", type=click.IntRange(min=1))


def _listing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the list."""
    state = click.option("--state", "states", multiple=True, type=desks.one_of(OutboxState))
    ticket = click.option("--ticket", type=click.IntRange(min=1), help="Only for this ticket.")
    return state(ticket(desks.limit(desks.as_json(command))))


@click.group("outbox", invoke_without_command=True)
@_listing
@click.pass_context
def outbox_command(ctx: click.Context, /, **options: Any) -> None:
    """List what goes out, and decide what is stuck."""
    source = ctx.get_parameter_source
    given = {
        key: value for key, value in options.items() if source(key) is ParameterSource.COMMANDLINE
    }
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command, **options)
    elif ctx.invoked_subcommand == "list":
        ctx.default_map = {"list": given}
    elif given:
        raise click.UsageError(f"write options after `{ctx.invoked_subcommand}`")


@outbox_command.command("list")
@_listing
@click.pass_obj
def list_command(
    call: Call, states: tuple[str, ...], ticket: int | None, limit: int, *, as_json: bool
) -> None:
    """List what goes out, newest first."""
    settings = desks.settings_of(call)
    found = desks.on_desk(
        call,
        lambda desk: desk.outbox(
            states=[OutboxState(one) for one in states], ticket=ticket, limit=limit
        ),
        settings=settings,
    )
    if as_json:
        output.print_json(found)
    else:
        _print_table(found, ZoneInfo(settings.desk.timezone))


def _print_table(found: list[OutboxLine], zone: ZoneInfo) -> None:
    listing = output.table("id", "state", "ticket", "channel", "action", "at", "by", "text*")
    for one in found:
        output.row(
            listing,
            one.id,
            f"{one.state.value}!" if one.for_person else one.state.value,
            one.ticket,
            one.channel,
            one.action.replace("_", " "),
            output.when(one.created_at, zone),
            one.by,
            output.listed([one.error, one.details.get("title"), one.text]),
            style="red" if one.for_person or one.state is OutboxState.FAILED else None,
        )
    output.show(listing, empty="There is nothing in the outbox.")
    if any(one.state is OutboxState.HELD for one in found):
        output.say("held: channelmix outbox show ID, then as a second person approve or cancel ID")
    if any(one.for_person for one in found):
        output.say("! look at the network, then: channelmix outbox resolve ID --sent | --not-sent")


@outbox_command.command("show")
@outbox_id
@desks.as_json
@click.pass_obj
def show_command(call: Call, outbox_id: int, *, as_json: bool) -> None:
    """Show all that one action says and carries."""
    line = desks.on_desk(call, lambda desk: _one(desk, outbox_id))
    if as_json:
        output.print_json(line)
    else:
        output.say(*_described(line))


async def _one(desk: Desk, outbox_id: int) -> OutboxLine:
    for line in await desk.outbox(outbox_id=outbox_id):
        return line
    raise NotFound(f"there is no outbox {outbox_id}")


def _described(one: OutboxLine) -> Iterator[str]:
    what = f"{one.action.replace('_', ' ')} on {one.channel}"
    approved = f"approved by {one.approved_by}" if one.approved_by else None
    head = [f"Outbox {one.id}", what, one.state.value, f"by {one.by}", approved, one.error]
    yield output.listed(head)
    yield from (f"{name}: {value}" for name, value in one.details.items())
    yield from (f"[{file}]" for file in one.files)
    if one.text:
        yield one.text


def standing(line: OutboxLine) -> str:
    """Say where something stands that was just accepted, or queued again."""
    held = line.state is OutboxState.HELD
    return "held until a second person approves it" if held else "queued"


@outbox_command.command("approve")
@outbox_id
@desks.by
@click.pass_obj
def approve_command(call: Call, outbox_id: int, by: str) -> None:
    """Let what is held go out, as a second person."""
    desks.on_desk(call, lambda desk: desk.approve(outbox_id, by=by))
    output.say(f"Outbox {outbox_id}: approved, queued.")


@outbox_command.command("retry")
@outbox_id
@click.pass_obj
def retry_command(call: Call, outbox_id: int) -> None:
    """Send what failed or was cancelled once more."""

    async def job(desk: Desk) -> OutboxLine:
        await desk.retry(outbox_id)
        return await _one(desk, outbox_id)

    output.say(f"Outbox {outbox_id}: {standing(desks.on_desk(call, job))} again.")


@outbox_command.command("cancel")
@outbox_id
@click.pass_obj
def cancel_command(call: Call, outbox_id: int) -> None:
    """Cancel what is still queued or held."""
    desks.on_desk(call, lambda desk: desk.cancel(outbox_id))
    output.say(f"Outbox {outbox_id}: cancelled.")


@outbox_command.command("resolve")
@outbox_id
@click.option("--sent/--not-sent", "sent", default=None, help="Whether it is at the network.")
@click.pass_obj
def resolve_command(call: Call, outbox_id: int, *, sent: bool | None) -> None:
    """Say of something uncertain, having looked, whether it arrived. If not, it is sent again."""
    if sent is None:
        raise click.UsageError("look at the network, then say --sent or --not-sent")
    desks.on_desk(call, lambda desk: desk.resolve(outbox_id, arrived=sent))
    output.say(f"Outbox {outbox_id}: {'sent' if sent else 'not sent, queued again'}.")
