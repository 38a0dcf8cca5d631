"""How a simulated account sends messages, and what is refused as the real network documents."""

from __future__ import annotations

import abc
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol

from attrs import define

from channelmix_meta import policy
from channelmix_meta.simulator_reading import RefusedError, W
from channelmix_meta.simulator_world import Conversation, Note

REMOVED_TAGS = frozenset({"CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"})
TYPES = frozenset({"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"})
Params = Mapping[str, str]


class Witness(Protocol):
    """Who is told of what the account said, so that webhooks tell of it too."""

    def said(self, conversation: Conversation, note: Note, metadata: str | None) -> None:
        """Tell of a message by the account."""


@define(kw_only=True)
class MessageWriter(abc.ABC, Generic[W]):
    """Sends messages at one moment."""

    world: W
    now: datetime
    witness: Witness
    human_agent: bool
    """Whether the app has the Human Agent feature."""
    longest: int
    """The longest text, as `size` measures it."""
    size: Callable[[str], int] = len
    outside_window: int
    """The subcode of error 10 for a message outside of the window."""
    kinds: frozenset[str]
    """The kinds of attachments that can be sent."""

    @abc.abstractmethod
    def replied_to(self, recipient: Mapping[str, Any]) -> Conversation:
        """Use up the one private reply to something public.

        Raises: `RefusedError`.
        """

    def message(self, params: Params, files: Mapping[str, str]) -> Any:
        """Send one message."""
        recipient, message = an_object(params, "recipient"), an_object(params, "message")
        attachments = self._content(message, files)
        if "id" in recipient:
            conversation = self._reachable(str(recipient["id"]))
            self._in_window(conversation, params)
        else:
            conversation = self.replied_to(recipient)
        text = message.get("text")
        note = self.world.add_note(conversation, self.world.account, text, self.now, attachments)
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
            raise RefusedError(10, text, subcode=self.outside_window)

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

    def _content(
        self, message: Mapping[str, Any], files: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return the attachments of a message. Text and attachment exclude each other."""
        unknown = set(message) - {"text", "attachment", "metadata", "quick_replies"}
        if unknown:
            raise RefusedError(100, f"(#100) Unknown key in message: {', '.join(sorted(unknown))}")
        text, attachment = message.get("text"), message.get("attachment")
        if bool(text) is bool(attachment):
            raise RefusedError(100, "(#100) A message has a text or an attachment")
        bounded(text or "", self.longest, self.size)
        if not attachment:
            return []
        url = (attachment.get("payload") or {}).get("url") or files.get("filedata")
        if url is None or attachment.get("type") not in self.kinds:
            raise RefusedError(100, "(#100) The attachment cannot be read", subcode=2018047)
        return [{"type": attachment["type"], "payload": {"url": url}}]


def bounded(text: str, most: int, size: Callable[[str], int] = len) -> None:
    """Refuse what is too long."""
    if size(text) > most:
        raise RefusedError(100, f"(#100) The message is too long: the most is {most}")


def flag(params: Params, name: str) -> bool:
    """Read a boolean parameter."""
    if params[name] not in {"true", "false"}:
        raise RefusedError(100, f"(#100) Param {name} must be a boolean")
    return params[name] == "true"


def an_object(params: Params, name: str) -> dict[str, Any]:
    """Read a parameter that is a JSON object."""
    try:
        value = json.loads(params[name])
    except (KeyError, ValueError) as error:
        raise RefusedError(100, f"(#100) Param {name} must be an object") from error
    if not isinstance(value, dict):
        raise RefusedError(100, f"(#100) Param {name} must be an object")
    return value


def ids(params: Params, name: str) -> list[str]:
    """Read a parameter that is a list of ids."""
    value = json.loads(params.get(name, "[]"))
    return [str(one) for one in value]
