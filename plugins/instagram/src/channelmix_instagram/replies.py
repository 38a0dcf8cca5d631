"""Outgoing actions as calls of the Graph API.

Sources: Instagram Platform, "Comment Moderation", "Mentions", "Private Replies", "Messaging API",
"Upload Media for Instagram Messaging"; reference of IG Comment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from channelmix.errors import Rejected
from channelmix.records import Action, Attachment, Kind, Message, Outgoing, Receipt
from channelmix_meta.client import Graph
from channelmix_meta.sending import (
    Call,
    carry_out,
    doomed,
    media_type,
    private_reply,
    refuse_locked,
    target_of,
    upload,
    upload_of,
)

from channelmix_instagram import policy

NO_UPLOAD = "with log-in at Instagram a file goes out by a public address only"
ON_AIR = "Instagram takes no public answer to a live comment"


async def send(graph: Graph, outgoing: Outgoing, account: str, *, uploads: bool) -> Receipt:
    """Carry out one outgoing part. `uploads`: whether files can be handed over.

    Raises: `WindowClosed` before any call, and what `carry_out` raises.
    """
    refuse_locked(outgoing.target)
    if outgoing.action is Action.PRIVATE_REPLY:
        call = await _private_reply(graph, outgoing, uploads=uploads)
    else:
        call = _CALLS[outgoing.action](outgoing, account)
    return await carry_out(graph, call, outgoing, policy.LIMITS)


def where_to_comment(target: Message) -> str:
    """Return the comment below which an answer stands: Instagram shows two levels."""
    nested = target.kind is Kind.COMMENT and target.parent not in {None, target.thread}
    return str(target.parent) if nested else target.id


def text_of(outgoing: Outgoing) -> str:
    """Return what a public reply says: who answers an answer names whom, as the app does.

    Otherwise only the author of the first comment would be told.
    """
    target = outgoing.target
    if outgoing.action is not Action.PUBLIC_REPLY or target is None or target.author is None:
        return outgoing.text
    name, nested = target.author.handle, where_to_comment(target) != target.id
    if not name or not nested or f"@{name}" in outgoing.text:
        return outgoing.text
    named = f"@{name} {outgoing.text}"
    return named if len(named) <= policy.COMMENT_TEXT else outgoing.text


def _public_reply(outgoing: Outgoing, account: str) -> Call:
    target = target_of(outgoing)
    if target.kind is Kind.MENTION:
        return _mention(target, outgoing.text, account)
    if target.payload == policy.LIVE:
        raise Rejected(ON_AIR)
    params = {"message": text_of(outgoing)}
    return Call(path=f"{where_to_comment(target)}/replies", params=params, names="id")


def _mention(target: Message, text: str, account: str) -> Call:
    """Answer where the account was mentioned: below the post, or below the comment."""
    params = {"media_id": target.thread, "message": text}
    if target.id != target.thread:
        params["comment_id"] = target.id
    return Call(path=f"{account}/mentions", params=params, names="id")


async def _private_reply(graph: Graph, outgoing: Outgoing, *, uploads: bool) -> Call:
    # What a file is for can be refused before it is handed over.
    params = private_reply(outgoing, {"text": outgoing.text}, graph.clock.now())
    if outgoing.attachments:
        one = outgoing.attachments[0]
        payload = await _payload(graph, one, uploads=uploads)
        params["message"] = {"attachment": {"type": media_type(one), "payload": payload}}
    return Call(path="me/messages", params=params, names="message_id")


async def _payload(graph: Graph, one: Attachment, *, uploads: bool) -> Mapping[str, Any]:
    if one.path is None:
        return {"url": one.url}
    if not uploads:
        raise Rejected(NO_UPLOAD)
    kind = {"type": media_type(one), "payload": {"is_reusable": True}}
    params = {"platform": "instagram", "message": {"attachment": kind}}
    files = {"filedata": await upload_of(one)}
    made = await upload(graph, "me/message_attachments", params, files, "attachment_id")
    return {"attachment_id": made}


def _hide(outgoing: Outgoing, _: str) -> Call:
    hidden = outgoing.action is Action.HIDE
    return Call(path=target_of(outgoing).id, params={"hide": hidden})


def _delete(outgoing: Outgoing, _: str) -> Call:
    return Call(method="DELETE", path=doomed(outgoing), params={})


_CALLS: Mapping[Action, Callable[[Outgoing, str], Call]] = {
    Action.PUBLIC_REPLY: _public_reply,
    Action.HIDE: _hide,
    Action.UNHIDE: _hide,
    Action.DELETE: _delete,
}
