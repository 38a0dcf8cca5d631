import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stage import Play, Stage, stage


@pytest.fixture
def play() -> Play:
    """Run a scene on a stage of its own."""

    def run(scene: Callable[[Stage], Awaitable[None]], **more: Any) -> None:
        async def go() -> None:
            async with stage(**more) as found:
                await scene(found)

        asyncio.run(go())

    return run
