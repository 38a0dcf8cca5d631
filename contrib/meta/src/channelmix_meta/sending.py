"""One writing call: what it is made of, and what becomes of it.

Sources: Meta's "Send API" and "Private Replies" of the Messenger Platform, "Messaging API" and
"Private Replies" of the Instagram Platform.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen
from channelmix.errors import Rejected, RetryLater, Uncertain, WindowClosed
from channelmix.records import (
    Attachment,
    AttachmentKind,
    Draft,
    Kind,
    Limits,
    Message,
    Outgoing,
    Receipt,
    limits_for,
)

from channelmix_meta import policy
from channelmix_meta.client import Graph, Params, Refusal, Upload

CONVERSATION = frozenset({Kind.DIRECT_MESSAGE, Kind.STORY_REPLY})
"""What is said in a conversation, so that the answer goes there."""


@frozen(kw_only=True)
class Call:
    """One writing call."""

    path: str
    params: Params
    method: str = "POST"
    files: Mapping[str, Upload] | None = None
    names: str | None = None
    """The field of the answer that names what was made; None where there is none."""


async def carry_out(
    graph: Graph, call: Call, outgoing: Outgoing, limits: Sequence[Limits]
) -> Receipt:
    """Make the one call of an outgoing part.

    Raises: `Uncertain` for a duplicate that may be the part's own earlier attempt, and what
    `Graph.send` raises.
    """
    try:
        answer = await graph.send(call.method, call.path, call.params, call.files)
    except Refusal as refusal:
        again = may_be_there(outgoing, limits, graph.clock.now())
        if again and refusal.verdict is policy.Verdict.DUPLICATE:
            raise Uncertain(str(refusal)) from refusal
        raise
    if call.names is None:
        return Receipt()
    made = answer.get(call.names)
    if not made:
        raise Uncertain(f"{call.method} {call.path}: the answer names no {call.names}")
    return Receipt(ids=(str(made),))


def may_be_there(outgoing: Outgoing, limits: Sequence[Limits], now: datetime) -> bool:
    """Say whether an earlier attempt may have arrived after all, though it was not found.

    The core sends an uncertain part again only after the settling time of its first attempt.
    """
    kind = outgoing.target.kind if outgoing.target else None
    found = limits_for(limits, outgoing.action, kind)
    first = outgoing.first_sent_at
    return first is not None and found is not None and now - first >= found.settle


def refuse_locked(target: Message | None) -> None:
    """Refuse what the network lets nobody answer: a conversation another app owns, say."""
    if target is not None and target.no_reply:
        raise Rejected(target.no_reply)


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
        raise WindowClosed("after 24 hours only a person may answer")
    if since <= policy.HUMAN_WINDOW:
        return {"messaging_type": "MESSAGE_TAG", "tag": policy.HUMAN_TAG}
    raise WindowClosed("the customer's last message is more than 7 days old")


def private_reply(outgoing: Outgoing, message: Params, now: datetime) -> dict[str, Any]:
    """Return the parameters of a direct message, or of the one private reply to what is public.

    Raises: `WindowClosed`, `Rejected`.
    """
    target = target_of(outgoing)
    params: dict[str, Any] = {"recipient": _recipient(target), "message": message}
    if target.kind in CONVERSATION:
        return {**params, **messaging(outgoing, now)}
    if age(outgoing, now) > policy.PRIVATE_REPLY_WINDOW:
        raise WindowClosed("a private reply is possible for 7 days only")
    return params


def _recipient(target: Message) -> dict[str, str]:
    if target.kind in CONVERSATION:
        return {"id": target.thread}
    if target.kind is Kind.COMMENT:
        return {"comment_id": target.id}
    if target.kind is Kind.POST:
        return {"post_id": target.id}
    raise Rejected(f"Meta offers no private reply to a {target.kind}")


def media_type(attachment: Attachment) -> str:
    """Return the Send API's name for what this is."""
    named = {AttachmentKind.IMAGE, AttachmentKind.VIDEO, AttachmentKind.AUDIO}
    return str(attachment.kind) if attachment.kind in named else "file"


async def upload(
    graph: Graph, path: str, params: Params, files: Mapping[str, Upload] | None, names: str
) -> str:
    """Hand a file over unseen, and return its id.

    One uploaded twice shows nowhere, so doubt is no harm here. Raises: as `Graph.send`, but
    `RetryLater` for `Uncertain`.
    """
    try:
        answer = await graph.send("POST", path, params, files)
    except Uncertain as error:
        raise RetryLater(str(error)) from error
    return str(answer.get(names))


async def upload_of(attachment: Attachment) -> Upload:
    """Read a file. Raises: `Rejected` if it cannot be."""
    path = Path(str(attachment.path))
    name = attachment.name or path.name
    mime = attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        return name, await asyncio.to_thread(path.read_bytes), mime
    except OSError as error:
        raise Rejected(f"the attachment {name} cannot be read: {error.strerror}") from error


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
