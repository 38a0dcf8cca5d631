"""Level 2, *correct*: what comes in is read rightly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs

from channelmix.errors import ChannelmixError, InvalidPayload
from channelmix.records import Deletion, Echo, Edit, Inbound, Kind, Message, RawEvent
from channelmix.testing.conformance.fixtures import ARRIVED, differences, written
from channelmix.testing.conformance.needs import READS, implements, network, speaks
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.subject import Living, Subject, why

PUBLIC = frozenset({Kind.POST, Kind.COMMENT, Kind.MENTION, Kind.REVIEW})


@check(network, implements("ingest"), since="0.1")
async def c201_fixtures_mean_what_is_recorded(subject: Subject) -> AsyncIterator[str]:
    """Each fixture gives the inbounds that stand beside it.

    Take payloads of every kind that the network sends, replace the people in them, and put each
    beside its `NAME.expected.json`. `channelmix conform --record` writes what the plugin makes of
    a new one: read that before you commit it. A difference is a defect of the plugin, or of the
    description.
    """
    if not subject.cases:
        yield "there are no fixtures: without payloads nobody knows whether it reads them"
    living = subject.raw()
    for case in subject.cases:
        if case.events is None:
            yield f"{case.name}: nobody has said what it means: conform --record writes it down"
            continue
        got = [written(one) for one in await living.meanings(case)]
        if len(got) != len(case.events):
            yield f"{case.name}: expected {len(case.events)} events, got {len(got)}"
            continue
        for number, (wanted, one) in enumerate(zip(case.events, got, strict=True)):
            for line in differences(wanted, one):
                yield f"{case.name}, event {number + 1}: {line}"


@check(*READS, since="0.1")
async def c202_messages_are_complete(subject: Subject) -> AsyncIterator[str]:
    """Every message has id, thread and time; author and link are there where the network tells.

    Times are the network's own, aware, in UTC. For each kind of message, one of the fixtures at
    least has to show that the author's id is read, and for a public kind the permanent link: a
    person needs it where the API does not let us answer.
    """
    messages = [one async for one in _messages(subject)]
    for one in messages:
        if not one.id or not one.thread:
            yield f"a {one.kind} without {'an id' if not one.id else 'a thread'}: {one!r:.200}"
        for line in _wrong_time(one):
            yield line
    customers = [one for one in messages if not one.own]
    for kind in sorted({one.kind for one in customers}):
        of_kind = [one for one in customers if one.kind is kind]
        if not any(one.author and one.author.id for one in of_kind):
            yield f"no {kind} in the fixtures has an author"
        if kind in PUBLIC and not any(one.url for one in of_kind):
            yield f"no {kind} in the fixtures has a link (url)"


def _wrong_time(one: Message) -> Iterator[str]:
    if one.sent_at.tzinfo is None:
        yield f"{one.kind} {one.id}: its time has no time zone"
    elif one.sent_at.utcoffset():
        yield f"{one.kind} {one.id}: its time is not in UTC"
    elif one.sent_at >= ARRIVED:
        yield f"{one.kind} {one.id}: it was sent after it arrived, or its time was not read"


async def _messages(subject: Subject) -> AsyncIterator[Message]:
    async for inbound in _inbounds(subject):
        if isinstance(inbound, Message):
            yield inbound
        elif isinstance(inbound, Echo):
            yield inbound.message


async def _inbounds(subject: Subject) -> AsyncIterator[Inbound]:
    living = subject.raw()
    for case in subject.cases:
        for meaning in await living.meanings(case):
            for inbound in meaning or ():
                yield inbound


class _Trap:
    """Services that a pure hook must not touch."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a pure hook asked for services.{name}")


@check(*READS, since="0.1")
async def c203_reading_is_pure(subject: Subject) -> AsyncIterator[str]:
    """`split` and `ingest` depend on their argument alone, and change nothing.

    No clock, no HTTP, no counter, no memory of what came before: the core may ask again at any
    time, in any order, on another machine, and must get the same. What arrived when stands in the
    event (`received_at`).
    """
    first, second = subject.raw(), subject.raw()
    for living in (first, second):
        living.plugin.services = _Trap()  # type: ignore[assignment]  # that is the trap
    taken = [(case, await first.split_or_whole(case)) for case in subject.cases]
    events = [event for _, some in taken for event in some]
    before = [attrs.evolve(one) for one in events]
    told = [await _told(first, one) for one in events]
    if events != before:
        yield "`ingest` changes the event that it is given"
    backwards = [await _told(second, one) for one in reversed(events)][::-1]
    again = [await _told(first, one) for one in events]
    for event, *meanings in zip(events, told, backwards, again, strict=True):
        if isinstance(meanings[0], str):
            yield meanings[0]
        elif meanings.count(meanings[0]) < len(meanings):
            yield f"event {event.key} means something else when it is read again or in other order"
    for case, some in taken:
        if await second.split_or_whole(case) != some:
            yield f"{case.name}: `split` cuts it in another way when it is asked again"


async def _told(living: Living, event: RawEvent) -> tuple[Inbound, ...] | str | None:
    try:
        return await living.ingest(event)
    except InvalidPayload:
        return None
    except ChannelmixError as error:
        return f"event {event.key}: {why(error)}"


@check(*READS, implements("split"), since="0.1")
async def c204_keys_tell_deliveries_apart(subject: Subject) -> AsyncIterator[str]:
    """The same payload gives equal keys, different events give different ones.

    The key is what the network repeats when it delivers again: its own event id, or a hash over
    the event and its time. Two events of one payload never share one. A webhook's event names the
    account it is for, so that the core can route it.
    """
    one, other = subject.raw(), subject.raw()
    seen: dict[str, tuple[str, bytes]] = {}
    accounts: set[str] = set()
    for case in subject.cases:
        events = await one.split_or_whole(case)
        if [each.key for each in await other.split_or_whole(case)] != [e.key for e in events]:
            yield f"{case.name}: delivered again it has other keys"
        for event in events:
            name, body = seen.setdefault(event.key, (case.name, event.body))
            if not event.key:
                yield f"{case.name}: an event has no key"
            elif body != event.body or (name == case.name and len(set(events)) < len(events)):
                yield f"{case.name}: the key {event.key:.60} is that of something else in {name}"
        keys = [event.key for event in events]
        if len(set(keys)) < len(keys):
            yield f"{case.name}: two of its events have the same key"
        if case.source == "webhook":
            accounts |= {event.account for event in events}
    if accounts and not accounts & {one.channel.account, ""}:
        yield f"no webhook names the account {one.channel.account}, but {sorted(accounts)} do"


@check(*READS, implements("split"), since="0.1")
async def c205_batches_are_cut_into_events(subject: Subject) -> AsyncIterator[str]:
    """A payload with several events gives several raw events, and each stands alone.

    Cut webhook bodies and pages of a poll into single events: then one bad item of a thousand harms
    itself only. One fixture at least has to show it. Each event is read without its neighbours.
    """
    living = subject.raw()
    several = [case for case in subject.cases if len(case.events or ()) > 1]
    if not several:
        yield "no fixture holds several events"
    for case in several:
        for number, event in enumerate(await living.events_of(case)):
            alone = written(await subject.raw().meaning(event))
            if case.events is not None and number < len(case.events):
                for line in differences(case.events[number], alone):
                    yield f"{case.name}, event {number + 1} alone: {line}"


@check(*READS, implements("receive"), since="0.1")
async def c206_edits_are_read(subject: Subject) -> AsyncIterator[str]:
    """An edit is read as an `Edit` of a message that exists, not as a new message.

    Its id is the one that the message had. Add a fixture with an edit of a message that is in
    another fixture. If the network tells of none, say so in `deviations`. Where nothing is pushed,
    C217 looks at what polls find instead.
    """
    async for line in _changes(subject, Edit):
        yield line


@check(*READS, implements("receive"), since="0.1")
async def c207_deletions_are_read(subject: Subject) -> AsyncIterator[str]:
    """What is taken back is read as a `Deletion` of a message that exists.

    The core then scrubs it. Add a fixture in which a message of another fixture is deleted. If the
    network tells of none, say so in `deviations`. Where nothing is pushed, C218 looks at what
    polls find instead.
    """
    async for line in _changes(subject, Deletion):
        yield line


async def _changes(subject: Subject, cls: type[Edit | Deletion]) -> AsyncIterator[str]:
    name = cls.__name__
    found = [one async for one in _inbounds(subject) if isinstance(one, cls)]
    known = {one.id async for one in _messages(subject)}
    if not found:
        yield f"no fixture holds an {name}" if cls is Edit else f"no fixture holds a {name}"
    elif not known & {one.id for one in found}:
        yield f"no {name} is of a message that a fixture holds: it is of {found[0].id}"
    for one in found:
        if one.at.tzinfo is None:
            yield f"{name} of {one.id}: its time has no time zone"


@check(*READS, speaks, since="0.1")
async def c208_own_replies_are_echoes(subject: Subject) -> AsyncIterator[str]:
    """What the account itself said is an `Echo`, never a customer's message.

    Compare the author with the account's id; the message in an `Echo` says `own=True`. Add a
    fixture with a reply of ours, also one typed in the network's own app.
    """
    echoes = [one async for one in _inbounds(subject) if isinstance(one, Echo)]
    if not echoes:
        yield "no fixture holds an Echo"
    for one in echoes:
        if not one.message.own:
            yield f"the echo {one.message.id} is not marked as own"
