"""Fetching from a blog: bounded, conditional, and what each answer means for the host.

Sources: RFC 9110 for conditional requests; the WordPress REST API Handbook, pages "Comments",
"Pagination", "Authentication" and "Users", for the rest.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

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
from channelmix.http import was_not_sent
from channelmix.payloads import Json, decode, obj, words

LONGEST = 5_000_000
"""Bytes of an answer that are read; a feed has the newest posts only, a page of comments 100."""
RESTING = timedelta(minutes=1)
FLOOD = timedelta(seconds=30)
"""WordPress takes one comment in 15 seconds of who may not moderate."""
_LOGIN = frozenset(
    {
        "application_passwords_disabled",
        "application_passwords_disabled_for_user",
        "incorrect_password",
        "invalid_email",
        "invalid_username",
        "rest_comment_login_required",
        "rest_not_logged_in",
    }
)
UNCHANGED = "rest_comment_failed_edit"
"""Also what WordPress says (500) of a status that is set already: nothing was changed."""
ADVICE: Mapping[str, str] = {
    "comment_duplicate": "the same comment is there already",
    "comment_content_column_length": "the text is too long",
    "rest_cannot_delete": "this user may not delete it",
    "rest_cannot_edit": "this user may not moderate comments",
    UNCHANGED: "WordPress did not change it",
    "rest_comment_closed": "comments are closed for this post",
    "rest_comment_invalid_id": "the comment is gone",
    "rest_comment_invalid_post_id": "the post is gone",
    "rest_comment_trash_post": "the post is gone",
    "rest_no_route": "there is no such route: is it WordPress, with its REST API on?",
}


class Refusal(Rejected):
    """A refusal with its HTTP status and WordPress's code."""

    def __init__(self, text: str, *, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@frozen(kw_only=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@frozen(kw_only=True)
class Web:
    """What a blog shows to everybody."""

    http: httpx.AsyncClient
    url: str
    """The blog's address as everybody knows it, with a slash at its end."""
    base: str
    """Where it is fetched: the same, or a simulator."""

    def whole(self, address: str) -> str:
        """Return the whole of an address, or of a path below the blog's."""
        return urljoin(self.url, address)

    def at(self, address: str) -> str:
        """Say where it is fetched."""
        whole = self.whole(address)
        return self.base + whole[len(self.url) :] if whole.startswith(self.url) else whole

    async def get(self, address: str, known: Mapping[str, Any] | None = None) -> Answer | None:
        """Read an address; None: it is as `known` (`etag`, `modified`) had it.

        Raises: `RetryLater`, `Rejected`, `InvalidPayload` (it is longer than `LONGEST`).
        """
        where, headers = f"GET {urlsplit(self.whole(address)).path}", {}
        for name, kept in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")):
            if known and known.get(kept):
                headers[name] = str(known[kept])
        answer = await _exchange(
            self.http, "GET", self.at(address), where, lost=RetryLater, headers=headers
        )
        if answer.status == httpx.codes.NOT_MODIFIED and headers:
            return None
        if httpx.codes.is_redirect(answer.status):
            # Not followed: a blog that was taken over could point into our own network.
            there = answer.headers.get("location", "").partition("?")[0]
            raise Rejected(f"{where}: it has moved to {there[:200]}: write that down instead")
        if not httpx.codes.is_success(answer.status):
            raise _passing(answer, where) or Rejected(f"{where}: status {answer.status}")
        return answer


@frozen(kw_only=True)
class Rest:
    """WordPress's REST API, as a user or as everybody."""

    http: httpx.AsyncClient
    base: str
    """The address of the blog, with a slash at its end."""
    auth: httpx.BasicAuth | None = None

    async def get(self, path: str, params: Mapping[str, str]) -> tuple[Any, int]:
        """Read `path`; return it with the number of pages (0: not told).

        Raises: `RetryLater`, `AuthorizationLost`, `Refusal`, `InvalidPayload`.
        """
        found, headers = await self._call("GET", path, RetryLater, params=params)
        pages = headers.get("x-wp-totalpages", "")
        return found, int(pages) if pages.isdecimal() else 0

    async def send(self, method: str, path: str, content: Json | None = None) -> Json:
        """Carry out one writing call.

        Raises: `RetryLater` where it surely had no effect, `Uncertain` where it may have had
        one, `AuthorizationLost`, `Refusal`.
        """
        more = {} if content is None else {"json": content}
        return obj((await self._call(method, path, Uncertain, **more))[0])

    async def me(self) -> Json:
        """Return our own user, with what it may do. Raises: as `get`."""
        return obj((await self.get("users/me", {"context": "edit"}))[0])

    async def _call(
        self, method: str, path: str, lost: type[PluginError], **more: Any
    ) -> tuple[Any, Mapping[str, str]]:
        where = f"{method} /wp/v2/{path}"
        url = f"{self.base}wp-json/wp/v2/{path}"
        if self.auth is not None:
            more["auth"] = self.auth
        answer = await _exchange(self.http, method, url, where, lost=lost, **more)
        try:
            found = decode(answer.body)
        except InvalidPayload:
            found = None
        if not httpx.codes.is_success(answer.status):
            raise self._error(answer, words(obj(found).get("code")) or "", where, lost)
        if not isinstance(found, dict | list):
            raise lost(f"{where}: the answer is no JSON: is the REST API on?")
        return found, answer.headers

    def _error(self, answer: Answer, code: str, where: str, lost: type[PluginError]) -> PluginError:
        """Say what a refusal means, by its code; by the status where none is told."""
        text = f"{where}: {ADVICE.get(code, code[:60] or 'no reason given')} ({answer.status})"
        if code == "comment_flood":
            return RetryLater(text, after=FLOOD)
        if code in _LOGIN or (answer.status == httpx.codes.UNAUTHORIZED and not code):
            return AuthorizationLost(f"{where}: the application password does not hold ({code})")
        passing = _passing(answer, where) if code != UNCHANGED else None
        if passing and answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return lost(text)
        return passing or Refusal(text, status=answer.status, code=code)


async def _exchange(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    where: str,
    *,
    lost: type[PluginError],
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Answer:
    """Make one request and read its answer, as far as `LONGEST`."""
    body, headers = bytearray(), {"Accept-Encoding": "gzip", **(headers or {})}
    try:
        async with http.stream(method, url, headers=headers, **more) as answer:
            packed = answer.headers.get("content-encoding", "") not in {"", "identity"}
            # Unpacked here, because httpx unpacks a whole chunk, which may become a thousand.
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress if packed else None
            async for chunk in answer.aiter_raw():
                body += unpack(chunk, LONGEST + 1 - len(body)) if unpack else chunk
                if len(body) > LONGEST:
                    break
    except zlib.error as error:
        raise lost(f"{where}: the answer cannot be unpacked") from error
    except httpx.InvalidURL as error:
        raise Rejected(f"{where}: this is no address") from error
    except httpx.RequestError as error:
        unsent = isinstance(error, httpx.TransportError) and was_not_sent(error)
        raise (RetryLater if unsent else lost)(f"{where}: {type(error).__name__}") from error
    if len(body) > LONGEST:
        refused = Uncertain if lost is Uncertain else InvalidPayload
        raise refused(f"{where}: longer than {LONGEST // 1_000_000} MB, so it was not read")
    return Answer(status=answer.status_code, headers=answer.headers, body=bytes(body))


def _passing(answer: Answer, where: str) -> RetryLater | None:
    """Return when to come again, None where that is no use."""
    status = answer.status
    if status < httpx.codes.INTERNAL_SERVER_ERROR and status != httpx.codes.TOO_MANY_REQUESTS:
        return None
    asked = answer.headers.get("retry-after", "")
    seconds = min(int(asked[:6]), 86_400) if asked.isdecimal() else 0
    after = max(timedelta(seconds=seconds), RESTING)
    return RetryLater(f"{where}: status {status}", after=after)
