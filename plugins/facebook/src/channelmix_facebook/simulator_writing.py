"""What the simulated Graph API carries out, and what it refuses as the real one documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from attrs import define

from channelmix_facebook import policy
from channelmix_facebook.simulator_reading import RefusedError, missing
from channelmix_facebook.simulator_world import Comment, Conversation, Note, Person, Post, World

REMOVED_TAGS = frozenset({"CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"})
TYPES = frozenset({"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"})
COMMENT_TEXT, MESSAGE_TEXT = 8000, 2000
Params = Mapping[str, str]


class Witness(Protocol):
    """Who is told of what the page did, so that webhooks tell of it too."""

    def commented(self, comment: Comment) -> None:
        """Tell of a comment by the page."""

    def said(self, conversation: Conversation, note: Note, metadata: str | None) -> None:
        """Tell of a message by the page."""

    def changed(self, thing: Post | Comment, verb: str) -> None:
        """Tell of an edit, a removal, a hiding."""

    def posted(self, post: Post) -> None:
        """Tell of a post by the page."""


@define(kw_only=True)
class Writer:
    """Carries out one call at one moment."""

    world: World
    now: datetime
    witness: Witness
    human_agent: bool

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
            "messages": self._message,
            "feed": self._publish,
            "photos": self._upload,
            "blocked": self._ban,
        }
        return doing[edge](thing, params, files)

    def _comment(self, below: Post | Comment, params: Params, _: Mapping[str, str]) -> Any:
        text = params.get("message", "")
        _bounded(text, COMMENT_TEXT)
        photo = params.get("attachment_url") or self._photo(params.get("attachment_id"))
        if not text.strip() and photo is None:
            raise RefusedError(100, "(#100) A comment needs a message or an attachment")
        comment = self.world.add_comment(below, self.world.page, text, self.now, photo)
        self.witness.commented(comment)
        return {"id": comment.id}

    def _photo(self, photo_id: str | None) -> str | None:
        if photo_id is None:
            return None
        if photo_id not in self.world.photos:
            raise missing(photo_id)
        return self.world.photos[photo_id]

    def _like(self, thing: Post | Comment, _: Params, __: Mapping[str, str]) -> Any:
        thing.likes.add(self.world.page.id)
        return {"success": True}

    def _update(self, thing: Post | Comment, params: Params) -> Any:
        if "is_hidden" in params:
            if isinstance(thing, Comment) and thing.author == self.world.page:
                raise RefusedError(200, "(#200) This comment cannot be hidden", status=403)
            thing.hidden = _flag(params, "is_hidden")
            self.witness.changed(thing, "hide" if thing.hidden else "unhide")
        if "message" in params:
            if thing.author != self.world.page:
                raise RefusedError(200, "(#200) Only the author may edit", status=403)
            _bounded(params["message"], COMMENT_TEXT)
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
            self.world.page, params.get("message"), self.now, photo=photo, tagged=False
        )
        self.witness.posted(post)
        return {"id": post.id}

    def _not_again(self, text: str | None, photo: str | None) -> None:
        """Refuse what the page's latest post says: 506 is known of posts, not of comments."""
        ours = [one for one in self.world.posts.values() if one.author == self.world.page]
        if any((one.text, one.photo) == (text, photo) for one in ours[-1:]):
            raise RefusedError(506, "(#506) Duplicate status message")

    def _upload(self, _: Person, params: Params, files: Mapping[str, str]) -> Any:
        address = files.get("source") or params.get("url")
        if address is None:
            raise RefusedError(324, "(#324) Requires upload file")
        if "published" not in params or _flag(params, "published"):
            raise RefusedError(100, "(#100) This page publishes no photos outside of posts")
        photo_id = str(404_000_000_000_000 + self.world.number())
        self.world.photos[photo_id] = address
        return {"id": photo_id}

    def _ban(self, _: Person, params: Params, __: Mapping[str, str]) -> Any:
        named = [one for name in ("user", "psid", "asid", "uid") for one in _ids(params, name)]
        if not named:
            raise RefusedError(100, "(#100) Nobody is named")
        for one in named:
            if one not in self.world.people:
                raise RefusedError(100, "(#100) No matching user found", subcode=2018001)
            self.world.blocked[one] = self.world.people[one]
        return dict.fromkeys(named, True)

    # Messenger

    def _message(self, _: Person, params: Params, files: Mapping[str, str]) -> Any:
        recipient, message = _object(params, "recipient"), _object(params, "message")
        attachments = _content(message, files)
        if "id" in recipient:
            conversation = self._reachable(str(recipient["id"]))
            self._in_window(conversation, params)
        else:
            conversation = self._privately(recipient)
        text = message.get("text")
        note = self.world.add_note(conversation, self.world.page, text, self.now, attachments)
        self.witness.said(conversation, note, message.get("metadata"))
        return {"recipient_id": conversation.person.id, "message_id": note.id}

    def _reachable(self, person: str) -> Conversation:
        conversation = self.world.conversations.get(person)
        if conversation is None:
            raise RefusedError(100, "(#100) No matching user found", subcode=2018001)
        if not conversation.available:
            raise RefusedError(551, "(#551) This person isn't available", subcode=1545041)
        if conversation.owner is not None:
            raise RefusedError(100, "(#100) Another app owns the thread", subcode=2018300)
        return conversation

    def _in_window(self, conversation: Conversation, params: Params) -> None:
        tagged = self._tagged(params)
        allowed = policy.HUMAN_WINDOW if tagged else policy.STANDARD_WINDOW
        since = self.now - conversation.heard if conversation.heard else timedelta.max
        if since > allowed:
            text = "(#10) This message is sent outside of allowed window."
            raise RefusedError(10, text, subcode=2018278)

    def _tagged(self, params: Params) -> bool:
        if params.get("messaging_type") not in TYPES:
            raise RefusedError(100, "(#100) Param messaging_type is missing or unknown")
        if params["messaging_type"] != "MESSAGE_TAG":
            return False
        tag = params.get("tag")
        if tag in REMOVED_TAGS or tag != policy.HUMAN_TAG:
            raise RefusedError(100, f"(#100) The tag {tag} is not supported")
        if not self.human_agent:
            raise RefusedError(10, "(#10) The app lacks the Human Agent feature", status=403)
        return True

    def _privately(self, recipient: Mapping[str, Any]) -> Conversation:
        thing: Post | Comment | None
        if "comment_id" in recipient:
            thing = self.world.comments.get(str(recipient["comment_id"]))
        else:
            thing = self.world.posts.get(str(recipient.get("post_id")))
        if thing is None:
            raise RefusedError(100, "(#100) Invalid comment_id parameter", subcode=2018292)
        late = self.now - thing.created > policy.PRIVATE_REPLY_WINDOW
        if thing.replied or late or thing.author == self.world.page:
            raise RefusedError(100, "(#100) A private reply is not possible", subcode=2534025)
        thing.replied = True
        return self.world.conversation(thing.author)


def _content(message: Mapping[str, Any], files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the attachments of a message. Text and attachment exclude each other."""
    unknown = set(message) - {"text", "attachment", "metadata", "quick_replies"}
    if unknown:
        raise RefusedError(100, f"(#100) Unknown key in message: {', '.join(sorted(unknown))}")
    text, attachment = message.get("text"), message.get("attachment")
    if bool(text) is bool(attachment):
        raise RefusedError(100, "(#100) A message has a text or an attachment")
    _bounded(text or "", MESSAGE_TEXT)
    if not attachment:
        return []
    url = (attachment.get("payload") or {}).get("url") or files.get("filedata")
    if url is None or attachment.get("type") not in {"image", "video", "audio", "file"}:
        raise RefusedError(100, "(#100) The attachment cannot be read", subcode=2018047)
    return [{"type": attachment["type"], "payload": {"url": url}}]


def _bounded(text: str, most: int) -> None:
    if len(text) > most:
        raise RefusedError(100, f"(#100) The message is longer than {most} characters")


def _flag(params: Params, name: str) -> bool:
    if params[name] not in {"true", "false"}:
        raise RefusedError(100, f"(#100) Param {name} must be a boolean")
    return params[name] == "true"


def _object(params: Params, name: str) -> dict[str, Any]:
    try:
        value = json.loads(params[name])
    except (KeyError, ValueError) as error:
        raise RefusedError(100, f"(#100) Param {name} must be an object") from error
    if not isinstance(value, dict):
        raise RefusedError(100, f"(#100) Param {name} must be an object")
    return value


def _ids(params: Params, name: str) -> list[str]:
    value = json.loads(params.get(name, "[]"))
    return [str(one) for one in value]
