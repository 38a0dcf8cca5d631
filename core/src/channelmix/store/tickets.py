"""From messages, answers and actions to tickets: the projection, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from attrs import define, field

from channelmix.projection import Answer, Close, Projected, Said, best_labels
from channelmix.records import Assignment, Kind, TicketState
from channelmix.store import feed, units
from channelmix.store import schema as s
from channelmix.store.dialect import chunks, lock, upsert
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
    """Judge units anew from what is there, and write their tickets.

    `proposals` are what assigners chose for messages. Returns what happened.
    """
    if not concerned:
        return []
    ordered = sorted(concerned)
    _lock_threads(connection, ordered)
    loaded = units.load(connection, ordered)
    judge = _Judge(connection=connection, rules=rules, now=now, proposals=proposals or {})
    return [fresh for unit in ordered for fresh in judge.judge(unit, loaded[unit])]


def reproject_of(
    connection: sa.Connection, outbox_id: int, *, rules: Rules, now: datetime
) -> list[Fresh]:
    """Judge the ticket that an outgoing action answers anew."""
    table = s.tickets
    query = (
        sa.select(table.c.channel, table.c.thread, table.c.person)
        .join(s.outbox, s.outbox.c.ticket_id == table.c.id)
        .where(s.outbox.c.id == outbox_id)
    )
    concerned = {(row[0], row[1], row[2]) for row in connection.execute(query)}
    return reproject(connection, concerned, rules=rules, now=now)


def _lock_threads(connection: sa.Connection, concerned: Sequence[Unit]) -> None:
    """Let nobody else judge these threads meanwhile."""
    if connection.dialect.name == "sqlite":  # its one writer has locked everything
        return
    table = s.threads
    for part in chunks(sorted({unit[:2] for unit in concerned})):
        query = (
            sa.select(table.c.id)
            .where(sa.tuple_(table.c.channel, table.c.external_id).in_(part))
            .order_by(table.c.channel, table.c.external_id)
        )
        connection.execute(lock(connection, query)).all()


@define(eq=False, kw_only=True)
class _Judge:
    """Writes the tickets of some units in one transaction."""

    connection: sa.Connection
    rules: Rules
    now: datetime
    proposals: Mapping[tuple[str, str], Assignment]
    _load: dict[str, int] | None = field(default=None, init=False)

    def judge(self, unit: Unit, inputs: Inputs) -> list[Fresh]:
        """Project one unit and write what changed."""
        labels = _by_message(inputs.labels)
        rows = {row.external_id: row for row in inputs.messages}
        said = [_said(row, labels.get(row.id, ())) for row in inputs.messages]
        before = dict(inputs.tickets)
        fresh: list[Fresh] = []
        for ticket in self.rules.project(said, inputs.answers, inputs.closes):
            mine = [rows[one] for one in ticket.messages]
            best = best_labels(label for row in mine for label in labels.get(row.id, ()))
            fresh += self._write(
                unit, ticket, mine, best, before.pop(ticket.episode, None), inputs.actions
            )
        for old in before.values():
            fresh += self._merged(unit, old)
        return fresh

    def _write(
        self,
        unit: Unit,
        ticket: Projected,
        rows: Sequence[Any],
        labels: Mapping[str, str],
        old: Any,
        actions: Iterable[Any],
    ) -> list[Fresh]:
        """Write one ticket, its messages' link to it, and who gets it."""
        values = self._values(unit[0], ticket, rows, labels)
        done = [row for row in actions if old is not None and row.ticket_id == old.id]
        _decide(values, done)
        ticket_id, fresh = self._save(unit, ticket, values, old)
        self._link([row.id for row in rows if row.ticket_id != ticket_id], ticket_id)
        nobody = not any(row.kind == "assign" for row in done)
        if nobody and values["state"] == TicketState.OPEN:
            proposal = next(
                (
                    self.proposals[unit[0], one]
                    for one in ticket.messages
                    if (unit[0], one) in self.proposals
                ),
                None,
            )
            fresh += self._assign(ticket_id, unit[0], values["topic"], labels, proposal)
        return fresh

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

    def _save(
        self, unit: Unit, ticket: Projected, values: dict[str, Any], old: Any
    ) -> tuple[int, list[Fresh]]:
        """Insert or update one ticket; say what happened."""
        channel, thread, person = unit
        if old is None:
            row = self.connection.execute(
                s.tickets.insert()
                .values(
                    channel=channel,
                    thread=thread,
                    person=person,
                    episode=ticket.episode,
                    customer_id=self._customer(channel, person),
                    changed_at=self.now,
                    **values,
                )
                .returning(s.tickets.c.id)
            )
            made: int = row.scalar_one()
            data = {"state": str(values["state"]), "kind": str(values["kind"])}
            return made, [Fresh(kind="ticket_opened", channel=channel, ticket=made, data=data)]
        changed = {name: value for name, value in values.items() if getattr(old, name) != value}
        if not changed:
            return old.id, []
        told = {"changed": sorted(changed), "state": str(values["state"])}
        if "due_at" in changed:
            changed["late"] = False
        self._update(old.id, changed)
        return old.id, [Fresh(kind="ticket_changed", channel=channel, ticket=old.id, data=told)]

    def _customer(self, channel: str, person: str) -> int | None:
        """Return the customer behind an identity."""
        table = s.identities
        query = sa.select(table.c.customer_id).where(
            table.c.channel == channel, table.c.external_id == person
        )
        return self.connection.execute(query).scalar()

    def _link(self, messages: Sequence[int], ticket: int) -> None:
        """Put messages into a ticket."""
        table = s.messages
        for part in chunks(messages):
            self.connection.execute(
                table.update().where(table.c.id.in_(part)).values(ticket_id=ticket)
            )

    def _assign(
        self,
        ticket: int,
        channel: str,
        topic: str | None,
        labels: Mapping[str, str],
        proposal: Assignment | None,
    ) -> list[Fresh]:
        """Give a request to somebody: whom an assigner chose, or by the core's own rule."""
        load = self._loads()
        chosen = proposal or self.rules.choose(
            channel=channel, topic=topic, language=labels.get("language"), load=load
        )
        if chosen.agent is not None:
            load[chosen.agent] = load.get(chosen.agent, 0) + 1
        data = {"team": chosen.team, "agent": chosen.agent, "reason": chosen.reason}
        self._update(
            ticket,
            {
                "team": chosen.team,
                "agent": chosen.agent,
                "assigned_because": chosen.reason,
            },
        )
        by = "core" if proposal is None else "assigner"
        return act(self.connection, ticket, channel, "assign", by=by, data=data, now=self.now)

    def _loads(self) -> dict[str, int]:
        """Return how many open tickets each agent has; counted once, then kept up."""
        if self._load is None:
            table = s.tickets
            query = (
                sa.select(table.c.agent, sa.func.count())
                .where(table.c.state == TicketState.OPEN, table.c.agent.is_not(None))
                .group_by(table.c.agent)
            )
            self._load = {row[0]: row[1] for row in self.connection.execute(query)}
        return self._load

    def _merged(self, unit: Unit, old: Any) -> list[Fresh]:
        """Close a ticket whose messages turned out to belong to an earlier one."""
        if old.state == TicketState.CLOSED:
            return []
        closed = {"state": TicketState.CLOSED, "reason": "merged"}
        self._update(old.id, {**closed, "waiting_since": None, "due_at": None})
        data = {"changed": ["state"], "state": str(TicketState.CLOSED)}
        return [Fresh(kind="ticket_changed", channel=unit[0], ticket=old.id, data=data)]

    def _update(self, ticket: int, values: Mapping[str, Any]) -> None:
        """Set columns of a ticket."""
        self.connection.execute(
            s.tickets.update().where(s.tickets.c.id == ticket).values(**values, changed_at=self.now)
        )


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


def act(
    connection: sa.Connection,
    ticket: int,
    channel: str,
    kind: str,
    *,
    by: str,
    data: Mapping[str, Any],
    now: datetime,
    covers: Collection[str] = (),
    outbox: int | None = None,
) -> list[Fresh]:
    """Record an action on a ticket; the caller judges the ticket anew."""
    connection.execute(
        s.actions.insert().values(
            ticket_id=ticket,
            kind=kind,
            by=by,
            at=now,
            covers=sorted(covers),
            data=dict(data),
            outbox_id=outbox,
        )
    )
    told = {"action": kind, "by": by, **data}
    return [Fresh(kind="ticket_changed", channel=channel, ticket=ticket, data=told)]


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
    ticket = connection.execute(sa.select(s.tickets).where(s.tickets.c.id == ticket_id)).first()
    if ticket is None:
        return False
    seen = sa.select(s.messages.c.id, s.messages.c.external_id).where(
        s.messages.c.ticket_id == ticket_id, s.messages.c.own == sa.false()
    )
    rows = connection.execute(seen).all()
    covers = [row.external_id for row in rows] if kind in {"close", "reopen"} else ()
    fresh = act(
        connection, ticket_id, ticket.channel, kind, by=by, data=data, now=now, covers=covers
    )
    if "service" in data:
        said = {"name": "service", "value": data["service"], "confidence": 1.0}
        labels = [{"message_id": row.id, "source": "person", **said} for row in rows]
        upsert(connection, s.labels, labels, key=["message_id", "source", "name"])
    unit = (ticket.channel, ticket.thread, ticket.person)
    fresh += reproject(connection, {unit}, rules=rules, now=now)
    feed.tell(connection, fresh, now)
    return True


def late(connection: sa.Connection, now: datetime) -> list[Fresh]:
    """Mark open tickets whose deadline has passed, each once."""
    table = s.tickets
    query = sa.select(table.c.id, table.c.channel).where(
        table.c.state == TicketState.OPEN, table.c.due_at < now, table.c.late == sa.false()
    )
    rows = connection.execute(query).all()
    for part in chunks([row.id for row in rows]):
        connection.execute(table.update().where(table.c.id.in_(part)).values(late=True))
    return [Fresh(kind="ticket_late", channel=row.channel, ticket=row.id) for row in rows]
