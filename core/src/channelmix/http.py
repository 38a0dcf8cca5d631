"""The HTTP client that each channel gets: bounded, patient where that is safe, and discreet.

Retries are written here and not left to a library, because a response must be closed before the
next try and returned unread after the last.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from functools import cache
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, cast

import httpx

from channelmix import __version__
from channelmix.log import MASK, SecretMask

if TYPE_CHECKING:
    import ssl

    from structlog.typing import FilteringBoundLogger

TIMEOUT = httpx.Timeout(20.0, connect=5.0)
"""Seconds to connect, to read, to write, and to wait for a free place."""

Transport = httpx.AsyncBaseTransport | Literal["aiohttp", "httpx"]
"""What carries the requests: one of the two that are known by name, or another."""
_SAFE = {"GET", "HEAD"}
_TRANSIENT = {502, 503, 504}
_FAILED = 500
_PASSING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout)
FIRST_WAIT = 0.2
"""Seconds before the first retry; it doubles, and a random half is added."""
_LONGEST_WAIT = 5.0
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_RATES = ("x-app-usage", "x-business-use-case-usage", "x-page-usage", "retry-after")
_RATE_PREFIXES = ("x-rate-limit-", "x-ratelimit-")


def was_not_sent(error: httpx.TransportError) -> bool:
    """Whether `error` proves that the request never reached the network.

    Then a send may be tried again (`RetryLater`). After any other transport error, also a
    connection that the server closed, it may have been carried out (`Uncertain`).
    """
    return isinstance(error, _NEVER_SENT)


@cache
def trust() -> ssl.SSLContext:
    """Return what every client of this process trusts: reading it takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def client(
    *,
    channel: str,
    log: FilteringBoundLogger,
    transport: Transport | None = None,
    concurrency: int = 8,
    timeout: httpx.Timeout = TIMEOUT,
    retries: int = 2,
    mask: SecretMask | None = None,
) -> httpx.AsyncClient:
    """Make the client of one channel.

    At most `concurrency` exchanges run at once, from the first byte sent to the last one read;
    who waits for a place longer than the pool time-out gets `httpx.PoolTimeout`. GET and HEAD are
    tried again up to `retries` times, nothing else ever is. Neither environment proxies nor
    redirects are followed. What `mask` knows is masked where it stands in a path.

    Left out, the `transport` is aiohttp's where `channelmix[aiohttp]` is installed, which takes a
    fifth of the processor time, else httpx's own. Raises: `ModuleNotFoundError` for `aiohttp` where
    httpx-aiohttp is not installed.
    """
    inner = _transport(transport, concurrency)
    exchanges = _Exchanges(
        inner, log.bind(channel=channel), mask or SecretMask(), concurrency, retries
    )
    return httpx.AsyncClient(
        transport=exchanges,
        timeout=timeout,
        headers={"User-Agent": f"channelmix/{__version__}"},
        trust_env=False,
        follow_redirects=False,
    )


def _transport(wanted: Transport | None, concurrency: int) -> httpx.AsyncBaseTransport:
    if wanted is None:
        wanted = "aiohttp" if find_spec("httpx_aiohttp") else "httpx"
    if wanted == "aiohttp":
        from channelmix.http_aiohttp import AiohttpTransport  # noqa: PLC0415 - need not be there

        return AiohttpTransport()
    if wanted != "httpx":
        return wanted
    places = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    return httpx.AsyncHTTPTransport(verify=trust(), limits=places, trust_env=False)


class _DiscreetURL(httpx.URL):
    """An address that turns into text without the values of its query.

    httpx writes `request.url` into its own log and into the text of `HTTPStatusError`.
    """

    def __init__(self, url: httpx.URL, mask: SecretMask) -> None:
        super().__init__(url)
        query = "?" + "&".join(f"{name}={MASK}" for name in sorted(url.params))
        address = f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}"
        self._text = mask.text(address + query if url.query else address)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"URL({self._text!r})"


class _Exchanges(httpx.AsyncBaseTransport):
    """Bounds, retries and logs the exchanges of the transport within."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        log: FilteringBoundLogger,
        mask: SecretMask,
        concurrency: int,
        retries: int,
    ) -> None:
        self._inner = inner
        self._log = log
        self._mask = mask
        self._places = asyncio.Semaphore(concurrency)
        self._retries = retries

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # Until here the address is the true one, for whoever signs it; from here on it is discreet.
        request.url = httpx.URL(request.url)
        try:
            return await self._with_retries(request)
        finally:
            request.url = _DiscreetURL(request.url, self._mask)

    async def _with_retries(self, request: httpx.Request) -> httpx.Response:
        for left in range(self._retries if request.method in _SAFE else 0, 0, -1):
            wait = FIRST_WAIT * 2 ** (self._retries - left)
            try:
                response = await self._exchange(request)
            except _PASSING:
                pass
            else:
                asked = _retry_after(response)
                if response.status_code not in _TRANSIENT or asked > _LONGEST_WAIT:
                    return response
                await response.aclose()
                wait = max(wait, asked)
            await asyncio.sleep(wait * random.uniform(1, 1.5))  # noqa: S311 - spreads, hides nothing
        return await self._exchange(request)

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        """One try: take a place, send, log once. The response's stream gives the place back."""
        await self._take_place(request)
        started = perf_counter()
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            self._places.release()
            self._note(request, started, error=type(error).__name__)
            raise
        self._note(request, started, status=response.status_code, **_rates(response.headers))
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _Releasing(body, self._places)
        return response

    async def _take_place(self, request: httpx.Request) -> None:
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("too many requests at once on this channel") from error

    def _note(self, request: httpx.Request, started: float, **result: Any) -> None:
        fine = result.get("status", _FAILED) < _FAILED
        (self._log.info if fine else self._log.warning)(
            "http",
            method=request.method,
            host=request.headers.get("host", request.url.host),
            path=self._mask.text(request.url.path),
            query=sorted(request.url.params),
            milliseconds=round((perf_counter() - started) * 1000, 1),
            **result,
        )


class _Releasing(httpx.AsyncByteStream):
    """A response's body that gives its place back once it is closed."""

    def __init__(self, body: httpx.AsyncByteStream, places: asyncio.Semaphore) -> None:
        self._body = body
        self._places: asyncio.Semaphore | None = places

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                yield chunk
        except _NEVER_SENT as error:  # no transport may say so of what is being answered
            raise httpx.ReadError("the answer broke off") from error

    async def aclose(self) -> None:
        places, self._places = self._places, None
        try:
            await self._body.aclose()
        finally:
            if places is not None:
                places.release()


def _rates(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick out what the network says about its limits."""
    return {
        name: value
        for name, value in headers.items()
        if name in _RATES or name.startswith(_RATE_PREFIXES)
    }


def _retry_after(response: httpx.Response) -> float:
    """Seconds. A date is too far off to wait for here: the plugin sees it and decides."""
    text = response.headers.get("retry-after", "0")
    return float(text) if text.isdecimal() else float("inf")
