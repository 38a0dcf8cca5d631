"""What the simulated account carries out, and what it refuses as the real one documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import define
from channelmix_meta import policy
from channelmix_meta.simulator_reading import RefusedError, missing
from channelmix_meta.simulator_world import Conversation
from channelmix_meta.simulator_writing import (
    MessageWriter,
    Params,
    Witness,
    an_object,
    bounded,
    flag,
)

from channelmix_instagram.policy import COMMENT_TEXT, MESSAGE_BYTES, size
from channelmix_instagram.simulator_world import Comment, World


class AccountWitness(Witness, Protocol):
    """Who is told of what the account did, so that webhooks tell of it too."""

    def tell_comment(self, comment: Comment) -> None:
        """Tell of a comment by the account."""

    def subscribe(self, fields: str) -> None:
        """Send webhooks of these fields from now on."""


@define(kw_only=True)
class Writer(MessageWriter[World]):
    """Carries out one call at one moment."""

    witness: AccountWitness
    longest: int = MESSAGE_BYTES
    size: Callable[[str], int] = size
    outside_window: int = 2534022
    kinds: frozenset[str] = frozenset({"image", "video", "audio"})
    uploads: bool = True
    """Whether files can be handed over: not with log-in at Instagram."""

    def write(
        self, method: str, thing: Any, edge: str | None, params: Params, files: Mapping[str, str]
    ) -> Any:
        """Do it and return the answer. Raises: `RefusedError`."""
        if method == "DELETE":
            del self.world.comments[thing.id]
            return {"success": True}
        doing: Mapping[str | None, Callable[[], Any]] = {
            None: lambda: self._hide(thing, params),
            "replies": lambda: self._reply(thing, params),
            "mentions": lambda: self._mention(params),
            "messages": lambda: self.message(*self._attached(params, files)),
            "message_attachments": lambda: self._upload(params, files),
            "subscribed_apps": lambda: self._subscribe(params),
        }
        return doing[edge]()

    def _reply(self, below: Comment, params: Params) -> Any:
        if below.parent is not None or below.hidden:
            text = "Only a top-level comment that is not hidden can be answered"
            raise RefusedError(100, f"(#100) {text}")
        if self.world.posts[below.post].live:
            raise RefusedError(100, "(#100) Comments on live media cannot be answered")
        return self._say(below, params)

    def _say(self, below: Any, params: Params) -> Any:
        text = params.get("message", "")
        bounded(text, COMMENT_TEXT)
        if not text.strip():
            raise RefusedError(100, "(#100) A comment needs a message")
        comment = self.world.add_comment(below, self.world.account, text, self.now)
        self.witness.tell_comment(comment)
        return {"id": comment.id}

    def _mention(self, params: Params) -> Any:
        media = self.world.posts.get(params.get("media_id", ""))
        if media is None:
            raise missing(params.get("media_id", ""))
        if "comment_id" not in params:
            return self._say(media, params)
        comment = self.world.comments.get(params["comment_id"])
        if comment is None or comment.post != media.id:
            raise missing(params["comment_id"])
        return self._say(comment, params)

    def _hide(self, comment: Comment, params: Params) -> Any:
        if "hide" not in params:
            raise RefusedError(100, "(#100) The parameter hide is required")
        comment.hidden = flag(params, "hide")
        return {"success": True}

    def _upload(self, params: Params, files: Mapping[str, str]) -> Any:
        if not self.uploads:
            raise RefusedError(100, "(#100) Unsupported post request")
        attachment = an_object(params, "message").get("attachment") or {}
        url = files.get("filedata") or (attachment.get("payload") or {}).get("url")
        if params.get("platform") != "instagram" or url is None:
            raise RefusedError(100, "(#100) The attachment cannot be read", subcode=2018047)
        upload_id = str(self.world.number())
        self.world.uploads[upload_id] = {"type": attachment.get("type"), "payload": {"url": url}}
        return {"attachment_id": upload_id}

    def _attached(
        self, params: Params, files: Mapping[str, str]
    ) -> tuple[Params, Mapping[str, str]]:
        """Put the address of a file handed over before into the message that names it."""
        payload = (an_object(params, "message").get("attachment") or {}).get("payload") or {}
        if "attachment_id" not in payload:
            return params, files
        if payload["attachment_id"] not in self.world.uploads:
            raise RefusedError(100, "(#100) The attachment cannot be read", subcode=2018047)
        known = self.world.uploads[payload["attachment_id"]]
        return params, {**files, "filedata": known["payload"]["url"]}

    def _subscribe(self, params: Params) -> Any:
        self.witness.subscribe(params.get("subscribed_fields", ""))
        return {"success": True}

    def replied_to(self, recipient: Mapping[str, Any]) -> Conversation:
        """Use up the one private reply to a comment on the account's own media."""
        comment = self.world.comments.get(str(recipient.get("comment_id")))
        if comment is None:
            raise RefusedError(100, "(#100) Invalid comment_id parameter", subcode=2018292)
        late = self.now - comment.created > policy.PRIVATE_REPLY_WINDOW
        foreign = self.world.posts[comment.post].author != self.world.account
        if comment.replied or late or foreign or comment.author == self.world.account:
            raise RefusedError(100, "(#100) A private reply is not possible", subcode=2534025)
        comment.replied = True
        return self.world.conversation(comment.author)
