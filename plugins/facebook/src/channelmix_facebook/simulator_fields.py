"""Which fields and parameters the simulated page knows. The names are those of Meta's reference."""

from __future__ import annotations

from collections.abc import Mapping

from channelmix_meta.simulator_fields import Catalogue

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
"""What each call takes; a list that is missing takes nothing."""

CATALOGUE = Catalogue(fields=FIELDS, edges=EDGES, params=PARAMS)
