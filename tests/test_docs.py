"""The site is built strictly, and has everything that the code has, as the code has it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import click
import pytest
from bs4 import BeautifulSoup, Tag
from channelmix import Desk, errors, hookspecs, records, settings
from channelmix.cli import COMMANDS
from channelmix.cli import channelmix as program
from channelmix.discovery import installed
from channelmix.hookspecs import PROJECT, Channel, Hooks
from channelmix.testing import clock, lent, server, simulator, stage
from channelmix.testing.conformance import checks, suite

ROOT = Path(__file__).parents[1]
Page = BeautifulSoup
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: any warning is an error."""
    [line] = re.findall(r"sphinx-build (.*) docs build/docs$", _makefile(), re.MULTILINE)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", *line.split(), "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def _makefile() -> str:
    return (ROOT / "Makefile").read_text()


def _page(site: Path, name: str) -> Page:
    return BeautifulSoup((site / "reference" / f"{name}.html").read_text(), "html.parser")


def _section(page: Page, title: str) -> Tag | None:
    """Return the section under a heading, without the link sign that ends it."""
    for heading in page.find_all(re.compile(r"h[1-6]")):
        if heading.get_text().rstrip("¶# ") == title:
            return heading.parent
    return None


def _text(tag: Tag) -> str:
    return " ".join(tag.get_text().split())


def _signatures(section: Tag) -> list[str]:
    blocks = [block.get_text().replace("'", "") for block in section.find_all("pre")]
    return ["".join(block.split()) for block in blocks]


def _rows(section: Tag) -> dict[str, str]:
    """Return the first table's rows: the first cell, and all of the row."""
    rows = [row.find_all("td") for row in section.find_all("tr")]
    return {_text(cells[0]): " ".join(map(_text, cells)) for cells in rows if cells}


def _defined(function: Any, name: str) -> str:
    colour = "async def" if inspect.iscoroutinefunction(function) else "def"
    return "".join(f"{colour} {name}{inspect.signature(function)}".replace("'", "").split())


def _missing_functions(page: Page, functions: dict[str, Any]) -> Iterator[str]:
    for name, function in functions.items():
        section = _section(page, name)
        if section is None:
            yield name
        elif not any(_same(one, _defined(function, name)) for one in _signatures(section)):
            yield f"{name}: {_defined(function, name)}"


def _same(shown: str, wanted: str) -> bool:
    return shown.replace(",)", ")") == wanted.replace(",)", ")")


def _missing_rows(page: Page, title: str, rows: dict[str, str]) -> Iterator[str]:
    section = _section(page, title)
    if section is None:
        yield title
        return
    shown = _rows(section)
    for name, told in rows.items():
        if name not in shown or told not in shown[name]:
            yield f"{title}: {name} {told}"


def missing_hooks(page: Page) -> list[str]:
    """Name the hooks that the page lacks, or shows with another signature."""
    specified = {n: f for n, f in vars(Hooks).items() if hasattr(f, f"{PROJECT}_spec")}
    return list(_missing_functions(page, specified))


def _classes(module: ModuleType) -> list[type]:
    found = [one for one in vars(module).values() if isinstance(one, type)]
    return [one for one in found if one.__module__ == module.__name__ and one.__name__[0] != "_"]


def fields_of(cls: Any) -> tuple[attrs.Attribute[Any], ...]:
    """Return the fields of an attrs class that only its name says is one."""
    return attrs.fields(cls)  # type: ignore[no-any-return]  # what is said of Any is Any


def missing_records(page: Page) -> list[str]:
    """Name the records and fields that the page lacks, or shows with another type."""
    found: list[str] = []
    for cls in _classes(records):
        if issubclass(cls, Enum):
            rows = {one.name: one.value for one in cls}
        else:
            rows = {one.name: str(cls.__annotations__[one.name]) for one in fields_of(cls)}
        found += _missing_rows(page, cls.__name__, rows)
    return found


def missing_bases(page: Page) -> list[str]:
    """Name what a plugin starts from and the page lacks."""
    found: list[str] = []
    for cls in _classes(hookspecs):
        names = [one for one in vars(cls).get("__annotations__", {}) if one[0] != "_"]
        if cls is not Hooks:
            found += _missing_rows(page, cls.__name__, dict.fromkeys(names, ""))
    return found


def missing_errors(page: Page) -> list[str]:
    """Name the errors that the page lacks, or shows as made in another way."""
    found = []
    for cls in _classes(errors):
        section = _section(page, cls.__name__)
        made = "(text)"
        if "__init__" in vars(cls):
            made = str(inspect.signature(cls)).partition(" ->")[0].replace("'", "")
        wanted = "".join(f"{cls.__name__}{made}".split())
        if section is None or wanted not in _signatures(section):
            found.append(wanted)
    return found


def missing_keys(page: Page) -> list[str]:
    """Name the configuration keys that the page lacks, those of every installed plugin too."""
    sections: list[tuple[str, type]] = [
        ("[desk]", settings.DeskSettings),
        ("[apps.NAME]", settings.AppKeys),
        ("[channels.NAME]", settings.ChannelKeys),
        ("[[service_levels]]", settings.ServiceLevel),
        ("[teams.NAME]", settings.TeamKeys),
        ("[agents.NAME]", settings.AgentKeys),
        ("[plugins.NAME]", settings.PluginKeys),
    ]
    for name, one in installed().items():
        cls = one.load()
        shared = cls.App if issubclass(cls, Channel) else None
        sections += [(f"Plugin {name}", keys) for keys in (shared, cls.Config) if keys]
    return [
        line
        for title, cls in sections
        for line in _missing_rows(page, title, {one.name: "" for one in attrs.fields(cls)})
    ]


def missing_commands(page: Page) -> list[str]:
    """Name the commands and options that the page lacks."""
    root = click.Context(program)
    commands = {name: program.get_command(root, name) for name in COMMANDS}
    return [line for name, one in commands.items() if one for line in _command(page, name, one)]


def _command(page: Page, name: str, command: click.Command) -> Iterator[str]:
    section = _section(page, name)
    if section is None:
        yield name
        return
    told = _text(section)
    for one in command.params:
        if getattr(one, "hidden", False):
            continue
        names = one.opts if isinstance(one, click.Option) else [one.make_metavar(_context(command))]
        yield from (f"{name} {option}" for option in names if option not in told)
    for below, one in getattr(command, "commands", {}).items():
        yield from _command(page, f"{name} {below}", one)


def _context(command: click.Command) -> click.Context:
    return click.Context(command)


def missing_methods(page: Page) -> list[str]:
    """Name the methods of the desk that the page lacks, or shows with another signature."""
    methods = {
        name: inspect.unwrap(getattr(value, "__func__", value))
        for name, value in vars(Desk).items()
        if name[0] != "_" and callable(getattr(value, "__func__", value))
    }
    return list(_missing_functions(page, methods))


def missing_checks(page: Page) -> list[str]:
    """Name the checks that the page lacks, or shows without what to do."""
    found = []
    for one in checks():
        section = _section(page, one.id)
        told = "" if section is None else _letters(_text(section))
        if _letters(one.docstring) not in told:
            found.append(one.id)
    return found


def missing_testing(page: Page) -> list[str]:
    """Name what authors of plugins test with and the page lacks, or shows in another way."""
    found: list[str] = []
    for module in (suite, stage, simulator, clock, lent, server):
        for cls in _classes(module):
            if issubclass(cls, Exception | Warning):
                continue
            section = _section(page, cls.__name__)
            if section is None:
                found.append(cls.__name__)
                continue
            fields = fields_of(cls) if attrs.has(cls) else ()
            names = [one.name for one in fields if one.name in cls.__annotations__]
            rows = [one for one in names or vars(cls).get("__annotations__", {}) if one[0] != "_"]
            shown, text = _rows(section), "".join(_signatures(section)) + _text(section)
            found += [f"{cls.__name__}.{one}" for one in rows if one not in shown]
            methods = [
                name
                for name, value in vars(cls).items()
                if not name.startswith(("_", "test_")) and inspect.isroutine(value)
            ]
            found += [f"{cls.__name__}.{one}" for one in methods if f"{one}(" not in text]
    for function in (stage.on_stage, server.serve):
        if _section(page, function.__name__) is None:
            found.append(function.__name__)
    return found


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


PARTS: list[tuple[str, Callable[[Page], list[str]], str]] = [
    ("hooks", missing_hooks, "reconcile"),
    ("hooks", missing_bases, "Services"),
    ("records", missing_records, "Outgoing"),
    ("errors", missing_errors, "RetryLater"),
    ("configuration", missing_keys, "[desk]"),
    ("commands", missing_commands, "ledger"),
    ("desk", missing_methods, "receive"),
    ("checks", missing_checks, "C201"),
    ("testing", missing_testing, "Simulator"),
]
parts = pytest.mark.parametrize(
    ("name", "missing", "title"), PARTS, ids=[part[1].__name__ for part in PARTS]
)


@parts
def test_the_reference_has_all_there_is(
    site: Path, name: str, missing: Callable[[Page], list[str]], title: str
) -> None:
    assert missing(_page(site, name)) == []


@parts
def test_what_the_reference_lacks_is_noticed(
    site: Path, name: str, missing: Callable[[Page], list[str]], title: str
) -> None:
    page = _page(site, name)
    section = _section(page, title)
    assert section is not None
    for detail in section.find_all(["pre", "tr", "p"]):
        detail.decompose()  # the heading stays: a name without its signature or keys
    assert missing(page)
    section.decompose()
    assert missing(page)


def test_another_signature_is_noticed(site: Path) -> None:
    page = _page(site, "hooks")
    section = _section(page, "poll")
    assert section is not None
    block = section.find("pre")
    assert isinstance(block, Tag)
    block.string = block.get_text().replace("Polled", "Page")
    assert [line.partition(":")[0] for line in missing_hooks(page)] == ["poll"]


def test_a_default_is_shown_as_it_is_written(site: Path) -> None:
    vault = _section(_page(site, "hooks"), "Vault")
    assert vault is not None
    assert "name: str = 'token'" in _text(vault)
    answer = _section(_page(site, "records"), "WebhookResponse")
    assert answer is not None
    assert _rows(answer)["body"] == "body str ''"


def test_a_check_that_only_warns_says_so(site: Path) -> None:
    section = _section(_page(site, "checks"), "C320")
    assert section is not None
    assert "Since 0.2; before 0.3 it only warns." in _text(section)


def test_every_package_has_its_page(site: Path) -> None:
    members = [path.parent.name for path in ROOT.glob("*/*/pyproject.toml")]
    names = {"core", *(name for name in members if not name.startswith("stage"))}
    assert names == {path.stem for path in (site / "packages").glob("*.html")}


def test_nothing_on_the_site_is_unfinished(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    unfinished = re.compile(r"\bTODO\b|&lt;!-- generated|FIXME")
    assert len(pages) > 20
    assert not [path.name for path in pages if unfinished.search(path.read_text())]
