"""Logging in with OAuth 2.0, and keeping the access alive.

Source: Pinterest's page "Set up authentication and authorization" and `POST /oauth/token` of its
API document. Access tokens last about 30 days, continuous refresh tokens 60 days, and each
refresh gives a new one of each.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from attrs import field, frozen
from channelmix.config import Secret
from channelmix.errors import AuthorizationLost, Rejected, RetryLater
from channelmix.hookspecs import Services
from channelmix.records import Connect, Connected, Renewed

from channelmix_pinterest.client import Refusal, read, request
from channelmix_pinterest.config import SCOPES, PinterestApp

AUTHORIZE = "https://www.pinterest.com/oauth/"
EARLY = timedelta(days=10)
"""How long before its end an access token is renewed: a desk may be off for a while."""
CONNECT = "the channel is not connected: run `channelmix connect`"
Kept = Mapping[str, Any]


@frozen(kw_only=True)
class Access:
    """The tokens of one account."""

    services: Services
    app: PinterestApp
    host: str
    by_hand: Secret | None = field(default=None)
    """A token from the configuration, which goes before all else."""

    async def token(self) -> str:
        """Return an access token that holds. Raises: `AuthorizationLost`, `RetryLater`."""
        if self.by_hand is not None:
            return self.by_hand.reveal()
        now = self.services.clock.now()
        kept = await self.services.vault.get()
        if kept is None:
            raise AuthorizationLost(CONNECT)
        if now >= _time(kept, "expires_at"):
            kept = await self._refresh()
        return str(kept["access_token"])

    async def renew(self) -> Renewed:
        """Renew the tokens in good time. Raises: `AuthorizationLost`, `RetryLater`."""
        if self.by_hand is not None or await self.services.vault.get() is None:
            return Renewed()
        kept = await self._refresh()
        return Renewed(expires_at=_time(kept, "refresh_expires_at"), again_in=timedelta(days=1))

    async def connect(self, step: Connect) -> Connected:
        """Take one step: to Pinterest's page, or from there with a code.

        Raises: `Rejected` if the person said no or the code is not taken, `RetryLater`.
        """
        if step.callback is None:
            query = {
                "client_id": self.app.client_id,
                "redirect_uri": step.redirect_uri,
                "response_type": "code",
                "scope": ",".join(SCOPES),
                "state": secrets.token_urlsafe(24),
            }
            return Connected(url=f"{AUTHORIZE}?{urlencode(query)}")
        if "code" not in step.callback:
            raise Rejected(f"Pinterest gave no code: {step.callback.get('error') or 'no reason'}")
        form = {
            "grant_type": "authorization_code",
            "code": step.callback["code"],
            "redirect_uri": step.redirect_uri,
            "continuous_refresh": "true",
        }
        kept = self._kept(await self._ask(form), {})
        await self.services.vault.put(kept)
        return Connected(expires_at=_time(kept, "refresh_expires_at"))

    async def _refresh(self) -> Kept:
        """Renew what ends soon; one at a time."""
        now = self.services.clock.now()
        return await self.services.vault.refresh(
            self._renewed,
            stale=lambda kept: kept is None or now >= _time(kept, "expires_at") - EARLY,
        )

    async def _renewed(self, kept: Kept | None) -> Kept:
        if kept is None:
            raise AuthorizationLost(CONNECT)
        form = {"grant_type": "refresh_token", "refresh_token": str(kept["refresh_token"])}
        try:
            return self._kept(await self._ask(form), kept)
        except Refusal as refusal:
            raise AuthorizationLost(f"the access was revoked or has ended: {CONNECT}") from refusal

    async def _ask(self, form: Mapping[str, str]) -> dict[str, Any]:
        where = "POST /oauth/token"
        answer = await request(
            self.services.http,
            "POST",
            f"{self.host}/v5/oauth/token",
            where,
            lost=RetryLater,
            data=form,
            auth=(self.app.client_id, self.app.client_secret.reveal()),
        )
        return read(answer, where, lost=RetryLater)

    def _kept(self, told: Mapping[str, Any], before: Kept) -> dict[str, Any]:
        """Return what is kept of an answer; a refresh without a new refresh token keeps the old."""
        now = self.services.clock.now()
        if not isinstance(told.get("access_token"), str):
            raise RetryLater("POST /oauth/token: the answer has no access token")
        refresh_for = told.get("refresh_token_expires_in")
        return {
            "access_token": told["access_token"],
            "refresh_token": told.get("refresh_token") or before.get("refresh_token"),
            "expires_at": _after(now, told.get("expires_in"), timedelta(days=30)),
            "refresh_expires_at": _after(now, refresh_for, timedelta(days=60)),
        }


def _after(now: datetime, seconds: Any, otherwise: timedelta) -> str:
    life = timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else otherwise
    return (now + life).isoformat()


def _time(kept: Kept, name: str) -> datetime:
    return datetime.fromisoformat(str(kept[name]))
