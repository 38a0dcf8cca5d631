"""Who may do what, and how often: apps, log-ins, permissions and limits of the simulated server.

Sources: Mastodon's documentation, "OAuth scopes", "Rate limits", and the methods `apps` and
`oauth`; the limits of posts and of paging are those that the server's code is delivered with.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field, frozen
from channelmix.hookspecs import Clock
from channelmix.testing.simulator import Answer, Request

STATUS = r"/api/v1/statuses(/[^/]+)?"
NEEDED = (
    ("GET", r"/api/v1/accounts/verify_credentials", "read:accounts"),
    ("GET", r"/api/v1/notifications", "read:notifications"),
    ("GET", r"/api/v1/(accounts/\w+/)?statuses(/.*)?", "read:statuses"),
    (r"\w+", r"/api/v\d/media(/.*)?", "write:media"),
    (r"POST|PUT|DELETE", STATUS, "write:statuses"),
)
"""The permission that a call needs. Any token may ask which app it is of."""
KNOWN = re.compile(r"read|write|follow|push|profile|(read|write):[a-z]+")
GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection"
    " URI used in the authorization request, or was issued to another client."
)
CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, or"
    " unsupported authentication method."
)


def error(status: int, words: str, **more: Any) -> Answer:
    """Return a refusal as the server writes it."""
    return Answer(status=status, body={"error": words}, **more)


def invalid(words: str) -> Answer:
    """Return the refusal of something that does not fit the record that it should become."""
    return error(422, f"Validation failed: {words}")


@frozen(kw_only=True)
class Limit:
    """How many calls of a sort there may be within a period, which begins by the clock."""

    most: int
    period: timedelta
    method: str = r"\w+"
    path: str = r"/api/.*"
    paging: bool = False

    def counts(self, request: Request) -> bool:
        """Whether a call is of this sort."""
        page = {"min_id", "max_id", "since_id"} & set(request.query)
        return bool(
            re.fullmatch(self.method, request.method)
            and re.fullmatch(self.path, request.path)
            and (page or not self.paging)
        )

    def ends(self, now: datetime) -> datetime:
        """Return when the period ends that `now` is in."""
        seconds = self.period.total_seconds()
        return datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)

    def headers(self, used: int, now: datetime) -> Mapping[str, str]:
        """Return what an answer says of it."""
        return {
            "x-ratelimit-limit": str(self.most),
            "x-ratelimit-remaining": str(max(self.most - used, 0)),
            "x-ratelimit-reset": self.ends(now).isoformat(timespec="microseconds"),
        }


HALF_AN_HOUR = timedelta(minutes=30)
EVERY = Limit(most=300, period=timedelta(minutes=5))
LIMITS = (
    EVERY,
    Limit(most=300, period=timedelta(minutes=15), method="GET", paging=True),
    Limit(most=300, period=timedelta(hours=3), method="POST", path=r"/api/v1/statuses"),
    Limit(most=30, period=HALF_AN_HOUR, method="POST", path=r"/api/v\d/media"),
    Limit(most=30, period=HALF_AN_HOUR, method="DELETE", path=STATUS),
)


def throttled(headers: Mapping[str, str]) -> Answer:
    """Return the refusal of one call too many."""
    return error(429, "Too many requests", headers=headers)


@define(eq=False, kw_only=True)
class Gate:
    """What stands before the API: limits, the token, its permissions."""

    clock: Clock
    token: str = "token-of-the-account"  # noqa: S105 - an invented one
    scopes: str = "read write"
    apps: dict[str, dict[str, str]] = field(factory=dict)
    codes: dict[str, dict[str, str]] = field(factory=dict)
    used: dict[tuple[Limit, datetime], int] = field(factory=dict)

    def spend(self, calls: int, limit: Limit = EVERY) -> int:
        """Count calls; return how many there were in this period."""
        period = (limit, limit.ends(self.clock.now()))
        self.used[period] = self.used.get(period, 0) + calls
        return self.used[period]

    def count(self, request: Request) -> tuple[Answer | None, Mapping[str, str]]:
        """Count a call; return its refusal if it is one too many, and what its answer says.

        An answer speaks of the limit that is nearest.
        """
        counted = [(one, self.spend(1, one)) for one in LIMITS if one.counts(request)]
        limit, used = min(counted, key=lambda one: one[0].most - one[1])
        headers = limit.headers(used, self.clock.now())
        return throttled(headers) if used > limit.most else None, headers

    def refuses(self, request: Request) -> Answer | None:
        """Return the refusal of a call that the token is not good for."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return error(401, "The access token is invalid")
        needed = (
            scope
            for method, path, scope in NEEDED
            if re.fullmatch(method, request.method) and re.fullmatch(path, request.path)
        )
        given = set(self.scopes.split())
        if any(not {one, one.partition(":")[0]} & given for one in needed):
            return error(403, "This action is outside the authorized scopes")
        return None

    def register(self, form: Mapping[str, str]) -> Answer:
        """Register an app."""
        if not form.get("client_name"):
            return invalid("Name can't be blank")
        if not urlsplit(form.get("redirect_uris", "")).scheme:
            return invalid("Redirect URI must be an absolute URI.")
        if not all(KNOWN.fullmatch(one) for one in form.get("scopes", "read").split()):
            return invalid("Scopes doesn't match configured on the server.")
        app = {**form, "client_id": secrets.token_urlsafe(9), "client_secret": "of-the-app"}
        self.apps[app["client_id"]] = app
        return Answer(body={**app, "redirect_uris": [form["redirect_uris"]], "name": "channelmix"})

    def consent(self, url: str) -> Mapping[str, str]:
        """Let a person agree. Raises: `ValueError` where the server shows an error instead."""
        asked = dict(parse_qsl(urlsplit(url).query))
        app = self.apps[asked["client_id"]]
        if asked["redirect_uri"] not in app["redirect_uris"].split("\n"):
            raise ValueError("The requested redirect uri is malformed or doesn't match")
        if asked["response_type"] != "code" or asked["code_challenge_method"] != "S256":
            raise ValueError("The server asks for code and S256")
        if not set(asked["scope"].split()) <= set(app["scopes"].split()):
            raise ValueError("The requested scope is invalid, unknown, or malformed.")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def exchange(self, form: Mapping[str, str]) -> Answer:
        """Give the token for a code, once."""
        app = self.apps.get(form.get("client_id", ""))
        if app is None or form.get("client_secret") != app["client_secret"]:
            body = {"error": "invalid_client", "error_description": CLIENT}
            return Answer(status=401, body=body)
        asked = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        same = all(asked.get(name) == form.get(name) for name in ("redirect_uri", "client_id"))
        if not asked or not same or asked["code_challenge"] != proof:
            body = {"error": "invalid_grant", "error_description": GRANT}
            return Answer(status=400, body=body)
        self.scopes = asked["scope"]
        token = {"access_token": self.token, "token_type": "Bearer", "scope": asked["scope"]}
        return Answer(body={**token, "created_at": int(self.clock.now().timestamp())})
