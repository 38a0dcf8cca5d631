"""The lists of a page, and what is asked of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from channelmix.records import Poll, Polled, Source, minutes
from channelmix_meta import polling
from channelmix_meta.client import Graph
from channelmix_meta.policy import NO_MORE
from channelmix_meta.polling import Below, Listing, Lists

from channelmix_facebook import parsing

COMMENT = (
    "id,message,created_time,from{id,name},parent{id},object{id},attachment,is_hidden,permalink_url"
)
COMMENTS = f"comments.filter(stream).order(reverse_chronological).limit(25){{{COMMENT}}}"
POST = (
    "id,message,story,created_time,updated_time,from{id,name},permalink_url,is_hidden,"
    "is_published,status_type,full_picture,attachments{media_type,type,title,description,url,media}"
)
MESSAGE = (
    "id,message,created_time,from,to,sticker,shares{link,name,description},"
    "attachments{id,mime_type,name,size,image_data,video_data,file_url,generic_template}"
)
RATING = (
    "created_time,has_rating,has_review,rating,recommendation_type,review_text,"
    "reviewer{id,name},open_graph_story{id}"
)
CONVERSATION = f"id,updated_time,participants,messages.limit(20){{{MESSAGE}}}"

LISTINGS: Mapping[str, Listing] = {
    "feed": Listing(path="feed", fields=f"{POST},{COMMENTS}", nested=("comments",)),
    "tagged": Listing(path="tagged", fields=POST),
    # Recommendations are pushed only, so that refusal is no fault of the channel.
    "ratings": Listing(path="ratings", fields=RATING, again={NO_MORE: timedelta(days=1)}),
    "conversations": Listing(
        path="conversations",
        fields=CONVERSATION,
        params={"platform": "messenger"},
        nested=("messages",),
        by_update=True,
    ),
}
OBJECTS: Mapping[str, str] = {
    "post": f"{POST},{COMMENTS}",
    "comment": COMMENT,
    "message": MESSAGE,
    "conversation": CONVERSATION,
}
"""What a `Lookup` can ask for, with its fields."""

SOURCES = (
    Source(name="feed", every=minutes(2), sweep=minutes(30)),
    Source(name="conversations", every=minutes(1), sweep=minutes(15)),
    Source(name="tagged", every=minutes(10), sweep=minutes(60)),
    Source(name="ratings", every=minutes(10), sweep=minutes(60)),
    *(Source(name=name) for name in OBJECTS),
)


def _name_post(comment: dict[str, Any], post: str) -> None:
    comment.setdefault("object", {"id": post})


LISTS = Lists(
    listings=LISTINGS,
    objects=OBJECTS,
    below=Below(
        fields=COMMENT,
        params={"filter": "stream", "order": "reverse_chronological"},
        mark=_name_post,
    ),
    split=parsing.split,
)


async def poll(graph: Graph, wanted: Poll, *, page_id: str, backfill: timedelta) -> Polled:
    """Read one page of one source, or the one object that a `Lookup` names.

    Raises: `RetryLater`, `AuthorizationLost`, `Rejected` (gone, or a permission is missing).
    """
    return await polling.poll(graph, wanted, LISTS, owner=page_id, backfill=backfill)
