"""Which plugins are installed: read from the packages' metadata, without importing any of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from attrs import field, frozen

from channelmix.errors import PluginUnavailable
from channelmix.hookspecs import ENTRY_POINTS, Plugin

_OUR_GROUPS = re.compile(r"channelmix\.v\d+")


@frozen(kw_only=True)
class Installed:
    """One name under which a plugin is installed."""

    name: str
    value: str
    """Where the class is: `package.module:Class`."""
    distribution: str
    """The package that brings it; several, with commas, where they clash."""
    version: str
    problem: str | None = None
    """Why it cannot be used; None if, as far as its metadata tells, it can."""
    _entry: EntryPoint = field(repr=False, eq=False)

    def load(self) -> type[Plugin]:
        """Import the class.

        Raises: `PluginUnavailable`, in one line, whatever happens while importing.
        """
        if self.problem:
            raise PluginUnavailable(self.problem)
        try:
            loaded = self._entry.load()
        except (Exception, SystemExit) as error:
            raise PluginUnavailable(f"{self._where()} cannot be imported: {_say(error)}") from error
        if not (isinstance(loaded, type) and issubclass(loaded, Plugin)):
            raise PluginUnavailable(f"{self._where()} is no subclass of channelmix.Plugin")
        return loaded

    def _where(self) -> str:
        return f"{self.value} of {self.distribution} {self.version}"


def installed() -> Mapping[str, Installed]:
    """Scan what is installed now, sorted by name.

    One that is built for another major version of the contract, or that two packages claim, is
    listed too, with its `problem`.
    """
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for group in filter(_OUR_GROUPS.fullmatch, entry_points().groups):
        for entry in entry_points(group=group):
            by_name[entry.name].append(entry)
    return {name: _judge(name, entries) for name, entries in sorted(by_name.items())}


def _judge(name: str, entries: list[EntryPoint]) -> Installed:
    # A package may serve several majors side by side: then only its entry in ours counts.
    ours = [entry for entry in entries if entry.group == ENTRY_POINTS]
    if not ours:
        return _installed(entries, _incompatible(entries))
    if len(ours) > 1:
        clash = f"{_distributions(ours)} both bring a plugin named {name}: uninstall one of them"
        return _installed(ours, clash)
    return _installed(ours, None)


def _incompatible(entries: list[EntryPoint]) -> str:
    groups = ", ".join(sorted({entry.group for entry in entries}))
    return f"{_distributions(entries)} is built for {groups}, this is {ENTRY_POINTS}: update either"


def _installed(entries: list[EntryPoint], problem: str | None) -> Installed:
    first = entries[0]
    return Installed(
        name=first.name,
        value=_listed(entry.value for entry in entries),
        distribution=_distributions(entries),
        version=_listed(entry.dist.version if entry.dist else "" for entry in entries),
        problem=problem,
        entry=first,
    )


def _distributions(entries: list[EntryPoint]) -> str:
    return _listed(entry.dist.name if entry.dist else "?" for entry in entries)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _say(error: BaseException) -> str:
    # A message of many lines would break the promise of one.
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
