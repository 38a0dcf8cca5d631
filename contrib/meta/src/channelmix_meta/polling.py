"""Walking a list at the Graph API: newest first, from a cursor on, with what hangs below each item.

A cursor is plain JSON: `since` (everything up to here was read, in the network's own time),
and during a walk `after` (the page to read next), `newest` (the next `since`) and `todo` (items
whose comments did not fit on one page). Links to a next page are never kept: they hold the token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, define, frozen
from channelmix.errors import Rejected
from channelmix.hookspecs import Clock
from channelmix.records import Payload, Poll, Polled, RawEvent, Split, minutes

from channelmix_meta.client import Graph, Refusal, after_of, time_of
from channelmix_meta.parsing_json import data
from channelmix_meta.policy import Verdict

OVERLAP = minutes(5)
"""What is read again each time: the network shows things a little late, and out of order."""
WATCHED = timedelta(days=30)
"""How old a post may be for a sweep to look for new comments below it."""
PAGE = 25


@frozen(kw_only=True)
class Listing:
    """How one list of the account is read."""

    path: str
    fields: str
    owner: str | None = None
    """Whose list it is, where it is not the account's own: `me`, say."""
    params: Mapping[str, str] = Factory(dict)
    nested: tuple[str, ...] = ()
    """The lists below each item, level by level, whose old entries need not be taken in again."""
    by_update: bool = False
    """The list itself is in the order of `updated_time`."""
    again: Mapping[int, timedelta] = Factory(dict)
    """By error code: when to come again after a refusal that is no fault of the channel."""


@frozen(kw_only=True)
class Below:
    """How the comments below one item are read where they did not fit on its page."""

    fields: str
    params: Mapping[str, str] = Factory(dict)
    mark: Callable[[dict[str, Any], str], None]
    """Writes into a comment what it is below, where the network does not say."""


@frozen(kw_only=True)
class Lists:
    """Everything of one account that can be read."""

    listings: Mapping[str, Listing]
    objects: Mapping[str, str]
    """What a `Lookup` can ask for by its id, with its fields."""
    below: Below
    split: Callable[[Payload], Split]


@define(kw_only=True)
class _Cursor:
    since: float
    newest: float
    after: str | None = None
    todo: list[list[str | None]] = Factory(list)
    again: bool = False
    """This walk was begun anew, because a page of it could not be found any more."""

    @property
    def floor(self) -> float:
        """What is older was read before. Seconds since 1970."""
        return self.since - OVERLAP.total_seconds()

    @property
    def walking(self) -> bool:
        return bool(self.after or self.todo)

    def wants(self, item: Mapping[str, Any]) -> bool:
        """Whether it may be new; what has no time may."""
        changed = _changed(item)
        return changed == 0 or changed >= self.floor

    def saved(self) -> dict[str, Any]:
        if not self.walking:
            return {"since": self.newest}
        return {
            "since": self.since,
            "newest": self.newest,
            "after": self.after,
            "todo": self.todo,
            "again": self.again,
        }


async def poll(
    graph: Graph, wanted: Poll, lists: Lists, *, owner: str, backfill: timedelta
) -> Polled:
    """Read one page of one source, or the one object that a `Lookup` names.

    `owner` is whose lists these are, as the path of a call names it.
    Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (gone, or a permission is missing).
    """
    if wanted.source in lists.objects:
        return await _look_up(graph, wanted, lists)
    cursor = _cursor(wanted.cursor, graph.clock.now() - backfill)
    listing = lists.listings[wanted.source]
    walk = _Walk(graph=graph, lists=lists, source=wanted.source, listing=listing, cursor=cursor)
    try:
        events = await (walk.below() if cursor.todo else walk.page(owner))
    except Refusal as refusal:
        if refusal.code in listing.again:
            return Polled(cursor=wanted.cursor, again_in=listing.again[refusal.code])
        if refusal.verdict is not Verdict.REFUSED or cursor.again or not cursor.walking:
            raise
        # Paging cursors do not live for ever: begin this walk anew, once.
        return Polled(cursor={"since": cursor.since, "again": True}, more=True)
    return Polled(events=events, cursor=cursor.saved(), more=cursor.walking)


def wanted_id(wanted: Poll) -> str:
    """Return what a look-up is for. Raises: `Rejected` if it does not say."""
    if not wanted.argument:
        raise Rejected(f"{wanted.source}: a look-up needs an id")
    return wanted.argument


async def _look_up(graph: Graph, wanted: Poll, lists: Lists) -> Polled:
    found = await graph.get(wanted_id(wanted), {"fields": lists.objects[wanted.source]})
    return Polled(events=events_of(found, wanted.source, lists))


def events_of(document: Mapping[str, Any], source: str, lists: Lists) -> tuple[RawEvent, ...]:
    """Cut an answer into events."""
    body = json.dumps(document).encode()
    return lists.split(Payload(body=body, source=source)).events


def _cursor(saved: Any, start: datetime) -> _Cursor:
    known = saved if isinstance(saved, dict) else {}
    since = float(known.get("since", start.timestamp()))
    return _Cursor(
        since=since,
        newest=float(known.get("newest", since)),
        after=known.get("after"),
        todo=[list(one) for one in known.get("todo") or ()],
        again=known.get("again") is True,
    )


@frozen(kw_only=True)
class _Walk:
    """One page of a walk."""

    graph: Graph
    lists: Lists
    source: str
    listing: Listing
    cursor: _Cursor

    async def page(self, owner: str) -> tuple[RawEvent, ...]:
        """Read the next page of the list itself."""
        cursor, listing = self.cursor, self.listing
        params = {"fields": listing.fields, "limit": str(PAGE), **listing.params}
        found = await self.graph.get(
            f"{listing.owner or owner}/{listing.path}", _from(params, cursor.after)
        )
        items = data(found)
        cursor.newest = max([cursor.newest, *(_changed(one) for one in items if cursor.wants(one))])
        cursor.after = None if _done(items, listing, cursor, self.graph.clock) else after_of(found)
        fresh = [one for one in items if self._fresh(one)]
        return events_of({"data": fresh}, self.source, self.lists)

    def _fresh(self, item: dict[str, Any]) -> bool:
        """Say whether an item is new, or something below it, which alone is then left there."""
        wanted = self.cursor.wants(item)
        return self._trim(item, item, self.listing.nested) or wanted

    async def below(self) -> tuple[RawEvent, ...]:
        """Go on with the comments of one item."""
        item, after = self.cursor.todo.pop(0)
        below = self.lists.below
        params = {"fields": below.fields, "limit": str(PAGE), **below.params}
        try:
            found = await self.graph.get(f"{item}/comments", _from(params, after))
        except Refusal as refusal:
            if refusal.verdict is Verdict.GONE:
                return ()
            self.cursor.todo.insert(0, [item, after])
            raise
        holder = {"id": item, "comments": found}
        self._trim(holder, holder, self.listing.nested)
        comments = data(holder["comments"])
        for comment in comments:
            below.mark(comment, str(item))
        return events_of({"data": comments}, self.source, self.lists)

    def _trim(self, item: dict[str, Any], top: Mapping[str, Any], nested: Sequence[str]) -> bool:
        """Leave out below `item` what was read before; note where to go on if not all fits.

        Returns whether anything is left.
        """
        if not nested or not isinstance(item.get(nested[0]), dict):
            return False
        below, deeper = item[nested[0]], nested[1:]
        entries = data(below)
        new = [self.cursor.wants(one) for one in entries]
        self.cursor.newest = max([self.cursor.newest, *map(_changed, entries)])
        left = [
            one
            for one, is_new in zip(entries, new, strict=True)
            if self._trim(one, top, deeper) or is_new
        ]
        # Of a conversation, Meta gives details of the 20 latest messages only: no going on.
        if nested[0] == "comments" and new and all(new) and after_of(below):
            self.cursor.todo.append([top.get("id"), after_of(below)])
        item[nested[0]] = {"data": left}
        return bool(left)


def _done(items: Sequence[dict[str, Any]], listing: Listing, cursor: _Cursor, clock: Clock) -> bool:
    """Whether the rest of the list is too old. An empty page may still have a next one."""
    if not items:
        return False
    last = _changed(items[-1]) if listing.by_update else time_of(items[-1])
    floor = cursor.floor
    if "comments" in listing.nested:
        floor = min(floor, (clock.now() - WATCHED).timestamp())
    return 0 < last < floor


def _from(params: dict[str, str], after: str | None) -> dict[str, str]:
    return {**params, "after": after} if after else params


def _changed(item: Mapping[str, Any]) -> float:
    return time_of(item, "updated_time", "created_time", "timestamp")
