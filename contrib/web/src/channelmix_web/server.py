"""Serve the endpoints with uvicorn, inside an event loop and a process that are not its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from channelmix.errors import Misconfigured

from channelmix_web.endpoints import WebDesk, app

DRAIN_SECONDS = 10


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: they belong to the process, which cancels `serve`."""
        yield


async def serve(
    desk: WebDesk,
    *,
    host: str,
    port: int,
    started: Callable[[str], None],
    drain: int = DRAIN_SECONDS,
) -> None:
    """Serve `app(desk)` at `host` and `port` (0: any free one) until cancelled.

    `started` is called once with the base URL as soon as connections are accepted. Cancelling
    closes the listener and gives running requests `drain` seconds to end. Changes neither
    signal handlers nor logging. Raises: `Misconfigured` if it cannot listen there.
    """
    with _listen(host, port) as listener:
        server = _Server(
            uvicorn.Config(
                app(desk),
                access_log=False,
                lifespan="off",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=drain,
                ws="none",
            )
        )
        serving = asyncio.create_task(server.serve([listener]))
        try:
            started(_url(listener))
            await asyncio.shield(serving)  # cancelled itself, it would not drain
        finally:
            server.should_exit = True
            await serving


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or error
        raise Misconfigured(
            f"cannot listen on {host} port {port}: {reason}; choose another host or port"
        ) from error
    # What is accepted inherits it; without it small answers wait for the other side's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
