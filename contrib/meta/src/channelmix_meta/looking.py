"""Looking at the network whether an uncertain action is there.

A match counts if it is the account's own, says the same, was made since the first attempt, and is
not already matched to another part. Absent is said only after everything since then was seen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from attrs import frozen
from channelmix.errors import Rejected
from channelmix.payloads import obj
from channelmix.records import Action, Found, Outgoing

from channelmix_meta.client import Graph, Refusal, after_of, time_of
from channelmix_meta.parsing_json import data
from channelmix_meta.policy import Verdict
from channelmix_meta.sending import doomed

SKEW = timedelta(minutes=1)
"""How far our clock and the network's may be apart."""
PAGES = 40
"""How many pages are read before it is left to a person."""
ABSENT, DONE = Found(status="absent"), Found(status="found")
REPEATABLE = frozenset({Action.HIDE, Action.UNHIDE, Action.LIKE, Action.EDIT})
"""What says nothing twice when it is done twice."""
MESSAGE = "id,message,from,created_time,attachments{id}"


@frozen(kw_only=True)
class Look:
    """What is looked for, and with whose eyes."""

    graph: Graph
    owner: str
    """The account's id."""
    also: frozenset[str] = frozenset()
    """Other ids and names by which the network may call it."""
    outgoing: Outgoing
    text: str | None = None
    """What was sent, where that is more than what was written."""

    def among(self, items: Iterable[Mapping[str, Any]]) -> Found | None:
        """Find it in a list of no known order."""
        first = self.outgoing.first_sent_at
        earliest = (first - SKEW).timestamp() if first else 0.0
        later = [one for one in items if not 0 < time_of(one) < earliest]
        return self.match(later)

    def match(self, items: Iterable[Mapping[str, Any]]) -> Found | None:
        """Find it in a list that is newest first; None: not there, but it may be further down."""
        first = self.outgoing.first_sent_at
        earliest = (first - SKEW).timestamp() if first else 0.0
        for item in items:
            if 0 < time_of(item) < earliest:
                return ABSENT
            if self._is_it(item):
                return Found(status="found", ids=(str(item["id"]),))
        return None

    def _is_it(self, item: Mapping[str, Any]) -> bool:
        wants_media = bool(self.outgoing.attachments)
        has_media = bool(item.get("attachment") or item.get("attachments"))
        author = obj(item.get("from"))
        named = {str(one) for one in (*author.values(), item.get("username"))}
        return (
            bool(named & {self.owner, *self.also})
            and item.get("id") not in self.outgoing.taken
            and normal(item.get("message") or item.get("text"))
            == normal(self.text or self.outgoing.text)
            and (has_media or not wants_media)
        )


Looks = Mapping[Action, Callable[[Look], Awaitable[Found]]]


async def find(look: Look, looks: Looks) -> Found:
    """Say whether an action is on the network.

    Raises: `RetryLater`, `AuthorizationLost`.
    """
    try:
        return await looks[look.outgoing.action](look)
    except Rejected as error:
        # "Gone" may also be "not to be seen": our reply can be below it all the same.
        if is_gone(error) and look.outgoing.action in REPEATABLE:
            return ABSENT
        return Found(status="unknown", why=str(error))


def is_gone(error: Rejected) -> bool:
    """Say whether an object is not there, or not to be seen."""
    return isinstance(error, Refusal) and error.verdict is Verdict.GONE


def normal(text: object) -> str:
    """Return a text as Meta keeps it: composed, one kind of line end, no space around."""
    return unicodedata.normalize("NFC", str(text or "")).replace("\r\n", "\n").strip()


_Match = Callable[[list[dict[str, Any]]], Found | None]


async def walk(look: Look, path: str, params: Mapping[str, str], match: _Match) -> Found:
    """Turn the pages of a list until `match` can say something of one."""
    after: dict[str, str] = {}
    for _ in range(PAGES):
        page = await look.graph.get(path, {**params, **after})
        found = match(data(page))
        if found is not None:
            return found
        following = after_of(page)
        if following is None:
            return ABSENT
        after = {"after": following}
    return Found(status="unknown", why=f"{path} is too long to be read to its end")


async def conversation(look: Look, person: str, *, owner: str, platform: str) -> Found:
    """Look among the latest messages of a person."""
    params = {
        "platform": platform,
        "user_id": person,
        "fields": f"id,messages.limit(20){{{MESSAGE}}}",
    }
    page = await look.graph.get(f"{owner}/conversations", params)
    for one in data(page):
        messages = obj(one.get("messages"))
        found = look.match(data(messages))
        if found is None and after_of(messages) is None:
            return ABSENT
        # Meta gives details of the 20 latest messages only.
        return found or Found(status="unknown", why="more than 20 messages came since")
    return Found(status="unknown", why="Meta shows no conversation with this person")


async def deleted(look: Look) -> Found:
    """Look whether what was to be deleted is gone."""
    try:
        await look.graph.get(doomed(look.outgoing), {"fields": "id"})
    except Refusal as refusal:
        if is_gone(refusal):
            return DONE
        raise
    return ABSENT
