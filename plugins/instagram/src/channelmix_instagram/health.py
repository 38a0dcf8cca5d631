"""What an account needs at Meta, where people log in at Facebook and where at Instagram.

Sources: Instagram Platform, "Overview" (permissions) and "Webhooks" (fields).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from channelmix.payloads import Json
from channelmix.records import Finding
from channelmix_meta.health import Needs, warn

from channelmix_instagram.config import InstagramConfig

PERMISSIONS: Mapping[str, str] = {
    "instagram_basic": "the account and its media cannot be read",
    "instagram_manage_comments": "comments cannot be read, answered or hidden",
    "instagram_manage_messages": "messages and private replies do not work",
    "pages_manage_metadata": "no webhooks arrive",
}
"""What each permission is for where people log in at Facebook."""
SCOPES = (
    "instagram_business_basic",
    "instagram_business_manage_comments",
    "instagram_business_manage_messages",
)
"""The permissions asked for where people log in at Instagram."""
FIELDS = (
    "comments",
    "live_comments",
    "mentions",
    "messages",
    "message_edit",
    "message_reactions",
    "messaging_postbacks",
    "messaging_referral",
    "messaging_seen",
    "standby",
)
"""The webhook fields of object `instagram` that this plugin reads."""


def needs(config: InstagramConfig, app_id: str | None) -> Needs:
    """Return what this account needs."""

    def about(account: Json) -> Iterator[Finding]:
        name = account.get("username")
        if name and name != config.username:
            yield warn("username", f'set username = "{name}": it tells own comments from others')

    at_instagram = config.login == "instagram"
    return Needs(
        owner=config.account_id,
        subscriber="me",
        permissions=PERMISSIONS,
        # A page subscribes its app with any field; Instagram's own are chosen in the dashboard.
        fields=FIELDS if at_instagram else (),
        app_id=app_id,
        asks="id,username",
        about=about,
        debug=not at_instagram,
    )
