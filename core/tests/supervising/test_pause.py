from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channelmix import Channel, hook
from channelmix.breaker import Pause
from channelmix.dispatch import Dispatch
from channelmix.errors import Paused
from channelmix.records import Ingested, RawEvent, Received, WebhookRequest
from channelmix.registry import Registry
from channelmix.testing.clock import FakeClock

EVENT = RawEvent(key="k", body=b"")
REQUEST = WebhookRequest(method="POST")


class Quiet(Channel):
    network = "quiet"

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        return Received()

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        return Ingested(inbounds=())


class Desk:
    def __init__(self) -> None:
        self.changes: list[tuple[Any, ...]] = []
        self.clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
        registry = Registry()
        for name in ("one", "two"):
            registry.register(Quiet(name=name, services=None))  # type: ignore[arg-type]  # not asked
        self.dispatch = Dispatch(
            registry, clock=self.clock, on_change=lambda *change: self.changes.append(change)
        )

    def pause(self, hook_name: str) -> None:
        until = self.clock.now() + timedelta(minutes=1)
        self.dispatch.pause(Pause(plugin="one", hook=hook_name, until=until, why="one hung"))


async def test_a_paused_channel_is_only_asked_what_arrives_and_others_are_asked_all() -> None:
    desk = Desk()
    desk.pause("ingest")
    assert await desk.dispatch.addressed("one", "receive", REQUEST) == Received()
    assert await desk.dispatch.addressed("two", "ingest", EVENT) == Ingested(inbounds=())
    with pytest.raises(Paused, match="one hung"):
        await desk.dispatch.addressed("one", "ingest", EVENT)


async def test_the_hook_that_hung_is_not_spared() -> None:
    desk = Desk()
    desk.pause("receive")
    with pytest.raises(Paused):
        await desk.dispatch.addressed("one", "receive", REQUEST)


async def test_a_pause_ends_by_itself_and_that_is_told() -> None:
    desk = Desk()
    desk.pause("ingest")
    desk.clock.advance(timedelta(seconds=59))
    assert set(desk.dispatch.paused()) == {"one"}
    desk.clock.advance(timedelta(seconds=1))
    assert await desk.dispatch.addressed("one", "ingest", EVENT) == Ingested(inbounds=())
    assert not desk.dispatch.paused()
    assert desk.changes == [("one", True, "its pause is over")]


async def test_an_app_whose_webhooks_hung_is_told_to_come_again(
    open_desk: Callable[..., Any], push: Callable[..., Any]
) -> None:
    async with open_desk() as desk:
        until = desk.clock.now() + timedelta(minutes=1)
        desk.dispatch.pause(Pause(plugin="toy", hook="split", until=until, why="toy hung"))
        assert (await push(desk, {"id": "m1", "by": "ann"})).status == 503
        assert (await desk.ledger()).stored == 0
