"""What people do at the simulated account; each act is told by webhook unless `push` is False."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from attrs import define
from channelmix.records import Kind
from channelmix_meta import simulator_events as tell_message
from channelmix_meta.simulator_kit import Kit
from channelmix_meta.simulator_media import FILES
from channelmix_meta.simulator_world import Note, Person

from channelmix_instagram import simulator_events as tell
from channelmix_instagram.simulator_world import Comment, Media, World, handle


@define(eq=False, kw_only=True, slots=False)
class Script(Kit[World]):
    """The account and its people."""

    # Mentions cannot be polled, nor answers to them be seen, so the kit cannot ask for them.
    kinds: ClassVar[Sequence[Kind]] = (Kind.COMMENT, Kind.DIRECT_MESSAGE, Kind.STORY_REPLY)
    limit: ClassVar[int] = 80002
    outside_window: ClassVar[int] = 2534022

    account: str = "17841400000000001"
    account_name: str = "Stadtwerke Musterstadt"

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        self.world = World(
            account=Person(id=self.account, name=self.account_name), media=dict(FILES)
        )

    @property
    def username(self) -> str:
        """The account's name at Instagram."""
        return handle(self.world.account)

    # as the conformance kit plays it

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody comment, name the account, write to it or answer a story."""
        if kind is Kind.DIRECT_MESSAGE:
            return self.direct_message("Jonas Weber", text).id
        if kind is Kind.STORY_REPLY:
            return self.story_reply("Jonas Weber", text).id
        ours = [one for one in self.world.posts.values() if one.author == self.world.account]
        return self.comment(ours[-1] if ours else self.post("News"), "Mira Sommer", text).id

    def public(self) -> Sequence[Any]:
        """Return media and comments."""
        return [*self.world.posts.values(), *self.world.comments.values()]

    # in public

    def post(self, text: str | None, *, photo: str | None = None, live: bool = False) -> Media:
        """Let the account publish a picture, or begin a broadcast; no webhook tells of it."""
        now, photo = self.clock.now(), photo or self.media()
        return self.world.add_post(self.world.account, text, now, photo, live=live)

    def comment(
        self,
        below: Media | Comment,
        author: str,
        text: str | None,
        *,
        ad: str | None = None,
        push: bool = True,
    ) -> Comment:
        """Let somebody comment on a picture, perhaps where it is shown as an ad, or answer."""
        person = self.world.person(author)
        comment = self.world.add_comment(below, person, text, self.clock.now())
        self.tell_comment(comment, ad=ad, push=push)
        return comment

    def mention(
        self, author: str, text: str, *, in_comment: bool = False, push: bool = True
    ) -> Media | Comment:
        """Let somebody name the account in a caption of their own, or below one."""
        now, person = self.clock.now(), self.world.person(author)
        media = self.world.add_post(person, None if in_comment else text, now, self.media())
        comment = self.world.add_comment(media, person, text, now) if in_comment else None
        content = tell.mention(media, comment.id if comment else None)
        thing = comment or media
        self.record("mention add", thing.id, content, push=push)
        return thing

    # in conversations

    def story_reply(self, author: str, text: str, *, push: bool = True) -> Note:
        """Let somebody answer a story of the account."""
        story = {"id": str(self.world.number()), "url": self.media()}
        shown = {"reply_to": {"id": story["id"], "link": story["url"]}}
        return self._story(author, text, shown, push=push, reply_to={"story": story})

    def story_mention(self, author: str, *, push: bool = True) -> Note:
        """Let somebody name the account in a story of their own."""
        link = self.media()
        attachment = {"type": "story_mention", "payload": {"url": link}}
        shown = {"mention": {"id": str(self.world.number()), "link": link}}
        return self._story(author, None, shown, push=push, attachments=[attachment])

    def _story(
        self, author: str, text: str | None, story: dict[str, Any], *, push: bool, **more: Any
    ) -> Note:
        person = self.world.person(author)
        conversation = self.world.conversation(person)
        note = self.world.add_note(conversation, person, text, self.clock.now(), [])
        note.story = story
        attachments = more.pop("attachments", [])
        message = tell_message.message(note.id, text, attachments, **more)
        self.tell_messaging(conversation, "message add", note.id, push=push, message=message)
        return note

    def follow_link(self, author: str, ref: str) -> None:
        """Let somebody come by a link to the conversation, without a word."""
        conversation = self.world.conversation(self.world.person(author))
        conversation.heard = self.clock.now()
        what = {"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}
        self.tell_messaging(conversation, "referral add", ref, referral=what)

    def press(self, author: str, title: str, payload: str) -> str:
        """Let somebody press a button; its title is what they say."""
        person = self.world.person(author)
        conversation = self.world.conversation(person)
        note = self.world.add_note(conversation, person, title, self.clock.now(), [])
        what = {"mid": note.id, "title": title, "payload": payload}
        self.tell_messaging(conversation, "message add", note.id, postback=what)
        return note.id

    def see(self, author: str, note: Note) -> None:
        """Let somebody see a message of ours."""
        conversation = self.world.conversation(self.world.person(author))
        self.tell_messaging(conversation, "seen", note.id, read={"mid": note.id})

    # afterwards

    def remove(self, thing: Comment | Media | Note, *, push: bool = True) -> None:
        """Let the author take it back. Of comments no webhook tells."""
        if isinstance(thing, Note):
            self.remove_note(thing, push=push)
        self.world.posts.pop(thing.id, None)
        self.world.comments.pop(thing.id, None)

    def native_reply(self, thing: Comment | Media | Note, text: str) -> Comment | Note:
        """Let one of us answer in Instagram's own app, past this desk."""
        if isinstance(thing, Note):
            return self.native_message(thing, text)
        comment = self.world.add_comment(thing, self.world.account, text, self.clock.now())
        self.tell_comment(comment)
        return comment

    # what webhooks tell

    def tell_comment(self, comment: Comment, *, ad: str | None = None, push: bool = True) -> None:
        """Tell of a comment; below a broadcast, too."""
        content = tell.comment(comment, self.world.posts[comment.post], ad=ad)
        own = comment.author == self.world.account
        self.record("comment add", comment.id, content, own=own, push=push)
