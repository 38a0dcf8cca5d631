"""Tickets: list, show, and everything a person does to one apart from answering."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from channelmix.cli import desks, output
from channelmix.cli.call import Call
from channelmix.cli.ticket_text import described
from channelmix.records import TicketState
from channelmix.store.views import TicketLine


@click.command("tickets")
@click.option("--state", "states", multiple=True, type=desks.one_of(TicketState))
@click.option("--channel", help="Only those of this channel.")
@click.option("--agent", help="Only those of this agent.")
@desks.limit
@desks.as_json
@click.pass_obj
def tickets_command(
    call: Call,
    /,
    *,
    states: tuple[str, ...],
    channel: str | None,
    agent: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List tickets, the most urgent first."""
    settings = desks.settings_of(call)
    found = desks.on_desk(
        call,
        lambda desk: desk.tickets(
            states=[TicketState(one) for one in states], channel=channel, agent=agent, limit=limit
        ),
        settings=settings,
    )
    if as_json:
        output.print_json(found)
    else:
        _print_table(found, ZoneInfo(settings.desk.timezone))


def _print_table(found: list[TicketLine], zone: ZoneInfo) -> None:
    listing = output.table("id", "state", "channel", "due", "who", "customer", "subject*")
    for one in found:
        output.row(
            listing,
            one.id,
            "late" if one.late else one.state.value,
            one.channel,
            output.when(one.due_at, zone),
            one.agent or one.team,
            one.customer,
            one.subject,
            style="red" if one.late else None,
        )
    output.show(listing, empty="There are no such tickets.")


@click.command("show")
@desks.ticket_id
@desks.as_json
@click.pass_obj
def show_command(call: Call, ticket_id: int, *, as_json: bool) -> None:
    """Show one ticket with everything in it."""
    settings = desks.settings_of(call)
    ticket = desks.on_desk(call, lambda desk: desk.ticket(ticket_id), settings=settings)
    if as_json:
        output.print_json(ticket)
    else:
        output.say(*described(ticket, ZoneInfo(settings.desk.timezone)))


@click.command("assign")
@desks.ticket_id
@click.option("--agent", metavar="NAME", help="To this agent.")
@click.option("--team", metavar="NAME", help="To this team.")
@click.option("--nobody", is_flag=True, help="Back to whoever takes it.")
@click.option("--by", default=desks.whoever, metavar="NAME", help="Who does it; else your login.")
@click.pass_obj
def assign_command(
    call: Call,
    /,
    *,
    ticket_id: int,
    agent: str | None,
    team: str | None,
    by: str,
    nobody: bool,
) -> None:
    """Give a ticket to an agent, a team or nobody."""
    if nobody == bool(agent or team):
        raise click.UsageError("say one of --agent (perhaps with --team), --team, --nobody")
    desks.on_desk(call, lambda desk: desk.assign(ticket_id, by=by, agent=agent, team=team))
    _print_done(ticket_id, f"assigned to {agent or team or 'nobody'}")


@click.command("note")
@desks.ticket_id
@click.argument("text")
@desks.by
@click.pass_obj
def note_command(call: Call, ticket_id: int, text: str, by: str) -> None:
    """Leave a note that the customer never sees."""
    desks.on_desk(call, lambda desk: desk.note(ticket_id, text, by=by))
    _print_done(ticket_id, "noted")


@click.command("set")
@desks.ticket_id
@click.option("--topic")
@click.option("--priority")
@click.option("--service", type=click.Choice(["yes", "no"]), help="Whether it asks for service.")
@desks.by
@click.pass_obj
def set_command(call: Call, /, *, ticket_id: int, by: str, **values: str | None) -> None:
    """Set topic or priority, or overrule the classifiers."""
    wanted = {name: value for name, value in values.items() if value is not None}
    if not wanted:
        raise click.UsageError("say at least one of --topic, --priority, --service")
    desks.on_desk(call, lambda desk: desk.set(ticket_id, by=by, **wanted))
    _print_done(ticket_id, ", ".join(f"{name} is {value}" for name, value in wanted.items()))


@click.command("close")
@desks.ticket_id
@click.option("--reason", help="Why, for the history.")
@desks.by
@click.pass_obj
def close_command(call: Call, ticket_id: int, reason: str | None, by: str) -> None:
    """Close a ticket.

    What the customer writes after that opens it again.
    """
    desks.on_desk(call, lambda desk: desk.close(ticket_id, by=by, reason=reason))
    _print_done(ticket_id, "closed")


@click.command("reopen")
@desks.ticket_id
@desks.by
@click.pass_obj
def reopen_command(call: Call, ticket_id: int, by: str) -> None:
    """Put a ticket back into the queue."""
    desks.on_desk(call, lambda desk: desk.reopen(ticket_id, by=by))
    _print_done(ticket_id, "open again")


def _print_done(ticket_id: int, what: str) -> None:
    output.say(f"Ticket {ticket_id}: {what}.")
