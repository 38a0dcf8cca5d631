"""Credentials are renewed in good time and checked once a day, also while nothing happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from channelmix import AuthorizationLost, RetryLater, health, hook
from channelmix.hookspecs import Services
from channelmix.records import Checked, Finding, Renewed
from channelmix.testing.clock import FakeClock

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def classes(toy: Any) -> dict[str, Any]:
    @attrs.define(eq=False, kw_only=True, slots=False)
    class Renewing(toy):  # type: ignore[misc]  # known to a fixture only
        renewals: list[datetime] = attrs.field(factory=list, init=False)
        checks: list[datetime] = attrs.field(factory=list, init=False)
        outcomes: list[Any] = attrs.field(factory=list, init=False)

        @hook
        async def renew(self, services: Services) -> Renewed:
            self.renewals.append(self.clock.now())
            outcome = self.outcomes.pop(0) if self.outcomes else Renewed()
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        @hook
        async def check(self, services: Services) -> Checked:
            self.checks.append(self.clock.now())
            found = Finding(level="warn", code="scope", text="may not hide comments")
            return Checked(findings=(found,))

    return {"toy": Renewing}


async def renewed(desk, until, count):
    toy = desk.registry.get("toy")

    async def so_often() -> bool:
        return bool(len(toy.renewals) >= count)

    await until(desk, so_often)
    return toy


async def line(desk: Any) -> Any:
    return (await desk.channels())[0]


async def test_an_idle_channel_is_renewed_at_the_start_and_on_a_timer(
    open_desk, classes, clock, until
):
    async with open_desk(classes=classes, clock=clock) as desk:
        toy = await renewed(desk, until, 1)
        toy.outcomes[:] = [
            Renewed(expires_at=NOON + 61 * DAY),  # half-way is far: within a day all the same
            Renewed(expires_at=NOON + 2 * DAY + timedelta(hours=4)),
            Renewed(again_in=timedelta(minutes=7)),
        ]
        moments = [NOON]
        for step in (DAY, DAY, timedelta(hours=2), timedelta(minutes=7)):
            clock.advance(step - timedelta(seconds=1))
            desk.bell.ring()
            assert len(toy.renewals) == len(moments)
            clock.advance(timedelta(seconds=1))
            moments.append(clock.now())
            desk.bell.ring()
            await renewed(desk, until, len(moments))
            assert toy.renewals == moments


async def test_until_when_a_token_holds_is_known(open_desk, classes, clock, until):
    async with open_desk(classes=classes, clock=clock) as desk:
        toy = await renewed(desk, until, 1)
        toy.outcomes[:] = [Renewed(expires_at=NOON + 60 * DAY)]
        clock.advance(DAY)
        desk.bell.ring()

        async def known():
            return (await line(desk)).token_expires_at == NOON + 60 * DAY

        await until(desk, known)
        assert await desk.check("toy")  # says nothing of the token, so what is known stays
        assert await known()


async def test_lost_authorization_shows_until_it_is_renewed(open_desk, classes, clock, until):
    async with open_desk(classes=classes, clock=clock) as desk:
        toy = await renewed(desk, until, 1)
        toy.outcomes[:] = [
            AuthorizationLost("connect it again"),
            RetryLater("busy", after=timedelta(hours=3)),
        ]

        async def state(wanted: str) -> None:
            async def so():
                return (await line(desk)).state == wanted

            await until(desk, so)

        for step, wanted in (
            (DAY, "unauthorized"),
            (timedelta(minutes=5), "unauthorized"),
            (timedelta(hours=3), "ok"),
        ):
            toy.poll_faults = [AuthorizationLost("connect it again")] * (wanted != "ok")
            clock.advance(step)
            desk.bell.ring()
            await state(wanted)


async def test_a_check_comes_once_a_day_and_not_at_every_start(open_desk, classes, clock, until):
    async def noted() -> bool:
        row = (await desk.store.read(health.saved)).get("toy")
        return row is not None and row.checked_at == clock.now()

    async with open_desk(classes=classes, clock=clock) as desk:
        await until(desk, noted)
        assert desk.registry.get("toy").checks == [NOON]
    clock.set(NOON + timedelta(hours=5))
    async with open_desk(classes=classes, clock=clock) as desk:
        toy = await renewed(desk, until, 1)
        clock.set(NOON + DAY)
        desk.bell.ring()
        await until(desk, noted)
        assert toy.checks == [NOON + DAY]


async def test_what_a_check_finds_is_logged(open_desk, classes, clock, until, caplog):
    async with open_desk(classes=classes, clock=clock) as desk:
        await renewed(desk, until, 1)

        async def logged():
            return "may not hide comments" in caplog.text

        await until(desk, logged)
