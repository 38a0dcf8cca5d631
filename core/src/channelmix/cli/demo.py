"""`channelmix demo`: a day of customers on simulated networks, told as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import click
from attrs import evolve, frozen
from rich.text import Text

from channelmix import log
from channelmix.cli import output
from channelmix.cli.call import Call
from channelmix.cli.proof import print_ledger
from channelmix.demo.clock import DayClock
from channelmix.demo.comparison import Check
from channelmix.demo.day import DAY, Day, Report
from channelmix.demo.staff import Pointed
from channelmix.demo.stage import Stage, stage
from channelmix.records import Action, Happening, TicketState
from channelmix.store.views import Ticket

PACE = 0.15
"""Seconds between customers while somebody looks on."""
COLOURS = {"opened": "bold", "late": "red", "failed": "red", "unclear": "yellow", "closed": "dim"}
LOOK = """
The desk stays up, and a customer comes now and then. Look around from a second terminal:

    {desk} tickets --state open
    {desk} show {ticket}
    {desk} reply {ticket} "Danke, wir schauen sofort nach."
    {desk} outbox
    {desk} ledger

Ctrl-C ends it."""


@click.command("demo")
@click.option("--once", is_flag=True, help="End when the day is played; 1 if anything is amiss.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which customers come.")
@click.option(
    "--events",
    type=click.IntRange(min=1),
    default=150,
    show_default=True,
    help="How many things they do.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put configuration and database; else a folder that goes away again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
@click.pass_obj
def demo_command(
    call: Call, /, *, once: bool, seed: int, events: int, folder: Path | None, as_json: bool
) -> None:
    """Play a day of customers on simulated networks; then stay up, or with --once count and end.

    Everything is on this machine: the networks, the webhooks, the desk on SQLite.
    """
    log.configure(json=False, level="debug" if call.debug else "critical")
    playing = _Playing(once=once, seed=seed, events=events, as_json=as_json)
    with _folder(folder) as place:
        try:
            good = asyncio.run(playing.run(place))
        except KeyboardInterrupt:  # Ctrl-C: everything is closed by now
            good = True
    if not good:
        click.get_current_context().exit(1)


@contextlib.contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        yield wanted.absolute()
        return
    with TemporaryDirectory(prefix="channelmix-demo-") as made:
        yield Path(made)


@frozen(kw_only=True)
class _Playing:
    """One call of the command."""

    once: bool
    seed: int
    events: int
    as_json: bool

    async def run(self, folder: Path) -> bool:
        """Play; return whether all was well."""
        # SIGTERM ends it as Ctrl-C does, so that its folder goes away as well.
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, signal.raise_signal, signal.SIGINT
        )
        clock = DayClock(behind=DAY)
        async with stage(folder, seed=self.seed, clock=clock) as set_up:
            teller = _Teller(stage=set_up, silent=self.as_json)
            teller.welcome()
            pace = 0.0 if self.once else PACE
            day = Day(stage=set_up, seed=self.seed, tell=teller.tell, pace=pace)
            async with day.staffed():
                report = await day.play(self.events)
                self._print(report)
                if not self.once:
                    teller.look_around(await set_up.desk.tickets(states=[TicketState.OPEN]))
                    await day.trickle()
            return report.good

    def _print(self, report: Report) -> None:
        if self.as_json:
            output.print_json(_document(report))
        else:
            _summary(report)


# --- as it happens ------------------------------------------------------------------------------


@frozen(kw_only=True)
class _Teller:
    """Tells what happens at the desk, a line for each thing."""

    stage: Stage
    silent: bool

    @property
    def zone(self) -> ZoneInfo:
        """The desk's time zone."""
        return ZoneInfo(self.stage.desk.settings.desk.timezone)

    def welcome(self) -> None:
        """Say what is up, and where."""
        if self.silent:
            return
        output.say(
            f"configuration  {self.stage.file}", f"webhooks       {self.stage.url}/webhooks/"
        )
        for one in self.stage.cast:
            output.say(f"simulated      {one.name} ({output.listed(one.channels)})")
        output.say("")

    def look_around(self, still_open: list[Any]) -> None:
        """Say what to type in a second terminal."""
        desk = f"{sys.argv[0]} -c {self.stage.file}"
        ticket = still_open[0].id if still_open else 1
        # To standard error where standard output is for the document alone.
        click.echo(LOOK.format(desk=desk, ticket=ticket), err=self.silent)

    def tell(self, one: Happening, ticket: Ticket) -> None:
        """Tell one happening, if it is worth a line."""
        if self.silent:
            return
        told = _told(one, ticket, self.zone)
        if told is None:
            return
        what, text = told
        network = self.stage.desk.settings.channels[one.channel].network
        line = f"{one.at.astimezone(self.zone):%H:%M}  {network:9} #{ticket.line.id:<4} {what:9}"
        shown = Text(
            output.safe(f"{line} {' '.join(text.split())}"), no_wrap=True, overflow="ellipsis"
        )
        shown.stylize(COLOURS.get(what, ""))
        output.console().print(shown)


def _told(one: Happening, ticket: Ticket, zone: ZoneInfo) -> tuple[str, str] | None:
    """Put a happening into words; None for what nobody needs to read."""
    line, said = ticket.line, one.data
    told = {
        "ticket_opened": ("opened", _opened(ticket, zone)),
        "ticket_late": ("late", f"{line.customer or 'somebody'}: {line.subject}"),
        "replied": _sent(one, ticket),
        "reply_failed": ("failed", str(said.get("why"))),
        "reply_uncertain": ("unclear", f"looking whether it arrived: {said.get('why')}"),
        "close": ("closed", f"{said.get('by')}: {said.get('reason') or ''}"),
        "assign": ("given", f"to {said.get('agent') or said.get('team')} by {said.get('by')}"),
    }
    return told.get(said.get("action") or one.kind)


def _opened(ticket: Ticket, zone: ZoneInfo) -> str:
    line = ticket.line
    due = f", due {output.when(line.due_at, zone)}" if line.due_at else ""
    kind = line.kind.value.replace("_", " ")
    who = line.agent or line.team or "nobody"
    return f"{line.customer or 'somebody'} ({kind}): {line.subject} → {who}{due}"


def _sent(one: Happening, ticket: Ticket) -> tuple[str, str] | None:
    box = next((row for row in ticket.outbox if row.id == one.data.get("outbox")), None)
    if box is None:
        return None
    found = "" if one.data.get("how") == "answer" else f" (known by {one.data.get('how')})"
    what = "answered" if box.text else box.action
    private = "in private: " if box.action == Action.PRIVATE_REPLY else ""
    return what, f"{box.by}{found}: {private}{box.text or ticket.line.subject}"


# --- at the end ---------------------------------------------------------------------------------


def _summary(report: Report) -> None:
    output.say("")
    print_ledger(report.ledger)
    output.say("")
    _print_agents(report.agents)
    output.say("")
    _print_pointed(report.pointed)
    for network, checks in report.checks.items():
        output.say("")
        _print_checks(network, checks)
    output.say("", _verdict(report))


def _print_agents(agents: Mapping[str, Mapping[str, int]]) -> None:
    listing = output.table("agent", *TicketState)
    for name, states in agents.items():
        output.row(listing, name, *(states.get(state) for state in TicketState))
    output.show(listing, empty="No tickets.")


def _print_pointed(pointed: Mapping[Pointed, int]) -> None:
    listing = output.table("asked on", "answers", "that name a tutorial of", "title*")
    for one, times in sorted(pointed.items()):
        output.row(listing, one.asked_on, times, one.source.partition(":")[2], one.title)
    output.show(listing, empty="No answer named a tutorial.")


def _print_checks(network: str, checks: tuple[Check, ...]) -> None:
    listing = output.table("", network, "desk", "claim*")
    for one in checks:
        claim = output.listed([one.claim, ", ".join(one.differ)])
        style = None if one.holds else "red"
        output.row(listing, "ok" if one.holds else "NO", one.there, one.here, claim, style=style)
    output.show(listing, empty="")


def _verdict(report: Report) -> str:
    if report.good:
        return f"{report.events} things happened: everything is settled, and all sides agree."
    return "Something is amiss: it is not settled, does not add up, or the networks disagree."


def _document(report: Report) -> dict[str, Any]:
    """Turn the report into what --json prints."""
    ledger = {**output.plain(report.ledger), "adds_up": report.ledger.adds_up}
    checks = {
        network: [{**output.plain(one), "holds": one.holds} for one in found]
        for network, found in report.checks.items()
    }
    pointed = [{**one._asdict(), "answers": times} for one, times in report.pointed.items()]
    whole: dict[str, Any] = output.plain(evolve(report, checks={}, pointed={}))
    return {**whole, "ledger": ledger, "pointed": pointed, "checks": checks, "good": report.good}
