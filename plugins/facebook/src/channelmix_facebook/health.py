"""What a page needs at Meta. Source: Meta's "Permissions Reference"."""

from __future__ import annotations

from collections.abc import Mapping

from channelmix_meta.health import Needs

PERMISSIONS: Mapping[str, str] = {
    "pages_show_list": "the page is not found",
    "pages_manage_metadata": "no webhooks arrive",
    "pages_read_engagement": "the page's own posts cannot be read",
    "pages_read_user_content": "comments, visitor posts and reviews cannot be read",
    "pages_manage_engagement": "comments cannot be answered, hidden or liked",
    "pages_messaging": "Messenger and private replies do not work",
    "pages_manage_posts": "posts cannot be published, edited or deleted, nor pictures uploaded",
}
"""What each permission is for."""
OPTIONAL = frozenset({"pages_manage_posts"})
"""What a page that only answers with words can do without."""
FIELDS = (
    "feed",
    "mention",
    "ratings",
    "messages",
    "message_echoes",
    "message_edits",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "messaging_postbacks",
    "messaging_referrals",
    "standby",
)
"""The webhook fields of object `page` that this plugin reads."""


def needs(page_id: str, app_id: str | None) -> Needs:
    """Return what this page needs."""
    return Needs(
        owner=page_id,
        subscriber=page_id,
        permissions=PERMISSIONS,
        optional=OPTIONAL,
        fields=FIELDS,
        app_id=app_id,
    )
