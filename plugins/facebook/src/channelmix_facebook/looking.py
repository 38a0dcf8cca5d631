"""Looking at Facebook whether an uncertain action is there."""

from __future__ import annotations

from typing import Any

from channelmix.records import Action, Found, Kind
from channelmix_meta.looking import (
    ABSENT,
    DONE,
    Look,
    Looks,
    conversation,
    deleted,
    normal,
    walk,
)
from channelmix_meta.sending import own, target_of

from channelmix_facebook.replies import where_to_comment

_COMMENT = "id,message,from{id},created_time,attachment"
_POST = "id,message,from{id},created_time,attachments{media_type}"


async def _listed(look: Look, path: str, wanted: str) -> Found:
    def match(items: list[dict[str, Any]]) -> Found | None:
        return DONE if any(str(one.get("id")) == wanted for one in items) else None

    return await walk(look, path, {"fields": "id", "limit": "100"}, match)


async def _comment(look: Look) -> Found:
    below = where_to_comment(target_of(look.outgoing))
    params = {"fields": _COMMENT, "order": "reverse_chronological", "limit": "50"}
    return await walk(look, f"{below}/comments", params, look.match)


async def _post(look: Look) -> Found:
    params = {"fields": _POST, "limit": "25"}
    return await walk(look, f"{look.owner}/feed", params, look.match)


async def _messages(look: Look, person: str) -> Found:
    return await conversation(look, person, owner=look.owner, platform="messenger")


async def _private_reply(look: Look) -> Found:
    target = target_of(look.outgoing)
    if target.kind is Kind.DIRECT_MESSAGE:
        return await _messages(look, target.thread)
    state = await look.graph.get(target.id, {"fields": "can_reply_privately"})
    if state.get("can_reply_privately") is True:
        return ABSENT
    seen = await _messages(look, target.author.id if target.author else "")
    if seen.status == "found":
        return seen
    return Found(
        status="unknown", why="the one private reply is used up, by whom is not to be seen"
    )


async def _hidden(look: Look) -> Found:
    state = await look.graph.get(target_of(look.outgoing).id, {"fields": "is_hidden"})
    wanted = look.outgoing.action is Action.HIDE
    return DONE if state.get("is_hidden") is wanted else ABSENT


async def _liked(look: Look) -> Found:
    target = target_of(look.outgoing)
    if target.kind is Kind.COMMENT:
        state = await look.graph.get(target.id, {"fields": "user_likes"})
        return DONE if state.get("user_likes") is True else ABSENT
    return await _listed(look, f"{target.id}/likes", look.owner)


async def _banned(look: Look) -> Found:
    author = target_of(look.outgoing).author
    return await _listed(look, f"{look.owner}/blocked", author.id if author else "")


async def _edited(look: Look) -> Found:
    state = await look.graph.get(own(look.outgoing), {"fields": "message"})
    same = normal(state.get("message")) == normal(look.outgoing.text)
    return DONE if same else ABSENT


LOOKS: Looks = {
    Action.PUBLIC_REPLY: _comment,
    Action.PRIVATE_REPLY: _private_reply,
    Action.HIDE: _hidden,
    Action.UNHIDE: _hidden,
    Action.LIKE: _liked,
    Action.EDIT: _edited,
    Action.DELETE: deleted,
    Action.BAN: _banned,
    Action.PUBLISH: _post,
}
