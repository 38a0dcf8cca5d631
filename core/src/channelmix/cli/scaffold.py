"""Beginning a plugin for a new network."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from channelmix.cli import output
from channelmix.scaffold import Plan, write


@click.command("new")
@click.argument("name")
@click.option("--push", is_flag=True, help="The network sends webhooks.")
@click.option("--poll", is_flag=True, help="It has lists that can be polled.")
@click.option("--reply", is_flag=True, help="It can be answered.")
@click.option("--owner", help="Who keeps the plugin; left out: your login name.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write; left out: channelmix-NAME here.",
)
def new_command(
    name: str, owner: str | None, into: Path | None, *, push: bool, poll: bool, reply: bool
) -> None:
    """Begin a plugin for a new network.

    NAME is lower case, like town-square. What is written passes the first two levels of the
    conformance kit as it stands, with a network that is invented: replace it with yours.
    """
    plan = Plan(name=name, owner=owner or _login(), push=push, poll=poll, reply=reply)
    folder = into or Path(f"channelmix-{name}")
    files = write(plan, folder)
    output.say(
        f"Wrote {output.counted(len(files), 'file')} into {folder}.",
        f"Next: pip install -e {folder}, then: pytest {folder}",
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except OSError:  # a container without a name for its user
        return "unknown"
