"""Looking at the network whether an uncertain action is there.

A match counts if it is the page's own, says the same, was made since the first attempt, and is
not already matched to another part. Absent is said only after everything since then was seen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from attrs import frozen
from channelmix.errors import Rejected
from channelmix.records import Action, Found, Kind, Outgoing

from channelmix_facebook import replies
from channelmix_facebook.client import Graph, Refusal, after_of, time_of
from channelmix_facebook.parsing_json import data, obj
from channelmix_facebook.policy import Verdict

SKEW = timedelta(minutes=1)
"""How far our clock and the network's may be apart."""
PAGES = 40
"""How many pages are read before it is left to a person."""
ABSENT, DONE = Found(status="absent"), Found(status="found")
REPEATABLE = frozenset({Action.HIDE, Action.UNHIDE, Action.LIKE, Action.EDIT})
"""What says nothing twice when it is done twice."""

_COMMENT = "id,message,from{id},created_time,attachment"
_MESSAGE = "id,message,from,created_time,attachments{id}"
_POST = "id,message,from{id},created_time,attachments{media_type}"


@frozen(kw_only=True)
class Look:
    """What is looked for, and with whose eyes."""

    graph: Graph
    page_id: str
    outgoing: Outgoing

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
        return (
            str(obj(item.get("from")).get("id")) == self.page_id
            and item.get("id") not in self.outgoing.taken
            and normal(item.get("message")) == normal(self.outgoing.text)
            and (has_media or not wants_media)
        )


async def find(look: Look) -> Found:
    """Say whether an action is on the network.

    Raises: `RetryLater`, `AuthorizationLost`.
    """
    try:
        return await _LOOKS[look.outgoing.action](look)
    except Rejected as error:
        # "Gone" may also be "not to be seen": the page's reply can be below it all the same.
        if _is_gone(error) and look.outgoing.action in REPEATABLE:
            return ABSENT
        return Found(status="unknown", why=str(error))


def _is_gone(error: Rejected) -> bool:
    return isinstance(error, Refusal) and error.verdict is Verdict.GONE


def normal(text: object) -> str:
    """Return a text as Facebook keeps it: composed, one kind of line end, no space around."""
    return unicodedata.normalize("NFC", str(text or "")).replace("\r\n", "\n").strip()


_Match = Callable[[list[dict[str, Any]]], Found | None]


async def _walk(look: Look, path: str, params: Mapping[str, str], match: _Match) -> Found:
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


async def _listed(look: Look, path: str, wanted: str) -> Found:
    def match(items: list[dict[str, Any]]) -> Found | None:
        return DONE if any(str(one.get("id")) == wanted for one in items) else None

    return await _walk(look, path, {"fields": "id", "limit": "100"}, match)


async def _comment(look: Look) -> Found:
    below = replies.where_to_comment(replies.target_of(look.outgoing))
    params = {"fields": _COMMENT, "order": "reverse_chronological", "limit": "50"}
    return await _walk(look, f"{below}/comments", params, look.match)


async def _post(look: Look) -> Found:
    params = {"fields": _POST, "limit": "25"}
    return await _walk(look, f"{look.page_id}/feed", params, look.match)


async def _private_reply(look: Look) -> Found:
    target = replies.target_of(look.outgoing)
    if target.kind is Kind.DIRECT_MESSAGE:
        return await _conversation(look, target.thread)
    state = await look.graph.get(target.id, {"fields": "can_reply_privately"})
    if state.get("can_reply_privately") is True:
        return ABSENT
    seen = await _conversation(look, target.author.id if target.author else "")
    if seen.status == "found":
        return seen
    return Found(
        status="unknown", why="the one private reply is used up, by whom is not to be seen"
    )


async def _conversation(look: Look, person: str) -> Found:
    params = {
        "platform": "messenger",
        "user_id": person,
        "fields": f"id,messages.limit(20){{{_MESSAGE}}}",
    }
    page = await look.graph.get(f"{look.page_id}/conversations", params)
    for conversation in data(page):
        messages = obj(conversation.get("messages"))
        found = look.match(data(messages))
        if found is None and after_of(messages) is None:
            return ABSENT
        # Facebook gives details of the 20 latest messages only.
        return found or Found(status="unknown", why="more than 20 messages came since")
    return Found(status="unknown", why="Facebook shows no conversation with this person")


async def _hidden(look: Look) -> Found:
    state = await look.graph.get(replies.target_of(look.outgoing).id, {"fields": "is_hidden"})
    wanted = look.outgoing.action is Action.HIDE
    return DONE if state.get("is_hidden") is wanted else ABSENT


async def _liked(look: Look) -> Found:
    target = replies.target_of(look.outgoing)
    if target.kind is Kind.COMMENT:
        state = await look.graph.get(target.id, {"fields": "user_likes"})
        return DONE if state.get("user_likes") is True else ABSENT
    return await _listed(look, f"{target.id}/likes", look.page_id)


async def _banned(look: Look) -> Found:
    author = replies.target_of(look.outgoing).author
    return await _listed(look, f"{look.page_id}/blocked", author.id if author else "")


async def _edited(look: Look) -> Found:
    state = await look.graph.get(replies.own(look.outgoing), {"fields": "message"})
    same = normal(state.get("message")) == normal(look.outgoing.text)
    return DONE if same else ABSENT


async def _deleted(look: Look) -> Found:
    try:
        await look.graph.get(replies.doomed(look.outgoing), {"fields": "id"})
    except Refusal as refusal:
        if _is_gone(refusal):
            return DONE
        raise
    return ABSENT


_LOOKS: Mapping[Action, Callable[[Look], Awaitable[Found]]] = {
    Action.PUBLIC_REPLY: _comment,
    Action.PRIVATE_REPLY: _private_reply,
    Action.HIDE: _hidden,
    Action.UNHIDE: _hidden,
    Action.LIKE: _liked,
    Action.EDIT: _edited,
    Action.DELETE: _deleted,
    Action.BAN: _banned,
    Action.PUBLISH: _post,
}
