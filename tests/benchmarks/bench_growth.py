"""What an event costs when there are 200,000 tickets, over what it costs when there are none.

The reference inserts the very rows that the pipeline wrote, and looks each up before, by hand, in
tables filled alike. That costs more in large tables, too; ours may grow a little more than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen
from channelmix import Desk
from channelmix.pipeline import Pipeline

from tests.benchmarks import tables
from tests.benchmarks.feed_channelmix import give
from tests.benchmarks.measuring import SERVER, Plan, in_turn, pin
from tests.benchmarks.network import Bench, configuration
from tests.benchmarks.results import Bound, Result

EVENTS = 1_000
TICKETS = 200_000
BATCH = 100
"""Events of one transaction, as in the pipeline."""
BOUND = Bound(sense="most", value=1.15)


@frozen(kw_only=True)
class Bed:
    """The same thing measured in empty and in filled tables, in copies of their own."""

    empty: Path
    filled: Path
    measure: Callable[[Path, int], float]
    """Takes a database and the run's number, returns seconds for an event."""
    scratch: Path

    def growth(self, run: int) -> tuple[float, float]:
        """Return what an event costs in empty and in filled tables."""
        tables.duplicate(self.empty, self.scratch)
        at_none = self.measure(self.scratch, run)
        return at_none, self.measure(self.filled, run)


def growth(plan: Plan, folder: Path) -> list[Result]:
    """Fill tables, then measure."""
    pin(SERVER)
    events, filled = plan.of(EVENTS), plan.of(TICKETS)
    template, empty = folder / "template.db", folder / "empty.db"
    asyncio.run(_give(empty, 0, 0))
    tables.duplicate(empty, template)
    asyncio.run(_piped(template, 0, events))
    rows = Rows(file=template, events=events)
    beds = [
        _bed(folder, "hand", empty, template, filled // events, rows.written),
        _bed(folder, "ours", empty, template, filled // events, _ours(events)),
    ]
    in_turn(1, beds[0].growth, beds[1].growth)  # warms up
    pairs = in_turn(
        plan.runs, lambda run: beds[0].growth(run + 1), lambda run: beds[1].growth(run + 1)
    )
    return [_result(filled, pairs)]


def _bed(
    folder: Path,
    name: str,
    empty: Path,
    template: Path,
    times: int,
    measure: Callable[[Path, int], float],
) -> Bed:
    filled = folder / f"{name}-filled.db"
    tables.duplicate(template, filled)
    tables.multiply(filled, times - 1)
    return Bed(empty=empty, filled=filled, measure=measure, scratch=folder / f"{name}.db")


def _result(tickets: int, pairs: Sequence[tuple[tuple[float, float], ...]]) -> Result:
    samples = [(ours[1] / ours[0]) / (hand[1] / hand[0]) for hand, ours in pairs]
    absolute = {
        "by hand at 0 µs": median(hand[0] for hand, _ in pairs) * 1e6,
        f"by hand at {tickets:,} µs": median(hand[1] for hand, _ in pairs) * 1e6,
        "ours at 0 µs": median(ours[0] for _, ours in pairs) * 1e6,
        f"ours at {tickets:,} µs": median(ours[1] for _, ours in pairs) * 1e6,
        "growth by hand": median(hand[1] / hand[0] for hand, _ in pairs),
        "growth of ours": median(ours[1] / ours[0] for _, ours in pairs),
    }
    name = f"journal to assigned ticket, an event at {tickets:,} tickets over at 0"
    return Result.of(name, samples, absolute, bound=BOUND)


# --- ours -------------------------------------------------------------------------------------


def _ours(events: int) -> Callable[[Path, int], float]:
    """Measure the pipeline on events that no other run has."""
    return lambda file, run: asyncio.run(_piped(file, (run + 1) * 1_000_000, events))


async def _give(file: Path, first: int, count: int) -> None:
    """Make a database with events in its journal."""
    async with Desk.open(_settings(file), plugins={"bench": Bench}, work=False) as desk:
        await give(desk, first, count)


async def _piped(file: Path, first: int, count: int) -> float:
    """Return the seconds from the journal to the assigned ticket, for each event."""
    async with Desk.open(_settings(file), plugins={"bench": Bench}, work=False) as desk:
        await give(desk, first, count)
        pipeline = Pipeline(
            store=desk.store,
            registry=desk.registry,
            dispatch=desk.dispatch,
            rules=desk.rules,
            clock=desk.clock,
            owner="bench",
            unavailable=tuple,
            cut=desk.cut,
        )
        began = time.perf_counter()
        while await pipeline.step():
            pass
        seconds = time.perf_counter() - began
        fates = (await desk.ledger()).fates
        if fates.get("ticket", 0) < count or len(fates) != 1:
            raise RuntimeError(f"not every event became a ticket: {dict(fates)}")
        return seconds / count


def _settings(file: Path) -> dict[str, object]:
    return configuration(f"sqlite:///{file}")


# --- by hand ----------------------------------------------------------------------------------


class Rows:
    """The rows that the pipeline wrote of some events, to be written by hand."""

    def __init__(self, *, file: Path, events: int) -> None:
        self._events = events
        self._plan = [
            one for one in tables.copied(file) if one.name not in {"raw_events", "intake"}
        ]
        self._file = file

    def written(self, file: Path, run: int) -> float:
        """Look up and insert a copy of the rows; return the seconds for each event."""
        copy = 1_000 + run
        with tables.opened(self._file) as template:
            rows = {
                one.name: template.execute(one.select, {"copy": copy}).fetchall()
                for one in self._plan
            }
        batches = self._events // BATCH
        with tables.opened(file) as connection:
            began = time.perf_counter()
            for batch in range(batches):
                connection.execute("begin immediate")
                for one in self._plan:
                    mine = rows[one.name][batch::batches]
                    for row in mine:
                        connection.execute(one.lookup, one.key(row)).fetchone()
                    connection.executemany(one.insert, mine)
                connection.execute("commit")
            return (time.perf_counter() - began) / self._events
