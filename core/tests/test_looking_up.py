"""What is looked up is found by an index, so that it costs no more in a desk that is full."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from channelmix.store import outbox, outcomes
from channelmix.store import schema as s
from channelmix.store.dialect import _prepared

NOW = datetime.now(UTC)
READ_FROM_END_TO_END = """
    SELECT relname FROM pg_stat_user_tables
    WHERE relname = ANY(%s) AND seq_tup_read > %s ORDER BY relname
"""
WRITTEN = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'messages'"
LARGE = ["actions", "identities", "inbounds", "messages", "tickets"]
"""Without `raw_events`: how many are left to settle is asked by `drain`, in a small table so."""


def question(number: int) -> dict[str, Any]:
    return {"id": f"c{number}", "by": f"person {number}", "text": "Where is my parcel?"}


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


def fill(connection: Any) -> None:
    """Write answers: sent here, waiting here for later, and waiting on a channel that is paused."""
    box: dict[str, Any] = {"action": "public_reply", "text": "Hello", "by": "anna"}
    box |= {"automatic": False, "created_at": NOW}
    part: dict[str, Any] = {"text": "Hello", "attachments": [], "idx": 0}
    kinds = [("toy", "sent", 0), ("toy", "queued", 9), ("paused", "queued", 0)]
    for number in range(1000, 1900):
        channel, state, days = kinds[number % 3]
        of = {"channel": channel, "state": state}
        due = {"next_at": NOW + timedelta(days=days), "token": str(number)}
        connection.execute(s.outbox.insert(), box | of | {"id": number, "target": f"c{number}"})
        connection.execute(s.outbox_parts.insert(), part | of | due | {"outbox_id": number})


async def test_an_answer_costs_no_more_when_many_were_given(
    open_desk: Any, push: Any, until: Any
) -> None:
    """Counted in steps of SQLite's machine, which are nearly the same every time.

    Also not by what waits elsewhere: a large channel that is paused slows no small one.
    """
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    async def cost(desk: Any, number: int) -> int:
        nonlocal steps
        await push(desk, question(number))
        await until(desk, lambda: desk.tickets(states=["open"]))
        (ticket,) = await desk.tickets(states=["open"])
        steps = 0
        sent = await desk.reply(ticket.id, "Hello", agent="anna")

        async def arrived() -> bool:
            return bool([one for one in await desk.outbox(states=["sent"]) if one.id == sent])

        await until(desk, arrived)
        return steps

    async with open_desk() as desk:
        await desk.store.write(
            lambda c: c.connection.driver_connection.set_progress_handler(step, 1)
        )
        first = [await cost(desk, number) for number in range(4)]
        await desk.store.write(fill)
        full = [await cost(desk, number) for number in range(4, 8)]
    assert min(full) < 1.5 * min(first), (first, full)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (outbox._QUEUED, {"now": NOW, "channel": "toy", "limit": 8}),
        (outbox._UNCERTAIN, {"now": NOW, "channel": "toy", "limit": 8}),
        (outcomes._IN_DOUBT, {"now": NOW, "channel": "toy"}),
        (outcomes._ORPHANS, {"now": NOW, "channel": "toy"}),
    ],
    ids=["queued", "uncertain", "in doubt", "orphans"],
)
async def test_parts_are_found_by_their_channel_and_state(
    open_desk: Any, statement: Any, values: Any
) -> None:
    def plan(connection: Any) -> list[str]:
        text = _prepared(statement, tuple(values)).text
        marks = (None,) * text.count("?")
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", marks).all()
        return [row[3] for row in rows if "outbox_parts" in row[3] and "before" not in row[3]]

    async with open_desk(work=False) as desk:
        found = await desk.store.read(plan)
    assert found
    assert all("ix_outbox_parts_due (state=? AND channel=?" in one for one in found), found


@pytest.mark.timeout(60)
async def test_postgresql_reads_no_large_table_from_end_to_end(
    postgresql: Callable[[], str], open_desk: Any, push: Any
) -> None:
    """Though there was nothing in them when it planned, and it has not analyzed them since."""
    url = postgresql()
    async with open_desk(desk={"store": url}) as desk:
        for begin in range(0, 600, 60):
            await push(desk, *map(question, range(begin, begin + 60)))
            await desk.drain()
    # What a connection has counted is told when it has ended, which takes a moment.
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(WRITTEN).fetchone() != (600,):
            connection.execute("SELECT pg_sleep(0.05)")
        read = connection.execute(READ_FROM_END_TO_END, (LARGE, 600)).fetchall()
    assert read == []
