"""A JSON Schema of `channelmix.toml`, for editors, with everything that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import attrs

from channelmix.checks import positive
from channelmix.hookspecs import Channel, Plugin
from channelmix.reading import NAME
from channelmix.secrets import Secret
from channelmix.settings import (
    AgentKeys,
    AppKeys,
    ChannelKeys,
    DeskSettings,
    PluginKeys,
    ServiceLevel,
    TeamKeys,
)
from channelmix.structuring import DURATION, choices, is_choice, is_list

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_PLAIN: Mapping[Any, Schema] = {
    str: _TEXT,
    Path: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    timedelta: {"type": "string", "pattern": f"^{DURATION.pattern}$", "examples": ["1h30m"]},
    Secret: {
        "anyOf": [
            {"type": "string", "minLength": 1},
            *(
                {
                    "type": "object",
                    "properties": {source: _TEXT},
                    "required": [source],
                    "additionalProperties": False,
                }
                for source in ("env", "file")
            ),
        ]
    },
}


def json_schema(classes: Mapping[str, type[Plugin]]) -> Schema:
    """Describe the whole file as JSON Schema, draft 2020-12.

    `classes` are the plugins that it may use, by entry point name.
    """
    networks = {name: cls for name, cls in classes.items() if issubclass(cls, Channel)}
    others = {name: cls for name, cls in classes.items() if name not in networks}
    sections = {
        "desk": _section(DeskSettings),
        "apps": _addressed(_apps(networks)),
        "channels": _addressed(_channels(networks)),
        "service_levels": {"type": "array", "items": _section(ServiceLevel)},
        "teams": _named(_section(TeamKeys)),
        "agents": _named(_section(AgentKeys)),
        "plugins": _plugins(others),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "channelmix.toml",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
    }


def _apps(networks: Mapping[str, type[Channel]]) -> Schema:
    return _any_of(
        [_section(AppKeys, cls.App, network={"const": name}) for name, cls in networks.items()]
    )


def _channels(networks: Mapping[str, type[Channel]]) -> Schema:
    """Describe each network twice where it has apps: with a shared one, and on its own."""
    found = [_off(ChannelKeys)]
    for name, cls in networks.items():
        network = {"const": name}
        if cls.App:
            shared = _section(ChannelKeys, cls.Config, network=network)
            found.append(shared | {"required": [*shared["required"], "app"]})
        alone = _section(ChannelKeys, cls.Config, cls.App, network=network)
        del alone["properties"]["app"]
        found.append(alone)
    return _any_of(found)


def _plugins(classes: Mapping[str, type[Plugin]]) -> Schema:
    """Describe the plugins: `plugin` may be left out where the section has the plugin's name."""
    unnamed = {
        name: _section(PluginKeys, cls.Config, plugin={"const": name})
        for name, cls in classes.items()
    }
    named = [one | {"required": [*one.get("required", []), "plugin"]} for one in unnamed.values()]
    off = _off(PluginKeys)
    return _addressed(_any_of([off, *named])) | {
        "properties": {name: _any_of([off, one, *named]) for name, one in unnamed.items()}
    }


def _off(keys: type) -> Schema:
    """Describe a section that is switched off, of which only the common keys are looked at."""
    section = _section(keys, enabled={"const": False})
    required = [*section.get("required", []), "enabled"]
    return section | {"required": required, "additionalProperties": True}


def _named(section: Schema) -> Schema:
    return {"type": "object", "additionalProperties": section}


def _addressed(section: Schema) -> Schema:
    return _named(section) | {"propertyNames": {"pattern": f"^{NAME}$"}}


def _any_of(schemas: list[Schema]) -> Schema:
    return {"anyOf": schemas} if schemas else {"not": {}}


def _section(*classes: type | None, **fixed: Schema) -> Schema:
    """Describe one table whose keys are the fields of all `classes`."""
    fields = [
        one
        for cls in filter(None, classes)
        for one in attrs.fields(attrs.resolve_types(cls))
        if one.init
    ]
    required = [one.name for one in fields if one.default is attrs.NOTHING]
    return {
        "type": "object",
        "properties": {one.name: _field(one) | fixed.get(one.name, {}) for one in fields},
        "required": list(dict.fromkeys(required)),
        "additionalProperties": False,
    }


def _field(one: attrs.Attribute[Any]) -> Schema:
    described = {"description": one.metadata["help"]} if "help" in one.metadata else {}
    plain = isinstance(one.default, str | int | float) and not isinstance(one.default, Enum)
    default = {"default": one.default} if plain else {}
    return _type(one.type) | described | default


def _type(tp: Any) -> Schema:
    origin, args = get_origin(tp), get_args(tp)
    if origin is Annotated:
        return _annotated(*args)
    if origin in (Union, UnionType):
        wanted = [_type(one) for one in args if one is not NoneType]
        return wanted[0] if len(wanted) == 1 else {"anyOf": wanted}
    if is_choice(tp):
        return {"enum": choices(tp)}
    if is_list(tp):
        return {"type": "array", "items": _type(args[0] if args else Any)}
    if origin in (dict, Mapping):
        return _named(_type(args[1]))
    return _section(tp) if attrs.has(tp) else dict(_PLAIN.get(tp, {}))


def _annotated(base: Any, *notes: Any) -> Schema:
    if Secret in notes:
        return _type(Secret)
    return _type(base) | ({"exclusiveMinimum": 0} if positive in notes else {})
