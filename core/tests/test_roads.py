"""Push and poll of the same thing, in whatever order and company."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from channelmix.desk import Desk
from channelmix.records import RawEvent, Road
from channelmix.store import journal


def polled(desk: Desk, one: dict[str, Any], source: str = "feed") -> journal.Arrival:
    body = json.dumps(one).encode()
    return journal.Arrival(
        scope="toy",
        app="toy",
        road=Road.POLL,
        events=[("toy", RawEvent(key=f"polled {one['id']}", body=body, source=source))],
        at=desk.clock.now(),
    )


@pytest.mark.parametrize("known", [False, True])
async def test_what_is_swept_and_pushed_in_one_batch_was_pushed(
    open_desk: Any, push: Any, *, known: bool
) -> None:
    said = {"id": "c1", "by": "eva", "text": "Hello?"}
    async with open_desk(work=False) as desk:
        await desk.store.write(lambda c: journal.append(c, polled(desk, said)))
        if not known:
            await push(desk, said)
    async with open_desk() as desk, asyncio.timeout(15):
        await desk.drain()
        assert (await desk.ledger()).sweep_only == (1 if known else 0)
        await push(desk, said)
        await desk.drain()
        assert (await desk.ledger()).sweep_only == 0


async def test_what_was_looked_up_after_a_push_was_not_found_by_a_sweep(
    open_desk: Any, push: Any
) -> None:
    by_id = {"id": "c2", "by": "eva", "text": "Only my id was pushed"}
    by_sweep = [{"id": "c3", "by": "ole", "text": "Nothing was"}, {"id": "p", "type": "own"}]
    async with open_desk(work=False) as desk:
        await push(desk, {"type": "lookup", "id": "c2"})
        for came in (polled(desk, by_id, source="one"), *(polled(desk, one) for one in by_sweep)):
            await desk.store.write(lambda c, came=came: journal.append(c, came))
    async with open_desk() as desk, asyncio.timeout(15):
        await desk.drain()
        assert (await desk.ledger()).sweep_only == 1
