"""Messaging events, in control of the conversation or standing by.

Sources: Messenger Platform, Webhooks; Instagram Platform, Webhooks, with what only Instagram has:
answers to stories, marks of a single message that was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from attrs import evolve, frozen
from channelmix.payloads import Json, array, digest, first, ident, label, moment, obj, words
from channelmix.records import (
    Deletion,
    DeliveryStatus,
    Echo,
    Edit,
    Identity,
    Ignored,
    Inbound,
    Kind,
    Lookup,
    Message,
    Reaction,
)

from channelmix_meta.parsing_attachments import of_messenger, truth
from channelmix_meta.parsing_json import Context

STANDBY = "another app owns this conversation"
NOBODY = "the network does not tell who wrote this"

SILENT = {
    "referral": "referral",
    "optin": "optin",
    "policy-enforcement": "policy enforcement",
    "policy_enforcement": "policy enforcement",
    "pass_thread_control": "thread control",
    "take_thread_control": "thread control",
    "request_thread_control": "thread control",
    "app_roles": "thread control",
    "account_linking": "account linking",
    "payment": "payment",
    "pre_checkout": "payment",
    "checkout_update": "payment",
    "game_play": "game play",
    "message_context": "message context",
}
"""Events in which a customer says nothing: a link followed, a box ticked, an owner changed."""


@frozen(kw_only=True)
class Event:
    """One item of `messaging` or `standby`, with what is read from it more than once."""

    item: Json
    context: Context
    at: datetime
    person: str | None
    """The person's scoped id, whichever side it is on; None where the network does not tell.

    Account and person have one conversation, so it names that as well.
    """
    reachable: bool
    """Whether the person has an id that can be answered; a guest of the chat plugin has not."""
    from_account: bool
    standby: bool

    def author(self) -> Identity | None:
        """Return who did it."""
        who = self.context.account if self.from_account else self.person
        return Identity(id=who) if who else None


Readers = Mapping[str, Callable[[Json, Event], Inbound]]
"""How each kind of event is read, by the key that it has."""


def messaging(
    item: Json, context: Context, *, standby: bool, readers: Readers | None = None
) -> Inbound:
    """Return what one item of `messaging`, or with `standby` of `standby`, means."""
    for key, read in (readers or READERS).items():
        if isinstance(item.get(key), dict):
            return read(item[key], _event(item, context, standby=standby))
    for key, reason in SILENT.items():
        if key in item:
            return Ignored(reason=reason)
    names = [key for key in item if key not in {"sender", "recipient", "timestamp"}]
    return Ignored(reason=f"unknown event: {label(names[0] if names else None)}")


def _event(item: Json, context: Context, *, standby: bool) -> Event:
    sender, recipient = obj(item.get("sender")), obj(item.get("recipient"))
    from_account = truth(obj(item.get("message")).get("is_echo")) or (
        ident(sender.get("id")) == context.account
    )
    sides = [recipient, sender] if from_account else [sender, recipient]
    # Recorded echoes name the person as either side, so what counts is who is not the account.
    ids = [found for side in sides if (found := first(side, "id", "user_ref")) != context.account]
    person = next((found for found in ids if found), None)
    return Event(
        item=item,
        context=context,
        at=context.moment(item.get("timestamp")),
        person=person,
        reachable=person in {ident(sender.get("id")), ident(recipient.get("id"))},
        from_account=from_account,
        standby=standby,
    )


def _message(message: Json, event: Event) -> Inbound:
    mid = ident(message.get("mid")) or derived("message", event)
    if truth(message.get("is_deleted")):
        return Deletion(id=mid, at=event.at, thread=event.person)
    answered = obj(message.get("reply_to"))
    found = evolve(
        said(mid, event),
        kind=Kind.STORY_REPLY if obj(answered.get("story")) else Kind.DIRECT_MESSAGE,
        text=words(message.get("text")),
        parent=ident(answered.get("mid")),
        attachments=of_messenger(message),
        payload=words(obj(message.get("quick_reply")).get("payload")) or _ref(message),
    )
    return _echo(found, message, event.context) if event.from_account else found


def said(mid: str, event: Event) -> Message:
    """Say who spoke where and when, whatever it was."""
    return Message(
        id=mid,
        kind=Kind.DIRECT_MESSAGE,
        thread=event.person or mid,
        sent_at=event.at,
        author=event.author(),
        own=event.from_account,
        no_reply=_no_reply(event),
    )


def _no_reply(event: Event) -> str | None:
    if event.from_account:
        return None
    if event.standby:
        return STANDBY
    return None if event.reachable and event.person else NOBODY


def _echo(message: Message, raw: Json, context: Context) -> Echo:
    ours = None if context.app_id is None else ident(raw.get("app_id")) == context.app_id
    return Echo(message=message, token=words(raw.get("metadata")), ours=ours)


def _postback(postback: Json, event: Event) -> Inbound:
    mid = ident(postback.get("mid")) or derived("postback", event)
    return evolve(
        said(mid, event),
        text=words(postback.get("title")),
        payload=words(postback.get("payload")) or _ref(postback),
    )


def _ref(carrier: Json) -> str | None:
    """Return what an ad, a link to the conversation or a product carried."""
    referral = obj(carrier.get("referral"))
    return words(referral.get("ref")) or ident(obj(referral.get("product")).get("id"))


def derived(kind: str, event: Event) -> str:
    """Name an event that has no id by its content, so that the same one has the same name."""
    return f"{kind}:{digest(event.item)[:32]}"


def _message_edit(edit: Json, event: Event) -> Inbound:
    mid = ident(edit.get("mid"))
    if mid is None:
        return Ignored(reason="edit without id")
    if words(edit.get("text")) is None:
        # Instagram tells of some messages only as edited, without what they say.
        return Lookup(source="message", argument=mid)
    return Edit(
        id=mid,
        at=event.at,
        revision=ident(edit.get("num_edit")) or event.at.isoformat(),
        thread=event.person,
        text=words(edit.get("text")),
    )


def _status(status: Json, event: Event, *, read: bool) -> Inbound:
    watermark = moment(status.get("watermark"), event.context.now)
    if event.person is None:
        return Ignored(reason="status without person")
    return DeliveryStatus(
        status="read" if read else "delivered",
        at=moment(event.item.get("timestamp"), event.context.now) or watermark or event.at,
        thread=event.person,
        ids=tuple(
            mid for one in [status.get("mid"), *array(status.get("mids"))] if (mid := ident(one))
        ),
        watermark=watermark,
    )


def _reaction(reaction: Json, event: Event) -> Inbound:
    target = ident(reaction.get("mid"))
    if target is None:
        return Ignored(reason="reaction without id")
    return Reaction(
        target=target,
        at=event.at,
        name=words(reaction.get("reaction")) or words(reaction.get("emoji")) or "other",
        author=event.author(),
        thread=event.person,
        removed=reaction.get("action") == "unreact",
    )


READERS: Readers = {
    "message": _message,
    "message_edit": _message_edit,
    "postback": _postback,
    "reaction": _reaction,
    "delivery": partial(_status, read=False),
    "read": partial(_status, read=True),
}
