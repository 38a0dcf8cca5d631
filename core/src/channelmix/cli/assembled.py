"""The plugins of a configuration by themselves: no store, no work, nothing opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from channelmix.assembly import Assembly, mask_of
from channelmix.clock import SystemClock
from channelmix.dispatch import Dispatch
from channelmix.registry import Registry
from channelmix.settings import Settings


@asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[tuple[Assembly, Dispatch]]:
    """Make and register every plugin; what cannot be had is in the assembly's `unavailable`.

    Raises: the error of a plugin whose section says `on_error = "fail"`.
    """
    clock, registry = SystemClock(), Registry()
    mask = mask_of(settings)
    assembly = Assembly(settings=settings, registry=registry, clock=clock, mask=mask)
    dispatch = Dispatch(registry, clock=clock, mask=mask)
    try:
        assembly.build()
        yield assembly, dispatch
    finally:
        for plugin in assembly.plugins():
            await plugin.services.http.aclose()
