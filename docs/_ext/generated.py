"""Puts generated parts into the pages: `<!-- generated: hooks -->` becomes what the code says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import commands
import configuration
import contract
import kit
import readmes
from sphinx.application import Sphinx

MARKER = re.compile(r"^<!-- generated: (\w+)(?: (\S+))? -->$", re.MULTILINE)
PARTS: Mapping[str, Callable[..., str]] = {
    "hooks": contract.hooks,
    "bases": contract.bases,
    "records": contract.records,
    "errors": contract.errors,
    "desk": contract.desk,
    "settings": contract.settings,
    "testing": contract.testing,
    "removals": contract.removals,
    "configuration": configuration.page,
    "commands": commands.page,
    "checks": kit.page,
    "rules": kit.rules,
    "readme": readmes.page,
    "setup": readmes.setup,
}
"""Every part that can be generated, by the name that stands in the marker."""


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    folder = (app.srcdir / name).parent
    text = readmes.relinked(source[0], written_in=folder, shown_in=folder)
    source[0] = MARKER.sub(lambda found: _part(found[1], found[2]), text)


def _part(name: str, argument: str | None) -> str:
    return PARTS[name](argument) if argument else PARTS[name]()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("builder-inited", readmes.write_stubs)
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
