"""The channels' HTTP client, against real connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import httpx
import pytest
from attrs import define, field
from channelmix import __version__
from channelmix import http as channel_http
from channelmix.http import client, was_not_sent
from channelmix.http_aiohttp import AiohttpTransport
from channelmix.log import SecretMask, get_logger
from structlog.testing import capture_logs

SECRET = "EAAB-geheim"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
TRANSPORTS = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])

Transport = Literal["aiohttp", "httpx"]


def status(code: int, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n{lines}\r\n".encode()


@define
class Wire:
    """A server that answers what the test says; None closes the connection instead."""

    answers: list[bytes | None] = field(factory=list)
    heads: list[str] = field(factory=list)
    url: str = ""
    connected: int = 0
    may_answer: asyncio.Event = field(factory=asyncio.Event)
    arrived: asyncio.Queue[None] = field(factory=asyncio.Queue)
    ending: Literal["", "closed", "reset"] = ""
    """How the connection ends after the first answer, if it does."""

    @property
    def methods(self) -> list[str]:
        return [head.split(" ")[0] for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                self.arrived.put_nowait(None)
                await self.may_answer.wait()
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if self.ending:
                    break
        if self.ending == "reset":
            plug = writer.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    wire.may_answer.set()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield wire
    wire.may_answer.set()
    server.close()


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_http, "FIRST_WAIT", 0.001)


@asynccontextmanager
async def talking(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with client(channel="page", log=get_logger(), **settings) as http:
        yield http


@TRANSPORTS
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_safe_call_is_tried_again(wire: Wire, method: str, transport: Transport) -> None:
    empty = status(503)
    wire.answers = [empty, status(502), status(200)]
    async with talking(transport=transport) as http:
        response = await http.request(method, wire.url)
    assert response.status_code == 200
    assert wire.methods == [method] * 3


async def test_after_the_last_try_the_answer_is_the_networks(wire: Wire) -> None:
    wire.answers = [BUSY] * 3
    async with talking(concurrency=1, timeout=httpx.Timeout(5, pool=0.5)) as http:
        response = await http.get(wire.url)
        assert (response.status_code, response.text) == (503, "busy")
        assert response.elapsed
    assert len(wire.heads) == 3


@TRANSPORTS
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("answer", [BUSY, None], ids=["busy", "closed"])
async def test_what_changes_something_is_sent_once(
    wire: Wire, method: str, answer: bytes | None, transport: Transport
) -> None:
    wire.answers = [OK, answer]
    async with talking(transport=transport) as http:
        await http.get(wire.url)  # so that the connection is one used before
        with suppress(httpx.TransportError):
            await http.request(method, wire.url, content=b"")
    assert wire.methods == ["GET", method]
    assert wire.connected == 1


@TRANSPORTS
async def test_a_connection_lost_after_sending_is_uncertain(
    wire: Wire, transport: Transport
) -> None:
    wire.answers = [None]
    async with talking(transport=transport) as http:
        with pytest.raises(httpx.TransportError) as caught:
            await http.post(wire.url)
    assert not was_not_sent(caught.value)


@TRANSPORTS
@pytest.mark.parametrize("ending", ["closed", "reset"])
async def test_an_answer_that_breaks_off_is_uncertain(
    wire: Wire, transport: Transport, ending: Literal["closed", "reset"]
) -> None:
    wire.answers, wire.ending = [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok"], ending
    async with talking(transport=transport) as http:
        with pytest.raises(httpx.TransportError) as caught:
            await http.post(wire.url)
    assert not was_not_sent(caught.value)


class Careless(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """A transport that calls a connection lost in the answer a connect time-out."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"o"
        raise httpx.ConnectTimeout("lost")


async def test_what_is_being_answered_was_sent() -> None:
    async with talking(transport=Careless()) as http:
        with pytest.raises(httpx.ReadError) as caught:
            await http.post("http://network.example")
    assert not was_not_sent(caught.value)


@pytest.mark.parametrize("installed", [True, False])
async def test_left_out_it_is_aiohttp_where_that_is_installed(
    installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_http, "find_spec", lambda _name: installed or None)
    inner = channel_http._transport(None, 8)
    assert isinstance(inner, AiohttpTransport if installed else httpx.AsyncHTTPTransport)
    await inner.aclose()


@TRANSPORTS
async def test_a_time_out_after_sending_is_uncertain(wire: Wire, transport: Transport) -> None:
    wire.may_answer.clear()
    async with talking(transport=transport, timeout=httpx.Timeout(5, read=0.02)) as http:
        with pytest.raises(httpx.ReadTimeout) as caught:
            await http.post(wire.url)
    assert not was_not_sent(caught.value)


@TRANSPORTS
async def test_nobody_there_proves_that_nothing_was_sent(
    unused_tcp_port: int, transport: Transport
) -> None:
    async with talking(transport=transport) as http:
        with pytest.raises(httpx.ConnectError) as caught:
            await http.post(f"http://127.0.0.1:{unused_tcp_port}")
    assert was_not_sent(caught.value)


@TRANSPORTS
async def test_an_answer_that_is_no_http_is_a_transport_error(
    wire: Wire, transport: Transport
) -> None:
    wire.answers = [b"SSH-2.0-hello\r\n\r\n"]
    async with talking(transport=transport) as http:
        with pytest.raises(httpx.TransportError) as caught:
            await http.post(wire.url)
    assert not was_not_sent(caught.value)


@pytest.mark.parametrize("after", ["60", "Mon, 08 Jun 2026 09:00:00 GMT"])
async def test_a_long_wait_is_left_to_the_plugin(wire: Wire, after: str) -> None:
    wire.answers = [status(503, f"Retry-After: {after}")]
    async with talking() as http:
        response = await http.get(wire.url)
    assert response.headers["retry-after"] == after
    assert len(wire.heads) == 1


async def test_retries_can_be_switched_off(wire: Wire) -> None:
    wire.answers = [BUSY]
    async with talking(retries=0) as http:
        assert (await http.get(wire.url)).status_code == 503


@TRANSPORTS
async def test_concurrency_is_bounded(wire: Wire, transport: Transport) -> None:
    wire.may_answer.clear()
    async with talking(concurrency=2, transport=transport) as http, asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(http.get(wire.url))
        await wire.arrived.get()
        await wire.arrived.get()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.arrived.get(), 0.05)
        wire.may_answer.set()
    assert len(wire.heads) == 6


async def test_a_place_is_held_until_the_answer_is_read(wire: Wire) -> None:
    timeout = httpx.Timeout(5, pool=0.02)
    async with talking(concurrency=1, timeout=timeout) as http:
        async with http.stream("GET", wire.url):
            with pytest.raises(httpx.PoolTimeout) as caught:
                await http.post(wire.url)
        assert was_not_sent(caught.value)
        assert (await http.post(wire.url)).text == "ok"
    assert wire.methods == ["GET", "POST"]


async def test_a_failure_gives_its_place_back(wire: Wire) -> None:
    wire.answers = [None, None]
    async with talking(concurrency=1) as http:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(wire.url)
        assert (await http.get(wire.url)).status_code == 200


async def test_each_exchange_is_logged_once_with_the_networks_rates(wire: Wire) -> None:
    wire.answers = [
        BUSY,
        status(200, "X-App-Usage: {}", "x-rate-limit-remaining: 3", "Set-Cookie: a=b"),
    ]
    with capture_logs() as lines:
        async with talking() as http:
            await http.get(f"{wire.url}/me/feed", params={"limit": 3, "fields": "id"})
    first, second = lines
    assert (first["event"], first["log_level"], first["status"]) == ("http", "warning", 503)
    assert second["milliseconds"] >= 0
    del second["milliseconds"]
    assert second == {
        "event": "http",
        "log_level": "info",
        "channel": "page",
        "method": "GET",
        "host": wire.url.removeprefix("http://"),
        "path": "/me/feed",
        "query": ["fields", "limit"],
        "status": 200,
        "x-app-usage": "{}",
        "x-rate-limit-remaining": "3",
    }


async def test_a_failed_exchange_is_logged_too(wire: Wire) -> None:
    wire.answers = [None]
    with capture_logs() as lines:
        async with talking() as http:
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(wire.url)
    assert [(line["log_level"], line["error"]) for line in lines] == [
        ("warning", "RemoteProtocolError")
    ]


@TRANSPORTS
async def test_no_secret_is_in_any_log_or_error(
    wire: Wire, caplog: pytest.LogCaptureFixture, transport: Transport
) -> None:
    caplog.set_level(logging.DEBUG)
    wire.answers = [status(400)]
    with capture_logs() as lines:
        async with talking(mask=SecretMask([SECRET]), transport=transport) as http:
            response = await http.post(
                f"{wire.url}/bot{SECRET}/send",
                params={"access_token": SECRET, "limit": "7"},
                headers={"Authorization": f"Bearer {SECRET}"},
                json={"text": SECRET},
            )
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    assert wire.heads[0].startswith(
        f"POST /bot{SECRET}/send?access_token={SECRET}&limit=7 HTTP/1.1"
    )
    assert any(record.name == "httpx" for record in caplog.records)  # it does say something
    told = f"{lines} {caplog.text} {caught.value} {response.url} {response.request!r}"
    assert "geheim" not in told
    assert lines[0]["path"] == "/bot***/send"


async def test_whoever_signs_a_request_sees_its_true_address(wire: Wire) -> None:
    seen: list[str] = []

    def sign(request: httpx.Request) -> httpx.Request:
        seen.append(str(request.url))
        return request

    async with talking() as http:
        await http.get(f"{wire.url}/x?status=hello", auth=sign)
    assert seen == [f"{wire.url}/x?status=hello"]


async def test_it_says_who_it_is_and_follows_nobody(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    wire.answers = [status(302, "Location: /elsewhere")]
    async with talking() as http:
        response = await http.get(wire.url)
    assert response.status_code == 302
    assert f"user-agent: channelmix/{__version__}" in wire.heads[0].lower()
    assert len(wire.heads) == 1
