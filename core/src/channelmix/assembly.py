"""From settings to living plugins: instances with their services, registered, and opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import attrs
from attrs import define, field

from channelmix import allowances, http
from channelmix.breaker import Pause
from channelmix.dispatch import Dispatch
from channelmix.errors import ChannelmixError, Misconfigured, Refused
from channelmix.health import HealthBook, State
from channelmix.hookspecs import Budget, Channel, Clock, Plugin, Services, Vault
from channelmix.log import SecretMask, get_logger
from channelmix.loops import Brake
from channelmix.registry import Registry
from channelmix.secrets import Secret
from channelmix.settings import ChannelSettings, PluginSettings, Settings

S = TypeVar("S", ChannelSettings, PluginSettings)


class NotHere:
    """In place of what takes a store, where there is none: in a dry run."""

    def __getattr__(self, name: str) -> Any:
        """Refuse. Raises: `Refused`."""
        raise Refused(f"{name}: not in a dry run, which has no store")


def _without_store(_name: str, _app: str) -> tuple[Any, Any]:
    return NotHere(), NotHere()


@define(eq=False, kw_only=True)
class Assembly:
    """The plugins of one desk, and which of them could not be had."""

    settings: Settings
    registry: Registry
    clock: Clock
    mask: SecretMask
    on_hold: Callable[[str, str, datetime], None] = lambda _app, _why, _until: None
    """Told when an app has to slow down: its name, why, and until when."""
    lend: Callable[[str, str], tuple[Vault, Budget]] = _without_store
    """Gives the vault and the budget of a channel or plugin, by its name and its app's."""
    transport: Any = None
    """An `httpx.AsyncBaseTransport` in place of the network."""
    unavailable: dict[str, str] = field(factory=dict)
    """Channels and plugins that do not take part, and why."""
    brakes: dict[str, Brake] = field(factory=dict)
    """One for each app."""
    _opened: set[str] = field(factory=set, init=False)

    def build(self) -> None:
        """Make and register every enabled channel, then every other plugin.

        Raises: the error of a plugin whose section says `on_error = "fail"`.
        """
        self.unavailable.update(self.settings.unavailable)
        for channel in self.settings.channels.values():
            if channel.enabled and channel.name not in self.unavailable:
                self._add(channel, self._channel)
        self._acquaint()
        for plugin in self.settings.plugins.values():
            if plugin.enabled and plugin.name not in self.unavailable:
                self._add(plugin, self._plugin)

    def _acquaint(self) -> None:
        """Tell every channel which other accounts on its network are ours."""
        channels = self.channels().values()
        for one in channels:
            others = [other.account for other in channels if other.network == one.network]
            one.siblings = frozenset(others) - {one.account}

    def _add(self, section: S, make: Callable[[S], Plugin]) -> None:
        """Register one plugin, or note why not."""
        try:
            plugin = make(section)
            if isinstance(section, ChannelSettings):
                self._check_allowance(plugin, section.app)
            self.registry.register(plugin)
        except (Exception, SystemExit) as error:
            if section.on_error == "fail":
                raise
            self.disable(section.name, error)

    def _check_allowance(self, plugin: Any, app: str) -> None:
        """Make sure that a channel's allowance can be kept to, and is that of its whole app.

        Raises: `Misconfigured`.
        """
        if plugin.allowance is not None:
            allowances.check(plugin.allowance)
        for other in self._of_app(app):
            if other.allowance != plugin.allowance:
                raise Misconfigured(
                    f"its budget is not that of channel {other.name}, with which it shares the "
                    f"app {app}: write it into [apps.{app}]"
                )

    def share(self, name: str, app: str) -> allowances.Share | None:
        """Return a channel's share of its app's allowance, None where there is none."""
        channel = self.registry.get(name)
        allowance = channel.allowance if isinstance(channel, Channel) else None
        if allowance is None:
            return None
        polling = [one for one in self._of_app(app) if self.registry.implements(one.name, "poll")]
        return allowances.Share(allowance=allowance, channel=name, channels=max(len(polling), 1))

    def _of_app(self, app: str) -> list[Channel]:
        channels = self.channels().values()
        return [one for one in channels if self.settings.channels[one.name].app == app]

    def disable(self, name: str, error: BaseException) -> None:
        """Leave a plugin out."""
        why = (
            str(error) if isinstance(error, ChannelmixError) else f"{type(error).__name__}: {error}"
        )
        why = self.unavailable[name] = self.mask.text(why)
        get_logger(plugin=name).error("plugin.disabled", why=why)

    def _channel(self, section: ChannelSettings) -> Plugin:
        """Make the instance of a channel."""
        cls = self.settings.classes[section.network]
        if not issubclass(cls, Channel):
            raise Misconfigured(f"{cls.__qualname__} is no channel: it cannot be a network")
        return cls(
            name=section.name,
            config=section.config,
            app=section.app_config,
            api_url=section.api_url,
            services=self.services(section.name, section.app),
        )

    def _plugin(self, section: PluginSettings) -> Plugin:
        """Make the instance of a plugin that is no network."""
        cls = self.settings.classes[section.plugin]
        return cls(
            name=section.name,
            config=section.config,
            services=self.services(section.name, section.name),
        )

    def services(self, name: str, app: str) -> Services:
        """Make what the core lends to one plugin."""
        log = get_logger(self.mask, plugin=name)

        brake = self.brakes.setdefault(app, Brake(on_hold=partial(self.on_hold, app)))
        client = http.client(channel=name, log=log, transport=self.transport, mask=self.mask)
        vault, budget = self.lend(name, app)
        return Services(
            http=client, clock=self.clock, log=log, pace=brake, vault=vault, budget=budget
        )

    async def open(self, dispatch: Dispatch, health: HealthBook) -> None:
        """Open every plugin; one that fails is out, and the others go on.

        Raises: the error of a plugin whose section says `on_error = "fail"`.
        """
        for plugin in self.plugins():
            error = await self._open_one(dispatch, plugin)
            if isinstance(plugin, Channel):
                pause = dispatch.paused().get(plugin.name)
                failed = self.unavailable[plugin.name] if error else None
                await health.set(plugin.name, *_state_at_start(failed, pause))
        for name, why in self.unavailable.items():
            if name in self.settings.unavailable:
                await health.set(name, "disabled", why)

    async def open_for(self, dispatch: Dispatch, hook: str, name: str | None = None) -> None:
        """Open those that implement a hook, or the one of that name, if they are not open yet.

        For a desk that does no work of its own and asks only now and then.
        """
        for plugin in self.plugins():
            if name in {None, plugin.name} and self.registry.implements(plugin.name, hook):
                await self._open_one(dispatch, plugin)

    async def _open_one(self, dispatch: Dispatch, plugin: Plugin) -> ChannelmixError | None:
        """Open one plugin, or take it out and return why."""
        if plugin.name in self._opened:
            return None
        self._opened.add(plugin.name)
        try:
            if self.registry.implements(plugin.name, "open"):
                await dispatch.addressed(plugin.name, "open", plugin.services)
        except ChannelmixError as error:
            if self._section(plugin.name).on_error == "fail":
                raise
            await self._close_one(dispatch, plugin)
            self.registry.unregister(plugin.name)
            self.disable(plugin.name, error)
            return error
        return None

    async def close(self, dispatch: Dispatch) -> None:
        """Close every plugin, whatever happens to one of them."""
        for plugin in self.plugins():
            await self._close_one(dispatch, plugin)

    async def _close_one(self, dispatch: Dispatch, plugin: Plugin) -> None:
        """Close one plugin and its client."""
        try:
            if plugin.name in self._opened and self.registry.implements(plugin.name, "close"):
                await dispatch.addressed(plugin.name, "close", plugin.services)
        except ChannelmixError as error:
            get_logger(plugin=plugin.name).warning("plugin.close_failed", error=str(error))
        finally:
            await plugin.services.http.aclose()

    def _section(self, name: str) -> ChannelSettings | PluginSettings:
        """Return the section of a plugin."""
        channel = self.settings.channels.get(name)
        return channel if channel is not None else self.settings.plugins[name]

    def plugins(self) -> list[Plugin]:
        """Return the plugins that take part, in the order of the file."""
        names = [*self.settings.channels, *self.settings.plugins]
        found = (self.registry.get(name) for name in names)
        return [plugin for plugin in found if plugin is not None]

    def channels(self) -> Mapping[str, Channel]:
        """Return the channels that take part, by name."""
        return {one.name: one for one in self.plugins() if isinstance(one, Channel)}


def _state_at_start(failed: str | None, pause: Pause | None) -> tuple[State, str | None]:
    """Say how a channel does that was just opened, or failed to."""
    if failed is not None:
        return "disabled", failed
    return ("paused", pause.why) if pause else ("ok", None)


def mask_of(settings: Settings) -> SecretMask:
    """Return what hides every secret of a desk: one plugin may log what another holds."""
    channels = settings.channels.values()
    configs = [config for one in channels for config in (one.config, one.app_config)]
    configs += [one.config for one in settings.plugins.values()]
    return SecretMask(_secrets(configs))


def _secrets(configs: list[Any]) -> list[str]:
    """Return the values in a plugin's configuration that must never be seen."""
    return [
        value.reveal()
        for config in configs
        if config is not None and attrs.has(type(config))
        for value in attrs.asdict(config, recurse=False).values()
        if isinstance(value, Secret) and value
    ]
