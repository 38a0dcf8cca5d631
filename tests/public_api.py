"""The public interface of the core, a line for each part, and its record, which `make api` writes.

A line is a name, a space, and what it is. New lines are additions and may come at any time. A line
that changes or goes is a break: after the first release it has to be announced in `removals.toml`,
with the version that removes it, and that version must have come.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import channelmix
import click
from channelmix import settings
from channelmix.cli import COMMANDS
from channelmix.cli import channelmix as program
from channelmix.hookspecs import ENTRY_POINTS

CORE = Path(__file__).parents[1] / "core"
RECORD = CORE / "api.txt"
REMOVALS = CORE / "removals.toml"
MODULES = (
    "channelmix.errors",
    "channelmix.records",
    "channelmix.hookspecs",
    "channelmix.desk",
    "channelmix.http",
    "channelmix.config",
    "channelmix.secrets",
    "channelmix.testing.clock",
    "channelmix.testing.lent",
    "channelmix.testing.server",
    "channelmix.testing.simulator",
    "channelmix.testing.stage",
    "channelmix.testing.conformance",
)
"""What plugins and hosts may import. Everything else is the core's own business."""
SECTIONS = ("Desk", "App", "Channel", "Level", "Team", "Agent", "Plugin")


def lines() -> list[str]:
    """Describe the public interface as it is now."""
    found = [f"channelmix {ENTRY_POINTS}"]
    found += [f"channelmix.{name} exported" for name in channelmix.__all__]
    for module in MODULES:
        found += _module(module)
    found += _keys()
    found += _commands()
    return sorted(set(found))


def _module(name: str) -> Iterator[str]:
    module = import_module(name)
    names = getattr(module, "__all__", None) or [
        one for one, value in vars(module).items() if getattr(value, "__module__", None) == name
    ]
    for one in names:
        if not one.startswith("_"):
            yield from _thing(f"{name}.{one}", getattr(module, one))


def _thing(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, type):
        yield f"{name} class({', '.join(base.__name__ for base in value.__bases__)})"
        yield from _members(name, value)
    elif callable(value):
        yield f"{name} {_signature(value)}"


def _members(name: str, cls: type) -> Iterator[str]:
    if issubclass(cls, Enum):
        yield from (f"{name}.{one.name} {one.value!r}" for one in cls)
        return
    fields = {one.name: one for one in attrs.fields(cls)} if attrs.has(cls) else {}
    for one, annotation in vars(cls).get("__annotations__", {}).items():
        if not one.startswith("_"):
            yield f"{name}.{one} {annotation}{_default(fields.get(one))}"
    for one, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if inspect.isfunction(function) and (not one.startswith("_") or _own_init(cls, one)):
            yield f"{name}.{one} {_signature(function)}"


def _own_init(cls: type, name: str) -> bool:
    return name == "__init__" and not attrs.has(cls)


def _default(field: Any) -> str:
    if field is None or field.default is attrs.NOTHING:
        return ""
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # it is a class
        return " = made anew"
    shown = field.default.__name__ if callable(field.default) else repr(field.default)
    return f" = {shown}"


def _signature(function: Any) -> str:
    colour = "async " if inspect.iscoroutinefunction(inspect.unwrap(function)) else ""
    return colour + str(inspect.signature(function)).replace("'", "")


def _keys() -> Iterator[str]:
    for section in SECTIONS:
        cls = getattr(settings, f"{section}Settings" if section == "Desk" else f"{section}Keys")
        for one in attrs.fields(cls):
            # as it stands in the source: attrs forgets that once somebody resolves the types
            kind = inspect.get_annotations(cls)[one.name]
            yield f"channelmix.toml:{section.lower()}.{one.name} {kind}{_default(one)}"


def _commands() -> Iterator[str]:
    context = click.Context(program, info_name="channelmix")
    for name in COMMANDS:
        command = program.get_command(context, name)
        if command is not None:
            yield from _command(f"cli:{name}", command)


def _command(name: str, command: click.Command) -> Iterator[str]:
    yield f"{name} command"
    for one in command.params:
        yield f"{name}:{'/'.join([*one.opts, *one.secondary_opts])} {one.type.name}"
    for below, one in getattr(command, "commands", {}).items():
        yield from _command(f"{name}-{below}", one)


def broken(
    recorded: Iterable[str],
    current: Iterable[str],
    removals: Mapping[str, Mapping[str, str]],
    version: str,
) -> list[str]:
    """Return the recorded lines that are gone though nobody announced it for this version."""
    return [
        line
        for line in sorted(set(recorded) - set(current))
        if not _announced(removals.get(line.partition(" ")[0]), version)
    ]


def _announced(removal: Mapping[str, str] | None, version: str) -> bool:
    return removal is not None and numbers(removal["removed"]) <= numbers(version)


def numbers(version: str) -> tuple[int, ...]:
    """Turn `0.3.1` into what can be compared."""
    return tuple(int(one) for one in re.findall(r"\d+", version))


def recorded() -> list[str]:
    """Read the record."""
    return [line for line in RECORD.read_text().splitlines() if not line.startswith("#")]


def announced() -> dict[str, dict[str, str]]:
    """Read what is announced to go."""
    return tomllib.loads(REMOVALS.read_text())


def released() -> bool:
    """Say whether any version was released; before that, everything may still change."""
    return bool(re.search(r"^## \[\d", (CORE / "CHANGELOG.md").read_text(), re.MULTILINE))


def main() -> int:
    """Write the record anew, unless that would hide a break."""
    current = lines()
    if released() and (breaks := broken(recorded(), current, announced(), channelmix.__version__)):
        sys.stderr.write("\n".join(["not announced in core/removals.toml:", *breaks, ""]))
        return 1
    head = "# The public interface, one line each. Written by `make api`, held by a test.\n"
    RECORD.write_text(head + "\n".join(current) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
