"""A Facebook page and its Messenger inbox as a channel."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from attrs import define
from channelmix.hookspecs import Channel, Services, hook
from channelmix.records import (
    Checked,
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
    Received,
    Split,
    WebhookRequest,
)
from channelmix_meta import reviewing, signing
from channelmix_meta.client import FACEBOOK, Graph
from channelmix_meta.config import MetaApp
from channelmix_meta.health import check
from channelmix_meta.looking import Look, find

from channelmix_facebook import (
    health,
    looking,
    parsing,
    policy,
    polling,
    replies,
)
from channelmix_facebook.config import FacebookConfig


@define(eq=False, kw_only=True, slots=False)
class Facebook(Channel):
    """One Facebook page."""

    network: ClassVar[str] = "facebook"
    Config: ClassVar[type] = FacebookConfig
    App: ClassVar[type] = MetaApp
    account_field: ClassVar[str] = "page_id"
    sources = polling.SOURCES
    limits = policy.LIMITS

    config: FacebookConfig
    app: MetaApp

    def graph(self, services: Services) -> Graph:
        """Return the Graph API as this page sees it."""
        return Graph(
            http=services.http,
            clock=services.clock,
            pace=services.pace,
            version=self.config.version,
            token=self.config.access_token.reveal(),
            secret=self.app.app_secret.reveal(),
            host=(self.api_url or FACEBOOK).rstrip("/"),
        )

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask about the page, its token and its subscription."""
        needs = health.needs(self.account, self.app.app_id)
        return await check(self.graph(services), needs)

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        """Check the signature, or answer the challenge."""
        return signing.receive(
            request,
            secrets=self.app.secrets,
            verify_token=self.app.verify_token.reveal(),
        )

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a webhook body or a Graph answer into events."""
        return parsing.split(payload)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one event means."""
        return parsing.ingest(event, account=self.account, app_id=self.app.app_id)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of one list, or one object."""
        backfill = timedelta(days=self.config.backfill_days)
        return await polling.poll(
            self.graph(self.services), wanted, page_id=self.account, backfill=backfill
        )

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action."""
        return await replies.send(self.graph(self.services), outgoing, self.account)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether an uncertain action is there."""
        look = Look(graph=self.graph(self.services), owner=self.account, outgoing=outgoing)
        return await find(look, looking.LOOKS)

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        """Say what Facebook would refuse."""
        if draft.channel != self.name:
            return None
        return Findings(findings=tuple(reviewing.review(draft, self.clock.now())))
