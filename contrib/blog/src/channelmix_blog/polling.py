"""Reading a blog: its feed, its comments as they come, and what became of those of a month.

A cursor is plain JSON. That of a feed: `etag`, `modified`, and `seen`, the keys of its entries.
That of WordPress's new comments:

    since   what is older was read before, by the blog's own time
    page    the page to read next, within a walk; `newest` what it has seen so far
    seen    {key: date} of what was read and is younger than `since` less `OVERLAP`: read again

That of the sweep:

    begin   comments before that are no news
    after   where this walk begins; `page` the page to read next; `walk` the ids it has shown
    seen    {id: [version, number of changes, date]}
    gone    ids to make sure of, as they are not shown any more
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen
from channelmix.errors import Rejected
from channelmix.hookspecs import Clock
from channelmix.payloads import Json, decode, ident, obj, objects, words
from channelmix.records import Poll, Polled, RawEvent, Source, minutes

from channelmix_blog import feed, markup, parsing
from channelmix_blog.client import Answer, Refusal, Rest, Web
from channelmix_blog.config import POSTS, BlogConfig
from channelmix_blog.parsing import ARTICLES, CHANGES, COMMENTS

OVERLAP = minutes(75)
"""What is read again: `after` is held against local time, which goes back an hour in autumn."""
WINDOW = timedelta(days=30)
"""How far back the sweep looks."""
DEPTH = 10
"""How many pages of 100 comments it reads."""
ASKED = 10
"""How many comments are asked for one by one before the host has its turn."""
SWITCHED_OFF = timedelta(days=1)
SOURCES = (
    Source(name=ARTICLES, every=minutes(30)),
    Source(name=COMMENTS, every=minutes(5)),
    Source(name=CHANGES, every=minutes(60)),
)
LISTED = {"per_page": "100", "orderby": "date_gmt", "_embed": "up"}
"""WordPress's largest page, with the post of each comment."""


@frozen(kw_only=True)
class Feeds:
    """What feeds tell."""

    web: Web
    clock: Clock
    config: BlogConfig

    async def articles(self, cursor: Json) -> Polled:
        """Read the blog's feed. What is not in it any more is not gone: feeds are short.

        Raises: `RetryLater`, `Rejected`, `InvalidPayload`.
        """
        events, kept = await self._read(await self._address(), cursor, ARTICLES)
        return Polled(events=events, cursor=kept)

    async def comments(self, cursor: Json) -> Polled:
        """Read the feed of all comments, or that of one post. Raises: as `articles`."""
        if self.config.comments_feed != POSTS:
            events, kept = await self._said(self.config.comments_feed or "", cursor)
            return Polled(events=events, cursor=kept)
        todo, feeds = cursor.get("todo"), obj(cursor.get("feeds"))
        posts = obj(cursor.get("posts"))
        if not todo:
            posts, todo = await self._posts(posts)
            feeds = {one: feeds[one] for one in todo if one in feeds}
        events = ()
        if todo:
            events, feeds[todo[0]] = await self._said(todo[0], obj(feeds.get(todo[0])))
        rest = {"posts": posts, "feeds": feeds, "todo": todo[1:]}
        return Polled(events=events, cursor=rest, more=bool(todo[1:]))

    async def _posts(self, known: Json) -> tuple[Json, list[str]]:
        """Name the comments feed of each post that the blog's feed has."""
        address = await self._address()
        answer = await self.web.get(address, known)
        if answer is None:
            return known, list(known["feeds"])
        entries = await self._entries(answer, address)
        found = list(dict.fromkeys(one["comments"] for one in entries if one["comments"]))
        if entries and not found:
            raise Rejected("the feed names no comments of its posts (wfw:commentRss)")
        return {**_validators(answer), "feeds": found}, found

    async def _said(self, address: str, known: Json) -> tuple[tuple[RawEvent, ...], Json]:
        """Read one feed of comments; at first sight only what is not long ago."""
        events, kept = await self._read(address, known, COMMENTS)
        if "seen" in known:
            return events, kept
        start = self.clock.now() - timedelta(days=self.config.backfill_days)
        return tuple(one for one in events if _not_before(one, start)), kept

    async def _read(
        self, address: str, known: Json, source: str
    ) -> tuple[tuple[RawEvent, ...], Json]:
        answer = await self.web.get(address, known)
        if answer is None:
            return (), dict(known)
        entries = await self._entries(answer, address)
        events = {
            event.key: event for one in entries if (event := parsing.entry_event(one, source))
        }
        fresh = [event for key, event in events.items() if key not in known.get("seen", ())]
        return tuple(fresh), {**_validators(answer), "seen": list(events)}

    async def _entries(self, answer: Answer, address: str) -> list[Json]:
        """Read a feed beside the loop: a large one takes a second."""
        return await asyncio.to_thread(feed.read, answer.body, self.web.whole(address))

    async def _address(self) -> str:
        """Return the feed's address, as the configuration or the blog's page says it."""
        if self.config.feed is not None:
            return self.config.feed
        answer = await self.web.get(self.web.url)
        page = answer.body.decode("utf-8", "replace") if answer else ""
        found = markup.feeds(page, self.web.url)
        if not found:
            raise Rejected(f"{self.web.url} names no feed: write its address down as feed")
        return found[0]


def _validators(answer: Answer) -> Json:
    headers = answer.headers
    return {"etag": headers.get("etag"), "modified": headers.get("last-modified")}


def _not_before(event: RawEvent, start: datetime) -> bool:
    entry = obj(obj(decode(event.body)).get("said"))
    told = words(entry.get("published"))
    return told is None or datetime.fromisoformat(told) >= start


@frozen(kw_only=True)
class Comments:
    """What WordPress's REST API tells."""

    rest: Rest
    clock: Clock
    config: BlogConfig
    me: int | None
    """Our own user's number, None if nobody is configured."""

    async def new(self, cursor: Json) -> Polled:
        """Read one page of what came since, oldest first.

        Raises: `RetryLater`, `AuthorizationLost`, `Rejected`.
        """
        since, page = str(cursor.get("since") or self._start()), int(cursor.get("page", 1))
        comments, more = await self._page(_earlier(since), page, "asc")
        newest = max([str(cursor.get("newest") or since), *map(_date, comments)])
        known, events = dict(cursor.get("seen", {})), [self._event(one, 0) for one in comments]
        fresh = tuple(event for event in events if event.key not in known)
        seen = known | {event.key: _date(one) for event, one in zip(events, comments, strict=True)}
        if more:
            walk = {"since": since, "page": page + 1, "newest": newest, "seen": seen}
            return Polled(events=fresh, cursor=walk, more=True)
        again = _earlier(newest)
        kept = {key: date for key, date in seen.items() if date > again}
        return Polled(events=fresh, cursor={"since": newest, "seen": kept})

    async def changed(self, cursor: Json) -> Polled:
        """Read one page of the last month, newest first, or make sure of what is not shown.

        Raises: as `new`.
        """
        state: Json = {"begin": self._start(), "seen": {}, **cursor}
        if state.get("gone"):
            return await self._make_sure(state)
        state.setdefault("after", _stamp(self.clock.now() - WINDOW))
        page = state.setdefault("page", 1)
        comments, more = await self._page(state["after"], page, "desc")
        events = [event for one in comments if (event := self._compare(one, state))]
        state["walk"] = [*state.get("walk", ()), *(str(one.get("id")) for one in comments)]
        if more and page < DEPTH:
            return Polled(events=tuple(events), cursor={**state, "page": page + 1}, more=True)
        oldest = min(map(_date, comments), default=state["after"]) if more else state["after"]
        shown = set(state["walk"])
        missing = [one for one, row in state["seen"].items() if one not in shown]
        gone = [one for one in missing if state["seen"][one][2] > oldest]
        for one in set(missing) - set(gone):
            del state["seen"][one]
        done = {"begin": state["begin"], "seen": state["seen"], "gone": gone}
        return Polled(events=tuple(events), cursor=done, more=bool(gone))

    async def _make_sure(self, state: Json) -> Polled:
        """Ask for comments one by one: they may be held, in the trash, or gone."""
        events = []
        for one in state["gone"][:ASKED]:
            try:
                found, _ = await self.rest.get(f"comments/{one}", {"_embed": "up"})
            except Refusal as refusal:
                events.append(self._unseen(one, refusal, state))
            else:
                events.append(self._compare(obj(found), state))
        rest = {**state, "gone": state["gone"][ASKED:]}
        told = tuple(event for event in events if event)
        return Polled(events=told, cursor=rest, more=bool(rest["gone"]))

    def _unseen(self, one: str, refusal: Refusal, state: Json) -> RawEvent | None:
        """Say that a comment is gone, or kept from us."""
        seen_at = self.clock.now().isoformat()
        if refusal.status in {404, 410}:  # as the handbook says of ids that do not exist
            del state["seen"][one]
            return parsing.comment_event({"gone": one, "seen_at": seen_at}, CHANGES)
        row = state["seen"][one]
        if row[0] == "withheld":
            return None
        row[0], row[1] = "withheld", row[1] + 1
        body = {"withheld": one, "version": row[1], "seen_at": seen_at}
        return parsing.comment_event(body, CHANGES)

    def _compare(self, comment: Json, state: Json) -> RawEvent | None:
        """Note how a comment is now; None if that is no news."""
        name, date = ident(comment.get("id")), _date(comment)
        if name is None:
            return None
        row, told = state["seen"].get(name), parsing.version(comment, 0)
        changes = row[1] + (row[0] != told) if row else 0
        state["seen"][name] = [told, changes, date]
        if date < state["begin"] or (row and row[0] == told):
            return None
        return self._event(comment, changes)

    async def _page(self, after: str, page: int, order: str) -> tuple[list[Json], bool]:
        query = {**LISTED, "after": after, "page": str(page), "order": order}
        if self.me is not None:
            query["status"] = "all"  # what is held too; it wants a user who may edit posts
        found, pages = await self.rest.get("comments", query)
        return objects(found), page < pages

    def _event(self, comment: Json, changes: int) -> RawEvent:
        own = self.me is not None and comment.get("author") == self.me
        body = {"comment": comment, "own": own, "version": changes}
        return parsing.comment_event(body, COMMENTS)

    def _start(self) -> str:
        return _stamp(self.clock.now() - timedelta(days=self.config.backfill_days))


async def poll(wanted: Poll, feeds: Feeds, comments: Comments | None) -> Polled:
    """Read one page of one source. Raises: `RetryLater`, `AuthorizationLost`, `Rejected`."""
    cursor = obj(wanted.cursor)
    if wanted.source == ARTICLES:
        return await feeds.articles(cursor)
    if comments is not None:
        read = comments.changed if wanted.source == CHANGES else comments.new
        return await read(cursor)
    if wanted.source == COMMENTS and feeds.config.comments_feed:
        return await feeds.comments(cursor)
    return Polled(cursor=wanted.cursor, again_in=SWITCHED_OFF)


def _date(comment: Mapping[str, Any]) -> str:
    """Return when a comment was written, as it can be compared; nothing, if it is not told."""
    return f"{comment.get('date_gmt') or ''}Z"[:20].replace("ZZ", "Z")


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _earlier(stamp: str) -> str:
    return _stamp(datetime.fromisoformat(stamp) - OVERLAP)
