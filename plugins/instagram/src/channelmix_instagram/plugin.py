"""An Instagram professional account as a channel."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from attrs import define, evolve
from channelmix.errors import AuthorizationLost
from channelmix.hookspecs import Channel, Services, hook
from channelmix.records import (
    Checked,
    Classify,
    Connect,
    Connected,
    Draft,
    Findings,
    Found,
    Ingested,
    Label,
    Labels,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Received,
    Renewed,
    Split,
    WebhookRequest,
)
from channelmix_meta import reviewing as meta_reviewing
from channelmix_meta import signing
from channelmix_meta.client import FACEBOOK, INSTAGRAM, Graph
from channelmix_meta.config import MetaApp
from channelmix_meta.health import block, check
from channelmix_meta.looking import Look, find

from channelmix_instagram import health, looking, parsing, policy, polling, replies, reviewing
from channelmix_instagram.config import InstagramConfig
from channelmix_instagram.connecting import FacebookLogin, InstagramLogin
from channelmix_instagram.tokens import Access


@define(eq=False, kw_only=True, slots=False)
class Instagram(Channel):
    """One Instagram professional account."""

    network: ClassVar[str] = "instagram"
    Config: ClassVar[type] = InstagramConfig
    App: ClassVar[type] = MetaApp
    account_field: ClassVar[str] = "account_id"
    sources = polling.SOURCES
    limits = policy.LIMITS

    config: InstagramConfig
    app: MetaApp

    @property
    def at_instagram(self) -> bool:
        """Whether people log in at Instagram, not at Facebook."""
        return self.config.login == "instagram"

    def access(self, services: Services) -> Access:
        """Return the account's way in."""
        secret = self.app.instagram_app_secret if self.at_instagram else self.app.app_secret
        graph = Graph(
            http=services.http,
            clock=services.clock,
            pace=services.pace,
            version=self.config.version,
            token="",
            secret=secret.reveal(),
            host=(self.api_url or (INSTAGRAM if self.at_instagram else FACEBOOK)).rstrip("/"),
        )
        return Access(config=self.config, services=services, graph=graph)

    async def graph(self, services: Services) -> Graph:
        """Return the Graph API as this account sees it. Raises: `AuthorizationLost`."""
        access = self.access(services)
        return evolve(access.graph, token=await access.token())

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask about the account, its token and its subscription."""
        app_id = self.app.instagram_app_id if self.at_instagram else self.app.app_id
        try:
            graph = await self.graph(services)
        except AuthorizationLost as error:
            return Checked(findings=(block("token", str(error)),))
        checked = await check(graph, health.needs(self.config, app_id))
        ends = await self.access(services).ends()
        return evolve(checked, token_expires_at=ends or checked.token_expires_at)

    @hook
    async def connect(self, request: Connect) -> Connected:
        """Take one step of logging in, at Instagram or at Facebook."""
        login = InstagramLogin if self.at_instagram else FacebookLogin
        url = self.api_url.rstrip("/") if self.api_url else None
        access = self.access(self.services)
        return await login(app=self.app, access=access, api_url=url).step(request)

    @hook
    async def renew(self, services: Services) -> Renewed:
        """Renew a token that ends, weeks before it does."""
        return await self.access(services).renew()

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        """Check the signature, or answer the challenge."""
        return signing.receive(
            request, secrets=self.app.secrets, verify_token=self.app.verify_token.reveal()
        )

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a webhook body or a Graph answer into events."""
        return parsing.split(payload)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one event means."""
        return parsing.ingest(event, account=self.account, handle=self.config.username)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of one list, or one object."""
        backfill = timedelta(days=self.config.backfill_days)
        graph = await self.graph(self.services)
        return await polling.poll(graph, wanted, account=self.account, backfill=backfill)

    @hook
    async def classify(self, request: Classify) -> Labels | None:
        """Say that who only followed a link has not asked for anything yet."""
        message = request.message
        silent = not message.text and not message.attachments and message.id.startswith("referral:")
        if request.channel != self.name or not silent:
            return None
        return Labels(labels=(Label(name="service", value="no"),))

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action."""
        graph = await self.graph(self.services)
        return await replies.send(graph, outgoing, self.account, uploads=not self.at_instagram)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether an uncertain action is there."""
        look = Look(
            graph=await self.graph(self.services),
            owner=self.account,
            also=frozenset({self.config.username} if self.config.username else ()),
            outgoing=outgoing,
            text=replies.text_of(outgoing),
        )
        return await find(look, looking.LOOKS)

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        """Say what Instagram would refuse."""
        if draft.channel != self.name:
            return None
        own = reviewing.review(draft, uploads=not self.at_instagram)
        found = (*own, *meta_reviewing.review(draft, self.clock.now()))
        return Findings(findings=found)
