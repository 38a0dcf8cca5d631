"""What is neither comments nor our videos: those of others that mention us, a running stream."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import frozen
from channelmix.hookspecs import Clock
from channelmix.records import Poll, Polled

from channelmix_youtube import pacing, parsing
from channelmix_youtube.client import Api, Refusal

RARELY = timedelta(days=1)
QUIET = timedelta(minutes=10)
"""How often it is looked whether a stream has begun."""
LIVE_SHARE = 0.3
"""Which part of what polls may spend a running chat may use, at the most."""
CHAT_UNITS = 5
STALE = frozenset({"invalidPageToken", "pageTokenInvalid"})
OVER = frozenset({"liveChatEnded", "liveChatNotFound", "liveChatDisabled", "notFound"})


@frozen(kw_only=True)
class Watching:
    """One channel's surroundings."""

    api: Api
    clock: Clock
    channel_id: str
    rules: tuple[str, ...]
    """The words that are searched for."""
    searches: int
    """How many searches a day the project has."""
    live: bool

    async def search(self, wanted: Poll) -> Polled:
        """Search for one of the rules, each in its turn. Each search is one of a bucket of 100."""
        if not self.rules or not self.searches:
            return Polled(cursor=wanted.cursor, again_in=RARELY)
        now = self.clock.now()
        cursor = wanted.cursor if isinstance(wanted.cursor, dict) else {}
        turn = int(cursor.get("turn", 0)) % len(self.rules)
        rule = self.rules[turn]
        since = dict(cursor.get("since") or {})
        params = {
            "part": "snippet",
            "type": "video",
            "order": "date",
            "maxResults": "50",
            "q": rule,
            "publishedAfter": since.get(rule) or _rfc3339(now - RARELY),
        }
        found = await self.api.read("search", params)
        items = [one for one in found.get("items") or () if isinstance(one, dict)]
        others = [
            one for one in items if (one.get("snippet") or {}).get("channelId") != self.channel_id
        ]
        since[rule] = _rfc3339(now - timedelta(hours=1))  # a video can be found a little late
        state = await self.api.budget.state()
        return Polled(
            events=tuple(parsing.event({"resource": one}, wanted.source) for one in others),
            cursor={
                "turn": turn + 1,
                "since": {one: since[one] for one in self.rules if one in since},
            },
            again_in=RARELY * state.channels / self.searches,
        )

    async def chat(self, wanted: Poll) -> Polled:
        """Read the chat of a running stream, or look whether one runs."""
        if not self.live:
            return Polled(again_in=RARELY)
        cursor = wanted.cursor if isinstance(wanted.cursor, dict) else {}
        if "chat" not in cursor:
            return await self._look()
        params = {
            "part": "snippet,authorDetails",
            "liveChatId": cursor["chat"],
            "maxResults": "2000",
        }
        try:
            found = await self.api.read(
                "liveChat/messages",
                params | ({"pageToken": cursor["page"]} if cursor.get("page") else {}),
            )
        except Refusal as refusal:
            if refusal.reason in OVER:
                return Polled(again_in=QUIET)
            if refusal.reason in STALE and cursor.get("page"):
                return Polled(cursor={**cursor, "page": None}, more=True)
            raise
        items = [one for one in found.get("items") or () if isinstance(one, dict)]
        events = tuple(
            parsing.event({"resource": one, "video": cursor["video"]}, wanted.source)
            for one in items
        )
        if found.get("offlineAt"):
            return Polled(events=events, again_in=QUIET)
        spending = await self.api.budget.state()
        told = timedelta(milliseconds=int(found.get("pollingIntervalMillis") or 5000))
        affordable = pacing.share(spending, LIVE_SHARE, CHAT_UNITS, self.clock.now())
        # A stream lasts an hour or two, not the rest of the day.
        again_in = max(told, min(affordable / 8, timedelta(minutes=2)))
        return Polled(
            events=events, cursor={**cursor, "page": found.get("nextPageToken")}, again_in=again_in
        )

    async def _look(self) -> Polled:
        """Find a stream of ours that runs."""
        asked = {"part": "snippet", "broadcastStatus": "active", "broadcastType": "all"}
        for stream in (await self.api.read("liveBroadcasts", asked)).get("items") or ():
            chat = (stream.get("snippet") or {}).get("liveChatId")
            if chat:
                return Polled(cursor={"video": stream["id"], "chat": chat}, more=True)
        return Polled(again_in=QUIET)


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
