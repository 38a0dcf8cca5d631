"""Logging a channel in: by a browser on this machine, or by copy and paste on a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import click
from attrs import define

from channelmix import config, connecting
from channelmix.cli import apart, desks, output
from channelmix.cli.call import Call
from channelmix.desk import Desk
from channelmix.errors import NotFound, Refused
from channelmix.hints import did_you_mean
from channelmix.records import Connect, Connected

HOST = "127.0.0.1"
PATH = "/callback"
PORT = 8917
PATIENCE = 600.0
"""Seconds that a person has to log in."""

Query = Mapping[str, str]
Ask = Callable[[Connected], Any]
"""Send a person to the address; return, later, the query that they come back with."""


@click.command("connect")
@click.argument("channel")
@click.option("--paste", is_flag=True, help="Copy and paste: this machine has no browser.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: a free one."
)
@click.option(
    "--redirect-uri",
    metavar="URL",
    help="With --paste: the address registered at the network; else the one of this machine.",
)
@click.pass_obj
def connect_command(
    call: Call, channel: str, port: int, redirect_uri: str | None, *, paste: bool
) -> None:
    """Log a channel in at its network.

    Prints an address to open in a browser, where somebody who may speak for the account agrees.
    The network then sends the browser to this machine; with --paste, whoever has the browser
    copies the address that they are sent to, whether it opens or not.
    """
    if redirect_uri and not paste:
        raise click.UsageError("--redirect-uri goes with --paste: nothing would wait there")
    settings = config.load(call.config, broken=apart.broken(call))
    if channel not in settings.channels:
        raise NotFound(f"there is no channel {channel}{did_you_mean(channel, settings.channels)}")

    async def job(desk: Desk) -> Connected:
        if paste:
            uri = redirect_uri or f"http://{HOST}:{port}{PATH}"
            return await _log_in(desk, channel, uri, _pasted)
        async with _listening(port) as waiting:
            return await _log_in(desk, channel, waiting.uri, waiting.ask)

    connected = desks.on_desk(call, job, settings=settings)
    zone = ZoneInfo(settings.desk.timezone)
    until = output.when(connected.expires_at, zone)
    account = f" as {connected.account}" if connected.account else ""
    output.say(f"{channel} is connected{account}{f', until {until}' if until else ''}.")


async def _log_in(desk: Desk, channel: str, redirect_uri: str, ask: Ask) -> Connected:
    """Go from step to step until the channel is connected."""
    request = Connect(redirect_uri=redirect_uri)
    while (connected := await desk.connect(channel, request)).url is not None:
        callback = await ask(connected)
        request = Connect(redirect_uri=redirect_uri, callback=callback, memory=connected.memory)
    return connected


def _tell(connected: Connected) -> None:
    # As it is: a wrapped address would not open.
    click.echo(f"Open this address, and agree there:\n\n{output.safe(connected.url or '')}\n")


async def _pasted(connected: Connected) -> Query:
    """Let a person paste the address that they were sent to."""
    _tell(connected)
    pasted = await asyncio.to_thread(click.prompt, "Then paste the address you were sent to")
    return _query(pasted.strip())


def _query(address: str) -> Query:
    query = urlsplit(address).query
    if not query:
        raise Refused("this address has no `?` with an answer after it: copy all of it")
    return dict(parse_qsl(query, keep_blank_values=True))


@define(eq=False)
class _Waiting:
    """Waits at an address of this machine for the browser of a person."""

    uri: str
    memory: Query | None = None
    """Of the step that is asked, None before the first."""
    came: asyncio.Future[Query] | None = None

    async def ask(self, connected: Connected) -> Query:
        """Send a person to the network, and wait until they come back."""
        self.came, self.memory = asyncio.get_running_loop().create_future(), connected.memory
        _tell(connected)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.came
        except TimeoutError:
            minutes = round(PATIENCE / 60)
            raise Refused(f"nobody has logged in for {minutes} minutes: start again") from None

    def take(self, callback: Query) -> None:
        """Take an answer; called in the event loop."""
        if self.came is not None and not self.came.done():
            self.came.set_result(callback)


class _Callback(BaseHTTPRequestHandler):
    """Answers the one address that the network sends the browser to."""

    def __init__(
        self, waiting: _Waiting, loop: asyncio.AbstractEventLoop, *request: Any, **more: Any
    ) -> None:
        self.waiting, self.loop = waiting, loop
        super().__init__(*request, **more)

    def do_GET(self) -> None:
        """Take an answer to what was asked. Anything else is refused, and waited on for ever."""
        address = urlsplit(self.path)
        callback = dict(parse_qsl(address.query, keep_blank_values=True))
        if address.path != PATH:
            self._say(404, "There is nothing here.")
        elif not connecting.answers(self.waiting.memory or {}, callback):
            self._say(400, "This is no answer to the address that was opened.")
        else:
            self._say(200, "Thank you. You can close this page and go back to the terminal.")
            self.loop.call_soon_threadsafe(self.waiting.take, callback)

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the address has the code in it."""


@asynccontextmanager
async def _listening(port: int) -> AsyncIterator[_Waiting]:
    """Listen on this machine only, for as long as somebody logs in."""
    waiting = _Waiting(uri="")
    handler = partial(_Callback, waiting, asyncio.get_running_loop())
    try:
        server = ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise Refused(
            f"port {port} of {HOST}: {error.strerror}; choose another by --port"
        ) from None
    waiting.uri = f"http://{HOST}:{server.server_port}{PATH}"
    thread = Thread(target=server.serve_forever, name="connect", daemon=True)
    thread.start()
    try:
        yield waiting
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
