"""Credentials kept alive and known: renewed in good time, checked once a day, also when idle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from attrs import define, field

from channelmix import health as notes
from channelmix.dispatch import Dispatch
from channelmix.errors import AuthorizationLost, ChannelmixError, Paused, RetryLater
from channelmix.health import HealthBook
from channelmix.hookspecs import Channel, Clock
from channelmix.log import get_logger
from channelmix.loops import back_off
from channelmix.records import Checked, Renewed
from channelmix.store.engine import Store

DAY = timedelta(days=1)
"""How often a channel is checked, and how seldom it may be renewed."""
CHECK_AGAIN = timedelta(hours=1)
"""When a check that failed comes again."""
SOONEST = timedelta(minutes=1)
UNAUTHORIZED_PAUSE = timedelta(minutes=5)


@define(eq=False, kw_only=True)
class Upkeep:
    """Renews and checks the credentials of one channel."""

    store: Store
    dispatch: Dispatch
    clock: Clock
    channel: Channel
    health: HealthBook
    check: Callable[[str], Awaitable[Checked]] | None
    """Asks the network and notes when the token ends; None: the plugin cannot be asked."""
    renews: bool
    _renew_at: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC), init=False)
    _check_at: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC), init=False)
    _failures: int = field(default=0, init=False)
    """How often in a row renewing failed."""

    async def start(self) -> None:
        """Find out when the channel was checked last: a restart is no reason to ask again."""
        row = (await self.store.read(notes.saved)).get(self.channel.name)
        if row is not None and row.checked_at is not None:
            self._check_at = row.checked_at + DAY

    async def step(self) -> int:
        """Do what is due; return how much that was."""
        now, done = self.clock.now(), 0
        if self.renews and now >= self._renew_at:
            self._renew_at = now + await self._renew()
            done += 1
        if self.check is not None and now >= self._check_at:
            self._check_at = now + await self._check(self.check)
            done += 1
        return done

    def turn(self, by: timedelta) -> None:
        """Come again after as long as before, though the clock was turned."""
        self._renew_at += by
        self._check_at += by

    async def _renew(self) -> timedelta:
        """Let the plugin renew what would end; say when to come again."""
        name = self.channel.name
        try:
            renewed: Renewed = await self.dispatch.addressed(name, "renew", self.channel.services)
        except ChannelmixError as error:
            self._failures += 1
            get_logger(channel=name).warning("renew.failed", error=str(error))
            return await self._pause_after(error)
        if self._failures:
            await self.health.fine(name)
        self._failures = 0
        expires_at = renewed.expires_at
        await self.store.write(lambda connection: notes.renewed(connection, name, expires_at))
        return renewed.again_in or self._half_way(expires_at)

    def _half_way(self, expires_at: datetime | None) -> timedelta:
        """Return half the time that is left, within reason."""
        if expires_at is None:
            return DAY
        return min(max((expires_at - self.clock.now()) / 2, SOONEST), DAY)

    async def _pause_after(self, error: ChannelmixError) -> timedelta:
        """Say how long to wait after an error, and note a channel that nobody may speak for."""
        match error:
            case AuthorizationLost():
                await self.health.set(self.channel.name, "unauthorized", str(error))
                return UNAUTHORIZED_PAUSE
            case RetryLater(after=timedelta() as after):
                return after
            case Paused():
                return max(error.until - self.clock.now(), timedelta(seconds=1))
            case _:
                return back_off(self._failures)

    async def _check(self, check: Callable[[str], Awaitable[Checked]]) -> timedelta:
        """Ask the network about the credentials; log what is wrong, and say when to ask again."""
        name = self.channel.name
        log = get_logger(channel=name)
        try:
            checked = await check(name)
        except ChannelmixError as error:
            log.warning("check.failed", error=str(error))
            if isinstance(error, AuthorizationLost):
                await self.health.set(name, "unauthorized", str(error))
            return CHECK_AGAIN
        for one in checked.findings:
            log.warning("check.found", level=one.level, code=one.code, text=one.text)
        return DAY
