"""`channelmix.toml`: read, checked as a whole, and turned into `Settings`.

Every mistake in the file is found in one go and named by its path. A plugin whose code cannot be
had is no mistake of the file: its channel is left out, with the reason, unless the file says
`on_error = "fail"`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import attrs
from attrs import evolve

from channelmix.discovery import installed
from channelmix.errors import ConfigError
from channelmix.hookspecs import Plugin
from channelmix.inheritance import Inheritance
from channelmix.reading import Reading, Table
from channelmix.references import check_references
from channelmix.secrets import Secret, SecretSource
from channelmix.settings import (
    Agent,
    AgentKeys,
    AppKeys,
    AppSettings,
    ChannelKeys,
    ChannelSettings,
    DeskSettings,
    PluginKeys,
    PluginSettings,
    ServiceLevel,
    Settings,
    Team,
    TeamKeys,
    setting,
)
from channelmix.structuring import converter, lines

__all__ = [
    "Agent",
    "AppSettings",
    "ChannelSettings",
    "DeskSettings",
    "PluginSettings",
    "Secret",
    "ServiceLevel",
    "Settings",
    "Team",
    "load",
    "setting",
]

_SQLITE = "sqlite:///"

_T = TypeVar("_T")


def load(
    source: Path | str | Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    secrets: Literal["required", "optional"] = "required",
    plugins: Mapping[str, type[Plugin]] | None = None,
    broken: Mapping[str, str] | None = None,
) -> Settings:
    """Read a configuration from a file, or from a mapping of the same shape.

    `environ` is where `{ env = "NAME" }` looks, by default the process's environment. With
    `secrets="optional"` a secret that is not there is an empty one: for a dry run. `plugins` are
    the classes to use, by entry point name, instead of those installed; `broken` says of some of
    these why they must not even be imported. Relative paths are
    relative to the file, or to the working folder for a mapping.

    Raises: `ConfigError` with all mistakes.
    """
    values, path = _values(source)
    folder = path.parent if path else Path.cwd()
    where = SecretSource(
        environ=os.environ if environ is None else environ,
        folder=folder,
        required=secrets == "required",
    )
    reading = Reading(
        values=values, converter=converter(where), loaders=_loaders(plugins, broken or {})
    )
    settings = _settings(reading, folder)
    if problems := lines(reading.problems):
        raise ConfigError(problems)
    return evolve(settings, path=path)


def _values(source: Path | str | Mapping[str, Any]) -> tuple[Table, Path | None]:
    if isinstance(source, Mapping):
        return source, None
    path = Path(source).absolute()
    try:
        data = path.read_bytes()
        return tomllib.loads(data.decode("utf-8-sig")), path
    except FileNotFoundError:
        problem = "there is no such file; `channelmix init` writes one"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"this is not UTF-8 text (at line {_line(data[: error.start])})"
    except tomllib.TOMLDecodeError as error:
        problem = str(error).replace("at end of document", f"at line {_line(data)}, the last")
    except RecursionError:
        problem = "it is nested too deep"
    raise ConfigError([f"{path}: {problem}"])


def _line(before: bytes) -> int:
    return before.count(b"\n") + 1


def _loaders(
    plugins: Mapping[str, type[Plugin]] | None,
    broken: Mapping[str, str],
) -> Mapping[str, Callable[[], type[Plugin]]]:
    if plugins is None:
        return {
            name: evolve(one, problem=one.problem or broken.get(name)).load
            for name, one in installed().items()
        }
    return {name: _giving(cls) for name, cls in plugins.items()}


def _giving(cls: type[Plugin]) -> Callable[[], type[Plugin]]:
    return lambda: cls


def _settings(reading: Reading, folder: Path) -> Settings:
    """Read every section, noting the mistakes; with any, the result is of no use."""
    check_references(reading)
    desk = _desk(reading, folder)
    levels = reading.fill(
        tuple[ServiceLevel, ...], reading.values.get("service_levels", []), "service_levels"
    )
    keys = {
        name: reading.keys(ChannelKeys, table, f"channels.{name}") or ChannelKeys(network="")
        for name, table in reading.tables("channels").items()
    }
    channels = _channels(reading, keys, Inheritance(desk=desk, levels=levels or (), keys=keys))
    return Settings(
        desk=desk,
        apps=_apps(reading, channels),
        channels=channels,
        service_levels=levels or (),
        teams=_people(reading, "teams", TeamKeys, Team),
        agents=_people(reading, "agents", AgentKeys, Agent),
        plugins=_plugins(reading),
        unavailable=reading.unavailable,
        classes=reading.classes,
    )


def _desk(reading: Reading, folder: Path) -> DeskSettings:
    desk: DeskSettings = reading.fill(DeskSettings, reading.values.get("desk", {}), "desk")
    desk = desk or DeskSettings()
    return evolve(desk, store=_anchored(desk.store, folder), media=folder / desk.media)


def _anchored(store: str, folder: Path) -> str:
    file = store.removeprefix(_SQLITE)
    if file == store or file.startswith(":memory:"):
        return store
    return f"{_SQLITE}{folder / file}"


def _channels(
    reading: Reading, keys: Mapping[str, ChannelKeys], inheritance: Inheritance
) -> dict[str, ChannelSettings]:
    found = {}
    for name, own in keys.items():
        table = reading.tables("channels")[name]
        configs = reading.channel(name, table) if _enabled(table) else (None, None)
        if configs:
            found[name] = _merged(
                ChannelSettings,
                own,
                inheritance.of(name),
                name=name,
                app=own.app or name,
                config=configs[0],
                app_config=configs[1],
            )
    return found


def _apps(reading: Reading, channels: Mapping[str, ChannelSettings]) -> dict[str, AppSettings]:
    shared = {
        name: AppSettings(name=name, network=keys.network, config=reading.app_configs.get(name))
        for name, table in reading.tables("apps").items()
        if (keys := reading.keys(AppKeys, table, f"apps.{name}"))
    }
    own = {
        one.name: AppSettings(name=one.name, network=one.network, config=one.app_config)
        for one in channels.values()
        if one.app == one.name
    }
    return shared | own


def _plugins(reading: Reading) -> dict[str, PluginSettings]:
    found = {}
    for name, table in reading.tables("plugins").items():
        keys = reading.keys(PluginKeys, table, f"plugins.{name}")
        config = reading.plugin(name, table) if _enabled(table) else (None,)
        if keys and config:
            entry = keys.plugin or name
            found[name] = _merged(PluginSettings, keys, name=name, plugin=entry, config=config[0])
    return found


def _people(reading: Reading, section: str, keys: type, cls: type[_T]) -> dict[str, _T]:
    return {
        name: _merged(cls, found, name=name)
        for name, table in reading.tables(section).items()
        if (found := reading.fill(keys, table, f"{section}.{name}"))
    }


def _enabled(table: Table) -> bool:
    return table.get("enabled", True) is not False


def _merged(cls: type[_T], keys: Any, *more: Mapping[str, Any], **rest: Any) -> _T:
    values = attrs.asdict(keys, recurse=False)
    for some in (*more, rest):
        values |= some
    return cls(**values)
