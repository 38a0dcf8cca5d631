"""`channelmix run`: the desk at work, with the web endpoints if they are installed."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import click
from attrs import evolve

from channelmix import config, log
from channelmix.cli.call import Call
from channelmix.desk import Desk
from channelmix.errors import PluginUnavailable
from channelmix.settings import Settings

WEB = "channelmix.web"
"""The entry points of a web server: `serve`, and perhaps the `loop` that it likes best."""
NO_WEB = (
    "channelmix-web is not installed: no webhooks are taken, every source is polled instead; "
    "install channelmix-web to take them"
)

Serve = Callable[..., Coroutine[Any, Any, None]]


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
@click.pass_obj
def run_command(call: Call, host: str, port: int, *, log_json: bool) -> None:
    """Take in, send and serve, until stopped.

    SIGTERM and SIGINT stop it. Prints the webhook addresses; the log goes to standard error,
    for people on a terminal, else as JSON lines.
    """
    json = log_json or not sys.stderr.isatty()
    log.configure(json=json, level="debug" if call.debug else "info")
    settings, serve = config.load(call.config), _entry("serve")
    if serve is None:
        click.echo(NO_WEB, err=True)
        settings = without_webhooks(settings)
    with asyncio.Runner(loop_factory=_entry("loop")) as runner:
        runner.run(_until_told(_work(settings, serve, host, port)))


def _entry(name: str) -> Any:
    """Load an entry point of the web server, None if there is none.

    Raises: `PluginUnavailable`.
    """
    for one in entry_points(group=WEB, name=name):
        try:
            return one.load()
        except ImportError as error:
            raise PluginUnavailable(f"{one.value} cannot be imported: {error}") from error
    return None


def without_webhooks(settings: Settings) -> Settings:
    """Let every channel be polled at the pace of one that its network tells nothing."""
    channels = {name: evolve(one, push=False) for name, one in settings.channels.items()}
    return evolve(settings, channels=channels)


async def _work(settings: Settings, serve: Serve | None, host: str, port: int) -> None:
    """Work until cancelled. The server stops first, then what the desk has under way."""
    async with Desk.open(settings) as desk:
        if serve is None:
            await asyncio.Event().wait()
        else:
            await serve(desk, host=host, port=port, started=partial(_announce, desk))


def _announce(desk: Desk, url: str) -> None:
    """Print what to tell the networks."""
    apps: dict[str, list[str]] = {}
    for name in desk.assembly.channels():
        if desk.registry.implements(name, "receive"):
            apps.setdefault(desk.settings.channels[name].app, []).append(name)
    click.echo(f"health      {url}/healthz")
    for app, channels in apps.items():
        click.echo(f"webhook     {url}/webhooks/{app}  ({', '.join(channels)})")


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` until a signal asks to stop; a second SIGINT does not wait for the end."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
        told.set()
        task.cancel()

    told = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told.is_set():
            raise
