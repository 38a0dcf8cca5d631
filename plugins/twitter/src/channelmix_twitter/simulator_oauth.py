"""Who may do what at a simulated X: OAuth 2.0 with PKCE, OAuth 1.0a, the app's own token."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlencode

from attrs import define, field
from authlib.oauth1.rfc5849.signature import construct_base_string, hmac_sha1_signature
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from channelmix.testing.simulator import Answer, Request

from channelmix_twitter.simulator_reading import RefusedError, invalid
from channelmix_twitter.simulator_world import User

CODE_LIFE = timedelta(seconds=30)
TOKEN_LIFE = timedelta(hours=2)
UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401}


@define(kw_only=True)
class Code:
    """What a person comes back with, good for one use."""

    user: User
    challenge: str
    redirect_uri: str
    at: datetime
    offline: bool


@define(kw_only=True)
class Gate:
    """The app's secrets, and the tokens that X gave out."""

    now: Callable[[], datetime]
    client_id: str = "c2ltdWxhdGVkLWNsaWVudA"
    client_secret: str = "client-secret-of-the-simulator"  # noqa: S105 - invented
    consumer_key: str = "consumer-key"
    consumer_secret: str = "consumer-secret-of-the-simulator"  # noqa: S105 - invented
    bearer: str = "app-only-token-of-the-simulator"
    visitor: User | None = None
    """Who sits at the browser; None: they say no."""
    access: dict[str, tuple[User, datetime]] = field(factory=dict)
    refresh: dict[str, User] = field(factory=dict)
    signed: dict[str, tuple[User | None, str]] = field(factory=dict)
    """OAuth 1.0a: tokens with whose they are, and their secret."""
    codes: dict[str, Code] = field(factory=dict)
    _verifiers: dict[str, str] = field(factory=dict)
    _count: int = 0

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count:04d}-of-the-simulator"

    def tokens(self, user: User, *, offline: bool = True) -> dict[str, str | int]:
        """Give out an access token, and one that gets the next."""
        access = self._new("access")
        self.access[access] = (user, self.now() + TOKEN_LIFE)
        told: dict[str, str | int] = {
            "token_type": "bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "access_token": access,
            "scope": "tweet.read users.read offline.access",
        }
        if offline:
            told["refresh_token"] = self._new("refresh")
            self.refresh[str(told["refresh_token"])] = user
        return told

    def signing(self, user: User) -> tuple[str, str]:
        """Give out a token of OAuth 1.0a with its secret."""
        token, secret = self._new("token"), self._new("secret")
        self.signed[token] = (user, secret)
        return token, secret

    def who(self, request: Request, base: str) -> User | None:
        """Return whose call it is, None for the app itself. Raises: `RefusedError`."""
        header = request.headers.get("authorization", "")
        if header == f"Bearer {self.bearer}":
            return None
        known = self.access.get(header.removeprefix("Bearer "))
        if known is not None and self.now() < known[1]:
            return known[0]
        if header.startswith("OAuth "):
            return self._signed(request, base)
        raise RefusedError(401, "Unauthorized", "Unauthorized")

    def _signed(self, request: Request, base: str) -> User | None:
        token = unquote(auth_params(request).get("oauth_token", ""))
        user, secret = self.signed.get(token, (None, ""))
        if token and token not in self.signed:
            raise RefusedError(401, "Unauthorized", "Invalid or expired token.")
        self.verify(request, base, secret)
        return user

    def verify(self, request: Request, base: str, token_secret: str) -> None:
        """Check a signature of OAuth 1.0a. Raises: `RefusedError`."""
        told = auth_params(request)
        given = unquote(told.pop("oauth_signature", ""))
        params = [(name, unquote(value)) for name, value in told.items()]
        params += list(request.query.items())
        text = construct_base_string(request.method, f"{base}{request.path}", params)
        wanted = hmac_sha1_signature(text, self.consumer_secret, token_secret)
        known = unquote(told.get("oauth_consumer_key", "")) == self.consumer_key
        if not known or not hmac.compare_digest(given, wanted):
            raise RefusedError(401, "Unauthorized", "Could not authenticate you.")

    # OAuth 2.0

    def authorize(self, query: Mapping[str, str]) -> Answer:
        """Send the person at the browser back, with a code or a no."""
        wanted = {"response_type": "code", "client_id": self.client_id}
        wanted["code_challenge_method"] = "S256"
        for name, value in wanted.items():
            if query.get(name) != value:
                raise invalid(name, query.get(name), "Something went wrong")
        for name in ("redirect_uri", "state", "code_challenge", "scope"):
            if not query.get(name):
                raise invalid(name, "", "Something went wrong")
        back = {"state": query["state"]}
        if self.visitor is None:
            return _redirect(query["redirect_uri"], {**back, "error": "access_denied"})
        code = self._new("code")
        self.codes[code] = Code(
            user=self.visitor,
            challenge=query["code_challenge"],
            redirect_uri=query["redirect_uri"],
            at=self.now(),
            offline="offline.access" in query["scope"].split(),
        )
        return _redirect(query["redirect_uri"], {**back, "code": code})

    def token(self, request: Request) -> Answer:
        """Trade a code or a refresh token, each of which is good for one use."""
        form = dict(parse_qsl(request.body.decode()))
        proof = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {proof}":
            return _no("unauthorized_client", "Missing valid authorization header")
        if form.get("grant_type") == "refresh_token":
            user = self.refresh.pop(form.get("refresh_token", ""), None)
            if user is None:
                return _no("invalid_request", "Value passed for the token was invalid.")
            return Answer(body=self.tokens(user))
        if form.get("grant_type") != "authorization_code":
            return _no("unsupported_grant_type", "There is no such grant")
        code = self.codes.pop(form.get("code", ""), None)
        fits = (
            code is not None
            and self.now() - code.at <= CODE_LIFE
            and code.redirect_uri == form.get("redirect_uri")
            and code.challenge == create_s256_code_challenge(form.get("code_verifier", ""))
        )
        if code is None or not fits:
            return _no("invalid_request", "Value passed for the authorization code was invalid.")
        return Answer(body=self.tokens(code.user, offline=code.offline))

    # OAuth 1.0a

    def request_token(self, request: Request, base: str) -> Answer:
        """Begin."""
        self.verify(request, base, "")
        callback = auth_params(request).get("oauth_callback")
        if not callback:
            raise RefusedError(403, "Forbidden", "Callback URL not approved")
        token, secret = self._new("request"), self._new("secret")
        self.signed[token] = (None, secret)
        self._verifiers[token] = unquote(callback)
        told = {"oauth_token": token, "oauth_token_secret": secret}
        return _form({**told, "oauth_callback_confirmed": "true"})

    def authorize1(self, query: Mapping[str, str]) -> Answer:
        """Send the person at the browser back, with a verifier or a no."""
        token = query.get("oauth_token", "")
        back = self._verifiers.get(token, "")
        if self.visitor is None:
            return _redirect(back, {"denied": token})
        self._verifiers[token] = self._new("verifier")
        return _redirect(back, {"oauth_token": token, "oauth_verifier": self._verifiers[token]})

    def access_token(self, request: Request, base: str) -> Answer:
        """Trade a verifier for a token that does not end."""
        told = auth_params(request)
        token = unquote(told.get("oauth_token", ""))
        verifier = unquote(told.get("oauth_verifier", ""))
        _, secret = self.signed.pop(token, (None, ""))
        self.verify(request, base, secret)
        if self.visitor is None or not verifier or self._verifiers.pop(token, None) != verifier:
            raise RefusedError(401, "Unauthorized", "Error processing your OAuth request")
        access, access_secret = self.signing(self.visitor)
        who = {"user_id": self.visitor.id, "screen_name": self.visitor.username}
        return _form({"oauth_token": access, "oauth_token_secret": access_secret, **who})


def auth_params(request: Request) -> dict[str, str]:
    """Return what the `Authorization` header of OAuth 1.0a has in it, still escaped."""
    return dict(re.findall(r'(\w+)="([^"]*)"', request.headers.get("authorization", "")))


def _redirect(to: str, query: Mapping[str, str]) -> Answer:
    return Answer(status=302, body=b"", headers={"location": f"{to}?{urlencode(query)}"})


def _no(error: str, description: str) -> Answer:
    return Answer(status=400, body={"error": error, "error_description": description})


def _form(told: Mapping[str, str]) -> Answer:
    return Answer(body=urlencode(told).encode(), content_type="application/x-www-form-urlencoded")
