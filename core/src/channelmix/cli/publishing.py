"""Publishing from the command line: a text, files, and what a network takes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from channelmix.cli import desks, output
from channelmix.cli.answers import FILE, attachment
from channelmix.cli.call import Call
from channelmix.cli.outbox import standing
from channelmix.desk import Desk
from channelmix.store.views import OutboxLine


def _details(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Read `NAME=VALUE`, each name once."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{one}: write NAME=VALUE, like title=Lamps")
        if name in found:
            raise click.BadParameter(f"{name} is said twice")
        found[name] = value
    return found


@click.command("publish")
@click.argument("channel")
@click.option("--text", default="", help="What it says.")
@click.option("--attach", type=FILE, multiple=True, help="A picture or a film.")
@click.option(
    "--set",
    "details",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_details,
    help="What the network takes beside the text, like title=Lamps.",
)
@desks.by
@click.pass_obj
def publish_command(
    call: Call,
    /,
    *,
    channel: str,
    text: str,
    attach: tuple[Path, ...],
    details: dict[str, str],
    by: str,
) -> None:
    """Publish something, in answer to nobody.

    Where the channel wants it, it is held until a second person approves it:
    `channelmix outbox approve ID`. Then the desk that runs sends it.
    """
    files = [attachment(path) for path in attach]

    async def job(desk: Desk) -> OutboxLine:
        row = await desk.publish(channel, text, by=by, attachments=files, details=details)
        [line] = await desk.outbox(outbox_id=row)
        return line

    line = desks.on_desk(call, job)
    output.say(f"Outbox {line.id}: {standing(line)}.")
