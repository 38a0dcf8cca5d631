"""Looking at the network whether an uncertain action is there: at our own timeline.

A match counts if it says the same, answers the same, was made since the first attempt, and is not
already matched to another part. Absent is said only after everything since then was seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta

from attrs import frozen
from channelmix.errors import Rejected
from channelmix.payloads import Json, array, ident, moment, obj, objects, words
from channelmix.records import Action, Found, Outgoing

from channelmix_twitter import replies
from channelmix_twitter.client import Api, Refusal
from channelmix_twitter.config import Prices
from channelmix_twitter.money import Purse
from channelmix_twitter.parsing_posts import said
from channelmix_twitter.policy import Verdict

SKEW = timedelta(minutes=1)
"""How far our clock and X's may be apart."""
PAGES = 20
"""How many pages are read before it is left to a person."""
ABSENT, DONE = Found(status="absent"), Found(status="found")
REPEATABLE = frozenset({Action.HIDE, Action.UNHIDE})
"""What says nothing twice when it is done twice; X shows nobody whether it is done."""


@frozen(kw_only=True)
class Look:
    """What is looked for, and with whose eyes."""

    api: Api
    account: str
    outgoing: Outgoing
    prices: Prices
    purse: Purse

    async def find(self) -> Found:
        """Say whether the action is on the network.

        Raises: `RetryLater`, `AuthorizationLost`.
        """
        action = self.outgoing.action
        if action in REPEATABLE:
            return ABSENT
        try:
            return await _LOOKS[action](self)
        except Rejected as error:
            return Found(status="unknown", why=str(error))

    async def timeline(self) -> Found:
        """Look through our own posts since the first attempt."""
        params = {
            "tweet.fields": "created_at,entities,note_tweet,referenced_tweets,display_text_range,"
            "attachments",
            "exclude": "retweets",
        }
        if self.outgoing.first_sent_at is not None:
            start = self.outgoing.first_sent_at - SKEW
            params["start_time"] = f"{start:%Y-%m-%dT%H:%M:%SZ}"
        path = f"/2/users/{self.account}/tweets"
        return await self._walk(path, params, self.prices.owned_post, least=5, is_it=self._is_post)

    async def messages(self) -> Found:
        """Look through the conversation, which is newest first, until before the attempt."""
        where = replies.conversation(replies.target_of(self.outgoing))
        params = {"dm_event.fields": "attachments,created_at,entities,sender_id,text"}
        params["event_types"] = "MessageCreate"
        path = f"/2/dm_conversations/{where}/dm_events"
        return await self._walk(path, params, self.prices.dm_event, least=1, is_it=self._is_direct)

    async def gone(self) -> Found:
        """Look whether a post of ours is still there."""
        try:
            await self.purse.page(self.prices.owned_post, least=1, most=1)
            found = await self.api.get("/2/tweets", {"ids": replies.own(self.outgoing)})
        except Refusal as refusal:
            if refusal.verdict is Verdict.GONE:
                return DONE
            raise
        return ABSENT if found.body.get("data") else DONE

    async def _walk(
        self,
        path: str,
        params: Mapping[str, str],
        price: float,
        *,
        least: int,
        is_it: Callable[[Json], bool],
    ) -> Found:
        token: dict[str, str] = {}
        for _ in range(PAGES):
            size = await self.purse.page(price, least=least, most=25)
            told = (await self.api.get(path, {**params, "max_results": str(size), **token})).body
            items = objects(told.get("data"))
            self.purse.used(price, filter(None, (ident(one.get("id")) for one in items)))
            found = self._match(items, is_it)
            following = words(obj(told.get("meta")).get("next_token"))
            if found is not None or following is None:
                return found or ABSENT
            token = {"pagination_token": following}
        return Found(status="unknown", why=f"{path} is too long to be read to its end")

    def _match(self, items: Iterable[Json], is_it: Callable[[Json], bool]) -> Found | None:
        """Find it in a list that is newest first; None: not here, but it may be further down."""
        first = self.outgoing.first_sent_at
        for item in items:
            at = moment(item.get("created_at"), self.api.clock.now())
            if first is not None and at is not None and at < first - SKEW:
                return ABSENT
            found = ident(item.get("id"))
            if found and found not in self.outgoing.taken and is_it(item):
                return Found(status="found", ids=(found,))
        return None

    def _is_post(self, item: Json) -> bool:
        refers = objects(item.get("referenced_tweets"))
        answers = {ident(one.get("id")) for one in refers if one.get("type") == "replied_to"}
        public = self.outgoing.action is Action.PUBLIC_REPLY or bool(self.outgoing.previous)
        wanted: set[str | None] = {self.outgoing.previous} if self.outgoing.previous else set()
        if public and not wanted and self.outgoing.target:
            wanted = {self.outgoing.target.id, self.outgoing.target.revision}
        return bool(answers & wanted) == public and self._says(item)

    def _is_direct(self, item: Json) -> bool:
        return ident(item.get("sender_id")) == self.account and self._says(item)

    def _says(self, item: Json) -> bool:
        media = array(obj(item.get("attachments")).get("media_keys"))
        same = normal(said(item)) == normal(self.outgoing.text)
        return same and bool(media) == bool(self.outgoing.attachments)


def normal(text: str | None) -> str:
    """Return a text as it can be compared: X composes it, fills in links and puts names before."""
    whole = unicodedata.normalize("NFC", text or "").replace("\r\n", "\n")
    whole = re.sub(r"https?://(www\.)?", "", re.sub(r"https://t\.co/\w+\s*$", "", whole))
    return re.sub(r"^(@\w{1,15}\s+)+", "", whole.strip()).replace("/ ", " ").rstrip("/ \n")


_LOOKS: Mapping[Action, Callable[[Look], Awaitable[Found]]] = {
    Action.PUBLIC_REPLY: Look.timeline,
    Action.PUBLISH: Look.timeline,
    Action.PRIVATE_REPLY: Look.messages,
    Action.DELETE: Look.gone,
}
