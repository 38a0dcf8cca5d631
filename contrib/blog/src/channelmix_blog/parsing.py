"""What a blog tells, as raw events and what they mean. Pure.

A raw event is one entry of a feed (`article`, `said`) or one comment as WordPress shows it
(`comment`), with what only its surroundings told: whether we wrote it (`own`), and how often it
changed since it was first seen (`version`). `gone` and `withheld` name a comment that is not shown
any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit, urlunsplit

from channelmix.errors import InvalidPayload
from channelmix.payloads import (
    Json,
    decode,
    digest,
    encode,
    ident,
    moment,
    obj,
    objects,
    words,
)
from channelmix.records import (
    Article,
    Deletion,
    Echo,
    Edit,
    Identity,
    Ignored,
    Inbound,
    Ingested,
    Kind,
    Message,
    Payload,
    RawEvent,
    Split,
)

from channelmix_blog import feed
from channelmix_blog.config import BlogConfig
from channelmix_blog.markup import plain, web

ARTICLES, COMMENTS, CHANGES = "articles", "comments", "changes"
FEED_ONLY = "a feed takes no answer: open the comment at the blog"
NO_USER = "no WordPress user is configured to answer: open the comment at the blog"
UNSEEN = {
    "hold": "held for moderation at the blog: approve it first (unhide)",
    "spam": "taken for spam at the blog: approve it first (unhide)",
}
_AVATAR = re.compile(r"/avatar/([0-9a-f]{32,64})")
Body = Mapping[str, Any]


# --- raw events -------------------------------------------------------------------------


def split(payload: Payload, url: str) -> Split:
    """Cut a feed, or a page of comments from WordPress, into events. Raises: `InvalidPayload`."""
    if payload.body.lstrip()[:1] not in {b"[", b"{"}:
        entries = feed.read(payload.body, url)
        return Split(events=tuple(entry_event(one, payload.source) for one in entries))
    document = decode(payload.body)
    found = objects(document) if isinstance(document, list) else [document]
    return Split(events=_once(comment_event({"comment": one}, payload.source) for one in found))


def entry_event(entry: Body, source: str) -> RawEvent:
    """Make the event of a feed's entry; its key is the same for the same version of it."""
    text = entry.get("text") or plain(str(entry.get("html") or ""))
    told = [entry.get(name) for name in ("title", "link", "picture", "tags", "author")]
    name = "article" if source == ARTICLES else "said"
    key = f"{name}:{digest(entry.get('id'))[:24]}:{digest([text, *told])[:24]}"
    return RawEvent(key=key, body=encode({name: entry}), source=source)


def comment_event(body: Body, source: str) -> RawEvent:
    """Make the event of a comment, or of one that is not shown any more."""
    for name in ("gone", "withheld"):
        if name in body:
            key = f"{name}:{body[name]}:{body.get('version', 0)}"
            return RawEvent(key=key, body=encode(body), source=source)
    comment = obj(body.get("comment"))
    key = f"comment:{digest(comment.get('id'))[:24]}:{version(comment, body.get('version', 0))}"
    return RawEvent(key=key, body=encode(body), source=source)


def version(comment: Body, count: object) -> str:
    """Name the version of a comment: what it says, its status, how often it has changed."""
    names = ("content", "status", "post", "parent", "author_name", "date_gmt", "link")
    told = digest([comment.get(name) for name in names])[:24]
    return f"{count}:{told}" if count else told


def _once(events: Iterable[RawEvent]) -> tuple[RawEvent, ...]:
    return tuple({event.key: event for event in events}.values())


# --- meaning ----------------------------------------------------------------------------


def ingest(raw: RawEvent, config: BlogConfig) -> Ingested:
    """Say what an event means. Raises: `InvalidPayload`."""
    body = decode(raw.body)
    if not isinstance(body, dict):
        raise InvalidPayload(f"a {type(body).__name__} instead of a JSON object")
    return Ingested(inbounds=(_meaning(body, raw, config),))


def _meaning(body: Json, raw: RawEvent, config: BlogConfig) -> Inbound:
    seen_at = moment(body.get("seen_at"), raw.received_at) or raw.received_at
    if gone := ident(body.get("gone")):
        return Deletion(id=gone, at=seen_at, thread=ident(body.get("post")))
    if withheld := ident(body.get("withheld")):
        revision = f"withheld:{body.get('version')}"
        return Edit(id=withheld, at=seen_at, revision=revision, hidden=True)
    if "article" in body:
        return _article(obj(body["article"]), raw, config)
    if "said" in body:
        return _said(obj(body["said"]), raw, config)
    if "comment" in body:
        return _comment(obj(body["comment"]), body, raw, config)
    return Ignored(reason="no entry and no comment")


def _article(entry: Json, raw: RawEvent, config: BlogConfig) -> Inbound:
    link = web(words(entry.get("link")))
    if not link:
        return Ignored(reason="an entry without a link")
    text = _text(entry)
    language = config.language or words(entry.get("language"))
    tags = entry.get("tags")
    topics = [one for one in tags if isinstance(one, str)] if isinstance(tags, list) else []
    return Article(
        id=_name(entry.get("id")) or _name(link) or "",
        title=words(entry.get("title")) or (text or link).partition("\n")[0][:80],
        url=_untracked(link),
        published_at=moment(entry.get("published"), raw.received_at) or raw.received_at,
        text=text,
        thumbnail=web(words(entry.get("picture"))),
        language=re.split("[-_]", language.lower())[0][:8] if language else None,
        topics=tuple(dict.fromkeys(topics)),
    )


def _said(entry: Json, raw: RawEvent, config: BlogConfig) -> Inbound:
    """Read a comment of a feed: what it is below is its own address without the fragment."""
    link = web(words(entry.get("link")))
    text = _text(entry)
    if not link or text is None:
        return Ignored(reason="a comment without a link" if text else "a comment without text")
    post = web(words(entry.get("on"))) or urldefrag(link)[0]
    thread = _name(post) or ""
    author = words(entry.get("author"))
    own = author in config.authors
    message = Message(
        id=_name(entry.get("id")) or _name(link) or "",
        kind=Kind.COMMENT,
        thread=thread,
        sent_at=moment(entry.get("published"), raw.received_at) or raw.received_at,
        author=_guest(author, web(words(entry.get("author_url"))), thread),
        text=text,
        url=link,
        own=own,
        no_reply=FEED_ONLY,
        thread_text=words(entry.get("title")),
        thread_url=post,
    )
    return Echo(message=message) if own else message


def _comment(comment: Json, body: Json, raw: RawEvent, config: BlogConfig) -> Inbound:
    comment_id, post = ident(comment.get("id")), ident(comment.get("post"))
    if not comment_id or not post:
        return Ignored(reason="an error" if "code" in comment else "no comment")
    sent_at = moment(comment.get("date_gmt"), raw.received_at) or raw.received_at
    status = str(comment.get("status") or "approved")[:40]
    if status == "trash":
        return Deletion(id=comment_id, at=raw.received_at, thread=post)
    html = words(obj(comment.get("content")).get("rendered"))
    if html is None:
        return Ignored(reason="a comment without text")
    above = next(iter(objects(obj(comment.get("_embedded")).get("up"))), {})
    title = words(obj(above.get("title")).get("rendered"))
    name = words(comment.get("author_name"))
    parent = ident(comment.get("parent"))
    own = body.get("own") is True or name in config.authors
    closed = NO_USER if config.user is None else None
    message = Message(
        id=comment_id,
        kind=Kind.COMMENT,
        thread=post,
        parent=parent if parent != "0" else None,
        sent_at=sent_at,
        author=_author(comment, name, post),
        text=plain(html) or None,
        url=web(words(comment.get("link"))),
        own=own,
        revision=version(comment, body.get("version", 0)),
        hidden=status in UNSEEN,
        no_reply=UNSEEN.get(status) or closed,
        thread_text=plain(title) if title else None,
        thread_url=web(words(above.get("link"))),
    )
    return Echo(message=message) if own else message


# --- parts ------------------------------------------------------------------------------


def _author(comment: Json, name: str | None, post: str) -> Identity | None:
    """Return who wrote: a user by number, a guest by the hash of the address that they gave."""
    url = web(words(comment.get("author_url")))
    user = ident(comment.get("author"))
    if user and user != "0":
        return Identity(id=f"user:{user}", name=name, url=url)
    for avatar in obj(comment.get("author_avatar_urls")).values():
        if found := _AVATAR.search(avatar if isinstance(avatar, str) else ""):
            return Identity(id=f"guest:{found[1]}", name=name, url=url)
    return _guest(name, url, post)


def _guest(name: str | None, url: str | None, thread: str) -> Identity | None:
    """Return somebody of whom only the name is known: the same one below the same post only."""
    if not name:
        return None
    return Identity(id=f"name:{digest([name, thread])[:24]}", name=name, url=url)


def _text(entry: Json) -> str | None:
    text, html = words(entry.get("text")), words(entry.get("html"))
    return text or (plain(html) if html else None) or None


def _name(value: Any) -> str | None:
    """Return an id that fits: a very long one by its hash."""
    text = words(value)
    return ident(text) or (digest(text) if text else None)


def _untracked(link: str) -> str:
    """Return an address without what only counts visits."""
    parts = urlsplit(link)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [one for one in query if not one[0].lower().startswith("utm_")]
    return link if len(kept) == len(query) else urlunsplit(parts._replace(query=urlencode(kept)))
