"""Importing plugins in a process of its own first: an import may hang, exit or crash."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from channelmix.discovery import Installed, installed

SECONDS = 30.0
"""How long one import may take."""


async def broken(config: Path, *, seconds: float = SECONDS) -> dict[str, str]:
    """Import the plugins that a configuration names, elsewhere; return why some must not be.

    By entry point name, each with one line. An import that merely raises is none of them: it is
    caught, and told, where it happens again.
    """
    found = installed()
    pending = [found[name] for name in sorted(named(config) & set(found))]
    pending = [one for one in pending if one.problem is None]
    wrong = {}
    while pending:
        good, why = await _imported([one.value for one in pending], seconds)
        if why is not None:
            wrong[pending[good].name] = line(pending[good], why)
        pending = pending[good + 1 :] if why is not None else []
    return wrong


def line(one: Installed, why: str) -> str:
    """Say that a plugin is left out, and why."""
    return f"{one.value} of {one.distribution} {one.version} {why}: it is left out"


def named(config: Path) -> set[str]:
    """Name the entry points in a configuration, which may have any mistake: others tell it."""
    try:
        values = tomllib.loads(config.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return set()
    channels = [table.get("network") for _, table in _tables(values, "channels")]
    plugins = [table.get("plugin", name) for name, table in _tables(values, "plugins")]
    return {name for name in (*channels, *plugins) if isinstance(name, str)}


def _tables(values: Mapping[str, Any], section: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = values.get(section)
    tables = found.items() if isinstance(found, Mapping) else ()
    return [
        (name, table)
        for name, table in tables
        if isinstance(table, Mapping) and table.get("enabled", True) is not False
    ]


async def _imported(values: Sequence[str], seconds: float) -> tuple[int, str | None]:
    """Import in another process; return how many went well, and what stopped the next one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, str(seconds), *values),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for good in range(len(values)):
            async with asyncio.timeout(seconds):
                if not await _one_more(process):
                    return good, exited(await process.wait())
    except TimeoutError:
        return good, f"takes longer than {seconds:g} s to import"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
        await process.wait()
    return len(values), None


async def _one_more(process: asyncio.subprocess.Process) -> bool:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    return bool(await process.stdout.readline())


def exited(code: int) -> str:
    """Say how a process ended while it imported."""
    if code < 0:
        return f"crashes while it is imported ({signal.Signals(-code).name})"
    return f"exits while it is imported (with {code})"


def main(seconds: float, values: Sequence[str]) -> None:
    """Import one after the other, and write a line for each."""
    with os.fdopen(os.dup(1), "wb", buffering=0) as told:
        os.dup2(2, 1)  # an import may print
        for value in values:
            # Also if nobody is left to look at the time.
            faulthandler.dump_traceback_later(seconds + 1, exit=True)
            with contextlib.suppress(Exception, SystemExit):  # seen again, and told, by the worker
                EntryPoint(name="", value=value, group="").load()
            told.write(b"\n")
    os._exit(0)  # threads and exit handlers of what was imported are of no concern


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
