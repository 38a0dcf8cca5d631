"""Which suites there are: in a source folder, for an installed plugin, or for a channel of a desk.

Nothing is imported before a process of its own has imported it and lived.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from attrs import frozen

from channelmix.discovery import Installed, installed
from channelmix.errors import ChannelmixError, NotFound
from channelmix.hints import did_you_mean
from channelmix.hookspecs import ENTRY_POINTS, Channel, Plugin
from channelmix.secrets import Secret
from channelmix.testing.conformance import importing
from channelmix.testing.conformance.suite import Conformance


@frozen(kw_only=True)
class Wanted:
    """One plugin to be checked, or why that cannot be."""

    name: str
    suite: type[Conformance] | None = None
    problem: str | None = None
    note: str | None = None
    """What the suite lacks."""


def wanted(what: str | None, networks: Mapping[str, str]) -> Iterator[Wanted]:
    """Find what is to be checked.

    `what` is a folder with a `pyproject.toml`, a channel (`networks` says of each which network it
    is on), or an entry point's or a distribution's name. Left out: this folder if it has a
    `pyproject.toml`, else everything that is installed. One that is broken does not stop the
    others. Raises: `NotFound`.
    """
    here = Path(what or ".")
    if (here / "pyproject.toml").is_file():
        yield from _in_folder(here.resolve())
        return
    known = installed()
    names = [
        one.name
        for one in known.values()
        if what in {None, one.name, *one.distribution.split(", ")}
    ]
    network = networks.get(what or "", "")
    if network in known:
        names = [known[network].name]
    if not names:
        near = did_you_mean(str(what), {*known, *networks})
        raise NotFound(f"there is no folder, channel or installed plugin {what}{near}")
    for name in names:
        yield from _installed(known[name])


def _in_folder(folder: Path) -> Iterator[Wanted]:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        groups: Any = project.get("entry-points", {})
        modules = {value.partition(":")[0] for value in groups.get(ENTRY_POINTS, {}).values()}
    except (ValueError, KeyError, AttributeError) as error:
        yield Wanted(name=folder.name, problem=f"{folder / 'pyproject.toml'}: {error}")
        return
    name = str(project.get("name", folder.name))
    if not any(group.startswith("channelmix.v") for group in groups):
        text = f'pyproject.toml names no plugin in [project.entry-points."{ENTRY_POINTS}"]'
        yield Wanted(name=name, problem=text)
    for group in sorted(groups):
        if group.startswith("channelmix.v") and group != ENTRY_POINTS:
            text = f"it is built for {group}, this is {ENTRY_POINTS}: it is not imported"
            yield Wanted(name=name, problem=text)
    for module in sorted(modules):
        done = importing.tried(module)
        if not done.usable:
            yield Wanted(name=name, problem=done.problem)
            return
    found = list(suites(folder))
    yield from found
    if modules and not found:
        text = f"no subclass of Conformance is in {folder}/tests, or in a test_*.py beside it"
        yield Wanted(name=name, problem=f"{text}: write one, four lines are enough")


def suites(folder: Path) -> Iterator[Wanted]:
    """Import the tests that use the kit, in `tests` or beside it, and yield the suites in them."""
    for path in sorted([*folder.glob("test_*.py"), *(folder / "tests").rglob("test_*.py")]):
        if "Conformance" not in path.read_text("utf-8", "replace"):
            continue
        try:
            module = _module(path)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the others are checked all the same
            text = f"{path} cannot be imported: {type(error).__name__}: {error}"
            yield Wanted(name=path.name, problem=" ".join(text.split()))
            continue
        for one in vars(module).values():
            mine = isinstance(one, type) and issubclass(one, Conformance)
            if mine and one.__module__ == module.__name__ and hasattr(one, "plugin"):
                yield Wanted(name=one.plugin.__qualname__, suite=one)


def _module(path: Path) -> Any:
    # Two packages may have a test of one name.
    name = f"conformance_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _beside(path):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let a test import what lies beside it, under a name that the next package may use, too."""
    folder, known = str(path.parent), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in {one for one in set(sys.modules) - known if "." not in one}:
            module = sys.modules.pop(name)
            if importlib.util.find_spec(name) is not None:  # others find it as well: the plugin
                sys.modules[name] = module


def _installed(one: Installed) -> Iterator[Wanted]:
    """Use the suite in its source folder where that is here, else one made of nothing."""
    if one.problem:
        yield Wanted(name=one.name, problem=one.problem)
        return
    done = importing.tried(one.value.partition(":")[0])
    if not done.usable:
        yield Wanted(name=one.name, problem=done.problem)
        return
    try:
        cls = one.load()
    except ChannelmixError as error:
        yield Wanted(name=one.name, problem=str(error))
        return
    folder = _source(one.distribution)
    own = [each for each in suites(folder) if _is_of(each, cls)] if folder else []
    yield from own or [_bare(cls)]


def _is_of(each: Wanted, cls: type[Plugin]) -> bool:
    return each.suite is None or each.suite.plugin is cls


def _source(name: str) -> Path | None:
    """Return the folder of a distribution that is installed editable."""
    try:
        said = json.loads(distribution(name).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    url = urlsplit(said.get("url", ""))
    return Path(unquote(url.path)) if url.scheme == "file" else None


def _bare(cls: type[Plugin]) -> Wanted:
    """Make a suite for a plugin that came without its tests."""
    configs = [cls.Config, *([cls.App] if issubclass(cls, Channel) else [])]
    section = {
        one.name: f"kit-{one.name}" if one.type in {Secret, "Secret"} else "1"
        for config in configs
        if config is not None
        for one in attrs.fields(config)
        if one.default is attrs.NOTHING
    }
    made = type("Bare", (Conformance,), {"plugin": cls, "config": section})
    note = (
        "its tests are not here: fixtures and simulator are missing, its configuration is guessed"
    )
    return Wanted(name=cls.__qualname__, suite=made, note=note)
