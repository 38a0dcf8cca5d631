"""What Facebook allows, as data.

Sources: Meta's Messenger Platform policy and "Private Replies" pages.
"""

from __future__ import annotations

from datetime import timedelta

from channelmix.records import Action, AttachmentKind, Kind, Limits
from channelmix_meta.policy import (
    ANSWERED_PRIVATELY,
    HUMAN_WINDOW,
    PRIVATE_REPLY_WINDOW,
    STANDARD_WINDOW,
)

PUBLIC = frozenset({Kind.POST, Kind.COMMENT, Kind.MENTION})
_MEDIA = frozenset(
    {AttachmentKind.IMAGE, AttachmentKind.VIDEO, AttachmentKind.AUDIO, AttachmentKind.FILE}
)

SETTLE_PUBLIC = timedelta(minutes=2)
"""How long a post, a comment or a change of one may be missing from Facebook's lists.

Meta names no time. Too short a one says it twice in public, too long a one says it a little later.
"""
SETTLE_DIRECT = timedelta(seconds=30)
"""The same for a conversation, which is read by its one person and where echoes come at once."""

LIMITS = (
    Limits(
        actions={Action.PUBLIC_REPLY},
        kinds=PUBLIC,
        text=8000,
        attachments=1,
        media={AttachmentKind.IMAGE},
        settle=SETTLE_PUBLIC,
    ),
    Limits(
        actions={Action.PRIVATE_REPLY},
        kinds={Kind.DIRECT_MESSAGE},
        text=2000,
        attachments=1,
        media=_MEDIA,
        text_with_media=False,
        window=STANDARD_WINDOW,
        human_window=HUMAN_WINDOW,
        settle=SETTLE_DIRECT,
    ),
    Limits(
        actions={Action.PRIVATE_REPLY},
        kinds=ANSWERED_PRIVATELY,
        text=2000,
        window=PRIVATE_REPLY_WINDOW,
        human_window=PRIVATE_REPLY_WINDOW,
        once=True,
        settle=SETTLE_DIRECT,
    ),
    Limits(
        actions={Action.HIDE, Action.UNHIDE, Action.LIKE},
        kinds={Kind.COMMENT, Kind.POST},
        settle=SETTLE_PUBLIC,
    ),
    Limits(actions={Action.EDIT}, kinds=PUBLIC, text=8000, settle=SETTLE_PUBLIC),
    Limits(actions={Action.DELETE}, kinds=PUBLIC, settle=SETTLE_PUBLIC),
    Limits(actions={Action.BAN}, settle=SETTLE_PUBLIC),
    Limits(
        actions={Action.PUBLISH},
        text=63206,
        attachments=1,
        media={AttachmentKind.IMAGE},
        settle=SETTLE_PUBLIC,
    ),
)
