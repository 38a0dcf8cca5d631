"""From the signed webhook to the answer delivered, beside the same road written by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from attrs import frozen

from tests.benchmarks.children import Child
from tests.benchmarks.measuring import Plan, in_turn, middle
from tests.benchmarks.results import Bound, Result, Usage, usage_of

CONNECTIONS = 16


@frozen(kw_only=True)
class Reference:
    """One of the roads written by hand."""

    name: str
    module: str
    bound: Bound
    events: int
    """How many a run of it takes; a slow one gets fewer."""


EVENTS = 1_500
LEAN = Reference(
    name="lean", module="serve_lean", bound=Bound(sense="least", value=0.4), events=EVENTS
)
USUAL = Reference(
    name="usual", module="serve_usual", bound=Bound(sense="least", value=4), events=200
)


@frozen(kw_only=True)
class Sample:
    """One load."""

    rate: float
    """Customers answered per second."""
    usage: Usage


def lean(plan: Plan, folder: Path) -> list[Result]:
    """Compare with the lean one."""
    return _compared(plan, folder, LEAN)


def usual(plan: Plan, folder: Path) -> list[Result]:
    """Compare with the usual one."""
    return _compared(plan, folder, USUAL)


def _compared(plan: Plan, folder: Path, reference: Reference) -> list[Result]:
    store = f"sqlite:///{folder / 'desk.db'}"
    options = "--work", "--responder", "--api-url"
    with (
        Child("far_side", log=folder / "far_side.log") as far,
        Child(
            reference.module,
            str(folder / "hand.db"),
            far.hello,
            log=folder / "hand.log",
        ) as hand,
        Child("serve_channelmix", store, *options, far.hello, log=folder / "desk.log") as desk,
    ):
        numbers = count(step=100_000)

        def walk(server: Child, events: int) -> Callable[[int], Sample]:
            return lambda _run: _walk(far, server, next(numbers), plan.of(events))

        sides = walk(hand, reference.events), walk(desk, EVENTS)
        in_turn(1, *sides)  # warms up
        return [_result(reference, in_turn(plan.runs, *sides))]


def _walk(far: Child, server: Child, first: int, events: int) -> Sample:
    """Load one server until everybody has an answer; what it still writes then is not measured."""
    before = server.cpu()
    told = far.ask("road", url=server.hello, first=first, count=events, connections=CONNECTIONS)
    used = server.cpu() - before
    if "drain" in server.commands:
        server.ask("drain")
    seconds = told["seconds"]
    usage = Usage(server=used / seconds, generator=told["cpu"] / seconds)
    return Sample(rate=events / seconds, usage=usage)


def _result(reference: Reference, pairs: list[tuple[Sample, Sample]]) -> Result:
    rates = middle([(hand.rate, desk.rate) for hand, desk in pairs])
    return Result.of(
        f"the whole road, webhook to answer, beside {reference.name} by hand",
        [desk.rate / hand.rate for hand, desk in pairs],
        {"reference per second": rates[0], "ours per second": rates[1]},
        bound=reference.bound,
        cpu=usage_of([desk.usage for _, desk in pairs]),
        reference_cpu=usage_of([hand.usage for hand, _ in pairs]),
    )
