"""Whether a desk that has taken in ten times as much needs more memory."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.children import Child
from tests.benchmarks.measuring import Plan, middle
from tests.benchmarks.results import Bound, Result

FEW, MANY = 20_000, 200_000
RUNS = 5
"""At most: they differ by a hundredth, and each takes a minute."""
BOUND = Bound(sense="most", value=1.1)


def memory(plan: Plan, folder: Path) -> list[Result]:
    """Measure processes that go on from few events to many, one after the other."""
    few, many = plan.of(FEW), plan.of(MANY)
    sizes = [_grown(few, many, folder / f"{run}") for run in range(min(plan.runs, RUNS))]
    before, after = middle(sizes)
    return [
        Result.of(
            f"memory after {many:,} events over after {few:,}",
            [large / small for small, large in sizes],
            {"after few MB": before / 1e6, "after many MB": after / 1e6},
            bound=BOUND,
        )
    ]


def _grown(few: int, many: int, folder: Path) -> tuple[float, float]:
    """Return how many bytes one process holds after few events, and after many."""
    folder.mkdir()
    store = f"sqlite:///{folder / 'desk.db'}"
    with Child("feed_channelmix", store, log=folder / "desk.log") as desk:
        before = desk.ask("settle", first=0, count=few)
        after = desk.ask("settle", first=few, count=many - few)
    return before, after
