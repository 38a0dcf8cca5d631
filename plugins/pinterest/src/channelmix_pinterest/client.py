"""Calls of the Pinterest API v5, and what each answer means for the host.

Sources: Pinterest's API document (release 5.23.0) and its pages "Rate limits" and "Set up
authentication and authorization". The token travels in the `Authorization` header.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from attrs import field, frozen
from channelmix.errors import AuthorizationLost, PluginError, Rejected, RetryLater, Uncertain
from channelmix.hookspecs import Clock
from channelmix.http import was_not_sent

HOST = "https://api.pinterest.com"
Json = dict[str, Any]
RESTING = timedelta(minutes=1)
"""Standard access counts by the minute."""
LONGEST = timedelta(days=1)
"""Trial access counts by the day."""

_CATEGORIES = (
    ("GET", re.compile(r"(pins/[0-9]+|user_account)/analytics"), "org_analytics"),
    ("GET", re.compile(r".*"), "org_read"),
    ("POST", re.compile(r"oauth/token"), "org_read"),
    ("POST", re.compile(r".*"), "org_write"),
    ("PATCH", re.compile(r".*"), "org_write"),
    ("DELETE", re.compile(r".*"), "org_write"),
)


def category(method: str, path: str) -> str:
    """Name the rate limit category of a call: `x-ratelimit-category` in the API document."""
    return next(name for verb, form, name in _CATEGORIES if verb == method and form.fullmatch(path))


class Refusal(Rejected):
    """A refusal with its HTTP status and Pinterest's code."""

    def __init__(self, reason: str, *, status: int, code: int) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code


@frozen(kw_only=True)
class Rest:
    """Until when which category is used up; it lasts as long as the plugin."""

    until: dict[str, datetime] = field(factory=dict)

    def left(self, name: str, now: datetime) -> timedelta | None:
        """Return how long a category rests, None if it does not."""
        end = self.until.get(name)
        return end - now if end is not None and end > now else None


@frozen(kw_only=True)
class Api:
    """The API with one account's token."""

    http: httpx.AsyncClient
    clock: Clock
    token: Callable[[], Awaitable[str]] = field(repr=False)
    rest: Rest = field(factory=Rest)
    host: str = HOST

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """Read `path`. Raises: `RetryLater`, `AuthorizationLost`, `Refusal`."""
        return await self._call("GET", path, lost=RetryLater, params=params)

    async def send(self, method: str, path: str, content: Json | None = None) -> Json:
        """Carry out one writing call.

        Raises: `RetryLater` where it surely had no effect, `Uncertain` where it may have had
        one, `AuthorizationLost`, `Refusal`.
        """
        return await self._call(method, path, lost=Uncertain, json=content)

    async def _call(self, method: str, path: str, *, lost: type[PluginError], **more: Any) -> Json:
        where, name = f"{method} /{path}", category(method, path)
        if left := self.rest.left(name, self.clock.now()):
            raise RetryLater(f"{where}: the {name} calls are used up", after=left)
        headers = {"Authorization": f"Bearer {await self.token()}"}
        answer = await request(
            self.http, method, f"{self.host}/v5/{path}", where, lost=lost, headers=headers, **more
        )
        self._mind(answer, name)
        return read(answer, where, lost=lost, after=self.rest.left(name, self.clock.now()))

    def _mind(self, answer: httpx.Response, name: str) -> None:
        """Stop before Pinterest refuses: what is used up rests until it is there again."""
        used_up = answer.headers.get("x-ratelimit-remaining", "").strip() == "0"
        if used_up or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self.rest.until[name] = self.clock.now() + _reset(answer.headers)


async def request(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    where: str,
    *,
    lost: type[PluginError],
    **more: Any,
) -> httpx.Response:
    """Make one request. Raises: `RetryLater` if it was not sent, else `lost`."""
    try:
        return await http.request(method, url, **more)
    except httpx.RequestError as error:
        reason = f"{where}: {type(error).__name__}"
        unsent = isinstance(error, httpx.TransportError) and was_not_sent(error)
        raise (RetryLater if unsent else lost)(reason) from error


def read(
    answer: httpx.Response,
    where: str,
    *,
    lost: type[PluginError],
    after: timedelta | None = None,
) -> Json:
    """Return the JSON of a good answer; `lost` is raised where nothing can be known.

    By HTTP status, as Pinterest's codes are not listed for every call. `after` is how long a
    throttled caller waits.
    """
    document = _json(answer)
    if answer.is_success:
        if answer.status_code == httpx.codes.NO_CONTENT:
            return {}
        if document is None:
            raise lost(f"{where}: the answer is not a JSON object")
        return document
    status, code = answer.status_code, (document or {}).get("code")
    said = str((document or {}).get("message") or answer.reason_phrase)
    reason = f"{where}: {said[:200]} (status {status}, code {code})"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise RetryLater(reason, after=after or RESTING)
    if status == httpx.codes.UNAUTHORIZED:
        raise AuthorizationLost(f"{where}: the token no longer holds: run `channelmix connect`")
    if status == httpx.codes.REQUEST_TIMEOUT or answer.is_server_error:
        raise lost(reason)
    raise Refusal(reason, status=status, code=code if isinstance(code, int) else 0)


def _json(answer: httpx.Response) -> Json | None:
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _reset(headers: Mapping[str, str]) -> timedelta:
    """Return when the limit is whole again: seconds, never in the past, at most a day."""
    match = re.match(r"\s*([0-9]+)", headers.get("x-ratelimit-reset", ""))
    seconds = int(match[1]) if match else 0
    return min(timedelta(seconds=seconds), LONGEST) if seconds else RESTING
