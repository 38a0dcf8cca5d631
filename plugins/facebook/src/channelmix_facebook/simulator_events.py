"""What the simulated page tells by webhook, shaped as Meta's webhook reference for `page` says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from channelmix.testing.simulator import Event

from channelmix_facebook.simulator_reading import stamp
from channelmix_facebook.simulator_world import Comment, Conversation, Person, Post, Review


def body(events: Sequence[Event]) -> bytes:
    """Put events into one body: ASCII only, a backslash before each slash, as Meta writes it."""
    entries = [
        _entry(name, list(group))
        for name, group in itertools.groupby(events, lambda one: str(one.content["list"]))
    ]
    text = json.dumps({"object": "page", "entry": entries}, separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def _entry(name: str, events: Sequence[Event]) -> dict[str, Any]:
    seconds = events[-1].at.timestamp()
    time = int(seconds) if name == "changes" else int(seconds * 1000)
    items = [one.content["item"] for one in events]
    return {"id": events[0].account, "time": time, name: items}


def change(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Make the content of an event about the page's public side."""
    kept = {name: one for name, one in value.items() if one is not None}
    return {"list": "changes", "item": {"field": field, "value": kept}}


def comment(one: Comment, post: Post, verb: str, at: datetime) -> dict[str, Any]:
    """Tell of a comment. A removal says neither text nor photo."""
    value = {
        "item": "comment",
        "verb": verb,
        "from": one.author.ref(),
        "post_id": one.post,
        "comment_id": one.id,
        "parent_id": one.parent or one.post,
        "created_time": int(at.timestamp()),
    }
    if verb != "remove":
        value |= {"message": one.text or None, "photo": one.photo, "post": _post_ref(post)}
    return change("feed", value)


def post(one: Post, verb: str, at: datetime) -> dict[str, Any]:
    """Tell of a post."""
    value: dict[str, Any] = {
        "item": "photo" if one.photo else "status",
        "verb": verb,
        "from": one.author.ref(),
        "post_id": one.id,
        "created_time": int(at.timestamp()),
    }
    if verb != "remove":
        value |= {"published": 1, "message": one.text, "link": one.photo}
    return change("feed", value)


def mention(one: Post, at: datetime) -> dict[str, Any]:
    """Tell that the page was named in a post elsewhere."""
    value = {
        "item": "post",
        "verb": "add",
        "post_id": one.id,
        "message": one.text,
        "from": one.author.ref(),
        "created_time": int(at.timestamp()),
    }
    return change("mention", value)


def review(one: Review, verb: str, at: datetime) -> dict[str, Any]:
    """Tell of a recommendation."""
    value = {
        "item": "rating",
        "verb": verb,
        "open_graph_story_id": one.id,
        "reviewer_id": one.author.id,
        "reviewer_name": one.author.name,
        "recommendation_type": "POSITIVE" if one.positive else "NEGATIVE",
        "review_text": one.text,
        "created_time": int(at.timestamp()),
    }
    return change("ratings", value)


def reaction(target: Post | Comment, person: Person, name: str, at: datetime) -> dict[str, Any]:
    """Tell of a like or its kin on something public."""
    value = {
        "item": "reaction",
        "verb": "add",
        "reaction_type": name,
        "from": person.ref(),
        "post_id": target.post if isinstance(target, Comment) else target.id,
        "comment_id": target.id if isinstance(target, Comment) else None,
        "parent_id": target.id,
        "created_time": int(at.timestamp()),
    }
    return change("feed", value)


def messaging(
    conversation: Conversation, page: Person, by_page: Person | None, at: datetime, **what: Any
) -> dict[str, Any]:
    """Tell of something in Messenger; `standby` if another app controls the conversation."""
    sender, recipient = conversation.person, page
    if by_page is not None:
        sender, recipient = page, conversation.person
    item = {
        "sender": {"id": sender.id},
        "recipient": {"id": recipient.id},
        "timestamp": int(at.timestamp() * 1000),
        **what,
    }
    return {"list": "standby" if conversation.owner else "messaging", "item": item}


def message(
    note_id: str, text: str | None, attachments: Iterable[Mapping[str, Any]], **more: Any
) -> dict[str, Any]:
    """Make the `message` part of a messaging event."""
    parts = {"mid": note_id, "text": text, "attachments": list(attachments) or None, **more}
    return {name: one for name, one in parts.items() if one is not None}


def _post_ref(one: Post) -> dict[str, Any]:
    return {
        "id": one.id,
        "status_type": "added_photos" if one.photo else "mobile_status_update",
        "is_published": True,
        "updated_time": stamp(one.updated),
        "permalink_url": f"https://www.facebook.com/{one.id}",
    }
