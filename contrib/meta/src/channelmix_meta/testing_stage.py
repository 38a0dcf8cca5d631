"""A plugin of Meta's networks and its simulated account, for the tests of these plugins."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import httpx
import structlog
from attrs import define, field
from channelmix.hookspecs import Services
from channelmix.http import client
from channelmix.records import (
    INBOUNDS,
    Action,
    Echo,
    Ignored,
    Inbound,
    Message,
    Outgoing,
)
from channelmix.testing.clock import FakeClock
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST

from channelmix_meta.signing import proof
from channelmix_meta.simulator_script import InboxScript
from channelmix_meta.simulator_world import Note

S = TypeVar("S", bound=InboxScript[Any])
START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
PATIENT, IMPATIENT = httpx.Timeout(60), httpx.Timeout(60, read=0.5)
_NAMES = {kind: name for name, kind in INBOUNDS.items()}


@define
class Brake:
    """Remembers what was asked of the pace: until when, replies too, why."""

    holds: list[tuple[datetime, bool, str]] = field(factory=list)

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        """Note it."""
        self.holds.append((until, replies, reason))


@define(eq=False, kw_only=True)
class Stage(abc.ABC, Generic[S]):
    """The plugin and the network that it talks to."""

    sim: S
    channel: Any
    clock: FakeClock
    brake: Brake
    vault: MemoryVault

    @abc.abstractmethod
    def as_message(self, thing: Any) -> Message:
        """Make the record that `ingest` would make of something at the network."""

    def outgoing(self, action: Action, thing: Any = None, text: str = "", **more: Any) -> Outgoing:
        """Make an outgoing part."""
        given = {"first_sent_at": self.clock.now(), "token": f"token-{text}", **more}
        if thing is not None:
            given |= {"target": self.as_message(thing), "window_opened_at": thing.created}
        return Outgoing(channel=self.channel.name, action=action, text=text, **given)

    def answer(self, thing: Any, text: str = "Danke, wir schauen nach.", **more: Any) -> Outgoing:
        """Make a public or a direct answer, as fits."""
        direct = isinstance(thing, Note)
        action = Action.PRIVATE_REPLY if direct else Action.PUBLIC_REPLY
        return self.outgoing(action, thing, text, **more)

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Give up soon on an answer that never comes; a busy machine needs time for the others."""
        self.channel.http.timeout = IMPATIENT
        yield
        self.channel.http.timeout = PATIENT

    def calls(self) -> list[str]:
        """List what arrived, as method and the end of the path."""
        requests = [one.request for one in self.sim.sent]
        return [f"{one.method} {one.path.partition('/v26.0/')[2] or one.path}" for one in requests]

    async def call(self, method: str, path: str, **params: Any) -> tuple[int, Any]:
        """Call the network by hand, past the plugin, and return status and answer."""
        sim = self.sim
        signed = {"appsecret_proof": proof(sim.app_secret, sim.access_token), **params}
        headers = {"Authorization": f"Bearer {sim.access_token}"}
        given: dict[str, Any] = {"data" if method == "POST" else "params": signed}
        url = f"{sim.base_url}/v26.0/{path}"
        answer = await self.channel.http.request(method, url, headers=headers, **given)
        return answer.status_code, answer.json()

    async def code(self, method: str, path: str, **params: Any) -> tuple[int, int | None]:
        """Call by hand, and return code and subcode of the error."""
        _, answer = await self.call(method, path, **params)
        return answer["error"]["code"], answer["error"].get("error_subcode")


@contextlib.asynccontextmanager
async def services(
    name: str, clock: FakeClock, vault: MemoryVault, brake: Brake
) -> AsyncIterator[Services]:
    """Lend what the core would."""
    log = structlog.get_logger()
    # Reading all the world's certificates for each test takes longer than the test.
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    async with client(channel=name, log=log, transport=wire, timeout=PATIENT, retries=0) as http:
        budget = MemoryBudget(clock=clock)
        yield Services(http=http, clock=clock, log=log, pace=brake, vault=vault, budget=budget)


def brief(one: Inbound) -> str:
    """Say in a word or two what an inbound is, for tables."""
    match one:
        case Message():
            return f"{'own' if one.own else 'message'} {one.kind}"
        case Echo():
            return f"echo {one.message.kind}"
        case Ignored():
            return f"ignored: {one.reason}"
        case _:
            return _NAMES[type(one)]
