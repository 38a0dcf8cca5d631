"""An account on a Mastodon server as a channel."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from channelmix import Channel, hook
from channelmix.errors import AuthorizationLost, Rejected
from channelmix.hookspecs import Services
from channelmix.records import (
    Checked,
    Connect,
    Connected,
    Finding,
    Found,
    Ingested,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Source,
    Split,
    minutes,
)

from channelmix_mastodon import parsing, polling, wire
from channelmix_mastodon.client import CONNECT, Client
from channelmix_mastodon.config import MastodonConfig
from channelmix_mastodon.login import SCOPES, Login, whoami
from channelmix_mastodon.replies import LIMITS, Speaker

MENTIONS, OWN, CHANGES = "mentions", "own", "changes"


@define(eq=False, kw_only=True, slots=False)
class Mastodon(Channel):
    """One account on one server."""

    network: ClassVar[str] = "mastodon"
    Config: ClassVar[type] = MastodonConfig
    account_field: ClassVar[str] = "account"
    sources = (
        Source(name=MENTIONS, every=minutes(1)),
        Source(name=OWN, every=minutes(5)),
        Source(name=CHANGES, every=minutes(5)),
    )
    limits = LIMITS

    config: MastodonConfig
    _me: str | None = field(default=None, init=False)
    """The account's number at its server, once it has been asked."""

    @property
    def host(self) -> str:
        """Where the server is."""
        return (self.api_url or self.config.server).rstrip("/")

    @property
    def whose(self) -> parsing.Whose:
        """Whom a post can be from that is ours."""
        return parsing.Whose(
            account=self.account, siblings=self.siblings, app_name=self.config.app_name
        )

    async def client(self, lent: Services | None = None) -> Client:
        """Return the API as this account sees it. Raises: `AuthorizationLost`."""
        services = lent or self.services
        if self.config.access_token:
            token = self.config.access_token.reveal()
        else:
            token = (await services.vault.get() or {}).get("access_token", "")
        if not token:
            raise AuthorizationLost(f"nobody is logged in: {CONNECT}")
        return Client(services=services, host=self.host, token=token)

    async def me(self, client: Client) -> str:
        """Return the account's number at its server."""
        if self._me is None:
            account = await whoami(client)
            if self.whose.address(account.acct) != self.account:
                raise AuthorizationLost(f"the token is @{account.acct}'s: {CONNECT}")
            self._me = account.id
        return self._me

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a list of notifications, posts or changes into events."""
        return Split(events=polling.split(payload.body, self.account))

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one event means."""
        return Ingested(inbounds=(parsing.ingest(event, self.whose),))

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of a list."""
        client = await self.client()
        poller = polling.Poller(client=client, account=self.account, now=self.clock.now())
        days = self.config.backfill_days
        if wanted.source == CHANGES:
            return await poller.changes(wanted.cursor, backfill=days, watch=self.config.watch_days)
        if wanted.source == OWN:
            return await poller.own(await self.me(client), wanted.cursor, days=days)
        return await poller.mentions(wanted.cursor, days=days)

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Answer a post, or change or delete an answer."""
        return await Speaker(client=await self.client()).carry_out(outgoing)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether something uncertain was carried out."""
        client = await self.client()
        try:
            return await Speaker(client=client).find(outgoing, await self.me(client))
        except Rejected as error:
            return Found(status="unknown", why=str(error))

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask the server whose the token is, and what it may do."""
        try:
            client = await self.client(services)
            account = await whoami(client)
            app = await client.get("/api/v1/apps/verify_credentials", wire.App)
        except (AuthorizationLost, Rejected) as error:
            return Checked(findings=(Finding(level="block", code="login", text=str(error)),))
        findings = []
        if self.whose.address(account.acct) != self.account:
            text = f"the token is @{account.acct}'s, not @{self.account}'s: {CONNECT}"
            findings.append(Finding(level="block", code="account", text=text))
        if missing := _missing(app):
            text = f"the token does not allow {', '.join(missing)}: {CONNECT}"
            findings.append(Finding(level="block", code="scopes", text=text))
        return Checked(findings=tuple(findings))

    @hook
    async def connect(self, request: Connect) -> Connected:
        """Register an app at the server and log in to it, as the account that is configured."""
        login = Login(
            client=Client(services=self.services, host=self.host), app_name=self.config.app_name
        )
        try:
            if request.callback is None:
                return await login.begin(request)
            kept, account = await login.finish(request)
        except AuthorizationLost as error:
            raise Rejected(str(error)) from error
        address = self.whose.address(account.acct)
        if address != self.account:
            raise Rejected(
                f"you are logged in as @{address}, but this is @{self.account}'s channel"
            )
        await self.services.vault.put(kept)
        self._me = account.id
        return Connected(account=f"@{address}")


def _missing(app: wire.App) -> list[str]:
    """Return the permissions that an app lacks, where the server says which it has."""
    if app.scopes is None:
        return []
    return [one for one in SCOPES.split() if not {one, one.partition(":")[0]} & {*app.scopes}]
