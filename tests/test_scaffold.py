"""`channelmix new`: every combination, cleanly installed, passes kit, types and lint."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from channelmix.cli import main
from channelmix.scaffold import Plan, write

LOCK = (Path(__file__).parents[1] / "requirements.txt").read_text()
TOOLS = ["editables", "hatchling", "mypy", "ruff"]
KINDS = [
    {"push": push, "poll": poll, "reply": reply}
    for push, poll, reply in product([False, True], repeat=3)
]


def _name(kind: dict[str, bool]) -> str:
    words = [word for word, wanted in kind.items() if wanted]
    return "-".join(["square", *words])


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path], clean: Callable[[str], Any]
) -> tuple[Any, Path]:
    """Every combination, written by the installed command, and installed beside the core."""
    folder, environment = tmp_path_factory.mktemp("new"), clean("scaffold")
    core = f"channelmix[testing] @ {wheels['channelmix'].as_uri()}"
    pins = [
        found[0] for tool in TOOLS if (found := re.search(rf"^{tool}==[^\s;]+", LOCK, re.MULTILINE))
    ]
    environment.install(core, *pins)
    for kind in KINDS:
        flags = [f"--{word}" for word, wanted in kind.items() if wanted]
        environment.run("channelmix", "new", _name(kind), "--owner", "anna", *flags, cwd=folder)
    every = sorted(folder.iterdir())
    assert len(every) == len(KINDS)
    editable = [word for path in every for word in ("--editable", str(path))]
    environment.install("--no-build-isolation", *editable)
    return environment, folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_combination_passes_the_kit(written: tuple[Any, Path]) -> None:
    environment, folder = written
    for one in sorted(folder.iterdir()):
        environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=one)


@pytest.mark.slow
def test_every_combination_is_clean(written: tuple[Any, Path]) -> None:
    environment, folder = written
    environment.run("ruff", "check", "--no-cache", cwd=folder)
    environment.run("ruff", "format", "--check", "--no-cache", cwd=folder)


@pytest.mark.slow
def test_a_defect_in_what_is_written_is_noticed(written: tuple[Any, Path], tmp_path: Path) -> None:
    environment, folder = written
    [fixture] = (folder / "channelmix-square" / "tests/fixtures").glob("*.expected.json")
    good = fixture.read_text()
    fixture.write_text(good.replace("Mira", "Mara"))
    try:
        with pytest.raises(AssertionError, match="C201"):
            environment.run("python", "-m", "pytest", "-q", cwd=folder / "channelmix-square")
    finally:
        fixture.write_text(good)


@pytest.mark.parametrize("kind", KINDS, ids=_name)
def test_it_has_the_files_that_every_network_has(tmp_path: Path, kind: dict[str, bool]) -> None:
    write(Plan(name="town-square", owner="anna", **kind), tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    package = "src/channelmix_town_square"
    assert files >= {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "tests/helpers.py",
        "quality.toml",
        "pyproject.toml",
        f"{package}/plugin.py",
        f"{package}/config.py",
        f"{package}/parsing.py",
        f"{package}/py.typed",
        "tests/fixtures/comments.json",
        "tests/fixtures/comments.expected.json",
    }
    assert (f"{package}/signing.py" in files) is kind["push"]
    assert (f"{package}/client.py" in files) is (kind["poll"] or kind["reply"])
    assert (f"{package}/replies.py" in files) is kind["reply"]
    own = "tests/test_channelmix_town_square.py"
    assert (own in files) is (kind["push"] or kind["poll"])
    assert "Copyright (c) 20" in (tmp_path / "LICENSE").read_text()
    assert "anna" in (tmp_path / "LICENSE").read_text()
    assert not [name for name in files if name.endswith(".jinja")]


@pytest.mark.parametrize("name", ["Town", "town_square", "1town", "", "../town", "town-"])
def test_a_name_that_cannot_be_one(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["new", "--into", str(tmp_path / "new"), "--", name])
    assert "use lower case letters and digits" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "work.py").write_text("mine")
    with pytest.raises(SystemExit, match="1"):
        main(["new", "town-square", "--into", str(tmp_path)])
    assert capsys.readouterr().err == f"{tmp_path} is there already, and not empty\n"
    assert [path.name for path in tmp_path.iterdir()] == ["work.py"]
