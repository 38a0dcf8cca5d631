"""The budget that each channel is lent: the rule of `allowances` on the store's accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from attrs import define

from channelmix.allowances import Share
from channelmix.errors import Misconfigured
from channelmix.hookspecs import Clock
from channelmix.records import Spending
from channelmix.store import spending
from channelmix.store.engine import Store


@define(eq=False, kw_only=True)
class StoredBudget:
    """What one channel may spend of its app's allowance; see `hookspecs.Budget`."""

    store: Store
    clock: Clock
    app: str
    share: Callable[[], Share | None]
    """The channel's share as things are now, None where there is no allowance."""

    async def spend(self, amount: float, *, reply: bool = False) -> None:
        """Note what the next call costs, before it is made.

        Raises: `RetryLater` if it must not be made; `ValueError` for what is no price.
        """
        share, now = self.share(), self.clock.now()
        if share is None or amount == 0:
            return
        key = self._key(share, now)
        await self.store.write(
            lambda connection: spending.change(
                connection, key, lambda kept: share.charge(kept, amount, now, reply=reply)
            )
        )

    def note(self, connection: sa.Connection, amount: float) -> None:
        """Count what the network has charged already, whatever is left; in a transaction."""
        share, now = self.share(), self.clock.now()
        if share is not None:
            key = self._key(share, now)
            spending.change(connection, key, lambda kept: share.noted(kept, amount, now))

    async def state(self) -> Spending:
        """Say what is left. Raises: `Misconfigured` without an allowance."""
        share, now = self.share(), self.clock.now()
        if share is None:
            raise Misconfigured("there is no allowance, so nothing is counted")
        key = self._key(share, now)
        kept = await self.store.read(lambda connection: spending.account(connection, key))
        return share.state(kept, now)

    def _key(self, share: Share, now: datetime) -> spending.Key:
        return spending.Key(self.app, share.allowance.unit, share.period(now).begins_at)
