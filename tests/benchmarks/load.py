"""A load generator: many connections, each with one request under way at any time.

It does next to nothing for a request (a write, a parse in C), so that one core of it keeps a
server on another core busy; the table shows that it does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import httptools

from tests.benchmarks.network import SIGNATURE, WEBHOOK, delivery, sign


def request(number: int, host: str) -> bytes:
    """Return the bytes of one signed webhook."""
    body = delivery(number)
    head = (
        f"POST {WEBHOOK} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"{SIGNATURE}: {sign(body)}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._since = 0.0
        self.seconds: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Count one answer (httptools calls this)."""
        self.seconds.append(time.perf_counter() - self._since)
        status = self._parser.get_status_code()
        if status != 200:
            self._fail(RuntimeError(f"answered {status}"))
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        following = next(self._requests, None)
        if following is not None:
            self._since = time.perf_counter()
            self._transport.write(following)
        elif not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


async def send(url: str, requests: Sequence[bytes], connections: int) -> list[float]:
    """Send all over so many connections; return how long each took, in seconds.

    Raises: `RuntimeError` for an answer that is not 200.
    """
    loop, source = asyncio.get_running_loop(), iter(requests)
    host, _, port = urlsplit(url).netloc.partition(":")
    done = [loop.create_future() for _ in range(connections)]
    made = [
        await loop.create_connection(partial(_Connection, source, one), host, int(port))
        for one in done
    ]
    try:
        await asyncio.gather(*done)
    finally:
        for transport, _ in made:
            transport.close()
    return [seconds for _, protocol in made for seconds in protocol.seconds]
