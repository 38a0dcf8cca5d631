"""Raw events → inbounds: the frame that Meta's networks share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import field, frozen
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, array, decode, ident, label, moment, obj, words
from channelmix.records import Ignored, Inbound, Ingested, RawEvent

from channelmix_meta.parsing_json import Context
from channelmix_meta.parsing_messaging import messaging

TEST_ENTRY = "0"
"""The entry id of what the app dashboard's Test button sends."""

Told = Inbound | tuple[Inbound, ...]
"""What one item means: mostly one thing; a post of ours may be an article beside it."""
Reader = Callable[[Json, Context], Told]


@frozen(kw_only=True)
class Language:
    """What one network says, and how it is read."""

    object: str
    """The `object` of its webhooks: `page`, `instagram`."""
    foreign: str
    """Why webhooks of another object are left alone."""
    fields: Mapping[str, Reader]
    """How the value of each field of `changes` is read."""
    graph: Reader
    """How one item of a Graph answer is read, as `parsing_split` wrapped it."""
    messaging: Callable[..., Inbound] = field(default=messaging)
    """How one item of `messaging` is read."""


def ingest(
    event: RawEvent,
    language: Language,
    *,
    account: str,
    app_id: str | None = None,
    handle: str | None = None,
) -> Ingested:
    """Return what one raw event means. Pure, deterministic, and it never loses one silently.

    `account` tells own content from customers'; empty (a dry run), what the event names is taken.
    `app_id` tells replies sent through this app from others; None: echoes do not say. `handle` is
    the account's name, for answers that say no id.
    Raises: `InvalidPayload` for a body that did not come from `split`, and for something said
    that has no id.
    """
    document = decode(event.body)
    if not isinstance(document, dict):
        raise InvalidPayload("the event is no JSON object")
    reading = _Reading(
        event=event, language=language, account=account, app_id=app_id, handle=handle
    )
    if "graph" in document:
        return Ingested(inbounds=_each(language.graph(document, reading.context())))
    if "entry" not in document:
        raise InvalidPayload("the event is neither a webhook entry nor an item of a Graph answer")
    return Ingested(inbounds=tuple(reading.delivery(document)))


def _each(told: Told) -> tuple[Inbound, ...]:
    return told if isinstance(told, tuple) else (told,)


@frozen(kw_only=True)
class _Reading:
    """One event being read."""

    event: RawEvent
    language: Language
    account: str
    app_id: str | None
    handle: str | None

    def context(self, named: str | None = None, time: Any = None) -> Context:
        now = self.event.received_at
        return Context(
            account=self.account or named or self.event.account,
            now=now,
            at=moment(time, now) or now,
            app_id=self.app_id,
            handle=self.handle,
            source=self.event.source,
        )

    def delivery(self, document: Json) -> Iterator[Inbound]:
        entries = array(document["entry"])
        if document.get("object") != self.language.object:
            yield Ignored(reason=f"{self.language.foreign}: {label(document.get('object'))}")
        elif not entries:
            yield Ignored(reason="empty delivery")
        else:
            for entry in entries:
                yield from self._entry(obj(entry))

    def _entry(self, entry: Json) -> Iterator[Inbound]:
        named = ident(entry.get("id"))
        if named == TEST_ENTRY:
            yield Ignored(reason="dashboard test")
            return
        found = list(self._items(entry, self.context(named, entry.get("time"))))
        yield from found or [Ignored(reason="unknown entry")]

    def _items(self, entry: Json, context: Context) -> Iterator[Inbound]:
        # Where people log in at Instagram, a change stands in the entry itself.
        direct = [entry] if "field" in entry and "changes" not in entry else []
        for one in [*array(entry.get("changes")), *direct]:
            yield from _each(self._change(one, context))
        for name in ("messaging", "standby"):
            for one in array(entry.get(name)):
                yield self._messaging(one, context, standby=name == "standby")

    def _change(self, change: Any, context: Context) -> Told:
        name, value = words(obj(change).get("field")), obj(change).get("value")
        if name is None:
            return Ignored(reason="empty change")
        if name.startswith("messag") and isinstance(value, dict):
            return self.language.messaging(value, context, standby=False)
        if name not in self.language.fields:
            return Ignored(reason=f"unknown field: {label(name)}")
        if not isinstance(value, dict):
            return Ignored(reason=f"{name} without value")
        return self.language.fields[name](value, context)

    def _messaging(self, item: Any, context: Context, *, standby: bool) -> Inbound:
        if not isinstance(item, dict) or not item:
            return Ignored(reason="empty event")
        return self.language.messaging(item, context, standby=standby)
