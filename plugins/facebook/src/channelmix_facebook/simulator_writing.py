"""What the simulated Graph API carries out, and what it refuses as the real one documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import define
from channelmix_meta import policy
from channelmix_meta.simulator_reading import RefusedError, missing
from channelmix_meta.simulator_world import Conversation, Person
from channelmix_meta.simulator_writing import (
    MessageWriter,
    Params,
    Witness,
    bounded,
    flag,
    ids,
)

from channelmix_facebook.simulator_world import Comment, Post, World

COMMENT_TEXT = 8000


class PageWitness(Witness, Protocol):
    """Who is told of what the page did, so that webhooks tell of it too."""

    def commented(self, comment: Comment) -> None:
        """Tell of a comment by the page."""

    def changed(self, thing: Post | Comment, verb: str) -> None:
        """Tell of an edit, a removal, a hiding."""

    def posted(self, post: Post) -> None:
        """Tell of a post by the page."""


@define(kw_only=True)
class Writer(MessageWriter[World]):
    """Carries out one call at one moment."""

    witness: PageWitness
    longest: int = 2000
    outside_window: int = 2018278
    kinds: frozenset[str] = frozenset({"image", "video", "audio", "file"})

    def write(
        self, method: str, thing: Any, edge: str | None, params: Params, files: Mapping[str, str]
    ) -> Any:
        """Do it and return the answer. Raises: `RefusedError`."""
        if method == "DELETE":
            return self._delete(thing)
        if edge is None:
            return self._update(thing, params)
        doing: Mapping[str, Callable[[Any, Params, Mapping[str, str]], Any]] = {
            "comments": self._comment,
            "likes": self._like,
            "messages": lambda _, params, files: self.message(params, files),
            "feed": self._publish,
            "photos": self._upload,
            "blocked": self._ban,
        }
        return doing[edge](thing, params, files)

    def _comment(self, below: Post | Comment, params: Params, _: Mapping[str, str]) -> Any:
        text = params.get("message", "")
        bounded(text, COMMENT_TEXT)
        photo = params.get("attachment_url") or self._photo(params.get("attachment_id"))
        if not text.strip() and photo is None:
            raise RefusedError(100, "(#100) A comment needs a message or an attachment")
        comment = self.world.add_comment(below, self.world.account, text, self.now, photo)
        self.witness.commented(comment)
        return {"id": comment.id}

    def _photo(self, photo_id: str | None) -> str | None:
        if photo_id is None:
            return None
        if photo_id not in self.world.photos:
            raise missing(photo_id)
        return self.world.photos[photo_id]

    def _like(self, thing: Post | Comment, _: Params, __: Mapping[str, str]) -> Any:
        thing.likes.add(self.world.account.id)
        return {"success": True}

    def _update(self, thing: Post | Comment, params: Params) -> Any:
        if "is_hidden" in params:
            if isinstance(thing, Comment) and thing.author == self.world.account:
                raise RefusedError(200, "(#200) This comment cannot be hidden", status=403)
            thing.hidden = flag(params, "is_hidden")
            self.witness.changed(thing, "hide" if thing.hidden else "unhide")
        if "message" in params:
            if thing.author != self.world.account:
                raise RefusedError(200, "(#200) Only the author may edit", status=403)
            bounded(params["message"], COMMENT_TEXT)
            thing.text = params["message"]
            self.witness.changed(thing, "edited")
        return {"success": True}

    def _delete(self, thing: Post | Comment) -> Any:
        if isinstance(thing, Post):
            del self.world.posts[thing.id]
        else:
            del self.world.comments[thing.id]
        self.witness.changed(thing, "remove")
        return {"success": True}

    def _publish(self, _: Person, params: Params, __: Mapping[str, str]) -> Any:
        media = json.loads(params.get("attached_media", "[]"))
        photo = self._photo(media[0]["media_fbid"]) if media else None
        self._not_again(params.get("message"), photo)
        post = self.world.add_post(
            self.world.account, params.get("message"), self.now, photo=photo, tagged=False
        )
        self.witness.posted(post)
        return {"id": post.id}

    def _not_again(self, text: str | None, photo: str | None) -> None:
        """Refuse what the page's latest post says: 506 is known of posts, not of comments."""
        ours = [one for one in self.world.posts.values() if one.author == self.world.account]
        if any((one.text, one.photo) == (text, photo) for one in ours[-1:]):
            raise RefusedError(506, "(#506) Duplicate status message")

    def _upload(self, _: Person, params: Params, files: Mapping[str, str]) -> Any:
        address = files.get("source") or params.get("url")
        if address is None:
            raise RefusedError(324, "(#324) Requires upload file")
        if "published" not in params or flag(params, "published"):
            raise RefusedError(100, "(#100) This page publishes no photos outside of posts")
        photo_id = str(404_000_000_000_000 + self.world.number())
        self.world.photos[photo_id] = address
        return {"id": photo_id}

    def _ban(self, _: Person, params: Params, __: Mapping[str, str]) -> Any:
        named = [one for name in ("user", "psid", "asid", "uid") for one in ids(params, name)]
        if not named:
            raise RefusedError(100, "(#100) Nobody is named")
        for one in named:
            if one not in self.world.people:
                raise RefusedError(100, "(#100) No matching user found", subcode=2018001)
            self.world.blocked[one] = self.world.people[one]
        return dict.fromkeys(named, True)

    def replied_to(self, recipient: Mapping[str, Any]) -> Conversation:
        """Use up the one private reply to a comment or a post."""
        thing: Post | Comment | None
        if "comment_id" in recipient:
            thing = self.world.comments.get(str(recipient["comment_id"]))
        else:
            thing = self.world.posts.get(str(recipient.get("post_id")))
        if thing is None:
            raise RefusedError(100, "(#100) Invalid comment_id parameter", subcode=2018292)
        late = self.now - thing.created > policy.PRIVATE_REPLY_WINDOW
        if thing.replied or late or thing.author == self.world.account:
            raise RefusedError(100, "(#100) A private reply is not possible", subcode=2534025)
        thing.replied = True
        return self.world.conversation(thing.author)
