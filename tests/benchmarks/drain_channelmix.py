"""A child: one worker of several on a shared store. It does nothing until it is told."""

from __future__ import annotations

import click
from channelmix import Desk, log
from channelmix.pipeline import Pipeline

from tests.benchmarks.children import obey
from tests.benchmarks.feed_channelmix import give
from tests.benchmarks.network import Bench, configuration
from tests.benchmarks.serving import run


async def main(store: str, owner: str) -> None:
    """Work when told, until told to end."""
    async with Desk.open(configuration(store), plugins={"bench": Bench}, work=False) as desk:
        pipeline = Pipeline(
            store=desk.store,
            registry=desk.registry,
            dispatch=desk.dispatch,
            rules=desk.rules,
            clock=desk.clock,
            owner=owner,
            unavailable=tuple,
            cut=desk.cut,
        )

        async def fill(*, first: int, count: int) -> None:
            await give(desk, first, count)

        async def drain() -> int:
            settled = 0
            while took := await pipeline.step():
                settled += took
            return settled

        await obey({"give": fill, "drain": drain}, None)


@click.command()
@click.argument("store")
@click.argument("owner")
def command(store: str, owner: str) -> None:
    """Be worker OWNER of STORE, an SQLAlchemy URL. Not pinned: two workers have two cores."""
    log.configure(json=True)
    run(main(store, owner))


if __name__ == "__main__":
    command()
