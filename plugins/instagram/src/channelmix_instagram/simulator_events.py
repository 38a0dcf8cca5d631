"""What a simulated account tells by webhook, shaped as Meta's reference for `instagram` says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from channelmix.testing.simulator import Event
from channelmix_meta.simulator_events import change

from channelmix_instagram.simulator_world import Comment, Media, ref


def comment(one: Comment, media: Media, *, ad: str | None = None) -> dict[str, Any]:
    """Tell of a comment. Below a boosted post it names the ad, and the post beside it."""
    place: dict[str, Any] = {"id": media.id, "media_product_type": "LIVE" if media.live else "FEED"}
    if ad is not None:
        place = {"id": ad, "media_product_type": "AD", "ad_id": ad, "original_media_id": media.id}
    value = {
        "from": ref(one.author),
        "media": place,
        "id": one.id,
        "parent_id": one.parent,
        "text": one.text,
    }
    return change("live_comments" if media.live else "comments", value)


def mention(media: Media, comment_id: str | None) -> dict[str, Any]:
    """Tell that the account was named elsewhere: ids, and nothing of what was said."""
    return change("mentions", {"media_id": media.id, "comment_id": comment_id})


def flat_body(events: Sequence[Event]) -> bytes:
    """Put events into one body as apps with log-in at Instagram get them: no `changes`."""
    entries = [_flat(one) for one in events]
    text = json.dumps({"object": "instagram", "entry": entries}, separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def _flat(event: Event) -> Mapping[str, Any]:
    name, item, seconds = event.content["list"], event.content["item"], event.at.timestamp()
    if name == "changes":
        return {"id": event.account, "time": int(seconds), **item}
    return {"id": event.account, "time": int(seconds * 1000), name: [item]}
