"""What the core lends to a plugin, in memory: for the tests of a plugin without a desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import define, field

from channelmix.allowances import Account, Share
from channelmix.errors import Misconfigured
from channelmix.hookspecs import Clock
from channelmix.records import Allowance, Spending

Kept = Mapping[str, Any]


@define(eq=False)
class MemoryVault:
    """A vault of one process, with what it is made with in it."""

    values: dict[str, Kept] = field(factory=dict, repr=False)

    async def get(self, name: str = "token") -> Kept | None:
        """Return what is kept under a name, None if nothing is."""
        return self.values.get(name)

    async def put(self, value: Kept, name: str = "token") -> None:
        """Keep a value."""
        self.values[name] = value

    async def refresh(
        self,
        renew: Callable[[Kept | None], Awaitable[Kept]],
        *,
        stale: Callable[[Kept | None], bool],
        name: str = "token",
    ) -> Kept:
        """Return what is kept under a name, renewed first if it is stale. Raises: as `renew`."""
        current = self.values.get(name)
        if current is None or stale(current):
            current = self.values[name] = await renew(current)
        return current


@define(eq=False, kw_only=True)
class MemoryBudget:
    """A budget of one process, by the rule that the core keeps. Without allowance: no limit."""

    clock: Clock
    allowance: Allowance | None = None
    channel: str = "channel"
    channels: int = 1
    accounts: dict[datetime, Account] = field(factory=dict)
    """By when their period begins."""

    async def spend(self, amount: float, *, reply: bool = False) -> None:
        """Note what the next call costs. Raises: `RetryLater` if it must not be made."""
        share, now = self._share(), self.clock.now()
        if share is not None:
            period = share.period(now).begins_at
            kept = self.accounts.get(period, Account())
            self.accounts[period] = share.charge(kept, amount, now, reply=reply)

    async def state(self) -> Spending:
        """Say what is left. Raises: `Misconfigured` without an allowance."""
        share, now = self._share(), self.clock.now()
        if share is None:
            raise Misconfigured("there is no allowance, so nothing is counted")
        return share.state(self.accounts.get(share.period(now).begins_at, Account()), now)

    def _share(self) -> Share | None:
        if self.allowance is None:
            return None
        return Share(allowance=self.allowance, channel=self.channel, channels=self.channels)
