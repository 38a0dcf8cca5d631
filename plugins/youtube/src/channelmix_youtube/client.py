"""Calls of the YouTube Data API v3, what each costs, and what its answer means for the host.

Sources: YouTube's pages "Quota Calculator", "Errors" and the reference of each method. Every call
is paid for before it is made, because a refused one costs as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from attrs import field, frozen
from channelmix.errors import AuthorizationLost, PluginError, Rejected, RetryLater, Uncertain
from channelmix.hookspecs import Budget, Clock, Pace
from channelmix.http import was_not_sent

HOST = "https://youtube.googleapis.com"
PACIFIC = ZoneInfo("America/Los_Angeles")
"""Where the day of the quota begins."""
LIST, WRITE = 1, 50
COSTS: Mapping[tuple[str, str], int] = {
    ("GET", "liveChat/messages"): 5,
    ("GET", "search"): 0,
}
"""What differs: live chat is not in the table any more; searches have a bucket of their own."""
Json = dict[str, Any]

_USED_UP = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "servingLimitExceeded"})
_PASSING = frozenset({"processingFailure", "backendError", "internalError", "SERVICE_UNAVAILABLE"})
ADVICE: Mapping[str, str] = {
    "commentsDisabled": "comments are switched off for this video",
    "forbidden": "not allowed: see `channelmix check --online`",
    "insufficientPermissions": "the access does not cover this: run `channelmix connect`",
    "ineligibleAccount": "this Google account has no YouTube channel",
    "operationNotSupported": "YouTube does not offer this here",
    "parentCommentIsPrivate": "the comment is not public: publish it first",
    "commentTextTooLong": "the text is too long",
    "commentNotFound": "the comment is gone",
    "videoNotFound": "the video is gone",
    "channelNotFound": "the channel is gone",
    "liveChatEnded": "the live chat has ended",
    "liveChatDisabled": "the live chat is switched off",
}


class Refusal(Rejected):
    """A refusal with YouTube's reason for it."""

    def __init__(self, text: str, *, reason: str, status: int) -> None:
        super().__init__(text)
        self.reason = reason
        self.status = status


def midnight(now: datetime) -> datetime:
    """Return when the quota is whole again: the next midnight in California, summer or winter."""
    day = now.astimezone(PACIFIC).date() + timedelta(days=1)
    return datetime.combine(day, time(), PACIFIC).astimezone(now.tzinfo)


def cost(method: str, path: str) -> int:
    """Return what a call costs, in units."""
    return COSTS.get((method, path), LIST if method == "GET" else WRITE)


@frozen(kw_only=True)
class Api:
    """The Data API with one channel's access."""

    http: httpx.AsyncClient
    clock: Clock
    pace: Pace
    budget: Budget
    token: Callable[[], Awaitable[str]] = field(repr=False)
    host: str = HOST

    async def get(
        self, path: str, params: Mapping[str, str], *, etag: str | None = None, reply: bool = False
    ) -> Json | None:
        """Read `path`; None: the same as what has this `etag`.

        That saves the reading, and no quota. `reply` says that it serves a reply, which may use
        what polls may not. Raises: `RetryLater`, `AuthorizationLost`, `Refusal`.
        """
        headers = {"If-None-Match": etag} if etag else {}
        return await self._call("GET", path, params, RetryLater, reply=reply, headers=headers)

    async def read(self, path: str, params: Mapping[str, str], *, reply: bool = False) -> Json:
        """Read `path`. Raises: as `get`."""
        return await self.get(path, params, reply=reply) or {}

    async def send(
        self, method: str, path: str, params: Mapping[str, str], content: Json | None = None
    ) -> Json:
        """Carry out one writing call.

        Raises: `RetryLater` where it surely had no effect, `Uncertain` where it may have had
        one, `AuthorizationLost`, `Refusal`.
        """
        more = {} if content is None else {"json": content}
        return await self._call(method, path, params, Uncertain, reply=True, **more) or {}

    async def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        lost: type[PluginError],
        *,
        reply: bool,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Json | None:
        where = f"{method} {path}"
        token = await self.token()
        units = cost(method, path)
        if units:
            await self.budget.spend(units, reply=reply)
        try:
            answer = await self.http.request(
                method,
                f"{self.host}/youtube/v3/{path}",
                params=params,
                headers={**(headers or {}), "Authorization": f"Bearer {token}"},
                **more,
            )
        except httpx.RequestError as error:
            raise lost_or_unsent(error, where, lost) from error
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return None
        return self._read(answer, where, lost, shared=units > 0)

    def _read(
        self, answer: httpx.Response, where: str, lost: type[PluginError], *, shared: bool
    ) -> Json:
        if answer.status_code == httpx.codes.NO_CONTENT:
            return {}
        document = parse(answer)
        if answer.is_success:
            if document is None:
                raise lost(f"{where}: the answer is not a JSON object")
            return document
        raise self._error(answer.status_code, reason_of(document), where, lost, shared=shared)

    def _error(
        self, status: int, reason: str, where: str, lost: type[PluginError], *, shared: bool
    ) -> PluginError:
        """Say what an error means, by its reason; by the status where none is told.

        `shared`: what is used up is the quota of all calls, not the bucket of searches.
        """
        text = f"{where}: {ADVICE.get(reason, reason or 'no reason given')} (status {status})"
        if reason in _USED_UP:
            again = midnight(self.clock.now())
            if shared:
                self.pace.hold(again, "YouTube's quota of the day is used up", replies=True)
            return RetryLater(text, after=again - self.clock.now())
        if reason in _TOO_FAST or status == httpx.codes.TOO_MANY_REQUESTS:
            return RetryLater(text, after=timedelta(minutes=1))
        if status == httpx.codes.UNAUTHORIZED:
            return AuthorizationLost(f"{where}: the access no longer holds: `channelmix connect`")
        if reason in _PASSING or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return lost(text)
        return Refusal(text, reason=reason, status=status)


def lost_or_unsent(error: httpx.RequestError, where: str, lost: type[PluginError]) -> PluginError:
    """Return what a broken connection means: surely not sent, or `lost`."""
    unsent = isinstance(error, httpx.TransportError) and was_not_sent(error)
    return (RetryLater if unsent else lost)(f"{where}: {type(error).__name__}")


def parse(answer: httpx.Response) -> Json | None:
    """Return the JSON object of an answer, None if it is none."""
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def reason_of(document: Json | None) -> str:
    """Return `error.errors[0].reason`, or `error.status`, or nothing."""
    error = (document or {}).get("error")
    if not isinstance(error, dict):
        return str(error or "")
    errors = error.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    reason = first.get("reason") if isinstance(first, dict) else None
    return str(reason or error.get("status") or "")
