"""Our own videos: which there are, and what each of them is now.

Two calls take turns, so that both together cost what the list alone did, four units a day (a call
every six hours; each costs 1 unit, whatever its parts, and also where nothing changed):

    list     playlistItems.list of the uploads, newest first, down to where it was read before. It
             has the channel's id with UU; a search would cost a hundred times more.
    details  videos.list of 50 of them, round and round: what the list does not tell (language,
             tags), whether everybody may see it, and whether it is still there

So 50 videos are all looked at every twelve hours, n videos every n/50 times twelve. Only the very
first walk reads at once all there is: n/50 calls for the list and n/50 for the details, once, that
is 20 units for 500 videos. What the hub tells is looked up at once, as before, for 1 unit.

A cursor is plain JSON:

    since    what is older was listed before, `newest` the next `since`
    page     the page to read next, within a walk through the list
    etag     of the first page, as it was last
    known    {video: whether everybody could see it}, in the order in which they are looked at
    unread   how many of them, from the first on, were never looked at
    details  whether it is the details' turn
    taken    {video: how many times it was taken back}, so that each time is another event
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import Factory, asdict, define, evolve, fields_dict, frozen
from channelmix.hookspecs import Clock
from channelmix.payloads import obj, objects
from channelmix.records import Poll, Polled, RawEvent

from channelmix_youtube import parsing
from channelmix_youtube.client import Api, Refusal

RARELY = timedelta(days=1)
SOON = timedelta(minutes=10)
ASKED = 50
"""How many videos one call shows, listed or by their ids."""


@define(kw_only=True)
class Cursor:
    """Where the source is; see above."""

    since: str = ""
    newest: str = ""
    page: str | None = None
    etag: str | None = None
    known: dict[str, bool] = Factory(dict)
    unread: int = 0
    details: bool = False
    taken: dict[str, int] = Factory(dict)

    @classmethod
    def of(cls, saved: Any) -> Cursor:
        """Read what was saved; one that knows no videos begins with all of them."""
        if not isinstance(saved, dict) or "known" not in saved:
            return cls()
        given = {name: saved[name] for name in fields_dict(cls) if name in saved}
        copied = {name: dict(saved.get(name) or {}) for name in ("known", "taken")}
        return cls(**{**given, **copied})

    def learn(self, videos: list[str]) -> None:
        """Put videos that were not known first."""
        new = {one: False for one in videos if one and one not in self.known}
        self.known = new | self.known
        self.unread += len(new)


@frozen(kw_only=True)
class Videos:
    """One channel's uploads."""

    api: Api
    clock: Clock
    channel_id: str

    async def poll(self, wanted: Poll) -> Polled:
        """Make the one call whose turn it is.

        Raises: `RetryLater`, `AuthorizationLost`, `Rejected`.
        """
        cursor = Cursor.of(wanted.cursor)
        if cursor.details and cursor.known and cursor.page is None:
            return await self._look(cursor, wanted.source)
        try:
            return await self._list(cursor, wanted.source)
        except Refusal as refusal:
            if refusal.reason == "playlistNotFound":  # no video yet
                return Polled(cursor=asdict(cursor), again_in=RARELY)
            if refusal.reason == "invalidPageToken" and cursor.page:
                anew = evolve(cursor, newest="", page=None, etag=None, details=False)
                return Polled(cursor=asdict(anew), again_in=SOON)
            raise

    async def _list(self, cursor: Cursor, source: str) -> Polled:
        """Read the next page of the list."""
        params = {"part": "snippet,contentDetails", "playlistId": uploads(self.channel_id)}
        params |= {"maxResults": str(ASKED)} | ({"pageToken": cursor.page} if cursor.page else {})
        first = cursor.page is None
        found = await self.api.get("playlistItems", params, etag=cursor.etag if first else None)
        cursor.details = True
        if found is None:
            return Polled(cursor=asdict(cursor))
        items = objects(found.get("items"))
        times = [str(obj(one.get("snippet")).get("publishedAt") or "") for one in items]
        beginning = not cursor.since
        cursor.newest = max([cursor.newest, cursor.since, *times])
        cursor.learn([parsing.video_id(one) for one in items])
        cursor.page = found.get("nextPageToken") if times and min(times) > cursor.since else None
        cursor.etag = found.get("etag") if first else cursor.etag
        if cursor.page is None:
            cursor.since = cursor.newest
        return Polled(
            events=tuple(parsing.event({"resource": one}, source) for one in items),
            cursor=asdict(cursor),
            more=cursor.page is not None or (beginning and cursor.unread > 0),
        )

    async def _look(self, cursor: Cursor, source: str) -> Polled:
        """Look at the next videos; those are looked at last then."""
        asked = list(cursor.known)[:ASKED]
        params = {"part": parsing.VIDEO_PARTS, "id": ",".join(asked)}
        found = await self.api.read("videos", params)
        there = {parsing.video_id(one): one for one in objects(found.get("items"))}
        events = [
            event for one in asked if (event := self._seen(cursor, one, there.get(one), source))
        ]
        cursor.unread = max(cursor.unread - len(asked), 0)
        cursor.details = cursor.unread > 0
        return Polled(events=tuple(events), cursor=asdict(cursor), more=cursor.unread > 0)

    def _seen(
        self, cursor: Cursor, video: str, now: Mapping[str, Any] | None, source: str
    ) -> RawEvent | None:
        """Compare a video with what is known of it; None if there is nothing to say."""
        was_public = cursor.known.pop(video)
        is_public = now is not None and parsing.is_public(now)
        if now is not None:
            cursor.known[video] = is_public
        times = cursor.taken.get(video, 0)
        if now is not None and is_public:
            return parsing.event({"resource": dict(now), "taken": times}, source)
        if now is not None and not was_public:
            return None
        cursor.taken[video] = times + 1
        seen_at = self.clock.now().isoformat()
        gone = {"gone": video, "video": video, "seen_at": seen_at, "taken": times}
        return parsing.event(gone, source)


def uploads(channel_id: str) -> str:
    """Return the playlist of a channel's uploads."""
    return f"UU{channel_id[2:]}"
