"""Signed webhooks stored durably, beside an endpoint that checks the same and stores nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from attrs import evolve, frozen

from tests.benchmarks.children import Child
from tests.benchmarks.measuring import Plan, in_turn, middle
from tests.benchmarks.results import Bound, Result, Usage, cpu_each, usage_of

CONNECTIONS = (16, 64)
IDLE, DRAINING = 1_250, 1_500
"""Webhooks in a run; what a worker has to drain afterwards takes much longer than the run."""
FINER = 4
"""Times as many runs with the workers idle: the machine's pace changes within a second or two, and
the two sides of a pair are to meet the same."""
WARM = 16
"""Runs before those that count, with the workers idle: SQLite's log grows to its 32 MB in the first
15,000 webhooks of a new file, and is written over from then on, which takes a disk half as long."""
BOUND = Bound(sense="least", value=0.5)


@frozen(kw_only=True)
class Sample:
    """One load."""

    rate: float
    """Webhooks per second."""
    p99: float
    usage: Usage

    @property
    def cpu(self) -> float:
        """Processor time that the server takes for one, in seconds."""
        return self.usage.server / self.rate


def intake(plan: Plan, folder: Path) -> list[Result]:
    """Measure with the workers idle; that has a bound."""
    finer = evolve(plan, runs=plan.runs * FINER)
    return _compared(plan.of(IDLE), finer, folder, "idle", warm=WARM, bound=BOUND)


def draining(plan: Plan, folder: Path) -> list[Result]:
    """Measure with the worker draining meanwhile."""
    return _compared(plan.of(DRAINING), plan, folder, "draining", "--work")


def _compared(
    requests: int,
    plan: Plan,
    folder: Path,
    name: str,
    *options: str,
    warm: int = 1,
    bound: Bound | None = None,
) -> list[Result]:
    store = f"sqlite:///{folder / 'desk.db'}"
    with (
        Child("far_side", log=folder / "far_side.log") as far,
        Child("serve_starlette", log=folder / "starlette.log") as reference,
        Child("serve_channelmix", store, *options, log=folder / "channelmix.log") as ours,
    ):
        numbers = count(step=100_000)

        def load(server: Child, connections: int) -> Callable[[int], Sample]:
            return lambda _run: _load(far, server, next(numbers), requests, connections)

        results = []
        for connections in CONNECTIONS:
            sides = load(reference, connections), load(ours, connections)
            in_turn(warm, *sides)
            pairs = in_turn(plan.runs, *sides)
            title = f"durable signed intake, workers {name}, {connections} connections"
            results.append(_result(title, pairs, bound))
        return results


def _load(far: Child, server: Child, first: int, requests: int, connections: int) -> Sample:
    """Load one server; what it does afterwards is not measured, and over when this returns."""
    before = server.cpu()
    told = far.ask("intake", url=server.hello, first=first, count=requests, connections=connections)
    used = server.cpu() - before
    if "drain" in server.commands:
        server.ask("drain")
    seconds = told["seconds"]
    usage = Usage(server=used / seconds, generator=told["cpu"] / seconds)
    return Sample(rate=requests / seconds, p99=told["p99"], usage=usage)


def _result(name: str, pairs: list[tuple[Sample, ...]], bound: Bound | None) -> Result:
    samples = [ours.rate / reference.rate for reference, ours in pairs]
    rates = middle([(reference.rate, ours.rate) for reference, ours in pairs])
    delays = middle([(reference.p99, ours.p99) for reference, ours in pairs])
    return Result.of(
        name,
        samples,
        {
            "reference per second": rates[0],
            "ours per second": rates[1],
            "reference p99 ms": delays[0] * 1000,
            "ours p99 ms": delays[1] * 1000,
            **cpu_each([(reference.cpu, ours.cpu) for reference, ours in pairs]),
        },
        bound=bound,
        cpu=usage_of([ours.usage for _, ours in pairs]),
        reference_cpu=usage_of([reference.usage for reference, _ in pairs]),
    )
