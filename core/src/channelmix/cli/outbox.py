"""The outbox: what goes out, and a person's decision on what is stuck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import click
from click.core import ParameterSource

from channelmix.cli import desks, output
from channelmix.cli.call import Call
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
            output.listed([one.error, one.text]),
            style="red" if one.for_person or one.state is OutboxState.FAILED else None,
        )
    output.show(listing, empty="There is nothing in the outbox.")
    if any(one.for_person for one in found):
        output.say("! look at the network, then: channelmix outbox resolve ID --sent | --not-sent")


@outbox_command.command("retry")
@outbox_id
@click.pass_obj
def retry_command(call: Call, outbox_id: int) -> None:
    """Send what failed or was cancelled once more."""
    desks.on_desk(call, lambda desk: desk.retry(outbox_id))
    output.say(f"Outbox {outbox_id}: queued again.")


@outbox_command.command("cancel")
@outbox_id
@click.pass_obj
def cancel_command(call: Call, outbox_id: int) -> None:
    """Cancel what is still queued."""
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
