"""Logging in, at Facebook or at Instagram, step by step.

Sources: Instagram Platform, "Business Login for Instagram"; Facebook Login, "Manually Build a Login
Flow", "Long-Lived Access Tokens"; Graph API, "Batch Requests".
"""

from __future__ import annotations

import abc
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from attrs import evolve, frozen
from channelmix.errors import Misconfigured, Rejected
from channelmix.payloads import array, first, obj, objects
from channelmix.records import Connect, Connected
from channelmix_meta.client import Graph, after_of
from channelmix_meta.config import MetaApp
from channelmix_meta.parsing_json import data

from channelmix_instagram.health import FIELDS, PERMISSIONS, SCOPES
from channelmix_instagram.tokens import Access, Kept

PAGE_FIELD = "feed"
"""A page has to subscribe its app with some field, whichever (Webhooks for Instagram)."""


@frozen(kw_only=True)
class Login(abc.ABC):
    """One log-in."""

    app: MetaApp
    access: Access
    api_url: str | None = None
    """A simulator or a proxy, in place of each of the network's hosts."""

    scopes: ClassVar[Sequence[str]]

    async def step(self, request: Connect) -> Connected:
        """Take one step.

        Raises: `Misconfigured`, `Rejected`, `RetryLater`, `AuthorizationLost`.
        """
        client_id = self.client_id()
        if request.callback is None:
            return self._begin(request, client_id)
        kept, name = await self.enter(request.redirect_uri, _code(request.callback))
        ends = kept["expires_at"]
        return Connected(account=name, expires_at=datetime.fromisoformat(ends) if ends else None)

    def _begin(self, request: Connect, client_id: str) -> Connected:
        query = {
            "client_id": client_id,
            "redirect_uri": request.redirect_uri,
            "response_type": "code",
            "scope": ",".join(self.scopes),
            "state": secrets.token_urlsafe(24),
        }
        return Connected(url=f"{self.dialog()}?{urlencode(query)}")

    @abc.abstractmethod
    def client_id(self) -> str:
        """Return the id of the app that asks. Raises: `Misconfigured`."""

    @abc.abstractmethod
    def dialog(self) -> str:
        """Return the address at which a person agrees."""

    @abc.abstractmethod
    async def enter(self, redirect_uri: str, code: str) -> tuple[Kept, str | None]:
        """Change a code for a token that is kept; return it with the account's name."""

    def other(self, found: Any, ids: str) -> Rejected:
        """Say that somebody logged in who does not speak for this account."""
        mine = self.access.config.account_id
        return Rejected(f"{found} is for {ids}, but the channel is account {mine}: log in as that")


@frozen(kw_only=True)
class InstagramLogin(Login):
    """At Instagram: a token of the account."""

    scopes: ClassVar[Sequence[str]] = SCOPES

    def client_id(self) -> str:
        """Return the id of the app that asks. Raises: `Misconfigured`."""
        if not self.app.instagram_app_id or not self.app.instagram_app_secret:
            raise Misconfigured("set instagram_app_id and instagram_app_secret (API setup)")
        return self.app.instagram_app_id

    def dialog(self) -> str:
        """Return the address at which a person agrees."""
        return f"{self.api_url or 'https://www.instagram.com'}/oauth/authorize"

    async def enter(self, redirect_uri: str, code: str) -> tuple[Kept, str | None]:
        """Change a code for a token of an hour, that for one of 60 days, and ask for webhooks."""
        bare = evolve(self.access.graph, version="")
        short = await self._short(bare, redirect_uri, code)
        # Meta documents this with the secret in the query, and nothing else.
        params = {"grant_type": "ig_exchange_token", "client_secret": self._secret}
        kept = self.access.kept(await evolve(bare, token=short).get("access_token", params))
        graph = evolve(self.access.graph, token=kept["access_token"])
        me = await graph.get("me", {"fields": "id,user_id,username"})
        ids = {first(me, "user_id"), first(me, "id")}
        if self.access.config.account_id not in ids:
            raise self.other(me.get("username"), str(first(me, "user_id", "id")))
        await self.access.services.vault.put(kept)
        await graph.send("POST", "me/subscribed_apps", {"subscribed_fields": ",".join(FIELDS)})
        return kept, me.get("username")

    @property
    def _secret(self) -> str:
        return self.app.instagram_app_secret.reveal()

    async def _short(self, bare: Graph, redirect_uri: str, code: str) -> str:
        form = {
            "client_id": self.app.instagram_app_id,
            "client_secret": self._secret,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
        }
        host = evolve(bare, host=self.api_url or "https://api.instagram.com")
        answer = await host.form("oauth/access_token", form)
        # Newer answers wrap it in a list; both forms are documented.
        return _token((objects(answer.get("data")) or [answer])[0])


@frozen(kw_only=True)
class FacebookLogin(Login):
    """At Facebook: the token of the page that the account is linked to."""

    scopes: ClassVar[Sequence[str]] = ("pages_show_list", *PERMISSIONS)

    def client_id(self) -> str:
        """Return the id of the app that asks. Raises: `Misconfigured`."""
        if not self.app.app_id:
            raise Misconfigured("set app_id (App settings, Basic): nobody can log in without")
        return self.app.app_id

    def dialog(self) -> str:
        """Return the address at which a person agrees."""
        version = self.access.config.version
        return f"{self.api_url or 'https://www.facebook.com'}/{version}/dialog/oauth"

    async def enter(self, redirect_uri: str, code: str) -> tuple[Kept, str | None]:
        """Change a code for a user's token, that for a long one, and find the page's."""
        short = await self._exchange(redirect_uri=redirect_uri, code=code)
        long = await self._exchange(grant_type="fb_exchange_token", fb_exchange_token=short)
        page = await self._page(evolve(self.access.graph, token=long))
        kept = self.access.kept(page)
        await self.access.services.vault.put(kept)
        await self._subscribe(evolve(self.access.graph, token=kept["access_token"]))
        return kept, obj(page.get("instagram_business_account")).get("username")

    async def _exchange(self, **query: str) -> str:
        """Ask within a batch, which keeps the secrets out of the URL."""
        secret = self.app.app_secret.reveal()
        app = evolve(self.access.graph, token=f"{self.app.app_id}|{secret}")
        given = {"client_id": self.client_id(), "client_secret": secret, **query}
        return _token(await app.batch(f"oauth/access_token?{urlencode(given)}"))

    async def _page(self, graph: Graph) -> Mapping[str, Any]:
        """Find the page with this account. The person may manage many."""
        fields = "id,name,access_token,instagram_business_account{id,username}"
        params, names = {"fields": fields, "limit": "100"}, []
        while True:
            found = await graph.get("me/accounts", params)
            for page in data(found):
                linked = first(obj(page.get("instagram_business_account")), "id")
                if linked == self.access.config.account_id:
                    return page
                names.append(f"{page.get('name')} ({linked or 'no account'})")
            after = after_of(found)
            if after is None:
                raise self.other("this log-in", ", ".join(names) or "no page")
            params = {**params, "after": after}

    async def _subscribe(self, graph: Graph) -> None:
        """Let the page subscribe the app, unless it has: a new list would replace the old one."""
        apps = data(await graph.get("me/subscribed_apps"))
        mine = [one for one in apps if str(one.get("id")) == self.app.app_id]
        if not any(array(one.get("subscribed_fields")) for one in mine):
            await graph.send("POST", "me/subscribed_apps", {"subscribed_fields": PAGE_FIELD})


def _code(callback: Mapping[str, str]) -> str:
    """Return the code that came back; that it answers our question, the core has seen.

    Raises: `Rejected` if there is none.
    """
    if "code" not in callback:
        raise Rejected(f"the network did not agree: {callback.get('error') or 'no code came back'}")
    # Both networks write this behind their code.
    return callback["code"].removesuffix("#_")


def _token(answer: Mapping[str, Any]) -> str:
    token = answer.get("access_token")
    if not isinstance(token, str):
        number = obj(answer.get("error")).get("code", "no reason given")
        raise Rejected(f"the network gives no token for this code ({number}): start again")
    return token
