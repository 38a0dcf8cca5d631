"""Messages of a conversation, as the Graph API answers them."""

from __future__ import annotations

from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, ident, obj, objects, words
from channelmix.records import Echo, Inbound, Kind, Message

from channelmix_meta.parsing_attachments import MESSAGE_FIELDS, of_message, of_story
from channelmix_meta.parsing_json import Context, data, person


def is_message(item: Json) -> bool:
    """Say whether a Graph object is a message: an answer does not say what it holds."""
    found = ident(item.get("id")) or ""
    attached = {key for one in data(item.get("attachments")) for key in one}
    return (
        found.startswith(("m_", "mid."))
        or ("to" in item and "from" in item and "message" in item)
        or bool(MESSAGE_FIELDS & attached)
    )


def direct(item: Json, under: Json, context: Context) -> Inbound:
    """Return what a message means.

    Raises: `InvalidPayload` where it has no id.
    """
    found, who = ident(item.get("id")), person(item.get("from"))
    if found is None:
        raise InvalidPayload("a message without its id")
    story = obj(item.get("story"))
    message = Message(
        id=found,
        kind=Kind.STORY_REPLY if story.get("reply_to") else Kind.DIRECT_MESSAGE,
        thread=_partner(item, under, context) or ident(under.get("id")) or found,
        sent_at=context.moment(item.get("created_time")),
        author=who,
        text=words(item.get("message")),
        parent=ident(obj(item.get("reply_to")).get("mid")),
        attachments=(*of_message(item), *of_story(story)),
    )
    return echo_or_message(message, context)


def _partner(item: Json, under: Json, context: Context) -> str | None:
    """Return the person's scoped id: a webhook names the conversation by it, too."""
    people = [item.get("from"), *data(item.get("to")), *objects(under.get("people"))]
    others = (who for one in people if (who := person(one)) and not context.is_own(who))
    return next((who.id for who in others), None)


def echo_or_message(message: Message, context: Context) -> Inbound:
    """Tell our own words from a customer's."""
    if not context.is_own(message.author):
        return message
    return Echo(message=evolve(message, own=True))
