"""Wheels of every member, and clean environments to install them into."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen
from uv import find_uv_bin

ROOT = Path(__file__).parents[1]


@frozen
class Clean:
    """An environment with nothing in it but what was asked for."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def install(self, *arguments: str) -> None:
        """Install with uv, under the machine's own settings for packages."""
        command = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(self.python)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(self, *command: str, cwd: Path) -> None:
        """Run one of its programs; what it prints is told if it fails."""
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(self.folder / "cache")}
        environ["MYPY_CACHE_DIR"] = str(self.folder / ".mypy_cache")
        for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
            environ.pop(name, None)
        program = [str(self.folder / "bin" / command[0]), *command[1:]]
        done = subprocess.run(
            program, cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def members() -> dict[str, Path]:
    """Every distribution of the workspace, with its folder."""
    files = [
        file
        for one in ("core", "plugins/*", "contrib/*")
        for file in sorted(ROOT.glob(f"{one}/pyproject.toml"))
    ]
    return {tomllib.loads(file.read_text())["project"]["name"]: file.parent for file in files}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory, members: dict[str, Path]) -> dict[str, Path]:
    """A wheel of every distribution, as it would be released."""
    found = {}
    for name, folder in members.items():
        out = tmp_path_factory.mktemp(name)
        command = [find_uv_bin(), "build", "--quiet", "--wheel", "--no-build-isolation"]
        where = ["--python", sys.executable, "--out-dir", str(out), str(folder)]
        subprocess.run([*command, *where], check=True, capture_output=True)
        [found[name]] = out.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Clean]:
    """Make clean environments."""

    def make(name: str) -> Clean:
        folder = tmp_path_factory.mktemp(name) / "env"
        command = [find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        return Clean(folder)

    return make
