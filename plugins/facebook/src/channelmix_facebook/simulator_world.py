"""What a simulated page holds beside its conversations: posts, comments, reviews."""

from __future__ import annotations

from datetime import datetime

from attrs import define, field
from channelmix_meta.simulator_world import Inbox, Person


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
class Review:
    """A recommendation."""

    id: str
    author: Person
    text: str | None
    positive: bool
    created: datetime


@define(kw_only=True)
class World(Inbox):
    """Everything there is, by id."""

    posts: dict[str, Post] = field(factory=dict)
    comments: dict[str, Comment] = field(factory=dict)
    reviews: dict[str, Review] = field(factory=dict)
    blocked: dict[str, Person] = field(factory=dict)
    photos: dict[str, str] = field(factory=dict)
    """Uploads: the address of each."""

    def add_post(
        self, author: Person, text: str | None, at: datetime, *, photo: str | None, tagged: bool
    ) -> Post:
        """Put a post on the page, or with `tagged` on its author's own wall."""
        wall = author.id if tagged else self.account.id
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
