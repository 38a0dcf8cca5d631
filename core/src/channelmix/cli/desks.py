"""Opening the desk for one command, and the options that several commands share."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import TypeVar

import click

from channelmix import config, log
from channelmix.cli import apart
from channelmix.cli.call import Call
from channelmix.desk import Desk
from channelmix.loops import let_go
from channelmix.settings import Settings

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
limit = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most."
)
ticket_id = click.argument("ticket_id", metavar="ID", type=click.IntRange(min=1))


def one_of(words: Iterable[StrEnum]) -> click.Choice[str]:
    """Take one of these words, as they are written everywhere else."""
    return click.Choice([word.value for word in words])


def whoever() -> str:
    """Return the login name of who types, for the history."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for its user
        return "command line"


by = click.option(
    "--by", "--agent", "by", default=whoever, metavar="NAME", help="Who does it; else your login."
)


def quiet(call: Call) -> None:
    """Keep the log out of the way of a command's own words, unless it is asked for."""
    log.configure(json=False, level="debug" if call.debug else "critical")


def settings_of(call: Call) -> Settings:
    """Load the configuration. The secrets of the networks may be missing: nothing is called.

    Raises: `ConfigError`.
    """
    broken = apart.broken(call)
    settings = config.load(call.config, secrets="optional", broken=broken)
    # The database's own address can be a secret too; without it there is no desk.
    return settings if settings.desk.store else config.load(call.config, broken=broken)


def on_desk(
    call: Call, job: Callable[[Desk], Awaitable[T]], *, settings: Settings | None = None
) -> T:
    """Open the desk without letting it work, do `job`, close it."""
    quiet(call)
    known = settings or settings_of(call)

    async def whole() -> T:
        try:
            async with Desk.open(known, work=False) as desk:
                return await job(desk)
        finally:
            await let_go()

    return asyncio.run(whole())
