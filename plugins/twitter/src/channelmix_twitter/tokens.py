"""Whose calls they are: OAuth 2.0 with PKCE and tokens that rotate, OAuth 1.0a, the app's own.

Sources: X's pages "OAuth 2.0 Authorization Code Flow with PKCE" (an access token lives two hours,
a refresh token is good for one use) and "3-legged OAuth flow" (OAuth 1.0a).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
from attrs import define, field
from authlib.oauth1.rfc5849.client_auth import ClientAuth
from channelmix.errors import AuthorizationLost, Misconfigured, PluginError, RetryLater
from channelmix.hookspecs import Clock, Vault
from channelmix.payloads import obj, words
from structlog.typing import FilteringBoundLogger

from channelmix_twitter.client import Key
from channelmix_twitter.config import TwitterApp, TwitterConfig

MARGIN = timedelta(minutes=5)
"""How long before its end a token is renewed by who needs it."""
EARLY = timedelta(minutes=65)
"""How long before its end it is renewed by the timer, also on an idle channel."""
LIFE = timedelta(hours=2)
"""How long an access token lives where X does not say."""
FRESH = timedelta(minutes=1)
"""How young a token is when renewing it again would not help."""
SIGNED = "signed"
"""The name under which the vault keeps a token of OAuth 1.0a."""
Token = Mapping[str, Any]


@define(eq=False, kw_only=True)
class AppKey:
    """The app's own bearer token: for webhooks, where no account is concerned."""

    token: str = field(repr=False)

    async def headers(self, _method: str, _url: str) -> Mapping[str, str]:
        """Return the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def refused(self) -> bool:
        """Say that another try goes no better."""
        return False


@define(eq=False, kw_only=True)
class SignedKey:
    """OAuth 1.0a: each call is signed with an account's token that does not end."""

    app: TwitterApp
    config: TwitterConfig
    vault: Vault

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Sign a call. JSON and multipart bodies are no part of the signature."""
        token, secret = await self._token()
        return signed(self.app, method, url, token=token, token_secret=secret)

    def refused(self) -> bool:
        """Say that another try goes no better."""
        return False

    async def there(self) -> bool:
        """Say whether there is a token."""
        try:
            await self._token()
        except AuthorizationLost:
            return False
        return True

    async def _token(self) -> tuple[str, str]:
        if self.config.access_token is not None and self.config.access_token_secret is not None:
            return self.config.access_token.reveal(), self.config.access_token_secret.reveal()
        kept = await self.vault.get(SIGNED)
        if kept is None or "token_secret" not in kept:
            raise AuthorizationLost("this account is not connected: `channelmix connect` does it")
        return str(kept["token"]), str(kept["token_secret"])


def signed(app: TwitterApp, method: str, url: str, **more: str) -> Mapping[str, str]:
    """Return the `Authorization` header of OAuth 1.0a (RFC 5849) for a call without a form."""
    auth = ClientAuth(app.consumer_key, app.consumer_secret.reveal(), **more)
    _, headers, _ = auth.prepare(method, url, {"Content-Type": "application/json"}, b"")
    return {"Authorization": headers["Authorization"]}


@define(eq=False, kw_only=True)
class RotatingKey:
    """OAuth 2.0: an access token for two hours, and what gets the next one."""

    app: TwitterApp
    vault: Vault
    http: httpx.AsyncClient
    clock: Clock
    host: str
    used_up: str | None = field(default=None, init=False, repr=False)
    """A refresh token that X does not take: where there is a spare key, it is not asked again."""
    _used: str | None = field(default=None, init=False, repr=False)
    _refused: str | None = field(default=None, init=False, repr=False)
    _renewed_at: datetime | None = field(default=None, init=False)

    async def headers(self, _method: str, _url: str) -> Mapping[str, str]:
        """Return the token, renewed first if it is about to end."""
        self._used = str((await self.token(MARGIN))["access_token"])
        return {"Authorization": f"Bearer {self._used}"}

    def refused(self) -> bool:
        """Let the next call renew the token; say no if it was renewed a moment ago."""
        if self._renewed_at is not None and self.clock.now() - self._renewed_at < FRESH:
            return False
        self._refused = self._used
        return True

    async def token(self, margin: timedelta) -> Token:
        """Return the token, renewed if it ends within `margin`.

        Raises: `AuthorizationLost`, `RetryLater`.
        """
        return await self.vault.refresh(self._renew, stale=lambda kept: self._stale(kept, margin))

    def _stale(self, kept: Token | None, margin: timedelta) -> bool:
        if kept is None or "access_token" not in kept or kept["access_token"] == self._refused:
            return True
        return self.clock.now() + margin > _end(kept)

    async def _renew(self, kept: Token | None) -> Token:
        """Get the next token; the vault stores it before anybody uses it."""
        if kept is None or not kept.get("refresh_token"):
            raise AuthorizationLost("this account is not connected: `channelmix connect` does it")
        form = {"grant_type": "refresh_token", "refresh_token": str(kept["refresh_token"])}
        fresh = {**kept, **await self.exchange(form)}
        self._renewed_at = self.clock.now()
        return fresh

    async def exchange(self, form: Mapping[str, str]) -> Token:
        """Trade a code or a refresh token for tokens. Raises: `AuthorizationLost`, `RetryLater`."""
        answer = await token_call(self.http, f"{self.host}/2/oauth2/token", form, self.app)
        told = _json(answer)
        access = words(told.get("access_token"))
        if not answer.is_success or access is None:
            raise _refusal(answer, told)
        life = told.get("expires_in")
        ends = timedelta(seconds=life) if isinstance(life, int) and life > 0 else LIFE
        fresh = {"access_token": access, "expires_at": (self.clock.now() + ends).isoformat()}
        again = words(told.get("refresh_token"))
        return {**fresh, "refresh_token": again} if again else fresh


@define(eq=False, kw_only=True)
class SpareKey:
    """OAuth 2.0, and OAuth 1.0a where that is lost.

    A refresh token is good for one use: who is killed between X's answer and our commit has none.
    The signed key does not rotate, so with both an account is never locked out.
    """

    first: RotatingKey
    spare: SignedKey
    log: FilteringBoundLogger
    _last: Key = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with the first."""
        self._last = self.first

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the headers of the first key that there is. Raises: as both."""
        self._last = self.spare if await self.ends(MARGIN) is None else self.first
        return await self._last.headers(method, url)

    def refused(self) -> bool:
        """Say whether another try may go better."""
        return self._last.refused()

    async def lost(self) -> bool:
        """Say whether the spare key stands in for one that there was."""
        kept = await self.first.vault.get() or {}
        return "refresh_token" in kept and await self.ends(MARGIN) is None

    async def ends(self, margin: timedelta) -> datetime | None:
        """Return when the first key ends, renewed in time; None where the spare one stands in.

        Raises: `AuthorizationLost` if there is none, `RetryLater`.
        """
        if not await self.spare.there():
            return _end(await self.first.token(margin))
        refresh = (await self.first.vault.get() or {}).get("refresh_token")
        if refresh is None or refresh == self.first.used_up:
            return None
        try:
            return _end(await self.first.token(margin))
        except AuthorizationLost as error:
            self.first.used_up = str(refresh)
            self.log.warning("token.spare", why=str(error))
            return None


def _end(token: Token) -> datetime:
    return datetime.fromisoformat(token["expires_at"])


async def token_call(
    http: httpx.AsyncClient, url: str, form: Mapping[str, str], app: TwitterApp
) -> httpx.Response:
    """Post to the token endpoint: a confidential client proves itself, a public one has its id."""
    secret = app.client_secret.reveal() if app.client_secret else ""
    auth = httpx.BasicAuth(app.client_id, secret) if secret else httpx.USE_CLIENT_DEFAULT
    data = form if secret else {**form, "client_id": app.client_id}
    try:
        return await http.post(url, data=data, auth=auth)
    except httpx.RequestError as error:
        raise RetryLater(f"POST /2/oauth2/token: {type(error).__name__}") from error


def _refusal(answer: httpx.Response, told: Mapping[str, Any]) -> PluginError:
    """Judge by status and OAuth's own error names (RFC 6749, 5.2)."""
    name = words(told.get("error")) or "no reason given"
    where = f"POST /2/oauth2/token: {name} (HTTP {answer.status_code})"
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        return RetryLater(where)
    if name in {"invalid_client", "unauthorized_client"}:
        return Misconfigured(f"{where}: check client_id and client_secret")
    return AuthorizationLost(f"{where}: connect this account again")


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        return obj(answer.json())
    except ValueError:
        return {}


def form_of(answer: httpx.Response) -> Mapping[str, str]:
    """Read an answer of OAuth 1.0a, which is a form. Raises: `RetryLater`, `AuthorizationLost`."""
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise RetryLater(f"X answers HTTP {answer.status_code}")
    if not answer.is_success:
        raise AuthorizationLost(f"X answers HTTP {answer.status_code}: check the consumer key")
    return dict(parse_qsl(answer.text))
