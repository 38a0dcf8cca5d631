"""From inbounds to items: what each event newly tells, folded into messages, threads, people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from attrs import evolve, frozen

from channelmix.projection import Folded, Heard, fold, revision
from channelmix.records import (
    INBOUNDS,
    Article,
    Attachment,
    AttachmentKind,
    Deletion,
    DeliveryStatus,
    Echo,
    Edit,
    Identity,
    Inbound,
    Kind,
    Lookup,
    Message,
    RawEvent,
    Reaction,
    Road,
)
from channelmix.store import schema as s
from channelmix.store.dialect import add, among, fetch, inserting, numbers, run, upsert
from channelmix.store.locks import Key
from channelmix.store.types import clean, encode

TYPES: Mapping[type[Inbound], str] = {cls: name for name, cls in INBOUNDS.items()}
# Made here, in one thread: where several meet a class for the first time, msgspec 0.22 lets one
# use what another has half learnt of it, and the process ends with a segmentation fault.
_DECODERS = {name: msgspec.json.Decoder(cls) for name, cls in INBOUNDS.items()}
DOWNLOADED = frozenset(
    {
        AttachmentKind.IMAGE,
        AttachmentKind.VIDEO,
        AttachmentKind.AUDIO,
        AttachmentKind.FILE,
        AttachmentKind.STICKER,
    }
)
Item = tuple[str, str]
"""A channel and an external id."""


@frozen(kw_only=True)
class Told:
    """One inbound of one event."""

    event: RawEvent
    inbound: Inbound

    @property
    def item(self) -> Item:
        """What it is about."""
        return self.event.channel, item_id(self.inbound)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it known: the item key."""
        channel, item = self.item
        return channel, item, TYPES[type(self.inbound)], clean(revision(self.inbound))

    @property
    def locks(self) -> Iterator[Key]:
        """What to hold before it is stored, so that nobody folds the same without it.

        For what is ours also what it answers, and in conversations the whole of it: whose
        request it answers depends on what is there.
        """
        channel = self.event.channel
        yield "item", *self.item
        match self.inbound:
            case Message() as message:
                yield from _talk(channel, message)
            case Echo(message=message):
                yield from _talk(channel, message)
            case DeliveryStatus(thread=thread):
                yield "talk", channel, clean(thread)


def _talk(channel: str, message: Message) -> Iterator[Key]:
    """Return the locks of what a message belongs to."""
    if message.kind is Kind.DIRECT_MESSAGE:
        yield "talk", channel, clean(message.thread)
    if message.parent is not None and message.own:
        yield "item", channel, clean(message.parent)


def item_id(inbound: Inbound) -> str:
    """Return the external id of what an inbound is about."""
    match inbound:
        case Message(id=found) | Edit(id=found) | Deletion(id=found) | Article(id=found):
            return clean(found)
        case Echo(message=message):
            return clean(message.id)
        case Reaction(target=target):
            return clean(target)
        case DeliveryStatus(thread=thread):
            return clean(f"thread:{thread}")
        case Lookup(source=source, argument=argument):
            return clean(f"{source}:{argument}")
        case _:
            return ""


_KEY = ("channel", "item", "type", "revision")
_KNOWN = sa.select(*(s.inbounds.c[name] for name in _KEY)).where(
    among("keys", *(s.inbounds.c[name] for name in _KEY))
)


def store_new(connection: sa.Connection, told: Sequence[Told]) -> list[Told]:
    """Store the inbounds that are not known yet, and return them; the caller holds their locks."""
    first: dict[tuple[str, str, str, str], Told] = {}
    for one in told:
        first.setdefault(one.key, one)
    if not first:
        return []
    known = {tuple(row) for row in fetch(connection, _KNOWN, {"keys": list(first)})}
    pushed = {one.key for one in told if one.event.road is Road.PUSH}
    rows = [
        {
            "event_id": one.event.id,
            "channel": key[0],
            "item": key[1],
            "type": key[2],
            "revision": key[3],
            "data": encode(one.inbound),
            "road": one.event.road,
            "pushed": key in pushed,
            "arrived_at": one.event.received_at,
        }
        for key, one in first.items()
        if key not in known
    ]
    add(connection, s.inbounds, rows)
    _mark_pushed(connection, pushed & known)
    return [one for key, one in first.items() if key not in known]


_PUSHED = (
    s.inbounds.update()
    .where(among("keys", *(s.inbounds.c[name] for name in _KEY)), s.inbounds.c.pushed == sa.false())
    .values(pushed=True)
)


def _mark_pushed(connection: sa.Connection, known: Collection[tuple[str, ...]]) -> None:
    """Note of items that a sweep saw first that the network has pushed them too."""
    if known:
        run(connection, _PUSHED, {"keys": sorted(known)})


_TOLD = sa.select(
    *(s.inbounds.c[name] for name in ("channel", "item", "type", "data", "road", "arrived_at"))
).where(among("items", s.inbounds.c.channel, s.inbounds.c.item))


def fold_items(connection: sa.Connection, items: Collection[Item]) -> dict[Item, Folded]:
    """Fold everything the store knows of `items`."""
    if not items:
        return {}
    heard: dict[Item, list[Heard]] = defaultdict(list)
    for row in fetch(connection, _TOLD, {"items": sorted(items)}):
        heard[row.channel, row.item].append(
            Heard(
                inbound=_DECODERS[row.type].decode(row.data),
                arrived_at=row.arrived_at,
                road=Road(row.road),
            )
        )
    return {item: fold(what) for item, what in heard.items()}


def write_messages(connection: sa.Connection, folded: Mapping[Item, Folded]) -> None:
    """Write folded items as messages, with their threads, people and attachments."""
    known = {item: one for item, one in folded.items() if one.message is not None}
    _write_threads(connection, known)
    _write_people(connection, known)
    rows = [_message_row(item, one) for item, one in known.items()]
    upsert(connection, s.messages, rows, key=["channel", "external_id"])
    _write_attachments(connection, known)


def person_of(message: Message) -> str:
    """Say whose request a message belongs to; one without an author is its own."""
    return clean(message.author.id if message.author else f"item:{message.id}")


def _message_row(item: Item, folded: Folded) -> dict[str, Any]:
    """Turn a folded item into a row."""
    message = folded.message
    if message is None:  # pragma: no cover - the caller leaves these out
        raise AssertionError(item)
    gone = folded.deleted_at is not None
    return {
        "channel": item[0],
        "external_id": item[1],
        "thread": message.thread,
        "person": person_of(message),
        "author": (message.author.name or message.author.handle) if message.author else None,
        "kind": message.kind,
        "own": message.own,
        "text": None if gone else message.text,
        "sent_at": message.sent_at,
        "arrived_at": folded.arrived_at,
        "edited_at": folded.edited_at,
        "deleted_at": folded.deleted_at,
        "hidden": folded.hidden,
        "parent": message.parent,
        "url": message.url,
        "rating": message.rating,
        "payload": None if gone else message.payload,
        "no_reply": message.no_reply,
        "reply_until": message.reply_until,
        "reply_cost": message.reply_cost,
        "opens_window": message.opens_window,
    }


def _keeping(insert: Any) -> Any:
    """Make the INSERT of threads that keeps what is known where nothing new is said."""
    statement = insert(s.threads)
    said = {
        name: sa.func.coalesce(statement.excluded[name], s.threads.c[name])
        for name in ("text", "url")
    }
    return statement.on_conflict_do_update(index_elements=["channel", "external_id"], set_=said)


_WRITE_THREADS = inserting(_keeping)


def _write_threads(connection: sa.Connection, known: Mapping[Item, Folded]) -> None:
    """Make sure the threads are there; keep what is known of them where nothing new is said."""
    rows: dict[Item, dict[str, Any]] = {}
    for (channel, _), one in known.items():
        message = one.message
        if message is None:  # pragma: no cover - the caller leaves these out
            continue
        is_root = message.id == message.thread
        text = message.text if is_root and one.deleted_at is None else message.thread_text
        url = message.url if is_root else message.thread_url
        thread = clean(message.thread)
        row = rows.setdefault(
            (channel, thread),
            {"channel": channel, "external_id": thread, "text": None, "url": None},
        )
        row["text"] = text or row["text"]
        row["url"] = url or row["url"]
    news = _without_known(connection, rows)
    if news:  # in sorted order, so that two workers never wait for each other's threads
        statement = _WRITE_THREADS[connection.dialect.name]
        run(connection, statement, [rows[key] for key in sorted(news)])


_THREADS = sa.select(
    s.threads.c.channel, s.threads.c.external_id, s.threads.c.text, s.threads.c.url
).where(among("items", s.threads.c.channel, s.threads.c.external_id))


def _without_known(connection: sa.Connection, rows: Mapping[Item, Mapping[str, Any]]) -> set[Item]:
    """Return those threads of which something is new; writing one makes other workers wait."""
    news = set(rows)
    for channel, external_id, text, url in fetch(connection, _THREADS, {"items": list(rows)}):
        row = rows[channel, external_id]
        if (row["text"] or text, row["url"] or url) == (text, url):
            news.discard((channel, external_id))
    return news


_PEOPLE = sa.select(s.identities).where(
    among("items", s.identities.c.channel, s.identities.c.external_id)
)


def _write_people(connection: sa.Connection, known: Mapping[Item, Folded]) -> None:
    """Make sure that every foreign author is an identity of a customer."""
    people: dict[Item, tuple[Identity, datetime]] = {}
    for (channel, _), one in known.items():
        message = one.message
        if message is not None and message.author is not None and not message.own:
            people[channel, clean(message.author.id)] = (message.author, one.arrived_at)
    if not people:
        return
    rows = fetch(connection, _PEOPLE, {"items": sorted(people)})
    there = {(row.channel, row.external_id): row for row in rows}
    _add_people(connection, {key: people[key] for key in sorted(people) if key not in there})
    for key in sorted(there):
        _rename(connection, there[key], people[key][0])


def _rename(connection: sa.Connection, there: Any, author: Identity) -> None:
    """Write what is new of a person who is known."""
    said = {"name": author.name, "handle": author.handle, "url": author.url}
    news = {name: value for name, value in said.items() if value is not None}
    if all(getattr(there, name) == value for name, value in news.items()):
        return
    connection.execute(s.identities.update().where(s.identities.c.id == there.id).values(**news))
    nameless = (s.customers.c.id == there.customer_id, s.customers.c.name.is_(None))
    name = author.name or author.handle
    connection.execute(s.customers.update().where(*nameless).values(name=name))


def _add_people(
    connection: sa.Connection, people: Mapping[Item, tuple[Identity, datetime]]
) -> None:
    """Add customers with one identity each."""
    if not people:
        return
    ids = numbers(connection, s.customers, len(people))
    new = [(*one, customer) for one, customer in zip(people.items(), ids, strict=True)]
    customers = [
        {"id": customer, "name": author.name or author.handle, "created_at": at}
        for _, (author, at), customer in new
    ]
    identities = [
        {
            "channel": channel,
            "external_id": external,
            "customer_id": customer,
            "name": author.name,
            "handle": author.handle,
            "url": author.url,
        }
        for (channel, external), (author, _), customer in new
    ]
    add(connection, s.customers, customers)
    add(connection, s.identities, identities)


_FILES = sa.select(s.attachments).where(among("ids", s.attachments.c.message_id))


def _write_attachments(connection: sa.Connection, known: Mapping[Item, Folded]) -> None:
    """Write the attachments of messages; what is there already stays as it is."""
    wanted = {
        item: one.message.attachments
        for item, one in known.items()
        if one.message is not None and one.message.attachments and one.deleted_at is None
    }
    if not wanted:
        return
    ids = message_ids(connection, wanted)
    there: dict[int, set[str]] = defaultdict(set)
    for row in fetch(connection, _FILES, {"ids": list(ids.values())}):
        there[row.message_id].add(_same(row.kind, row.external_id, row.url))
    rows = [
        _attachment_row(ids[item], one)
        for item, several in wanted.items()
        for one in several
        if _is_new(one, there[ids[item]], edited=known[item].edited_at is not None)
    ]
    add(connection, s.attachments, rows)


def _same(kind: str, external_id: str | None, url: str | None) -> str:
    """Name an attachment: its address without the signature, which changes."""
    return f"{kind}:{external_id or (url or '').partition('?')[0]}"


def _is_new(attachment: Attachment, there: Collection[str], *, edited: bool) -> bool:
    """Say whether to add an attachment: the roads name the same one differently, edits add."""
    if not there:
        return True
    return edited and _same(attachment.kind, attachment.id, attachment.url) not in there


def _attachment_row(message_id: int, attachment: Attachment) -> dict[str, Any]:
    """Turn an attachment into a row; what is a file is wanted."""
    wanted = attachment.kind in DOWNLOADED and attachment.url is not None
    return {
        "message_id": message_id,
        "kind": attachment.kind,
        "url": attachment.url,
        "external_id": attachment.id,
        "name": attachment.name,
        "mime": attachment.mime,
        "size": attachment.size,
        "text": attachment.text,
        "state": "wanted" if wanted else "none",
    }


_IDS = sa.select(s.messages.c.channel, s.messages.c.external_id, s.messages.c.id).where(
    among("items", s.messages.c.channel, s.messages.c.external_id)
)


def message_ids(connection: sa.Connection, items: Collection[Item]) -> dict[Item, int]:
    """Return the row ids of messages."""
    if not items:
        return {}
    rows = fetch(connection, _IDS, {"items": sorted(items)})
    return {(channel, external_id): number for channel, external_id, number in rows}


def scrub(connection: sa.Connection, items: Iterable[Item]) -> None:
    """Forget what deleted items said: in inbounds and raw events; key and fate stay."""
    for channel, item in items:
        table = s.inbounds
        told = connection.execute(
            sa.select(table).where(
                table.c.channel == channel,
                table.c.item == item,
                table.c.type.in_(["message", "edit", "echo", "article"]),
            )
        ).all()
        for row in told:
            forgotten = _forgotten(_DECODERS[row.type].decode(row.data))
            connection.execute(
                table.update().where(table.c.id == row.id).values(data=encode(forgotten))
            )
        _scrub_raw(connection, channel, item)
        thread = s.threads
        connection.execute(
            thread.update()
            .where(thread.c.channel == channel, thread.c.external_id == item)
            .values(text=None)
        )
        ids = message_ids(connection, [(channel, item)]).values()
        connection.execute(
            s.attachments.update()
            .where(s.attachments.c.message_id.in_(ids))
            .values(url=None, name=None, text=None, state="forgotten")
        )


def _scrub_raw(connection: sa.Connection, channel: str, item: str) -> None:
    """Empty the raw events about an item, repeated ones too."""
    raw = s.raw_events
    brought = sa.select(s.inbounds.c.event_id).where(
        s.inbounds.c.channel == channel, s.inbounds.c.item == item
    )
    repeated = sa.select(s.fates.c.event_id).where(s.fates.c.item == item)
    # In one list: for an alternative of two PostgreSQL would go through all the events.
    about = raw.c.id.in_(sa.union(brought, repeated))
    connection.execute(raw.update().where(raw.c.channel == channel, about).values(body=b""))


_DELETED = sa.select(s.messages.c.channel, s.messages.c.external_id).where(
    among("items", s.messages.c.channel, s.messages.c.external_id),
    s.messages.c.deleted_at.is_not(None),
)


def deleted(connection: sa.Connection, items: Collection[Item]) -> list[Item]:
    """Return those of `items` that were taken back."""
    if not items:
        return []
    rows = fetch(connection, _DELETED, {"items": sorted(items)})
    return [(channel, external_id) for channel, external_id in rows]


def _forgotten(inbound: Inbound) -> Inbound:
    """Return an inbound without what it said; who and when stay, so that tickets do."""
    match inbound:
        case Echo():
            return evolve(inbound, message=_without_content(inbound.message))
        case Message():
            return _without_content(inbound)
        case Edit():
            return evolve(inbound, text=None, attachments=None)
        case Article():
            return evolve(inbound, title="", text=None, thumbnail=None, topics=())
        case _:
            return inbound


def _without_content(message: Message) -> Message:
    """Return a message that says nothing, but is still told from its other versions."""
    return evolve(message, revision=revision(message), text=None, attachments=(), payload=None)


def delivered(connection: sa.Connection, told: Iterable[Told]) -> None:
    """Take delivery and read receipts into our own messages."""
    table = s.messages
    for one in told:
        status = one.inbound
        if not isinstance(status, DeliveryStatus) or status.status == "failed":
            continue
        which: list[sa.ColumnElement[bool]] = []
        if status.ids:
            which.append(table.c.external_id.in_(status.ids))
        if status.watermark is not None:
            which.append(table.c.sent_at <= status.watermark)
        if not which:
            continue
        column = table.c.read_at if status.status == "read" else table.c.delivered_at
        connection.execute(
            table.update()
            .where(
                table.c.channel == one.event.channel,
                table.c.thread == status.thread,
                table.c.own == sa.true(),
                column.is_(None),
                sa.or_(*which),
            )
            .values({column.name: status.at})
        )


def want_lookups(connection: sa.Connection, told: Iterable[Told], now: datetime) -> None:
    """Queue what has to be fetched."""
    rows = [
        {
            "channel": one.event.channel,
            "source": one.inbound.source,
            "argument": one.inbound.argument,
            "state": "wanted",
            "next_at": now,
        }
        for one in told
        if isinstance(one.inbound, Lookup)
    ]
    add(connection, s.lookups, rows)
