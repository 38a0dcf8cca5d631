"""Which fields and parameters the simulated account knows. The names are those of Meta's reference.

`Me` is whose token it is: the linked page, with log-in at Instagram the account, and while a
person logs in at Facebook that person.
"""

from __future__ import annotations

from collections.abc import Mapping

from channelmix_meta.simulator_fields import Catalogue

_COMMENT = frozenset(
    {"id", "text", "username", "from", "timestamp", "hidden", "parent_id", "media"}
)
FIELDS: Mapping[str, frozenset[str]] = {
    "IGUser": frozenset({"id", "username", "name", "mentioned_comment", "mentioned_media"}),
    "Me": frozenset({"id", "user_id", "username", "name"}),
    "IGMedia": frozenset(
        {
            "id",
            "caption",
            "media_type",
            "media_product_type",
            "media_url",
            "thumbnail_url",
            "permalink",
            "timestamp",
            "username",
            "owner",
            "comments_count",
        }
    ),
    "IGComment": _COMMENT,
    "UnifiedThread": frozenset({"id", "updated_time", "participants"}),
    "UnifiedMessage": frozenset(
        {"id", "message", "created_time", "from", "to", "story", "is_unsupported"}
    ),
    "Attachment": frozenset({"id", "mime_type", "name", "image_data", "video_data", "file_url"}),
    "Share": frozenset({"link"}),
    "Profile": frozenset({"id", "username"}),
    "Account": frozenset({"id", "name", "access_token", "instagram_business_account"}),
    "Application": frozenset({"id", "app_id", "subscribed_fields"}),
}
EDGES: Mapping[str, Mapping[str, str]] = {
    "IGUser": {"media": "IGMedia"},
    "Me": {
        "accounts": "Account",
        "conversations": "UnifiedThread",
        "subscribed_apps": "Application",
    },
    "IGMedia": {"comments": "IGComment"},
    "IGComment": {"replies": "IGComment"},
    "UnifiedThread": {"messages": "UnifiedMessage"},
    "UnifiedMessage": {"attachments": "Attachment", "shares": "Share"},
}
"""The lists below each type of object, with the type of what they hold."""
PARAMS: Mapping[tuple[str, str, str | None], frozenset[str]] = {
    ("GET", "Me", "conversations"): frozenset({"folder", "platform", "tags", "user_id"}),
    ("POST", "Me", "messages"): frozenset({"recipient", "message", "messaging_type", "tag"}),
    ("POST", "Me", "message_attachments"): frozenset({"platform", "message", "filedata"}),
    ("POST", "Me", "subscribed_apps"): frozenset({"subscribed_fields"}),
    ("POST", "IGUser", "mentions"): frozenset({"media_id", "comment_id", "message"}),
    ("POST", "IGComment", "replies"): frozenset({"message"}),
    ("POST", "IGComment", None): frozenset({"hide"}),
    ("DELETE", "IGComment", None): frozenset(),
}
"""What each call takes; a list that is missing takes nothing."""

CATALOGUE = Catalogue(fields=FIELDS, edges=EDGES, params=PARAMS)
