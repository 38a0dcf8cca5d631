"""Level 2, *correct*: a poll finds everything, again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from channelmix.records import Kind, Message, Poll, Polled, RawEvent, minutes
from channelmix.testing.conformance.needs import POLLS, implements
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.subject import TEXT, Living, Subject, delivered, messages, tasks

PAGES = 100
"""How many pages a simulated network may have."""


@check(*POLLS, since="0.1")
async def c213_polls_find_everything(subject: Subject) -> AsyncIterator[str]:
    """From no cursor to the end, a poll finds everything that customers said.

    Follow the pages (`more=True`) until the network has none, and give each page the cursor from
    which the next one goes on. A cursor is plain JSON: it lives in the database.
    """
    async with subject.stage() as living:
        said = _some_say_things(living.sim)
        found: set[str] = set()
        for source in subject.polled():
            async for line in _whole(living, source, found):
                yield line
        for kind, one in said.items():
            if missing := [each for each in one if each not in found]:
                yield f"{len(missing)} of {len(one)} things ({kind}) are not found by any poll"


def _some_say_things(sim: Any) -> dict[Kind, list[str]]:
    said: dict[Kind, list[str]] = {}
    for number in range(3):
        for kind in sim.kinds:
            said.setdefault(kind, []).append(sim.customer(kind, f"{TEXT} {number}"))
    return said


async def _whole(living: Living, source: str, found: set[str]) -> AsyncIterator[str]:
    """Poll a source to its end; note the ids of messages, yield what is wrong."""
    cursor: Any = None
    for _ in range(PAGES):
        page: Polled = await living.ask("poll", Poll(source=source, cursor=cursor))
        for line in _cursor_problems(source, page.cursor):
            yield line
            return
        found |= await _ids(living, source, page.events)
        if page.more and page.cursor == cursor:
            yield f"{source}: there is more, but the cursor stays where it is"
            return
        cursor = json.loads(json.dumps(page.cursor))
        if not page.more:
            return
    yield f"{source}: it does not end after {PAGES} pages"


def _cursor_problems(source: str, cursor: Any) -> Iterator[str]:
    try:
        same = json.loads(json.dumps(cursor, allow_nan=False)) == cursor
    except (TypeError, ValueError):
        same = False
    if not same:
        yield f"{source}: its cursor does not survive JSON: {cursor!r:.100}"


async def _ids(living: Living, source: str, events: Sequence[RawEvent]) -> set[str]:
    ids: set[str] = set()
    for event in events:
        for one in await living.ingest(living.arrived(event, source)):
            if isinstance(one, Message):
                ids.add(one.id)
    return ids


@check(*POLLS, since="0.1")
async def c214_an_old_cursor_gives_no_new_keys(subject: Subject) -> AsyncIterator[str]:
    """Asked again from an old cursor, a poll gives the same keys, and no new ones.

    After a crash the last page is asked for again, and neighbouring pages overlap. What has not
    changed has the key it had: make it of the id and the revision, never of the time of asking.
    """
    async with subject.stage() as living:
        _some_say_things(living.sim)
        for source in subject.polled():
            first = await _walk(living, source)
            known = {event.key for page in first for event in page.events}
            living.clock.advance(minutes(7))
            again = {event.key for page in await _walk(living, source) for event in page.events}
            if known != again:
                yield f"{source}: asked again, {len(again - known)} of {len(again)} keys are new"
            rest = await _walk(living, source, first[0].cursor)
            if new := {event.key for page in rest for event in page.events} - known:
                yield f"{source}: from its first page on, {len(new)} keys are new"


async def _walk(living: Living, source: str, cursor: Any = None) -> list[Polled]:
    """Read every page of a source."""
    pages: list[Polled] = []
    while (not pages or pages[-1].more) and len(pages) < PAGES:
        wanted = Poll(source=source, cursor=pages[-1].cursor if pages else cursor)
        pages.append(await living.ask("poll", wanted))
    return pages


@check(*POLLS, implements("receive"), since="0.1")
async def c215_both_roads_tell_of_one_item(subject: Subject) -> AsyncIterator[str]:
    """What a webhook tells and a poll finds is one item: the same id, thread and author.

    The core knows an item by kind, id and revision, whichever road it took. Where the network names
    it differently on its two roads, translate one of them.
    """
    async with subject.stage() as living:
        living.sim.webhook = "here"
        _some_say_things(living.sim)
        pushed: dict[str, Message] = {}
        for request in delivered(living.sim):
            payload = (await living.receive(request)).payload or b""
            for event in await living.split(payload):
                pushed |= {each.id: each for each in messages([await living.ingest(event)])}
        polled: dict[str, Message] = {}
        for source in subject.polled():
            page: Polled = await living.ask("poll", Poll(source=source))
            for event in page.events:
                told = [await living.ingest(living.arrived(event, source))]
                polled |= {each.id: each for each in messages(told)}
        if not pushed:
            yield "no customer's message came by webhook"
        for ident, message in pushed.items():
            if other := polled.get(ident):
                for line in _unequal(message, other):
                    yield line
        if pushed and polled and not set(pushed) & set(polled):
            yield f"no id is the same on both roads: {min(pushed)} pushed, {min(polled)} polled"


def _unequal(message: Message, other: Message) -> Iterator[str]:
    wanted: list[tuple[str, Callable[[Message], Any]]] = [
        ("kind", lambda one: one.kind),
        ("thread", lambda one: one.thread),
        ("author", lambda one: one.author and one.author.id),
        ("text", lambda one: one.text),
    ]
    for name, read in wanted:
        if read(message) != read(other) and None not in {read(message), read(other)}:
            yield f"{message.id}: {name} is {read(message)!r} by webhook, {read(other)!r} by poll"


@check(*POLLS, since="0.1")
async def c216_a_cancelled_poll_leaves_nothing(subject: Subject) -> AsyncIterator[str]:
    """A poll that is cancelled ends at once, and leaves no task behind.

    The core cancels when it stops. Do not catch `CancelledError`, and start tasks only within a
    task group that the poll itself awaits.
    """
    for source in subject.polled():
        async with subject.stage() as living:
            before = set(tasks())
            living.sim.fault("timeout_before_accept", on=lambda _request: True, times=100)
            # Past the dispatch: that ends with the host, whatever the plugin makes of it.
            poll = asyncio.create_task(living.channel.poll(Poll(source=source)))
            arrived = asyncio.create_task(living.sim.until(lambda sim=living.sim: bool(sim.sent)))
            await asyncio.wait({poll, arrived}, return_when=asyncio.FIRST_COMPLETED)
            arrived.cancel()
            if not arrived.done() and poll.done():
                continue  # a source that is switched off asks nothing
            poll.cancel()
            await asyncio.wait({poll}, timeout=5)
            if not poll.cancelled():
                yield f"{source}: a cancelled poll goes on"
            left = [one for one in tasks() if one not in before and _is_its_own(one, subject)]
            for task in left:
                task.cancel()
                yield f"{source}: it leaves a task: {task.get_coro()!r:.120}"


def _is_its_own(task: asyncio.Task[Any], subject: Subject) -> bool:
    """Say whether a task runs the plugin's code, and not the simulated network's."""
    code = getattr(task.get_coro(), "cr_code", None)
    package = subject.plugin.__module__.split(".")[0]
    return code is not None and f"{package}" in code.co_filename
