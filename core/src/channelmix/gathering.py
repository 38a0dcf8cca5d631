"""Doing together what waits: one batch at a time, and what comes meanwhile is in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from attrs import define, field

from channelmix.errors import StoreError

T = TypeVar("T")
R = TypeVar("R")


@define(eq=False)
class Gathering(Generic[T, R]):
    """Gathers what callers ask for; each gets the answer to its own."""

    work: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
    """Answers a batch, in its order; an exception in it is raised for that one caller alone."""
    limit: int = 100
    """How many there are in a batch at the most."""
    _waiting: list[tuple[T, asyncio.Future[R]]] = field(factory=list, init=False)
    _worker: asyncio.Task[None] | None = field(default=None, init=False)

    async def ask(self, what: T) -> R:
        """Return the answer to one, once its batch is done. Raises: whatever `work` does."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((what, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run(), name="gathering")
        return await future

    async def _run(self) -> None:
        """Do what waits, as long as anything does."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self.limit], self._waiting[self.limit :]
                await self._answer(batch)
        finally:
            self._worker = None

    async def _answer(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        """Do one batch, and tell everybody in it; where it fails as a whole, one by one."""
        try:
            answers = await self.work([what for what, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, everybody waiting is told
            if len(batch) > 1 and not isinstance(error, StoreError):
                for one in batch:
                    await self._answer([one])
                return
            answers = [error for _ in batch]
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # its caller has been cancelled
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
