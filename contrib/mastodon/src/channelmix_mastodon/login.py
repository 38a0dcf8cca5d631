"""Logging in: an app of our own at each server, then OAuth 2.0 with PKCE."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import evolve, frozen
from channelmix.errors import Rejected, RetryLater
from channelmix.records import Connect, Connected

from channelmix_mastodon import wire
from channelmix_mastodon.client import Client

SCOPES = "read:accounts read:notifications read:statuses write:media write:statuses"


@frozen(kw_only=True)
class Login:
    """The log-in of one account. `client` has no token yet."""

    client: Client
    app_name: str

    async def begin(self, request: Connect) -> Connected:
        """Register an app at the server, and say where a person agrees to it."""
        form = {
            "client_name": self.app_name,
            "redirect_uris": request.redirect_uri,
            "scopes": SCOPES,
        }
        app = await self._post("/api/v1/apps", wire.Registered, form)
        memory = {
            "state": secrets.token_urlsafe(32),
            "verifier": secrets.token_urlsafe(48),
            "client_id": app.client_id,
            "client_secret": app.client_secret,
        }
        digest = hashlib.sha256(memory["verifier"].encode()).digest()
        query = {
            "response_type": "code",
            "client_id": app.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": SCOPES,
            "state": memory["state"],
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "force_login": "true",
        }
        url = f"{self.client.host}/oauth/authorize?{urlencode(query)}"
        return Connected(url=url, memory=memory)

    async def finish(self, request: Connect) -> tuple[Mapping[str, Any], wire.Account]:
        """Exchange the code; return what to keep, and whose it is. Raises: `Rejected`."""
        back, memory = request.callback or {}, request.memory
        given, wanted = back.get("state", ""), memory.get("state", "")
        if not wanted or not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
            raise Rejected("this is no answer to the log-in that was begun: begin again")
        if "code" not in back:
            raise Rejected("the log-in was refused at the server")
        app = {name: memory.get(name, "") for name in ("client_id", "client_secret")}
        form = {
            "grant_type": "authorization_code",
            "code": back["code"],
            **app,
            "redirect_uri": request.redirect_uri,
            "code_verifier": memory.get("verifier", ""),
            "scope": SCOPES,
        }
        token = (await self._post("/oauth/token", wire.Token, form)).access_token
        account = await whoami(evolve(self.client, token=token))
        return {"access_token": token, **app}, account

    async def _post(self, path: str, kind: type[wire.Wire], form: Mapping[str, str]) -> wire.Wire:
        answer = await self.client.call("POST", path, data=dict(form))
        return wire.read(answer.content, kind, RetryLater)


async def whoami(client: Client) -> wire.Account:
    """Return the account that the token is for."""
    return await client.get("/api/v1/accounts/verify_credentials", wire.Account)
