"""Every key of `channelmix.toml`, the core's and those of each installed plugin."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
from channelmix import settings
from channelmix.discovery import installed
from channelmix.hookspecs import Channel, Plugin
from channelmix.secrets import Secret
from channelmix.structuring import choices, is_choice
from markdown import docstring, table
from markdown import page as joined

SECTIONS: Mapping[str, type] = {
    "[desk]": settings.DeskSettings,
    "[apps.NAME]": settings.AppKeys,
    "[channels.NAME]": settings.ChannelKeys,
    "[[service_levels]]": settings.ServiceLevel,
    "[teams.NAME]": settings.TeamKeys,
    "[agents.NAME]": settings.AgentKeys,
    "[plugins.NAME]": settings.PluginKeys,
}
_NAMES: Mapping[Any, str] = {
    str: "text",
    Path: "path",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    timedelta: 'duration (`"1h30m"`)',
    Secret: "secret",
    Any: "anything",
}


def page() -> str:
    """Describe the core's sections, then those of every plugin."""
    core = [joined([f"## `{name}`", _table(cls)]) for name, cls in SECTIONS.items()]
    found = {name: one.load() for name, one in installed().items() if not one.problem}
    return joined([*core, *(_plugin(name, cls) for name, cls in found.items())])


def _plugin(name: str, cls: type[Plugin]) -> str:
    parts = [f"## Plugin `{name}`", docstring(cls)]
    section = "plugins"
    if issubclass(cls, Channel):
        section = "channels"
        if cls.App:
            where = "In `[apps.NAME]`, or in the channel's own section if it shares no app:"
            parts += [f"{where} {docstring(cls.App)}", _table(cls.App)]
    if cls.Config:
        parts += [f"In `[{section}.NAME]`: {docstring(cls.Config)}", _table(cls.Config)]
    else:
        parts.append("It takes no settings of its own.")
    return joined(parts)


def _table(cls: type) -> str:
    return table(["key", "takes", "default", "meaning"], _rows(cls))


def _rows(cls: type) -> Iterator[tuple[str, str, str, str]]:
    for one in attrs.fields(attrs.resolve_types(cls)):
        if one.init and one.name[0] != "_":
            meaning = str(one.metadata.get("help", ""))
            yield f"`{one.name}`", kind(one.type), _default(one.default), meaning


def _default(value: Any) -> str:
    if value is attrs.NOTHING:
        return "required"
    if value is None or value == () or hasattr(value, "takes_self"):  # the last: an attrs.Factory
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def kind(tp: Any) -> str:
    """Say in words what a setting takes."""
    origin, args = get_origin(tp), get_args(tp)
    if origin is Annotated:
        return kind(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(kind(one) for one in args if one is not types.NoneType)
    if is_choice(tp):
        return ", ".join(f"`{one}`" for one in choices(tp))
    if origin in (tuple, list, frozenset, set):
        return f"list of {kind(args[0])}"
    if origin is not None:
        return "table"
    return _NAMES.get(tp, f"table ({tp.__name__})")
