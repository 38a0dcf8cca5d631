"""Logging in with Google's OAuth 2.0 for installed apps, and keeping the access alive.

Source: Google's page "OAuth 2.0 for Mobile & Desktop Apps". Access tokens last an hour. Refresh
tokens last until they are revoked or unused for six months; those of a project in "testing" a week.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from attrs import frozen
from channelmix.config import Secret
from channelmix.errors import AuthorizationLost, Rejected, RetryLater
from channelmix.hookspecs import Services
from channelmix.records import Connect, Connected, Renewed

from channelmix_youtube.client import lost_or_unsent, parse
from channelmix_youtube.config import SCOPE, YouTubeApp

AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
EARLY = timedelta(minutes=5)
"""How long before its end an access token is renewed."""
AGAIN = timedelta(days=1)
CONNECT = "run `channelmix connect`"
Kept = Mapping[str, Any]


@frozen(kw_only=True)
class Access:
    """The tokens of one channel."""

    services: Services
    app: YouTubeApp
    given: Secret | None = None
    """A refresh token from the configuration, for as long as nobody has logged in."""
    url: str = TOKEN

    async def token(self) -> str:
        """Return an access token that holds. Raises: `AuthorizationLost`, `RetryLater`."""
        kept = await self.services.vault.get()
        if kept is None or self._ends(kept):
            kept = await self.services.vault.refresh(
                self._renewed, stale=lambda found: found is None or self._ends(found)
            )
        return str(kept["access_token"])

    async def renew(self) -> Renewed:
        """Use the refresh token now and then, so that it stays alive and a revoked one is noticed.

        Raises: `AuthorizationLost`, `RetryLater`.
        """
        if self.given is not None or await self.services.vault.get() is not None:
            await self.services.vault.refresh(
                self._renewed, stale=lambda found: found is None or self._ends(found)
            )
        return Renewed(again_in=AGAIN)

    async def connect(self, step: Connect) -> Connected:
        """Take one step: to Google's page, or from there with a code.

        Raises: `Rejected` if the person said no or the code is not taken, `RetryLater`.
        """
        if step.callback is None:
            return self._begin(step.redirect_uri)
        if "code" not in step.callback:
            raise Rejected(f"Google gave no code: {step.callback.get('error') or 'no reason'}")
        told = await self._ask(
            {
                "grant_type": "authorization_code",
                "code": step.callback["code"],
                "redirect_uri": step.redirect_uri,
                "code_verifier": step.memory.get("verifier", ""),
            }
        )
        if not told.get("refresh_token"):
            raise Rejected("Google gave no refresh token: remove the app's access, then try again")
        await self.services.vault.put(self._kept(told, {}))
        return Connected()

    def _begin(self, redirect_uri: str) -> Connected:
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self.app.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "access_type": "offline",
            "prompt": "consent",
            "state": secrets.token_urlsafe(24),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return Connected(url=f"{AUTHORIZE}?{urlencode(query)}", memory={"verifier": verifier})

    def _ends(self, kept: Kept) -> bool:
        ends = datetime.fromisoformat(str(kept["expires_at"]))
        return self.services.clock.now() >= ends - EARLY

    async def _renewed(self, kept: Kept | None) -> Kept:
        if kept is None and self.given is None:
            raise AuthorizationLost(f"the channel is not connected: {CONNECT}")
        kept = kept or {"refresh_token": self.given.reveal() if self.given else ""}
        form = {"grant_type": "refresh_token", "refresh_token": str(kept["refresh_token"])}
        try:
            return self._kept(await self._ask(form), kept)
        except Rejected as refusal:
            raise AuthorizationLost(f"{refusal}: {CONNECT}") from refusal

    async def _ask(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Ask for tokens. Raises: `Rejected`, `RetryLater`."""
        where = "POST the token endpoint"
        secret = {"client_id": self.app.client_id, "client_secret": self.app.client_secret.reveal()}
        try:
            answer = await self.services.http.post(self.url, data={**form, **secret})
        except httpx.RequestError as error:
            raise lost_or_unsent(error, where, RetryLater) from error
        document = parse(answer)
        if answer.is_success and document is not None and document.get("access_token"):
            return document
        told = str((document or {}).get("error") or f"HTTP {answer.status_code}")
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise RetryLater(f"{where}: {told}")
        # `invalid_grant`: revoked, ended, or used twice.
        raise Rejected(f"Google does not give access: {told}")

    def _kept(self, told: Mapping[str, Any], before: Kept) -> dict[str, Any]:
        life = told.get("expires_in")
        seconds = life if isinstance(life, int) and life > 0 else 3600
        return {
            "access_token": told["access_token"],
            "refresh_token": told.get("refresh_token") or before.get("refresh_token"),
            "expires_at": (self.services.clock.now() + timedelta(seconds=seconds)).isoformat(),
        }
