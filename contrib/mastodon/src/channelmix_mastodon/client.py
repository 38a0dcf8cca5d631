"""Calls of a Mastodon server, and what each answer means for the host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from attrs import field, frozen
from channelmix import Services
from channelmix.errors import AuthorizationLost, PluginError, Rejected, RetryLater
from channelmix.http import was_not_sent

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
    token: str | None = field(default=None, repr=False)

    async def call(
        self,
        method: str,
        path: str,
        *,
        otherwise: type[PluginError],
        refused: type[PluginError] = Rejected,
        lost: type[PluginError] = AuthorizationLost,
        missing: type[PluginError] = Gone,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Make one call.

        Raises: `RetryLater`, `lost` for a token that does not hold, `missing` for what is not
        there, `refused` for any other refusal that lasts, and `otherwise` where nobody knows
        whether the network acted.
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
        self._slow_down(answer)
        if not answer.is_success:
            raise self._refusal(answer, where, otherwise, refused, lost, missing)
        return answer

    def _slow_down(self, answer: httpx.Response) -> None:
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
        return min(max(wait, timedelta(seconds=1)), timedelta(hours=1))

    def _refusal(
        self, answer: httpx.Response, where: str, *kinds: type[PluginError]
    ) -> PluginError:
        """Say what the host must do, by the status and never by the words."""
        otherwise, refused, lost, missing = kinds
        reason = f"{where}: HTTP {answer.status_code}"
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return lost(f"{reason}: {CONNECT}")
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return RetryLater(reason, after=self._wait(answer))
        if answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
            return missing(f"{reason}{self._words(answer)}")
        if answer.is_client_error:
            return refused(f"{reason}{self._words(answer)}")
        return otherwise(reason)

    def _words(self, answer: httpx.Response) -> str:
        try:
            said = json.loads(answer.content)["error"]
        except (ValueError, RecursionError, TypeError, KeyError):
            return ""
        words = " ".join(said.split())[:WORDS] if isinstance(said, str) else ""
        if self.token:
            words = words.replace(self.token, "***")
        return f": {words}" if words else ""
