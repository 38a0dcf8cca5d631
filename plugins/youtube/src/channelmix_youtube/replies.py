"""Outgoing actions as calls of the Data API, and looking whether an unclear one is there.

Sources: the reference pages of Comments, CommentThreads and LiveChatMessages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
from attrs import frozen
from channelmix.errors import Rejected, Uncertain
from channelmix.records import Action, Draft, Found, Kind, Limits, Message, Outgoing, Receipt

from channelmix_youtube.client import WRITE, Api, Json, Refusal
from channelmix_youtube.parsing import LIVE
from channelmix_youtube.polling import seconds

TEXT, CHAT_TEXT = 10_000, 200
PAGES = 20
"""How many pages are read before it is left to a person."""
SKEW = timedelta(minutes=1)
SETTLE = timedelta(minutes=2)
MODERATION: Mapping[Action, Mapping[str, str]] = {
    Action.HIDE: {"moderationStatus": "heldForReview"},
    Action.UNHIDE: {"moderationStatus": "published"},
    Action.DELETE: {"moderationStatus": "rejected"},
    Action.BAN: {"moderationStatus": "rejected", "banAuthor": "true"},
}
"""What is done to what others wrote. Only what is rejected can ban its author."""


def _costs(_draft: Draft) -> float:
    return WRITE


LIMITS = (
    Limits(
        actions={Action.PUBLIC_REPLY},
        kinds={Kind.COMMENT, Kind.MENTION, Kind.POST},
        text=TEXT,
        settle=SETTLE,
        cost=_costs,
    ),
    Limits(actions={Action.EDIT}, text=TEXT, settle=SETTLE, cost=_costs),
    Limits(actions=set(MODERATION), settle=SETTLE, cost=_costs),
)


@frozen(kw_only=True)
class Writer:
    """Writes as one channel."""

    api: Api
    channel_id: str

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action. Raises: as `Api.send`."""
        match outgoing.action:
            case Action.PUBLIC_REPLY:
                return await self._answer(outgoing)
            case Action.EDIT if _in_chat(outgoing.target):
                raise Rejected("a chat message cannot be changed: delete it and write another")
            case Action.EDIT:
                content = {"id": _own(outgoing), "snippet": {"textOriginal": outgoing.text}}
                await self.api.send("PUT", "comments", {"part": "snippet"}, content)
            case Action.DELETE if outgoing.own_id:
                await self._delete(outgoing.own_id, outgoing.target)
            case Action.HIDE | Action.UNHIDE | Action.DELETE | Action.BAN:
                await self._moderate(outgoing)
            case other:
                raise Rejected(f"YouTube offers no {other} through its API")
        return Receipt()

    async def _answer(self, outgoing: Outgoing) -> Receipt:
        target = _target(outgoing)
        if target.no_reply:
            raise Rejected(target.no_reply)
        if why := too_long(outgoing.text, target):
            raise Rejected(why)
        path, content = _content(target, addressed(outgoing))
        made = await self.api.send("POST", path, {"part": "snippet"}, content)
        # A new thread and the comment on its top have the same id.
        if not isinstance(made.get("id"), str):
            raise Uncertain(f"POST {path}: the answer names no comment")
        return Receipt(ids=(made["id"],))

    async def _delete(self, own_id: str, target: Message | None) -> None:
        path = "liveChat/messages" if _in_chat(target) else "comments"
        try:
            await self.api.send("DELETE", path, {"id": own_id})
        except Refusal as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise

    async def _moderate(self, outgoing: Outgoing) -> None:
        target = _target(outgoing)
        if _in_chat(target):
            raise Rejected("a chat message cannot be moderated from here: open the stream")
        params = {"id": target.id, **MODERATION[outgoing.action]}
        await self.api.send("POST", "comments/setModerationStatus", params)

    # --- looking --------------------------------------------------------------------------

    async def find(self, outgoing: Outgoing) -> Found:
        """Look whether an unclear action is there. Raises: `RetryLater`, `AuthorizationLost`."""
        if _in_chat(outgoing.target):
            return Found(status="unknown", why="a chat cannot be searched: look at the stream")
        try:
            if outgoing.action is Action.PUBLIC_REPLY:
                return await self._find_answer(outgoing)
            if outgoing.own_id:
                return await self._find_own(outgoing, outgoing.own_id)
            return await self._find_state(outgoing)
        except Rejected as error:
            return Found(status="unknown", why=str(error))

    async def _find_answer(self, outgoing: Outgoing) -> Found:
        target = _target(outgoing)
        path, _ = _content(target, outgoing.text)
        params = {"part": "snippet", "maxResults": "100", "textFormat": "plainText"}
        if path == "comments":
            params["parentId"] = above(target)
        else:
            params |= {"videoId": target.id, "order": "time"}
        return await self._walk(path, params, outgoing)

    async def _walk(self, path: str, params: dict[str, str], outgoing: Outgoing) -> Found:
        for _ in range(PAGES):
            page = await self.api.read(path, params, reply=True)
            for item in page.get("items") or ():
                comment = (item.get("snippet") or {}).get("topLevelComment") or item
                if self._is_it(comment, outgoing):
                    return Found(status="found", ids=(str(comment["id"]),))
            following = page.get("nextPageToken")
            if not following:
                return Found(status="absent")
            params["pageToken"] = str(following)
        return Found(status="unknown", why=f"{path} are too many to be read to their end")

    def _is_it(self, comment: Mapping[str, Any], outgoing: Outgoing) -> bool:
        snippet = comment.get("snippet") or {}
        author = (snippet.get("authorChannelId") or {}).get("value")
        if author != self.channel_id or comment.get("id") in outgoing.taken:
            return False
        first = outgoing.first_sent_at
        if first and 0 < seconds(snippet.get("publishedAt")) < (first - SKEW).timestamp():
            return False
        said = snippet.get("textOriginal") or snippet.get("textDisplay")
        return _normal(said) == _normal(addressed(outgoing))

    async def _find_own(self, outgoing: Outgoing, own_id: str) -> Found:
        comment = await self._one("comments", own_id)
        if comment is None:
            return Found(status="found" if outgoing.action is Action.DELETE else "absent")
        snippet = comment.get("snippet") or {}
        said = _normal(snippet.get("textOriginal") or snippet.get("textDisplay"))
        done = outgoing.action is Action.EDIT and said == _normal(outgoing.text)
        return Found(status="found" if done else "absent")

    async def _find_state(self, outgoing: Outgoing) -> Found:
        """Look what became of somebody's comment.

        By its id YouTube tells no comment's status, only whether a thread is public. What cannot
        be seen is called absent: to set a status again does no harm.
        """
        target, action = _target(outgoing), outgoing.action
        path = "comments" if "." in target.id else "commentThreads"
        there = await self._one(path, target.id)
        if there is None:
            return Found(status="found" if action in {Action.DELETE, Action.BAN} else "absent")
        public = (there.get("snippet") or {}).get("isPublic")
        done = (action, public) in {(Action.HIDE, False), (Action.UNHIDE, True)}
        return Found(status="found" if done else "absent")

    async def _one(self, path: str, wanted: str) -> Json | None:
        params = {"part": "snippet", "textFormat": "plainText", "id": wanted}
        try:
            items = (await self.api.read(path, params, reply=True)).get("items") or ()
        except Refusal as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise
            return None
        return items[0] if items else None


def above(target: Message) -> str:
    """Return the comment on top: YouTube has one level of replies."""
    return target.id.partition(".")[0]


def addressed(outgoing: Outgoing) -> str:
    """Return the text as it goes out: to the author of a reply by name, as there is one level."""
    target = _target(outgoing)
    handle = target.author.handle if target.author else None
    nested = "." in target.id and not _in_chat(target)
    if not nested or not handle or handle.casefold() in outgoing.text.casefold():
        return outgoing.text
    text = f"{handle} {outgoing.text}"
    return text if len(text) <= TEXT else outgoing.text


def _content(target: Message, text: str) -> tuple[str, Json]:
    """Return path and body of an answer."""
    if _in_chat(target):
        details = {"messageText": text}
        chat = str(target.payload).removeprefix(LIVE)
        snippet = {"liveChatId": chat, "type": "textMessageEvent", "textMessageDetails": details}
        return "liveChat/messages", {"snippet": snippet}
    if target.kind is Kind.COMMENT:
        return "comments", {"snippet": {"parentId": above(target), "textOriginal": text}}
    comment = {"snippet": {"textOriginal": text}}
    thread: Json = {"videoId": target.id, "topLevelComment": comment}
    if target.author is not None:
        thread["channelId"] = target.author.id
    return "commentThreads", {"snippet": thread}


def too_long(text: str, target: Message | None) -> str | None:
    """Say whether a text is too long for a chat, whose messages are shorter than comments."""
    if not _in_chat(target) or len(text) <= CHAT_TEXT:
        return None
    return f"the text has {len(text)} characters, {CHAT_TEXT} are possible in a chat"


def _in_chat(target: Message | None) -> bool:
    return target is not None and (target.payload or "").startswith(LIVE)


def _target(outgoing: Outgoing) -> Message:
    if outgoing.target is None:
        raise Rejected(f"{outgoing.action}: there is no message to act on")
    return outgoing.target


def _own(outgoing: Outgoing) -> str:
    if outgoing.own_id is None:
        raise Rejected(f"{outgoing.action}: it is not said which comment of ours")
    return outgoing.own_id


def _normal(text: object) -> str:
    return unicodedata.normalize("NFC", str(text or "")).replace("\r\n", "\n").strip()
