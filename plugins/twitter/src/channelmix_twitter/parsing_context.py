"""What an item of X's needs to know of what it came in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen
from channelmix.payloads import Json, ident, moment, obj, objects, words
from channelmix.records import Attachment, AttachmentKind, Identity

SITE = "https://x.com"


@frozen(kw_only=True)
class Context:
    """The eyes with which an item is read."""

    account: str
    """The user id whose own posts are ours; empty where nothing says."""
    now: datetime
    """When the event arrived; nothing in it can be much later."""
    handle: str = ""
    siblings: frozenset[str] = frozenset()
    """The user ids of our other accounts on X."""
    summoned_only: bool = True
    """X lets this app answer only who mentioned or quoted the account."""
    complete_threads: bool = True
    source: str = "webhook"
    event: str = ""
    """The event type, for what was pushed."""
    users: Mapping[str, Json] = field(factory=dict)
    posts: Mapping[str, Json] = field(factory=dict)
    media: Mapping[str, Json] = field(factory=dict)

    def moment(self, value: Any) -> datetime:
        """Return the time that `value` means, that of arrival where it means none."""
        return moment(value, self.now) or self.now

    def person(self, user: Any) -> Identity | None:
        """Return who has this user id, with what `includes` tell of them."""
        found = ident(user)
        if found is None:
            return None
        told = self.users.get(found, {})
        handle = words(told.get("username"))
        return Identity(
            id=found,
            name=words(told.get("name")),
            handle=handle,
            url=f"{SITE}/{handle}" if handle else f"{SITE}/i/user/{found}",
        )

    def is_ours(self, user: str | None) -> bool:
        """Say whether a user id is this account's or a sibling's."""
        return user is not None and (user == self.account or user in self.siblings)


def including(context: Context, includes: Any) -> Context:
    """Add what `includes` hold, by id; users may be wrapped in `data` once more."""
    told = obj(includes)
    users = [obj(one.get("data")) or one for one in objects(told.get("users"))]
    return evolve(
        context,
        users=_by(users, "id"),
        posts=_by(objects(told.get("tweets")), "id"),
        media=_by(objects(told.get("media")), "media_key"),
    )


def _by(items: list[Json], name: str) -> dict[str, Json]:
    return {key: one for one in items if (key := ident(one.get(name)))}


_KINDS = {
    "photo": AttachmentKind.IMAGE,
    "video": AttachmentKind.VIDEO,
    "animated_gif": AttachmentKind.VIDEO,
}


def attachments(item: Json, context: Context) -> tuple[Attachment, ...]:
    """Return the media of a post or a direct message; what `includes` do not tell has no URL."""
    keys = obj(item.get("attachments")).get("media_keys")
    found = [key for one in (keys if isinstance(keys, list) else ()) if (key := ident(one))]
    return tuple(_attachment(key, context.media.get(key, {})) for key in found)


def sort(told: Json) -> AttachmentKind:
    """Return what a medium is."""
    return _KINDS.get(words(told.get("type")) or "", AttachmentKind.OTHER)


def _attachment(key: str, told: Json) -> Attachment:
    return Attachment(
        kind=sort(told),
        id=key,
        url=words(told.get("url")) or best(told) or words(told.get("preview_image_url")),
        text=words(told.get("alt_text")),
    )


def best(told: Json) -> str | None:
    """Return the address of the best film there is."""
    films = [
        (rate if isinstance(rate := one.get("bit_rate", one.get("bitrate")), int) else 0, url)
        for one in objects(told.get("variants"))
        if one.get("content_type") == "video/mp4" and (url := words(one.get("url")))
    ]
    return max(films)[1] if films else None
