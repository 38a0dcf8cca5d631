"""The plugin under test: made from its configuration, lent what the core lends, and asked."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import attrs
import httpx
import structlog
from attrs import define, field

from channelmix import config, http
from channelmix.dispatch import Dispatch
from channelmix.errors import AuthorizationLost, ChannelmixError, InvalidPayload, PluginError
from channelmix.hookspecs import Channel, Plugin, Services
from channelmix.log import SecretMask
from channelmix.records import (
    Inbound,
    Ingested,
    Message,
    Payload,
    RawEvent,
    Received,
    Road,
    Split,
    WebhookRequest,
)
from channelmix.registry import Registry
from channelmix.secrets import Secret
from channelmix.settings import ChannelSettings, PluginSettings, Settings
from channelmix.testing.clock import FakeClock
from channelmix.testing.conformance import fixtures
from channelmix.testing.conformance.fixtures import ARRIVED, Case
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import NO_TRUST, Simulator

if TYPE_CHECKING:
    from channelmix.testing.conformance.suite import Conformance

NAME = "kit"
"""What the channel under test is called."""
TEXT = "Bitte 🙏🏽 um Rückruf: שלום, 12€"
"""What a customer says: emoji with a modifier, right to left, no character that markup uses."""
SHORT = 7
"""A text in a vault that is no longer is no token."""
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""When every check begins."""
MOMENT = timedelta(seconds=1)
PATIENT = httpx.Timeout(60)
IMPATIENT = httpx.Timeout(60, read=0.3)
"""For what will never be answered; a busy machine needs its time for all else."""


@define
class Brake:
    """Remembers what was asked of the pace: until when, why, replies too."""

    holds: list[tuple[datetime, str, bool]] = field(factory=list)

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        """Note it."""
        self.holds.append((until, reason, replies))


@define(eq=False, kw_only=True)
class Living:
    """One instance of the plugin, with everything it was lent."""

    plugin: Plugin
    dispatch: Dispatch = field(repr=False)
    clock: FakeClock
    brake: Brake
    vault: MemoryVault
    budget: MemoryBudget
    logged: list[Mapping[str, Any]]
    """Every line that the plugin logged, unmasked."""
    sim: Any = None
    """The simulated network it talks to, if there is one."""
    doubt: str = ""
    """What may be the reason where its credentials do not hold."""

    @property
    def channel(self) -> Channel:
        """The instance, where it is known to be a network's."""
        if not isinstance(self.plugin, Channel):
            raise TypeError(f"{type(self.plugin).__qualname__} is no channel")
        return self.plugin

    async def ask(self, hook: str, request: object) -> Any:
        """Call a hook as the core does. Raises: what `Dispatch.addressed` raises."""
        try:
            return await self.dispatch.addressed(self.plugin.name, hook, request)
        except AuthorizationLost as lost:
            if not self.doubt:
                raise
            raise AuthorizationLost(f"{lost} ({self.doubt})") from lost

    async def split(self, body: bytes, source: str = "webhook") -> tuple[RawEvent, ...]:
        """Cut a payload, and add to the events what the core adds. Raises: as `ask`.

        Where the plugin cuts nothing, because it makes its events in `poll`, it is one event.
        """
        if type(self.plugin).split is Plugin.split:
            return (self.whole(body, source),)
        found: Split = await self.ask("split", Payload(body=body, source=source))
        return tuple(self.arrived(event, source) for event in found.events)

    def arrived(self, event: RawEvent, source: str) -> RawEvent:
        """Add to an event what the core adds when it stores it."""
        road = Road.PUSH if source == "webhook" else Road.POLL
        return attrs.evolve(
            event, channel=self.plugin.name, source=source, road=road, received_at=ARRIVED
        )

    async def ingest(self, event: RawEvent) -> tuple[Inbound, ...]:
        """Ask what an event means. Raises: as `ask`."""
        found: Ingested = await self.ask("ingest", event)
        return found.inbounds

    async def events_of(self, case: Case) -> tuple[RawEvent, ...]:
        """Take a fixture in as far as its events. Raises: as `ask`."""
        body: bytes | None = case.body
        if case.request is not None:
            body = (await self.receive(request_of(case))).payload
        return () if body is None else await self.split(body, case.source)

    async def split_or_whole(self, case: Case) -> tuple[RawEvent, ...]:
        """Cut a fixture; what cannot be cut is one event, as in the journal. Raises: as `ask`."""
        try:
            return await self.events_of(case)
        except InvalidPayload:
            return (self.whole(case.body, case.source),)

    def whole(self, body: bytes, source: str) -> RawEvent:
        """Return the one event as which the core keeps what cannot be cut."""
        key = hashlib.sha256(body).hexdigest()
        return self.arrived(RawEvent(key=key, body=body), source)

    async def meanings(self, case: Case) -> list[tuple[Inbound, ...] | None]:
        """Say what each event of a fixture means. Raises: as `ask`."""
        return [await self.meaning(event) for event in await self.split_or_whole(case)]

    async def meaning(self, event: RawEvent) -> tuple[Inbound, ...] | None:
        """Return what an event means, None where the plugin says it cannot be read."""
        try:
            return await self.ingest(event)
        except PluginError:
            return None

    async def receive(self, request: WebhookRequest) -> Received:
        """Ask whether a webhook is authentic. Raises: as `ask`."""
        received: Received = await self.ask("receive", request)
        return received

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Give up soon on answers that will not come."""
        self.plugin.services.http.timeout = IMPATIENT
        try:
            yield
        finally:
            self.plugin.services.http.timeout = PATIENT


def messages(meanings: Sequence[tuple[Inbound, ...] | None]) -> Iterator[Message]:
    """Yield the messages, echoes not among them."""
    for meaning in meanings:
        yield from (one for one in meaning or () if isinstance(one, Message))


def delivered(sim: Simulator) -> list[WebhookRequest]:
    """Take what waits to be delivered, as the requests that would arrive."""
    return [
        WebhookRequest(
            method="POST",
            headers={name.lower(): value for name, value in one.headers.items()},
            body=one.body,
        )
        for one in sim.deliveries()
    ]


def why(error: BaseException) -> str:
    """Say what happened, with what the core keeps to itself: the words of the plugin's bug."""
    cause = error.__cause__
    return f"{error} ({cause})" if cause is not None and str(cause) else str(error)


def request_of(case: Case) -> WebhookRequest:
    """Make the webhook request of a fixture that has one."""
    if case.request is None:
        raise TypeError(f"{case.name} describes no request")
    headers = {name.lower(): value for name, value in case.request.headers.items()}
    return WebhookRequest(
        method=case.request.method, headers=headers, query=case.request.query, body=case.body
    )


@define(eq=False, slots=False)
class Subject:
    """What one check asks: the plugin of a `Conformance`, afresh for each check."""

    suite: type[Conformance]

    @property
    def plugin(self) -> type[Plugin]:
        """The class under test."""
        return self.suite.plugin

    @property
    def network(self) -> type[Channel] | None:
        """The class under test, None if it is no network's."""
        return self.plugin if issubclass(self.plugin, Channel) else None

    @property
    def channel(self) -> type[Channel]:
        """The class under test, where it is known to be a network's."""
        if self.network is None:
            raise TypeError(f"{self.plugin.__qualname__} is no channel")
        return self.network

    def implements(self, hook: str) -> bool:
        """Say whether the class has a hook, rightly or wrongly marked."""
        return getattr(self.plugin, hook, None) is not getattr(Plugin, hook)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Its fixtures. Raises: `BadFixture`."""
        return fixtures.read(self.suite.fixtures) if self.suite.fixtures is not None else ()

    @cached_property
    def folder(self) -> Path | None:
        """The folder of its distribution, where it can be found: that with `pyproject.toml`."""
        near = self.suite.fixtures or _file_of(self.plugin)
        above = near.resolve().parents if near else ()
        return next((one for one in above if (one / "pyproject.toml").is_file()), None)

    # its configuration

    def section(self, **changes: Any) -> dict[str, Any]:
        """Return its section with some keys changed, or with None left out."""
        said = {**self.suite.config, **changes}
        return {key: value for key, value in said.items() if value is not None}

    def _foreign(self, sim: Simulator) -> dict[str, bool]:
        """Name the secrets in `config` that `section` does not set, and say which are required."""
        classes = [self.plugin.Config, self.network.App if self.network else None]
        return {
            one.name: one.default is attrs.NOTHING
            for cls in classes
            if cls is not None
            for one in attrs.fields(cls)
            if one.name in self.suite.config
            and one.name not in sim.section
            and ("Secret" in str(one.type) or sounds_secret(one.name))
        }

    def settings(self, section: Mapping[str, Any]) -> Settings:
        """Load a section as `channelmix check` does. Raises: `ConfigError`."""
        if self.network is None:
            values: dict[str, Any] = {"plugins": {NAME: {**section, "plugin": NAME}}}
            return config.load(values, environ={}, plugins={NAME: self.plugin})
        name = self.network.network
        values = {"channels": {NAME: {**section, "network": name}}}
        return config.load(values, environ={}, plugins={name: self.plugin})

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Every secret in its good configuration. Raises: `ConfigError`."""
        return secrets_of(self.settings(self.section()))

    def secrets_at(self, living: Living) -> tuple[str, ...]:
        """Return every secret of an instance on a stage, those in its vault included."""
        kept = [one for value in living.vault.values.values() for one in value.values()]
        tokens = (one for one in kept if isinstance(one, str) and len(one) > SHORT)
        section = living.sim.section if living.sim else {}
        return (*secrets_of(self.settings(self.section(**section))), *tokens)

    def polled(self) -> list[str]:
        """Name the sources that are polled by themselves, not only for a `Lookup`."""
        if not self.implements("poll"):
            return []
        return [one.name for one in self.channel.sources if one.every or one.sweep]

    # its instances

    @contextlib.asynccontextmanager
    async def living(
        self,
        *,
        name: str = NAME,
        sim: Simulator | None = None,
        wire: httpx.AsyncBaseTransport | None = None,
        **changes: Any,
    ) -> AsyncIterator[Living]:
        """Make one instance, and open it; with `sim` it talks to that.

        Raises: `ChannelmixError` where that cannot be.
        """
        if sim is not None:
            kept = dict(sim.vault)
            foreign = self._foreign(sim)
            # Where the network gives its tokens by the vault, as after `connect`, those hold; one
            # in `config` that `section` does not name would stand in their way.
            away = {one: None for one, required in foreign.items() if kept and not required}
            changes = {**away, **sim.section, "api_url": sim.base_url, **changes}
        clock = FakeClock(START) if sim is None else sim.clock
        living = self._made(name, self.settings(self.section(**changes)), clock, wire)
        if sim is not None:
            living.sim, living.vault.values = sim, kept
            living.doubt = _doubt([one for one in foreign if one not in away])
        try:
            await self.life(living, "open")
            yield living
        finally:
            with contextlib.suppress(ChannelmixError):  # a check of its own tells of that
                await self.life(living, "close")
            await living.plugin.services.http.aclose()

    @contextlib.asynccontextmanager
    async def echoed(self, wire: httpx.AsyncBaseTransport) -> AsyncIterator[Living]:
        """Make one instance with credentials, whose network is `wire`. Raises: as `living`."""
        sim = None if self.suite.simulator is None else self.simulated()
        async with self.living(wire=wire, **(sim.section if sim else {})) as living:
            if sim is not None:
                living.sim, living.vault.values = sim, dict(sim.vault)
            yield living

    def raw(self, **changes: Any) -> Living:
        """Make an instance without opening it. Its client is never used, so nothing is to close.

        Raises: `ChannelmixError`, and whatever the class raises.
        """
        return self._made(NAME, self.settings(self.section(**changes)), FakeClock(START), None)

    async def life(self, living: Living, hook: str) -> None:
        """Open or close an instance, if it wants to be told."""
        if self.implements(hook):
            await living.ask(hook, living.plugin.services)

    def simulated(self) -> Any:
        """Make its simulated network, off the wire, with a webhook. Raises: `TypeError`."""
        if self.suite.simulator is None:
            raise TypeError(f"{self.suite.__qualname__} has no simulator")
        return self.suite.simulator(clock=FakeClock(START), webhook="here")

    def as_simulated(self) -> Living:
        """Make an instance that knows its simulated network, as `raw` does."""
        return self.raw(**self.simulated().section)

    @contextlib.asynccontextmanager
    async def stage(self, **changes: Any) -> AsyncIterator[Living]:
        """Make one instance, and the simulated network it talks to."""
        sim = self.simulated()
        async with sim.online(), self.living(sim=sim, **changes) as living:
            yield living

    def _made(
        self, name: str, settings: Settings, clock: Any, wire: httpx.AsyncBaseTransport | None
    ) -> Living:
        logged: list[Mapping[str, Any]] = []
        brake = Brake()
        vault, budget = MemoryVault(), MemoryBudget(clock=clock)
        services = Services(
            http=_client(wire),
            clock=clock,
            log=_logger(logged),
            pace=brake,
            vault=vault,
            budget=budget,
        )
        plugin = self._instance(name, settings, services)
        if isinstance(plugin, Channel):
            budget.allowance = plugin.allowance
        registry = Registry()
        registry.register(plugin)
        # A breaker that opened would hide the findings of the calls after it.
        dispatch = Dispatch(registry, clock=clock, failures=10**9, log=_logger([]))
        return Living(
            plugin=plugin,
            dispatch=dispatch,
            clock=clock,
            brake=brake,
            vault=vault,
            budget=budget,
            logged=logged,
        )

    def _instance(self, name: str, settings: Settings, services: Services) -> Plugin:
        one: ChannelSettings | PluginSettings
        if self.network is None:
            one = settings.plugins[NAME]
            return self.plugin(name=name, config=one.config, services=services)
        one = settings.channels[NAME]
        return self.network(
            name=name,
            config=one.config,
            app=one.app_config,
            api_url=one.api_url,
            services=services,
        )


def _doubt(secrets: Sequence[str]) -> str:
    """Say that these are in use, and that the simulated network may not know them."""
    names, are = ", ".join(secrets), "is" if len(secrets) == 1 else "are"
    told = f"{names} {are} from the suite's `config`: the simulator's `section` does not set it"
    return told if secrets else ""


def _client(wire: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    # Reading all the world's certificates takes longer than most checks.
    wire = wire or httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    return http.client(channel=NAME, log=_logger([]), transport=wire, timeout=PATIENT, retries=0)


def _logger(into: list[Mapping[str, Any]]) -> Any:
    """Make a logger that keeps what it is told."""

    def keep(_logger: Any, _method: str, event: Any) -> NoReturn:
        into.append(dict(event))
        raise structlog.DropEvent

    return structlog.wrap_logger(None, processors=[keep])


def configs_of(settings: Settings) -> list[Any]:
    """Return the records that a plugin's section became."""
    found = [
        config for one in settings.channels.values() for config in (one.config, one.app_config)
    ]
    found += [one.config for one in settings.plugins.values()]
    return [one for one in found if attrs.has(type(one))]


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return every secret of a configuration, those that stand in plain fields included."""
    return tuple(
        value.reveal() if isinstance(value, Secret) else value
        for each in configs_of(settings)
        for one in attrs.fields(type(each))
        if (value := getattr(each, one.name))
        and (isinstance(value, Secret) or (isinstance(value, str) and sounds_secret(one.name)))
    )


def sounds_secret(name: str) -> bool:
    """Say whether a key is named like a secret, as the log's mask knows such names."""
    masked = SecretMask()(None, "", {name: "something"})
    return bool(masked[name] != "something")


def _file_of(cls: type) -> Path | None:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file) if file else None


def tasks() -> Sequence[asyncio.Task[Any]]:
    """Return the tasks that run beside the present one."""
    return [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
