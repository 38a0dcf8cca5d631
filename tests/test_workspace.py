"""The workspace: the lock, the members, the two commands, and docs in step with the code."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
MEMBERS = [
    path.parent
    for pattern in ("core", "plugins/*", "contrib/*")
    for path in sorted(ROOT.glob(f"{pattern}/pyproject.toml"))
]
LOCK = (ROOT / "requirements.txt").read_text()
PINNED = re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", LOCK, re.MULTILINE)  # one may need several
PINS = dict(PINNED)


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _requirements() -> Iterator[Requirement]:
    yield from map(Requirement, _toml(ROOT / "pyproject.toml")["dependency-groups"]["dev"])
    for member in MEMBERS:
        project = _toml(member / "pyproject.toml")["project"]
        extras = project.get("optional-dependencies", {}).values()
        yield from map(Requirement, project["dependencies"])
        yield from (Requirement(line) for extra in extras for line in extra)


def _own(name: str) -> bool:
    return canonicalize_name(name).split("-")[0] == "channelmix"


def test_the_lock_holds_what_is_asked_for() -> None:
    wanted = [one for one in _requirements() if not _own(one.name)]
    assert wanted
    missing = [
        str(one)
        for one in wanted
        if not one.specifier.contains(PINS.get(canonicalize_name(one.name), "0a0"))
    ]
    assert not missing, "run: make lock"


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.slow
def test_the_lock_holds_what_is_imported() -> None:
    providers = packages_distributions()
    sources = [path for folder in (*MEMBERS, ROOT / "tests") for path in folder.rglob("*.py")]
    unlocked = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources
        for name in _imported(path)
        if name not in sys.stdlib_module_names
        and not name.startswith(("channelmix", "tests"))
        and not {canonicalize_name(one) for one in providers.get(name, [name])} & set(PINS)
    }
    assert not unlocked, "name it in a pyproject.toml, then run: make lock"


def test_the_lock_has_hashes_and_neither_hosts_nor_paths_nor_our_own() -> None:
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(PINNED)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|file:|index-url|find-links|^-|\s/\w|\.\./", LOCK, re.MULTILINE)
    assert not [name for name in PINS if _own(name)]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_a_member_can_be_released_alone(member: Path) -> None:
    project = _toml(member / "pyproject.toml")["project"]
    [package] = (member / "src").iterdir()
    assert project["name"].replace("-", "_") == package.name
    assert (package / "py.typed").is_file()
    assert (member / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (member / "README.md").read_text().startswith(f"# {project['name']}\n")
    assert "## [Unreleased]" in (member / "CHANGELOG.md").read_text()
    assert "==" not in "".join(project["dependencies"])


def test_ci_runs_make_test_and_passes_its_exit_code_on(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$PWD $*"\nexit 7\n')
    make.chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [ROOT / ".ci/run"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == (f"{ROOT} test\n", 7)


PYTHON = """#!/bin/sh
echo "$*" >> log
mkdir -p .venv/bin
[ -e .venv/bin/python ] || cp "$0" .venv/bin/python
"""


@pytest.fixture
def lists(tmp_path: Path) -> list[Path]:
    """What set-up depends on, in a workspace whose `python` only writes down what it is asked."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    names = ["requirements.txt", "core/pyproject.toml", "contrib/x/pyproject.toml"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return [tmp_path / name for name in names]


def _set_up(workspace: Path) -> list[str]:
    """Run `make setup` and return the installations it asked for."""
    (workspace / "log").write_text("")
    command = ["make", "--silent", "setup", f"PYTHON={workspace / 'python'}"]
    subprocess.run(command, cwd=workspace, check=True)
    return re.findall(r"install .*", (workspace / "log").read_text())


def test_set_up_takes_others_hashed_and_ours_editable(tmp_path: Path, lists: list[Path]) -> None:
    others, ours = _set_up(tmp_path)
    assert others.endswith("--require-hashes -r requirements.txt")
    assert ours.endswith("--no-deps --editable core --editable contrib/x")
    assert _set_up(tmp_path) == []


@pytest.mark.parametrize("changed", range(3))
def test_set_up_runs_again_when_a_list_changes(
    tmp_path: Path, lists: list[Path], changed: int
) -> None:
    _set_up(tmp_path)
    for path in lists:
        os.utime(path, (1000, 1000))
    os.utime(tmp_path / ".venv/ready", (2000, 2000))
    assert _set_up(tmp_path) == []
    os.utime(lists[changed], (3000, 3000))
    assert len(_set_up(tmp_path)) == 2


def test_links_between_the_pages_lead_somewhere() -> None:
    left_out = {".venv", "build", "packages"}  # the last: pages that the site makes
    pages = [path for path in ROOT.rglob("*.md") if not left_out & set(path.parts)]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert links
    assert not [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()]
