"""Posts (X API v2, "Data dictionary: Post"): mentions, replies, quotes, talk, and our own."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, array, flag, ident, obj, objects, words
from channelmix.records import (
    Attachment,
    AttachmentKind,
    Echo,
    Ignored,
    Inbound,
    Kind,
    Lookup,
    Message,
)

from channelmix_twitter.parsing_context import SITE, Context, attachments

NOT_SUMMONED = "X lets apps answer only who mentioned or quoted the account: answer on X"
CLOSED = {
    "mentionedUsers": "only people mentioned in it may reply",
    "subscribers": "only subscribers of its author may reply",
}
SIBLING = "addressed to another account of ours"
ADDRESSING = {"post.mention.create", "post.reply.create", "post.quote.create"}


def post(item: Json, context: Context) -> Iterator[Inbound]:
    """Yield what a post means. Raises: `InvalidPayload` for one without id."""
    found = ident(item.get("id"))
    if found is None:
        raise InvalidPayload("a post without its id")
    refers = _references(item)
    if "retweeted" in refers or context.event == "post.repost.create":
        yield Ignored(reason="repost")
        return
    message = _message(item, found, refers, context)
    author = message.author.id if message.author else None
    if author and author == context.account:
        yield Echo(message=message) if message.parent else message
    elif message.own:
        yield message
    elif _is_a_siblings(item, context):
        yield Ignored(reason=SIBLING)
    else:
        yield message
        yield from _more(item, message, context)


def first_id(item: Json, found: str) -> str:
    """Return the id that a post had before it was edited: an edit is a new id on X."""
    history = [one for raw in array(item.get("edit_history_tweet_ids")) if (one := ident(raw))]
    return history[0] if found in history else found


def link(post_id: str, handle: str | None = None) -> str:
    """Return the address of a post; X leads on from `i` to the right handle."""
    return f"{SITE}/{handle or 'i'}/status/{post_id}"


def _message(item: Json, found: str, refers: dict[str, str], context: Context) -> Message:
    author = context.person(item.get("author_id"))
    thread = ident(item.get("conversation_id")) or found
    root = context.posts.get(thread, {})
    own = author is not None and context.is_ours(author.id)
    text = said(item)
    return Message(
        id=first_id(item, found),
        revision=found,
        kind=_kind(item, refers, context),
        thread=first_id(item, found) if thread == found else thread,
        sent_at=context.moment(item.get("created_at")),
        author=author,
        text=_without_names(text, item) if own else text,
        parent=refers.get("replied_to"),
        attachments=(*attachments(item, context), *_quoted(refers, context)),
        url=link(found, author.handle if author else None),
        own=own,
        no_reply=None if own else _no_reply(item, refers, context),
        thread_text=said(root) if root and thread != found else None,
        thread_url=link(thread),
    )


def _references(item: Json) -> dict[str, str]:
    told = objects(item.get("referenced_tweets"))
    found = {str(one.get("type")): key for one in told if (key := ident(one.get("id")))}
    direct = ident(item.get("in_reply_to_tweet_id"))
    return {"replied_to": direct, **found} if direct else found


def said(item: Json) -> str | None:
    """Return the text as its author wrote it: whole, with real links, without HTML's escapes."""
    note = obj(item.get("note_tweet"))
    holder = note if words(note.get("text")) else item
    text = words(holder.get("text"))
    if text is None:
        return None
    for one in objects(obj(holder.get("entities")).get("urls")):
        short, real = words(one.get("url")), words(one.get("expanded_url"))
        if short and real:
            text = text.replace(short, "" if one.get("media_key") else real)
    return html.unescape(text).strip() or None


def _without_names(text: str | None, item: Json) -> str | None:
    """Leave out the names that X puts before our answers: we never wrote them."""
    span = array(item.get("display_text_range"))
    if text and span and isinstance(span[0], int) and text.startswith("@"):
        return text[span[0] :].strip() or None
    return text


def _kind(item: Json, refers: dict[str, str], context: Context) -> Kind:
    if context.is_ours(ident(item.get("author_id"))):
        return Kind.COMMENT if "replied_to" in refers else Kind.POST
    if context.account and ident(item.get("in_reply_to_user_id")) == context.account:
        return Kind.COMMENT
    return Kind.MENTION if _addressed(item, refers, context) else Kind.POST


def _addressed(item: Json, refers: dict[str, str], context: Context) -> bool:
    """Say whether the author mentioned, answered or quoted the account: X's "summoned"."""
    if context.source == "mentions" or context.event in ADDRESSING:
        return True
    if not context.account:
        return bool(_mentions(item))
    quoted = context.posts.get(refers.get("quoted", ""), {})
    people = [ident(item.get("in_reply_to_user_id")), ident(quoted.get("author_id"))]
    return context.account in [*people, *_mentions(item)] or _names(item, context.handle)


def _mentions(item: Json) -> list[str]:
    """Return who is mentioned, by user id, in the order of the text."""
    holders = (item, obj(item.get("note_tweet")))
    told = [one for each in holders for one in objects(obj(each.get("entities")).get("mentions"))]
    return [found for one in told if (found := ident(one.get("id")))]


def _names(item: Json, handle: str) -> bool:
    """Say whether the text has the handle: `entities` may be missing, or lack ids."""
    text = said(item) or ""
    return bool(handle) and bool(re.search(rf"(?<!\w)@{re.escape(handle)}\b", text, re.IGNORECASE))


def _is_a_siblings(item: Json, context: Context) -> bool:
    """Say whether another account of ours is the one addressed, and so has this, too.

    Who addresses two of our accounts asks once: the one answered, else the first named, else the
    one quoted has it, on whichever road it comes.
    """
    people = [ident(item.get("in_reply_to_user_id")), *_mentions(item)]
    ours = next((one for one in people if context.is_ours(one)), None)
    return ours is not None and ours != context.account


def _no_reply(item: Json, refers: dict[str, str], context: Context) -> str | None:
    """Say why X would refuse an answer to this post."""
    mentioned = context.account in _mentions(item) or _names(item, context.handle)
    closed = CLOSED.get(str(item.get("reply_settings")))
    if closed is not None and not mentioned:
        return f"{closed}: answer on X if it may be answered at all"
    if flag(context.users.get(str(item.get("author_id")), {}).get("protected")) and not mentioned:
        return "the author's posts are protected: answer on X if you follow them"
    if context.summoned_only and not _addressed(item, refers, context):
        return NOT_SUMMONED
    return None


def _quoted(refers: dict[str, str], context: Context) -> Iterator[Attachment]:
    if quoted := refers.get("quoted"):
        told = context.posts.get(quoted, {})
        yield Attachment(
            kind=AttachmentKind.LINK, id=quoted, url=link(quoted), text=said(told) if told else None
        )


def _more(item: Json, message: Message, context: Context) -> Iterator[Inbound]:
    """Ask for what the author, and we, said before in a conversation that goes deeper."""
    thread, author = ident(item.get("conversation_id")), message.author
    deep = thread is not None and message.parent not in {None, thread}
    elsewhere = message.parent == thread and message.kind is not Kind.COMMENT
    wanted = context.source in {"webhook", "mentions"} and message.kind is not Kind.POST
    if context.complete_threads and wanted and author and thread and (deep or elsewhere):
        yield Lookup(source="conversation", argument=f"{thread}:{author.id}")
