"""Reading the account's lists, newest first, from a cursor on.

A cursor is plain JSON: `since` (the newest id that was surely read), and during a walk `token`
(the page to read next) and `newest` (the next `since`). Ids are numbers written as strings and
are compared by length first, never turned into numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field, frozen
from channelmix.errors import Rejected
from channelmix.payloads import Json, encode, ident, moment, obj, objects, words
from channelmix.records import Payload, Poll, Polled, RawEvent, Source, minutes

from channelmix_twitter import parsing, withdrawn
from channelmix_twitter.client import Api, Refusal
from channelmix_twitter.config import Prices, TwitterConfig, query
from channelmix_twitter.money import Purse
from channelmix_twitter.parsing_direct import age
from channelmix_twitter.policy import Verdict

POST_FIELDS = {
    "tweet.fields": "attachments,author_id,conversation_id,created_at,display_text_range,"
    "edit_history_tweet_ids,entities,in_reply_to_user_id,lang,note_tweet,referenced_tweets,"
    "reply_settings",
    "expansions": "attachments.media_keys,author_id,referenced_tweets.id,"
    "referenced_tweets.id.author_id",
    "media.fields": "alt_text,media_key,preview_image_url,type,url,variants",
    "user.fields": "name,protected,username",
}
DIRECT_FIELDS = {
    "dm_event.fields": "attachments,created_at,dm_conversation_id,entities,event_type,id,"
    "referenced_tweets,sender_id,text",
    "expansions": "attachments.media_keys,sender_id",
    "media.fields": POST_FIELDS["media.fields"],
    "user.fields": POST_FIELDS["user.fields"],
}
YOUNG = timedelta(seconds=30)
"""How old a post must be for a cursor to go past it: X's lists are not in order at their tips."""
SEARCHED = timedelta(days=7)
"""How far back recent search reaches."""

SOURCES = (
    Source(name="mentions", every=minutes(1), sweep=minutes(15)),
    Source(name="direct", every=minutes(2), sweep=minutes(15)),
    Source(name="timeline", every=minutes(5), sweep=minutes(30)),
    Source(name="quotes", every=minutes(10), sweep=minutes(30)),
    Source(name="search", every=minutes(10), sweep=minutes(10)),
    Source(name="conversation"),
    Source(name="post"),
    Source(name=withdrawn.NAME, every=withdrawn.AGAIN, known=timedelta(days=90)),
)
"""X's limit is 15 reads of direct messages in 15 minutes, so every two minutes leaves some.

`quotes` also finds answers whose author took our name out: they are no mentions.
"""


@frozen(kw_only=True)
class Listing:
    """How one list is read."""

    path: str
    price: float
    least: int
    most: int = 100
    """How many items a page has; of a list that has everything, few: each costs."""
    params: Mapping[str, str] = field(factory=dict)
    search: bool = False
    """Recent search has names of its own and reaches back a week."""
    since: bool = True
    """Whether X leaves out what is older; if not, we stop where we have been."""


def listing(source: str, config: TwitterConfig, prices: Prices) -> Listing | None:
    """Return how a source is read, None where there is nothing to read."""
    user, handle = config.user_id, config.handle
    if source == "direct":
        params = {**DIRECT_FIELDS, "event_types": "MessageCreate"}
        return Listing(
            path="/2/dm_events", price=prices.dm_event, least=1, most=25, params=params, since=False
        )
    owned = Listing(path=f"/2/users/{user}/{source}", price=prices.owned_post, least=5)
    if source == "mentions":
        return evolve(owned, params=POST_FIELDS)
    if source == "timeline":
        params = {**POST_FIELDS, "exclude": "retweets"}
        return evolve(owned, path=f"/2/users/{user}/tweets", params=params)
    if source == "quotes":
        unnamed = f"(to:{handle} -@{handle})"
        words = f'((url:"{handle}/status" is:quote) OR {unnamed}) -from:{handle}'
        return searching(words, prices)
    if source == "search" and config.search:
        return searching(query(config.search, handle), prices)
    return None


def searching(words: str, prices: Prices) -> Listing:
    """Return how recent search is read."""
    return Listing(
        path="/2/tweets/search/recent",
        price=prices.post,
        least=10,
        params={**POST_FIELDS, "query": words},
        search=True,
    )


def sources(config: TwitterConfig, prices: Prices) -> tuple[Source, ...]:
    """Return what one account reads, and what a page of it costs at most."""
    days = timedelta(days=config.withdrawn_days)
    read = ((one, listing(one.name, config, prices)) for one in SOURCES)
    return tuple(
        evolve(one, known=one.known and days, cost=page.price * page.most if page else None)
        for one, page in read
    )


@frozen(kw_only=True)
class Reader:
    """Reads for one account."""

    api: Api
    config: TwitterConfig
    prices: Prices
    purse: Purse

    async def poll(self, wanted: Poll) -> Polled:
        """Read one page of one source, or what a `Lookup` names.

        Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (gone, or not for us).
        """
        if wanted.source == "post":
            return await self._post(wanted.argument)
        if wanted.source == "conversation":
            return await self._conversation(wanted)
        page = listing(wanted.source, self.config, self.prices)
        if page is None:
            return Polled(cursor=wanted.cursor)
        back = timedelta(days=self.config.backfill_days)
        cursor = _Cursor.load(wanted.cursor)
        try:
            return await self._page(page, cursor, wanted.source, back)
        except Refusal as refusal:
            if refusal.verdict is not Verdict.BAD_CURSOR or cursor.fresh or cursor.again:
                raise
            # Too old for X: read as far back as it goes; what is known already stays one item.
            return Polled(cursor=cursor.restarted(), more=True)

    async def _page(
        self, listing: Listing, cursor: _Cursor, source: str, back: timedelta
    ) -> Polled:
        now = self.api.clock.now()
        size = await self.purse.page(
            listing.price, least=listing.least, most=listing.most, search=listing.search
        )
        answer = await self.api.get(
            listing.path, {**listing.params, **cursor.params(listing, now - back, now, size)}
        )
        items = objects(answer.body.get("data"))
        self.purse.used(listing.price, _ids(items))
        news = items if listing.since else [one for one in items if cursor.wants(one, back, now)]
        following = words(obj(answer.body.get("meta")).get("next_token"))
        cursor.walked(news, now, following if len(news) == len(items) else None)
        return Polled(
            events=_split({**answer.body, "data": news}, source),
            cursor=cursor.saved(),
            more=cursor.token is not None,
            again_in=answer.rest,
        )

    async def _post(self, argument: str | None) -> Polled:
        if not argument:
            raise Rejected("post: a look-up needs an id")
        await self.purse.page(self.prices.post, least=1, most=1)
        answer = await self.api.get("/2/tweets", {"ids": argument, **POST_FIELDS})
        self.purse.used(self.prices.post, [argument])
        return Polled(events=_split(answer.body, "post"))

    async def _conversation(self, wanted: Poll) -> Polled:
        """Read what the asker and we said in one conversation: `conversation:author`."""
        thread, _, author = (wanted.argument or "").partition(":")
        if not author:
            raise Rejected("conversation: a look-up needs a conversation and an author")
        words = f"conversation_id:{thread} (from:{author} OR from:{self.config.user_id})"
        page = searching(words, self.prices)
        cursor = _Cursor(since=None)
        return await self._page(page, cursor, "conversation", SEARCHED)


@define(kw_only=True)
class _Cursor:
    since: str | None
    newest: str | None = None
    token: str | None = None
    fresh: bool = False
    """There is nothing older to begin from: X must take it."""
    again: bool = False
    """This walk was begun anew, because X did not take a page of it."""

    @classmethod
    def load(cls, saved: Any) -> _Cursor:
        known = obj(saved)
        since = ident(known.get("since"))
        token = words(known.get("token"))
        fresh = since is None and token is None
        newest, again = ident(known.get("newest")), known.get("again") is True
        return cls(since=since, newest=newest, token=token, fresh=fresh, again=again)

    def params(self, listing: Listing, start: datetime, now: datetime, size: int) -> dict[str, str]:
        """Return what tells X where to begin."""
        given = {"max_results": str(size)}
        if self.token is not None:
            given["next_token" if listing.search else "pagination_token"] = self.token
        if not listing.since:
            return given
        if self.since is not None:
            return {**given, "since_id": self.since}
        # Half a minute short of the week, which X counts from when the call arrives.
        earliest = now - SEARCHED + YOUNG if listing.search else start
        return {**given, "start_time": f"{max(start, earliest):%Y-%m-%dT%H:%M:%SZ}"}

    def wants(self, item: Json, back: timedelta, now: datetime) -> bool:
        """Say whether an item of a list that has everything may be new."""
        found, at = ident(item.get("id")), moment(item.get("created_at"), now)
        if self.since is not None and found is not None:
            return age(found) > age(self.since)
        return at is None or at >= now - back

    def walked(self, items: list[Json], now: datetime, following: str | None) -> None:
        """Take note of a page; at the end of the walk its newest settled item is the floor."""
        settled = [
            found
            for one in items
            if (found := ident(one.get("id")))
            and now - (moment(one.get("created_at"), now) or now) >= YOUNG
        ]
        known = [one for one in (self.newest, self.since, *settled) if one]
        self.newest, self.token = max(known, key=age, default=None), following
        if following is None:
            self.since, self.newest = self.newest, None

    def restarted(self) -> dict[str, Any]:
        """Return where to begin anew: a walk from where it began, else from the start."""
        from_there = {"since": self.since} if self.token is not None and self.since else {}
        return {**from_there, "again": True}

    def saved(self) -> dict[str, Any]:
        told: dict[str, Any] = {"since": self.since, "newest": self.newest, "token": self.token}
        if self.again and self.token:
            told["again"] = True
        return {name: value for name, value in told.items() if value is not None}


def _ids(items: list[Json]) -> list[str]:
    return [found for one in items if (found := ident(one.get("id")))]


def _split(document: Mapping[str, Any], source: str) -> tuple[RawEvent, ...]:
    body = encode({**document, "data": document.get("data") or []})
    return parsing.split(Payload(body=body, source=source)).events
