"""Looking at Instagram whether an uncertain action is there."""

from __future__ import annotations

from channelmix.records import Action, Found, Kind
from channelmix_meta.looking import ABSENT, DONE, Look, Looks, conversation, deleted, walk
from channelmix_meta.sending import CONVERSATION, target_of

from channelmix_instagram.polling import COMMENT
from channelmix_instagram.replies import where_to_comment

ELSEWHERE = "Instagram shows nobody what is said below other people's posts"
ONCE = "the one private reply may be used up, by whom is not to be seen"


async def _reply(look: Look) -> Found:
    target = target_of(look.outgoing)
    if target.kind is Kind.MENTION:
        return Found(status="unknown", why=ELSEWHERE)
    # In which order Instagram lists replies is not documented, so all of them are looked at.
    below = f"{where_to_comment(target)}/replies"
    return await walk(look, below, {"fields": COMMENT, "limit": "50"}, look.among)


async def _private_reply(look: Look) -> Found:
    target = target_of(look.outgoing)
    if target.kind in CONVERSATION:
        return await _messages(look, target.thread)
    seen = await _messages(look, target.author.id if target.author else "")
    return seen if seen.status == "found" else Found(status="unknown", why=ONCE)


async def _messages(look: Look, person: str) -> Found:
    return await conversation(look, person, owner="me", platform="instagram")


async def _hidden(look: Look) -> Found:
    state = await look.graph.get(target_of(look.outgoing).id, {"fields": "hidden"})
    return DONE if state.get("hidden") is (look.outgoing.action is Action.HIDE) else ABSENT


LOOKS: Looks = {
    Action.PUBLIC_REPLY: _reply,
    Action.PRIVATE_REPLY: _private_reply,
    Action.HIDE: _hidden,
    Action.UNHIDE: _hidden,
    Action.DELETE: deleted,
}
