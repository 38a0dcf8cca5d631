"""What a simulated account holds: people and their conversations with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

MAILBOXES = {"messenger": "263902037430900", "instagram": "1217981644879628"}
"""The app id of each network's own inbox, as Meta's "Conversation Routing" page names it."""


@frozen(kw_only=True)
class Person:
    """Somebody who writes to the account; the id is the account's own for this person."""

    id: str
    name: str

    def ref(self) -> dict[str, str]:
        """Return the person as Graph names people."""
        return {"id": self.id, "name": self.name}


@define(kw_only=True)
class Note:
    """One message in a conversation."""

    id: str
    author: Person
    text: str | None
    created: datetime
    attachments: list[dict[str, Any]] = field(factory=list)
    story: dict[str, Any] | None = None
    """The story that it answers or mentions the account in, as Graph shows it."""


@define(kw_only=True)
class Conversation:
    """Everything said between the account and one person."""

    id: str
    person: Person
    notes: list[Note] = field(factory=list)
    heard: datetime | None = None
    """When the person last said something: that opens the reply window."""
    owner: str | None = None
    """The app that controls it; None: ours."""
    available: bool = True

    @property
    def updated(self) -> datetime:
        """When something was last said."""
        return self.notes[-1].created if self.notes else datetime.min.replace(tzinfo=UTC)


@define(kw_only=True)
class Inbox:
    """People and conversations, by id."""

    account: Person
    """The account itself."""
    people: dict[str, Person] = field(factory=dict)
    conversations: dict[str, Conversation] = field(factory=dict)
    """By the person's id."""
    media: dict[str, tuple[str, bytes]] = field(factory=dict)
    """What is served under `/media/`: type and bytes."""
    _count: int = 0

    def number(self) -> int:
        """Return a number that nothing else has."""
        self._count += 1
        return self._count

    def person(self, name: str) -> Person:
        """Return the person of that name, new or known."""
        for known in self.people.values():
            if known.name == name:
                return known
        # Beyond 2^53 on purpose: who reads an id as a float loses its end.
        new = Person(id=str(24_000_000_000_000_001 + 2 * len(self.people)), name=name)
        self.people[new.id] = new
        return new

    def conversation(self, person: Person) -> Conversation:
        """Return the conversation with a person, new or known."""
        new = Conversation(id=f"t_{person.id[::-1]}", person=person)
        return self.conversations.setdefault(person.id, new)

    def note(self, note_id: str) -> tuple[Conversation, Note] | None:
        """Find a message with its conversation."""
        for conversation in self.conversations.values():
            for note in conversation.notes:
                if note.id == note_id:
                    return conversation, note
        return None

    def add_note(
        self,
        conversation: Conversation,
        author: Person,
        text: str | None,
        at: datetime,
        attachments: list[dict[str, Any]],
    ) -> Note:
        """Say something in a conversation; only the person opens the window."""
        note = Note(
            id=f"m_{self.number():06d}-{conversation.person.id}",
            author=author,
            text=text,
            created=at,
            attachments=attachments,
        )
        conversation.notes.append(note)
        if author.id != self.account.id:
            conversation.heard = at
        return note
