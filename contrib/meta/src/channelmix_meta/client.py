"""Calls of the Graph API, and what each answer means for the host.

The token travels in the `Authorization` header, never in a URL. A send that may have had its
effect is `Uncertain`; that holds for every writing call, also for those that could be repeated
without harm (a like), because one rule is easier to trust than two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from attrs import field, frozen
from channelmix.errors import (
    AuthorizationLost,
    InvalidPayload,
    PluginError,
    Rejected,
    RetryLater,
    Uncertain,
    WindowClosed,
)
from channelmix.hookspecs import Clock, Pace
from channelmix.http import was_not_sent
from channelmix.payloads import Json, decode, obj, objects

from channelmix_meta import policy
from channelmix_meta.policy import Verdict
from channelmix_meta.signing import proof

FACEBOOK, INSTAGRAM = "https://graph.facebook.com", "https://graph.instagram.com"
"""Where people log in decides where calls go (Instagram Platform, Overview)."""
Params = Mapping[str, Any]
Upload = tuple[str, bytes, str]
"""A file's name, bytes and media type."""


class Refusal(Rejected):
    """A refusal with Meta's reason for it."""

    def __init__(self, reason: str, *, verdict: Verdict, code: int) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.code = code


@frozen(kw_only=True)
class Usage:
    """How much of the limits is used, from the headers of Meta's "Rate Limits" page."""

    percent: float = 0.0
    regain: timedelta | None = None
    """When calls are possible again, where Meta says."""


@frozen(kw_only=True)
class Graph:
    """The Graph API with one account's token."""

    http: httpx.AsyncClient
    clock: Clock
    pace: Pace
    version: str
    """Such as `v26.0`; empty for the few addresses that have none."""
    token: str = field(repr=False)
    secret: str = field(repr=False)
    host: str = FACEBOOK

    async def get(self, path: str, params: Params | None = None) -> Json:
        """Read `path`. The links in the answer's paging hold the token: keep none of them.

        Raises: `RetryLater`, `AuthorizationLost`, `Refusal`.
        """
        where = f"GET {path}"
        try:
            answer = await self.http.get(
                self._url(path), params=self._signed(params), headers=self._headers
            )
        except httpx.RequestError as error:
            raise RetryLater(f"{where}: {type(error).__name__}") from error
        return self._object(answer, where)

    def _object(self, answer: httpx.Response, where: str) -> Json:
        document = self._read(answer, where, lost=RetryLater)
        if not isinstance(document, dict):
            raise RetryLater(f"{where}: the answer is not a JSON object")
        return document

    async def send(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        files: Mapping[str, Upload] | None = None,
    ) -> Json:
        """Carry out one writing call.

        Raises: `RetryLater` where it surely had no effect, `Uncertain` where it may have had
        one, `AuthorizationLost`, `WindowClosed`, `Refusal`.
        """
        document = await self._write(method, path, params, files)
        if isinstance(document, dict):
            return document
        if document is True:
            return {"success": True}
        raise Uncertain(f"{method} {path}: the answer is not a JSON object")

    async def form(self, path: str, fields: Params) -> Json:
        """Ask by a form, without a token: an exchange that only takes effect when it is read.

        Raises: as `get`.
        """
        where = f"POST {path}"
        try:
            answer = await self.http.post(self._url(path), data=dict(fields))
        except httpx.RequestError as error:
            raise RetryLater(f"{where}: {type(error).__name__}") from error
        return self._object(answer, where)

    async def batch(self, relative_url: str) -> Json:
        """Read one address through the Batch API, which keeps a secret in it out of the URL.

        Source: Meta's "Batch Requests" page. Raises: as `get`.
        """
        calls = json.dumps([{"method": "GET", "relative_url": relative_url}])
        try:
            document = await self._write("POST", "", {"batch": calls}, None)
            return obj(json.loads(document[0]["body"]))
        except Uncertain as error:
            raise RetryLater(str(error)) from error
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise RetryLater("POST /: the answer is no batch") from error

    async def _write(
        self, method: str, path: str, params: Params | None, files: Mapping[str, Upload] | None
    ) -> Any:
        where, signed = f"{method} {path}", self._signed(params)
        # A DELETE has no body in the Graph API, so its parameters stand in the query.
        content: dict[str, Any] = {"params": signed} if method == "DELETE" else {"data": signed}
        try:
            answer = await self.http.request(
                method, self._url(path), headers=self._headers, files=files, **content
            )
        except httpx.RequestError as error:
            reason = f"{where}: {type(error).__name__}"
            if isinstance(error, httpx.TransportError) and was_not_sent(error):
                raise RetryLater(reason) from error
            raise Uncertain(reason) from error
        return self._read(answer, where, lost=Uncertain)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _url(self, path: str) -> str:
        return f"{self.host}/{self.version}/{path}" if self.version else f"{self.host}/{path}"

    def _signed(self, params: Params | None) -> dict[str, str]:
        """Encode as Graph wants form fields, structures as JSON, and add `appsecret_proof`.

        Without a secret there is nothing to prove with.
        """
        given = {name: _encode(value) for name, value in (params or {}).items()}
        proven = {"appsecret_proof": proof(self.secret, self.token)} if self.secret else {}
        return {**given, **proven}

    def _read(self, answer: httpx.Response, where: str, *, lost: type[PluginError]) -> Any:
        """Return the JSON of a good answer; `lost` is raised where nothing can be known."""
        usage = read_usage(answer.headers)
        self._brake(usage)
        document = _parse(answer)
        error = document.get("error") if isinstance(document, dict) else None
        if isinstance(error, dict):
            raise self._error(error, answer.status_code, where, usage, lost)
        if answer.is_success:
            return document
        raise _bare(answer.status_code, where, lost)

    def _error(
        self, error: dict[str, Any], status: int, where: str, usage: Usage, lost: type[PluginError]
    ) -> PluginError:
        code, subcode = _number(error.get("code")), _number(error.get("error_subcode")) or None
        verdict = policy.judge(
            code, subcode, transient=error.get("is_transient") is True, status=status
        )
        reason = f"{where}: {self._explain(error, code, subcode, verdict)}"
        if verdict is Verdict.THROTTLED:
            self._rest(usage.regain or policy.LONGEST_PAUSE, reason)
            return RetryLater(reason, after=usage.regain)
        if verdict is Verdict.BLOCKED:
            self._rest(policy.BLOCKED_PAUSE, reason)
        return _outcome(verdict, reason, code, lost)

    def _explain(
        self, error: dict[str, Any], code: int, subcode: int | None, verdict: Verdict
    ) -> str:
        number = f"{code}/{subcode}" if subcode else str(code)
        # Meta's own sentence may quote the token when that is what it complains of.
        said = "" if verdict is Verdict.TOKEN else str(error.get("message") or "")
        what = policy.advice(code, subcode) or _without(said, self.token) or "no reason given"
        return f"{what} (code {number}, trace {error.get('fbtrace_id') or 'unknown'})"

    def _brake(self, usage: Usage) -> None:
        """Slow down before Meta refuses, not after."""
        if usage.percent < policy.SLOW_FROM:
            return
        near = usage.percent >= policy.STOP_FROM
        rest = max(policy.pause(usage.percent), usage.regain or timedelta(0))
        reason = f"{usage.percent:g} % of a rate limit is used"
        self.pace.hold(self.clock.now() + rest, reason, replies=near)

    def _rest(self, time: timedelta, reason: str) -> None:
        self.pace.hold(self.clock.now() + time, reason, replies=True)


def _outcome(verdict: Verdict, reason: str, code: int, lost: type[PluginError]) -> PluginError:
    if verdict is Verdict.PASSING:
        return lost(reason)
    if verdict is Verdict.TOKEN:
        return AuthorizationLost(reason)
    if verdict is Verdict.WINDOW:
        return WindowClosed(reason)
    return Refusal(reason, verdict=verdict, code=code)


def _bare(status: int, where: str, lost: type[PluginError]) -> PluginError:
    """Judge an answer that did not come from the Graph API itself but from what is before it."""
    reason = f"{where}: HTTP {status} without a reason"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RetryLater(reason)
    passing = not httpx.codes.is_client_error(status) or status == httpx.codes.REQUEST_TIMEOUT
    return _outcome(Verdict.PASSING if passing else Verdict.REFUSED, reason, 0, lost)


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def after_of(page: Mapping[str, Any]) -> str | None:
    """Where the next page starts, None if there is none (Meta's "Paginated Results")."""
    paging = obj(page.get("paging"))
    after = obj(paging.get("cursors")).get("after")
    return after if paging.get("next") and isinstance(after, str) else None


def time_of(item: Mapping[str, Any], *names: str) -> float:
    """Read the first time there is, such as `2021-07-23T09:50:48+0000`.

    Returns seconds since 1970, 0 if there is none. By default when the item was made:
    Facebook's `created_time`, Instagram's `timestamp`.
    """
    for name in names or ("created_time", "timestamp"):
        try:
            return datetime.strptime(str(item.get(name)), "%Y-%m-%dT%H:%M:%S%z").timestamp()
        except (ValueError, OverflowError):
            continue
    return 0.0


def read_usage(headers: Mapping[str, str]) -> Usage:
    """Read `X-App-Usage`, `X-Page-Usage` and `X-Business-Use-Case-Usage`; the highest counts."""
    found = [_table(headers.get(f"x-{name}-usage")) for name in ("app", "page")]
    for entries in _table(headers.get("x-business-use-case-usage")).values():
        found += objects(entries)
    percents = [
        float(one[name])
        for one in found
        for name in ("call_count", "total_cputime", "total_time")
        if isinstance(one.get(name), int | float)
    ]
    minutes = max((_number(one.get("estimated_time_to_regain_access")) for one in found), default=0)
    return Usage(
        percent=max(percents, default=0.0), regain=timedelta(minutes=minutes) if minutes else None
    )


def _table(header: str | None) -> Json:
    try:
        return obj(json.loads(header or "{}"))
    except ValueError:
        return {}


def _parse(answer: httpx.Response) -> Any:
    try:
        return decode(answer.content)
    except InvalidPayload:
        return None


def _encode(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
