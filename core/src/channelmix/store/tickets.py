"""From messages, answers and actions to tickets: the projection, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import sqlalchemy as sa
from attrs import define, field, frozen

from channelmix.projection import Answer, Close, Projected, Said, best_labels
from channelmix.records import Assignment, Kind, TicketState
from channelmix.store import feed, units
from channelmix.store import schema as s
from channelmix.store.dialect import add, among, fetch, first, numbers, run, upsert
from channelmix.store.feed import Fresh
from channelmix.store.units import Inputs, Unit

SUBJECT = 80
"""How long the line is that says what a ticket is about."""
Labelled = tuple[str, str, float, str]
"""A label: name, value, confidence, source."""


class Rules(Protocol):
    """What the configuration says about tickets."""

    def due(
        self, *, channel: str, kind: Kind, topic: str | None, since: datetime
    ) -> datetime | None:
        """Return when a request that waits since then is late by our own promise."""

    def window(self, *, channel: str, kind: Kind, since: datetime) -> datetime | None:
        """Return until when the network lets a person answer."""

    def topic(self, channel: str) -> str | None:
        """Return the topic of everything on a channel, if it has just one."""

    def counted(self) -> Mapping[str, int]:
        """Return every agent's name, and how many of their open tickets are worth counting."""

    def choose(
        self, *, channel: str, topic: str | None, language: str | None, load: Mapping[str, int]
    ) -> Assignment:
        """Assign by the core's own rule; `load` is how many open tickets each agent has."""

    def project(
        self, said: Iterable[Said], answers: Sequence[Answer], closes: Sequence[Close]
    ) -> Sequence[Projected]:
        """Project with the configured times."""


def reproject(
    connection: sa.Connection,
    concerned: Collection[Unit],
    *,
    rules: Rules,
    now: datetime,
    proposals: Mapping[tuple[str, str], Assignment] | None = None,
) -> list[Fresh]:
    """Judge units anew from what is there, and write their tickets; the caller holds them.

    `proposals` are what assigners chose for messages. Returns what happened.
    """
    if not concerned:
        return []
    loaded = units.load(connection, sorted(concerned))
    judge = _Judge(connection=connection, rules=rules, now=now, proposals=proposals or {})
    return judge.judge(loaded)


_UNITS = (
    sa.select(s.tickets.c.channel, s.tickets.c.thread, s.tickets.c.person)
    .where(among("ids", s.tickets.c.id))
    .distinct()
)


def of(connection: sa.Connection, ids: Collection[int]) -> set[Unit]:
    """Return the units of tickets."""
    if not ids:
        return set()
    rows = fetch(connection, _UNITS, {"ids": sorted(ids)})
    return {(channel, thread, person) for channel, thread, person in rows}


def hold(connection: sa.Connection, ids: Collection[int]) -> set[Unit]:
    """Hold the units of tickets, before anything else is read or written of them."""
    found = of(connection, ids)
    units.hold(connection, found)
    return found


_LOAD = sa.select(sa.func.count()).select_from(
    sa.select(s.tickets.c.id)
    .where(s.tickets.c.state == TicketState.OPEN, s.tickets.c.agent == sa.bindparam("agent"))
    .limit(sa.bindparam("most"))
    .subquery()
)
_CUSTOMERS = sa.select(
    s.identities.c.channel, s.identities.c.external_id, s.identities.c.customer_id
).where(among("people", s.identities.c.channel, s.identities.c.external_id))


@cache
def _changing(names: tuple[str, ...]) -> sa.Update:
    """Make the statement that changes these columns of tickets: most changes are small."""
    values: dict[str, Any] = {name: sa.bindparam(name) for name in (*names, "changed_at")}
    if "due_at" in names:  # what is late is marked by whoever sees it first, and once
        values["late"] = sa.false()
    return s.tickets.update().where(s.tickets.c.id == sa.bindparam("ticket")).values(values)


_LINK = (
    s.messages.update()
    .where(s.messages.c.id == sa.bindparam("message"))
    .values(ticket_id=sa.bindparam("ticket"))
)


@define(eq=False, kw_only=True)
class _Plan:
    """What is to be written of one ticket."""

    unit: Unit
    episode: int
    values: dict[str, Any]
    old: Any
    messages: Sequence[Any]
    assigned: tuple[str, Assignment] | None = None
    """Who assigned it just now, and to whom."""
    id: int = 0
    changed: tuple[str, ...] = ()
    """The columns that differ from what is written."""


@define(eq=False, kw_only=True)
class _Judge:
    """Writes the tickets of some units in one transaction, each kind of change at once."""

    connection: sa.Connection
    rules: Rules
    now: datetime
    proposals: Mapping[tuple[str, str], Assignment]
    _load: dict[str, int] | None = field(default=None, init=False)

    def judge(self, loaded: Mapping[Unit, Inputs]) -> list[Fresh]:
        """Project the units and write what changed."""
        plans: list[_Plan] = []
        merged: list[Fresh] = []
        for unit, inputs in loaded.items():
            before = dict(inputs.tickets)
            plans += self._plans(unit, inputs, before)
            merged += [self._merged(unit, old) for old in before.values() if not _closed(old)]
        fresh = self._insert([plan for plan in plans if plan.old is None])
        fresh += self._update([plan for plan in plans if plan.changed])
        self._link(plans)
        return fresh + self._tell_assigned(plans) + merged

    # --- deciding -------------------------------------------------------------------------

    def _plans(self, unit: Unit, inputs: Inputs, before: dict[int, Any]) -> list[_Plan]:
        """Project one unit; what is left in `before` is no ticket any more."""
        labels = _by_message(inputs.labels)
        rows = {row.external_id: row for row in inputs.messages}
        said = [_said(row, labels.get(row.id, ())) for row in inputs.messages]
        plans = []
        for ticket in self.rules.project(said, inputs.answers, inputs.closes):
            mine = [rows[one] for one in ticket.messages]
            best = best_labels(label for row in mine for label in labels.get(row.id, ()))
            old = before.pop(ticket.episode, None)
            done = [row for row in inputs.actions if old is not None and row.ticket_id == old.id]
            plan = _Plan(
                unit=unit,
                episode=ticket.episode,
                values=self._values(unit[0], ticket, mine, best),
                old=old,
                messages=mine,
            )
            _decide(plan.values, done)
            self._assign(plan, best, done)
            if old is not None:
                plan.changed = tuple(
                    name for name, value in plan.values.items() if getattr(old, name) != value
                )
            plans.append(plan)
        return plans

    def _values(
        self, channel: str, ticket: Projected, rows: Sequence[Any], labels: Mapping[str, str]
    ) -> dict[str, Any]:
        """Work out the columns of a ticket, but for what people decided."""
        topic = labels.get("topic") or self.rules.topic(channel)
        return {
            "kind": rows[0].kind,
            "subject": _subject(rows),
            "state": ticket.state,
            "reason": ticket.reason,
            "topic": topic,
            "priority": labels.get("urgency", "normal"),
            "team": None,
            "agent": None,
            "assigned_because": None,
            "opened_at": ticket.opened_at,
            "waiting_since": ticket.waiting_since,
            "first_response_at": ticket.first_response_at,
            "last_message_at": ticket.last_message_at,
            "due_at": self._due(channel, ticket, rows, topic),
        }

    def _due(
        self, channel: str, ticket: Projected, rows: Sequence[Any], topic: str | None
    ) -> datetime | None:
        """Return the real deadline: our promise or the network's window, whichever is first."""
        since = ticket.waiting_since
        if since is None:
            return None
        kind = Kind(rows[0].kind)
        ends = [self.rules.due(channel=channel, kind=kind, topic=topic, since=since)]
        opening = [min(row.sent_at, row.arrived_at) for row in rows if row.opens_window]
        if opening:
            ends.append(self.rules.window(channel=channel, kind=kind, since=max(opening)))
        ends += [row.reply_until for row in rows]
        return min((end for end in ends if end is not None), default=None)

    def _assign(self, plan: _Plan, labels: Mapping[str, str], done: Iterable[Any]) -> None:
        """Give a request to somebody: whom an assigner chose, or by the core's own rule."""
        if plan.values["state"] != TicketState.OPEN or any(row.kind == "assign" for row in done):
            return
        channel, load = plan.unit[0], self._loads()
        asked = ((channel, row.external_id) for row in plan.messages)
        proposal = next((self.proposals[one] for one in asked if one in self.proposals), None)
        chosen = proposal or self.rules.choose(
            channel=channel,
            topic=plan.values["topic"],
            language=labels.get("language"),
            load=load,
        )
        if chosen.agent is not None:
            load[chosen.agent] = load.get(chosen.agent, 0) + 1
        plan.assigned = ("core" if proposal is None else "assigner", chosen)
        plan.values["team"] = chosen.team
        plan.values["agent"] = chosen.agent
        plan.values["assigned_because"] = chosen.reason

    def _loads(self) -> dict[str, int]:
        """Return how many open tickets each agent has; counted once, then kept up.

        Not beyond what matters, or each batch would take the longer, the more is open.
        """
        if self._load is None:
            self._load = {
                agent: first(self.connection, _LOAD, {"agent": agent, "most": most})
                for agent, most in self.rules.counted().items()
            }
        return self._load

    # --- writing --------------------------------------------------------------------------

    def _insert(self, plans: Sequence[_Plan]) -> list[Fresh]:
        """Write new tickets."""
        if not plans:
            return []
        customers = self._customers(plan.unit for plan in plans)
        ids = numbers(self.connection, s.tickets, len(plans))
        for plan, made in zip(plans, ids, strict=True):
            plan.id = made
        rows = [
            {
                "id": plan.id,
                "channel": plan.unit[0],
                "thread": plan.unit[1],
                "person": plan.unit[2],
                "episode": plan.episode,
                "customer_id": customers.get((plan.unit[0], plan.unit[2])),
                "changed_at": self.now,
                **plan.values,
            }
            for plan in plans
        ]
        add(self.connection, s.tickets, rows)
        return [
            Fresh(
                kind="ticket_opened",
                channel=plan.unit[0],
                ticket=plan.id,
                data={"state": str(plan.values["state"]), "kind": str(plan.values["kind"])},
            )
            for plan in plans
        ]

    def _customers(self, concerned: Iterable[Unit]) -> dict[tuple[str, str], int]:
        """Return the customers behind identities."""
        people = {(unit[0], unit[2]) for unit in concerned}
        rows = fetch(self.connection, _CUSTOMERS, {"people": sorted(people)})
        return {(channel, person): customer for channel, person, customer in rows}

    def _update(self, plans: Sequence[_Plan]) -> list[Fresh]:
        """Write tickets that changed."""
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for plan in plans:
            row = {name: plan.values[name] for name in plan.changed}
            row |= {"ticket": plan.old.id, "changed_at": self.now}
            alike[plan.changed].append(row)
        for names, rows in sorted(alike.items()):
            run(self.connection, _changing(names), rows)
        return [
            Fresh(
                kind="ticket_changed",
                channel=plan.unit[0],
                ticket=plan.old.id,
                data={"changed": sorted(plan.changed), "state": str(plan.values["state"])},
            )
            for plan in plans
        ]

    def _link(self, plans: Iterable[_Plan]) -> None:
        """Put messages into their tickets."""
        rows = []
        for plan in plans:
            plan.id = plan.id or plan.old.id
            rows += [
                {"message": row.id, "ticket": plan.id}
                for row in plan.messages
                if row.ticket_id != plan.id
            ]
        if rows:
            run(self.connection, _LINK, rows)

    def _tell_assigned(self, plans: Iterable[_Plan]) -> list[Fresh]:
        """Record who was given what, as actions: they are inputs like any other."""
        done = [
            Done(
                ticket=plan.id,
                channel=plan.unit[0],
                kind="assign",
                by=plan.assigned[0],
                data={
                    "team": plan.assigned[1].team,
                    "agent": plan.assigned[1].agent,
                    "reason": plan.assigned[1].reason,
                },
            )
            for plan in plans
            if plan.assigned is not None
        ]
        return act(self.connection, done, self.now)

    def _merged(self, unit: Unit, old: Any) -> Fresh:
        """Close a ticket whose messages turned out to belong to an earlier one."""
        table = s.tickets
        self.connection.execute(
            table.update()
            .where(table.c.id == old.id)
            .values(
                state=TicketState.CLOSED,
                reason="merged",
                waiting_since=None,
                due_at=None,
                changed_at=self.now,
            )
        )
        data = {"changed": ["state"], "state": str(TicketState.CLOSED)}
        return Fresh(kind="ticket_changed", channel=unit[0], ticket=old.id, data=data)


def _closed(ticket: Any) -> bool:
    """Say whether a ticket is closed already."""
    return bool(ticket.state == TicketState.CLOSED)


def _by_message(labels: Iterable[tuple[int, str, str, float, str]]) -> dict[int, list[Labelled]]:
    """Group labels by their message."""
    grouped: dict[int, list[Labelled]] = defaultdict(list)
    for message, name, value, confidence, source in labels:
        grouped[message].append((name, value, confidence, source))
    return grouped


def _said(row: Any, labels: Iterable[Labelled]) -> Said:
    """Turn a message row into an input of the projection."""
    service = best_labels(labels).get("service")
    return Said(
        id=row.external_id,
        sent_at=row.sent_at,
        arrived_at=row.arrived_at,
        deleted=row.deleted_at is not None,
        service=None if service is None else service != "no",
    )


def _subject(rows: Sequence[Any]) -> str:
    """Say in a line what a ticket is about."""
    text = next((row.text for row in rows if row.text), None)
    line = " ".join((text or f"({rows[0].kind.replace('_', ' ')} without text)").split())
    return line if len(line) <= SUBJECT else line[: SUBJECT - 1] + "…"


def _decide(values: dict[str, Any], actions: Iterable[Any]) -> None:
    """Let what people decided stand above what was worked out; the last word counts."""
    for row in actions:
        if row.kind == "assign":
            values["team"] = row.data.get("team")
            values["agent"] = row.data.get("agent")
            values["assigned_because"] = row.data.get("reason")
        elif row.kind == "set":
            values.update(
                {name: row.data[name] for name in ("topic", "priority") if name in row.data}
            )


# --- actions --------------------------------------------------------------------------------


@frozen(kw_only=True)
class Done:
    """Something that we did to a ticket."""

    ticket: int
    channel: str
    kind: str
    by: str
    data: Mapping[str, Any]
    covers: Collection[str] = ()
    outbox: int | None = None


def act(connection: sa.Connection, done: Sequence[Done], now: datetime) -> list[Fresh]:
    """Record actions on tickets; the caller judges the tickets anew."""
    if not done:
        return []
    rows = [
        {
            "ticket_id": one.ticket,
            "kind": one.kind,
            "by": one.by,
            "at": now,
            "covers": sorted(one.covers),
            "data": dict(one.data),
            "outbox_id": one.outbox,
        }
        for one in done
    ]
    add(connection, s.actions, rows)
    return [
        Fresh(
            kind="ticket_changed",
            channel=one.channel,
            ticket=one.ticket,
            data={"action": one.kind, "by": one.by, **one.data},
        )
        for one in done
    ]


def act_and_reproject(
    connection: sa.Connection,
    ticket_id: int,
    kind: str,
    *,
    by: str,
    data: Mapping[str, Any],
    rules: Rules,
    now: datetime,
) -> bool:
    """Record what a person did and judge the ticket anew; False if there is no such ticket."""
    concerned = hold(connection, [ticket_id])
    if not concerned:
        return False
    ((channel, _, _),) = concerned
    seen = sa.select(s.messages.c.id, s.messages.c.external_id).where(
        s.messages.c.ticket_id == ticket_id, s.messages.c.own == sa.false()
    )
    rows = connection.execute(seen).all()
    covers = [row.external_id for row in rows] if kind in {"close", "reopen"} else ()
    done = Done(ticket=ticket_id, channel=channel, kind=kind, by=by, data=data, covers=covers)
    fresh = act(connection, [done], now)
    if "service" in data:
        said = {"name": "service", "value": data["service"], "confidence": 1.0}
        labels = [{"message_id": row.id, "source": "person", **said} for row in rows]
        upsert(connection, s.labels, labels, key=["message_id", "source", "name"])
    fresh += reproject(connection, concerned, rules=rules, now=now)
    feed.tell(connection, fresh, now)
    return True


_PASSED = (
    sa.select(s.tickets.c.id, s.tickets.c.channel)
    .where(
        s.tickets.c.state == TicketState.OPEN,
        s.tickets.c.due_at < sa.bindparam("now"),
        s.tickets.c.late == sa.false(),
    )
    .with_for_update(of=s.tickets, skip_locked=True)
)
_LATE = s.tickets.update().where(among("ids", s.tickets.c.id)).values(late=True)


def late(connection: sa.Connection, now: datetime) -> list[Fresh]:
    """Mark open tickets whose deadline has passed, each once."""
    rows = fetch(connection, _PASSED, {"now": now})
    if rows:
        run(connection, _LATE, {"ids": [row.id for row in rows]})
    return [Fresh(kind="ticket_late", channel=row.channel, ticket=row.id) for row in rows]
