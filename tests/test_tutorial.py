"""The tutorial's stages: each is installed as a newcomer would, and asked by the kit."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

TUTORIAL = Path(__file__).parents[1] / "docs/tutorial"
STAGES = sorted(path.parent for path in TUTORIAL.glob("stage*/statuspage.py"))
pytestmark = pytest.mark.slow


def _kit(stage: Path, folder: Path) -> str:
    """Install a stage into `folder`, run its test, and return what pytest says."""
    install = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    where = ["--offline", "--python", sys.executable, "--target", str(folder)]
    subprocess.run([*install, *where, str(stage)], check=True, capture_output=True)
    environ = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", stage.name]
    done = subprocess.run(
        command, cwd=stage.parent, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """How many checks each stage passes."""
    told = [_kit(stage, tmp_path_factory.mktemp(stage.name)) for stage in STAGES]
    return [int(found[1]) for one in told if (found := re.search(r"(\d+) passed", one))]


def test_every_stage_is_correct_and_passes_more_than_the_one_before(passed: list[int]) -> None:
    assert len(passed) == len(STAGES) == 4
    assert passed == sorted(set(passed))


def test_a_stage_with_a_defect_fails(tmp_path: Path) -> None:
    broken = tmp_path / "tutorial"
    shutil.copytree(TUTORIAL, broken)
    plugin = broken / "stage4/statuspage.py"
    text = plugin.read_text()
    plugin.write_text(text.replace("own = comment.author.id == self.account", "own = False"))
    assert plugin.read_text() != text
    with pytest.raises(AssertionError, match="C208"):
        _kit(broken / "stage4", tmp_path / "installed")


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
