"""What a simulated X lets be done, and how it refuses ("Manage Posts", "Manage DMs", "Media")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from attrs import define, field

from channelmix_twitter.media import LIMITS
from channelmix_twitter.simulator_reading import RefusedError, forbidden, gone, invalid, processed
from channelmix_twitter.simulator_world import Direct, Medium, Post, User, World
from channelmix_twitter.text import valid

SUMMON = (
    "Reply to this conversation is not allowed because you have not been mentioned or otherwise "
    "engaged by the author of the post you are replying to."
)
DIRECT_TEXT = 10_000
AGAIN = 20
"""How many of one's latest posts may not be said again."""
_CREATE = {"text", "reply", "media", "quote_tweet_id", "reply_settings", "made_with_ai"}
_TYPES = {"image/jpeg", "image/png", "image/webp", "image/gif"}
_TYPES |= {"video/mp4", "video/quicktime", "video/webm"}


class Witness(Protocol):
    """Who is told of what our accounts do, so that webhooks may tell it."""

    def posted(self, post: Post) -> None:
        """Hear of a post of ours."""

    def removed(self, post: Post) -> None:
        """Hear of a post of ours that is gone."""

    def wrote(self, direct: Direct) -> None:
        """Hear of a direct message of ours."""


@define(kw_only=True)
class Writing:
    """Does what an account asks for."""

    world: World
    witness: Witness
    now: Callable[[], datetime]
    enterprise: bool = False
    """Whether the plan lets us answer everybody."""
    slow_films: int = 0
    """How often X must be asked until it is done with a film."""
    refused: set[str] = field(factory=set)
    """Whom X lets nobody write to just now, by user id."""

    def post(self, me: User, body: Mapping[str, Any]) -> Any:
        """Publish a post, or an answer."""
        if unknown := set(body) - _CREATE:
            raise invalid(min(unknown), "", f"$.{min(unknown)}: is not defined in the schema")
        text, media = body.get("text") or "", self._media(me, body)
        if not text and not media:
            raise invalid("text", "", "A post needs a text or media")
        above = self._above(me, body.get("reply") or {})
        self._takes(me, text, media, above)
        made = self.world.post(
            me,
            text,
            self.now(),
            replied_to=above.id if above else None,
            quoted=body.get("quote_tweet_id"),
            media=media,
        )
        self.witness.posted(made)
        return {"data": {"id": made.id, "text": made.whole, "edit_history_tweet_ids": [made.id]}}

    def _takes(self, me: User, text: str, media: list[str], above: Post | None) -> None:
        if text and not valid(text):
            raise forbidden("Your Tweet text is too long, or has characters that are not allowed.")
        if len(re.findall(r"(?<!\w)\$[A-Za-z]{1,6}\b", text)) > 1:
            raise forbidden("You may use one cashtag at the most.")
        ours = [one for one in self.world.posts.values() if one.author.id == me.id][-AGAIN:]
        same = (text, media, above.id if above else None)
        if any((one.text, one.media, one.replied_to) == same for one in ours):
            raise forbidden("You are not allowed to create a Tweet with duplicate content.")

    def _above(self, me: User, reply: Mapping[str, Any]) -> Post | None:
        if not reply:
            return None
        if unknown := set(reply) - {
            "in_reply_to_tweet_id",
            "exclude_reply_user_ids",
            "auto_populate_reply_metadata",
        }:
            raise invalid("reply", min(unknown), f"$.reply.{min(unknown)}: is not defined")
        above = self.world.found(str(reply.get("in_reply_to_tweet_id")))
        if above is None:
            raise forbidden("You attempted to reply to a Tweet that is deleted or not visible.")
        if above.author.id == me.id:
            return above
        if above.reply_settings == "mentionedUsers" and me not in above.mentions:
            raise forbidden("The author limits who may reply.")
        quoted = self.world.posts.get(above.quoted or "")
        summoned = me in above.mentions or (quoted is not None and quoted.author.id == me.id)
        if not summoned and not self.enterprise:
            raise forbidden(SUMMON)
        return above

    def _media(self, me: User, body: Mapping[str, Any]) -> list[str]:
        ids = (body.get("media") or {}).get("media_ids", [])
        for one in ids:
            self._ready(me, one, "tweet")
        films = sum(not self.world.media[one].mime.startswith("image") for one in ids)
        if len(ids) > 4 or (films and len(ids) > 1):  # noqa: PLR2004 - four photos
            raise invalid("media.media_ids", ids, "Up to four photos, or one GIF or film")
        return list(ids)

    def _ready(self, me: User, found: str, use: str) -> Medium:
        medium = self.world.media.get(found)
        if medium is None or medium.owner != me.id or not medium.finished or medium.looks:
            raise invalid("media.media_ids", found, "Your media IDs are invalid.")
        if not medium.category.startswith(use):
            raise invalid("media.media_ids", found, f"This was not uploaded as {use}_…")
        return medium

    def delete(self, me: User, found: str) -> Any:
        """Delete a post of one's own."""
        post = self.world.posts.get(found)
        if post is None:
            return {"data": {"deleted": True}}
        if post.author.id != me.id:
            raise forbidden("You are not authorized to delete this Tweet.")
        del self.world.posts[found]
        self.witness.removed(post)
        return {"data": {"deleted": True}}

    def hide(self, me: User, found: str, body: Mapping[str, Any]) -> Any:
        """Hide an answer in a conversation of one's own."""
        post = self.world.found(found)
        if post is None:
            raise gone(f"tweet with id: [{found}]")
        if not isinstance(body.get("hidden"), bool):
            raise invalid("hidden", body.get("hidden"), "$.hidden: is required, a boolean")
        root = self.world.posts.get(post.conversation)
        if root is None or root.author.id != me.id or post.author.id == me.id:
            raise forbidden("You may hide replies in your own conversations only.")
        post.hidden = body["hidden"]
        return {"data": {"hidden": post.hidden}}

    # direct messages

    def direct_to(self, me: User, person: str, body: Mapping[str, Any]) -> Any:
        """Write to somebody."""
        other = self.world.users.get(person)
        if other is None:
            raise gone(f"user with id: [{person}]")
        return self._direct(me, other, body)

    def direct_in(self, me: User, conversation: str, body: Mapping[str, Any]) -> Any:
        """Write into a conversation."""
        people = conversation.split("-")
        others = [one for one in people if one != me.id]
        if me.id not in people or len(others) != 1 or others[0] not in self.world.users:
            raise forbidden("You are not a participant of this conversation.")
        return self._direct(me, self.world.users[others[0]], body)

    def _direct(self, me: User, other: User, body: Mapping[str, Any]) -> Any:
        if unknown := set(body) - {"text", "attachments"}:
            raise invalid(min(unknown), "", f"$.{min(unknown)}: is not defined in the schema")
        text, attached = body.get("text"), body.get("attachments") or []
        if not text and not attached:
            raise invalid("text", text, "A message needs a text or an attachment")
        if len(text or "") > DIRECT_TEXT or len(attached) > 1:
            raise invalid("text", "", f"At most {DIRECT_TEXT} characters and one attachment")
        media = [self._ready(me, str(one.get("media_id")), "dm").id for one in attached]
        heard = any(
            one.sender.id == other.id and me.id in one.conversation.split("-")
            for one in self.world.directs.values()
        )
        if other.id in self.refused or not (other.open_to_all or heard):
            raise forbidden("You do not have permission to DM one or more participants.")
        made = self.world.direct(me, other, text, self.now())
        made.media = media
        self.witness.wrote(made)
        return {"data": {"dm_conversation_id": made.conversation, "dm_event_id": made.id}}

    # files

    def initialize(self, me: User, body: Mapping[str, Any]) -> Any:
        """Begin to take a file."""
        mime, category = str(body.get("media_type")), str(body.get("media_category"))
        if unknown := set(body) - {"media_type", "media_category", "total_bytes", "shared"}:
            raise invalid(min(unknown), "", f"$.{min(unknown)}: is not defined in the schema")
        if mime not in _TYPES:
            raise invalid("media_type", mime, "$.media_type: is not one of the allowed")
        family = "gif" if mime == "image/gif" else mime.partition("/")[0]
        if category not in {f"tweet_{family}", f"dm_{family}"}:
            raise invalid("media_category", category, "The category does not fit the type")
        total = body.get("total_bytes")
        if not isinstance(total, int) or not 0 < total <= LIMITS[family]:
            raise invalid("total_bytes", total, "The file is too large, or its size is not said")
        found = self.world.number(self.now())
        medium = Medium(id=found, owner=me.id, mime=mime, category=category, total=total)
        self.world.media[found] = medium
        return {"data": {"id": found, "media_key": medium.key, "expires_after_secs": 86399}}

    def append(self, me: User, found: str, index: str, content: bytes) -> Any:
        """Take a piece of a file."""
        medium = self._own(me, found)
        if not index.isdecimal() or not content:
            raise invalid("segment_index", index, "A piece needs its number and its bytes")
        medium.pieces[int(index)] = content
        return {"data": {"expires_at": int(self.now().timestamp()) + 86400}}

    def finalize(self, me: User, found: str) -> Any:
        """Put the pieces together."""
        medium = self._own(me, found)
        whole = sum(map(len, medium.pieces.values()))
        if sorted(medium.pieces) != list(range(len(medium.pieces))) or whole != medium.total:
            raise invalid("id", found, "Segments do not add up to the announced size")
        medium.finished = True
        medium.looks = self.slow_films if medium.mime.startswith("video") else 0
        return {"data": processed(medium)}

    def _own(self, me: User, found: str) -> Medium:
        medium = self.world.media.get(found)
        if medium is None or medium.owner != me.id:
            raise RefusedError(400, "Invalid Request", "There is no such media")
        return medium
