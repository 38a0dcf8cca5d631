"""Calls of X's API v2, and what each answer means for the host.

A send that may have had its effect is `Uncertain`, whatever it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlencode

import httpx
from attrs import frozen
from channelmix.errors import (
    AuthorizationLost,
    InvalidPayload,
    PluginError,
    Rejected,
    RetryLater,
    Uncertain,
)
from channelmix.hookspecs import Clock, Pace
from channelmix.http import was_not_sent
from channelmix.payloads import Json, decode, obj, objects, words

from channelmix_twitter import policy
from channelmix_twitter.policy import Verdict

HOST = "https://api.x.com"
Params = Mapping[str, str]
LOW = 0.1
"""From which part of a limit on the calls that are left are spread over the time that is left."""


class Refusal(Rejected):
    """A refusal with what it means."""

    def __init__(self, reason: str, *, verdict: Verdict) -> None:
        super().__init__(reason)
        self.verdict = verdict


class Key(Protocol):
    """What makes a call somebody's."""

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the headers to send. Raises: `AuthorizationLost`, `RetryLater`."""

    def refused(self) -> bool:
        """Take note of a 401; say whether another try may go better."""


@frozen(kw_only=True)
class Answer:
    """The JSON of a good answer, and how its limit stands."""

    body: Json
    rest: timedelta | None = None
    """How long to wait so that what is left of the limit lasts; None: there is enough."""


@frozen(kw_only=True)
class Api:
    """X's API with one key."""

    http: httpx.AsyncClient
    clock: Clock
    pace: Pace
    key: Key
    host: str = HOST

    async def get(self, path: str, params: Params | None = None) -> Answer:
        """Read `path`. Raises: `RetryLater`, `AuthorizationLost`, `Refusal`."""
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        answer = await self._exchange("GET", path + query, lost=RetryLater)
        return Answer(body=self._read(answer, f"GET {path}", RetryLater), rest=self._rest(answer))

    async def send(
        self, method: str, path: str, body: Any = None, *, files: Any = None, form: Any = None
    ) -> Json:
        """Carry out one writing call with a JSON `body`, or a form with files.

        Raises: `RetryLater` where it surely had no effect, `Uncertain` where it may have had
        one, `AuthorizationLost`, `Refusal`.
        """
        content: dict[str, Any] = {"files": files, "data": form} if files else {"json": body}
        if body is None and not files:
            content = {}
        answer = await self._exchange(method, path, lost=Uncertain, **content)
        return self._read(answer, f"{method} {path}", Uncertain)

    async def _exchange(
        self, method: str, target: str, *, lost: type[PluginError], **content: Any
    ) -> httpx.Response:
        url = self.host + target
        headers = await self.key.headers(method, url)
        try:
            return await self.http.request(method, url, headers=headers, **content)
        except httpx.RequestError as error:
            where = f"{method} {target.partition('?')[0]}: {type(error).__name__}"
            unsent = isinstance(error, httpx.TransportError) and was_not_sent(error)
            raise (RetryLater if unsent else lost)(where) from error

    def _read(self, answer: httpx.Response, where: str, lost: type[PluginError]) -> Json:
        """Return the JSON of a good answer; `lost` is raised where nothing can be known.

        Errors beside data are about objects that are gone or protected: the data counts.
        """
        document = _parse(answer)
        if answer.is_success and isinstance(document, dict):
            if "data" in document or not document.get("errors"):
                return document
        elif answer.is_success:
            raise lost(f"{where}: the answer is no JSON object")
        raise self._error(answer, obj(document), where, lost)

    def _error(
        self, answer: httpx.Response, document: Json, where: str, lost: type[PluginError]
    ) -> PluginError:
        errors = objects(document.get("errors"))
        problem = {**(errors[0] if errors else {}), **document}
        blamed = frozenset(name for one in errors for name in obj(one.get("parameters")))
        verdict = policy.judge(answer.status_code, str(problem.get("type") or ""), blamed)
        said = words(problem.get("detail")) or words(problem.get("message")) or "no reason given"
        said = _masked(said, answer.request.headers.get("authorization", ""))
        reason = f"{where}: {said} (HTTP {answer.status_code})"
        if verdict is Verdict.THROTTLED:
            return self._throttled(answer, f"{where}: a rate limit is used up")
        if verdict is Verdict.BROKE:
            until = self.clock.now() + policy.BROKE_PAUSE
            self.pace.hold(until, "the credit at X is used up", replies=True)
            return RetryLater(reason, after=policy.BROKE_PAUSE)
        if verdict is Verdict.TOKEN:
            return self._unauthorized(where)
        return lost(reason) if verdict is Verdict.PASSING else Refusal(reason, verdict=verdict)

    def _unauthorized(self, where: str) -> PluginError:
        if self.key.refused():
            return RetryLater(f"{where}: the access token ended early", after=timedelta(0))
        return AuthorizationLost(f"{where}: X does not take the access token: connect again")

    def _throttled(self, answer: httpx.Response, reason: str) -> RetryLater:
        """Wait as X says; the limits of the whole app hold up all its accounts."""
        headers = answer.headers
        if headers.get("x-app-limit-24hour-remaining") == "0":
            after = self._until(headers.get("x-app-limit-24hour-reset"))
            self.pace.hold(self.clock.now() + after, reason, replies=True)
        else:
            after = self._until(headers.get("x-rate-limit-reset"))
        return RetryLater(reason, after=after)

    def _until(self, reset: str | None) -> timedelta:
        """Return how long it is to a reset; one in the past is a clock that is off."""
        if reset is None or not reset.isdecimal():
            return policy.DEFAULT_PAUSE
        try:
            until = datetime.fromtimestamp(int(reset), UTC) - self.clock.now()
        except (OverflowError, ValueError, OSError):
            return policy.DEFAULT_PAUSE
        return min(max(until, policy.SHORTEST_PAUSE), timedelta(days=1))

    def _rest(self, answer: httpx.Response) -> timedelta | None:
        """Spread the calls that are left, when they are few, over the time that is left."""
        told = [answer.headers.get(f"x-rate-limit-{name}", "") for name in ("limit", "remaining")]
        if not all(one.isdecimal() for one in told):
            return None
        limit, left = map(int, told)
        if left > limit * LOW:
            return None
        return self._until(answer.headers.get("x-rate-limit-reset")) / max(left, 1)


def _masked(said: str, authorization: str) -> str:
    """Take out of what X says whatever it repeats of our credentials."""
    for one in re.findall(r"[^\s\",=]{6,}", authorization):
        said = said.replace(one, "***").replace(unquote(one), "***")
    return said


def _parse(answer: httpx.Response) -> Any:
    try:
        return decode(answer.content)
    except InvalidPayload:
        return None
