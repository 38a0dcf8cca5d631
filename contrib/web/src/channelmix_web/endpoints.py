"""The webhook addresses and the health check, as a plain ASGI callable.

Plain, because a network counts a slow answer as a failed one, and because it then mounts into
any framework that a host has chosen already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Mapping,
    MutableMapping,
    Sequence,
)
from types import coroutine
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import parse_qsl

from channelmix.errors import NotFound, StoreError
from channelmix.records import WebhookRequest, WebhookResponse
from channelmix.settings import Settings

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[WebhookResponse, Mapping[str, str]]
"""What is answered, and its headers but for type and length."""

WEBHOOKS = "/webhooks/"
HEALTH = "/healthz"
BODY_SECONDS = 30.0
RETRY_AFTER_SECONDS = 10


class WebDesk(Protocol):
    """What the endpoints need of a desk."""

    @property
    def settings(self) -> Settings:
        """The configuration; `desk.body_limit` is the most bytes that a body may have."""

    async def receive(self, app: str, request: WebhookRequest) -> WebhookResponse:
        """Store what `request` brings to `app`; the answer comes after the commit.

        Raises: `NotFound` for an unknown app, `StoreError` if it cannot be stored.
        """

    async def health(self) -> Mapping[str, object]:
        """Say how the desk does: `status` is `ok`, or a word for what is wrong.

        Raises: `StoreError`.
        """


class _TooLarge(Exception):
    """The body is over the limit; what is left of it stays unread."""


def app(desk: WebDesk, *, body_seconds: float = BODY_SECONDS) -> Application:
    """Return the ASGI application of `desk`; it speaks `http` and needs no lifespan.

    `GET` and `POST /webhooks/{app}` hand the request to the desk and answer what the desk says:
    404 for an unknown app, 413 for a body over the limit, 408 for one that takes longer than
    `body_seconds`, 503 with `Retry-After` if the store fails. `GET /healthz` is 200 while the
    desk is well, else 503. A client that leaves before its body is complete leaves nothing.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"channelmix-web speaks http, not {scope['type']}")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == HEALTH:
            answer: Answer | None = await _healthz(desk, scope["method"])
        elif path.startswith(WEBHOOKS):
            name = path.removeprefix(WEBHOOKS)
            answer = await _webhook(desk, name, scope, receive, body_seconds)
        else:
            answer = _plain(404, "No such address.")
        if answer is not None:
            await _send(send, *answer)

    return application


async def _healthz(desk: WebDesk, method: str) -> Answer:
    if method not in ("GET", "HEAD"):
        return _not_allowed("GET, HEAD")
    try:
        health = await desk.health()
    except StoreError:  # its text may name files and hosts, and this address is public
        health = {"status": "store unavailable"}
    response = WebhookResponse(
        status=200 if health["status"] == "ok" else 503,
        body=json.dumps(health, default=str),
        content_type="application/json",
    )
    return response, {"cache-control": "no-store"}


async def _webhook(
    desk: WebDesk, name: str, scope: Scope, receive: Receive, seconds: float
) -> Answer | None:
    if scope["method"] not in ("GET", "POST"):
        return _not_allowed("GET, POST")
    headers = _first(
        [(key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]]
    )
    limit = desk.settings.desk.body_limit
    try:
        body = await _in_time(
            _body(receive, limit, int(headers.get("content-length", "0"))), seconds
        )
    except _TooLarge:
        return _closing(413, f"The body has more than {limit} bytes.")
    except TimeoutError:
        return _closing(408, f"The body took longer than {seconds:g} seconds.")
    if body is None:
        return None
    asked = scope["query_string"].decode("latin-1")
    query = _first(parse_qsl(asked, keep_blank_values=True)) if asked else {}
    request = WebhookRequest(method=scope["method"], headers=headers, query=query, body=body)
    return await _ask(desk, name, request)


async def _ask(desk: WebDesk, name: str, request: WebhookRequest) -> Answer:
    try:
        return await desk.receive(name, request), {}
    except NotFound:
        return _plain(404, "No such app.")
    except StoreError:
        retry = {"retry-after": str(RETRY_AFTER_SECONDS)}
        return _plain(503, "Not stored; send it again.", retry)


async def _in_time(reading: Coroutine[Any, Any, T], seconds: float) -> T:
    """Await what is nearly always there already: only if it has to wait is there a time limit.

    Raises: `TimeoutError`.
    """
    try:
        waits_for = reading.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    async with asyncio.timeout(seconds):
        return await _rest(reading, waits_for)


@coroutine
def _rest(reading: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, None, T]:
    """Go on with a coroutine that has begun to wait."""
    try:
        while True:
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - it is passed on
                waits_for = reading.throw(thrown)
            else:
                waits_for = reading.send(None)
    except StopIteration as done:
        return cast("T", done.value)


async def _body(receive: Receive, limit: int, announced: int) -> bytes | None:
    """Return the whole body, or None if the client left before its end."""
    if announced > limit:
        raise _TooLarge
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if len(body) > limit:
            raise _TooLarge
        if not event.get("more_body", False):
            return bytes(body)


def _first(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs as a mapping in which the first value of a name wins."""
    return dict(reversed(pairs))


def _plain(status: int, body: str, headers: Mapping[str, str] | None = None) -> Answer:
    return WebhookResponse(status=status, body=body), headers or {}


def _not_allowed(allowed: str) -> Answer:
    return _plain(405, "Method not allowed.", {"allow": allowed})


def _closing(status: int, body: str) -> Answer:
    """Refuse a body that is not read to its end: the connection is of no more use."""
    return _plain(status, body, {"connection": "close"})


async def _send(send: Send, response: WebhookResponse, more: Mapping[str, str]) -> None:
    body = response.body.encode()
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    if more:
        headers += [(key.encode(), value.encode()) for key, value in more.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
