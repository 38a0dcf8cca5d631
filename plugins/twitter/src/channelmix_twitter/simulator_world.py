"""What a simulated X holds: users, posts, direct messages, media, tokens, webhooks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from attrs import define, field

_EPOCH = 1_288_834_974_657
"""When X began to count, in milliseconds: the upper bits of an id are its time."""


@define(kw_only=True)
class User:
    """Somebody with an account."""

    id: str
    name: str
    username: str
    protected: bool = False
    open_to_all: bool = True
    """Whether everybody may write direct messages to them."""

    def called(self, value: str) -> bool:
        """Say whether this is who a query means, by number or by name in lower case."""
        return value in {self.id, self.username.lower()}


@define(kw_only=True)
class Medium:
    """A file that was handed over, or that belongs to somebody's post."""

    id: str
    owner: str
    mime: str
    category: str
    total: int
    pieces: dict[int, bytes] = field(factory=dict)
    finished: bool = False
    looks: int = 0
    """How often X must be asked until it is done with a film."""

    @property
    def key(self) -> str:
        """The key under which posts show it."""
        return f"{7 if self.mime.startswith('video') else 3}_{self.id}"


@define(kw_only=True)
class Post:
    """One version of a post."""

    id: str
    author: User
    text: str
    created: datetime
    conversation: str
    replied_to: str | None = None
    answered: User | None = None
    """Whose post it answers, for as long as that is there, and after."""
    quoted: str | None = None
    retweeted: str | None = None
    history: list[str] = field(factory=list)
    media: list[str] = field(factory=list)
    reply_settings: str = "everyone"
    mentions: list[User] = field(factory=list)
    """Also those that X puts before an answer."""
    prefix: str = ""
    """The names that X puts before an answer."""
    hidden: bool = False

    @property
    def whole(self) -> str:
        """The text as the API gives it."""
        return f"{self.prefix}{self.text}"


@define(kw_only=True)
class Direct:
    """One direct message."""

    id: str
    conversation: str
    sender: User
    text: str | None
    created: datetime
    media: list[str] = field(factory=list)


@define(kw_only=True)
class World:
    """Everything there is, by id."""

    users: dict[str, User] = field(factory=dict)
    posts: dict[str, Post] = field(factory=dict)
    """In order of their making; an edit takes the place of what it edits."""
    directs: dict[str, Direct] = field(factory=dict)
    media: dict[str, Medium] = field(factory=dict)
    _count: int = 0

    def number(self, at: datetime) -> str:
        """Return an id that nothing else has, and that is larger than all before at its time."""
        self._count += 1
        milliseconds = int(at.timestamp() * 1000) - _EPOCH
        return str((milliseconds << 22) + self._count)

    def person(self, name: str) -> User:
        """Return the person of that name, new or known."""
        for known in self.users.values():
            if known.name == name:
                return known
        handle = re.sub(r"\W", "", name, flags=re.ASCII)[:11].lower() or "somebody"
        # Beyond 2^53 on purpose: who reads an id as a float loses its end.
        number = 1_500_000_000_000_000_001 + 2 * len(self.users)
        return self.add(User(id=str(number), name=name, username=f"{handle}{len(self.users)}"))

    def add(self, user: User) -> User:
        """Add somebody."""
        self.users[user.id] = user
        return user

    def called(self, username: str) -> User | None:
        """Return who has a handle."""
        wanted = username.lower()
        return next((one for one in self.users.values() if one.username.lower() == wanted), None)

    def post(
        self, author: User, text: str, at: datetime, *, named: bool = True, **more: Any
    ) -> Post:
        """Publish a post; who is answered is mentioned, as X does it, unless the author objects."""
        found = self.number(at)
        above = self.posts.get(more.get("replied_to") or "")
        within = list(self._mentioned(text))
        told = [above.author, *above.mentions] if above is not None and named else []
        before = [one for one in told if one.id != author.id and one not in within]
        before = [one for index, one in enumerate(before) if one not in before[:index]]
        mentions, prefix = before + within, "".join(f"@{one.username} " for one in before)
        made = Post(
            id=found,
            author=author,
            text=text,
            created=at,
            conversation=above.conversation if above else found,
            answered=above.author if above else None,
            history=[found],
            mentions=mentions,
            prefix=prefix,
            **more,
        )
        self.posts[found] = made
        return made

    def found(self, post_id: str) -> Post | None:
        """Return a post by its id, or by one that it had before it was edited."""
        known = self.posts.get(post_id)
        return known or next((one for one in self.posts.values() if post_id in one.history), None)

    def edit(self, post: Post, text: str, at: datetime) -> Post:
        """Edit a post: that is a new one with the old one in its history."""
        del self.posts[post.id]
        made = self.post(
            post.author, text, at, replied_to=post.replied_to, quoted=post.quoted, media=post.media
        )
        made.history = [*post.history, made.id]
        made.conversation = post.conversation
        return made

    def _mentioned(self, text: str) -> Iterator[User]:
        for handle in dict.fromkeys(re.findall(r"(?<!\w)@(\w{1,15})", text)):
            if found := self.called(handle):
                yield found

    def direct(self, sender: User, recipient: User, text: str | None, at: datetime) -> Direct:
        """Say something in the conversation of two."""
        pair = sorted((sender.id, recipient.id), key=lambda one: (len(one), one))
        made = Direct(
            id=self.number(at),
            conversation="-".join(pair),
            sender=sender,
            text=text,
            created=at,
        )
        self.directs[made.id] = made
        return made


def stamp(at: datetime) -> str:
    """Write a time as X does."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
