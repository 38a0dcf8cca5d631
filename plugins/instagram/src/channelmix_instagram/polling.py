"""The lists of an account, and what is asked of each.

Source: Instagram Platform, reference of IG User, IG Media and IG Comment; "Conversations API".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from channelmix.errors import Rejected
from channelmix.records import Poll, Polled, Source, minutes
from channelmix_meta import polling
from channelmix_meta.client import Graph
from channelmix_meta.polling import Below, Listing, Lists, events_of, wanted_id

from channelmix_instagram import parsing

COMMENT = "id,text,username,from,timestamp,hidden,parent_id"
NESTED = f"{COMMENT},replies.limit(50){{{COMMENT}}}"
MEDIA = (
    "id,caption,media_type,media_product_type,media_url,thumbnail_url,permalink,timestamp,"
    "username,owner,comments_count"
)
MESSAGE = "id,message,created_time,from,to,attachments,shares,story,is_unsupported"
ABOVE = "media{id,permalink,caption}"
"""What a comment that was looked up says of what it is below."""

OBJECTS: Mapping[str, str] = {
    "media": f"{MEDIA},comments.limit(50){{{NESTED}}}",
    "comment": f"{COMMENT},{ABOVE}",
    "message": MESSAGE,
}
"""What a `Lookup` can ask for by its id, with its fields."""
MENTION = "mention"

SOURCES = (
    Source(name="media", every=minutes(2), sweep=minutes(30)),
    Source(name="conversations", every=minutes(1), sweep=minutes(15)),
    *(Source(name=name) for name in (*OBJECTS, MENTION) if name != "media"),
)


def _name_media(comment: dict[str, Any], media: str) -> None:
    comment.setdefault("media", {"id": media})


LISTS = Lists(
    listings={
        "media": Listing(path="media", fields=OBJECTS["media"], nested=("comments", "replies")),
        "conversations": Listing(
            path="conversations",
            # The page that the account is linked to has them, or the account: whose token it is.
            owner="me",
            fields=f"id,updated_time,participants,messages.limit(20){{{MESSAGE}}}",
            params={"platform": "instagram"},
            nested=("messages",),
            by_update=True,
        ),
    },
    objects={name: fields for name, fields in OBJECTS.items() if name != "media"},
    below=Below(fields=NESTED, mark=_name_media),
    split=parsing.split,
)


async def poll(graph: Graph, wanted: Poll, *, account: str, backfill: timedelta) -> Polled:
    """Read one page of one source, or the one object that a `Lookup` names.

    Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (gone, or a permission is missing).
    """
    if wanted.source != MENTION:
        return await polling.poll(graph, wanted, LISTS, owner=account, backfill=backfill)
    found = await graph.get(account, {"fields": mentioned(wanted_id(wanted))})
    return Polled(events=events_of(found, MENTION, LISTS))


def mentioned(argument: str) -> str:
    """Return the field in which Instagram shows what was said elsewhere (reference, IG User).

    Raises: `Rejected` for what is no `media/comment`.
    """
    if not re.fullmatch(r"[0-9]*/[0-9]*", argument):
        raise Rejected(f"a mention is known by numbers, not by {argument[:40]!r}")
    media, _, comment = argument.partition("/")
    if comment:
        return f"mentioned_comment.comment_id({comment}){{id,text,timestamp,username,{ABOVE}}}"
    shown = "id,caption,media_type,media_url,permalink,timestamp,username"
    return f"mentioned_media.media_id({media}){{{shown}}}"
