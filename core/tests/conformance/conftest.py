"""The invented notice board, installed in a folder of its own for each test, sound or spoilt."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from channelmix.testing.conformance import Conformance

SOUND = Path(__file__).parent / "noticeboard"
CONFIG = {
    "board": "b1",
    "password": "password-of-b1",
    "secret": "secret-of-b1",
    "calls": 100_000,
}
INFO = "Metadata-Version: 2.1\nName: noticeboard\nVersion: 1.2\n"
ENTRY = "[channelmix.v1]\nnoticeboard = noticeboard.plugin:Noticeboard\n"


@define
class Board:
    """A copy of the package, and how to change it."""

    folder: Path

    def change(self, file: str, old: str, new: str) -> None:
        """Change one place of one file, or with no `old` add to its end."""
        path = self.folder / file
        text = path.read_text() if path.exists() else ""
        assert not old or text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new) if old else text + new)

    def suite(self, **more: Any) -> type[Conformance]:
        """Import it, and make the suite that its author would write."""
        importlib.invalidate_caches()
        plugin = importlib.import_module("noticeboard.plugin").Noticeboard
        simulator = importlib.import_module("noticeboard.simulator").NoticeboardSimulator
        given = {
            "plugin": plugin,
            "config": CONFIG,
            "fixtures": self.folder / "fixtures",
            "simulator": simulator,
        }
        return type("Suite", (Conformance,), given | more)


def _forget() -> None:
    for name in [one for one in sys.modules if one.split(".")[0] == "noticeboard"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def type_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("types")


@pytest.fixture
def board(tmp_path: Path, type_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    folder = tmp_path / "board"
    shutil.copytree(SOUND, folder, ignore=shutil.ignore_patterns("__pycache__"))
    info = folder / "noticeboard-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(INFO)
    (info / "entry_points.txt").write_text(ENTRY)
    monkeypatch.setenv("MYPY_CACHE_DIR", str(type_cache))
    monkeypatch.syspath_prepend(str(folder))
    _forget()
    yield Board(folder)
    _forget()
