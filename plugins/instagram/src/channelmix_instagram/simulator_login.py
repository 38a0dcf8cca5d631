"""Log-ins, simulated: codes, tokens of an hour and of 60 days, and their renewal.

Sources: Instagram Platform, "Business Login for Instagram", "Refresh Access Token"; Facebook Login,
"Manually Build a Login Flow", "Long-Lived Access Tokens".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field
from channelmix.testing.simulator import Answer, Request
from channelmix_meta.simulator_reading import RefusedError

SHORT, LONG, YOUNG = timedelta(hours=1), timedelta(days=60), timedelta(days=1)


@define(kw_only=True)
class Desk:
    """Hands out tokens."""

    app_id: str
    secret: str
    account: str
    issued: dict[str, tuple[datetime, datetime]] = field(factory=dict)
    """Each token with when it was made and when it ends."""
    codes: dict[str, str] = field(factory=dict)
    """Each code with the address that it was made for."""

    def agree(self, url: str) -> dict[str, str]:
        """Let a person agree at an address; return the query that they are sent back with."""
        query = dict(parse_qsl(urlsplit(url).query))
        if query["client_id"] != self.app_id or query["response_type"] != "code":
            return {"error": "invalid_request", "state": query["state"]}
        code = f"code-{len(self.codes)}"
        self.codes[code] = query["redirect_uri"]
        return {"code": f"{code}#_", "state": query["state"]}

    def issue(self, now: datetime, life: timedelta = LONG) -> str:
        """Make a token."""
        token = f"IGAAsimulated{len(self.issued)}"
        self.issued[token] = (now, now + life)
        return token

    def valid(self, now: datetime) -> list[str]:
        """Return the tokens that hold."""
        return [token for token, (_, ends) in self.issued.items() if now < ends]

    def at_facebook(self, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """Answer `oauth/access_token` of graph.facebook.com: a user's token, short or long."""
        app = (query.get("client_id"), query.get("client_secret"))
        long = query.get("grant_type") == "fb_exchange_token"
        address = self.codes.pop(query.get("code", ""), None)
        good = query.get("fb_exchange_token") in self.valid(now) if long else address is not None
        if app != (self.app_id, self.secret) or not good or address != query.get("redirect_uri"):
            return RefusedError(100, "Invalid verification code", subcode=36009).body()
        life = LONG if long else SHORT
        return {"access_token": self.issue(now, life), "token_type": "bearer"}

    def answer(self, request: Request, now: datetime) -> Answer | None:
        """Answer what is about tokens; None: it is something else."""
        if (request.method, request.path) == ("POST", "/oauth/access_token"):
            return self._exchange(dict(parse_qsl(request.body.decode())), now)
        if request.path == "/access_token":
            return self._lengthen(request, now)
        if request.path == "/refresh_access_token":
            return self._refresh(request, now)
        return None

    def _exchange(self, form: Mapping[str, str], now: datetime) -> Answer:
        right = {
            "client_id": self.app_id,
            "client_secret": self.secret,
            "grant_type": "authorization_code",
            "redirect_uri": self.codes.pop(form.get("code", ""), ""),
        }
        if {name: form.get(name) for name in right} != right:
            said = {"error_type": "OAuthException", "code": 400, "error_message": "Invalid code"}
            return Answer(status=400, body=said)
        token = self.issue(now, SHORT)
        scopes = "instagram_business_basic"
        return Answer(body={"access_token": token, "user_id": self.account, "permissions": scopes})

    def _lengthen(self, request: Request, now: datetime) -> Answer:
        wanted = ("ig_exchange_token", self.secret)
        given = (request.query.get("grant_type"), request.query.get("client_secret"))
        if given != wanted or _token(request) not in self.valid(now):
            return _refused(RefusedError(190, "Invalid access token", status=401))
        return self._told(now)

    def _refresh(self, request: Request, now: datetime) -> Answer:
        token = _token(request)
        if request.query.get("grant_type") != "ig_refresh_token" or token not in self.valid(now):
            return _refused(RefusedError(190, "Session has expired", subcode=463, status=401))
        if now - self.issued[token][0] < YOUNG:
            return _refused(RefusedError(10, "The token is less than 24 hours old"))
        return self._told(now)

    def _told(self, now: datetime) -> Answer:
        seconds = int(LONG.total_seconds())
        made = {"access_token": self.issue(now), "token_type": "bearer", "expires_in": seconds}
        return Answer(body=made)


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _refused(error: RefusedError) -> Answer:
    return Answer(status=error.status, body=error.body())
