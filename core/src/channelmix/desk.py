"""`Desk`: everything channelmix does, for a command line, a browser, or somebody's helpdesk."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from attrs import frozen

from channelmix import (
    answering,
    config,
    connecting,
    first_answer,
    health,
    library,
    publishing,
    reviewing,
    wrong_topic,
)
from channelmix.assembly import Assembly, mask_of
from channelmix.budget import StoredBudget
from channelmix.clock import SystemClock
from channelmix.dispatch import Dispatch
from channelmix.errors import ChannelmixError, NotFound, Refused
from channelmix.gathering import Gathering
from channelmix.hookspecs import Channel, Clock, Plugin
from channelmix.intake import Intake
from channelmix.log import get_logger
from channelmix.loops import Bell, Topic
from channelmix.records import (
    Action,
    Attachment,
    Checked,
    Connect,
    Connected,
    Draft,
    Fate,
    Finding,
    Findings,
    Happening,
    Limits,
    OutboxState,
    RawEvent,
    Spending,
    Suggest,
    Suggestion,
    Suggestions,
    TicketState,
    WebhookRequest,
    WebhookResponse,
    limits_for,
)
from channelmix.registry import Registry
from channelmix.rules import Rules
from channelmix.rules import answering as answering_with
from channelmix.settings import Settings
from channelmix.store import feed, journal, ledger, outbox, outcomes, tickets, views
from channelmix.store import schema as s
from channelmix.store.engine import Store
from channelmix.store.library import ArticleLine, articles
from channelmix.store.outbox import Accepted, Part
from channelmix.vault import StoredVault, Vaults
from channelmix.workers import STOP_SECONDS, Workers

T = TypeVar("T")
REPLAYABLE = (Fate.QUARANTINED, Fate.UNROUTED, Fate.IGNORED)
"""What brought nothing, so that nothing can come twice."""


@frozen(kw_only=True)
class ChannelLine:
    """How one channel does."""

    name: str
    network: str
    app: str
    state: str
    why: str | None
    last_push_at: Any
    last_poll_at: Any
    token_expires_at: Any
    held_until: Any
    """Until when the channel waits because the network's limits are near."""
    held_because: str | None
    sources: tuple[dict[str, Any], ...]
    breakers: tuple[str, ...]
    spending: Spending | None = None
    """What its app has spent in this period, None where it has no budget."""


class Desk:
    """One team's desk. Several live side by side in one process; nothing is global.

    Open it as an asynchronous context manager:

        async with Desk.open("channelmix.toml") as desk:
            ...

    All methods raise `NotFound` for what is not there, `Refused` for what may not be done, and
    `StoreError` when the database cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        work: bool = True,
        clock: Clock | None = None,
        transport: Any = None,
        owner: str | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.registry = Registry()
        self.bell = Bell()
        self.store = Store(settings.desk.store)
        self.book = health.HealthBook(store=self.store, clock=self.clock)
        self.mask = mask_of(settings)
        self.log = get_logger(self.mask)
        self.dispatch = Dispatch(
            self.registry,
            clock=self.clock,
            on_change=self._breaker_changed,
            log=self.log,
            mask=self.mask,
        )
        self.poison: dict[int, str] = {}
        """Stored events that ended earlier processes, and how: quarantined without being read."""
        self._owner = owner or secrets.token_hex(8)
        self._vaults = Vaults(
            store=self.store,
            clock=self.clock,
            bell=self.bell,
            mask=self.mask,
            owner=self._owner,
        )
        self.assembly = Assembly(
            settings=settings,
            registry=self.registry,
            clock=self.clock,
            mask=self.mask,
            on_hold=self._held,
            lend=self._lend,
            transport=transport,
        )
        self.rules = Rules(settings=settings, limits=self.limits)
        self._work = work
        self._intakes: dict[str, Intake] = {}
        self._workers: Workers | None = None
        self._notes: set[asyncio.Task[None]] = set()
        self._preparing = Gathering(self._prepare)
        self._accepting = Gathering(self._accept)

    @classmethod
    def open(
        cls,
        source: Path | str | Mapping[str, Any] | Settings,
        *,
        work: bool = True,
        clock: Clock | None = None,
        transport: Any = None,
        plugins: Mapping[str, type[Plugin]] | None = None,
        owner: str | None = None,
    ) -> Desk:
        """Return the desk that a configuration describes; `async with` opens it.

        `source` is a file, its content, or `Settings`. With `work=False` nothing goes on in the
        background: for reading, and for leaving work to another process. `plugins` are classes
        by entry point name, in place of what is installed; `transport` replaces the network.
        `owner` is the name of an earlier desk that died, and surely did: this one goes on with
        what that one had begun, without waiting for its leases to end.

        Raises: `ConfigError` with every mistake in the configuration.
        """
        settings = source if isinstance(source, Settings) else config.load(source, plugins=plugins)
        return cls(settings, work=work, clock=clock, transport=transport, owner=owner)

    async def __aenter__(self) -> Self:
        """Open the store and the plugins, and start the work.

        Raises: `StoreError`; with `on_error = "fail"` what a plugin raised.
        """
        await asyncio.to_thread(self.store.open)
        loop = asyncio.get_running_loop()
        self.store.watch(lambda: loop.call_soon_threadsafe(self.bell.ring))
        try:
            self.assembly.build()
            if self._work:
                self._add_rules()
            for app in {one.app for one in self.settings.channels.values()}:
                self._add_intake(app)
            if self._work:
                await self.assembly.open(self.dispatch, self.book)
                self._workers = Workers(desk=self, owner=self._owner)
                await self._workers.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the work, let what is under way finish for a moment, close everything."""
        await self._close()

    async def _close(self) -> None:
        """Close whatever is open, also if opening it failed half-way."""
        try:
            if self._workers is not None:
                await self._workers.stop()
        finally:
            await self._vaults.close(STOP_SECONDS)
            await self.assembly.close(self.dispatch)
            for task in self._notes:
                task.cancel()
            await asyncio.to_thread(self.store.close)

    def _add_rules(self) -> None:
        """Make those of the core's own observers that the settings ask for."""
        for rule in (wrong_topic, first_answer):
            if rule.wanted(self.settings):
                services = self.assembly.services(rule.NAME, rule.NAME)
                self.registry.register(rule.Rule(name=rule.NAME, services=services, desk=self))

    def _add_intake(self, app: str) -> None:
        """Make the webhook address of an app, if a channel of it takes webhooks."""
        channels = [
            one
            for one in self.assembly.channels().values()
            if self.settings.channels[one.name].app == app
            and self.registry.implements(one.name, "receive")
        ]
        if channels:
            self._intakes[app] = Intake(
                store=self.store,
                registry=self.registry,
                dispatch=self.dispatch,
                clock=self.clock,
                bell=self.bell,
                app=app,
                charge=self._charge,
                channels=channels,
            )

    def _lend(self, name: str, app: str) -> tuple[StoredVault, StoredBudget]:
        """Make what one channel or plugin is lent of the store."""
        return StoredVault(vaults=self._vaults, channel=name), self._budget(name, app)

    def _budget(self, name: str, app: str) -> StoredBudget:
        share = partial(self.assembly.share, name, app)
        return StoredBudget(store=self.store, clock=self.clock, app=app, share=share)

    def _charge(self, connection: sa.Connection, channel: str, cost: float) -> None:
        """Count what a network charged for pushing to a channel."""
        if section := self.settings.channels.get(channel):
            self._budget(channel, section.app).note(connection, cost)

    def limits(self, channel: str) -> Sequence[Limits]:
        """Return what a channel declares."""
        plugin = self.registry.get(channel)
        return plugin.limits if isinstance(plugin, Channel) else ()

    def _breaker_changed(self, plugin: str, runs: bool, why: str) -> None:  # noqa: FBT001 - a callback
        """Note a channel that pauses, or comes back."""
        if plugin not in self.settings.channels or plugin in self.assembly.unavailable:
            return
        self._note(self.book.set(plugin, "ok") if runs else self.book.set(plugin, "paused", why))

    def _held(self, app: str, why: str, until: datetime) -> None:
        """Note that an app slows down before the network refuses."""
        self.log.info("pace.held", app=app, why=why, until=until.isoformat())
        names = [one.name for one in self.settings.channels.values() if one.app == app]
        self._note(self.book.hold(names, why, until))

    def _note(self, note: Coroutine[Any, Any, None]) -> None:
        """Write a note in the background."""
        task = asyncio.ensure_future(note)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    # --- in -----------------------------------------------------------------------------------

    async def receive(self, app: str, request: WebhookRequest) -> WebhookResponse:
        """Take a webhook request that came to the address of `app`; return the answer.

        Everything in it is stored when this returns. A channel without `app` is its own app.
        """
        intake = self._intakes.get(app)
        if intake is None:
            if any(one.app == app for one in self.settings.channels.values() if one.enabled):
                return WebhookResponse(status=503, body="the channels of this app are disabled")
            raise NotFound(f"there is no app {app}")
        return await intake.receive(request)

    def cut(self, whole: RawEvent) -> list[tuple[str, RawEvent]]:
        """Cut a payload that was stored whole into events, each with the channel it belongs to.

        Raises: as `Intake.cut`.
        """
        intake = self._intakes.get(self.settings.channels[whole.channel].app)
        if intake is None:
            raise NotFound(f"channel {whole.channel} takes no webhooks")
        return intake.cut(whole.channel, whole.body)

    async def replay(
        self, *, fates: Collection[Fate] = REPLAYABLE[:2], channel: str | None = None
    ) -> Counter[str]:
        """Process again what brought nothing: quarantined, unrouted, on request also ignored.

        Lookups that failed are made again, too. Returns how many events of each fate are unsettled
        now, and how many `lookups` are wanted again.
        """
        if wrong := [fate.value for fate in fates if fate not in REPLAYABLE]:
            raise Refused(f"{', '.join(wrong)}: only {', '.join(REPLAYABLE)} can be replayed")
        accounts = {
            (self.settings.channels[name].app, one.account): name
            for name, one in self.assembly.channels().items()
        }
        return await self._write(
            lambda connection: journal.replay(
                connection, fates=fates, channels_by_account=accounts, channel=channel
            ),
            Topic.JOURNAL,
            Topic.LOOKUPS,
        )

    # --- tickets ------------------------------------------------------------------------------

    async def tickets(
        self,
        *,
        states: Sequence[TicketState] = (),
        channel: str | None = None,
        agent: str | None = None,
        limit: int = 100,
    ) -> list[views.TicketLine]:
        """List tickets, what is due first comes first."""
        return await self.store.read(
            lambda connection: views.tickets(
                connection, states=states, channel=channel, agent=agent, limit=limit
            )
        )

    async def ticket(self, ticket_id: int) -> views.Ticket:
        """Return one ticket with everything that belongs to it."""
        found = await self.store.read(lambda connection: views.ticket(connection, ticket_id))
        if found is None:
            raise NotFound(f"there is no ticket {ticket_id}")
        return found

    async def assign(
        self, ticket_id: int, *, by: str, agent: str | None = None, team: str | None = None
    ) -> None:
        """Give a ticket to an agent, a team or, with neither, to nobody."""
        if agent is not None and agent not in self.settings.agents:
            raise NotFound(f"there is no agent {agent}")
        if team is not None and team not in self.settings.teams:
            raise NotFound(f"there is no team {team}")
        data = {"team": team, "agent": agent, "reason": f"assigned by {by}"}
        await self._act(ticket_id, "assign", by=by, data=data)

    async def note(self, ticket_id: int, text: str, *, by: str) -> None:
        """Leave a note that the customer never sees."""
        await self._act(ticket_id, "note", by=by, data={"text": text})

    async def close(self, ticket_id: int, *, by: str, reason: str | None = None) -> None:
        """Close a ticket as it is now; what arrives later opens it again."""
        await self._act(ticket_id, "close", by=by, data={"reason": reason})

    async def reopen(self, ticket_id: int, *, by: str) -> None:
        """Put a ticket back into the queue."""
        await self._act(ticket_id, "reopen", by=by, data={})

    async def set(self, ticket_id: int, *, by: str, **values: str) -> None:
        """Set `topic` or `priority`, or with `service="yes"` or `"no"` overrule the classifiers."""
        known = {"topic", "priority", "service"}
        if wrong := sorted(set(values) - known):
            raise Refused(f"{', '.join(wrong)} cannot be set, only {', '.join(sorted(known))}")
        await self._act(ticket_id, "set", by=by, data=values)

    async def _act(self, ticket_id: int, kind: str, *, by: str, data: Mapping[str, Any]) -> None:
        """Record an action and judge the ticket anew."""
        now = self.clock.now()
        done = await self._write(
            lambda connection: tickets.act_and_reproject(
                connection, ticket_id, kind, by=by, data=data, rules=self.rules, now=now
            )
        )
        if not done:
            raise NotFound(f"there is no ticket {ticket_id}")

    # --- answers ------------------------------------------------------------------------------

    async def reply(
        self,
        ticket_id: int,
        text: str,
        *,
        agent: str,
        private: bool = False,
        attachments: Sequence[Attachment] = (),
        message: str | None = None,
        automatic: bool = False,
        thread: bool = False,
        interim: bool = False,
    ) -> int:
        """Answer a ticket's newest message, or the one named; return the outbox id.

        In public where it was asked in public, unless `private`. With `thread` a text that is too
        long becomes several numbered messages, where the channel offers that. With `interim` it
        says only that an answer follows: the customer still waits for us; if it is `automatic`
        too, only where no machine has spoken in the thread. Raises: `Refused` with every
        finding that blocks.
        """
        wish = answering.Wish(
            ticket=ticket_id,
            text=text,
            private=private,
            attachments=attachments,
            message=message,
            automatic=automatic,
            thread=thread,
            interim=interim,
        )
        return await self._fulfil(wish, by=agent)

    async def act(
        self,
        ticket_id: int,
        action: Action | None,
        *,
        by: str,
        text: str = "",
        private: bool = False,
        attachments: Sequence[Attachment] = (),
        message: str | None = None,
        own_id: str | None = None,
        automatic: bool = False,
    ) -> int:
        """Do something at the network about a message: hide it, like it, edit our answer.

        `own_id` is the external id of our own message, for `edit` and `delete`.
        """
        wish = answering.Wish(
            ticket=ticket_id,
            action=action,
            text=text,
            private=private,
            attachments=attachments,
            message=message,
            own_id=own_id,
            automatic=automatic,
        )
        return await self._fulfil(wish, by=by)

    async def _fulfil(self, wish: answering.Wish, *, by: str) -> int:
        """Put what somebody wants into the outbox, if nothing speaks against it."""
        prepared = await self._preparing.ask(wish)
        parts = await self._parts(prepared.draft, used=prepared.used)
        return await self._accepting.ask(answering.Ready(prepared=prepared, parts=parts, by=by))

    async def publish(
        self,
        channel: str,
        text: str,
        *,
        by: str,
        attachments: Sequence[Attachment] = (),
        details: Mapping[str, str] | None = None,
        automatic: bool = False,
    ) -> int:
        """Say something to everybody on a channel, in answer to nobody; return the outbox id.

        `details` are what the network takes beside the text, as `Limits.details` of the channel
        names them (`title`, `link`). Where the channel's section says `approval`, it is held until
        a second person approves it. Raises: `Refused` with every finding that blocks.
        """
        draft = Draft(
            channel=channel,
            action=Action.PUBLISH,
            text=text,
            attachments=tuple(attachments),
            details=dict(details or {}),
            automatic=automatic,
        )
        wanted = Accepted(
            channel=channel,
            action=draft.action,
            by=by,
            parts=await self._parts(draft),
            details=draft.details,
            automatic=automatic,
            held=self.settings.channels[channel].approval,
        )
        now = self.clock.now()
        return await self._write(lambda connection: publishing.accept(connection, wanted, now))

    async def _parts(self, draft: Draft, *, used: bool = False) -> list[Part]:
        """Review a draft, keep its files, and cut it into the calls it takes. Raises: `Refused`."""
        found = await self.review(draft, used=used)
        if blocks := [one.text for one in found if one.level == "block"]:
            raise Refused("; ".join(blocks))
        kind = draft.target.kind if draft.target else None
        limits = limits_for(self.limits(draft.channel), draft.action, kind)
        kept: Sequence[Attachment] = ()
        if draft.attachments:
            media = self.settings.desk.media
            kept = await asyncio.to_thread(answering.keep, draft.attachments, media)
        return reviewing.parts(limits, draft.text, kept, thread=draft.thread)

    async def _prepare(
        self, wishes: Sequence[answering.Wish]
    ) -> list[answering.Prepared | ChannelmixError]:
        """Prepare what is wished at the same time."""
        return await self.store.read(lambda connection: answering.prepare(connection, wishes))

    async def _accept(self, ready: Sequence[answering.Ready]) -> list[int | ChannelmixError]:
        """Accept what is ready at the same time, and wake whoever sends it."""
        now = self.clock.now()
        done = await self.store.write(
            lambda connection: answering.accept(connection, ready, rules=self.rules, now=now)
        )
        self.bell.ring(Topic.OUTBOX, Topic.FEED)
        return done

    async def review(self, draft: Draft, *, used: bool = False) -> list[Finding]:
        """Say what speaks against a draft: the channel's declaration first, then all reviewers."""
        plugin = self.registry.get(draft.channel)
        if not isinstance(plugin, Channel):
            why = self.assembly.unavailable.get(draft.channel)
            raise NotFound(f"there is no channel {draft.channel}" + (f": {why}" if why else ""))
        found = reviewing.findings(plugin.limits, draft, now=self.clock.now(), used=used)
        kind = draft.target.kind if draft.target else None
        allowed = limits_for(plugin.limits, draft.action, kind)
        found += reviewing.money(allowed, draft, await self._spending(plugin))
        await self.assembly.open_for(self.dispatch, "review")
        for outcome in await self.dispatch.collect("review", draft):
            if isinstance(outcome.value, Findings):
                found += outcome.value.findings
        return found

    async def suggest(self, ticket_id: int) -> list[Suggestion]:
        """Gather ideas for an answer, the most confident first: from the library and plugins."""
        ticket = await self.ticket(ticket_id)
        asked = [one for one in ticket.messages if not one.own and one.deleted_at is None]
        if not asked:
            return []
        channel = ticket.line.channel
        item = channel, asked[-1].id
        there = await self.store.read(lambda connection: outbox.targets(connection, [item]))
        message = there.get(item)
        if message is None:
            return []
        await self.assembly.open_for(self.dispatch, "suggest")
        request = Suggest(channel=channel, message=message, labels=ticket.labels)
        question = library.Question(
            text="\n".join(one.text or "" for one in asked),
            network=self.settings.channels[channel].network,
            topic=ticket.line.topic,
            language=ticket.labels.get("language"),
        )
        matching = await self.search_articles(question)
        limits = limits_for(self.limits(channel), answering_with(message.kind), message.kind)
        found = library.suggestions(matching, limits) + [
            suggestion
            for outcome in await self.dispatch.collect("suggest", request)
            if isinstance(outcome.value, Suggestions)
            for suggestion in outcome.value.suggestions
        ]
        return sorted(found, key=lambda one: -one.confidence)

    async def search_articles(
        self, question: library.Question, *, most: int = library.MOST
    ) -> list[tuple[float, ArticleLine]]:
        """Return what of the help library answers a question, each with how sure that is."""
        networks = {one.name: one.network for one in self.settings.channels.values()}
        return await self.store.read(lambda c: library.find(c, question, networks, most=most))

    async def articles(self, *, channel: str | None = None, limit: int = 100) -> list[ArticleLine]:
        """List the help library, the newest first."""
        return await self.store.read(lambda c: articles(c, channel=channel, limit=limit))

    async def outbox(
        self,
        *,
        states: Sequence[OutboxState] = (),
        ticket: int | None = None,
        outbox_id: int | None = None,
        limit: int = 200,
    ) -> list[views.OutboxLine]:
        """List outgoing actions, newest first."""
        return await self.store.read(
            lambda connection: views.outbox(
                connection, states=states, ticket=ticket, outbox_id=outbox_id, limit=limit
            )
        )

    async def approve(self, outbox_id: int, *, by: str) -> None:
        """Let go out what is held, as a second person.

        Raises: `Refused` for who wrote it, and for who is none of the channel's `approvers`.
        """
        now = self.clock.now()
        await self._decide(
            outbox_id,
            "held",
            lambda c: publishing.approve(c, outbox_id, by=by, settings=self.settings, now=now),
        )

    async def cancel(self, outbox_id: int) -> None:
        """Cancel what is still queued or held of an action."""
        await self._decide(outbox_id, "queued or held", lambda c: outcomes.cancel(c, outbox_id))

    async def retry(self, outbox_id: int) -> None:
        """Send a failed or cancelled action again; what nobody approved is held again."""
        now = self.clock.now()
        holding = publishing.holding(self.settings)
        await self._decide(
            outbox_id,
            "failed or cancelled",
            lambda c: outcomes.retry(c, outbox_id, now, holding=holding),
        )

    async def resolve(self, outbox_id: int, *, arrived: bool) -> None:
        """Say of an uncertain action whether it arrived; what did not is sent again."""
        now = self.clock.now()
        await self._decide(
            outbox_id,
            "uncertain",
            lambda c: outcomes.resolve(c, outbox_id, arrived=arrived, now=now),
        )

    async def _decide(
        self, outbox_id: int, wanted: str, job: Callable[[sa.Connection], list[feed.Fresh] | None]
    ) -> None:
        """Carry out a person's decision on an action, and judge its ticket anew."""
        now = self.clock.now()

        def whole(connection: sa.Connection) -> bool:
            concerned = tickets.hold(connection, outbox.ticket_of(connection, outbox_id))
            done = job(connection)
            fresh = tickets.reproject(connection, concerned, rules=self.rules, now=now)
            feed.tell(connection, (done or []) + fresh, now)
            return done is not None

        if not await self._write(whole):
            raise Refused(f"outbox {outbox_id} is not {wanted}")

    # --- proof and health -----------------------------------------------------------------------

    async def ledger(self) -> ledger.Ledger:
        """Count what became of everything that ever arrived."""
        pushing = frozenset(
            name
            for name in self.assembly.channels()
            if self.settings.channels[name].push and self.registry.implements(name, "receive")
        )
        return await self.store.read(lambda connection: ledger.ledger(connection, pushing=pushing))

    async def events(self, *, after: int = 0) -> AsyncIterator[Happening]:
        """Follow the durable feed from after a position, for ever; each has its own `id`."""
        event = self.bell.listen(Topic.FEED)
        try:
            while True:
                event.clear()  # before it is looked: what comes meanwhile sets it again
                found = await self.store.read(partial(feed.after, position=after))
                for one in found:
                    after = one.id
                    yield one
                if len(found) < feed.PAGE:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(event.wait(), 1)
        finally:
            self.bell.leave(event)

    async def check(self, channel: str) -> Checked:
        """Ask the network about a channel's credentials; note when its token ends."""
        if why := self.assembly.unavailable.get(channel):
            return Checked(findings=(Finding(level="block", code="disabled", text=why),))
        plugin = await self._opened(channel, "check")
        if not self.registry.implements(channel, "check"):
            return Checked()
        checked: Checked = await self.dispatch.addressed(channel, "check", plugin.services)
        now, expires_at = self.clock.now(), checked.token_expires_at
        await self.store.write(lambda c: health.checked(c, channel, expires_at, now))
        return checked

    async def connect(self, channel: str, request: Connect) -> Connected:
        """Take one step of logging a channel in at its network.

        Send the person to the `url` of what this returns, and call it again with the query that
        they come back with and the `memory` of what this returned, which must not be shown to
        them; without `url` the channel is connected.

        Raises: `Refused` if the query is no answer to the step before, or says no; what the
        plugin raises, as `Dispatch.addressed`.
        """
        connecting.expect(request)
        self.mask.learn([dict(request.memory), dict(request.callback or {})])
        await self._opened(channel, "connect")
        connected: Connected = await self.dispatch.addressed(channel, "connect", request)
        if connected.url is not None:
            return connecting.remembered(channel, connected)
        now, expires_at = self.clock.now(), connected.expires_at
        await self._write(
            lambda c: health.connected(c, channel, expires_at, now), Topic.LOOKUPS, Topic.OUTBOX
        )
        return connected

    async def _opened(self, channel: str, hook: str) -> Plugin:
        """Return a channel's plugin, opened if it implements `hook`. Raises: `NotFound`."""
        await self.assembly.open_for(self.dispatch, hook, channel)
        plugin = self.registry.get(channel)
        if plugin is None:
            why = self.assembly.unavailable.get(channel)
            raise NotFound(f"there is no channel {channel}" + (f": {why}" if why else ""))
        return plugin

    async def _spending(self, channel: Plugin | None) -> Spending | None:
        """Say what the app of a channel has spent, None where it has no budget."""
        if not isinstance(channel, Channel) or channel.allowance is None:
            return None
        return await channel.services.budget.state()

    async def channels(self) -> list[ChannelLine]:
        """Say how every configured channel does."""
        rows = await self.store.read(health.saved)
        query = sa.select(s.sources).order_by(s.sources.c.source)
        sources = await self.store.read(lambda connection: connection.execute(query).all())
        open_breakers = [one for one in self.dispatch.state() if one.open_until is not None]
        return [
            ChannelLine(
                name=one.name,
                network=one.network,
                app=one.app,
                state=_state(rows.get(one.name), one.enabled, self.assembly.unavailable),
                why=self.assembly.unavailable.get(one.name)
                or getattr(rows.get(one.name), "why", None),
                last_push_at=getattr(rows.get(one.name), "last_push_at", None),
                last_poll_at=getattr(rows.get(one.name), "last_poll_at", None),
                token_expires_at=getattr(rows.get(one.name), "token_expires_at", None),
                held_until=getattr(rows.get(one.name), "held_until", None),
                held_because=getattr(rows.get(one.name), "held_because", None),
                sources=tuple(
                    {
                        **{key: told for key, told in row._mapping.items() if key != "channel"},  # noqa: SLF001 - SQLAlchemy's public name
                        "cost": _cost(self.registry.get(one.name), row.source),
                    }
                    for row in sources
                    if row.channel == one.name
                ),
                breakers=tuple(b.hook for b in open_breakers if b.plugin == one.name),
                spending=await self._spending(self.registry.get(one.name)),
            )
            for one in self.settings.channels.values()
        ]

    async def health(self) -> dict[str, Any]:
        """Say that the desk works, and how each channel does.

        A channel in trouble is no reason to restart the desk, so `status` is `ok` all the same.
        """
        return {"status": "ok", "channels": {one.name: one.state for one in await self.channels()}}

    async def settled(self) -> bool:
        """Say whether nothing is left to do: no event, lookup or outgoing part is under way.

        What is held is not: it waits for a person.
        """
        return await self.store.read(ledger.nothing_left)

    async def drain(self) -> None:
        """Wait until `settled`; wrap it in `asyncio.timeout`."""
        event = self.bell.listen()
        try:
            while not await self.settled():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), 0.5)
                event.clear()
        finally:
            self.bell.leave(event)

    async def _write(self, job: Callable[[sa.Connection], T], *wakes: Topic) -> T:
        """Write, and wake whoever has to do with it: what people do is told, or sent."""
        done = await self.store.write(job)
        self.bell.ring(*(wakes or (Topic.FEED, Topic.OUTBOX)))
        return done


def _cost(channel: Plugin | None, source: str) -> float | None:
    """Say what one poll of a source costs at most."""
    known = channel.sources if isinstance(channel, Channel) else ()
    return next((one.cost for one in known if one.name == source), None)


def _state(row: Any, enabled: bool, unavailable: Mapping[str, str]) -> str:  # noqa: FBT001 - internal
    """Say how a channel does."""
    if not enabled:
        return "off"
    name = getattr(row, "name", None)
    return "disabled" if name in unavailable else getattr(row, "state", "never run")
