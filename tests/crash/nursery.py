"""A process that starts the others: forked from here, they need no time to import anything.

It reads orders from its standard input, one JSON object a line, and writes a line for each
process that begins and ends. With the end of its input it kills what still lives.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import selectors
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import httpx
import uvloop
from attrs import frozen
from channelmix import Desk, log
from channelmix.records import Source
from channelmix.testing.simulator import NO_TRUST
from channelmix_facebook.plugin import Facebook
from channelmix_web.server import serve

from tests.crash.clock import SharedClock
from tests.crash.defects import DEFECTS
from tests.crash.failpoints import Failpoints, install

PROCESS = "x-process"
"""The header that tells the simulated network whom it may kill."""


class PushOnly(Facebook):
    """Never sweeps: that would find again what was lost after it was answered 200."""

    sources: ClassVar = tuple[Source, ...]()


class Named(httpx.AsyncHTTPTransport):
    """Says with each request which process makes it."""

    def __init__(self) -> None:
        super().__init__(verify=NO_TRUST, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`."""
        request.headers[PROCESS] = str(os.getpid())
        return await super().handle_async_request(request)


@frozen(kw_only=True)
class Order:
    """What one process is to be."""

    name: str
    """Also its desk's owner: the next life goes on with what this one had begun."""
    settings: dict[str, Any]
    folder: str
    port: int | None = None
    """Where it receives; None: it works."""
    defect: str | None = None


async def live(order: Order) -> None:
    """Receive or work until killed."""
    folder = Path(order.folder)
    install(Failpoints(folder / "failpoints"))
    if order.defect:
        DEFECTS[order.defect]()
    desk = Desk.open(
        order.settings,
        work=order.port is None,
        clock=SharedClock(folder / "clock"),
        plugins={"facebook": PushOnly},
        transport=Named(),
        owner=order.name,
    )
    async with desk:
        if order.port is None:
            await asyncio.Event().wait()
        else:
            await serve(desk, host="127.0.0.1", port=order.port, started=lambda _url: None)


def _be(order: Order) -> NoReturn:
    """Leave everything of the nursery behind, and live."""
    with Path(order.folder, f"{order.name}.log").open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.close(0)
    faulthandler.enable()
    log.configure(json=True, level="warning")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(live(order))
    except BaseException:  # noqa: BLE001 - whatever it is, it belongs into the log
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)  # a process that is to be killed never ends by itself


def _say(what: str, process: int, **more: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, "process": process, **more}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Start processes as told, and tell what becomes of them."""
    alive: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ, None)
        orders = sys.stdin.buffer.raw  # type: ignore[union-attr]  # unbuffered, for select
        rest = b""
        while True:
            for key, _ in selector.select():
                if (process := key.data) is not None:
                    selector.unregister(key.fileobj)
                    os.close(alive.pop(process))
                    _, status = os.waitpid(process, 0)
                    _say("ended", process, code=os.waitstatus_to_exitcode(status))
                    continue
                new = orders.read(65536)
                if not new:
                    for one in alive:
                        os.kill(one, signal.SIGKILL)
                    return
                *lines, rest = (rest + new).split(b"\n")
                for line in lines:
                    order = Order(**json.loads(line))
                    if not (process := os.fork()):
                        selector.close()
                        _be(order)
                    alive[process] = os.pidfd_open(process)
                    selector.register(alive[process], selectors.EVENT_READ, process)
                    _say("began", process, name=order.name)


if __name__ == "__main__":
    main()
