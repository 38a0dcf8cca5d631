"""Facebook's part in `channelmix demo`: one page, and what people do there in a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import define
from channelmix.demo import phrases
from channelmix_meta.demo import VERIFY, AccountDemo, Act
from channelmix_meta.simulator_reading import RefusedError
from channelmix_meta.simulator_world import Note

from channelmix_facebook.simulator import FacebookSimulator
from channelmix_facebook.simulator_world import Comment, Post


@define(eq=False, kw_only=True)
class FacebookDemo(AccountDemo[FacebookSimulator]):
    """A page with its customers."""

    app: ClassVar[str] = "meta"
    sending: ClassVar[Sequence[str]] = ("POST /comments", "POST /messages")
    throttle: ClassVar[RefusedError] = RefusedError(
        80006, "(#80006) There have been too many calls to this account"
    )
    hiding: ClassVar[str] = "is_hidden"
    said_as: ClassVar[frozenset[str]] = frozenset(
        {"comment add", "post add", "message add", "mention add", "review add"}
    )

    def opened(self) -> FacebookSimulator:
        """Return the simulated page."""
        return FacebookSimulator(clock=self.clock, page_name=phrases.COMPANY)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return an app with one page."""
        app = {
            "app_id": self.sim.app_id,
            "app_secret": self.sim.app_secret,
            "verify_token": VERIFY,
        }
        page = {
            "app": self.app,
            "api_url": url,
            "page_id": self.sim.account,
            "access_token": self.sim.access_token,
        }
        return {"apps": {self.app: app}, "channels": {"page": page}}

    def acts(self) -> Sequence[Act]:
        """Return everything that happens, as often as it does in one round."""
        often = [self.comment] * 8 + [self.direct] * 4 + [self._reply, self._visit] * 2
        rare = [
            *(self._photo_comment, self.direct_photo, self._follow_up, self._review),
            *(self._mention, self.praise, self.insult, self.personal, self._edit),
            *(self._remove, self._react, self.first, self._native, self._silent),
        ]
        return often + rare

    def first(self) -> None:
        """Let the page post something."""
        text = phrases.POSTS[len(self.ours) % len(phrases.POSTS)]
        self.ours.append(self.sim.post(text))

    def say(self, text: str) -> None:
        """Let somebody comment on a post."""
        self.theirs.append(self.sim.comment(self.below(), self.someone(), text))

    def _photo_comment(self) -> None:
        text = self.random.choice(phrases.PHOTO_TEXTS)
        photo = self.sim.media(self.random.choice(("photo.jpg", "picture.png")))
        self.theirs.append(self.sim.comment(self.below(), self.someone(), text, photo=photo))

    def _reply(self) -> None:
        above = self.one_of_theirs(Comment)
        if above is None:
            return self.comment()
        text = self.random.choice(phrases.ANSWERS_TO_OTHERS)
        self.theirs.append(self.sim.comment(above, self.someone(), text))
        return None

    def _visit(self) -> None:
        text = self.random.choice(phrases.QUESTIONS)
        self.theirs.append(self.sim.visitor_post(self.someone(), text))

    def _follow_up(self) -> None:
        """Let somebody ask again who asked before."""
        asked = self.one_of_theirs(Comment, Note)
        text = self.random.choice(phrases.FOLLOW_UPS)
        if isinstance(asked, Note):
            self.theirs.append(self.sim.direct_message(asked.author.name, text))
        elif asked is not None:
            self.theirs.append(self.sim.comment(asked, asked.author.name, text))
        else:
            self.direct()

    def _review(self) -> None:
        positive = self.random.random() < 0.5  # noqa: PLR2004 - one half
        text = self.random.choice(phrases.PRAISE if positive else phrases.COMPLAINTS)
        self.sim.review(self.someone(), text, positive=positive)

    def _mention(self) -> None:
        text = self.random.choice(phrases.MENTIONS).format(company=phrases.COMPANY)
        self.sim.mention(self.someone(), text)

    def _edit(self) -> None:
        thing = self.one_of_theirs(Comment, Post)
        if thing is None:
            return self.comment()
        self.sim.edit(thing, f"{thing.text or 'Foto'} (PS: eilt!)")
        return None

    def _remove(self) -> None:
        thing = self.one_of_theirs(Comment, Note)
        if thing is None:
            return self.comment()
        self.theirs.remove(thing)
        self.sim.remove(thing)
        return None

    def _react(self) -> None:
        name = self.random.choice(("love", "haha", "angry", "sad"))
        self.sim.react(self.below(), self.someone(), name)

    def _native(self) -> None:
        """Let a colleague answer in Facebook's own app."""
        thing = self.one_of_theirs(Comment, Note)
        if thing is None:
            return self.direct()
        self.sim.native_reply(thing, phrases.OUR_OWN_APP)
        return None

    def _silent(self) -> None:
        """Let something be said that no webhook tells of."""
        text, who = self.random.choice(phrases.QUESTIONS), self.someone()
        kind = self.random.randrange(4)
        if kind == 0:
            self.sim.comment(self.below(), who, text, push=False)
        elif kind == 1:
            self.sim.visitor_post(who, text, push=False)
        elif kind == 2:  # noqa: PLR2004 - the third of four
            self.sim.direct_message(who, text, push=False)
        else:
            self.sim.review(who, text, positive=False, push=False)
