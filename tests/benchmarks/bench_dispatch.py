"""Our guarded call of five plugins, beside pluggy's bare one of five plain functions."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pluggy
from channelmix import Plugin, Services, hook, http
from channelmix.clock import SystemClock
from channelmix.dispatch import Dispatch
from channelmix.log import get_logger
from channelmix.loops import Brake
from channelmix.records import Classify, Kind, Label, Labels, Message
from channelmix.registry import Registry
from channelmix.testing.lent import MemoryBudget, MemoryVault

from tests.benchmarks.measuring import SERVER, Plan, in_turn, middle, pin
from tests.benchmarks.network import ANSWER, BEGIN
from tests.benchmarks.results import Bound, Result

PLUGINS = 5
CALLS = 20_000
BOUND = Bound(sense="most", value=5)
SAYS = Labels(labels=(Label(name="topic", value="light"),))
_bare_spec, _bare_impl = pluggy.HookspecMarker("bare"), pluggy.HookimplMarker("bare")


@attrs.define(eq=False, kw_only=True, slots=False)
class Classifier(Plugin):
    """A classifier that need not wait."""

    @hook
    async def classify(self, request: Classify) -> Labels | None:
        """Say always the same."""
        return SAYS


class BareSpec:
    """The same hook for a bare pluggy."""

    @_bare_spec
    def classify(self, request: Classify) -> Labels:
        """Label a message."""
        raise NotImplementedError


class BareClassifier:
    """The same classifier as a plain function."""

    @_bare_impl
    def classify(self, request: Classify) -> Labels:
        """Say always the same."""
        return SAYS


def collect(plan: Plan, _folder: Path) -> list[Result]:
    """Measure both in this process."""
    pin(SERVER)
    calls, relay, dispatch, request = plan.of(CALLS), _relay(), _dispatch(), _request()

    def bare(_run: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            relay.classify(request=request)
        return (time.perf_counter() - began) / calls

    def ours(_run: int) -> float:
        return asyncio.run(_collected(dispatch, request, calls))

    _check(relay, dispatch, request)
    pairs = in_turn(plan.runs, bare, ours)
    reference, own = middle(pairs)
    return [
        Result.of(
            f"dispatch.collect, {PLUGINS} plugins that need not wait",
            [one / other for other, one in pairs],
            {"reference µs": reference * 1e6, "ours µs": own * 1e6},
            bound=BOUND,
        )
    ]


async def _collected(dispatch: Dispatch, request: Classify, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        await dispatch.collect("classify", request)
    return (time.perf_counter() - began) / calls


def _check(relay: Any, dispatch: Dispatch, request: Classify) -> None:
    """Make sure that both do the same."""
    outcomes = asyncio.run(dispatch.collect("classify", request))
    if not [one.value for one in outcomes] == relay.classify(request=request) == [SAYS] * PLUGINS:
        raise RuntimeError("the two sides do not answer alike")


def _relay() -> Any:
    manager = pluggy.PluginManager("bare")
    manager.add_hookspecs(BareSpec)
    for number in range(PLUGINS):
        manager.register(BareClassifier(), name=f"classifier-{number}")
    return manager.hook


def _dispatch() -> Dispatch:
    registry, log, clock = Registry(), get_logger(), SystemClock()
    for number in range(PLUGINS):
        name = f"classifier-{number}"
        services = Services(
            http=http.client(channel=name, log=log),
            clock=clock,
            log=log,
            pace=Brake(on_hold=lambda _reason, _until: None),
            vault=MemoryVault(),
            budget=MemoryBudget(clock=clock),
        )
        registry.register(Classifier(name=name, services=services))
    return Dispatch(registry, clock=clock)


def _request() -> Classify:
    message = Message(
        id="comment-1",
        kind=Kind.COMMENT,
        thread="post-1",
        text=ANSWER,
        sent_at=datetime.fromtimestamp(BEGIN, UTC),
    )
    return Classify(channel="bench", message=message)
