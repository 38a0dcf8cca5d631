"""Reading a channel's comments: the newest often, those further down by a sweep.

YouTube lists threads by when they began, so a new reply to an old thread moves nothing: it shows
only in the thread's number of replies. Both sources therefore remember, for each thread they saw,
when it was changed and how many replies it had. A cursor is plain JSON:

    since    what is older was read before, in the network's own time
    reach    how far down the last walk came, in the same time; what stands above it and was not
             there then is new, whenever it was written: YouTube releases some comments late
    threads  {thread: [began, number of replies, {comment: changed}, walk, video]}
    page     the page to read next, within a walk; `walk` its number, `pages` how many it has read
    todo     [[thread, video, page, seen, whole], …]: threads whose replies did not fit; `whole`:
             what is not known of it is new
    gone     [[id, video, [reply, …]], …]: comments to make sure of, as they are not shown any more
    fresh    how many comments of this walk are new
    traffic  how much comes (see `pacing`)
    etag     of the first page, as it was last
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from attrs import Factory, define, frozen
from channelmix.errors import Rejected
from channelmix.hookspecs import Clock
from channelmix.records import Poll, Polled, RawEvent, Source, Spending, minutes

from channelmix_youtube import pacing, parsing
from channelmix_youtube.client import Api, Refusal
from channelmix_youtube.pacing import Traffic

OVERLAP = timedelta(minutes=5)
"""What is read again each time: the network shows things a little late, and out of order."""
DEPTH = 10
"""How many pages of threads a sweep looks through: 1,000 threads for 10 units."""
SWEEP = minutes(30)
KNOWN = 2_000
"""How many threads a cursor remembers."""
ASKED = 20
"""How many comments are asked for by their ids at once."""
LISTED = {"maxResults": "100", "textFormat": "plainText"}

SOURCES = (
    Source(name="comments", every=minutes(1)),
    Source(name="threads", every=SWEEP),
    Source(name="held", every=minutes(15)),
    Source(name="spam", every=minutes(60)),
    Source(name="videos", every=minutes(360), sweep=minutes(360)),
    Source(name="search", every=minutes(240)),
    Source(name="live", every=minutes(10)),
    Source(name="video"),
)
STATUS: Mapping[str, str] = {
    "comments": "published",
    "threads": "published",
    "held": "heldForReview",
    "spam": "likelySpam",
}
WITHHELD = frozenset({"held", "spam"})
"""Lists of what only the owner sees. A thread is in them also if only a reply is."""
SHARES: Mapping[str, float] = {"threads": 0.06, "held": 0.03, "spam": 0.01}
"""Which part of what polls may spend goes into which list, at the most."""


@define(kw_only=True)
class Cursor:
    """Where a source is; see above."""

    since: float
    reach: float | None = None
    threads: dict[str, list[Any]] = Factory(dict)
    walk: int = 0
    page: str | None = None
    pages: int = 0
    todo: list[list[Any]] = Factory(list)
    gone: list[list[Any]] = Factory(list)
    newest: float = 0.0
    oldest: float = 0.0
    """The beginning of the oldest thread that this walk has shown."""
    fresh: int = 0
    etag: str | None = None
    traffic: Traffic = Factory(Traffic)
    again: bool = False
    """This walk was begun anew, because a page of it could not be found any more."""

    @classmethod
    def of(cls, saved: Any, start: datetime) -> Cursor:
        """Read what `saved` returned; None: the very first poll, which looks back to `start`."""
        if not isinstance(saved, dict):
            return cls(since=start.timestamp(), newest=start.timestamp())
        return cls(**{**saved, "traffic": Traffic.of(saved.get("traffic"))})

    def wants(self, comment: Mapping[str, Any], known: Mapping[str, str], *, whole: bool) -> bool:
        """Say whether this version of a comment is news; `whole`: if it is not known, it is."""
        before = known.get(str(comment.get("id")))
        if before is not None or whole:
            return before != _version(comment)
        return _changed(comment) >= self.since - OVERLAP.total_seconds()

    def saved(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            **{name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")},
            "traffic": self.traffic.saved(),
        }

    @property
    def walking(self) -> bool:
        """Whether there is more to read right now."""
        return bool(self.page or self.todo or self.gone)

    def begin_anew(self) -> None:
        """Read a list from its first page, once: page tokens do not live for ever."""
        self.again = True
        if self.todo:
            self.todo[0][2:4] = [None, []]
        else:
            self.page, self.etag, self.pages, self.walk = None, None, 0, self.walk + 1

    def done(self) -> None:
        """End a walk."""
        self.since, self.walk, self.pages = max(self.since, self.newest), self.walk + 1, 0
        self.fresh, self.oldest, self.again = 0, 0.0, False
        self.forget()

    def forget(self) -> None:
        """Remember the newest threads only, so that a cursor stays small."""
        if len(self.threads) > KNOWN:
            newest = sorted(self.threads.items(), key=lambda one: one[1][0])[-KNOWN:]
            self.threads = dict(newest)


@frozen(kw_only=True)
class Reading:
    """One channel's lists."""

    api: Api
    clock: Clock
    channel_id: str
    backfill: timedelta

    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of a list of threads.

        Raises: `RetryLater`, `AuthorizationLost`, `Rejected`.
        """
        now = self.clock.now()
        cursor = Cursor.of(wanted.cursor, now - self.backfill)
        try:
            events = await self._step(wanted.source, cursor)
        except Refusal as refusal:
            if refusal.reason != "invalidPageToken" or cursor.again:
                raise
            cursor.begin_anew()
            return Polled(cursor=cursor.saved(), more=True)
        cursor.fresh += len(events)
        if cursor.walking:
            return Polled(events=events, cursor=cursor.saved(), more=True)
        pages, fresh = max(cursor.pages, 1), cursor.fresh
        cursor.traffic.count(fresh, now)
        cursor.done()
        spending = await self.api.budget.state()
        again_in = self._again(wanted.source, cursor, spending, pages, now)
        return Polled(events=events, cursor=cursor.saved(), again_in=again_in)

    def _again(
        self, source: str, cursor: Cursor, spending: Spending, pages: int, now: datetime
    ) -> timedelta:
        if source == "comments":
            return pacing.newest(spending, cursor.traffic, now)
        declared = next(one.every for one in SOURCES if one.name == source) or SWEEP
        return max(declared, pacing.share(spending, SHARES[source], pages, now))

    async def _step(self, source: str, cursor: Cursor) -> tuple[RawEvent, ...]:
        if cursor.todo:
            return await self._replies(source, cursor)
        if cursor.gone:
            return await self._make_sure(source, cursor)
        return await self._page(source, cursor)

    async def _page(self, source: str, cursor: Cursor) -> tuple[RawEvent, ...]:
        params = {
            **LISTED,
            "part": "snippet,replies",
            "allThreadsRelatedToChannelId": self.channel_id,
            "order": "time",
            "moderationStatus": STATUS[source],
        }
        first = cursor.page is None
        if not first:
            params["pageToken"] = str(cursor.page)
        # Further down there can be news also where the first page is as it was.
        etag = cursor.etag if first and source == "comments" else None
        found = await self.api.get("commentThreads", params, etag=etag)
        if found is None:
            return ()  # the first page is as it was, so there is nothing new
        if first:
            cursor.etag = found.get("etag")
        items = [one for one in found.get("items") or () if isinstance(one, dict)]
        following = found.get("nextPageToken")
        began = [_seconds(_top(one), "publishedAt") for one in items]
        events = [event for one in items for event in self._thread(source, one, cursor)]
        cursor.pages += 1
        cursor.newest = max([cursor.newest, *began])
        cursor.oldest = min(began, default=0.0)
        deeper = cursor.pages < DEPTH if source != "comments" else cursor.oldest >= cursor.since
        cursor.page = str(following) if following and items and deeper else None
        if source == "comments":
            cursor.forget()  # a walk can be as long as there are comments
        elif cursor.page is None:
            self._miss(source, cursor, to_the_end=not following)
            cursor.reach = cursor.oldest if following else 0.0
        return tuple(events)

    def _thread(self, source: str, item: Mapping[str, Any], cursor: Cursor) -> list[RawEvent]:
        """Say what is new in a thread, and note where its replies did not fit."""
        snippet, began = item.get("snippet") or {}, _seconds(_top(item), "publishedAt")
        thread, total = str(item.get("id")), int(snippet.get("totalReplyCount") or 0)
        shown = list(parsing.thread(item, plain=True))
        if source in WITHHELD:
            shown = [one for one in shown if parsing.status(one) in parsing.READ_ONLY]
        row = cursor.threads.pop(thread, None)
        known = row[2] if row else {}
        video = snippet.get("videoId")
        versions = known | _versions(one["resource"] for one in shown)
        cursor.threads[thread] = [began, total, versions, cursor.walk, video]
        if row:
            whole = source in WITHHELD or row[1] == len(known) - 1
        else:
            whole = cursor.reach is not None and began > cursor.reach
        fresh = [one for one in shown if cursor.wants(one["resource"], known, whole=whole)]
        replies = [one for one in shown if one["resource"].get("id") != thread]
        if source in WITHHELD or total <= len(replies):
            self._lost(cursor, thread, [str(one["resource"].get("id")) for one in shown])
        elif total != row[1] or any(one in replies for one in fresh) if row else fresh:
            cursor.todo.append([thread, video, None, [thread], whole])
        return [parsing.event(one, source) for one in fresh]

    async def _replies(self, source: str, cursor: Cursor) -> tuple[RawEvent, ...]:
        """Read the replies of one thread, which shows only some of them by itself."""
        thread, video, page, seen, whole = cursor.todo[0]
        params = {**LISTED, "part": "snippet", "parentId": thread}
        try:
            found = await self.api.read("comments", params | ({"pageToken": page} if page else {}))
        except Refusal as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise
            found = {}
        items = [one for one in found.get("items") or () if isinstance(one, dict)]
        seen = [*seen, *(str(one.get("id")) for one in items)]
        row = cursor.threads.get(thread) or [0.0, 0, {}, cursor.walk, video]
        fresh = [one for one in items if cursor.wants(one, row[2], whole=whole)]
        row[2] |= _versions(items)
        if following := found.get("nextPageToken"):
            cursor.todo[0] = [thread, video, following, seen, whole]
        else:
            del cursor.todo[0]
            self._lost(cursor, thread, seen)
        return tuple(
            parsing.event({"resource": one, "video": video, "plain": True}, source) for one in fresh
        )

    def _lost(self, cursor: Cursor, thread: str, shown: Iterable[str]) -> None:
        """Note what was known of a thread and is not shown any more."""
        row = cursor.threads.get(thread)
        if row is None:
            return
        for one in sorted(set(row[2]) - set(shown)):
            del row[2][one]
            cursor.gone.append([one, row[4], []])

    def _miss(self, source: str, cursor: Cursor, *, to_the_end: bool) -> None:
        """Note the threads that this walk should have shown and did not."""
        for thread, (began, _, known, walk, video) in list(cursor.threads.items()):
            if walk == cursor.walk or not (to_the_end or began > cursor.oldest):
                continue
            del cursor.threads[thread]
            if source in WITHHELD:
                cursor.gone += [[one, video, []] for one in known]
            else:
                cursor.gone.append([thread, video, [one for one in known if one != thread]])

    async def _make_sure(self, source: str, cursor: Cursor) -> tuple[RawEvent, ...]:
        """Ask for what is not shown any more: it may be gone, or have another status.

        By its id YouTube tells no comment's status, but of a thread whether it is public. What
        is held now and is no thread, the list of what is held will show.
        """
        asked, cursor.gone = cursor.gone[:ASKED], cursor.gone[ASKED:]
        ids = [one for one, _, _ in asked]
        threads = await self._by_id("commentThreads", [one for one in ids if "." not in one])
        comments = await self._by_id("comments", [one for one in ids if one not in threads])
        events = []
        for one, video, below in asked:
            if one in threads:
                body = next(parsing.thread(threads[one], plain=True), None)
                events += [body] if body else []
            elif one not in comments:
                seen_at = self.clock.now().isoformat()
                events += [{"gone": it, "video": video, "seen_at": seen_at} for it in (one, *below)]
            elif source in WITHHELD or "." not in one:
                body = {"resource": comments[one], "video": video, "plain": True}
                events.append(body | ({} if "." in one else {"hidden": True}))
        return tuple(parsing.event(one, source) for one in events)

    async def _by_id(self, path: str, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Return what is there; for one that is not, YouTube refuses them all."""
        if not ids:
            return {}
        params = {"part": "snippet", "textFormat": "plainText", "id": ",".join(ids)}
        try:
            found = await self.api.read(path, params)
        except Refusal as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise
            alone = [await self._by_id(path, [one]) for one in ids] if len(ids) > 1 else []
            return {name: one for each in alone for name, one in each.items()}
        items = [one for one in found.get("items") or () if isinstance(one, dict)]
        return {str(one.get("id")): one for one in items}


async def look_up(api: Api, wanted: Poll) -> Polled:
    """Read the one video that a `Lookup` names.

    Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (it is gone).
    """
    found = await api.read("videos", {"part": parsing.VIDEO_PARTS, "id": wanted.argument or ""})
    items = [one for one in found.get("items") or () if isinstance(one, dict)]
    if not items:
        raise Rejected(f"{wanted.source} {wanted.argument}: is gone, or not to be seen")
    return Polled(events=tuple(parsing.event({"resource": one}, wanted.source) for one in items))


def _top(item: Mapping[str, Any]) -> dict[str, Any]:
    found = (item.get("snippet") or {}).get("topLevelComment")
    return found if isinstance(found, dict) else {}


def _version(comment: Mapping[str, Any]) -> str:
    return str((comment.get("snippet") or {}).get("updatedAt"))


def _versions(comments: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {str(one.get("id")): _version(one) for one in comments}


def _changed(comment: Mapping[str, Any]) -> float:
    """Return when a comment was changed, in seconds since 1970; what has no time may be new."""
    return _seconds(comment, "updatedAt") or _seconds(comment, "publishedAt") or float("inf")


def _seconds(comment: Mapping[str, Any], name: str) -> float:
    return seconds((comment.get("snippet") or {}).get(name))


def seconds(value: Any) -> float:
    """Read a time as seconds since 1970, 0 if it is none."""
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return 0.0
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()
