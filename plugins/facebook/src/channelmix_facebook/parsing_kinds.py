"""Telling Graph objects apart by their fields: an answer does not say what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from channelmix.payloads import Json, ident, words
from channelmix_meta.parsing_messages import is_message

Found = Literal["message", "conversation", "review", "comment", "post"]

COMMENT_FIELDS = {
    *("comment_count", "can_remove", "can_hide", "can_comment", "can_like", "user_likes"),
    *("like_count", "is_private", "attachment", "private_reply_conversation"),
    *("object", "parent"),
}
REVIEW_FIELDS = {
    *("open_graph_story", "recommendation_type", "review_text", "reviewer"),
    *("has_rating", "has_review", "has_recommendation"),
}
POST_FIELDS = {"status_type", "full_picture", "is_published", "promotable_id", "story"}
SAID = {"message", "from", "created_time", "attachments", "attachment", "permalink_url", "story"}
"""At least one of these is there where somebody said something."""

REASONS: Mapping[str, str] = {
    "error": "graph error",
    "error_type": "graph error",
    "recipient_id": "send answer",
    "headers": "batch answer",
    "business_discovery": "instagram object",
    "tasks": "page",
    "category": "page",
    "fan_count": "page",
    "engagement": "page",
    "rating_count": "page",
    "first_name": "profile",
    "name_format": "profile",
    "token_type": "token",
    "user_id": "token",
    "data": "token",
    "link": "photo or page without an author",
    "name": "profile or page",
}
"""Why an object is no customer's content, by the first of these fields that it has."""


def kind_of(item: Json, source: str, under: str | None) -> Found | None:
    """Say what a Graph object is; `under` is the kind of thing it was nested in, if any."""
    if under == "conversation" or is_message(item):
        return "message"
    if under:
        return "comment"
    if (ident(item.get("id")) or "").startswith("t_") or "participants" in item:
        return "conversation"
    if REVIEW_FIELDS & item.keys():
        return "review"
    if looks_like_comment(item, source):
        return "comment" if SAID & item.keys() else None
    return "post" if _is_post(item, source) else None


def looks_like_comment(item: Json, source: str) -> bool:
    """Say whether a Graph object is a comment; what only messages have decides first."""
    if is_message(item) or REVIEW_FIELDS & item.keys() or POST_FIELDS & item.keys():
        return False
    link = words(item.get("permalink_url")) or ""
    asked = source in {"comment", "comments"}
    return asked or "comment_id=" in link or bool(COMMENT_FIELDS & item.keys())


def _is_post(item: Json, source: str) -> bool:
    if source in {"feed", "tagged", "post"} and SAID & item.keys():
        return True
    named = re.fullmatch(r"[0-9]+_[0-9]+", ident(item.get("id")) or "")
    return bool(named and SAID & item.keys()) or bool(POST_FIELDS & item.keys())


def reason(item: Json) -> str:
    """Say why an object that is no customer's content is left alone."""
    if re.fullmatch(r"[0-9]+_[0-9]+", ident(item.get("id")) or ""):
        return "no content asked for"
    return next((why for key, why in REASONS.items() if key in item), "unknown object")
