"""What raw payloads would become, asked of a plugin's pure hooks; nothing is stored or called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import attrs
from attrs import evolve, field, frozen

from channelmix import config
from channelmix.cli import apart
from channelmix.cli.call import Call
from channelmix.discovery import installed
from channelmix.dispatch import Dispatch
from channelmix.errors import NotFound, PluginError, PluginFault, PluginUnavailable
from channelmix.hints import did_you_mean
from channelmix.hookspecs import Channel, Clock, Plugin
from channelmix.records import (
    Inbound,
    Ingested,
    Payload,
    RawEvent,
    Received,
    Road,
    Split,
    WebhookRequest,
)
from channelmix.secrets import Secret
from channelmix.settings import ChannelSettings, Settings

_EMPTY: Mapping[Any, Any] = {str: "", Secret: Secret(), int: 0, float: 0.0, bool: False}


@frozen(kw_only=True)
class Read:
    """What one raw event would become."""

    key: str
    inbounds: tuple[Inbound, ...] = ()
    quarantined: str | None = None
    """Why it cannot be read; None if it can."""
    unrouted: str | None = None
    """The account it names, if that is not the channel's."""


@frozen(kw_only=True)
class DryRun:
    """One channel, or network, to be asked."""

    channel: Channel
    dispatch: Dispatch
    clock: Clock
    source: str = field(default="webhook")

    async def receive(self, body: bytes, headers: Mapping[str, str]) -> Received:
        """Ask whether a request with this body and these headers is authentic."""
        request = WebhookRequest(method="POST", headers=headers, body=body)
        answer: Received = await self._ask("receive", request)
        return answer

    async def read(self, body: bytes) -> list[Read]:
        """Say what a webhook body, or the answer to a poll, would become."""
        return [await self._read(event) for event in await self._split(body)]

    async def _split(self, body: bytes) -> tuple[RawEvent, ...]:
        """Cut it as the intake does: what cannot be cut is one event."""
        try:
            split: Split = await self._ask("split", Payload(body=body, source=self.source))
        except (PluginError, PluginFault):
            return (RawEvent(key=hashlib.sha256(body).hexdigest(), body=body),)
        return split.events

    async def _read(self, event: RawEvent) -> Read:
        arrived = evolve(
            event,
            channel=self.channel.name,
            source=self.source,
            road=Road.PUSH if self.source == "webhook" else Road.POLL,
            received_at=self.clock.now(),
        )
        mine = self.channel.account
        unrouted = event.account if mine and event.account not in ("", mine) else None
        try:
            told: Ingested = await self._ask("ingest", arrived)
        except (PluginError, PluginFault) as error:
            return Read(key=event.key, quarantined=str(error), unrouted=unrouted)
        return Read(key=event.key, inbounds=told.inbounds, unrouted=unrouted)

    async def _ask(self, hook: str, request: object) -> Any:
        return await self.dispatch.addressed(self.channel.name, hook, request)


def only(call: Call, name: str) -> Settings:
    """Return settings with one channel: a configured one, or an empty one of the network `name`.

    Raises: `ConfigError`, `NotFound`, `PluginUnavailable`.
    """
    known, broken = Settings(), apart.broken(call, [name])
    if call.named or call.config.exists():
        known = config.load(call.config, secrets="optional", broken=broken)
    if why := known.unavailable.get(name) or broken.get(name):
        raise PluginUnavailable(why)
    channel = known.channels.get(name)
    if channel is None:
        return _network(name, known)
    if channel.enabled:
        return Settings(channels={name: channel}, classes=known.classes)
    return _blank(name, channel.network)


def _network(name: str, known: Settings) -> Settings:
    networks = installed()
    if name not in networks:
        hint = did_you_mean(name, {*known.channels, *networks})
        raise NotFound(f"there is no channel and no network {name}{hint}")
    return _blank(name, name)


def _blank(name: str, network: str) -> Settings:
    """Return settings with a channel that knows nothing: neither its account nor a secret."""
    cls: type[Plugin] = installed()[network].load()
    if not issubclass(cls, Channel):
        raise NotFound(f"{network} is no network: it has nothing to ingest")
    channel = ChannelSettings(
        name=name, network=network, config=_empty(cls.Config), app_config=_empty(cls.App)
    )
    return Settings(channels={name: channel}, classes={network: cls})


def _empty(cls: type | None) -> Any:
    """Make a plugin's settings of nothing but defaults and empty values."""
    if cls is None:
        return None
    with attrs.validators.disabled():
        return cls(**dict(_empty_values(cls)))


def _empty_values(cls: type) -> Iterator[tuple[str, Any]]:
    for one in attrs.fields(attrs.resolve_types(cls)):
        if one.init and one.default is attrs.NOTHING:
            tp = get_args(one.type)[0] if hasattr(one.type, "__metadata__") else one.type
            yield one.alias or one.name, _EMPTY.get(tp)
