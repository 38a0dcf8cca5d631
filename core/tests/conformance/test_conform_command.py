"""`channelmix conform`, as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SUITE = """
from pathlib import Path
from channelmix.testing.conformance import Conformance
from noticeboard.plugin import Noticeboard
from noticeboard.simulator import NoticeboardSimulator

class TestConformance(Conformance):
    plugin = Noticeboard
    config = {"board": "b1", "password": "password-of-b1", "secret": "secret-of-b1", "calls": 9999}
    fixtures = Path(__file__).parents[1] / "fixtures"
    simulator = NoticeboardSimulator
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def conform(board: Any) -> Any:
    """Run the command in a process of its own, in the board's folder."""
    (board.folder / "tests").mkdir()
    (board.folder / "tests/test_noticeboard.py").write_text(SUITE)

    def run(*arguments: str, folder: Path | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "channelmix", "conform", *arguments],
            cwd=folder or board.folder,
            env={**os.environ, "PYTHONPATH": str(board.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def brings(folder: Path, name: str, code: str, *, group: str = "channelmix.v1") -> None:
    """Install one more plugin beside the board."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}:Plugged\n")


@pytest.mark.slow
def test_the_folder_here_is_checked_and_told_as_a_table(conform: Any) -> None:
    done = conform("--level", "3")
    assert done.code == 0, done
    assert "Noticeboard" in done.out.splitlines()[0]
    assert "level 3, replies well: 21 passed" in done.out


@pytest.mark.slow
def test_a_defect_is_told_with_what_to_do(board: Any, conform: Any) -> None:
    board.change("noticeboard/plugin.py", "    def split(", "    async def split(")
    done = conform("--level", "1")
    assert done.code == 1
    assert "C104   failed" in done.out
    assert "split: must be a plain `def`" in done.out
    assert "C104: Mark each hook with `@hook`" in done.out


@pytest.mark.slow
def test_a_suite_beside_the_plugin_is_found_with_its_helpers(board: Any, conform: Any) -> None:
    (board.folder / "tests/test_noticeboard.py").unlink()
    (board.folder / "helpers.py").write_text(
        "from pathlib import Path\nHERE = Path(__file__).parent\n"
    )
    suite = SUITE.replace("Path(__file__).parents[1]", "HERE").replace(
        "from pathlib import Path", "from helpers import HERE"
    )
    (board.folder / "test_noticeboard.py").write_text(suite)
    [told] = json.loads(conform(".", "--json", "--level", "1").out)
    assert (told["plugin"], told["conform"]) == ("Noticeboard", True)


@pytest.mark.slow
def test_two_packages_may_call_their_helpers_alike(tmp_path: Path) -> None:
    code = "import sys\nfrom channelmix.testing.conformance.finding import suites\n"
    code += "from pathlib import Path\n"
    code += "print([one.name for each in sys.argv[1:] for one in suites(Path(each))])\n"
    folders = []
    for name in ("One", "Other"):
        tests = tmp_path / name / "tests"
        tests.mkdir(parents=True)
        (tests / "helpers.py").write_text(f"class {name}:\n    pass\nPLUGIN = {name}\n")
        use = "from channelmix.testing.conformance import Conformance\nfrom helpers import PLUGIN\n"
        (tests / "test_it.py").write_text(f"{use}class TestIt(Conformance):\n    plugin = PLUGIN\n")
        folders.append(str(tests.parent))
    command = [sys.executable, "-c", code, *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['One', 'Other']"


@pytest.mark.slow
def test_machines_get_json(conform: Any) -> None:
    [told] = json.loads(conform("--json", "--level", "1").out)
    assert (told["plugin"], told["conform"], told["problem"]) == ("Noticeboard", True, None)
    assert {one["status"] for one in told["checks"]} == {"passed"}
    assert {"id", "level", "since", "status", "title", "findings"} == set(told["checks"][0])


@pytest.mark.slow
def test_an_installed_plugin_and_a_channel_are_found_by_name(
    board: Any, conform: Any, tmp_path: Path
) -> None:
    config = tmp_path / "channelmix.toml"
    config.write_text('[channels.pinwall]\nnetwork = "noticeboard"\n')
    for name in ("noticeboard", "pinwall"):
        [told] = json.loads(conform(name, "--json", "--level", "2", folder=tmp_path).out)
        assert told["plugin"] == "Noticeboard"
        assert "its tests are not here" in told["note"]
        failed = [one["id"] for one in told["checks"] if one["status"] == "failed"]
        assert failed == ["C201", "C211"]  # nobody can know without fixtures


@pytest.mark.slow
def test_an_unknown_name_is_one_line_with_a_hint(conform: Any, tmp_path: Path) -> None:
    done = conform("notisboard", folder=tmp_path)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "did you mean noticeboard?" in done.err


@pytest.mark.slow
def test_what_new_fixtures_mean_is_written_down(board: Any, conform: Any) -> None:
    expected = board.folder / "fixtures/comment.expected.json"
    before = json.loads(expected.read_text())
    expected.unlink()
    done = conform("--record")
    assert str(expected) in done.out.replace("\n", "")
    assert json.loads(expected.read_text()) == before
    assert conform("--record").out.strip() == ""


@pytest.mark.slow
def test_broken_plugins_are_named_and_the_rest_is_checked(
    board: Any, conform: Any, tmp_path: Path
) -> None:
    brings(board.folder, "leaves", "raise SystemExit(3)")
    brings(board.folder, "newer", "raise SystemExit(3)", group="channelmix.v2")
    brings(board.folder, "lost", "")
    brings(board.folder, "raises", "raise ValueError('two\\nlines')")
    (board.folder / "twice-1.0.dist-info").mkdir()
    (board.folder / "twice-1.0.dist-info/METADATA").write_text("Name: twice\nVersion: 1.0\n")
    entry = "[channelmix.v1]\nleaves = twice:Other\n"
    brings(board.folder, "third", "")
    (board.folder / "third-2.0.dist-info/entry_points.txt").write_text(entry.replace("leaves", "x"))
    (board.folder / "twice-1.0.dist-info/entry_points.txt").write_text(entry.replace("leaves", "x"))
    done = conform("--json", "--level", "1", folder=tmp_path)
    told = {one["plugin"]: one for one in json.loads(done.out)}
    assert done.code == 1
    assert told["leaves"]["problem"].startswith("importing leaves exits")
    assert "built for channelmix.v2" in told["newer"]["problem"]
    assert "cannot be imported" in told["lost"]["problem"]
    assert "ValueError" in told["raises"]["problem"]
    assert "both bring a plugin named x" in told["x"]["problem"]
    assert told["Noticeboard"]["conform"] is True


@pytest.mark.slow
def test_an_import_that_takes_long_is_given_up(board: Any, conform: Any, tmp_path: Path) -> None:
    brings(board.folder, "sleeps", "import time\ntime.sleep(60)")
    done = conform("sleeps", folder=tmp_path)
    assert done.code == 1
    assert "importing sleeps takes longer than 20 s" in done.out


@pytest.mark.slow
def test_a_folder_without_a_plugin_says_so(conform: Any, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "nothing"\n')
    done = conform(folder=tmp_path)
    assert done.code == 1
    assert "names no plugin" in done.out
