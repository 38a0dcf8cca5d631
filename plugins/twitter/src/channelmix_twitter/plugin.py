"""An X (Twitter) account as a channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from attrs import define, field
from channelmix.hookspecs import Channel, Services, hook
from channelmix.records import (
    Allowance,
    Attachment,
    Checked,
    Connect,
    Connected,
    Draft,
    Findings,
    Found,
    Ingested,
    Limits,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Received,
    Renewed,
    Source,
    Split,
    Unlocked,
    WebhookRequest,
)

from channelmix_twitter import health, parsing, policy, polling, reviewing, signing, withdrawn
from channelmix_twitter.client import HOST, Api, Key
from channelmix_twitter.config import Prices, TwitterApp, TwitterConfig
from channelmix_twitter.connecting import SITE, Login
from channelmix_twitter.looking import Look
from channelmix_twitter.media import Uploads, unlock
from channelmix_twitter.money import Purse
from channelmix_twitter.parsing_context import Context
from channelmix_twitter.push import Webhook
from channelmix_twitter.replies import Sender
from channelmix_twitter.tokens import EARLY, AppKey, RotatingKey, SignedKey, SpareKey

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@define(eq=False, kw_only=True, slots=False)
class Twitter(Channel):
    """One account on X."""

    network: ClassVar[str] = "twitter"
    Config: ClassVar[type] = TwitterConfig
    App: ClassVar[type] = TwitterApp
    account_field: ClassVar[str] = "user_id"
    sources: ClassVar[Sequence[Source]] = polling.SOURCES
    limits: ClassVar[Sequence[Limits]] = policy.limits(Prices())

    config: TwitterConfig
    app: TwitterApp
    _uploads: Uploads = field(factory=Uploads, init=False)
    _paid: set[str] = field(factory=set, init=False)
    _rotating: RotatingKey = field(init=False)
    _polls: Purse = field(init=False)
    _looks: Purse = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Keep what calls have in common: the token, and the change."""
        self.sources = polling.sources(self.config, self.app.prices)  # type: ignore[misc]  # as the settings say
        prices, long = self.app.prices, self.config.long_posts
        self.limits = policy.limits(prices, long_posts=long)  # type: ignore[misc]  # prices are set for each app
        self._rotating = RotatingKey(
            app=self.app, vault=self.vault, http=self.http, clock=self.clock, host=self.host
        )
        shared: dict[str, Any] = {
            "budget": self.budget,
            "clock": self.clock,
            "allowance": self.allowance,
        }
        self._polls = Purse(**shared)
        self._looks = Purse(**shared, reply=True)

    @property
    def host(self) -> str:
        """Where the API is."""
        return (self.api_url or HOST).rstrip("/")

    @property
    def allowance(self) -> Allowance | None:
        """What all accounts of the app may spend."""
        return self.app.allowance

    def api(self, key: Key | None = None) -> Api:
        """Return X's API as this account sees it, or with another key."""
        return Api(
            http=self.http, clock=self.clock, pace=self.pace, key=key or self.key(), host=self.host
        )

    def key(self) -> Key:
        """Return what makes calls this account's."""
        signed = SignedKey(app=self.app, config=self.config, vault=self.vault)
        if self.config.auth == "oauth1" or not self.app.client_id:
            return signed
        return SpareKey(first=self._rotating, spare=signed, log=self.log)

    def webhook(self) -> Webhook | None:
        """Return the app's webhook, None where it has none."""
        if self.app.webhook_url is None or self.app.bearer_token is None:
            return None
        return Webhook(
            app=self.api(AppKey(token=self.app.bearer_token.reveal())),
            user=self.api(),
            vault=self.vault,
            log=self.log,
            url=self.app.webhook_url,
            account=self.account,
            events=self.config.events,
            replay=self.app.replay,
        )

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask about the account and its webhook."""
        del services
        key = self.key()
        return await health.check(self.api(key), self.config, self.webhook(), key)

    @hook
    async def connect(self, request: Connect) -> Connected:
        """Take one step of logging in."""
        login = Login(
            config=self.config,
            app=self.app,
            vault=self.vault,
            http=self.http,
            key=self._rotating,
            host=self.host,
            site=SITE if self.api_url is None else self.host,
        )
        return await login.step(request)

    @hook
    async def renew(self, services: Services) -> Renewed:
        """Renew the token in good time, and look after the webhook."""
        del services
        key = self.key()
        ends = await key.ends(EARLY) if isinstance(key, SpareKey) else None
        if webhook := self.webhook():
            await webhook.keep()
        return Renewed(expires_at=ends, again_in=EARLY / 2)

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        """Check the signature, or answer the challenge."""
        return signing.receive(request, secret=self.app.consumer_secret.reveal())

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a webhook body or an API answer into events."""
        return parsing.split(payload, self.app.prices)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one event means."""
        context = Context(
            account=self.account,
            now=NEVER,
            handle=self.config.handle,
            siblings=self.siblings,
            summoned_only=self.config.may_reply == "summoned",
            complete_threads=self.config.complete_threads,
        )
        return parsing.ingest(event, context)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of one list, or one object."""
        if wanted.source == withdrawn.NAME:
            return await self.withdrawn(wanted)
        reader = polling.Reader(
            api=self.api(), config=self.config, prices=self.app.prices, purse=self._polls
        )
        return await reader.poll(wanted)

    async def withdrawn(self, wanted: Poll) -> Polled:
        """Ask what customers took back, if the app has a token of its own."""
        if self.app.bearer_token is None or not self.config.withdrawn_days:
            return Polled(again_in=withdrawn.AGAIN)
        app = self.api(AppKey(token=self.app.bearer_token.reveal()))
        return await withdrawn.Withdrawn(app=app, log=self.log).poll(wanted)

    @hook
    async def unlock(self, attachment: Attachment) -> Unlocked | None:
        """Get a photo out of a direct message: only who may read that gets it."""
        return await unlock(self.api(), attachment)

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action."""
        sender = Sender(
            api=self.api(),
            account=self.account,
            handle=self.config.handle,
            limits=tuple(self.limits),
            budget=self.budget,
            uploads=self._uploads,
            paid=self._paid,
        )
        return await sender.send(outgoing)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether an uncertain action is there."""
        look = Look(
            api=self.api(),
            account=self.account,
            outgoing=outgoing,
            prices=self.app.prices,
            purse=self._looks,
        )
        return await look.find()

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        """Say what X would refuse."""
        if draft.channel != self.name:
            return None
        return Findings(findings=tuple(reviewing.review(draft)))
