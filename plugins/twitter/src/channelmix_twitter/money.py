"""Paying for what is read, before it is read.

How many posts an answer will hold is known only afterwards, so the most that it can cost is
taken from the budget before the call, and what was not used pays for the next calls. What is
counted is therefore never less than what X charges, and at most one page more for each source
of prices and day; a process that dies loses its change.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from attrs import define, field
from channelmix.errors import RetryLater
from channelmix.hookspecs import Budget, Clock
from channelmix.records import Allowance

from channelmix_twitter.config import Prices

LOW = 0.25
"""What of the budget must be left for polls for a search to be made: mentions come first."""

LATER = timedelta(hours=1)
"""When a search asks again whether there is money: the shares of channels change meanwhile."""


def pushed(event: str, prices: Prices) -> float:
    """Return what X charges for an activity event (its page "X Activity API event pricing").

    What we or others delete, and what we send, is free.
    """
    if event in {"dm.received", "chat.received"}:
        return prices.pushed_message
    if event == "like.create":
        return prices.pushed_like
    post = event.startswith("post.") and event != "post.delete"
    return prices.pushed_post if post else 0.0


@define(eq=False, kw_only=True)
class Purse:
    """One channel's change, for polls or for what belongs to replies."""

    budget: Budget
    clock: Clock
    allowance: Allowance | None
    reply: bool = False
    _change: float = field(default=0.0, init=False)
    _day: date | None = field(default=None, init=False)
    _paid: set[str] = field(factory=set, init=False)
    """What was read today."""

    async def page(self, price: float, *, least: int, most: int, search: bool = False) -> int:
        """Pay for a page; return how many items it may have, between `least` and `most`.

        Raises: `RetryLater` if not even `least` can be paid, or too little is left to search.
        """
        if self.allowance is None or price == 0:
            return most
        self._begin_day()
        state = await self.budget.state()
        if search and state.left_for_polls * state.channels < self.allowance.amount * LOW:
            why = "budget: what is left is kept for mentions and replies"
            raise RetryLater(why, after=min(state.ends_at - self.clock.now(), LATER))
        left = state.left if self.reply else state.left_for_polls
        size = max(least, min(most, int((left + self._change) / price + 1e-9)))
        # Where nothing is left, this lets the budget say until when, whatever change there is.
        missing = size * price - self._change if left > 0 else price
        if missing > 0:
            await self.budget.spend(missing, reply=self.reply)
            self._change += missing
        return size

    def used(self, price: float, ids: Iterable[str]) -> None:
        """Take what a page did cost from the change: X charges each item once a day."""
        new = set(ids) - self._paid
        self._paid |= new
        self._change = max(self._change - price * len(new), 0.0)

    def _begin_day(self) -> None:
        """Let no change of yesterday pay in a new period; periods begin with a UTC day."""
        today = self.clock.now().date()
        if today != self._day:
            self._day, self._change, self._paid = today, 0.0, set()
