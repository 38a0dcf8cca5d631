"""One reading of a configuration: its tables, the classes they ask for, and all that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from cattrs import Converter

from channelmix.errors import PluginUnavailable
from channelmix.hints import did_you_mean, near_miss
from channelmix.hookspecs import Channel, Plugin
from channelmix.settings import AppKeys, ChannelKeys, PluginKeys
from channelmix.structuring import Invalid, Problem, field_names, structure, unknown_key

Table = Mapping[str, Any]

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
"""How apps, channels and plugins may be called: their names appear in addresses."""
_IN_ADDRESSES = {"apps", "channels", "plugins"}


@define(kw_only=True)
class Reading:
    """Reads section by section and goes on after each mistake, to find all of them."""

    values: Table
    converter: Converter
    loaders: Mapping[str, Callable[[], type[Plugin]]]
    problems: list[Problem] = field(factory=list)
    unavailable: dict[str, str] = field(factory=dict)
    classes: dict[str, type[Plugin]] = field(factory=dict)
    app_configs: dict[str, Any] = field(factory=dict)
    """What the enabled channels' shared apps became."""
    _tables: dict[str, dict[str, Table]] = field(factory=dict, init=False)

    def wrong(self, path: str, text: str) -> None:
        """Note a mistake."""
        self.problems.append(Problem(path, text))

    def tables(self, section: str) -> Mapping[str, Table]:
        """Return the tables of a section such as `channels`, by name."""
        if section not in self._tables:
            found = self.values.get(section, {})
            if not isinstance(found, Mapping):
                self.wrong(section, f"write tables: [{section}.NAME]")
                found = {}
            self._tables[section] = {
                name: table for name, table in found.items() if self._usable(section, name, table)
            }
        return self._tables[section]

    def names(self, section: str) -> set[str]:
        """Name what a section defines, rightly or wrongly; for references to it."""
        found = self.values.get(section)
        return set(found) if isinstance(found, Mapping) else set()

    def fill(self, tp: Any, value: object, path: str) -> Any:
        """Make a `tp`; None, with the mistakes noted, if that cannot be."""
        try:
            return structure(self.converter, tp, value, path)
        except Invalid as invalid:
            self.problems += invalid.problems
            return None

    def keys(self, cls: type, table: Table, path: str) -> Any:
        """Make the record of the keys that a section shares with its like."""
        return self.fill(cls, _pick(table, cls), path)

    def unknown(self, table: Table, path: str, *classes: type | None) -> None:
        """Note the keys that none of `classes` takes."""
        known = set().union(*map(field_names, classes))
        self.problems += [unknown_key(path, key, known) for key in table if key not in known]

    def channel(self, name: str, table: Table) -> tuple[Any, Any] | None:
        """Return the config and the app's config of an enabled channel.

        None if its plugin cannot be had, or if what says which one it is is itself wrong.
        """
        path = f"channels.{name}"
        if "network" not in table:
            # Without it nobody knows which keys there are, but this one may be there, misspelt.
            near = {key: value for key, value in table.items() if near_miss(key, ["network"])}
            self.unknown(near, path, ChannelKeys)
        cls = self._plugin(name, table.get("network"), f"{path}.network", table.get("on_error"))
        if cls is None:
            return None
        if not issubclass(cls, Channel):
            self.wrong(f"{path}.network", "this plugin is no network; move it to [plugins]")
            return None
        if "app" in table:
            self._without_app_keys(cls, table, path)
            return self._own(cls.Config, table, path), self._shared(table["app"], cls, path)
        self.unknown(table, path, ChannelKeys, cls.Config, cls.App)
        return self._own(cls.Config, table, path), self._own(cls.App, table, path)

    def plugin(self, name: str, table: Table) -> tuple[Any] | None:
        """Return the config of an enabled plugin, in a tuple; None as for `channel`."""
        path = f"plugins.{name}"
        entry = table.get("plugin", name)
        cls = self._plugin(name, entry, f"{path}.plugin", table.get("on_error"))
        if cls is None:
            return None
        if issubclass(cls, Channel):
            self.wrong(f"{path}.plugin", "this plugin is a network; move it to [channels]")
            return None
        self.unknown(table, path, PluginKeys, cls.Config)
        return (self._own(cls.Config, table, path),)

    def _usable(self, section: str, name: str, table: object) -> bool:
        if not isinstance(table, Mapping):
            self.wrong(f"{section}.{name}", f"write a table: [{section}.{name}]")
        elif section in _IN_ADDRESSES and not re.fullmatch(NAME, name):
            self.wrong(f"{section}.{name}", "a name takes letters, digits, - and _ only")
        else:
            return True
        return False

    def _plugin(self, name: str, entry: object, path: str, on_error: object) -> type[Plugin] | None:
        if not isinstance(entry, str):
            return None  # the section's own keys say what is wrong
        if entry not in self.loaders:
            self.wrong(path, f"no plugin {entry} is installed{did_you_mean(entry, self.loaders)}")
            return None
        try:
            self.classes[entry] = self.loaders[entry]()
        except PluginUnavailable as error:
            if on_error == "fail":
                self.wrong(path, str(error))
            self.unavailable[name] = str(error)
        return self.classes.get(entry)

    def _own(self, cls: type | None, table: Table, path: str) -> Any:
        return self.keys(cls, table, path) if cls else None

    def _without_app_keys(self, cls: type[Channel], table: Table, path: str) -> None:
        elsewhere = field_names(cls.App) - field_names(cls.Config) - field_names(ChannelKeys)
        for key in sorted(elsewhere & set(table)):
            self.wrong(f"{path}.{key}", f"it belongs to the app: move it to [apps.{table['app']}]")
        rest = {key: value for key, value in table.items() if key not in elsewhere}
        self.unknown(rest, path, ChannelKeys, cls.Config)

    def _shared(self, app: object, cls: type[Channel], path: str) -> Any:
        table = self.tables("apps").get(app) if isinstance(app, str) else None
        if not isinstance(app, str) or table is None:
            return None  # noted elsewhere, as a wrong type or as a reference to nothing
        if not self._serves(table.get("network"), cls):
            self.wrong(f"{path}.app", f"the app {app} is not at {cls.network}")
            return None
        if app not in self.app_configs:
            self.unknown(table, f"apps.{app}", AppKeys, cls.App)
            self.app_configs[app] = self._own(cls.App, table, f"apps.{app}")
        return self.app_configs[app]

    def _serves(self, network: object, cls: type[Channel]) -> bool:
        """Say whether an app at `network` is one for channels of `cls`.

        It is, too, where both networks' plugins read an app by the same class: one registration
        that serves several networks, as Meta has it.
        """
        if network == cls.network or cls.App is None or network not in self.loaders:
            return network == cls.network
        try:
            other = self.loaders[str(network)]()
        except PluginUnavailable:
            return False
        return issubclass(other, Channel) and other.App is cls.App


def _pick(table: Table, cls: type) -> Table:
    names = field_names(cls)
    return {key: value for key, value in table.items() if key in names}
