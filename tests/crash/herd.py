"""The processes of one desk, from outside: started, counted when they die, started again."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from attrs import asdict

from tests.crash.nursery import Order

ROOT = Path(__file__).resolve().parents[2]


class Herd:
    """Every process that ends by SIGKILL is replaced at once; any other end is a failure."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._names: dict[int, str] = {}
        self._gone: dict[int, asyncio.Event] = {}
        self._news = asyncio.Condition()
        self._ending = False
        self.deaths: list[tuple[str, int]] = []
        """Name and process id, in their order."""

    async def __aenter__(self) -> Self:
        """Start the nursery."""
        self._nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crash.nursery"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill everything."""
        self._ending = True
        self._stdin.close()
        await self._nursery.wait()
        await self._reading

    def start(self, orders: Sequence[Order]) -> None:
        """Start processes."""
        for order in orders:
            self._orders[order.name] = order
            self._start(order)

    async def until_dead(self, process: int) -> None:
        """Wait until one process is surely gone."""
        await self._gone.setdefault(process, asyncio.Event()).wait()

    async def until_deaths(self, count: int) -> None:
        """Wait until so many have died since the beginning. Raises: what went wrong."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.deaths) >= count or self._reading.done())
        if self._reading.done():
            self._reading.result()

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._nursery.stdin is not None
        return self._nursery.stdin

    def _start(self, order: Order) -> None:
        self._stdin.write(json.dumps(asdict(order)).encode() + b"\n")

    async def _read(self) -> None:
        assert self._nursery.stdout is not None
        try:
            while line := await self._nursery.stdout.readline():
                await self._heard(json.loads(line))
        finally:
            async with self._news:
                self._news.notify_all()

    async def _heard(self, told: dict[str, Any]) -> None:
        process = told["process"]
        if told["what"] == "began":
            self._names[process] = told["name"]
            return
        if self._ending:
            return
        name = self._names[process]
        if told["code"] != -9:
            raise RuntimeError(f"{name} ended by itself with {told['code']}; see {name}.log")
        self._gone.setdefault(process, asyncio.Event()).set()
        async with self._news:
            self.deaths.append((name, process))
            self._news.notify_all()
        self._start(self._orders[name])
