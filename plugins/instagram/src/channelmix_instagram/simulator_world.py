"""What a simulated account holds beside its conversations: media and comments, also elsewhere."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from attrs import define, field
from channelmix_meta.simulator_world import Inbox, Person


@define(kw_only=True)
class Media:
    """A picture or a film, of the account or, with a mention in it, of somebody else."""

    id: str
    author: Person
    text: str | None
    created: datetime
    photo: str
    live: bool = False
    """A broadcast that is on."""


@define(kw_only=True)
class Comment:
    """A comment, or an answer to one."""

    id: str
    post: str
    parent: str | None
    author: Person
    text: str | None
    created: datetime
    hidden: bool = False
    replied: bool = False
    """The one private reply is used up."""


def handle(person: Person) -> str:
    """Return the name of a person's account."""
    plain = unicodedata.normalize("NFKD", person.name).encode("ascii", "ignore")
    return re.sub(r"[^a-z0-9]+", ".", plain.decode().lower()).strip(".")[:30]


def ref(person: Person) -> dict[str, str]:
    """Return a person as Instagram names people."""
    return {"id": person.id, "username": handle(person)}


@define(kw_only=True)
class World(Inbox):
    """Everything there is, by id."""

    posts: dict[str, Media] = field(factory=dict)
    comments: dict[str, Comment] = field(factory=dict)
    uploads: dict[str, dict[str, Any]] = field(factory=dict)
    """Files handed over for a message."""

    def add_post(
        self, author: Person, text: str | None, at: datetime, photo: str, *, live: bool = False
    ) -> Media:
        """Publish a picture."""
        media_id = str(17_900_000_000_000_001 + 2 * self.number())
        media = Media(id=media_id, author=author, text=text, created=at, photo=photo, live=live)
        self.posts[media.id] = media
        return media

    def add_comment(
        self, below: Media | Comment, author: Person, text: str | None, at: datetime
    ) -> Comment:
        """Put a comment below a picture; an answer to an answer becomes its sibling."""
        comment = Comment(
            id=str(18_100_000_000_000_001 + 2 * self.number()),
            post=below.post if isinstance(below, Comment) else below.id,
            parent=(below.parent or below.id) if isinstance(below, Comment) else None,
            author=author,
            text=text,
            created=at,
        )
        self.comments[comment.id] = comment
        return comment
