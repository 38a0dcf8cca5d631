"""Instagram's part in `channelmix demo`: one account, and what people do there in a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import define
from channelmix.demo import phrases
from channelmix_meta.demo import VERIFY, AccountDemo, Act
from channelmix_meta.simulator_reading import RefusedError
from channelmix_meta.simulator_world import Note

from channelmix_instagram.simulator import InstagramSimulator
from channelmix_instagram.simulator_world import Comment, Media

STORY_REPLIES = (
    "Schönes Bild! Ab wann fährt der neue Bus?",
    "Where was this taken? Can we visit the waterworks on Saturday?",
    "Kann man da auch mit Kinderwagen hin?",
)


@define(eq=False, kw_only=True)
class InstagramDemo(AccountDemo[InstagramSimulator]):
    """An account with its customers: pictures, stories and messages."""

    app: ClassVar[str] = "photos"
    sending: ClassVar[Sequence[str]] = ("POST /replies", "POST /messages", "POST /mentions")
    throttle: ClassVar[RefusedError] = RefusedError(
        80002, "(#80002) There have been too many calls to this Instagram account"
    )
    hiding: ClassVar[str] = "hide"
    said_as: ClassVar[frozenset[str]] = frozenset({"comment add", "message add", "mention add"})

    def opened(self) -> InstagramSimulator:
        """Return the simulated account."""
        return InstagramSimulator(clock=self.clock, account_name=phrases.COMPANY)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return one account that is an app of its own."""
        account = {
            "api_url": url,
            "account_id": self.sim.account,
            "username": self.sim.username,
            "access_token": self.sim.access_token,
            "app_secret": self.sim.app_secret,
            "verify_token": VERIFY,
        }
        return {"channels": {self.app: account}}

    def acts(self) -> Sequence[Act]:
        """Return everything that happens, as often as it does in one round."""
        often = [self.comment] * 6 + [self.direct, self.direct_photo, self._story_reply] * 3
        rare = [
            *(self._reply, self._story_mention, self._follow_up, self._mention, self.praise),
            *(self.insult, self.personal, self._edit, self._unsend, self._react, self._boosted),
            *(self.first, self._native, self._native, self._silent, self._press),
        ]
        return often + rare

    def first(self) -> None:
        """Let the account publish a picture."""
        text = phrases.POSTS[len(self.ours) % len(phrases.POSTS)]
        self.ours.append(self.sim.post(text))

    def say(self, text: str) -> None:
        """Let somebody comment on a picture."""
        self._say(self.below(), text)

    def _say(self, below: Media | Comment, text: str, **more: Any) -> None:
        self.theirs.append(self.sim.comment(below, self.someone(), text, **more))

    def _boosted(self) -> None:
        """Let somebody comment where the post is shown as an ad."""
        text = self.random.choice(phrases.QUESTIONS)
        self._say(self.below(), text, ad=f"7700{len(self.theirs)}")

    def _reply(self) -> None:
        above = self.one_of_theirs(Comment) or self.below()
        self._say(above, self.random.choice(phrases.ANSWERS_TO_OTHERS))

    def _story_reply(self) -> None:
        text = self.random.choice(STORY_REPLIES)
        self.theirs.append(self.sim.story_reply(self.someone(), text))

    def _story_mention(self) -> None:
        self.theirs.append(self.sim.story_mention(self.someone()))

    def _press(self) -> None:
        self.sim.press(self.someone(), "Störung melden", "FAULT")

    def _follow_up(self) -> None:
        """Let somebody ask again who asked before."""
        asked = self.one_of_theirs(Note)
        who = asked.author.name if asked else self.someone()
        text = self.random.choice(phrases.FOLLOW_UPS)
        self.theirs.append(self.sim.direct_message(who, text))

    def _mention(self) -> None:
        text = self.random.choice(phrases.MENTIONS).format(company=f"@{self.sim.username}")
        self.sim.mention(self.someone(), text, in_comment=bool(self.random.randrange(2)))

    def _edit(self) -> None:
        note = self.one_of_theirs(Note)
        if note is None:
            return self.direct()
        return self.sim.edit_note(note, f"{note.text or 'Foto'} (PS: eilt!)")

    def _unsend(self) -> None:
        note = self.one_of_theirs(Note)
        if note is None:
            return self.direct()
        self.theirs.remove(note)
        return self.sim.remove(note)

    def _react(self) -> None:
        note = self.one_of_theirs(Note)
        if note is None:
            return self.direct()
        return self.sim.react_to_note(note, note.author.name, "love")

    def _native(self) -> None:
        """Let a colleague answer in Instagram's own app."""
        thing = self.one_of_theirs(Comment, Note)
        if thing is None:
            return self.direct()
        self.sim.native_reply(thing, phrases.OUR_OWN_APP)
        return None

    def _silent(self) -> None:
        """Let something be said that no webhook tells of."""
        text, who = self.random.choice(phrases.QUESTIONS), self.someone()
        if self.random.randrange(2):
            self.sim.comment(self.below(), who, text, push=False)
        else:
            self.sim.direct_message(who, text, push=False)
