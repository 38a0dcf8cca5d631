"""aiohttp under httpx's surface: several times the throughput, and the same honesty.

httpx-aiohttp calls every lost connection a connect time-out, which would pass for a request that
was never sent, and so it calls a name that nobody knows; and aiohttp sends PUT and DELETE a second
time by itself. All of that is mended here.
"""

from __future__ import annotations

import aiohttp
import httpx
import httpx_aiohttp

from channelmix.http import trust


class AiohttpTransport(httpx_aiohttp.AiohttpTransport):
    """A transport for `channelmix.http.client`; that one bounds the concurrency."""

    def __init__(self) -> None:
        super().__init__(verify=trust(), trust_env=False, client=self._session)

    def _session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self.ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        session._retry_connection = False  # noqa: SLF001 - there is no public way, see above
        return session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`. Raises: `httpx.TransportError`, true as `was_not_sent` needs it."""
        try:
            return await super().handle_async_request(request)
        except httpx.ConnectTimeout as error:
            cause = error.__cause__
            if isinstance(cause, aiohttp.ClientConnectorError):
                raise httpx.ConnectError(str(cause)) from error
            if isinstance(cause, aiohttp.ConnectionTimeoutError):
                raise
            raise httpx.RemoteProtocolError("the connection was lost") from error
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError(f"{type(error).__name__} in the exchange") from error
