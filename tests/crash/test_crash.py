"""Processes die by SIGKILL in every phase, and nothing is lost or said twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PHASES = {"receiving", "leasing", "applying", "sending", "waiting", "reconciling"}
KILLS = 50
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

Crash = Callable[..., dict[str, Any]]


@pytest.fixture
def crash(tmp_path: Path) -> Crash:
    """Run it in a process of its own, as a person would; return the verdict."""

    def run(store: str, *options: str) -> dict[str, Any]:
        file = tmp_path / "verdict.json"
        given = (store, "--folder", str(tmp_path / "run"), "--output", str(file), *options)
        command = [sys.executable, "-m", "tests.crash", *given]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert file.exists(), done.stderr + logs(tmp_path / "run")
        sys.stdout.write(done.stdout)
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    return run


def logs(folder: Path) -> str:
    """Return the ends of what the processes wrote."""
    return "".join(f"\n{one.name}: {one.read_text()[-3000:]}" for one in folder.glob("*.log"))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite"
    url: str = request.getfixturevalue("postgresql")()
    return url


def test_whoever_is_killed_nothing_is_lost_and_nothing_said_twice(crash: Crash, store: str) -> None:
    verdict = crash(store, "--events", "2000", "--replies", "300")
    assert verdict["complaints"] == []
    kills = verdict["kills"]
    assert set(kills) == PHASES
    for phase, places in kills.items():
        assert min(places.values()) > 0, phase
    assert sum(sum(places.values()) for places in kills.values()) >= KILLS
    facts = verdict["facts"]
    assert facts["events answered 200"] >= facts["customers' acts"] >= 2000
    assert facts["answers"] >= 300
    assert facts["answers looked for"] > 0


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("drop-after-200", "events answered 200 without a fate"),
        ("blind-resend", "answers that arrived more than once"),
    ],
)
def test_a_planted_defect_is_found(crash: Crash, defect: str, complaint: str) -> None:
    small = ("--events", "300", "--replies", "100", "--times", "1")
    verdict = crash("sqlite", *small, "--defect", defect)
    assert [one for one in verdict["complaints"] if complaint in one], verdict["complaints"]
