"""What people do in the conversations of a simulated account; each act is told by webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic

from attrs import define, field

from channelmix_meta import simulator_events as tell
from channelmix_meta.simulator_reading import W
from channelmix_meta.simulator_wire import GraphSimulator
from channelmix_meta.simulator_world import MAILBOXES, Conversation, Note


@define(eq=False, kw_only=True, slots=False)
class InboxScript(GraphSimulator, Generic[W]):
    """The account and the people who write to it."""

    world: W = field(init=False)

    # in conversations

    def direct_message(
        self,
        author: str,
        text: str | None,
        *,
        attachments: Sequence[Mapping[str, Any]] = (),
        push: bool = True,
    ) -> Note:
        """Let somebody write to the account; `attachments` as Meta's webhooks name them."""
        person = self.world.person(author)
        conversation = self.world.conversation(person)
        note = self.world.add_note(
            conversation, person, text, self.clock.now(), [dict(one) for one in attachments]
        )
        message = tell.message(note.id, text, note.attachments)
        self.tell_messaging(conversation, "message add", note.id, push=push, message=message)
        return note

    def picture(self, name: str = "photo.jpg") -> dict[str, Any]:
        """Return an attachment for a direct message."""
        kind = "video" if name.endswith("mp4") else "image"
        return {"type": kind, "payload": {"url": self.media(name)}}

    def pass_thread(self, author: str, app: str | None) -> None:
        """Give a conversation to another app, or with None back to ours."""
        self.world.conversation(self.world.person(author)).owner = app

    def unavailable(self, author: str) -> None:
        """Let somebody be out of reach: blocked the page, or closed the account."""
        self.world.conversation(self.world.person(author)).available = False

    def edit_note(self, note: Note, text: str, *, push: bool = True) -> None:
        """Let the author change a message."""
        note.text = text
        conversation = self.world.conversation(note.author)
        change = {"mid": note.id, "text": text, "num_edit": 1}
        self.tell_messaging(conversation, "message edit", note.id, push=push, message_edit=change)

    def remove_note(self, note: Note, *, push: bool = True) -> None:
        """Let the author take a message back."""
        conversation = self.world.conversation(note.author)
        conversation.notes.remove(note)
        message = {"mid": note.id, "is_deleted": True}
        self.tell_messaging(conversation, "message remove", note.id, push=push, message=message)

    def react_to_note(self, note: Note, author: str, name: str) -> None:
        """Let somebody react to a message."""
        what = {"mid": note.id, "action": "react", "reaction": name}
        conversation = self.world.conversation(self.world.person(author))
        self.tell_messaging(conversation, "reaction add", note.id, reaction=what)

    def native_message(self, note: Note, text: str, *, push: bool = True) -> Note:
        """Let one of us answer in the network's own app, past this desk."""
        conversation = self.world.conversation(note.author)
        ours = self.world.add_note(conversation, self.world.account, text, self.clock.now(), [])
        self.echo(conversation, ours, app=MAILBOXES[self.platform], metadata=None, push=push)
        return ours

    # what webhooks tell

    def said(self, conversation: Conversation, note: Note, metadata: str | None) -> None:
        """Tell of a message by the account."""
        self.echo(conversation, note, app=self.app_id, metadata=metadata)

    def echo(
        self,
        conversation: Conversation,
        note: Note,
        *,
        app: str,
        metadata: str | None,
        push: bool = True,
    ) -> None:
        """Tell of a message by the account itself, sent with some app."""
        more = {"is_echo": True, "app_id": int(app), "metadata": metadata}
        message = tell.message(note.id, note.text, note.attachments, **more)
        self.tell_messaging(conversation, "echo add", note.id, own=True, push=push, message=message)

    def tell_messaging(
        self,
        conversation: Conversation,
        name: str,
        subject: str,
        *,
        own: bool = False,
        push: bool = True,
        **what: Any,
    ) -> None:
        """Tell of something in a conversation."""
        now = self.clock.now()
        content = tell.messaging(conversation, self.world.account, now, own=own, **what)
        self.record(name, subject, content, own=own, push=push)
