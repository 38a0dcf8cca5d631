"""Outgoing actions as calls of WordPress's REST API, and looking whether an unclear one is there.

Source: the REST API Handbook's page "Comments". A comment is HTML there, so what a person wrote is
escaped first; WordPress may show its quotes and dashes in a nicer form.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import httpx
from attrs import frozen
from channelmix.errors import Rejected, Uncertain
from channelmix.payloads import Json, ident, obj, objects, words
from channelmix.records import Action, Found, Kind, Limits, Message, Outgoing, Receipt

from channelmix_blog.client import UNCHANGED, Refusal, Rest
from channelmix_blog.markup import decoded, plain
from channelmix_blog.polling import LISTED

LONGEST = 65_525
"""Bytes of a comment, as `wp_get_comment_fields_max_lengths` has it."""
SETTLE = timedelta(seconds=30)
SKEW = timedelta(minutes=1)
PAGES = 20
"""How many pages are looked through before it is left to a person."""
STATUS = {Action.HIDE: "hold", Action.UNHIDE: "approved"}
_FORBIDDEN = frozenset({"rest_forbidden_context", "rest_forbidden_param"})


def escaped(text: str) -> str:
    """Return a text as HTML that shows it."""
    return html.escape(text, quote=False)


def counted(text: str) -> int:
    """Count a text as WordPress does: the bytes of what is stored."""
    return len(escaped(text).encode("utf-8", "surrogatepass"))


LIMITS = (
    Limits(
        actions={Action.PUBLIC_REPLY, Action.EDIT},
        kinds={Kind.COMMENT},
        text=LONGEST,
        count=counted,
        unit="bytes",
        settle=SETTLE,
    ),
    Limits(actions={*STATUS, Action.DELETE}, kinds={Kind.COMMENT}, settle=SETTLE),
)


@frozen(kw_only=True)
class Writer:
    """Writes as one user."""

    rest: Rest
    me: int

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Carry out one action. Raises: as `Rest.send`."""
        match outgoing.action:
            case Action.PUBLIC_REPLY:
                return await self._answer(outgoing)
            case Action.EDIT:
                content = {"content": escaped(outgoing.text)}
                await self.rest.send("POST", f"comments/{_own(outgoing)}", content)
            case Action.DELETE:
                await self._delete(outgoing.own_id or _target(outgoing).id)
            case Action.HIDE | Action.UNHIDE:
                await self._moderate(outgoing)
            case other:
                raise Rejected(f"a blog offers no {other}")
        return Receipt()

    async def _answer(self, outgoing: Outgoing) -> Receipt:
        target = _target(outgoing)
        if target.no_reply:
            raise Rejected(target.no_reply)
        made = await self.rest.send(
            "POST", "comments", {**_place(target), "content": escaped(outgoing.text)}
        )
        made_id = ident(made.get("id"))
        if made_id is None:
            raise Uncertain("POST /wp/v2/comments: the answer names no comment")
        return Receipt(ids=(made_id,), url=words(made.get("link")))

    async def _moderate(self, outgoing: Outgoing) -> None:
        """Set a comment's status; that it was so before is as good."""
        content = {"status": STATUS[outgoing.action]}
        try:
            await self.rest.send("POST", f"comments/{_target(outgoing).id}", content)
        except Refusal as refusal:
            if refusal.code != UNCHANGED or (await self._find_state(outgoing)).status != "found":
                raise

    async def _delete(self, comment: str) -> None:
        """Put a comment into the trash."""
        try:
            await self.rest.send("DELETE", f"comments/{comment}")
        except Refusal as refusal:
            if refusal.status not in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
                raise

    # --- looking --------------------------------------------------------------------------

    async def find(self, outgoing: Outgoing) -> Found:
        """Look whether an unclear action is there. Raises: `RetryLater`, `AuthorizationLost`."""
        try:
            if outgoing.action is Action.PUBLIC_REPLY:
                return await self._find_answer(outgoing)
            return await self._find_state(outgoing)
        except Rejected as error:
            return Found(status="unknown", why=str(error))

    async def _find_answer(self, outgoing: Outgoing) -> Found:
        place = {name: str(value) for name, value in _place(_target(outgoing)).items()}
        query = {**LISTED, **place, "author": str(self.me), "status": "all", "order": "desc"}
        if outgoing.first_sent_at is not None:
            query["after"] = (outgoing.first_sent_at - SKEW).isoformat()
        for page in range(1, PAGES + 1):
            comments, pages = await self._list({**query, "page": str(page)})
            for one in comments:
                if self._is_it(one, outgoing):
                    return Found(status="found", ids=(str(one["id"]),))
            if page >= pages:
                return Found(status="absent")
        return Found(status="unknown", why="our comments are too many to be read to their end")

    async def _list(self, query: dict[str, str]) -> tuple[list[Json], int]:
        """List comments as they are stored, or as they are shown to who may not moderate."""
        try:
            found, pages = await self.rest.get("comments", {**query, "context": "edit"})
        except Refusal as refusal:
            if refusal.code not in _FORBIDDEN:
                raise
            found, pages = await self.rest.get("comments", query)
        return objects(found), pages

    def _is_it(self, comment: Json, outgoing: Outgoing) -> bool:
        target = _place(_target(outgoing))
        there = {name: comment.get(name) for name in target}
        if there != target or comment.get("author") != self.me:
            return False
        if ident(comment.get("id")) in {None, *outgoing.taken}:
            return False
        return _says(comment, outgoing.text)

    async def _find_state(self, outgoing: Outgoing) -> Found:
        wanted = outgoing.own_id or _target(outgoing).id
        try:
            found, _ = await self.rest.get(f"comments/{wanted}", {})
        except Refusal as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise
            gone = outgoing.action is Action.DELETE
            return Found(status="found" if gone else "absent")
        comment = obj(found)
        if outgoing.action is Action.EDIT:
            done = _says(comment, outgoing.text)
        else:
            done = comment.get("status") == STATUS.get(outgoing.action, "trash")
        return Found(status="found" if done else "absent")


def _says(comment: Json, text: str) -> bool:
    """Say whether a comment has this text; shown only, WordPress changed quotes and smileys."""
    content: Any = obj(comment.get("content"))
    raw = words(content.get("raw"))
    if raw is not None:
        return _tidy(decoded(raw)) == _tidy(text)
    return _letters(plain(words(content.get("rendered")) or "")) == _letters(text)


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold() or text


def _place(target: Message) -> Json:
    """Return where an answer belongs. Raises: `Rejected` where WordPress did not tell of it."""
    if not (target.id.isdecimal() and target.thread.isdecimal()):
        raise Rejected("the comment came by a feed, which takes no answer")
    return {"post": int(target.thread), "parent": int(target.id)}


def _target(outgoing: Outgoing) -> Message:
    if outgoing.target is None:
        raise Rejected(f"{outgoing.action}: there is no message to act on")
    return outgoing.target


def _own(outgoing: Outgoing) -> str:
    if outgoing.own_id is None:
        raise Rejected(f"{outgoing.action}: it is not said which comment of ours")
    return outgoing.own_id
