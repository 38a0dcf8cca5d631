"""What Instagram allows, as data.

Sources: Meta's Instagram Platform, "Messaging API", "Private Replies", "Comment Moderation" and
"Mentions".
"""

from __future__ import annotations

from datetime import timedelta

from channelmix.records import Action, AttachmentKind, Kind, Limits
from channelmix_meta.policy import HUMAN_WINDOW, PRIVATE_REPLY_WINDOW, STANDARD_WINDOW
from channelmix_meta.sending import CONVERSATION

COMMENT_TEXT, MESSAGE_BYTES = 2200, 1000
LIVE = "LIVE"
"""The `media_product_type` of a broadcast; a comment on one carries it as its `payload`."""
PUBLIC = frozenset({Kind.COMMENT, Kind.MENTION})

SETTLE_PUBLIC = timedelta(minutes=2)
"""How long a comment or a change of one may be missing from Instagram's lists.

Meta names no time. Too short a one says it twice in public, too long a one says it a little later.
"""
SETTLE_DIRECT = timedelta(seconds=30)
"""The same for a conversation, which is read by its one person and where echoes come at once."""


def size(text: str) -> int:
    """Measure a direct message as Instagram does: in bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


LIMITS = (
    Limits(
        actions={Action.PUBLIC_REPLY},
        kinds=PUBLIC,
        text=COMMENT_TEXT,
        links=False,  # an address is plain text there; in a direct message it is a link
        settle=SETTLE_PUBLIC,
    ),
    Limits(
        actions={Action.PRIVATE_REPLY},
        kinds=CONVERSATION,
        text=MESSAGE_BYTES,
        count=size,
        unit="bytes",
        attachments=1,
        media={AttachmentKind.IMAGE, AttachmentKind.VIDEO, AttachmentKind.AUDIO},
        text_with_media=False,
        window=STANDARD_WINDOW,
        human_window=HUMAN_WINDOW,
        settle=SETTLE_DIRECT,
    ),
    Limits(
        actions={Action.PRIVATE_REPLY},
        kinds={Kind.COMMENT},
        text=MESSAGE_BYTES,
        count=size,
        unit="bytes",
        window=PRIVATE_REPLY_WINDOW,
        human_window=PRIVATE_REPLY_WINDOW,
        once=True,
        settle=SETTLE_DIRECT,
    ),
    Limits(
        actions={Action.HIDE, Action.UNHIDE, Action.DELETE},
        kinds={Kind.COMMENT},
        settle=SETTLE_PUBLIC,
    ),
)
