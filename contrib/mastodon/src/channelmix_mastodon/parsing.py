"""From a payload to what it means. Pure: no clock, no calls.

Three things come: notifications, posts of our own, and changes. Changes have the form of
Mastodon's streaming events, `{"event": ..., "payload": ...}`, because no list tells of them; the
poll that notices one writes it down so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from channelmix.errors import InvalidPayload
from channelmix.payloads import digest, encode
from channelmix.records import (
    Attachment,
    AttachmentKind,
    Deletion,
    Echo,
    Edit,
    Identity,
    Ignored,
    Inbound,
    Kind,
    Message,
    RawEvent,
)

from channelmix_mastodon import text, wire

ASKED = ("mention", "quote")
"""The notifications in which somebody says something to us."""
OF_NO_CONCERN = {
    "reblog": "a boost",
    "favourite": "a favourite",
    "follow": "a follower",
    "follow_request": "a follower",
    "poll": "the end of a poll",
    "status": "a post of somebody we follow",
    "update": "an edit of what we boosted",
    "quoted_update": "an edit of what we quoted",
    "severed_relationships": "a lost follower",
    "moderation_warning": "a warning of a moderator",
    "admin.sign_up": "something for administrators",
    "admin.report": "something for administrators",
}
MEDIA = {
    "image": AttachmentKind.IMAGE,
    "gifv": AttachmentKind.VIDEO,
    "video": AttachmentKind.VIDEO,
    "audio": AttachmentKind.AUDIO,
}
THREAD = "thread"
"""The key by which a poll adds the first post of the thread to what the network sent."""


@frozen(kw_only=True)
class Whose:
    """Who we are, by whole names in lower case: `name@server`."""

    account: str
    siblings: frozenset[str] = frozenset()
    app_name: str = ""

    def address(self, acct: str) -> str:
        """Return a whole name; one of our own server comes without the server."""
        name = acct.lower()
        return name if "@" in name else f"{name}@{self.account.rpartition('@')[2]}"

    def is_ours(self, acct: str) -> bool:
        """Whether it is this channel's account, or another one of the desk."""
        return (address := self.address(acct)) == self.account or address in self.siblings

    def mentioned(self, status: wire.Status) -> str | None:
        """Return our account's number at the server, where a post mentions it."""
        return next(
            (one.id for one in status.mentions if self.address(one.acct) == self.account), None
        )


def event(item: Mapping[str, Any], account: str) -> RawEvent:
    """Make a raw event of one item; its key is made of ids and times of edits alone."""
    return RawEvent(key=_key(item), body=encode(item, sort=True), account=account)


def _key(item: Mapping[str, Any]) -> str:
    match item:
        case {"event": "delete", "payload": str(number)}:
            return f"delete:{number}"
        case {"event": "status.update", "payload": {"id": str(number), "edited_at": str(at)}}:
            return f"edit:{number}:{at}"
        case {"id": str(number), "type": str(), "created_at": str()}:
            return f"notification:{number}"
        case {"id": str(number), "content": str()}:
            return f"status:{number}"
    return f"other:{digest(item)}"


def ingest(raw: RawEvent, whose: Whose) -> Inbound:
    """Say what one event means. Raises: `InvalidPayload`."""
    item = wire.read(raw.body, dict[str, Any])
    thread = item.get(THREAD)
    if thread is not None and not isinstance(thread, str):
        raise InvalidPayload("a thread is named by an id")
    if "event" in item:
        return _change(item)
    if "type" in item:
        return _notification(wire.convert(item, wire.Notification), thread, whose)
    return _said(wire.convert(item, wire.Status), thread, whose)


def _change(item: Mapping[str, Any]) -> Inbound:
    match item:
        case {"event": "delete"}:
            gone = wire.convert(item, wire.Gone)
            return Deletion(id=gone.payload, at=gone.noticed_at)
        case {"event": "status.update", "payload": dict(payload)}:
            status = wire.convert(payload, wire.Status)
            return Edit(
                id=status.id,
                at=status.edited_at or status.created_at,
                revision=_revision(status),
                text=_text(status),
                attachments=_attachments(status),
            )
        case {"event": "status.update"}:
            raise InvalidPayload("this is no edit as it is documented")
    return Ignored(reason="unknown change")


def _notification(one: wire.Notification, thread: str | None, whose: Whose) -> Inbound:
    if one.type not in ASKED:
        return Ignored(reason=OF_NO_CONCERN.get(one.type, "unknown notification"))
    if one.status is None:
        return Ignored(reason="its post is gone")
    return _said(one.status, thread, whose)


def _said(status: wire.Status, thread: str | None, whose: Whose) -> Inbound:
    if status.reblog is not None:
        return Ignored(reason="a boost")
    own = whose.is_ours(status.account.acct)
    message = Message(
        id=status.id,
        kind=_kind(status, whose, own=own),
        thread=thread or status.in_reply_to_id or status.id,
        sent_at=status.created_at,
        author=Identity(
            id=status.account.id,
            name=status.account.display_name or None,
            handle=status.account.acct,
            url=status.account.url,
        ),
        text=_text(status),
        parent=status.in_reply_to_id,
        attachments=_attachments(status),
        url=status.url,
        own=own,
        revision=_revision(status),
    )
    if not own:
        return message
    app = status.application
    return Echo(message=message, ours=app.name == whose.app_name if app else None)


def _kind(status: wire.Status, whose: Whose, *, own: bool) -> Kind:
    if status.visibility == "direct":
        return Kind.DIRECT_MESSAGE
    if own:
        return Kind.COMMENT if status.in_reply_to_id else Kind.POST
    us = whose.mentioned(status)
    return Kind.COMMENT if us and status.in_reply_to_account_id == us else Kind.MENTION


def _revision(status: wire.Status) -> str:
    return (status.edited_at or status.created_at).isoformat()


def _text(status: wire.Status) -> str:
    said = text.read(status.content)
    return f"{status.spoiler_text}\n\n{said}" if status.spoiler_text else said


def _attachments(status: wire.Status) -> tuple[Attachment, ...]:
    found = [
        Attachment(
            kind=MEDIA.get(one.type, AttachmentKind.OTHER),
            id=one.id,
            url=one.url or one.remote_url,
            text=one.description,
        )
        for one in status.media_attachments
    ]
    if status.poll:
        options = "\n".join(f"- {one.title}" for one in status.poll.options)
        found.append(Attachment(kind=AttachmentKind.OTHER, text=options))
    return tuple(found)
