"""A blog as a channel: its articles help, its comments ask."""

from __future__ import annotations

from typing import ClassVar

import httpx
from attrs import define, field
from channelmix.errors import AuthorizationLost, Rejected
from channelmix.hookspecs import Channel, Services, hook
from channelmix.records import (
    Checked,
    Found,
    Ingested,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Split,
)

from channelmix_blog import health, parsing, polling, replies
from channelmix_blog.client import Rest, Web
from channelmix_blog.config import BlogConfig
from channelmix_blog.polling import Comments, Feeds
from channelmix_blog.replies import Writer


@define(eq=False, kw_only=True, slots=False)
class Blog(Channel):
    """One blog."""

    network: ClassVar[str] = "blog"
    Config: ClassVar[type] = BlogConfig
    account_field: ClassVar[str] = "url"
    sources = polling.SOURCES
    limits = replies.LIMITS

    config: BlogConfig
    _me: int | None = field(default=None, init=False, repr=False)
    """Our own user's number, once it was asked for."""

    @property
    def _url(self) -> str:
        return f"{self.config.url.rstrip('/')}/"

    @property
    def _base(self) -> str:
        return f"{self.api_url.rstrip('/')}/" if self.api_url else self._url

    def feeds(self, services: Services) -> Feeds:
        """Return the blog's feeds."""
        web = Web(http=services.http, url=self._url, base=self._base)
        return Feeds(web=web, clock=services.clock, config=self.config)

    def rest(self, services: Services) -> Rest | None:
        """Return WordPress's REST API, None if that is not used."""
        if not self.config.wordpress and self.config.application_password is None:
            return None
        user, password = self.config.user, self.config.application_password
        auth = httpx.BasicAuth(user, password.reveal()) if user and password else None
        return Rest(http=services.http, base=self._base, auth=auth)

    async def me(self, rest: Rest) -> int | None:
        """Return our own user's number, None without one.

        Raises: `RetryLater`, `AuthorizationLost`.
        """
        if self._me is None and rest.auth is not None:
            found = (await rest.me()).get("id")
            if not isinstance(found, int):
                raise AuthorizationLost("GET /wp/v2/users/me: WordPress does not say who we are")
            self._me = found
        return self._me

    async def _writer(self) -> Writer:
        rest = self.rest(self.services)
        me = await self.me(rest) if rest else None
        if rest is None or me is None:
            raise Rejected(parsing.NO_USER)
        return Writer(rest=rest, me=me)

    @hook
    async def check(self, services: Services) -> Checked:
        """Read the feed, and ask who we are at WordPress."""
        return await health.check(self.feeds(services), self.rest(services))

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a feed, or a page of comments, into events."""
        return parsing.split(payload, self._url)

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what an entry or a comment means."""
        return parsing.ingest(event, self.config)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of one source."""
        rest = self.rest(self.services) if wanted.source != parsing.ARTICLES else None
        comments = None
        if rest is not None:
            comments = Comments(
                rest=rest, clock=self.clock, config=self.config, me=await self.me(rest)
            )
        return await polling.poll(wanted, self.feeds(self.services), comments)

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action."""
        return await (await self._writer()).send(outgoing)

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look whether an unclear action is there."""
        return await (await self._writer()).find(outgoing)
