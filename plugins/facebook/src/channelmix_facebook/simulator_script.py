"""What people do at the simulated page; each act is told by webhook unless `push` is False."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import define
from channelmix.records import Kind
from channelmix.testing.simulator import Event
from channelmix_meta.simulator_kit import Kit
from channelmix_meta.simulator_media import FILES
from channelmix_meta.simulator_world import Note, Person

from channelmix_facebook import simulator_events as tell
from channelmix_facebook.simulator_world import Comment, Post, Review, World


@define(eq=False, kw_only=True, slots=False)
class Script(Kit[World]):
    """The page and its people."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.POST, Kind.COMMENT, Kind.DIRECT_MESSAGE)
    limit: ClassVar[int] = 32
    outside_window: ClassVar[int] = 2018278

    account: str = "101010101010101"
    page_name: str = "Stadtwerke Musterstadt"

    def __attrs_post_init__(self) -> None:
        """Open the page."""
        self.world = World(account=Person(id=self.account, name=self.page_name), media=dict(FILES))

    @property
    def page(self) -> Person:
        """The page itself."""
        return self.world.account

    # as the conformance kit plays it

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this page."""
        return {
            "page_id": self.account,
            "access_token": self.access_token,
            "app_secret": self.app_secret,
            "verify_token": self.verify_token,
            "app_id": self.app_id,
        }

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody write on the page, below a post of the page, or to the page."""
        if kind is Kind.DIRECT_MESSAGE:
            return self.direct_message("Jonas Weber", text).id
        if kind is Kind.POST:
            return self.visitor_post("Jonas Weber", text).id
        ours = [one for one in self.world.posts.values() if one.author == self.page]
        return self.comment(ours[-1] if ours else self.post("News"), "Mira Sommer", text).id

    def public(self) -> Sequence[Any]:
        """Return posts and comments."""
        return [*self.world.posts.values(), *self.world.comments.values()]

    # in public

    def post(self, text: str | None, *, photo: str | None = None, push: bool = True) -> Post:
        """Let the page post something."""
        return self._post(self.page, text, photo, push=push)

    def visitor_post(
        self, author: str, text: str | None, *, photo: str | None = None, push: bool = True
    ) -> Post:
        """Let somebody post on the page."""
        return self._post(self.world.person(author), text, photo, push=push)

    def mention(self, author: str, text: str, *, push: bool = True) -> Post:
        """Let somebody name the page in a post of their own."""
        now = self.clock.now()
        post = self.world.add_post(self.world.person(author), text, now, photo=None, tagged=True)
        self.record("mention add", post.id, tell.mention(post, now), push=push)
        return post

    def comment(
        self,
        below: Post | Comment,
        author: str,
        text: str | None,
        *,
        photo: str | None = None,
        push: bool = True,
    ) -> Comment:
        """Let somebody comment on a post, or answer a comment."""
        now = self.clock.now()
        comment = self.world.add_comment(below, self.world.person(author), text, now, photo)
        self.tell_comment(comment, "add", push=push)
        return comment

    def review(
        self, author: str, text: str | None, *, positive: bool = True, push: bool = True
    ) -> Review:
        """Let somebody recommend the page, or not."""
        now, person = self.clock.now(), self.world.person(author)
        review_id = str(505_000_000_000_000 + self.world.number())
        review = Review(id=review_id, author=person, text=text, positive=positive, created=now)
        self.world.reviews[review.id] = review
        self.record("review add", review.id, tell.review(review, "add", now), push=push)
        return review

    # in Messenger

    # afterwards

    def edit(self, thing: Post | Comment | Note, text: str, *, push: bool = True) -> None:
        """Let the author change the text."""
        if isinstance(thing, Note):
            return self.edit_note(thing, text, push=push)
        thing.text = text
        return self.changed(thing, "edited", push=push)

    def remove(self, thing: Post | Comment | Note, *, push: bool = True) -> None:
        """Let the author take it back."""
        if isinstance(thing, Note):
            return self.remove_note(thing, push=push)
        self.world.posts.pop(thing.id, None)
        self.world.comments.pop(thing.id, None)
        return self.changed(thing, "remove", push=push)

    def react(self, thing: Post | Comment | Note, author: str, name: str = "love") -> None:
        """Let somebody react."""
        if isinstance(thing, Note):
            return self.react_to_note(thing, author, name)
        now, person = self.clock.now(), self.world.person(author)
        thing.likes.add(person.id)
        content = tell.reaction(thing, person, name, now)
        self.record("reaction add", thing.id, content)
        return None

    def native_reply(
        self, thing: Post | Comment | Note, text: str, *, push: bool = True
    ) -> Comment | Note:
        """Let one of us answer in Facebook's own app, past this desk."""
        if isinstance(thing, Note):
            return self.native_message(thing, text, push=push)
        comment = self.world.add_comment(thing, self.page, text, self.clock.now(), None)
        self.tell_comment(comment, "add", push=push)
        return comment

    # what webhooks tell

    def tell_comment(self, comment: Comment, verb: str, *, push: bool = True) -> Event:
        """Tell of a comment."""
        post = self.world.posts[comment.post]
        own = comment.author == self.page
        content = tell.comment(comment, post, verb, self.clock.now())
        return self.record(f"comment {verb}", comment.id, content, own=own, push=push)

    def changed(self, thing: Post | Comment, verb: str, *, push: bool = True) -> None:
        """Tell of a change to something public."""
        if isinstance(thing, Comment):
            self.tell_comment(thing, verb, push=push)
            return
        content = tell.post(thing, verb, self.clock.now())
        own = thing.author == self.page
        self.record(f"post {verb}", thing.id, content, own=own, push=push)

    def _post(self, author: Person, text: str | None, photo: str | None, *, push: bool) -> Post:
        now = self.clock.now()
        post = self.world.add_post(author, text, now, photo=photo, tagged=False)
        self.changed(post, "add", push=push)
        return post
