"""Calls of a Mastodon server, and what each answer means for the host.

Sources: Mastodon's documentation, "Rate limits", "OAuth scopes" and the pages of the methods. The
token travels in the `Authorization` header.
"""

from __future__ import annotations

from collections.abc import Sequence
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
)
from channelmix.hookspecs import Services
from channelmix.http import was_not_sent
from channelmix.payloads import decode, obj

from channelmix_mastodon import wire

Params = Sequence[tuple[str, str]]

LOW = 30
"""With fewer requests left than this, of 300 in five minutes, polls wait: replies need them."""
PERIOD = timedelta(minutes=5)
WORDS = 200
CONNECT = "log in again with `channelmix connect`, or put a new `access_token` into the file"


class Gone(Rejected):
    """The server shows no such thing: it never was there, was deleted, or is hidden from us."""


@frozen(kw_only=True)
class Client:
    """The API of one server, with one account's token."""

    services: Services
    host: str
    token: str = field(default="", repr=False)

    async def get(self, path: str, kind: type[wire.Wire], params: Params = ()) -> wire.Wire:
        """Read something. Raises: as `call`, `RetryLater` for what is not as documented."""
        answer = await self.call("GET", path, params=list(params))
        return wire.read(answer.content, kind, RetryLater)

    async def call(
        self,
        method: str,
        path: str,
        *,
        otherwise: type[RetryLater | Uncertain] = RetryLater,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Make one call.

        Raises: `RetryLater`, `AuthorizationLost`, `Gone` for what is not there, `Rejected` for
        any other refusal, and `otherwise` where nobody knows whether the server acted.
        """
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        where = f"{method} {path}"
        try:
            answer = await self.services.http.request(
                method, self.host + path, headers={**bearer, **(headers or {})}, **more
            )
        except httpx.TransportError as error:
            kind = RetryLater if was_not_sent(error) else otherwise
            raise kind(f"{where}: {type(error).__name__}") from error
        if method == "GET":
            self._slow_down(answer)
        if not answer.is_success:
            raise self._refusal(answer, where, otherwise)
        return answer

    def _slow_down(self, answer: httpx.Response) -> None:
        """Let polls wait if their limit is near.

        Answers tell of the limit that is nearest: after an upload or a deletion that is one of 30
        in half an hour, which is nothing to polls.
        """
        left = answer.headers.get("x-ratelimit-remaining", "")
        if left.isdecimal() and int(left) < LOW:
            until = self.services.clock.now() + self._wait(answer)
            self.services.pace.hold(until, f"{left} requests left at the server")

    def _wait(self, answer: httpx.Response) -> timedelta:
        try:
            until = datetime.fromisoformat(answer.headers.get("x-ratelimit-reset", ""))
            wait = until - self.services.clock.now()
        except (ValueError, TypeError):
            return PERIOD
        return min(max(wait, timedelta(seconds=1)), timedelta(hours=3))

    def _refusal(
        self, answer: httpx.Response, where: str, otherwise: type[PluginError]
    ) -> PluginError:
        """Say what the host must do, by the status and never by the words."""
        reason = f"{where}: HTTP {answer.status_code}"
        match answer.status_code:
            case 401 | 403:  # no such token, a login that is disabled, or a permission that lacks
                return AuthorizationLost(f"{reason}{self._words(answer)}; {CONNECT}")
            case 404 | 410:
                return Gone(f"{reason}{self._words(answer)}")
            case 429:
                return RetryLater(reason, after=self._wait(answer))
        if answer.is_client_error:
            return Rejected(f"{reason}{self._words(answer)}")
        return otherwise(reason)

    def _words(self, answer: httpx.Response) -> str:
        try:
            said = obj(decode(answer.content)).get("error")
        except InvalidPayload:
            return ""
        words = " ".join(said.split())[:WORDS] if isinstance(said, str) else ""
        if self.token:
            words = words.replace(self.token, "***")
        return f": {words}" if words else ""
