"""The vault that each channel is lent: secrets that change while we run, one renewer at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from attrs import define, field

from channelmix.errors import RetryLater, StoreError
from channelmix.hookspecs import Clock
from channelmix.log import MASK, SecretMask, get_logger
from channelmix.loops import Bell, cancel, store_pause, wait
from channelmix.store import tokens
from channelmix.store.engine import Store

RENEW_SECONDS = 45.0
"""How long the network may take to renew a token; shorter than the deadline of any hook."""
HOLD = timedelta(minutes=2)
"""How long a value is left to the process that renews it; longer than that takes."""
PATIENCE = 20.0
"""Seconds to wait for another process that renews the same value."""

Kept = Mapping[str, Any]
Renew = Callable[[Kept | None], Awaitable[Kept]]
Stale = Callable[[Kept | None], bool]


class Shielded(dict[str, Any]):
    """What a vault keeps, as plain data that does not show its values."""

    def __repr__(self) -> str:  # noqa: D105 - Python says what it is for
        return "{" + ", ".join(f"{name!r}: {MASK}" for name in self) + "}"


@define(eq=False, kw_only=True)
class Vaults:
    """The vaults of one desk."""

    store: Store
    clock: Clock
    bell: Bell
    mask: SecretMask
    owner: str
    _turns: defaultdict[tokens.Key, asyncio.Lock] = field(
        factory=lambda: defaultdict(asyncio.Lock), init=False
    )
    """Who renews in this process; among processes there are leases."""
    _under_way: set[asyncio.Task[Kept]] = field(factory=set, init=False)

    async def get(self, key: tokens.Key) -> Kept | None:
        """Return what is kept."""
        value = await self.store.read(lambda connection: tokens.read(connection, key))
        return None if value is None else self._shown(value)

    async def put(self, key: tokens.Key, value: Kept, *, revision: int | None = None) -> bool:
        """Keep a value, with `revision` only if it is still that one."""
        self.mask.learn(value)
        now = self.clock.now()
        done = await self.store.write(
            lambda connection: tokens.put(connection, key, value, now=now, revision=revision)
        )
        self.bell.ring()
        return done

    async def refresh(self, key: tokens.Key, renew: Renew, stale: Stale) -> Kept:
        """Return what is kept, renewed first if need be."""
        current = await self.get(key)
        if current is not None and not stale(current):
            return current
        # Whoever asks may be cancelled; what the network answers must be kept all the same.
        task = asyncio.create_task(self._renewed(key, renew, stale), name=f"renew {key.channel}")
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    async def close(self, seconds: float) -> None:
        """Wait for what is being renewed, at most so long."""
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=seconds)
            await cancel(left)

    def _over(self, task: asyncio.Task[Kept]) -> None:
        """Forget a task, and let asyncio know that its error, if any, was seen."""
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()

    async def _renewed(self, key: tokens.Key, renew: Renew, stale: Stale) -> Kept:
        """Renew what is kept, unless somebody else has done so by the time it is our turn."""
        async with self._turns[key]:
            row = await self._leased(key)
            current = None if row.value is None else self._shown(row.value)
            try:
                if current is not None and not stale(current):
                    return current
                fresh = await _in_time(renew(current), key)
                self.mask.learn(fresh)
                await self._keep(key, fresh, row.revision)
            finally:
                await self._release(key)
        return await self.get(key) or fresh

    async def _leased(self, key: tokens.Key) -> Any:
        """Wait until no other process renews the value, and see to it that none does."""
        loop, event = asyncio.get_running_loop(), self.bell.listen()
        give_up = loop.time() + PATIENCE
        try:
            while loop.time() < give_up:
                if row := await self._lease(key):
                    return row
                await wait(event, 1.0)
        finally:
            self.bell.leave(event)
        raise RetryLater(f"another process renews the {key.name} of {key.channel}", after=HOLD)

    async def _lease(self, key: tokens.Key) -> Any:
        """Lease the value, None if somebody else has; ask first, asking costs less."""
        now, owner = self.clock.now(), self.owner
        if not await self.store.read(lambda c: tokens.is_free(c, key, owner, now)):
            return None
        return await self.store.write(
            lambda c: tokens.lease(c, key, owner=owner, now=now, hold=HOLD)
        )

    async def _release(self, key: tokens.Key) -> None:
        """Give a lease back; if the store is away, it ends by itself."""
        try:
            await self.store.write(lambda c: tokens.release(c, key, self.owner))
        except StoreError as error:
            get_logger(channel=key.channel).warning("vault.not_released", error=str(error))

    async def _keep(self, key: tokens.Key, value: Kept, revision: int) -> None:
        """Store what the network answered, however long the store is away: nobody else has it."""
        failures = 0
        while True:
            try:
                await self.put(key, value, revision=revision)
            except StoreError as error:
                failures += 1
                get_logger(channel=key.channel).error(
                    "vault.not_stored", name=key.name, error=str(error)
                )
                await asyncio.sleep(store_pause(failures))
            else:
                return

    def _shown(self, value: Kept) -> Kept:
        """Hand a value out; from here on it may turn up in an error, so it is masked."""
        self.mask.learn(value)
        return Shielded(value)


@define(eq=False, kw_only=True)
class StoredVault:
    """The vault of one channel; see `hookspecs.Vault`."""

    vaults: Vaults
    channel: str

    async def get(self, name: str = "token") -> Kept | None:
        """Return what is kept under a name, None if nothing is."""
        return await self.vaults.get(tokens.Key(self.channel, name))

    async def put(self, value: Kept, name: str = "token") -> None:
        """Keep a value; it is durable when this returns."""
        await self.vaults.put(tokens.Key(self.channel, name), value)

    async def refresh(self, renew: Renew, *, stale: Stale, name: str = "token") -> Kept:
        """Return what is kept, renewed first if it is stale.

        Raises: what `renew` raises; `RetryLater` if another process, or the network, takes long.
        """
        return await self.vaults.refresh(tokens.Key(self.channel, name), renew, stale)


async def _in_time(renewing: Awaitable[Kept], key: tokens.Key) -> Kept:
    """Await the network's answer. Raises: `RetryLater` if it takes too long."""
    try:
        async with asyncio.timeout(RENEW_SECONDS) as limit:
            return await renewing
    except TimeoutError:
        if not limit.expired():
            raise
        raise RetryLater(f"the network takes long to renew the {key.name}") from None
