"""Setting up: the networks on the wire, a configuration in a folder, the desk and its webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from attrs import frozen

from channelmix.demo import ENTRY_POINTS, NetworkDemo
from channelmix.demo.clock import DayClock
from channelmix.demo.phrases import COMPANY
from channelmix.desk import Desk
from channelmix.errors import PluginUnavailable, Refused

FILE = "channelmix.toml"
WEB = "channelmix.web"
HEAD = """\
# The demo's desk. The networks are simulated on this machine, the secrets open nothing.

[desk]
name = {company}
store = "sqlite:///desk.db"
media = "media"
timezone = "Europe/Berlin"
hours = {{ mon-fri = "08:00-20:00", sat-sun = "09:00-18:00" }}
holidays = "DE-BW"
base = {base}

[[service_levels]]
first_response = "2h"

[[service_levels]]
kind = "direct_message"
first_response = "30m"

[teams.service]
agents = ["anna", "lena", "tom"]

[teams.billing]
topics = ["billing"]
agents = ["mehmet", "anna"]

[agents.anna]
languages = ["de", "en"]
topics = ["billing"]
capacity = 40

[agents.lena]
languages = ["de"]

[agents.mehmet]
languages = ["de", "en"]
topics = ["billing"]

[agents.tom]
languages = ["en", "de"]
"""


@frozen(kw_only=True)
class Cast:
    """One network in the demo, with the names that it has in the configuration."""

    name: str
    network: NetworkDemo
    channels: tuple[str, ...]
    apps: tuple[str, ...]
    """Also channels that are an app of their own."""


@frozen(kw_only=True)
class Stage:
    """Everything that is up."""

    desk: Desk
    clock: DayClock
    cast: tuple[Cast, ...]
    file: Path
    url: str
    """Where webhooks are taken."""


@contextlib.asynccontextmanager
async def stage(folder: Path, *, seed: int, clock: DayClock) -> AsyncIterator[Stage]:
    """Set everything up in `folder`, on the loopback interface; take it down at the end.

    Raises: `PluginUnavailable` if there is no network to play, or no web server; `Refused` for
    a folder that holds a desk already.
    """
    refuse_used(folder)
    serve = _load(_one(WEB, "serve", "channelmix-web is not installed, the demo needs it"))
    async with contextlib.AsyncExitStack() as stack:
        cast, sections = [], {}
        for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
            network: NetworkDemo = _load(entry)(clock=clock, seed=seed)
            own = network.sections(await stack.enter_async_context(network.online()))
            sections[entry.name] = own
            cast.append(_cast(entry.name, network, own))
        if not cast:
            raise PluginUnavailable("no installed network can be simulated: install one")
        file = folder / FILE
        file.write_text(_text(cast[0].channels[0], sections), encoding="utf-8")
        desk = await stack.enter_async_context(Desk.open(file, clock=clock))
        url = await stack.enter_async_context(_serving(serve, desk))
        for one in cast:
            one.network.subscribe(url)
        yield Stage(desk=desk, clock=clock, cast=tuple(cast), file=file, url=url)


def refuse_used(folder: Path) -> None:
    """See that the demo overwrites nothing. Raises: `Refused`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (FILE, "desk.db"):
        if (folder / name).exists():
            raise Refused(f"{folder / name} is there already: give the demo a new folder")


def _one(group: str, name: str, missing: str) -> EntryPoint:
    for entry in entry_points(group=group, name=name):
        return entry
    raise PluginUnavailable(missing)


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ImportError as error:
        raise PluginUnavailable(f"{entry.value} cannot be imported: {error}") from error


def _cast(name: str, network: NetworkDemo, sections: Mapping[str, Mapping[str, Any]]) -> Cast:
    channels = sections["channels"]
    apps = dict.fromkeys(table.get("app", channel) for channel, table in channels.items())
    return Cast(name=name, network=network, channels=tuple(channels), apps=tuple(apps))


def _text(base: str, networks: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> str:
    """Write the configuration. JSON's texts, numbers and lists are TOML's too."""
    lines = [HEAD.format(company=json.dumps(COMPANY), base=json.dumps(base))]
    for network, sections in networks.items():
        for section, tables in sections.items():
            for name, values in tables.items():
                lines.append(f"\n[{section}.{name}]\nnetwork = {json.dumps(network)}\n")
                lines += [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
    return "".join(lines)


@contextlib.asynccontextmanager
async def _serving(
    serve: Callable[..., Coroutine[Any, Any, None]], desk: Desk
) -> AsyncIterator[str]:
    """Serve the desk's webhooks at a free port of the loopback interface."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:  # if it cannot listen, the wait ends with its error
        task = group.create_task(
            serve(desk, host="127.0.0.1", port=0, started=started.set_result, drain=1)
        )
        try:
            yield await started
        finally:
            task.cancel()
