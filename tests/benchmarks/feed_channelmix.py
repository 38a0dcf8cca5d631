"""A child: a desk at work that is given events without a wire, and says how large it is."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import click
from channelmix import Desk, log
from channelmix.records import WebhookRequest

from tests.benchmarks.children import obey
from tests.benchmarks.measuring import SERVER, pin
from tests.benchmarks.network import SIGNATURE, Bench, configuration, delivery, sign
from tests.benchmarks.serving import run

COMMENTS = 4
"""One event in so many opens a ticket, the others are likes: a page is like that."""
PIECE = 100
"""Events in one delivery."""
AHEAD = 2_000
"""Events that wait at the most, so that a heap of them is not what is measured."""


async def give(desk: Desk, first: int, count: int, *, comments: int = 1) -> None:
    """Deliver so many events; everything is stored when this returns."""
    for start in range(first, first + count, PIECE):
        body = delivery(start, min(PIECE, first + count - start), comments=comments)
        request = WebhookRequest(method="POST", headers={SIGNATURE: sign(body)}, body=body)
        answered = await desk.receive("bench", request)
        if answered.status != 200:
            raise RuntimeError(f"answered {answered.status}")


def resident() -> int:
    """Return how many bytes of memory this process holds; where that is not told, its peak."""
    told = Path("/proc/self/statm")
    if told.exists():
        return int(told.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


async def main(store: str) -> None:
    """Work until told to end."""
    async with Desk.open(configuration(store), plugins={"bench": Bench}) as desk:

        async def settle(*, first: int, count: int) -> int:
            for start in range(first, first + count, AHEAD):
                piece = min(AHEAD, first + count - start)
                await give(desk, start, piece, comments=COMMENTS)
                await desk.drain()
            gc.collect()
            return resident()

        await obey({"settle": settle}, None)


@click.command()
@click.argument("store")
def command(store: str) -> None:
    """Work on STORE, an SQLAlchemy URL."""
    pin(SERVER)
    log.configure(json=True)
    run(main(store))


if __name__ == "__main__":
    command()
