from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MISSED = """
import sys
from pathlib import Path
from rich.console import Console
from tests.benchmarks.__main__ import report
from tests.benchmarks.results import Bound, Result
bound = Bound(sense="least", value=0.5)
results = [Result.of(name, [ratio], {}, bound=bound) for name, ratio in (("a", 0.5), ("b", 0.4))]
report(results, Path(sys.argv[1]), Console(stderr=True))
"""

AFFINITY = """
import os
from rich.console import Console
from tests.benchmarks.__main__ import measured
from tests.benchmarks.measuring import Plan
before = os.sched_getaffinity(0)
measured(["dispatch"], Plan(runs=1, scale=0.01), Console(stderr=True))
assert os.sched_getaffinity(0) == before
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_missed_bound_is_named_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("-c", MISSED, str(file))
    assert done.returncode == 1
    assert done.stderr.strip() == "missed: b"
    assert [one["ok"] for one in json.loads(file.read_text())] == [True, False]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system pins nothing")
def test_a_bench_that_pins_itself_leaves_the_next_one_free() -> None:
    done = run("-c", AFFINITY)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_load_is_answered_and_measured_on_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("-m", "tests.benchmarks", "--only", "intake", "--quick", "--output", str(file))
    results = json.loads(file.read_text())
    assert len(results) == 2, done.stderr
    assert done.returncode == (0 if all(one["ok"] for one in results) else 1)
    for one in results:
        assert one["runs"] == 8
        assert one["bound"] == {"sense": "least", "value": 0.5}
        assert one["ok"] == (one["ratio"] >= 0.5)
        assert one["cpu"]["generator"] < one["cpu"]["server"]


@pytest.mark.slow
def test_growth_is_measured_in_copies_of_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("-m", "tests.benchmarks", "--only", "growth", "--quick", "--output", str(file))
    assert file.exists(), done.stderr
    [one] = json.loads(file.read_text())
    assert one["absolute"]["ours at 20,000 µs"] > 0
