"""The starter file: every setting there is, each with its help, made from the plugins' classes.

What it proposes for a setting is tried out on the loader, so the file loads as it stands, once
the variables that it names are set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from channelmix import config
from channelmix.errors import ConfigError
from channelmix.hookspecs import Channel, Plugin
from channelmix.secrets import Secret
from channelmix.settings import ChannelKeys, DeskSettings, PluginKeys
from channelmix.structuring import choices, is_choice

HEAD = """\
# Where you answer, and who does. Every setting stands here with its help. A line that begins
# with # and no space is a setting at its default, or an example; take the # away to change it.
#
# A secret is { env = "NAME" }, { file = "path" }, or the text itself.
# `channelmix check` says what is wrong with this file, `channelmix run` starts to work.
"""
PEOPLE = """
# How soon the first answer is due, in opening hours; the tightest that fits counts.
#[[service_levels]]
#first_response = "4h"
#[[service_levels]]
#channel = "NAME"
#kind = "direct_message"
#first_response = "15m"

# Who answers. Without teams and agents, tickets wait for whoever takes them.
#[teams.service]
#topics = ["billing"]
#agents = ["anna"]

#[agents.anna]
#languages = ["en"]
#capacity = 12
"""
SHARED = """
# Channels that share one app at {network}: move the app's settings into a section of their
# own, [apps.NAME] with network = "{network}", and write app = "NAME" here instead.
"""
GUESSES: tuple[Any, ...] = (
    "example",
    "1234567890",
    "https://example.org",
    "1h",
    1,
    True,
    [],
    {},
    "",
)
"""What is proposed for a setting: the first that its plugin accepts."""


def starter(classes: Mapping[str, type[Plugin]], problems: Mapping[str, str]) -> str:
    """Write a configuration for the plugins in `classes`, by entry point name.

    `problems` are installed plugins that cannot be used, and why.
    """
    networks = {name: cls for name, cls in classes.items() if issubclass(cls, Channel)}
    others = {name: cls for name, cls in classes.items() if name not in networks}
    blocks = [HEAD, *_desk()]
    for number, (name, network) in enumerate(networks.items()):
        blocks += _channel(name, network, first=number == 0)
    if not networks:
        blocks.append("\n# No network is installed. Install its package, then write this anew.\n")
    blocks += [f"\n# {name} cannot be used: {why}\n" for name, why in problems.items()]
    blocks.append(PEOPLE)
    for name, cls in others.items():
        blocks += _other(name, cls)
    return "".join(blocks)


def _desk() -> Iterator[str]:
    yield "\n[desk]\n"
    yield from _settings(DeskSettings, _Section("desk", {}))


def _channel(name: str, cls: type[Channel], *, first: bool) -> Iterator[str]:
    """Write a channel that is its own app."""
    section = _Section("channels", {name: cls})
    body = "".join([*_settings(cls.Config, section), *_settings(cls.App, section)])
    yield f"\n# The webhook address of this channel: /webhooks/{name}\n"
    yield f"[channels.{name}]\nnetwork = {json.dumps(name)}\n"
    if _MISSING in body:
        yield "enabled = false  # complete this section, then take this line away\n"
    yield body
    if cls.App:
        yield SHARED.format(network=name)
    if first:
        yield "\n# What every channel can say:\n"
        yield from _settings(ChannelKeys, section, skip={"network"})


def _other(name: str, cls: type[Plugin]) -> Iterator[str]:
    """Write a plugin that is no network, switched off as a whole."""
    section = _Section("plugins", {name: cls})
    body = "".join([*_settings(cls.Config, section), *_settings(PluginKeys, section)])
    lines = [f"[plugins.{name}]", *body.splitlines()]
    yield f"\n# {(cls.__doc__ or name).splitlines()[0]}\n"
    yield "".join(line + "\n" if line.startswith("#") else f"#{line}\n" for line in lines)


@attrs.frozen
class _Section:
    """Where a setting would stand."""

    kind: str
    classes: Mapping[str, type[Plugin]]

    def takes(self, key: str, value: Any) -> bool:
        """Ask the loader about a value."""
        table: dict[str, Any] = {key: value}
        for name in self.classes:
            table = {name: ({"network": name} if self.kind == "channels" else {}) | table}
        path = ".".join([self.kind, *self.classes, key])
        try:
            config.load({self.kind: table}, secrets="optional", plugins=self.classes)
        except ConfigError as error:
            return not any(problem.startswith(path) for problem in error.problems)
        return True

    def guess(self, one: attrs.Attribute[Any]) -> str | None:
        """Propose a value for a setting, as the file writes it; None if nothing fits."""
        if one.type is Secret:
            name = "_".join([*self.classes, one.name]).upper().replace("-", "_")
            return f'{{ env = "{name}" }}'
        chosen = choices(one.type) if is_choice(one.type) else []
        given = one.metadata.get("example")
        proposed = (*([] if given is None else [given]), *chosen, *GUESSES)
        fitting = (value for value in proposed if self.takes(one.name, value))
        found = next(fitting, None)
        return None if found is None else json.dumps(found)


_MISSING = "# required: what it takes only its plugin knows\n"


def _settings(
    cls: type | None, section: _Section, *, skip: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    """Write the settings of a class, required ones first."""
    if cls is None:
        return
    fields = [one for one in attrs.fields(attrs.resolve_types(cls)) if one.init]
    for one in sorted(fields, key=lambda one: one.default is not attrs.NOTHING):
        if one.name not in skip:
            yield from _setting(one, section)


def _setting(one: attrs.Attribute[Any], section: _Section) -> Iterator[str]:
    yield f"# {one.metadata.get('help', one.name)}\n"
    if one.default is not attrs.NOTHING:
        yield f"#{one.name} = {_default(one.default) or section.guess(one) or '...'}\n"
    elif value := section.guess(one):
        yield f"{one.name} = {value}  # required\n"
    else:
        yield f"#{one.name} = ...  {_MISSING}"


def _default(default: Any) -> str | None:
    """Write a default as the file would; None if it has none that can be written."""
    factory = getattr(default, "factory", None)
    value = factory() if factory else default
    match value:
        case Enum():
            return json.dumps(value.value)
        case timedelta():
            return json.dumps(f"{int(value.total_seconds())}s")
        case Path():
            return json.dumps(str(value))
        case bool() | int() | float() | str() | list() | tuple() | dict():
            return json.dumps(value)
    return None
