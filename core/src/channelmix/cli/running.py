"""`channelmix run`: the desk at work, under a supervisor or in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from channelmix import log, probe
from channelmix.cli.call import Call
from channelmix.handover import Handover, Orders, new_folder
from channelmix.supervisor import Supervisor


@click.command("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8040,
    show_default=True,
    help="Where to listen; 0: any free port.",
)
@click.option("--log-json", is_flag=True, help="Log JSON lines on a terminal, too.")
@click.option(
    "--supervise/--no-supervise",
    default=True,
    show_default=True,
    help="Work in a child process that is started again when it ends badly.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0.5),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a plugin may hold up all others; then the work starts again without it.",
)
@click.option(
    "--cool-down",
    type=click.FloatRange(min=0.5),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it is left out at first; each further time longer, up to 60 times.",
)
@click.option("--worker", type=click.Path(path_type=Path), hidden=True)
@click.pass_obj
def run_command(
    call: Call,
    /,
    *,
    host: str,
    port: int,
    log_json: bool,
    supervise: bool,
    patience: float,
    cool_down: float,
    worker: Path | None,
) -> None:
    """Take in, send and serve, until stopped.

    SIGTERM and SIGINT stop it. Prints the webhook addresses; the log goes to standard error,
    for people on a terminal, else as JSON lines.

    A plugin whose code holds up the whole desk is paused: what comes for it is stored and waits.
    `channelmix channels` shows why and until when; to resume at once, stop and run again.
    """
    json = log_json or not sys.stderr.isatty()
    log.configure(json=json, level="debug" if call.debug else "info")
    if worker is not None:
        handover = Handover(worker)
        _work(call, host, port, json=json, orders=handover.orders(), handover=handover)
        return
    broken = asyncio.run(probe.broken(call.config))
    orders = Orders(broken=broken, patience=patience)
    if supervise:
        options = ["--host", host, "--port", str(port), *(["--log-json"] if log_json else [])]
        code = _supervise(_command(call, options), orders, timedelta(seconds=cool_down))
        click.get_current_context().exit(code)
    _work(call, host, port, json=json, orders=orders, handover=None)


def _command(call: Call, options: Sequence[str]) -> list[str]:
    """Return what starts a worker, but for its folder."""
    before = ["--config", str(call.config), *(["--debug"] if call.debug else [])]
    # -P: unlike the command `channelmix`, -m would look for modules in the working folder.
    return [sys.executable, "-P", "-m", "channelmix", *before, "run", *options]


def _supervise(command: Sequence[str], orders: Orders, cool_down: timedelta) -> int:
    with new_folder() as folder:
        return asyncio.run(
            Supervisor(
                command=[*command, "--worker", folder],
                handover=Handover(Path(folder)),
                orders=orders,
                cool_down=cool_down,
            ).run()
        )


def _work(
    call: Call, host: str, port: int, *, json: bool, orders: Orders, handover: Handover | None
) -> None:
    from channelmix.cli.working import Work  # noqa: PLC0415 - a supervisor needs no database

    Work(call=call, host=host, port=port, json=json, orders=orders, handover=handover).run()
