"""What people do at the simulated page; each act is told by webhook unless `push` is False."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field
from channelmix.testing.simulator import Event, Simulator

from channelmix_facebook import simulator_events as tell
from channelmix_facebook.simulator_media import FILES
from channelmix_facebook.simulator_world import (
    MAILBOX,
    Comment,
    Conversation,
    Note,
    Person,
    Post,
    Review,
    World,
)


@define(eq=False, kw_only=True, slots=False)
class Script(Simulator):
    """The page and its people."""

    account: str = "101010101010101"
    page_name: str = "Stadtwerke Musterstadt"
    app_id: str = "990000000000001"
    world: World = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Open the page."""
        self.world = World(page=Person(id=self.account, name=self.page_name), media=dict(FILES))

    @property
    def page(self) -> Person:
        """The page itself."""
        return self.world.page

    def media(self, name: str = "photo.jpg") -> str:
        """Return the address of a file: `photo.jpg`, `picture.png` or `film.mp4`."""
        return f"{self.base_url}/media/{name}"

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

    def direct_message(
        self,
        author: str,
        text: str | None,
        *,
        attachments: Sequence[Mapping[str, Any]] = (),
        push: bool = True,
    ) -> Note:
        """Let somebody write to the page; `attachments` as the Messenger Platform names them."""
        person = self.world.person(author)
        conversation = self.world.conversation(person)
        note = self.world.add_note(
            conversation, person, text, self.clock.now(), [dict(one) for one in attachments]
        )
        message = tell.message(note.id, text, note.attachments)
        self._tell(conversation, "message add", note.id, None, push=push, message=message)
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

    # afterwards

    def edit(self, thing: Post | Comment | Note, text: str, *, push: bool = True) -> None:
        """Let the author change the text."""
        thing.text = text
        if isinstance(thing, Note):
            conversation = self.world.conversation(thing.author)
            change = {"mid": thing.id, "text": text, "num_edit": 1}
            self._tell(conversation, "message edit", thing.id, None, push=push, message_edit=change)
        else:
            self.changed(thing, "edited", push=push)

    def remove(self, thing: Post | Comment | Note, *, push: bool = True) -> None:
        """Let the author take it back."""
        if isinstance(thing, Note):
            conversation = self.world.conversation(thing.author)
            conversation.notes.remove(thing)
            message = {"mid": thing.id, "is_deleted": True}
            self._tell(conversation, "message remove", thing.id, None, push=push, message=message)
            return
        self.world.posts.pop(thing.id, None)
        self.world.comments.pop(thing.id, None)
        self.changed(thing, "remove", push=push)

    def react(self, thing: Post | Comment | Note, author: str, name: str = "love") -> None:
        """Let somebody react."""
        now, person = self.clock.now(), self.world.person(author)
        if isinstance(thing, Note):
            what = {"mid": thing.id, "action": "react", "reaction": name}
            conversation = self.world.conversation(person)
            self._tell(conversation, "reaction add", thing.id, None, push=True, reaction=what)
        else:
            thing.likes.add(person.id)
            self.record("reaction add", thing.id, tell.reaction(thing, person, name, now))

    def native_reply(
        self, thing: Post | Comment | Note, text: str, *, push: bool = True
    ) -> Comment | Note:
        """Let one of us answer in Facebook's own app, past this desk."""
        now = self.clock.now()
        if isinstance(thing, Note):
            conversation = self.world.conversation(thing.author)
            note = self.world.add_note(conversation, self.page, text, now, [])
            self.echo(conversation, note, app=MAILBOX, metadata=None, push=push)
            return note
        comment = self.world.add_comment(thing, self.page, text, now, None)
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

    def echo(
        self,
        conversation: Conversation,
        note: Note,
        *,
        app: str,
        metadata: str | None,
        push: bool = True,
    ) -> None:
        """Tell of a message by the page itself."""
        more = {"is_echo": True, "app_id": int(app), "metadata": metadata}
        message = tell.message(note.id, note.text, note.attachments, **more)
        self._tell(conversation, "echo add", note.id, self.page, push=push, message=message)

    def _tell(
        self,
        conversation: Conversation,
        name: str,
        subject: str,
        by_page: Person | None,
        *,
        push: bool,
        **what: Any,
    ) -> None:
        now = self.clock.now()
        content = tell.messaging(conversation, self.page, by_page, now, **what)
        self.record(name, subject, content, own=by_page is not None, push=push)

    def _post(self, author: Person, text: str | None, photo: str | None, *, push: bool) -> Post:
        now = self.clock.now()
        post = self.world.add_post(author, text, now, photo=photo, tagged=False)
        self.changed(post, "add", push=push)
        return post
