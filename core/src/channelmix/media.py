"""Downloads what customers attach, from addresses that strangers chose.

A name is resolved here, its addresses are checked, and the connection goes to the address that
was checked: a second resolution, with another answer, does not take place.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx
from attrs import frozen

from channelmix.errors import MediaError
from channelmix.http import client, trust
from channelmix.log import get_logger
from channelmix.sniffing import HEAD, SUFFIXES, sniff

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

LIMIT_BYTES = 25 * 2**20
_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_COME_BACK = {408, 425, 429}
_SERVER_ERROR = 500
_NAT64 = ip_network("64:ff9b::/96")
_REFUSED = tuple(map(ip_network, ("2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10")))
"""Tunnels that may end anywhere (6to4, Teredo, local NAT64: RFC 3056, 4380, 8215), site-local."""


@frozen(kw_only=True)
class Stored:
    """A file in the media folder, named after its content."""

    path: Path
    sha256: str
    """64 lower-case hexadecimal digits."""
    size: int
    """Bytes."""
    mime: str
    """What its first bytes say; `application/octet-stream` if nothing that we know."""


class Downloader:
    """Downloads into `folder`; made once for a desk, closed with `close`."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = LIMIT_BYTES,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        """Take at most `limit_bytes` for a file and `timeout` seconds for all of a download."""
        self._folder = folder
        self._limit = limit_bytes
        self._timeout = timeout
        # A connection is not kept: it was checked for one name, and the next may have another.
        single = httpx.AsyncHTTPTransport(
            verify=trust(),
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )
        self._http = client(
            channel="media", log=log or get_logger(), transport=transport or single, retries=0
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def fetch(
        self,
        url: str,
        *,
        allow_origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stored:
        """Download `url` and keep it; the same content twice is one file.

        `headers` go with the first request alone: a redirect may lead to a stranger.

        Only public addresses are connected to, at each of at most three redirects as well, unless
        scheme, host and port are those of `allow_origin` (the channel's own `api_url`).
        Raises: `MediaError`, whose text names the address without its query.
        """
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._open(url, allow_origin, headers or {}) as response,
            ):
                return await self._store(response)
        except MediaError as error:
            raise MediaError(f"{_shown(url)}: {error}", permanent=error.permanent) from error
        except TimeoutError as error:
            what = f"{_shown(url)}: not there after {self._timeout:g} s"
            raise MediaError(what, permanent=False) from error
        except (httpx.TransportError, OSError) as error:
            what = f"{_shown(url)}: {type(error).__name__}"
            raise MediaError(what, permanent=False) from error

    @asynccontextmanager
    async def _open(
        self, address: str, allow_origin: str | None, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        url = _parse(address)
        for _ in range(_REDIRECTS + 1):
            request = await self._request(url, allow_origin)
            request.headers.update(headers)
            headers = {}
            response = await self._http.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    yield _good(response)
                    return
            finally:
                await response.aclose()
            url = _parse(response.headers["location"], seen_at=url)
        raise MediaError(f"more than {_REDIRECTS} redirects", permanent=True)

    async def _request(self, url: httpx.URL, allow_origin: str | None) -> httpx.Request:
        headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        if allow_origin is not None and _origin(url) == _origin(_parse(allow_origin)):
            return self._http.build_request("GET", url, headers=headers)
        return self._http.build_request(
            "GET",
            url.copy_with(host=await _public_address(url)),
            headers=headers,
            # The certificate is still to be that of the name.
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )

    async def _store(self, response: httpx.Response) -> Stored:
        descriptor, name = await asyncio.to_thread(self._temporary)
        try:
            with os.fdopen(descriptor, "wb") as file:
                return await self._receive(response, file, name)
        finally:
            _discard(name)

    def _temporary(self) -> tuple[int, str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=self._folder, prefix=".")

    async def _receive(self, response: httpx.Response, file: BinaryIO, name: str) -> Stored:
        digest, size, head = hashlib.sha256(), 0, b""
        self._within_limit(int(response.headers.get("content-length", "0")))
        async for chunk in response.aiter_raw():
            size += len(chunk)
            self._within_limit(size)
            digest.update(chunk)
            head = (head + chunk[:HEAD])[:HEAD]
            file.write(chunk)
        sha256, mime = digest.hexdigest(), sniff(head)
        path = self._folder / (sha256 + SUFFIXES.get(mime, ".bin"))
        await asyncio.to_thread(_settle, file, name, path)
        return Stored(path=path, sha256=sha256, size=size, mime=mime)

    def _within_limit(self, size: int) -> None:
        if size > self._limit:
            raise MediaError(f"larger than {self._limit} bytes", permanent=True)


def _settle(file: BinaryIO, name: str, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    Path(name).replace(path)


def _discard(name: str) -> None:
    Path(name).unlink(missing_ok=True)


def _good(response: httpx.Response) -> httpx.Response:
    code = response.status_code
    if not response.is_success:
        passing = code >= _SERVER_ERROR or code in _COME_BACK
        raise MediaError(f"the server answers {code}", permanent=not passing)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise MediaError("it comes compressed, though not asked to", permanent=True)
    return response


def _parse(address: str, *, seen_at: httpx.URL | None = None) -> httpx.URL:
    try:
        url = seen_at.join(address) if seen_at else httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise MediaError("this is no address", permanent=True) from error
    if url.scheme not in _PORTS or not url.host:
        raise MediaError("only http and https are fetched", permanent=True)
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]


def _shown(address: str) -> str:
    """Leave out what an address may hold in confidence: its query, and a password."""
    bare = address.partition("?")[0].partition("#")[0]
    scheme, slashes, rest = bare.partition("://")
    return scheme + slashes + rest.rpartition("@")[2]


async def _public_address(url: httpx.URL) -> str:
    """Resolve the host, and choose an address that is nobody's private one."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        url.raw_host, _origin(url)[2], type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    for *_, where in found:
        if is_public(str(where[0])):
            return str(where[0])
    raise MediaError("it is at no public address", permanent=True)


def is_public(address: str) -> bool:
    """Whether an IP address is one that everybody may reach, also through what it embeds."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        if any(ip in network for network in _REFUSED):
            return False
        ip = _embedded(ip) or ip
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
