"""Names in a configuration that must be defined elsewhere in it, and names that must differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from channelmix.hints import did_you_mean
from channelmix.reading import Reading, Table

SECTIONS = ("desk", "apps", "channels", "service_levels", "teams", "agents", "plugins")

_REFERENCES = (
    ("channels", "app", "apps"),
    ("channels", "teams", "teams"),
    ("teams", "agents", "agents"),
    ("teams", "channels", "channels"),
)
"""In each table of this section, this key names what that section defines."""


def check_references(reading: Reading) -> None:
    """Note unknown sections, references to nothing and names used twice.

    It looks at the file as it was written, so that another mistake in a table hides nothing.
    """
    for section in reading.values:
        if section not in SECTIONS:
            reading.wrong(section, f"unknown section{did_you_mean(section, SECTIONS)}")
    for path, name, section in _references(reading):
        known = reading.names(section)
        if name not in known:
            reading.wrong(path, f"there is no {section[:-1]} {name}{did_you_mean(name, known)}")
    for name, table in reading.tables("channels").items():
        _check_approvers(reading, f"channels.{name}.approvers", table)
    _check_clashes(reading)


def _references(reading: Reading) -> Iterator[tuple[str, str, str]]:
    for name in _texts(reading.values.get("desk"), "base"):
        yield "desk.base", name, "channels"
    first = reading.values.get("desk")
    for name in _texts(
        first.get("first_answer") if isinstance(first, Mapping) else None, "channels"
    ):
        yield "desk.first_answer.channels", name, "channels"
    levels = reading.values.get("service_levels")
    for index, level in enumerate(levels if isinstance(levels, list | tuple) else ()):
        for name in _texts(level, "channel"):
            yield f"service_levels[{index}].channel", name, "channels"
    for section, key, target in _REFERENCES:
        for name, table in reading.tables(section).items():
            for wanted in _texts(table, key):
                yield f"{section}.{name}.{key}", wanted, target


def _check_approvers(reading: Reading, path: str, table: Table) -> None:
    wanted = _texts(table, "approvers")
    known = reading.names("teams") | reading.names("agents")
    for name in wanted:
        if name not in known:
            reading.wrong(path, f"there is no team or agent {name}{did_you_mean(name, known)}")
    if wanted and not table.get("approval"):
        reading.wrong(path, "nobody is asked without approval = true")


def _texts(table: object, key: str) -> list[str]:
    """List the texts at `key`; what is of another type is for others to complain about."""
    value = table.get(key) if isinstance(table, Mapping) else None
    several = value if isinstance(value, list | tuple) else [value]
    return [one for one in several if isinstance(one, str)]


def _check_clashes(reading: Reading) -> None:
    channels, apps = reading.tables("channels"), reading.names("apps")
    for name in sorted(reading.names("plugins") & set(channels)):
        reading.wrong(f"plugins.{name}", "there is a channel of that name; rename one of them")
    for name, table in channels.items():
        if name in apps and "app" not in table:
            use = f'write app = "{name}" to use it, or rename one of them'
            reading.wrong(f"channels.{name}", f"there is an app of that name; {use}")
