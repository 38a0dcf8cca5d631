"""Run an ASGI application on the loopback interface, inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


GRACE = 1.0
"""Seconds that requests under way have to end when a server stops."""


@contextlib.asynccontextmanager
async def serve(app: App, *, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` on 127.0.0.1 and give its base URL, without a slash at the end.

    The port is a free one unless named. The socket listens before this returns, so there is
    nothing to wait for: early requests stand in the socket's own queue.
    """
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    # asyncio sets this only where a socket names its protocol. Without it the second half of each
    # answer waits for the first to be acknowledged: 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, log_level="critical")
    server = await _start(config, listener)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await _stop(server)


async def _start(config: uvicorn.Config, listener: socket.socket) -> uvicorn.Server:
    """Start without uvicorn's own loop: that takes the signals and looks only now and then."""
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    return server


async def _stop(server: uvicorn.Server) -> None:
    """Close as uvicorn does, but wait for what ends and not for a time to pass."""
    for one in server.servers:
        one.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    if under_way := list(server.server_state.tasks):
        _, late = await asyncio.wait(under_way, timeout=GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    await asyncio.sleep(0)  # closed connections let their sockets go in the loop's next round
