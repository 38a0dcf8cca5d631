"""Outgoing actions as calls of the Graph API.

Sources: Meta's reference pages of Comment, Page Feed, Page Messages and Page Blocked, and "Send
API" and "Private Replies" of the Messenger Platform.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from channelmix.errors import Rejected
from channelmix.records import Action, Attachment, Kind, Message, Outgoing, Receipt
from channelmix_meta.client import Graph, Params
from channelmix_meta.sending import (
    Call,
    carry_out,
    doomed,
    media_type,
    own,
    private_reply,
    refuse_locked,
    target_of,
    upload,
    upload_of,
)

from channelmix_facebook import policy


async def send(graph: Graph, outgoing: Outgoing, page_id: str) -> Receipt:
    """Carry out one outgoing part.

    Raises: `WindowClosed` before any call, and what `carry_out` raises.
    """
    refuse_locked(outgoing.target)
    call = await _CALLS[outgoing.action](graph, outgoing, page_id)
    return await carry_out(graph, call, outgoing, policy.LIMITS)


def where_to_comment(target: Message) -> str:
    """Return the object below which an answer to `target` stands.

    Facebook shows two levels: the answer to an answer becomes its sibling.
    """
    nested = target.kind is Kind.COMMENT and target.parent not in {None, target.thread}
    return str(target.parent) if nested else target.id


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
    params: dict[str, Any] = {"published": False, "temporary": True}
    files = None if attachment.path is None else {"source": await upload_of(attachment)}
    if files is None:
        params["url"] = str(attachment.url)
    return await upload(graph, f"{page_id}/photos", params, files, "id")


async def _private_reply(graph: Graph, outgoing: Outgoing, page_id: str) -> Call:
    params = private_reply(outgoing, _message(outgoing), graph.clock.now())
    files = None
    if outgoing.attachments and outgoing.attachments[0].path is not None:
        files = {"filedata": await upload_of(outgoing.attachments[0])}
    return Call(path=f"{page_id}/messages", params=params, files=files, names="message_id")


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
