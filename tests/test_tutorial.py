"""The tutorial, followed: what its listings give is each stage, which the kit then asks."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sphinx.pycode import ModuleAnalyzer
from uv import find_uv_bin

TUTORIAL = Path(__file__).parents[1] / "docs/tutorial"
STAGES = sorted(path.parent for path in TUTORIAL.glob("stage*/statuspage.py"))
SECTIONS = ("Read", "Push", "Poll", "Reply")
pytestmark = pytest.mark.slow

_LISTING = re.compile(
    r"^```{literalinclude} (?P<file>\S+)\n(?P<options>(?::.*\n)*)```$", re.MULTILINE
)
_DOWNLOAD = re.compile(r"{download}`[^`]*<(?P<file>[^>]+)>`")
_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)


# a newcomer


def _listing(file: str, options: dict[str, str]) -> str:
    """Return what the page shows of a file."""
    text = (TUTORIAL / file).read_text()
    if "end-before" in options:
        return text[: text.index(options["end-before"].strip('"'))]
    lines = text.splitlines(keepends=True)
    if name := options.get("pyobject"):
        _, first, last = ModuleAnalyzer.for_string(text, file).find_tags()[name]
        lines = lines[first - 1 : last]
    if shown := options.get("lines"):
        first, last = (int(one) for one in shown.split("-"))
        lines = lines[first - 1 : last]
    return "".join(lines)


def _above(before: str, listing: str) -> str:
    return listing.rstrip("\n") + "\n\n\n" + before[before.index("@frozen") :]


def _beginning(before: str, listing: str) -> str:
    start, hook = before.index("@define"), before.index("    @hook")
    return before[:start] + listing.rstrip("\n") + "\n\n" + before[hook:]


def _page_class(before: str, listing: str) -> str:
    lines = before.splitlines(keepends=True)
    _, first, last = ModuleAnalyzer.for_string(before, "before").find_tags()["Page"]
    return "".join([*lines[: first - 1], listing, *lines[last:]])


def _in_class(before: str, listing: str) -> str:
    lines = before.splitlines(keepends=True)
    _, _, last = ModuleAnalyzer.for_string(before, "before").find_tags()["StatusPage"]
    return "".join([*lines[:last], "\n", listing, *lines[last:]])


def _at_end(before: str, listing: str) -> str:
    return f"{before}\n\n{listing}"


PLACES: dict[str, Callable[[str, str], str]] = {
    "instead of all above the first class": _above,
    "instead of the class StatusPage as far as its first hook": _beginning,
    "instead of the class Page": _page_class,
    "at the end of the class StatusPage": _in_class,
    "at the end": _at_end,
}
"""What somebody does who reads under which file, and where in it, a listing goes."""


def _follow(page: str, folder: Path) -> list[Path]:
    """Do what the page says, and return a copy of the folder as it is after each stage."""
    here = folder / "statuspage"
    (here / "fixtures").mkdir(parents=True)
    done: list[Path] = []
    section = ""
    steps = sorted(
        (step for kind in (_LISTING, _DOWNLOAD, _HEADING) for step in kind.finditer(page)),
        key=lambda step: step.start(),
    )
    for step in steps:
        if step.re is _HEADING:
            if section in SECTIONS:
                done.append(Path(shutil.copytree(here, folder / f"stage{len(done) + 1}")))
            section = step["title"]
        elif step.re is _DOWNLOAD:
            shutil.copy(TUTORIAL / step["file"], here / step["file"])
        else:
            options = dict(re.findall(r"^:([\w-]+): (.*)$", step["options"], re.MULTILINE))
            _put_in(here, options.pop("caption"), _listing(step["file"], options))
    return done


def _put_in(here: Path, caption: str, listing: str) -> None:
    file, _, place = caption.partition(", ")
    path = here / file
    path.write_text(PLACES[place](path.read_text(), listing) if place else listing)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return _follow((TUTORIAL / "index.md").read_text(), tmp_path_factory.mktemp("newcomer"))


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("number", range(len(STAGES)))
def test_who_follows_the_listings_has_the_stage(followed: list[Path], number: int) -> None:
    assert len(followed) == len(STAGES) == 4
    got, wanted = _files(followed[number]), _files(STAGES[number])
    got.pop("simulator.py", None)  # the stages share it, and the fixtures
    assert got == wanted
    fixtures = {path.name for path in (followed[number] / "fixtures").iterdir()}
    assert fixtures == {path.name for path in (TUTORIAL / "fixtures").iterdir()}


@pytest.mark.parametrize("left_out", ["    next: str", "was_not_sent", "HOST ="])
def test_a_listing_that_is_missing_is_noticed(tmp_path: Path, left_out: str) -> None:
    page = (TUTORIAL / "index.md").read_text()
    for step in _LISTING.finditer(page):
        options = dict(re.findall(r"^:([\w-]+): (.*)$", step["options"], re.MULTILINE))
        partial = ", " in options["caption"]
        if partial and left_out in _listing(step["file"], options):
            page = page.replace(step[0], "")
    stages = _follow(page, tmp_path)
    assert any(_files(one) != _files(two) for one, two in zip(stages[2:], STAGES[2:], strict=True))


# the kit


def _kit(stage: Path, folder: Path) -> str:
    """Install a stage into `folder`, run its test, and return what pytest says."""
    install = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    where = ["--offline", "--python", sys.executable, "--target", str(folder)]
    subprocess.run([*install, *where, str(stage)], check=True, capture_output=True)
    environ = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=stage, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def passed(followed: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """How many checks each stage passes."""
    told = [_kit(stage, tmp_path_factory.mktemp(stage.name)) for stage in followed]
    return [int(found[1]) for one in told if (found := re.search(r"(\d+) passed", one))]


def test_every_stage_is_correct_and_passes_more_than_the_one_before(passed: list[int]) -> None:
    assert len(passed) == len(STAGES) == 4
    assert passed == sorted(set(passed))


def test_a_stage_with_a_defect_fails(followed: list[Path], tmp_path: Path) -> None:
    broken = Path(shutil.copytree(followed[-1], tmp_path / "broken"))
    plugin = broken / "statuspage.py"
    text = plugin.read_text()
    plugin.write_text(text.replace("own = comment.author.id == self.account", "own = False"))
    assert plugin.read_text() != text
    with pytest.raises(AssertionError, match="C208"):
        _kit(broken, tmp_path / "installed")


def test_the_finished_plugin_is_strictly_typed(followed: list[Path]) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "statuspage.py"]
    done = subprocess.run(command, cwd=followed[-1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_pages_that_lead_here_say_the_same_length() -> None:
    title = (TUTORIAL / "index.md").read_text().partition("\n")[0]
    [lines] = re.findall(r"about \d+ lines", title)
    assert lines in (TUTORIAL.parent / "index.md").read_text()


def _statements(stage: Path) -> int:
    """Count statements; imports and docstrings are none."""
    nodes = ast.walk(ast.parse((stage / "statuspage.py").read_text()))
    return sum(
        isinstance(node, ast.stmt)
        and not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in nodes
    )


def test_the_page_says_how_long_each_stage_is() -> None:
    page = (TUTORIAL / "index.md").read_text()
    told = re.findall(r"^\| \[\d\. .*\| (\d+) \|$", page, re.MULTILINE)
    assert [int(count) for count in told] == [_statements(stage) for stage in STAGES]


@pytest.mark.parametrize("number", range(1, len(STAGES)))
def test_a_stage_only_adds_to_the_one_before(number: int) -> None:
    before, after = (
        [
            ast.unparse(node)
            for node in ast.walk(ast.parse((stage / "statuspage.py").read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for stage in STAGES[number - 1 : number + 1]
    )
    assert set(before) < set(after)
