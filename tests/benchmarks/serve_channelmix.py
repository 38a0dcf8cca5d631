"""A child: channelmix itself, as `channelmix run` has it, with an automatic responder."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import click
from channelmix import Desk, log
from channelmix_web import app

from tests.benchmarks.children import obey
from tests.benchmarks.measuring import SERVER, pin
from tests.benchmarks.network import ANSWER, Bench, configuration
from tests.benchmarks.serving import run, served

PATIENCE = 120.0
"""Seconds after which a desk that is not done has failed."""
AT_ONCE = 32
"""How many answers are being written at a time."""


async def respond(desk: Desk) -> None:
    """Answer every ticket as soon as it opens."""
    places = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        async for happening in desk.events():
            if happening.kind == "ticket_opened" and happening.ticket is not None:
                await places.acquire()
                reply = desk.reply(happening.ticket, ANSWER, agent="responder", automatic=True)
                group.create_task(reply).add_done_callback(lambda _: places.release())


@contextlib.asynccontextmanager
async def responding(desk: Desk, *, wanted: bool) -> Any:
    """Let the responder run beside, if it is wanted."""
    task = asyncio.create_task(respond(desk)) if wanted else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def main(store: str, api_url: str | None, *, work: bool, responder: bool) -> None:
    """Serve one desk."""
    settings = configuration(store, api_url=api_url)
    async with (
        Desk.open(settings, plugins={"bench": Bench}, work=work) as desk,
        served(app(desk)) as url,
        responding(desk, wanted=responder),
    ):

        async def drain() -> None:
            async with asyncio.timeout(PATIENCE):
                await desk.drain()
            gc.collect()

        await obey({"drain": drain} if work else {}, url)


@click.command()
@click.argument("store")
@click.option("--api-url")
@click.option("--work", is_flag=True)
@click.option("--responder", is_flag=True)
def command(store: str, api_url: str | None, *, work: bool, responder: bool) -> None:
    """Serve a desk on STORE, an SQLAlchemy URL."""
    pin(SERVER)
    log.configure(json=True)
    run(main(store, api_url, work=work, responder=responder))


if __name__ == "__main__":
    command()
