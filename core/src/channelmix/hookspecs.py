"""The contract: the hooks, and the base classes that a plugin starts from.

`Hooks` is two things in one: pluggy's specification, and a typed base class, so that a type
checker sees a wrong signature. A plugin marks each hook it implements with `@hook`. Every hook
takes one record and returns one; an `async def` hook may wait, a plain one is pure: no I/O, no
clock, no waiting. Hooks are called in the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pluggy
from attrs import define, frozen

from channelmix.records import (
    Allowance,
    Assign,
    Assignment,
    Attachment,
    Checked,
    Classify,
    Connect,
    Connected,
    Draft,
    Findings,
    Found,
    Happening,
    Ingested,
    Labels,
    Limits,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Received,
    Renewed,
    Source,
    Spending,
    Split,
    Suggest,
    Suggestions,
    Unlocked,
    WebhookRequest,
)

if TYPE_CHECKING:
    import httpx
    import structlog

PROJECT = "channelmix"
ENTRY_POINTS = "channelmix.v1"
"""The entry point group; its number is the major version of this contract."""

hook = pluggy.HookimplMarker(PROJECT)
"""Marks a method of a plugin as the implementation of the hook of that name."""

_spec = pluggy.HookspecMarker(PROJECT)


class Clock(Protocol):
    """Where the time comes from, so that tests can turn it.

    It may have a method `steady`, too: seconds as a float that only ever pass. By it the core
    tells time that passed from a clock that was turned; without it the clock is believed.
    """

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""


class Pace(Protocol):
    """The brake that all channels of one app share."""

    def hold(self, until: datetime, reason: str, *, replies: bool = False) -> None:
        """Let the core call no `poll` (and with `replies` no `reply`) of this app until then."""


class Vault(Protocol):
    """A channel's own secrets, durable and shared by all processes: tokens that change.

    What is kept is JSON-safe, and its texts are masked in logs and errors from then on.
    """

    async def get(self, name: str = "token") -> Mapping[str, Any] | None:
        """Return what is kept under a name, None if nothing is."""

    async def put(self, value: Mapping[str, Any], name: str = "token") -> None:
        """Keep a value; it is durable when this returns."""

    async def refresh(
        self,
        renew: Callable[[Mapping[str, Any] | None], Awaitable[Mapping[str, Any]]],
        *,
        stale: Callable[[Mapping[str, Any] | None], bool],
        name: str = "token",
    ) -> Mapping[str, Any]:
        """Return what is kept under a name, renewed first if it is `stale`.

        One at a time renews, among all processes; the others wait and get what it brought.
        `renew` makes one call to the network, which must not be tried again inside, and its
        answer is stored before anybody sees it. Once begun it is carried to its end, also when
        the hook that asked is cancelled or the store is away for a while.

        What cannot be promised: a process that is killed between the network's answer and our
        commit takes the answer with it. Where a refresh token is good for one use, the one that
        is kept is used up then, and unless the network forgives its repetition a person has to
        connect the channel again. A value that somebody `put` meanwhile (a new log-in) wins.

        Raises: what `renew` raises; `RetryLater` if another process takes long, or the network.
        """


class Budget(Protocol):
    """What the app may spend, durable and shared by all its channels and processes.

    Replies may use all of it; polls leave the reserve of the allowance alone, and each channel
    has the same share of the rest. Half-way through the period, and again half-way through what
    is left of it (five times), what polls have not used by then is shared out anew.
    """

    async def spend(self, amount: float, *, reply: bool = False) -> None:
        """Note what the next call costs, before it is made; durable when this returns.

        Nothing is noted for a channel without an allowance.

        Raises: `RetryLater` if a reply would exceed what is left, or a poll this channel's
        share of it; the call must not be made then.
        """

    async def state(self) -> Spending:
        """Say what is left, to pace by. Raises: `Misconfigured` without an allowance."""


@frozen(kw_only=True)
class Services:
    """What the core lends to a plugin. All of it belongs to this one channel or plugin."""

    http: httpx.AsyncClient
    """Time-outs, retries of safe calls, bounded concurrency and a redacted log are built in."""
    clock: Clock
    log: structlog.typing.FilteringBoundLogger
    pace: Pace
    vault: Vault
    budget: Budget


class Hooks:
    """Every hook there is. Raise only the errors of `channelmix.errors`."""

    # life

    @_spec
    async def open(self, services: Services) -> None:
        """Get ready. Called once before any other asynchronous hook.

        That a channel is not connected yet is no reason to fail: `connect` comes after this.

        Raises: `Misconfigured`, `AuthorizationLost`, `RetryLater`.
        """
        raise NotImplementedError

    @_spec
    async def close(self, services: Services) -> None:
        """Let go of everything. Called once, also after a failed `open`."""
        raise NotImplementedError

    @_spec
    async def check(self, services: Services) -> Checked:
        """Ask the network whether credentials and permissions suffice; change nothing.

        Called once a day, and when a person asks. Raises: `RetryLater`.
        """
        raise NotImplementedError

    @_spec
    async def connect(self, request: Connect) -> Connected:
        """Take one step of logging in: give the address to go to, or keep what came of it.

        Called until it gives no `url`; by then the tokens are in `services.vault`.

        Raises: `Rejected`, `Misconfigured`, `RetryLater`.
        """
        raise NotImplementedError

    @_spec
    async def renew(self, services: Services) -> Renewed:
        """Renew what would end, in good time; do nothing if all is well.

        Called at the start and on a timer, also while the channel is idle.

        Raises: `AuthorizationLost`, `RetryLater`.
        """
        raise NotImplementedError

    # ingest

    @_spec
    def receive(self, request: WebhookRequest) -> Received:
        """Say whether a webhook request is authentic, what in it is to be stored, what to answer.

        Pure. Asked of one channel of the app that the address names.
        """
        raise NotImplementedError

    @_spec
    def split(self, payload: Payload) -> Split:
        """Cut what the network sent into raw events: a webhook body, or a file with such things.

        What `poll` returns is cut already. Pure, and tolerant of content: it needs to find only the
        borders, the accounts and the keys. Where an app serves several networks, who is asked first
        may be another network's plugin; the one whose account an event names then cuts that event
        again.
        Raises: `InvalidPayload`; the core then stores the payload whole.
        """
        raise NotImplementedError

    @_spec
    async def poll(self, wanted: Poll) -> Polled:
        """Fetch one page of one source, from its cursor on.

        The same cursor may come twice. It may make several calls, and put what they tell into the
        events. Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (for a `Lookup`: the object is
        gone; for a list: it is not there, or not for us, and is left alone for a while).
        """
        raise NotImplementedError

    @_spec
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one raw event means.

        Pure and deterministic. What it knows but has no use for, and what it does not know,
        becomes `Ignored` with a reason. Raises: `InvalidPayload` for what cannot be read.
        """
        raise NotImplementedError

    @_spec
    async def unlock(self, attachment: Attachment) -> Unlocked | None:
        """Say how the file of a customer's attachment is asked for; None: by its address alone.

        Called before each download for a message of this channel. Headers that it gives may hold
        credentials: give them only for addresses that are the network's own.

        Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (nobody gets it).
        """
        raise NotImplementedError

    # classify, assign

    @_spec
    async def classify(self, request: Classify) -> Labels | None:
        """Label a customer's message. All classifiers are asked; None: nothing to say."""
        raise NotImplementedError

    @_spec
    async def assign(self, request: Assign) -> Assignment | None:
        """Choose a team or an agent. The first answer counts; None: let the next one choose."""
        raise NotImplementedError

    # reply

    @_spec
    async def suggest(self, request: Suggest) -> Suggestions | None:
        """Offer answers. All are asked."""
        raise NotImplementedError

    @_spec
    async def review(self, draft: Draft) -> Findings | None:
        """Look at a draft before it is accepted. All are asked; a `block` stops it."""
        raise NotImplementedError

    @_spec
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Carry out one outgoing part with one call to the network, never retried inside.

        Calls that say nothing (to look, to upload) may come before it. If its time runs out, or
        it is cancelled, the part is uncertain.

        Raises: `RetryLater` (it was surely not carried out), `Uncertain` (it may have been),
        `Rejected`, `WindowClosed`, `AuthorizationLost`.
        """
        raise NotImplementedError

    @_spec
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look at the network whether an uncertain part is there. Ids in `taken` do not count.

        Raises: `RetryLater`, `AuthorizationLost`.
        """
        raise NotImplementedError

    # observe

    @_spec
    async def observe(self, happening: Happening) -> None:
        """Take note of one entry of the durable feed. It comes again until this returns."""
        raise NotImplementedError


@define(eq=False, kw_only=True, slots=False)
class Plugin(Hooks):
    """The base of every plugin: one instance for each section of the configuration."""

    Config: ClassVar[type | None] = None
    """The attrs class of the plugin's own section, None if it takes no settings."""

    name: str
    """The name of the channel, or of the plugin's section."""
    config: Any = None
    services: Services

    @property
    def http(self) -> httpx.AsyncClient:
        """The channel's own HTTP client."""
        return self.services.http

    @property
    def clock(self) -> Clock:
        """The desk's clock."""
        return self.services.clock

    @property
    def log(self) -> structlog.typing.FilteringBoundLogger:
        """A logger bound to this plugin and channel."""
        return self.services.log

    @property
    def pace(self) -> Pace:
        """The brake of this channel's app."""
        return self.services.pace

    @property
    def vault(self) -> Vault:
        """The channel's own secrets."""
        return self.services.vault

    @property
    def budget(self) -> Budget:
        """What the channel's app may spend."""
        return self.services.budget


@define(eq=False, kw_only=True, slots=False)
class Channel(Plugin):
    """The base of a network's plugin: one instance for each configured channel."""

    network: ClassVar[str]
    """The network's name, equal to the name of the entry point."""
    App: ClassVar[type | None] = None
    """The attrs class of what channels of one app share, None if there is no such thing."""
    account_field: ClassVar[str]
    """The field of `Config` that holds the account id which webhooks name (`page_id`).

    Without webhooks it is any name of the account that is its own in all the network.
    """
    sources: ClassVar[Sequence[Source]] = ()
    limits: ClassVar[Sequence[Limits]] = ()

    app: Any = None
    api_url: str | None = None
    """Where the network is, if not at its own address: a simulator or a proxy."""
    siblings: frozenset[str] = frozenset()
    """The accounts of the desk's other channels on the same network: what they say is ours.

    A message of theirs is an `Echo`, with `own=True`, and makes no ticket.
    """

    @property
    def account(self) -> str:
        """The account id that webhooks name."""
        return str(getattr(self.config, self.account_field))

    @property
    def allowance(self) -> Allowance | None:
        """What the app may spend, from its settings, the same for all its channels; None: any."""
        return None
