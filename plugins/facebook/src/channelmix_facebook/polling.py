"""Reading the page's lists: newest first, from a cursor on, with what hangs below each item.

A cursor is plain JSON: `since` (everything up to here was read, in the network's own time),
and during a walk `after` (the page to read next), `newest` (the next `since`) and `todo` (posts
whose comments did not fit on one page). Links to a next page are never kept: they hold the token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, define, frozen
from channelmix.errors import Rejected
from channelmix.hookspecs import Clock
from channelmix.records import Payload, Poll, Polled, RawEvent, Source, minutes

from channelmix_facebook import parsing, policy
from channelmix_facebook.client import Graph, Refusal, after_of, time_of
from channelmix_facebook.parsing_json import data
from channelmix_facebook.policy import Verdict

COMMENT = (
    "id,message,created_time,from{id,name},parent{id},object{id},attachment,is_hidden,permalink_url"
)
COMMENTS = f"comments.filter(stream).order(reverse_chronological).limit(25){{{COMMENT}}}"
POST = (
    "id,message,story,created_time,updated_time,from{id,name},permalink_url,is_hidden,"
    "is_published,status_type,full_picture,attachments{media_type,type,title,description,url,media}"
)
MESSAGE = (
    "id,message,created_time,from,to,sticker,shares{link,name,description},"
    "attachments{id,mime_type,name,size,image_data,video_data,file_url,generic_template}"
)
RATING = (
    "created_time,has_rating,has_review,rating,recommendation_type,review_text,"
    "reviewer{id,name},open_graph_story{id}"
)
CONVERSATION = f"id,updated_time,participants,messages.limit(20){{{MESSAGE}}}"

OVERLAP = minutes(5)
"""What is read again each time: the network shows things a little late, and out of order."""
WATCHED = timedelta(days=30)
"""How old a post may be for a sweep to look for new comments below it."""
PAGE = 25


@frozen(kw_only=True)
class Listing:
    """How one list of the page is read."""

    path: str
    fields: str
    params: Mapping[str, str] = Factory(dict)
    nested: str | None = None
    """The list below each item whose old entries need not be taken in again."""
    by_update: bool = False
    """The list itself is in the order of `updated_time`."""


LISTINGS: Mapping[str, Listing] = {
    "feed": Listing(path="feed", fields=f"{POST},{COMMENTS}", nested="comments"),
    "tagged": Listing(path="tagged", fields=POST),
    "ratings": Listing(path="ratings", fields=RATING),
    "conversations": Listing(
        path="conversations",
        fields=CONVERSATION,
        params={"platform": "messenger"},
        nested="messages",
        by_update=True,
    ),
}
OBJECTS: Mapping[str, str] = {
    "post": f"{POST},{COMMENTS}",
    "comment": COMMENT,
    "message": MESSAGE,
    "conversation": CONVERSATION,
}
"""What a `Lookup` can ask for, with its fields."""

SOURCES = (
    Source(name="feed", every=minutes(2), sweep=minutes(30)),
    Source(name="conversations", every=minutes(1), sweep=minutes(15)),
    Source(name="tagged", every=minutes(10), sweep=minutes(60)),
    Source(name="ratings", every=minutes(10), sweep=minutes(60)),
    *(Source(name=name) for name in OBJECTS),
)


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


async def poll(graph: Graph, wanted: Poll, *, page_id: str, backfill: timedelta) -> Polled:
    """Read one page of one source, or the one object that a `Lookup` names.

    Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (gone, or a permission is missing).
    """
    if wanted.source in OBJECTS:
        return await _look_up(graph, wanted)
    cursor = _cursor(wanted.cursor, graph.clock.now() - backfill)
    try:
        if cursor.todo:
            events = await _below(graph, wanted.source, cursor)
        else:
            listing = LISTINGS[wanted.source]
            events = await _page(graph, wanted.source, listing, cursor, page_id)
    except Refusal as refusal:
        if wanted.source == "ratings" and refusal.code == policy.NO_MORE:
            # Recommendations are pushed only, so this is no fault of the channel.
            return Polled(cursor=wanted.cursor, again_in=timedelta(days=1))
        if refusal.verdict is not Verdict.REFUSED or cursor.again or not cursor.walking:
            raise
        # Paging cursors do not live for ever: begin this walk anew, once.
        return Polled(cursor={"since": cursor.since, "again": True}, more=True)
    return Polled(events=events, cursor=cursor.saved(), more=cursor.walking)


async def _look_up(graph: Graph, wanted: Poll) -> Polled:
    if not wanted.argument:
        raise Rejected(f"{wanted.source}: a look-up needs an id")
    found = await graph.get(wanted.argument, {"fields": OBJECTS[wanted.source]})
    return Polled(events=_split(found, wanted.source))


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


async def _page(
    graph: Graph, source: str, listing: Listing, cursor: _Cursor, page_id: str
) -> tuple[RawEvent, ...]:
    params = {"fields": listing.fields, "limit": str(PAGE), **listing.params}
    found = await graph.get(f"{page_id}/{listing.path}", _from(params, cursor.after))
    items = data(found)
    fresh = [one for one in items if cursor.wants(one)]
    cursor.newest = max([cursor.newest, *map(_changed, fresh)])
    cursor.after = None if _done(items, listing, cursor, graph.clock) else after_of(found)
    for item in fresh:
        _trim(item, listing.nested, cursor)
    return _split({"data": fresh}, source)


async def _below(graph: Graph, source: str, cursor: _Cursor) -> tuple[RawEvent, ...]:
    """Go on with the comments of one post."""
    post, after = cursor.todo[0]
    params = {"fields": COMMENT, "limit": str(PAGE)}
    params |= {"filter": "stream", "order": "reverse_chronological"}
    try:
        found = await graph.get(f"{post}/comments", _from(params, after))
    except Refusal as refusal:
        if refusal.verdict is Verdict.GONE:
            del cursor.todo[0]
            return ()
        raise
    del cursor.todo[0]
    comments = data(found)
    _trim({"id": post, "comments": found}, "comments", cursor)
    for comment in comments:
        comment.setdefault("object", {"id": post})
    return _split({"data": [one for one in comments if cursor.wants(one)]}, source)


def _trim(item: dict[str, Any], nested: str | None, cursor: _Cursor) -> None:
    """Leave out below `item` what was read before; note where to go on if not all fits."""
    below = item.get(nested or "")
    if not isinstance(below, dict):
        return
    entries = data(below)
    fresh = [one for one in entries if cursor.wants(one)]
    # Of a conversation, Facebook gives details of the 20 latest messages only: no going on.
    if nested == "comments" and fresh and len(fresh) == len(entries) and after_of(below):
        cursor.todo.append([item.get("id"), after_of(below)])
    item[str(nested)] = {"data": fresh}


def _done(items: Sequence[dict[str, Any]], listing: Listing, cursor: _Cursor, clock: Clock) -> bool:
    """Whether the rest of the list is too old. An empty page may still have a next one."""
    if not items:
        return False
    last = _changed(items[-1]) if listing.by_update else time_of(items[-1])
    floor = cursor.floor
    if listing.nested == "comments":
        floor = min(floor, (clock.now() - WATCHED).timestamp())
    return 0 < last < floor


def _from(params: dict[str, str], after: str | None) -> dict[str, str]:
    return {**params, "after": after} if after else params


def _changed(item: Mapping[str, Any]) -> float:
    return time_of(item, "updated_time") or time_of(item)


def _split(document: Mapping[str, Any], source: str) -> tuple[RawEvent, ...]:
    body = json.dumps(document).encode()
    return parsing.split(Payload(body=body, source=source)).events
