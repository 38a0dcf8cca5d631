"""What `channelmix run` does: the desk at work, watched, with the web endpoints if installed."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import click
from attrs import define, evolve, field

from channelmix import config, log, watchdog
from channelmix.cli.call import Call
from channelmix.desk import Desk
from channelmix.errors import PluginUnavailable
from channelmix.handover import Begun, Handover, Orders
from channelmix.hookspecs import Plugin
from channelmix.log import get_logger
from channelmix.loops import cancel
from channelmix.settings import Settings
from channelmix.store import beside
from channelmix.store.engine import Store
from channelmix.supervisor import DRAIN_SECONDS
from channelmix.watchdog import STDERR, Watchdog

WEB = "channelmix.web"
"""The entry points of a web server: `serve`, and perhaps the `loop` that it likes best."""
NO_WEB = (
    "channelmix-web is not installed: no webhooks are taken, every source is polled instead; "
    "install channelmix-web to take them"
)
BESIDE = (
    "store {}: another `channelmix run` works on it too; they share events and replies, and "
    "nothing is done twice; stop one of them if that is not meant"
)
START_SECONDS = 120.0
"""How long it may take until the event loop turns: plugins are imported before."""
STDIN = 0
"""Its end is the end of the supervisor."""

Serve = Callable[..., Coroutine[Any, Any, None]]


@define(eq=False, kw_only=True)
class Work:
    """One life of the desk in this process."""

    call: Call
    host: str
    port: int
    json: bool
    orders: Orders
    handover: Handover | None = None
    """Where the supervisor, if there is one, finds what this process leaves."""
    _stack: int = field(default=STDERR, init=False)

    def run(self) -> None:
        """Work until told to stop.

        Raises: `ConfigError`, `StoreError`, `Misconfigured`, `PluginUnavailable`.
        """
        if self.handover is not None:
            self._stack = self.handover.stack()
            faulthandler.enable(self._stack)
        watchdog.end_after(START_SECONDS, stack=self._stack)
        try:
            self._load_and_run()
        finally:
            # A worker stays watched to its very end: a thread may cling to it.
            if self.handover is None:
                faulthandler.cancel_dump_traceback_later()

    def _load_and_run(self) -> None:
        settings = config.load(self.call.config, broken=self.orders.broken)
        serve = _entry("serve")
        if serve is None:
            click.echo(NO_WEB, err=True)
            settings = without_webhooks(settings)
        desk = Desk.open(settings, owner=self.orders.owner)
        mask = desk.mask  # it learns: tokens change while we work
        log.configure(json=self.json, level="debug" if self.call.debug else "info", mask=mask)
        with log.libraries(mask), asyncio.Runner(loop_factory=_entry("loop")) as runner:
            runner.run(self._watched(desk, serve))

    async def _watched(self, desk: Desk, serve: Serve | None) -> None:
        """Open the desk and work until told to stop, under the eyes of the watchdog."""
        homes = watchdog.homes(_classes(desk.settings))
        if self.handover is not None:
            desk.dispatch.calling = self.handover.note()
            self.handover.begin(Begun(thread=threading.get_ident(), homes=homes))
        desk.poison.update(self.orders.poison)
        for pause in self.orders.pauses:
            desk.dispatch.pause(pause)
        dog = Watchdog(
            calling=desk.dispatch.calling,
            homes=homes,
            notice=min(1.0, self.orders.patience / 4),
            patience=self.orders.patience,
            stack=self._stack,
        )
        async with dog:
            await _until_told(
                self._open(desk, serve), dog, leave_with_parent=self.handover is not None
            )

    async def _open(self, desk: Desk, serve: Serve | None) -> None:
        """Work until cancelled. The server stops first, then what the desk has under way."""
        async with desk:
            with _counted(desk.store):
                await self._serve(desk, serve)

    async def _serve(self, desk: Desk, serve: Serve | None) -> None:
        if serve is None:
            self._up()
            await asyncio.Event().wait()
        else:
            started = partial(self._announce, desk)
            await serve(desk, host=self.host, port=self.port, started=started)

    def _announce(self, desk: Desk, url: str) -> None:
        """Print what to tell the networks."""
        self._up()
        apps: dict[str, list[str]] = {}
        for name in desk.assembly.channels():
            if desk.registry.implements(name, "receive"):
                apps.setdefault(desk.settings.channels[name].app, []).append(name)
        click.echo(f"health      {url}/healthz")
        for app, channels in apps.items():
            click.echo(f"webhook     {url}/webhooks/{app}  ({', '.join(channels)})")

    def _up(self) -> None:
        if self.handover is not None:
            self.handover.up()


@contextmanager
def _counted(store: Store) -> Iterator[None]:
    """Say so if another `run` works on the same file, which is allowed; on a server it is usual."""
    if store.url.get_backend_name() != "sqlite":
        yield
        return
    with beside.counted(str(store.url.database)) as others:
        if others:
            click.echo(BESIDE.format(store.place), err=True)
        yield


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


def _classes(settings: Settings) -> dict[str, type[Plugin]]:
    """Return the class of every channel and plugin that has one."""
    entries = {one.name: one.network for one in settings.channels.values()}
    entries |= {one.name: one.plugin for one in settings.plugins.values()}
    classes = settings.classes
    return {name: classes[entry] for name, entry in entries.items() if entry in classes}


async def _until_told(
    work: Coroutine[Any, Any, None], dog: Watchdog, *, leave_with_parent: bool
) -> None:
    """Do `work` until a signal asks to stop; a second SIGINT does not wait for the end."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

    def stop() -> None:
        loop.remove_reader(STDIN)
        loop.remove_signal_handler(signal.SIGINT)
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
        told.set()
        dog.last(DRAIN_SECONDS)
        task.cancel()

    told = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop)
    if leave_with_parent:
        loop.add_reader(STDIN, stop)  # nothing is ever written there: it is the end
    try:
        await task
    except asyncio.CancelledError:
        if not told.is_set():
            raise
        await _leave_tasks_behind()


async def _leave_tasks_behind() -> None:
    """End the tasks that plugins have started and left; exit at once if one clings to life.

    All that matters is stored by now, and the runner would wait for such a task for ever.
    """
    mine = {asyncio.current_task()}
    tasks = [one for one in asyncio.all_tasks() - mine if one.get_name() != watchdog.TASK]
    await cancel(tasks)
    if stuck := [one.get_name() for one in tasks if not one.done()]:
        get_logger().warning("tasks.left_behind", tasks=stuck)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
