"""What the simulated page tells by webhook, shaped as Meta's webhook reference for `page` says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from channelmix_meta.simulator_events import change
from channelmix_meta.simulator_reading import stamp
from channelmix_meta.simulator_world import Person

from channelmix_facebook.simulator_world import Comment, Post, Review


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


def _post_ref(one: Post) -> dict[str, Any]:
    return {
        "id": one.id,
        "status_type": "added_photos" if one.photo else "mobile_status_update",
        "is_published": True,
        "updated_time": stamp(one.updated),
        "permalink_url": f"https://www.facebook.com/{one.id}",
    }
