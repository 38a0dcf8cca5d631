"""A child: the network at the other end. It sends the webhooks and takes the answers."""

from __future__ import annotations

import asyncio
import json
import time
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks import load
from tests.benchmarks.children import obey
from tests.benchmarks.measuring import GENERATOR, pin
from tests.benchmarks.serving import Receive, Scope, Send, answer, body_of, run, served

PATIENCE = 120.0
"""Seconds after which a server that is not done has failed."""


class FarSide:
    """What was answered, counted by the one who was answered."""

    def __init__(self) -> None:
        self._answered: dict[str, int] = {}
        self._wanted = 0
        self._complete = asyncio.Event()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one answer."""
        target = json.loads(await body_of(receive))["to"]
        self._answered[target] = self._answered.get(target, 0) + 1
        await answer(send, 200, b'{"id":"reply-%d"}' % len(self._answered))
        if len(self._answered) >= self._wanted:
            self._complete.set()

    async def intake(self, *, url: str, first: int, count: int, connections: int) -> dict[str, Any]:
        """Send so many webhooks, and say how long it took until all were answered 200."""
        requests = _requests(url, first, count)
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.timeout(PATIENCE):
            seconds = await load.send(url, requests, connections)
        return _measured(began, cpu) | {"p99": quantiles(seconds, n=100)[98]}

    async def road(self, *, url: str, first: int, count: int, connections: int) -> dict[str, Any]:
        """Send so many webhooks, and say how long it took until every customer had an answer."""
        requests = _requests(url, first, count)
        self._answered.clear()
        self._complete.clear()
        self._wanted = count
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.timeout(PATIENCE):
            await load.send(url, requests, connections)
            await self._complete.wait()
        if twice := [target for target, times in self._answered.items() if times > 1]:
            raise RuntimeError(f"answered more than once: {twice[:5]}")
        return _measured(began, cpu)


def _requests(url: str, first: int, count: int) -> list[bytes]:
    """Prepare the requests, so that signing them is not measured."""
    return [load.request(number, urlsplit(url).netloc) for number in range(first, first + count)]


def _measured(began: float, cpu: float) -> dict[str, float]:
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


async def main() -> None:
    """Serve, and do as the parent says."""
    pin(GENERATOR)
    far = FarSide()
    async with served(far.app) as url:
        await obey({"intake": far.intake, "road": far.road}, url)


if __name__ == "__main__":
    run(main())
