"""The token: where it is kept, how it is renewed, how an account is connected.

Sources: Instagram Platform, "Business Login for Instagram", "Refresh Access Token". A token of a
log-in at Instagram lives for 60 days; it can be renewed when it is a day old, and not any more
when it has ended. A page's token, of a log-in at Facebook, does not end.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from attrs import evolve, frozen
from channelmix.errors import AuthorizationLost, Misconfigured, Rejected, RetryLater
from channelmix.hookspecs import Services
from channelmix.records import Connect, Connected, Renewed
from channelmix_meta.client import Graph, Refusal
from channelmix_meta.config import MetaApp
from channelmix_meta.parsing_json import first, obj, objects

from channelmix_instagram.config import InstagramConfig
from channelmix_instagram.health import FIELDS, SCOPES

AUTHORIZE, EXCHANGE = "https://www.instagram.com", "https://api.instagram.com"
EARLY = timedelta(days=30)
"""How long before its end a token is renewed: weeks, so that a long failure does no harm."""
YOUNG = timedelta(days=1)
"""How old a token must be to be renewed."""
Kept = Mapping[str, Any]


@frozen(kw_only=True)
class Access:
    """One account's way in."""

    config: InstagramConfig
    app: MetaApp
    services: Services
    graph: Graph
    """Without a token of its own."""
    api_url: str | None = None

    async def token(self) -> str:
        """Return the token to call with. Raises: `AuthorizationLost` if there is none."""
        kept = await self.services.vault.get() if self.config.login == "instagram" else None
        mine = kept is not None and kept.get("given") == self._given
        found = str(kept["access_token"]) if kept and mine else self.config.access_token.reveal()
        if not found:
            raise AuthorizationLost("there is no token yet: run `channelmix connect`")
        return found

    @property
    def _given(self) -> str:
        """Name the configured token, so that a new one there counts more than what is kept."""
        return hashlib.sha256(self.config.access_token.reveal().encode()).hexdigest()[:16]

    # renewing

    async def renew(self) -> Renewed:
        """Renew a token that ends within weeks.

        Raises: `RetryLater`, `AuthorizationLost`.
        """
        if self.config.login == "facebook":
            return Renewed()
        try:
            await self.services.vault.refresh(self._renewed, stale=self._stale)
        except Refusal as refusal:
            # A token younger than a day is refused, too, and good for weeks.
            self.services.log.warning("token.not_renewed", why=str(refusal))
        return Renewed(expires_at=await self.ends(), again_in=YOUNG)

    async def ends(self) -> datetime | None:
        """Return when the token ends, as far as it is known."""
        kept = await self.services.vault.get() if self.config.login == "instagram" else None
        if kept is None or kept.get("given") != self._given:
            return None
        return datetime.fromisoformat(kept["expires_at"])

    def _stale(self, kept: Kept | None) -> bool:
        if kept is None or kept.get("given") != self._given:
            return True
        now = self.services.clock.now()
        return datetime.fromisoformat(kept["expires_at"]) - now < EARLY

    async def _renewed(self, kept: Kept | None) -> Kept:
        mine = kept is not None and kept.get("given") == self._given
        old = str(kept["access_token"]) if kept and mine else self.config.access_token.reveal()
        if not old:
            raise AuthorizationLost("there is no token yet: run `channelmix connect`")
        asked = evolve(self.graph, token=old, version="")
        params = {"grant_type": "ig_refresh_token"}
        return self._kept(await asked.get("refresh_access_token", params))

    def _kept(self, answer: Kept) -> Kept:
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise RetryLater("Instagram's answer holds no token with its end")
        ends = self.services.clock.now() + timedelta(seconds=seconds)
        return {
            "access_token": token,
            "expires_at": ends.astimezone(UTC).isoformat(),
            "given": self._given,
        }

    # connecting

    async def connect(self, request: Connect) -> Connected:
        """Take one step of logging in at Instagram.

        Raises: `Misconfigured`, `Rejected`, `RetryLater`, `AuthorizationLost`.
        """
        if self.config.login == "facebook":
            raise Misconfigured('set access_token to the page\'s token, or login = "instagram"')
        if not self.app.instagram_app_id or not self.app.instagram_app_secret:
            raise Misconfigured("set instagram_app_id and instagram_app_secret (API setup)")
        if request.callback is None:
            return self._begin(request)
        return await self._finish(request, request.callback)

    def _begin(self, request: Connect) -> Connected:
        state = secrets.token_urlsafe(24)
        query = {
            "client_id": self.app.instagram_app_id,
            "redirect_uri": request.redirect_uri,
            "response_type": "code",
            "scope": ",".join(SCOPES),
            "state": state,
        }
        url = f"{self.api_url or AUTHORIZE}/oauth/authorize?{urlencode(query)}"
        return Connected(url=url, memory={"state": state})

    async def _finish(self, request: Connect, callback: Mapping[str, str]) -> Connected:
        if not secrets.compare_digest(callback.get("state", ""), request.memory.get("state", "-")):
            raise Rejected("this answer belongs to another log-in: start again")
        if "code" not in callback:
            why = callback.get("error_description") or callback.get("error") or "no code came back"
            raise Rejected(f"Instagram did not agree: {why}")
        short = await self._exchange(request.redirect_uri, callback["code"].removesuffix("#_"))
        kept = await self._lengthen(short)
        return await self._enter(kept)

    async def _exchange(self, redirect_uri: str, code: str) -> str:
        """Change the code for a token of one hour."""
        form = {
            "client_id": self.app.instagram_app_id,
            "client_secret": self.app.instagram_app_secret.reveal(),
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
        }
        host = evolve(self.graph, host=self.api_url or EXCHANGE, version="", token="")
        answer = await host.form("oauth/access_token", form)
        # Newer answers wrap it in a list; both forms are documented.
        token = (objects(answer.get("data")) or [answer])[0].get("access_token")
        if not isinstance(token, str):
            raise Rejected("Instagram's answer holds no token")
        return token

    async def _lengthen(self, short: str) -> Kept:
        """Change it for one of 60 days. Here alone Meta wants a secret in an address."""
        params = {
            "grant_type": "ig_exchange_token",
            "client_secret": self.app.instagram_app_secret.reveal(),
        }
        return self._kept(
            await evolve(self.graph, token=short, version="").get("access_token", params)
        )

    async def _enter(self, kept: Kept) -> Connected:
        """See whose token it is, keep it, and ask for webhooks."""
        graph = evolve(self.graph, token=kept["access_token"])
        me = obj(await graph.get("me", {"fields": "id,user_id,username"}))
        if self.config.account_id not in {first(me, "user_id"), first(me, "id")}:
            raise Rejected(
                f"this is {me.get('username')} ({first(me, 'user_id', 'id')}), but the channel is "
                f"for account {self.config.account_id}: log in as that one"
            )
        await self.services.vault.put(kept)
        await graph.send("POST", "me/subscribed_apps", {"subscribed_fields": ",".join(FIELDS)})
        ends = datetime.fromisoformat(kept["expires_at"])
        return Connected(account=me.get("username"), expires_at=ends)
