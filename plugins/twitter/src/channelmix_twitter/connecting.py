"""Logging an account in: the steps of `channelmix connect`, by OAuth 2.0 or 1.0a."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from attrs import frozen
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from channelmix.errors import AuthorizationLost, Misconfigured, Rejected, RetryLater
from channelmix.hookspecs import Vault
from channelmix.payloads import obj
from channelmix.records import Connect, Connected

from channelmix_twitter.config import TwitterApp, TwitterConfig
from channelmix_twitter.tokens import SIGNED, RotatingKey, form_of, signed

SITE = "https://x.com"
SCOPES = (
    *("tweet.read", "tweet.write", "tweet.moderate.write", "users.read"),
    *("dm.read", "dm.write", "media.write", "like.read", "offline.access"),
)


@frozen(kw_only=True)
class Login:
    """One account's way in."""

    config: TwitterConfig
    app: TwitterApp
    vault: Vault
    http: httpx.AsyncClient
    key: RotatingKey
    host: str
    site: str = SITE

    async def step(self, request: Connect) -> Connected:
        """Take one step. Raises: `Rejected`, `Misconfigured`, `RetryLater`."""
        by2 = self.config.auth == "oauth2"
        if by2 and not self.app.client_id:
            raise Misconfigured("the app needs its client_id to log in by OAuth 2.0")
        try:
            if request.callback is None:
                return self._ask2(request) if by2 else await self._ask1(request)
            take = self._take2 if by2 else self._take1
            return await take(request, request.callback)
        except AuthorizationLost as error:
            raise Rejected(str(error)) from error

    def _ask2(self, request: Connect) -> Connected:
        verifier, state = generate_token(64), generate_token(32)
        url = prepare_grant_uri(
            f"{self.site}/i/oauth2/authorize",
            client_id=self.app.client_id,
            response_type="code",
            redirect_uri=request.redirect_uri,
            scope=" ".join(SCOPES),
            state=state,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Connected(url=url, memory={"verifier": verifier, "state": state})

    async def _take2(self, request: Connect, callback: Mapping[str, str]) -> Connected:
        if callback.get("state") != request.memory.get("state") or not callback.get("code"):
            raise Rejected("X did not let us in, or the answer belongs to another question")
        # A code is good for 30 seconds.
        form = {
            "grant_type": "authorization_code",
            "code": callback["code"],
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.memory["verifier"],
        }
        token = await self.key.exchange(form)
        if "refresh_token" not in token:
            raise Rejected("X gave no refresh token: the app must ask for offline.access")
        who = await self._who({"Authorization": f"Bearer {token['access_token']}"})
        await self.vault.put(token)
        return Connected(account=who)

    async def _ask1(self, request: Connect) -> Connected:
        url = f"{self.host}/oauth/request_token"
        told = form_of(await self._post(url, redirect_uri=request.redirect_uri))
        if told.get("oauth_callback_confirmed") != "true" or not told.get("oauth_token"):
            raise Rejected("X does not know this redirect address: register it with the app")
        asked = told["oauth_token"]
        address = f"{self.site}/oauth/authorize?oauth_token={asked}"
        return Connected(url=address, memory={"token": asked, "secret": told["oauth_token_secret"]})

    async def _take1(self, request: Connect, callback: Mapping[str, str]) -> Connected:
        if callback.get("oauth_token") != request.memory.get("token"):
            raise Rejected("X did not let us in, or the answer belongs to another question")
        answer = await self._post(
            f"{self.host}/oauth/access_token",
            token=request.memory["token"],
            token_secret=request.memory["secret"],
            verifier=callback.get("oauth_verifier", ""),
        )
        told = form_of(answer)
        token, secret = told.get("oauth_token", ""), told.get("oauth_token_secret", "")
        url = f"{self.host}/2/users/me"
        who = await self._who(signed(self.app, "GET", url, token=token, token_secret=secret))
        await self.vault.put({"token": token, "token_secret": secret}, SIGNED)
        return Connected(account=who)

    async def _post(self, url: str, **more: str) -> httpx.Response:
        try:
            return await self.http.post(url, headers=signed(self.app, "POST", url, **more))
        except httpx.RequestError as error:
            raise RetryLater(f"POST {url}: {type(error).__name__}") from error

    async def _who(self, headers: Mapping[str, str]) -> str:
        """Make sure that it is this channel's account that was logged in."""
        try:
            answer = await self.http.get(f"{self.host}/2/users/me", headers=headers)
            told: dict[str, Any] = obj(obj(answer.json()).get("data"))
        except (httpx.RequestError, ValueError) as error:
            raise RetryLater(f"GET /2/users/me: {type(error).__name__}") from error
        if told.get("id") != self.config.user_id:
            who = told.get("username") or "somebody else"
            raise Rejected(f"that was @{who}: log in as @{self.config.handle}, and try again")
        return f"@{told.get('username')}"
