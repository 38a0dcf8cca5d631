"""Facebook's part in `channelmix demo`: one page, and what people do there in a day."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from random import Random
from typing import Any

from attrs import define, field
from channelmix.demo import Facts, Pause, phrases
from channelmix.hookspecs import Clock
from channelmix_meta.simulator_reading import RefusedError
from channelmix_meta.simulator_world import Note

from channelmix_facebook.demo_facts import facts
from channelmix_facebook.simulator import FacebookSimulator
from channelmix_facebook.simulator_world import Comment, Post

APP, CHANNEL = "meta", "page"
VERIFY = "a-word-of-the-demo"
THROTTLE = RefusedError(80006, "(#80006) There have been too many calls to this account")
SOON = {
    "x-business-use-case-usage": json.dumps(
        {"101010101010101": [{"type": "messenger", "estimated_time_to_regain_access": 1}]}
    )
}
"""What comes with a throttled call: in a minute it may go on."""
SENDING = ("POST /comments", "POST /messages")
TROUBLE = 0.15
"""How often something goes wrong on the way."""
Thing = Post | Comment | Note


@define(eq=False, kw_only=True)
class FacebookDemo:
    """A page with its customers, good days and bad moments included."""

    clock: Clock
    seed: int
    sim: FacebookSimulator = field(init=False)
    _random: Random = field(init=False)
    _ours: list[Post] = field(factory=list, init=False)
    _theirs: list[Thing] = field(factory=list, init=False)
    """What customers said and webhooks told of, as long as it is there."""
    _coming: list[Callable[[], None]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the page."""
        self.sim = FacebookSimulator(clock=self.clock, page_name=phrases.COMPANY)
        self._random = Random(f"facebook {self.seed}")  # noqa: S311 - a play, not a secret

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[str]:
        """Be on the wire, and tell by webhook what happens."""
        async with self.sim.online() as url:
            telling = asyncio.create_task(self.sim.run(), name="facebook webhooks")
            try:
                yield url
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return an app with one page."""
        app = {
            "app_id": self.sim.app_id,
            "app_secret": self.sim.app_secret,
            "verify_token": VERIFY,
        }
        page = {
            "app": APP,
            "api_url": url,
            "page_id": self.sim.account,
            "access_token": self.sim.access_token,
        }
        return {"apps": {APP: app}, "channels": {CHANNEL: page}}

    def subscribe(self, base_url: str) -> None:
        """Let webhooks go there."""
        self.sim.webhook = f"{base_url}/webhooks/{APP}"

    async def play(self, events: int, pause: Pause) -> None:
        """Let people do so many things, some of them at once."""
        while events > 0:
            together = min(events, self._random.choice((1, 1, 1, 2, 3)))
            twist = self._twist()
            for _ in range(together):
                self._next()()
            # Without an await in between, so that these go out together.
            await twist()
            await pause()
            events -= together

    async def flush(self) -> None:
        """Return when no webhook waits or is under way."""
        await self.sim.flush()

    # --- what happens ---------------------------------------------------------------------------

    def _next(self) -> Callable[[], None]:
        """Choose what happens next: everything once, in some order, and then all over again."""
        if not self._ours:
            return self._post
        if not self._coming:
            often = [self._comment] * 8 + [self._direct] * 4 + [self._reply, self._visit] * 2
            rare = [
                *(self._photo_comment, self._direct_photo, self._follow_up, self._review),
                *(self._mention, self._praise, self._insult, self._personal, self._edit),
                *(self._remove, self._react, self._post, self._native, self._silent),
            ]
            self._coming = often + rare
            self._random.shuffle(self._coming)
        return self._coming.pop()

    def _someone(self) -> str:
        return self._random.choice(phrases.PEOPLE)

    def _below(self) -> Post:
        """Choose one of the page's latest posts."""
        return self._random.choice(self._ours[-3:])

    def _one_of_theirs(self, *kinds: type) -> Any:
        """Choose something that was said; None if there is nothing yet."""
        found = [one for one in self._theirs if isinstance(one, kinds)]
        return self._random.choice(found[-12:]) if found else None

    def _post(self) -> None:
        text = phrases.POSTS[len(self._ours) % len(phrases.POSTS)]
        self._ours.append(self.sim.post(text))

    def _comment(self) -> None:
        self._say(self._random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS)))

    def _praise(self) -> None:
        self._say(self._random.choice(phrases.PRAISE))

    def _insult(self) -> None:
        self._say(self._random.choice(phrases.INSULTS))

    def _personal(self) -> None:
        self._say(phrases.personal(self._random))

    def _say(self, text: str) -> None:
        self._theirs.append(self.sim.comment(self._below(), self._someone(), text))

    def _photo_comment(self) -> None:
        text = self._random.choice(phrases.PHOTO_TEXTS)
        photo = self.sim.media(self._random.choice(("photo.jpg", "picture.png")))
        self._theirs.append(self.sim.comment(self._below(), self._someone(), text, photo=photo))

    def _reply(self) -> None:
        above = self._one_of_theirs(Comment)
        if above is None:
            return self._comment()
        text = self._random.choice(phrases.ANSWERS_TO_OTHERS)
        self._theirs.append(self.sim.comment(above, self._someone(), text))
        return None

    def _visit(self) -> None:
        text = self._random.choice(phrases.QUESTIONS)
        self._theirs.append(self.sim.visitor_post(self._someone(), text))

    def _direct(self) -> None:
        text = self._random.choice(phrases.QUESTIONS)
        self._theirs.append(self.sim.direct_message(self._someone(), text))

    def _direct_photo(self) -> None:
        text = self._random.choice(phrases.PHOTO_TEXTS)
        name = self._random.choice(("photo.jpg", "film.mp4"))
        who, picture = self._someone(), self.sim.picture(name)
        self._theirs.append(self.sim.direct_message(who, text, attachments=[picture]))

    def _follow_up(self) -> None:
        """Let somebody ask again who asked before."""
        asked = self._one_of_theirs(Comment, Note)
        text = self._random.choice(phrases.FOLLOW_UPS)
        if isinstance(asked, Note):
            self._theirs.append(self.sim.direct_message(asked.author.name, text))
        elif asked is not None:
            self._theirs.append(self.sim.comment(asked, asked.author.name, text))
        else:
            self._direct()

    def _review(self) -> None:
        positive = self._random.random() < 0.5  # noqa: PLR2004 - one half
        text = self._random.choice(phrases.PRAISE if positive else phrases.COMPLAINTS)
        self.sim.review(self._someone(), text, positive=positive)

    def _mention(self) -> None:
        text = self._random.choice(phrases.MENTIONS).format(company=phrases.COMPANY)
        self.sim.mention(self._someone(), text)

    def _edit(self) -> None:
        thing = self._one_of_theirs(Comment, Post)
        if thing is None:
            return self._comment()
        self.sim.edit(thing, f"{thing.text or 'Foto'} (PS: eilt!)")
        return None

    def _remove(self) -> None:
        thing = self._one_of_theirs(Comment, Note)
        if thing is None:
            return self._comment()
        self._theirs.remove(thing)
        self.sim.remove(thing)
        return None

    def _react(self) -> None:
        name = self._random.choice(("love", "haha", "angry", "sad"))
        self.sim.react(self._below(), self._someone(), name)

    def _native(self) -> None:
        """Let a colleague answer in Facebook's own app."""
        thing = self._one_of_theirs(Comment, Note)
        if thing is None:
            return self._direct()
        self.sim.native_reply(thing, phrases.OUR_OWN_APP)
        return None

    def _silent(self) -> None:
        """Let something be said that no webhook tells of."""
        text, who = self._random.choice(phrases.QUESTIONS), self._someone()
        kind = self._random.randrange(4)
        if kind == 0:
            self.sim.comment(self._below(), who, text, push=False)
        elif kind == 1:
            self.sim.visitor_post(who, text, push=False)
        elif kind == 2:  # noqa: PLR2004 - the third of four
            self.sim.direct_message(who, text, push=False)
        else:
            self.sim.review(who, text, positive=False, push=False)

    # --- what goes wrong ------------------------------------------------------------------------

    def _twist(self) -> Callable[[], Any]:
        """Choose how webhooks arrive, and perhaps something that goes wrong with our calls."""
        if self._random.random() >= TROUBLE:
            return self.sim.flush
        match self._random.randrange(5):
            case 0:
                return lambda: self.sim.flush(repeat=2)
            case 1:
                return lambda: self.sim.flush(backwards=True)
            case 2:
                self.sim.fault("close_after_accept", on=self._random.choice(SENDING))
            case 3:
                self.sim.fault("error_after_accept", on=self._random.choice(SENDING))
            case _:
                on = self._random.choice(SENDING)
                self.sim.refuse(THROTTLE, on=on, headers=SOON)
        return self.sim.flush

    def facts(self) -> Facts:
        """Say what the page saw."""
        return facts(self.sim)
