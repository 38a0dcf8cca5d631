"""Changes on the page (`feed`), elsewhere (`mention`) and in its recommendations (`ratings`).

The shapes are those of the Graph API's Webhooks reference for pages, older versions included:
`sender_id` and `sender_name` where newer ones say `from`.
"""

from __future__ import annotations

from typing import Any, Literal

from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, digest, first, flag, ident, label, obj, words
from channelmix.records import (
    Deletion,
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
from channelmix_meta.articles import of_post
from channelmix_meta.parsing import Told
from channelmix_meta.parsing_json import Context, person

from channelmix_facebook.parsing_attachments import of_change

ADD, EDIT, REMOVE = {"add"}, {"edit", "edited", "update"}, {"remove", "delete"}
REACTIONS = {"reaction", "like"}
ITEMS = {"comment", "post", "status", "photo", "video", "share", "link", "note", "story", "reel"}
PAGE_ITEMS = {"album", "event", "milestone", "offer"}
"""Only the page itself can make these, so they are its own even without an author."""
OBJECT_IDS = ("photo_id", "video_id", "share_id", "album_id", "event_id")

NO_REVIEW_REPLY = "Facebook lets no app answer a recommendation"
"""The story of one is not among what Meta's page "Object Comments" lists as taking comments."""

POSITIVE_STARS, NEGATIVE_STARS = (4, 5), (1, 2)
"""What stars meant before recommendations replaced them in 2018; three are neither."""


def feed(value: Json, context: Context) -> Told:
    """Return what a change of the page's feed means; our photos and videos are articles, too."""
    return _content(value, context, Kind.POST)


def mention(value: Json, context: Context) -> Told:
    """Return what a post or comment elsewhere that names the page means."""
    return _content(value, context, Kind.MENTION)


def _content(value: Json, context: Context, kind: Kind) -> Told:
    item = words(value.get("item"))
    if item in REACTIONS:
        return _reaction(value, context, first(value, "comment_id", "post_id"))
    message = _message(value, context, kind)
    if message is None or not _known(item, message):
        return Ignored(reason=f"unknown item: {label(item)}")
    if _is_ours(value, item, message, context):
        message = evolve(message, own=True)
    told = _by_verb(value, message, context)
    return (told, *of_post(message)) if _says_all(value, told) else told


def _says_all(value: Json, told: Inbound) -> bool:
    """Say whether a change tells what the whole post is now.

    An edit may leave out text or picture: no article comes of that, the next sweep brings it.
    """
    edited = isinstance(told, Edit) and told.text is not None
    return isinstance(told, Message) or (edited and value.get("published") not in (0, False))


def _known(item: str | None, message: Message) -> bool:
    """Say whether it counts: a new kind of item does if it says or shows something."""
    return item in ITEMS | PAGE_ITEMS or bool(message.text or message.attachments)


def _is_ours(value: Json, item: str | None, message: Message, context: Context) -> bool:
    nameless = message.author is None and item in PAGE_ITEMS
    return nameless or context.is_own(author(value))


def author(value: Json) -> Identity | None:
    """Return who did it; the network does not always tell."""
    for found in (person(value.get("from")), person(value.get("reviewer"))):
        if found:
            return found
    for who in ("sender", "reviewer"):
        if found_id := ident(value.get(f"{who}_id")):
            return Identity(id=found_id, name=words(value.get(f"{who}_name")))
    return None


def _message(value: Json, context: Context, kind: Kind) -> Message | None:
    """Compose what the change is about, whatever happened to it. None: it names no id."""
    comment, post = ident(value.get("comment_id")), _post_id(value, context)
    if value.get("item") == "comment" and comment is None:
        raise InvalidPayload("a comment without its id")
    item_id = comment or post
    if item_id is None:
        return None
    above = obj(value.get("post"))
    thread = post or thread_of(item_id, context.account)
    return Message(
        id=item_id,
        kind=Kind.COMMENT if comment and kind is Kind.POST else kind,
        thread=thread,
        sent_at=context.moment(value.get("created_time")),
        author=author(value),
        text=words(value.get("message")),
        parent=(ident(value.get("parent_id")) or thread) if comment else None,
        attachments=of_change(value),
        url=words(value.get("permalink_url")) or permalink(item_id),
        thread_text=words(above.get("message")),
        thread_url=(words(above.get("permalink_url")) or permalink(thread)) if comment else None,
        hidden=flag(value.get("is_hidden")),
    )


def _post_id(value: Json, context: Context) -> str | None:
    """Return the post; an album or event without one is named as the network names posts."""
    if found := first(value, "post_id"):
        return found
    part = first(value, *OBJECT_IDS)
    return f"{context.account}_{part}" if part and ident(value.get("comment_id")) is None else None


def thread_of(comment: str, page: str) -> str:
    """Return the post of a comment named `post_comment`, as webhooks name it: `page_post`."""
    post = comment.partition("_")[0]
    return f"{page}_{post}" if page and "_" in comment else post


def permalink(item: str) -> str:
    """Return the address at which the network finds any post or comment by its id."""
    return f"https://www.facebook.com/{item}"


def _by_verb(value: Json, message: Message, context: Context) -> Inbound:
    verb = words(value.get("verb")) or "add"
    if verb in ADD:
        return _added(value, message)
    if verb in EDIT:
        return _edit(message, context, hidden=None)
    if verb in REMOVE:
        return Deletion(id=message.id, at=context.at, thread=message.thread)
    if verb in {"hide", "unhide"}:
        return _edit(message, context, hidden=verb == "hide")
    return Ignored(reason=f"verb: {label(verb)}")


def _added(value: Json, message: Message) -> Inbound:
    if message.own and value.get("published") in (0, False):
        return Ignored(reason="unpublished")
    if message.own:
        return message if message.kind is Kind.POST else Echo(message=message)
    if not (message.text or message.attachments or message.kind is Kind.REVIEW):
        # A sticker, a GIF, a comment on a recommendation: only the ids are pushed.
        source = "comment" if ident(value.get("comment_id")) else "post"
        return Lookup(source=source, argument=message.id)
    return message


def _edit(message: Message, context: Context, *, hidden: bool | None) -> Edit:
    """Say what changed: hiding leaves the text alone, and no text says nothing of it."""
    text = message.text if hidden is None else None
    attachments = (message.attachments or None) if hidden is None else None
    when = int(context.at.timestamp())
    return Edit(
        id=message.id,
        at=context.at,
        # Two edits can fall into one second, so the time alone does not tell them apart.
        revision=f"{when}-{digest([text, hidden])[:12]}",
        thread=message.thread,
        text=text,
        attachments=attachments,
        hidden=hidden,
    )


def _reaction(
    value: Json, context: Context, target: str | None, thread: str | None = None
) -> Inbound:
    if target is None:
        return Ignored(reason="reaction to the page")
    return Reaction(
        target=target,
        at=context.moment(value.get("created_time")),
        name=words(value.get("reaction_type")) or "like",
        author=author(value),
        thread=thread or ident(value.get("post_id")),
        removed=words(value.get("verb")) in REMOVE,
    )


def ratings(value: Json, context: Context) -> Inbound:
    """Return what a change of a recommendation, or of what is said below one, means."""
    item, story = words(value.get("item")), _story(value)
    if story is None:
        return Ignored(reason=f"unknown item: {label(item)}")
    if item in REACTIONS:
        return _reaction(value, context, ident(value.get("comment_id")) or story, story)
    if item == "comment":
        message = _comment(value, story, context)
    else:
        message = _review(value, story, context)
    if item not in {"comment", "rating"} and not message.text:
        return Ignored(reason=f"unknown item: {label(item)}")
    return _by_verb(value, evolve(message, own=context.is_own(message.author)), context)


def _story(value: Json) -> str | None:
    """Return the recommendation's id. What hangs below it names it in `post_id`, after `_`."""
    story, post = ident(value.get("open_graph_story_id")), ident(value.get("post_id"))
    if post and (story is None or value.get("item") != "rating"):
        return post.rpartition("_")[2] or post
    return story


def _comment(value: Json, story: str, context: Context) -> Message:
    comment, parent = ident(value.get("comment_id")), ident(value.get("parent_id"))
    if comment is None:
        raise InvalidPayload("a comment without its id")
    return Message(
        id=comment,
        kind=Kind.COMMENT,
        thread=story,
        sent_at=context.moment(value.get("created_time")),
        author=author(value),
        text=words(value.get("message")),
        parent=story if parent == ident(value.get("post_id")) else parent or story,
        attachments=of_change(value),
        url=permalink(comment),
        thread_text=words(value.get("review_text")),
        thread_url=permalink(story),
    )


def _review(value: Json, story: str, context: Context) -> Message:
    return Message(
        id=story,
        kind=Kind.REVIEW,
        thread=story,
        sent_at=context.moment(value.get("created_time")),
        author=author(value),
        text=words(value.get("review_text")) or words(value.get("message")),
        url=permalink(story),
        rating=rating(value.get("recommendation_type"), value.get("rating")),
        no_reply=NO_REVIEW_REPLY,
    )


def rating(kind: Any, stars: Any) -> Literal["positive", "negative"] | None:
    """Return what a recommendation says, or the stars (1 to 5) of the days before."""
    name = kind.lower() if isinstance(kind, str) else ""
    if name == "positive" or (not name and stars in POSITIVE_STARS):
        return "positive"
    if name == "negative" or (not name and stars in NEGATIVE_STARS):
        return "negative"
    return None
