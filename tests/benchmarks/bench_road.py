"""From the signed webhook to the answer delivered, beside the same road written by hand."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from attrs import define, field, frozen

from tests.benchmarks.children import Child
from tests.benchmarks.measuring import Plan, in_turn, middle
from tests.benchmarks.results import Bound, Result, Usage, cpu_each, usage_of

CONNECTIONS = 16
WARM_UP = 200
"""Events of the first run, which is not counted."""
SECONDS = 3.0
"""How long a run is to take, about; the first run tells how many events that are."""
LEAN = Bound(sense="least", value=0.4)
USUAL = Bound(sense="least", value=4)


@frozen(kw_only=True)
class Sample:
    """One load."""

    rate: float
    """Customers answered per second."""
    usage: Usage

    @property
    def cpu(self) -> float:
        """Processor time that the server takes for one, in seconds."""
        return self.usage.server / self.rate


@define(kw_only=True)
class Walk:
    """One of the roads, and how many events a run of it takes."""

    far: Child
    server: Child
    numbers: count[int]
    plan: Plan
    events: int = field(default=WARM_UP)

    def __call__(self, run: int) -> Sample:
        """Load the server until everybody has an answer."""
        sample = self._load(next(self.numbers))
        self.events = self.plan.of(int(sample.rate * SECONDS))
        return sample

    def _load(self, first: int) -> Sample:
        """What the server still does after the last answer is not measured, but waited for."""
        before = self.server.cpu()
        told = self.far.ask(
            "road",
            url=self.server.hello,
            first=first,
            count=self.events,
            connections=CONNECTIONS,
        )
        used = self.server.cpu() - before
        if "drain" in self.server.commands:
            self.server.ask("drain")
        seconds = told["seconds"]
        usage = Usage(server=used / seconds, generator=told["cpu"] / seconds)
        return Sample(rate=self.events / seconds, usage=usage)


def road(plan: Plan, folder: Path) -> list[Result]:
    """Walk all three in turn."""
    store = f"sqlite:///{folder / 'desk.db'}"
    options = "--work", "--responder", "--api-url"
    with (
        Child("far_side", log=folder / "far_side.log") as far,
        _by_hand("lean", folder, far) as lean,
        _by_hand("usual", folder, far) as usual,
        Child("serve_channelmix", store, *options, far.hello, log=folder / "desk.log") as desk,
    ):
        numbers = count(step=100_000)
        walks = [
            Walk(far=far, server=server, numbers=numbers, plan=plan)
            for server in (lean, usual, desk)
        ]
        in_turn(1, *walks)
        rounds = in_turn(plan.runs, *walks)
    return [
        _result("lean", LEAN, [(one[0], one[2]) for one in rounds]),
        _result("usual", USUAL, [(one[1], one[2]) for one in rounds]),
    ]


def _by_hand(name: str, folder: Path, far: Child) -> Child:
    file = str(folder / f"{name}.db")
    return Child(f"serve_{name}", file, far.hello, log=folder / f"{name}.log")


def _result(name: str, bound: Bound, pairs: list[tuple[Sample, Sample]]) -> Result:
    reference, ours = middle([(hand.rate, desk.rate) for hand, desk in pairs])
    return Result.of(
        f"the whole road, webhook to answer, beside {name} by hand",
        [desk.rate / hand.rate for hand, desk in pairs],
        {
            "reference per second": reference,
            "ours per second": ours,
            **cpu_each([(hand.cpu, desk.cpu) for hand, desk in pairs]),
        },
        bound=bound,
        cpu=usage_of([desk.usage for _, desk in pairs]),
        reference_cpu=usage_of([hand.usage for hand, _ in pairs]),
    )
