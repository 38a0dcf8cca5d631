"""The command line. What a command needs is imported when it is called, and not before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from channelmix import __version__
from channelmix.cli.call import Call
from channelmix.errors import ChannelmixError, ConfigError
from channelmix.hints import did_you_mean

SECTIONS = {
    "Set up": {
        "init": ("setup", "Write a commented starter file."),
        "check": ("setup", "Say what is wrong with the configuration."),
        "connect": ("connect", "Log a channel in at its network."),
        "plugins": ("setup", "List what is installed."),
        "schema": ("setup", "Print a JSON Schema of the configuration."),
    },
    "Work": {
        "run": ("running", "Take in, send and serve, until stopped."),
        "demo": ("demo", "Play a day of customers on simulated networks."),
        "ingest": ("ingesting", "Show what raw payloads would become; store nothing."),
    },
    "Tickets": {
        "tickets": ("tickets", "List tickets, the most urgent first."),
        "show": ("tickets", "Show one ticket with everything in it."),
        "assign": ("tickets", "Give a ticket to an agent, a team or nobody."),
        "note": ("tickets", "Leave a note that the customer never sees."),
        "set": ("tickets", "Set topic or priority, or overrule the classifiers."),
        "close": ("tickets", "Close a ticket."),
        "reopen": ("tickets", "Put a ticket back into the queue."),
    },
    "Answers": {
        "suggest": ("library", "Offer answers to a ticket."),
        "library": ("library", "List or search what we published that helps."),
        "reply": ("answers", "Answer a ticket."),
        "review": ("answers", "Say what speaks against a text; send nothing."),
        "act": ("answers", "Hide, like, edit, delete or ban at the network."),
        "publish": ("publishing", "Publish something, in answer to nobody."),
        "outbox": ("outbox", "List what goes out, and decide what is stuck."),
    },
    "Plugins": {
        "conform": ("conforming", "Say whether a plugin does what every plugin has to do."),
        "new": ("scaffold", "Begin a plugin for a new network."),
    },
    "Proof": {
        "ledger": ("proof", "Count what became of everything that arrived."),
        "replay": ("proof", "Read again what could not be understood."),
        "channels": ("proof", "Say how every channel does."),
    },
}
"""Every command: its module here, and its line in the help. Register a new one by a line."""

COMMANDS = {name: where for commands in SECTIONS.values() for name, where in commands.items()}


class Lazy(click.Group):
    """Imports the module of a command when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import a command."""
        if cmd_name not in COMMANDS:
            hint = did_you_mean(cmd_name, COMMANDS)
            raise click.UsageError(f"there is no command {cmd_name}{hint}", ctx)
        module = import_module(f"{__name__}.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, f"{cmd_name}_command")
        return found

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the help from the table, without importing anything."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])


@click.group(cls=Lazy, invoke_without_command=True)
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="CHANNELMIX_CONFIG",
    show_envvar=True,
    help="The configuration; left out: channelmix.toml.",
)
@click.option("--debug", is_flag=True, help="Show where an error came from, and log everything.")
@click.version_option(__version__, prog_name="channelmix")
@click.pass_context
def channelmix(ctx: click.Context, config: Path | None, *, debug: bool) -> None:
    """Answer customers on social networks.

    Errors are one line each; the exit code is 1 for what failed or was refused, and 2 for a
    mistake in the command or the configuration.
    """
    call = ctx.ensure_object(Call)
    call.debug = debug
    if config is not None:
        call.config, call.named = config, True
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 1 (failed or refused) or 2 (usage, configuration).

    Without `arguments` they are those of this process, and the process may be copied.
    """
    call = Call(apart=arguments is None)
    try:
        code = channelmix.main(arguments, prog_name="channelmix", standalone_mode=False, obj=call)
    except Exception as error:
        if call.debug:
            raise
        lines, code = _failure(error)
        for line in lines:
            click.echo(" ".join(line.split()), err=True)
    sys.exit(code)


def _failure(error: Exception) -> tuple[Sequence[str], int]:
    """Say what went wrong, a line for each mistake, and the exit code."""
    match error:
        case ConfigError():
            return error.problems, 2
        case click.UsageError():
            return [_usage(error)], 2
        case click.Abort():
            return ["stopped"], 130
        case OSError(filename=str() | Path() as file, strerror=str(why)):
            return [f"{file}: {why}"], 1
        case ChannelmixError() | click.ClickException():
            return [str(error)], 1
    name = type(error).__name__
    return [f"this is a bug: {name}: {error}; `channelmix --debug` shows where"], 1


def _usage(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx else "channelmix"
    return f"{error.format_message()} (see {command} --help)"
