"""What a simulated page holds: people, posts, comments, conversations, reviews."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

MAILBOX = "263902037430900"
"""The app id of the page's own inbox, as Meta's "Conversation Routing" page names it."""


@frozen(kw_only=True)
class Person:
    """Somebody who writes to the page; the id is the page's own for this person."""

    id: str
    name: str

    def ref(self) -> dict[str, str]:
        """Return the person as Graph names people."""
        return {"id": self.id, "name": self.name}


@define(kw_only=True)
class Post:
    """A post on the page, or elsewhere where the page is tagged."""

    id: str
    author: Person
    text: str | None
    created: datetime
    updated: datetime
    photo: str | None = None
    hidden: bool = False
    tagged: bool = False
    replied: bool = False
    """The one private reply is used up."""
    likes: set[str] = field(factory=set)


@define(kw_only=True)
class Comment:
    """A comment, or an answer to one."""

    id: str
    post: str
    parent: str | None
    author: Person
    text: str | None
    created: datetime
    photo: str | None = None
    hidden: bool = False
    replied: bool = False
    likes: set[str] = field(factory=set)


@define(kw_only=True)
class Note:
    """One message in a conversation."""

    id: str
    author: Person
    text: str | None
    created: datetime
    attachments: list[dict[str, Any]] = field(factory=list)


@define(kw_only=True)
class Conversation:
    """Everything said between the page and one person in Messenger."""

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
class Review:
    """A recommendation."""

    id: str
    author: Person
    text: str | None
    positive: bool
    created: datetime


@define(kw_only=True)
class World:
    """Everything there is, by id."""

    page: Person
    people: dict[str, Person] = field(factory=dict)
    posts: dict[str, Post] = field(factory=dict)
    comments: dict[str, Comment] = field(factory=dict)
    conversations: dict[str, Conversation] = field(factory=dict)
    """By the person's id."""
    reviews: dict[str, Review] = field(factory=dict)
    blocked: dict[str, Person] = field(factory=dict)
    photos: dict[str, str] = field(factory=dict)
    """Uploads: the address of each."""
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

    def add_post(
        self, author: Person, text: str | None, at: datetime, *, photo: str | None, tagged: bool
    ) -> Post:
        """Put a post on the page, or with `tagged` on its author's own wall."""
        wall = author.id if tagged else self.page.id
        post = Post(
            id=f"{wall}_{202_000_000_000_000 + self.number()}",
            author=author,
            text=text,
            created=at,
            updated=at,
            photo=photo,
            tagged=tagged,
        )
        self.posts[post.id] = post
        return post

    def add_comment(
        self,
        below: Post | Comment,
        author: Person,
        text: str | None,
        at: datetime,
        photo: str | None,
    ) -> Comment:
        """Put a comment below a post; an answer to an answer becomes its sibling."""
        post = self.posts[below.post if isinstance(below, Comment) else below.id]
        comment = Comment(
            id=f"{post.id.partition('_')[2]}_{303_000_000_000_000 + self.number()}",
            post=post.id,
            parent=(below.parent or below.id) if isinstance(below, Comment) else None,
            author=author,
            text=text,
            created=at,
            photo=photo,
        )
        post.updated = at
        self.comments[comment.id] = comment
        return comment

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
        if author.id != self.page.id:
            conversation.heard = at
        return note
