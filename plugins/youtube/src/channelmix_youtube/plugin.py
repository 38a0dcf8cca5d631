"""A YouTube channel as a channel of channelmix."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from attrs import define
from channelmix.hookspecs import Channel, Services, hook
from channelmix.records import (
    Allowance,
    Checked,
    Connect,
    Connected,
    Draft,
    Finding,
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
    Renewed,
    Split,
    WebhookRequest,
)

from channelmix_youtube import atom, health, parsing, polling, replies
from channelmix_youtube.access import TOKEN, Access
from channelmix_youtube.client import HOST, Api
from channelmix_youtube.config import YouTubeApp, YouTubeConfig
from channelmix_youtube.polling import Reading
from channelmix_youtube.replies import Writer
from channelmix_youtube.videos import Videos
from channelmix_youtube.watching import Watching


@define(eq=False, kw_only=True, slots=False)
class YouTube(Channel):
    """One YouTube channel."""

    network: ClassVar[str] = "youtube"
    Config: ClassVar[type] = YouTubeConfig
    App: ClassVar[type] = YouTubeApp
    account_field: ClassVar[str] = "channel_id"
    sources = polling.SOURCES
    limits = replies.LIMITS

    config: YouTubeConfig
    app: YouTubeApp

    @property
    def allowance(self) -> Allowance:
        """The project's quota: units a day, whole again at midnight in California."""
        return Allowance(
            unit="units",
            amount=self.app.quota,
            period="day",
            timezone="America/Los_Angeles",
            reserve=min(self.app.reserve, self.app.quota),
        )

    def access(self, services: Services) -> Access:
        """Return this channel's tokens."""
        url = f"{self.api_url.rstrip('/')}/token" if self.api_url else TOKEN
        return Access(services=services, app=self.app, given=self.config.refresh_token, url=url)

    def api(self, services: Services) -> Api:
        """Return the Data API as this channel sees it."""
        return Api(
            http=services.http,
            clock=services.clock,
            pace=services.pace,
            budget=services.budget,
            token=self.access(services).token,
            host=(self.api_url or HOST).rstrip("/"),
        )

    @property
    def writer(self) -> Writer:
        """What writes as this channel."""
        return Writer(api=self.api(self.services), channel_id=self.account)

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask whose access it is."""
        return await health.check(self.api(services), channel_id=self.account, app=self.app)

    @hook
    async def connect(self, request: Connect) -> Connected:
        """Log in at Google."""
        return await self.access(self.services).connect(request)

    @hook
    async def renew(self, services: Services) -> Renewed:
        """Keep the access alive, and the subscription at the hub, which ends after ten days."""
        renewed = await self.access(services).renew()
        if self.app.callback is not None and self.app.hub_secret is not None:
            await atom.subscribe(
                services.http,
                channel_id=self.account,
                callback=self.app.callback,
                secret=self.app.hub_secret.reveal(),
                hub=f"{self.api_url.rstrip('/')}/subscribe" if self.api_url else atom.HUB,
            )
        return renewed

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        """Answer the hub's question, or check the signature of its notice."""
        secret = self.app.hub_secret.reveal() if self.app.hub_secret else None
        return atom.receive(request, secret=secret)

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut an answer of the API or a notice of the hub into events."""
        return parsing.split(payload)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one event means."""
        return parsing.ingest(event, channel_id=self.account)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of one source, or the one object that a `Lookup` names."""
        api, clock = self.api(self.services), self.clock
        if wanted.source in polling.STATUS:
            backfill = timedelta(days=self.config.backfill_days)
            reading = Reading(api=api, clock=clock, channel_id=self.account, backfill=backfill)
            return await reading.poll(wanted)
        if wanted.source == "videos":
            videos = Videos(api=api, clock=clock, channel_id=self.account)
            return await videos.poll(wanted)
        watching = Watching(
            api=api,
            clock=clock,
            channel_id=self.account,
            rules=self.config.search,
            searches=self.app.searches,
            live=self.config.live,
        )
        match wanted.source:
            case "search":
                return await watching.search(wanted)
            case "live":
                return await watching.chat(wanted)
            case _:
                return await polling.look_up(api, wanted)

    @hook
    async def review(self, draft: Draft) -> Findings | None:
        """Say what is too long for a chat."""
        why = replies.too_long(draft.text, draft.target) if draft.channel == self.name else None
        return (
            Findings(findings=(Finding(level="block", code="length", text=why),)) if why else None
        )

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action."""
        return await self.writer.send(outgoing)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether an unclear action is there."""
        return await self.writer.find(outgoing)
