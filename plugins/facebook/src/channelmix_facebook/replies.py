"""Outgoing actions as calls of the Graph API.

Sources: Meta's reference pages of Comment, Page Feed, Page Messages and Page Blocked, and "Send
API" and "Private Replies" of the Messenger Platform.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen
from channelmix.errors import Rejected, RetryLater, Uncertain, WindowClosed
from channelmix.records import (
    Action,
    Attachment,
    AttachmentKind,
    Draft,
    Kind,
    Message,
    Outgoing,
    Receipt,
    limits_for,
)

from channelmix_facebook import policy
from channelmix_facebook.client import Graph, Params, Refusal, Upload


@frozen(kw_only=True)
class Call:
    """One writing call."""

    path: str
    params: Params
    method: str = "POST"
    files: Mapping[str, Upload] | None = None
    names: str | None = None
    """The field of the answer that names what was made; None where there is none."""


async def send(graph: Graph, outgoing: Outgoing, page_id: str) -> Receipt:
    """Carry out one outgoing part.

    Raises: `WindowClosed` before any call, `Uncertain` for a duplicate that may be the part's
    own earlier attempt, and what `Graph.send` raises.
    """
    refuse_locked(outgoing.target)
    again = may_be_there(outgoing, graph.clock.now())
    call = await _CALLS[outgoing.action](graph, outgoing, page_id)
    try:
        answer = await graph.send(call.method, call.path, call.params, call.files)
    except Refusal as refusal:
        if again and refusal.verdict is policy.Verdict.DUPLICATE:
            raise Uncertain(str(refusal)) from refusal
        raise
    if call.names is None:
        return Receipt()
    made = answer.get(call.names)
    if not made:
        raise Uncertain(f"{call.method} {call.path}: the answer names no {call.names}")
    return Receipt(ids=(str(made),))


def may_be_there(outgoing: Outgoing, now: datetime) -> bool:
    """Say whether an earlier attempt may have arrived after all, though it was not found.

    The core sends an uncertain part again only after the settling time of its first attempt.
    """
    kind = outgoing.target.kind if outgoing.target else None
    limits = limits_for(policy.LIMITS, outgoing.action, kind)
    first = outgoing.first_sent_at
    return first is not None and limits is not None and now - first >= limits.settle


def refuse_locked(target: Message | None) -> None:
    """Refuse what the network lets nobody answer: a conversation another app owns, say."""
    if target is not None and target.no_reply:
        raise Rejected(target.no_reply)


def where_to_comment(target: Message) -> str:
    """Return the object below which an answer to `target` stands.

    Facebook shows two levels: the answer to an answer becomes its sibling.
    """
    nested = target.kind is Kind.COMMENT and target.parent not in {None, target.thread}
    return str(target.parent) if nested else target.id


def age(what: Outgoing | Draft, now: datetime) -> timedelta:
    """How long ago the window opened: with the customer's message, or the public utterance."""
    opened = what.window_opened_at or (what.target.sent_at if what.target else now)
    return now - opened


def messaging(outgoing: Outgoing, now: datetime) -> Params:
    """Return type and tag of a direct message; the tag is for people, never for machines.

    Raises: `WindowClosed`.
    """
    since = age(outgoing, now)
    if since <= policy.STANDARD_WINDOW:
        return {"messaging_type": "RESPONSE"}
    if outgoing.automatic:
        raise WindowClosed("Messenger: after 24 hours only a person may answer")
    if since <= policy.HUMAN_WINDOW:
        return {"messaging_type": "MESSAGE_TAG", "tag": policy.HUMAN_TAG}
    raise WindowClosed("Messenger: the customer's last message is more than 7 days old")


async def _public_reply(graph: Graph, outgoing: Outgoing, page_id: str) -> Call:
    params: dict[str, Any] = {"message": outgoing.text} if outgoing.text else {}
    for attachment in outgoing.attachments[:1]:
        params |= await _picture(graph, attachment, page_id)
    return Call(path=f"{where_to_comment(target_of(outgoing))}/comments", params=params, names="id")


async def _picture(graph: Graph, attachment: Attachment, page_id: str) -> Params:
    if attachment.path is None:
        return {"attachment_url": str(attachment.url)}
    return {"attachment_id": await _upload(graph, attachment, page_id)}


async def _upload(graph: Graph, attachment: Attachment, page_id: str) -> str:
    """Hand a picture over unseen. One uploaded twice shows nowhere, so doubt is no harm here."""
    params: dict[str, Any] = {"published": False, "temporary": True}
    files = None if attachment.path is None else {"source": await _file(attachment)}
    if files is None:
        params["url"] = str(attachment.url)
    try:
        answer = await graph.send("POST", f"{page_id}/photos", params, files)
    except Uncertain as error:
        raise RetryLater(str(error)) from error
    return str(answer.get("id"))


async def _private_reply(graph: Graph, outgoing: Outgoing, page_id: str) -> Call:
    target = target_of(outgoing)
    now = graph.clock.now()
    params: dict[str, Any] = {"recipient": _recipient(target), "message": _message(outgoing)}
    if target.kind is Kind.DIRECT_MESSAGE:
        params |= messaging(outgoing, now)
    elif age(outgoing, now) > policy.PRIVATE_REPLY_WINDOW:
        raise WindowClosed("a private reply is possible for 7 days only")
    files = None
    if outgoing.attachments and outgoing.attachments[0].path is not None:
        files = {"filedata": await _file(outgoing.attachments[0])}
    return Call(path=f"{page_id}/messages", params=params, files=files, names="message_id")


def _recipient(target: Message) -> dict[str, str]:
    if target.kind is Kind.DIRECT_MESSAGE:
        return {"id": target.thread}
    if target.kind is Kind.COMMENT:
        return {"comment_id": target.id}
    if target.kind is Kind.POST:
        return {"post_id": target.id}
    raise Rejected(f"Facebook offers no private reply to a {target.kind}")


def _message(outgoing: Outgoing) -> dict[str, Any]:
    message: dict[str, Any] = {"metadata": outgoing.token}
    if not outgoing.attachments:
        return {**message, "text": outgoing.text}
    attachment = outgoing.attachments[0]
    # An uploaded file stands beside the message, which then has an empty payload.
    payload: dict[str, Any] = {"is_reusable": False}
    if attachment.path is None:
        payload["url"] = attachment.url
    return {**message, "attachment": {"type": media_type(attachment), "payload": payload}}


def media_type(attachment: Attachment) -> str:
    """Return the Send API's name for what this is."""
    named = {AttachmentKind.IMAGE, AttachmentKind.VIDEO, AttachmentKind.AUDIO}
    return str(attachment.kind) if attachment.kind in named else "file"


async def _file(attachment: Attachment) -> Upload:
    path = Path(str(attachment.path))
    name = attachment.name or path.name
    mime = attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        return name, await asyncio.to_thread(path.read_bytes), mime
    except OSError as error:
        raise Rejected(f"the attachment {name} cannot be read: {error.strerror}") from error


async def _hide(_: Graph, outgoing: Outgoing, _page_id: str) -> Call:
    hidden = outgoing.action is Action.HIDE
    return Call(path=target_of(outgoing).id, params={"is_hidden": hidden})


async def _like(_: Graph, outgoing: Outgoing, _page_id: str) -> Call:
    return Call(path=f"{target_of(outgoing).id}/likes", params={})


async def _edit(_: Graph, outgoing: Outgoing, _page_id: str) -> Call:
    return Call(path=own(outgoing), params={"message": outgoing.text})


async def _delete(_: Graph, outgoing: Outgoing, _page_id: str) -> Call:
    return Call(method="DELETE", path=doomed(outgoing), params={})


async def _ban(_: Graph, outgoing: Outgoing, page_id: str) -> Call:
    return Call(path=f"{page_id}/blocked", params=banned(target_of(outgoing)))


def banned(target: Message) -> Params:
    """Name the person to ban. In Messenger a person has an id of the page's own."""
    if target.author is None:
        raise Rejected("Facebook does not tell who wrote this, so nobody can be banned")
    kind = "psid" if target.kind is Kind.DIRECT_MESSAGE else "user"
    return {kind: [target.author.id]}


async def _publish(graph: Graph, outgoing: Outgoing, page_id: str) -> Call:
    params: dict[str, Any] = {"message": outgoing.text}
    if not outgoing.attachments:
        return Call(path=f"{page_id}/feed", params=params, names="id")
    photo = await _upload(graph, outgoing.attachments[0], page_id)
    params["attached_media"] = [{"media_fbid": photo}]
    return Call(path=f"{page_id}/feed", params=params, names="id")


def target_of(outgoing: Outgoing) -> Message:
    """Return what is acted on."""
    if outgoing.target is None:
        raise Rejected(f"{outgoing.action}: there is no message to act on")
    return outgoing.target


def own(outgoing: Outgoing) -> str:
    """Return the id of our own message to edit or delete."""
    if outgoing.own_id is None:
        raise Rejected(f"{outgoing.action}: it is not said which message of ours")
    return outgoing.own_id


def doomed(outgoing: Outgoing) -> str:
    """Return the id of what is to be deleted: our own message, or the customer's."""
    return outgoing.own_id or target_of(outgoing).id


_Builder = Callable[[Graph, Outgoing, str], Awaitable[Call]]
_CALLS: Mapping[Action, _Builder] = {
    Action.PUBLIC_REPLY: _public_reply,
    Action.PRIVATE_REPLY: _private_reply,
    Action.HIDE: _hide,
    Action.UNHIDE: _hide,
    Action.LIKE: _like,
    Action.EDIT: _edit,
    Action.DELETE: _delete,
    Action.BAN: _ban,
    Action.PUBLISH: _publish,
}
