"""The webhook addresses and the health check, as a plain ASGI callable.

Plain, because a network counts a slow answer as a failed one, and because it then mounts into
any framework that a host has chosen already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from attrs import field, frozen
from channelmix.errors import NotFound, StoreError
from channelmix.records import WebhookRequest, WebhookResponse
from channelmix.settings import Settings

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WEBHOOKS = "/webhooks/"
HEALTH = "/healthz"
BODY_SECONDS = 30.0
RETRY_AFTER_SECONDS = 10
_LATE = "the body is late"


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


@frozen(kw_only=True)
class _Answer:
    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(factory=dict)


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
            answer: _Answer | None = await _healthz(desk, scope["method"])
        elif path.startswith(WEBHOOKS):
            name = path.removeprefix(WEBHOOKS)
            answer = await _webhook(desk, name, scope, receive, body_seconds)
        else:
            answer = _Answer(status=404, body="No such address.")
        if answer is not None:
            await _send(send, answer)

    return application


async def _healthz(desk: WebDesk, method: str) -> _Answer:
    if method not in ("GET", "HEAD"):
        return _not_allowed("GET, HEAD")
    try:
        health = await desk.health()
    except StoreError:  # its text may name files and hosts, and this address is public
        health = {"status": "store unavailable"}
    return _Answer(
        status=200 if health["status"] == "ok" else 503,
        body=json.dumps(health, default=str),
        content_type="application/json",
        headers={"cache-control": "no-store"},
    )


async def _webhook(
    desk: WebDesk, name: str, scope: Scope, receive: Receive, seconds: float
) -> _Answer | None:
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


async def _ask(desk: WebDesk, name: str, request: WebhookRequest) -> _Answer:
    try:
        response = await desk.receive(name, request)
    except NotFound:
        return _Answer(status=404, body="No such app.")
    except StoreError:
        retry = {"retry-after": str(RETRY_AFTER_SECONDS)}
        return _Answer(status=503, body="Not stored; send it again.", headers=retry)
    return _Answer(status=response.status, body=response.body, content_type=response.content_type)


async def _in_time(reading: Coroutine[Any, Any, T], seconds: float) -> T:
    """Await what is nearly always there already: a bare timer costs a tenth of a timeout scope.

    Raises: `TimeoutError`.
    """
    task = asyncio.current_task()
    if task is None:  # pragma: no cover - an application runs in a task
        return await reading
    timer = asyncio.get_running_loop().call_later(seconds, task.cancel, _LATE)
    try:
        return await reading
    except asyncio.CancelledError as cancelled:
        if _LATE not in cancelled.args or task.uncancel():  # the host cancels, it as well
            raise
        raise TimeoutError from None
    finally:
        timer.cancel()


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


def _not_allowed(allowed: str) -> _Answer:
    return _Answer(status=405, body="Method not allowed.", headers={"allow": allowed})


def _closing(status: int, body: str) -> _Answer:
    """Refuse a body that is not read to its end: the connection is of no more use."""
    return _Answer(status=status, body=body, headers={"connection": "close"})


async def _send(send: Send, answer: _Answer) -> None:
    body = answer.body.encode()
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        *((key.encode(), value.encode()) for key, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
