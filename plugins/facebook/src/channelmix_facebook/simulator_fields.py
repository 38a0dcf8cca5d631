"""Which fields and parameters the simulated Graph API knows; whatever else is asked is refused.

The real one lets some unknown parameters pass in silence. This one does not, so that a misspelt
name is found here and not by a customer. The names are those of Meta's reference pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Factory, frozen

FIELDS: Mapping[str, frozenset[str]] = {
    "Page": frozenset({"id", "name", "username", "link", "category"}),
    "PagePost": frozenset(
        {
            "id",
            "message",
            "story",
            "created_time",
            "updated_time",
            "from",
            "permalink_url",
            "is_hidden",
            "is_published",
            "status_type",
            "full_picture",
            "can_reply_privately",
            "parent_id",
        }
    ),
    "Comment": frozenset(
        {
            "id",
            "message",
            "created_time",
            "from",
            "parent",
            "object",
            "attachment",
            "is_hidden",
            "permalink_url",
            "can_comment",
            "can_hide",
            "can_reply_privately",
            "like_count",
            "user_likes",
        }
    ),
    "UnifiedThread": frozenset({"id", "updated_time", "participants", "snippet", "link"}),
    "UnifiedMessage": frozenset({"id", "message", "created_time", "from", "to", "sticker"}),
    "Attachment": frozenset(
        {
            "id",
            "mime_type",
            "name",
            "size",
            "image_data",
            "video_data",
            "file_url",
            "generic_template",
        }
    ),
    "Share": frozenset({"link", "name", "description"}),
    "StoryAttachment": frozenset(
        {
            "media_type",
            "type",
            "title",
            "description",
            "url",
            "media",
            "target",
        }
    ),
    "Recommendation": frozenset(
        {
            "created_time",
            "has_rating",
            "has_review",
            "rating",
            "recommendation_type",
            "review_text",
            "reviewer",
            "open_graph_story",
        }
    ),
    "Profile": frozenset({"id", "name"}),
    "Application": frozenset({"id", "name", "subscribed_fields"}),
}
EDGES: Mapping[str, Mapping[str, str]] = {
    "Page": {
        "feed": "PagePost",
        "tagged": "PagePost",
        "conversations": "UnifiedThread",
        "ratings": "Recommendation",
        "blocked": "Profile",
        "subscribed_apps": "Application",
    },
    "PagePost": {"comments": "Comment", "likes": "Profile", "attachments": "StoryAttachment"},
    "Comment": {"comments": "Comment", "likes": "Profile"},
    "UnifiedThread": {"messages": "UnifiedMessage"},
    "UnifiedMessage": {"attachments": "Attachment", "shares": "Share"},
}
"""The lists below each type of object, with the type of what they hold."""

_BELOW = frozenset({"filter", "live_filter", "order", "since"})
_COMMENTING = frozenset({"message", "attachment_id", "attachment_url", "attachment_share_url"})
PARAMS: Mapping[tuple[str, str, str | None], frozenset[str]] = {
    ("GET", "Page", "feed"): frozenset({"include_hidden", "limit", "show_expired", "with"}),
    ("GET", "Page", "conversations"): frozenset({"folder", "platform", "tags", "user_id"}),
    ("GET", "Page", "blocked"): frozenset({"uid", "user"}),
    ("GET", "PagePost", "comments"): _BELOW,
    ("GET", "Comment", "comments"): _BELOW,
    ("POST", "Page", "feed"): frozenset({"message", "link", "attached_media"}),
    ("POST", "Page", "photos"): frozenset({"published", "temporary", "url", "message", "source"}),
    ("POST", "Page", "blocked"): frozenset({"asid", "psid", "uid", "user"}),
    ("POST", "Page", "messages"): frozenset(
        {
            "recipient",
            "message",
            "messaging_type",
            "tag",
            "notification_type",
            "persona_id",
            "reply_to",
            "sender_action",
            "filedata",
        }
    ),
    ("POST", "PagePost", None): frozenset({"message", "is_hidden"}),
    ("POST", "PagePost", "comments"): _COMMENTING,
    ("POST", "PagePost", "likes"): frozenset(),
    ("POST", "Comment", None): _COMMENTING | {"is_hidden"},
    ("POST", "Comment", "comments"): _COMMENTING,
    ("POST", "Comment", "likes"): frozenset(),
    ("DELETE", "PagePost", None): frozenset(),
    ("DELETE", "Comment", None): frozenset(),
}
"""What each call takes beyond `fields`, paging and proof; a list that is missing takes nothing."""
FILES = frozenset({"source", "filedata"})
"""Parameters that are files: Meta's lists do not name them, its pages on uploads do."""
EVERYWHERE = frozenset({"appsecret_proof"})
READING = frozenset({"fields", "limit", "after", "before"})


class UnknownNameError(Exception):
    """A field or parameter that does not exist."""


@frozen(kw_only=True)
class Field:
    """One wanted field: `comments.limit(2){id}`."""

    name: str
    params: Mapping[str, str] = Factory(dict)
    below: tuple[Field, ...] | None = None


_TOKEN = re.compile(r"(?P<name>\w+)(?P<params>(?:\.\w+\([^()]*\))*)(?P<open>\{)?|(?P<mark>[,}])")
_PARAM = re.compile(r"\.(\w+)\(([^()]*)\)")


def parse(text: str) -> tuple[Field, ...]:
    """Read the field expansion of a `fields` parameter (Meta's "Field Expansion")."""
    fields, end = _level(text, 0)
    if end != len(text):
        raise UnknownNameError(f"Syntax error at character {end} of fields")
    return fields


def _level(text: str, at: int) -> tuple[tuple[Field, ...], int]:
    fields: list[Field] = []
    while match := _TOKEN.match(text, at):
        if match["mark"] == "}":
            break
        at = match.end()
        if match["name"]:
            below = None
            if match["open"]:
                below, at = _level(text, at)
                at += 1
            params = dict(_PARAM.findall(match["params"]))
            fields.append(Field(name=match["name"], params=params, below=below))
    return tuple(fields), at


def check_params(method: str, kind: str, edge: str | None, params: Mapping[str, Any]) -> None:
    """Refuse parameters that the call does not take. Raises: `UnknownNameError`."""
    if method != "GET" and (method, kind, edge) not in PARAMS:
        raise UnknownNameError(f"Unsupported {method.lower()} request: {kind}/{edge or ''}")
    known = PARAMS.get((method, kind, edge), frozenset()) | EVERYWHERE
    unknown = set(params) - known - (READING if method == "GET" else frozenset())
    if unknown:
        raise UnknownNameError(f"Unknown parameter: {', '.join(sorted(unknown))}")


def listed(kind: str, edge: str) -> str:
    """Return the type of what a list holds. Raises: `UnknownNameError`."""
    if edge not in EDGES.get(kind, {}):
        raise UnknownNameError(f"Tried accessing nonexisting field ({edge}) on node type ({kind})")
    return EDGES[kind][edge]


def check_fields(kind: str, fields: Iterable[Field]) -> None:
    """Refuse fields that a type does not have, down to the last level.

    Raises: `UnknownNameError`.
    """
    for one in fields:
        below = EDGES.get(kind, {}).get(one.name)
        if below is not None:
            check_params("GET", kind, one.name, one.params)
            check_fields(below, one.below or ())
        elif one.name not in FIELDS[kind]:
            text = f"Tried accessing nonexisting field ({one.name}) on node type ({kind})"
            raise UnknownNameError(text)
