"""A child: a bare Starlette endpoint with the same signature check. It stores nothing."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.benchmarks.children import obey
from tests.benchmarks.measuring import SERVER, pin
from tests.benchmarks.network import SIGNATURE, authentic
from tests.benchmarks.serving import run, served


async def webhook(request: Request) -> PlainTextResponse:
    """Say yes to what is signed."""
    body = await request.body()
    if not authentic(request.headers.get(SIGNATURE, ""), body):
        return PlainTextResponse("bad signature", status_code=401)
    return PlainTextResponse("ok")


async def main() -> None:
    """Serve until told to end."""
    pin(SERVER)
    async with served(
        Starlette(routes=[Route("/webhooks/{app}", webhook, methods=["POST"])])
    ) as url:
        await obey({}, url)


if __name__ == "__main__":
    run(main())
