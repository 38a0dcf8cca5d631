"""What became of a run, by the page's own record: the store is asked only what it believes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from channelmix import Desk
from channelmix.clock import SystemClock
from channelmix.records import OutboxState, WebhookRequest
from channelmix.store import schema as s
from sqlalchemy import select

from tests.crash.network import DeadlyPage
from tests.crash.nursery import PushOnly
from tests.crash.run import Run, settings

SENT_AT_LEAST = 0.95


@frozen(kw_only=True)
class Verdict:
    """What was found."""

    kills: Mapping[str, Mapping[str, int]]
    """By phase and place."""
    facts: Mapping[str, int | float]
    complaints: list[str]
    """Each promise that was broken, with examples."""


async def judge(run: Run) -> Verdict:
    """Look at what the page has, and at what the desk made of it."""
    rows = await _rows(run.desk)
    kills = _kills(run)
    accepted = _accepted(run.page)
    outbox = await run.desk.store.read(lambda c: c.execute(select(s.outbox)).all())
    states = Counter(row.state for row in outbox)
    tickets = await _tickets(run.desk)
    expected = await _without_faults(run)
    said = _said(run.page)
    sent = {row.text for row in outbox if row.state == OutboxState.SENT}
    complaints = [
        *_each_fate(accepted, rows),
        *_same(tickets, expected),
        *_list("answers that arrived more than once", [one for one in said if said[one] > 1]),
        *_list("answers called sent that the page does not have", sent - set(said)),
        *_list("answers the page has that are not called sent", set(said) - sent),
    ]
    if states[OutboxState.UNCERTAIN]:
        complaints.append(f"{states[OutboxState.UNCERTAIN]} answers are left to a person")
    if len(sent) < SENT_AT_LEAST * len(run.answers):
        complaints.append(f"only {len(sent)} of {len(run.answers)} answers were sent: {states}")
    if not (ledger := await run.desk.ledger()).adds_up:
        complaints.append(f"the ledger does not add up: {ledger.balances}")
    facts = {
        "customers' acts": run.acts,
        "events answered 200": len(accepted),
        "events stored": len(rows),
        "webhook attempts": sum(len(one.attempts) for one in run.page.delivered),
        "webhook attempts that failed": _failed(run.page),
        "tickets": sum(tickets.values()),
        "answers": len(run.answers),
        "answers sent": len(sent),
        "answers that arrived": len(said),
        "answers looked for": await _looked_for(run.desk),
        "deaths": len(run.herd.deaths),
    }
    return Verdict(kills=kills, facts=facts, complaints=complaints)


def _kills(run: Run) -> dict[str, dict[str, int]]:
    """Count the deaths at each place; only those of processes that are really gone."""
    gone = {process for _, process in run.herd.deaths}
    counts = Counter(where for who, where in run.points.killed().items() if who in gone)
    table: dict[str, dict[str, int]] = {}
    for phase, place in run.points.places():
        table.setdefault(phase, {})[place] = counts[phase, place]
    return table


def _accepted(page: DeadlyPage) -> Counter[str]:
    """Return what the page was answered 200 for, as it wrote it, and in how many webhooks."""
    return Counter(
        _told(one.content["list"], one.content["item"])
        for delivery in page.delivered
        if delivery.accepted
        for one in delivery.events
    )


def _told(name: str, item: Any) -> str:
    return json.dumps([name, item], sort_keys=True)


async def _rows(desk: Desk) -> list[tuple[str, str | None]]:
    """Return every stored event as the page wrote it, with its fate."""
    raw, fate = s.raw_events.c, s.fates.c
    query = select(raw.body, fate.fate).join_from(
        s.raw_events, s.fates, raw.id == fate.event_id, isouter=True
    )
    return [
        (_written(row.body), row.fate)
        for row in await desk.store.read(lambda c: c.execute(query).all())
    ]


def _written(body: bytes) -> str:
    (entry,) = json.loads(body)["entry"]
    ((name, items),) = ((key, one) for key, one in entry.items() if isinstance(one, list))
    (item,) = items
    return _told(name, item)


def _each_fate(accepted: Counter[str], rows: Iterable[tuple[str, str | None]]) -> list[str]:
    """Complain of each event answered 200 that has not exactly one fate."""
    fates = Counter(one for one, fate in rows if fate is not None)
    return [
        *_list("events answered 200 without a fate", [one for one in accepted if not fates[one]]),
        *_list("events with several fates", [one for one in fates if fates[one] > 1]),
    ]


def _said(page: DeadlyPage) -> Counter[str]:
    """Return what stands on the page in its own name, apart from its posts."""
    comments = [one for one in page.world.comments.values() if one.author == page.page]
    notes = [one for talk in page.world.conversations.values() for one in talk.notes]
    ours: list[Any] = [*comments, *(one for one in notes if one.author == page.page)]
    return Counter(str(one.text) for one in ours)


def _failed(page: DeadlyPage) -> int:
    return sum(status != 200 for one in page.delivered for _, status in one.attempts)


async def _looked_for(desk: Desk) -> int:
    part = s.outbox_parts.c
    receipts = select(s.receipts.c.part_id).where(s.receipts.c.how != "answer")
    query = select(part.id).where((part.looks > 0) | part.id.in_(receipts))
    return len(await desk.store.read(lambda c: c.execute(query).all()))


async def _tickets(desk: Desk) -> Counter[tuple[str, str]]:
    """Count the tickets of each person in each thread."""
    table = s.tickets.c
    query = select(table.thread, table.person)
    rows = await desk.store.read(lambda c: c.execute(query).all())
    return Counter((row.thread, row.person) for row in rows)


async def _without_faults(run: Run) -> Counter[tuple[str, str]]:
    """Give what the page delivered to a desk that nobody kills, and count its tickets."""
    folder = run.plan.folder / "without-faults"
    folder.mkdir()
    known = settings(run.plan, run.page)
    known["desk"] = {"store": f"sqlite:///{folder / 'desk.db'}", "media": str(folder)}
    classes = {"facebook": PushOnly}
    async with Desk.open(known, clock=SystemClock(), plugins=classes) as desk:
        for one in run.page.delivered:
            request = WebhookRequest(method="POST", headers=one.headers, body=one.body)
            await desk.receive("page", request)
        await desk.drain()
        return await _tickets(desk)


def _same(found: Counter[Any], expected: Counter[Any]) -> list[str]:
    return _list(
        "threads with other tickets than without faults",
        [
            f"{key}: {found[key]}, not {expected[key]}"
            for key in found | expected
            if found[key] != expected[key]
        ],
    )


def _list(what: str, found: Iterable[Any]) -> list[str]:
    """Make one complaint of what was found, or none."""
    listed = sorted(map(str, found))
    return [f"{len(listed)} {what}: {'; '.join(listed[:3])}"] if listed else []
