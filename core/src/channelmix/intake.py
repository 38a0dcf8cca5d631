"""Webhooks in: authenticate, split, store durably, and only then answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import sqlalchemy as sa
from attrs import define, field

from channelmix.dispatch import Dispatch
from channelmix.errors import NotFound, Paused, PluginError, PluginFault
from channelmix.hookspecs import Channel, Clock
from channelmix.log import get_logger
from channelmix.loops import Bell, Topic, come_along
from channelmix.records import (
    Payload,
    RawEvent,
    Received,
    Road,
    Split,
    WebhookRequest,
    WebhookResponse,
)
from channelmix.registry import Registry
from channelmix.store import journal
from channelmix.store.engine import Store


@define(eq=False, kw_only=True)
class Intake:
    """The webhooks of one app."""

    store: Store
    registry: Registry
    dispatch: Dispatch
    clock: Clock
    bell: Bell
    app: str
    charge: Callable[[sa.Connection, str, float], None]
    """Counts what a network charges for pushing: to which channel, how much."""
    channels: Sequence[Channel]
    """Those of the app; the first that takes part is asked about the app's requests."""
    _pending: list[tuple[Sequence[journal.Routed], asyncio.Future[None]]] = field(
        factory=list, init=False
    )
    _flusher: asyncio.Task[None] | None = field(default=None, init=False)

    @cached_property
    def _accounts(self) -> Mapping[str, str]:
        """Return which channel has which account: the first one that says so."""
        return {one.account: one.name for one in reversed(self.channels)}

    async def receive(self, request: WebhookRequest) -> WebhookResponse:
        """Handle one request; when this returns, everything in it is stored.

        Raises: `StoreError` if it could not be stored; the network must then come again.
        """
        try:
            return await self._receive(self._asked(), request)
        except (Paused, NotFound) as error:
            get_logger(app=self.app).warning("webhook.put_off", why=str(error))
            return WebhookResponse(status=503, body="the plugin of this app is paused or disabled")

    def _asked(self) -> str:
        """Return the channel that speaks for the app: one that cannot open shuts out no other."""
        for one in self.channels:
            if self.registry.get(one.name) is not None:
                return one.name
        raise NotFound(f"no channel of {self.app} is running")

    async def _receive(self, asked: str, request: WebhookRequest) -> WebhookResponse:
        """Let one channel of the app authenticate and split a request, and store the events."""
        try:
            received: Received = self.dispatch.pure(asked, "receive", request)
        except (PluginError, PluginFault) as error:
            get_logger(app=self.app).error("webhook.failed", error=str(error))
            return WebhookResponse(status=500, body="the plugin of this app failed; see the log")
        if received.refused is not None:
            get_logger(app=self.app).warning("webhook.refused", why=received.refused)
            return received.response
        if received.payload is not None:
            await self._append(self._split(asked, received.payload))
        return received.response

    def _split(self, asked: str, body: bytes) -> list[journal.Routed]:
        """Cut a payload into events; one that cannot be cut is one event."""
        if not self.registry.implements(asked, "split"):
            return [(asked, RawEvent(key=_digest(body), body=body))]
        try:
            return self.cut(asked, body)
        except (PluginError, PluginFault):
            # Its key must be none that a plugin gives: a part may well be hashed the same way.
            key = f"{journal.UNSPLIT}:{_digest(body)}"
            return [(asked, RawEvent(key=key, body=body, source=journal.UNSPLIT))]

    def cut(self, asked: str, body: bytes) -> list[journal.Routed]:
        """Let a channel of the app cut a payload; each event is routed to its own channel.

        Raises: `PluginError`, `PluginFault`, `Paused`, `NotFound`, as `Dispatch.pure`.
        """
        routed: list[journal.Routed] = []
        for event in self._told(asked, body):
            name = self._route(asked, event.account)
            parts = self._again(asked, name, event)
            routed += [(name, one) for one in parts]
        return routed

    def _told(self, asked: str, body: bytes) -> tuple[RawEvent, ...]:
        told: Split = self.dispatch.pure(asked, "split", Payload(body=body))
        if wrong := [one for one in told.events if not isinstance(one, RawEvent)]:
            raise PluginFault(f"{asked}.split: returned a {type(wrong[0]).__name__} as an event")
        return told.events

    def _again(self, asked: str, owner: str, event: RawEvent) -> tuple[RawEvent, ...]:
        """Let the owner's plugin cut what belongs to it, where that is another network's.

        An app can serve several networks, and each knows its own events best.
        """
        other = self.registry.get(owner) if owner and owner != asked else None
        if other is None or type(other) is type(self.registry.get(asked)):
            return (event,)
        try:
            return self._told(owner, event.body)
        except (PluginError, PluginFault, Paused, NotFound):
            return (event,)

    def _route(self, asked: str, account: str) -> str:
        """Return the channel that has an account; what names none goes to the one asked."""
        return self._accounts.get(account, "") if account else asked

    async def _append(self, events: Sequence[journal.Routed]) -> None:
        """Store events durably, together with whatever else is waiting to be stored."""
        future = asyncio.get_running_loop().create_future()
        self._pending.append((events, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name=f"intake {self.app}")
        await future

    async def _flush(self) -> None:
        """Store what is pending in one commit, again while more has come meanwhile."""
        while self._pending:
            await come_along(self._pending)
            batch, self._pending = self._pending, []
            arrival = journal.Arrival(
                scope=f"app:{self.app}",
                app=self.app,
                road=Road.PUSH,
                events=[event for events, _ in batch for event in events],
                at=self.clock.now(),
                deliveries=len(batch),
            )
            problem: Exception | None = None
            try:
                await self.store.write(partial(self._store, arrival=arrival))
            except Exception as error:  # noqa: BLE001 - every waiting request must be told
                problem = error
            for _, future in batch:
                if future.done():
                    continue
                if problem is None:
                    future.set_result(None)
                else:
                    future.set_exception(problem)
            self.bell.ring(Topic.JOURNAL)
        self._flusher = None

    def _store(self, connection: sa.Connection, arrival: journal.Arrival) -> None:
        """Store what arrived and count what it costs, in one transaction."""
        costs = journal.append(connection, arrival)
        for channel, cost in sorted(costs.items()):
            self.charge(connection, channel, cost)


def _digest(body: bytes) -> str:
    """Name a payload by its hash."""
    return hashlib.sha256(body).hexdigest()
