from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import entry_points
from urllib.parse import urlsplit

import httpx
import pytest
from channelmix.errors import Misconfigured, NotFound, StoreError
from channelmix.records import WebhookRequest, WebhookResponse
from channelmix.settings import DeskSettings, Settings
from channelmix_web import app
from channelmix_web.endpoints import Event
from channelmix_web.server import serve

LIMIT = 1000


class FakeDesk:
    """A desk with one app, `meta`, that does as it is told."""

    def __init__(self) -> None:
        self.settings: Settings = Settings(desk=DeskSettings(body_limit=LIMIT))
        self.requests: list[WebhookRequest] = []
        self.answer: WebhookResponse | Exception = WebhookResponse(body="ok")
        self.well: Mapping[str, object] | Exception = {"status": "ok", "unsettled": 3}
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive(self, app: str, request: WebhookRequest) -> WebhookResponse:
        if app != "meta":
            raise NotFound(f"no app {app}")
        self.entered.set()
        await self.gate.wait()
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def health(self) -> Mapping[str, object]:
        if isinstance(self.well, Exception):
            raise self.well
        return self.well


@pytest.fixture
async def desk() -> FakeDesk:
    return FakeDesk()


@contextlib.asynccontextmanager
async def serving(desk: FakeDesk, *, drain: int = 10) -> AsyncIterator[str]:
    base: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(desk, host="127.0.0.1", port=0, started=base.set_result, drain=drain)
    )
    try:
        yield await base
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


@pytest.fixture
async def base(desk: FakeDesk) -> AsyncIterator[str]:
    async with serving(desk) as base:
        yield base


@pytest.fixture
async def client(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        yield client


async def connect(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(base)
    return await asyncio.open_connection(address.hostname, address.port)


async def test_the_desk_gets_the_request_as_plain_data(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.post(
        "/webhooks/meta?a=1&a=2&empty=&name=Z%C3%BCrich",
        headers=[("X-Signature", "one"), ("x-signature", "two")],
        content=b"\x00 \xff raw",
    )
    assert (answer.status_code, answer.text) == (200, "ok")
    [request] = desk.requests
    assert (request.method, request.body) == ("POST", b"\x00 \xff raw")
    assert request.headers["x-signature"] == "one"
    assert request.query == {"a": "1", "empty": "", "name": "Zürich"}


async def test_a_challenge_is_answered_as_the_plugin_says(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.answer = WebhookResponse(status=403, body="{}", content_type="application/json")
    answer = await client.get("/webhooks/meta", params={"hub.mode": "subscribe"})
    assert desk.requests[0].query == {"hub.mode": "subscribe"}
    assert (answer.status_code, answer.text) == (403, "{}")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/webhooks/nobody", "/webhooks/", "/webhooks/meta/x", "/", "/x"])
async def test_an_unknown_address_is_not_found(
    client: httpx.AsyncClient, desk: FakeDesk, path: str
) -> None:
    assert (await client.post(path, content=b"{}")).status_code == 404
    assert not desk.requests


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/webhooks/meta", "GET, POST"), ("POST", "/healthz", "GET, HEAD")],
)
async def test_other_methods_are_not_allowed(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_a_body_at_the_limit_is_taken_and_one_beyond_is_not(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    assert (await client.post("/webhooks/meta", content=b"x" * LIMIT)).status_code == 200
    assert (await client.post("/webhooks/meta", content=b"x" * (LIMIT + 1))).status_code == 413
    assert len(desk.requests) == 1


@pytest.mark.parametrize(
    "start",
    [
        b"content-length: 1000000\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n" + b"190\r\n" + b"x" * 400 + b"\r\n",
    ],
)
async def test_too_large_a_body_is_refused_before_it_is_read(
    base: str, desk: FakeDesk, start: bytes
) -> None:
    reader, writer = await connect(base)
    writer.write(b"POST /webhooks/meta HTTP/1.1\r\nhost: test\r\n" + start)
    writer.write((b"190\r\n" + b"x" * 400 + b"\r\n") * 2 if b"chunked" in start else b"")
    answer = await reader.read()  # to the end: the connection is closed, the body is not over
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer
    assert not desk.requests


async def test_a_client_that_leaves_before_the_end_leaves_nothing(
    base: str, client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    _, writer = await connect(base)
    writer.write(b"POST /webhooks/meta HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhalf")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await client.post("/webhooks/meta", content=b"whole")
    assert [request.body for request in desk.requests] == [b"whole"]


async def test_a_body_that_never_ends_is_given_up(desk: FakeDesk) -> None:
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    async def never() -> Event:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/webhooks/meta", "headers": []}
    await app(desk, body_seconds=0.01)(scope, never, send)
    assert sent[0]["status"] == 408


async def test_a_host_that_cancels_is_obeyed_while_a_body_comes(desk: FakeDesk) -> None:
    reading = asyncio.Event()

    async def never() -> Event:
        reading.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(event: Event) -> None:
        raise AssertionError(event)

    scope = {"type": "http", "method": "POST", "path": "/webhooks/meta", "headers": []}
    asked = asyncio.ensure_future(app(desk, body_seconds=60)(scope, never, send))
    await reading.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_what_cannot_be_stored_is_to_be_sent_again(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.answer = StoreError("/srv/desk.db: disk full")
    answer = await client.post("/webhooks/meta", content=b"{}")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "desk.db" not in answer.text


async def test_a_bug_answers_500_and_the_next_request_is_served(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.answer = RuntimeError("bug")
    assert (await client.post("/webhooks/meta")).status_code == 500
    desk.answer = WebhookResponse()
    assert (await client.post("/webhooks/meta")).status_code == 200


async def test_health(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "unsettled": 3})
    assert (await client.head("/healthz")).content == b""


@pytest.mark.parametrize("well", [{"status": "stuck"}, StoreError("/srv/desk.db is gone")])
async def test_bad_health_is_503_and_names_no_file(
    client: httpx.AsyncClient, desk: FakeDesk, well: Mapping[str, object] | Exception
) -> None:
    desk.well = well
    answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert json.loads(answer.text)["status"] in ("stuck", "store unavailable")
    assert "desk.db" not in answer.text


async def test_it_mounts_below_an_address_of_the_host(desk: FakeDesk) -> None:
    mounted = httpx.ASGITransport(app(desk), root_path="/helpdesk")
    async with httpx.AsyncClient(transport=mounted, base_url="http://test") as client:
        assert (await client.get("/helpdesk/healthz")).status_code == 200


async def test_stopping_lets_a_running_request_finish(desk: FakeDesk) -> None:
    desk.gate.clear()
    async with httpx.AsyncClient(trust_env=False) as client:
        async with serving(desk) as base:
            running = asyncio.create_task(client.post(f"{base}/webhooks/meta"))
            await desk.entered.wait()
            asyncio.get_running_loop().call_later(0.01, desk.gate.set)
        assert desk.requests  # it was over before `serve` was
        assert (await running).status_code == 200


async def test_stopping_waits_no_longer_than_it_says(desk: FakeDesk) -> None:
    desk.gate.clear()
    async with httpx.AsyncClient(trust_env=False) as client:
        async with serving(desk, drain=0) as base:
            running = asyncio.create_task(client.post(f"{base}/webhooks/meta"))
            await desk.entered.wait()
        await asyncio.gather(running, return_exceptions=True)  # cut off, one way or another
    assert not desk.requests


async def test_a_taken_port_is_said_in_one_line(desk: FakeDesk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"127\.0\.0\.1 port {port}: .+ another") as error:
            await serve(desk, host="127.0.0.1", port=port, started=print)
    assert "\n" not in str(error.value)


async def test_signals_stay_with_the_host(desk: FakeDesk) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving(desk) as base, httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{base}/healthz")
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_core_finds_it_by_entry_point() -> None:
    [found] = entry_points(group="channelmix.web", name="serve")
    assert found.load() is serve
