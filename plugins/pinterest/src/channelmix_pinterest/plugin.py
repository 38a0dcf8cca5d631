"""A Pinterest account as a channel: what is commented on our pins is noticed, pins are published.

Pinterest lets nobody read or answer comments through its API, so `reply` takes no answers: each
request names the pin to open, and a person marks it done.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from channelmix.hookspecs import Channel, Services, hook
from channelmix.records import (
    Checked,
    Connect,
    Connected,
    Draft,
    Findings,
    Found,
    Ingested,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Renewed,
    Split,
)

from channelmix_pinterest import health, parsing, polling, publishing
from channelmix_pinterest.access import Access
from channelmix_pinterest.client import HOST, Api, Rest
from channelmix_pinterest.config import PinterestApp, PinterestConfig
from channelmix_pinterest.publishing import Publisher


@define(eq=False, kw_only=True, slots=False)
class Pinterest(Channel):
    """One Pinterest account."""

    network: ClassVar[str] = "pinterest"
    Config: ClassVar[type] = PinterestConfig
    App: ClassVar[type] = PinterestApp
    account_field: ClassVar[str] = "username"
    sources = polling.SOURCES
    limits = publishing.LIMITS

    config: PinterestConfig
    app: PinterestApp
    _rest: Rest = field(factory=Rest, init=False, repr=False)

    @property
    def _host(self) -> str:
        return (self.api_url or HOST).rstrip("/")

    def access(self, services: Services) -> Access:
        """Return this account's tokens."""
        return Access(
            services=services, app=self.app, host=self._host, by_hand=self.config.access_token
        )

    def api(self, services: Services) -> Api:
        """Return the API as this account sees it."""
        return Api(
            http=services.http,
            clock=services.clock,
            token=self.access(services).token,
            rest=self._rest,
            host=self._host,
        )

    @property
    def publisher(self) -> Publisher:
        """What writes to this account."""
        return Publisher(api=self.api(self.services), config=self.config, vault=self.vault)

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask about the account, its token and its boards."""
        return await health.check(self.api(services), self.config)

    @hook
    async def connect(self, request: Connect) -> Connected:
        """Log in at Pinterest."""
        return await self.access(self.services).connect(request)

    @hook
    async def renew(self, services: Services) -> Renewed:
        """Renew the tokens before they end."""
        return await self.access(services).renew()

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a list of pins into events."""
        return parsing.split(payload)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of our pins with their counts."""
        return await polling.poll(self.api(self.services), wanted)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what a pin and its counts mean."""
        return parsing.ingest(event, username=self.account)

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Publish, change or delete a pin of ours."""
        return await self.publisher.send(outgoing)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether an unclear action is there."""
        return await self.publisher.find(outgoing)

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        """Say what Pinterest would refuse."""
        if draft.channel != self.name:
            return None
        return Findings(findings=publishing.review(draft, self.config))
