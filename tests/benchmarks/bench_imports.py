"""What it costs to import channelmix and to ask its command line for help."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.measuring import SERVER, Plan, in_turn, middle, pin
from tests.benchmarks.results import Bound, Result

Timing = Callable[[int], float]
TIMES = 3
"""How many processes for each of a plan's runs: they are short, so more of them."""
CLOCKED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def imports(plan: Plan, _folder: Path) -> list[Result]:
    """Measure imports inside a new interpreter, the command as a whole process."""
    pin(SERVER)
    runs = plan.runs * TIMES
    return [
        _compared(
            "import channelmix",
            runs,
            lambda _run: _importing("import attrs, pluggy"),
            lambda _run: _importing("import channelmix"),
            Bound(sense="most", value=1.3),
        ),
        _compared(
            "import what a plugin needs of channelmix",
            runs,
            lambda _run: _importing("import attrs, pluggy"),
            lambda _run: _importing("from channelmix import Channel, hook"),
        ),
        _compared(
            "channelmix --help",
            runs,
            lambda _run: _process([sys.executable, "-c", "import attrs, pluggy, click"]),
            lambda _run: _process([str(Path(sys.executable).with_name("channelmix")), "--help"]),
            Bound(sense="most", value=1.5),
        ),
    ]


def _compared(
    name: str, runs: int, reference: Timing, ours: Timing, bound: Bound | None = None
) -> Result:
    in_turn(1, reference, ours)  # compiles, and warms the disk's cache
    pairs = in_turn(runs, reference, ours)
    medians = middle(pairs)
    return Result.of(
        name,
        [one / other for other, one in pairs],
        {"reference ms": medians[0] * 1000, "ours ms": medians[1] * 1000},
        bound=bound,
    )


def _importing(statement: str) -> float:
    """Return the seconds that an import takes, without the start of the interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", CLOCKED.format(statement)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def _process(command: Sequence[str]) -> float:
    """Return the seconds that a whole process takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
