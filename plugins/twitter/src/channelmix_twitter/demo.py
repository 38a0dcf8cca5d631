"""X's part in `channelmix demo`: two accounts with different topics, and who writes to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from random import Random
from typing import Any

from attrs import define, field
from channelmix.demo import Facts, Pause, phrases
from channelmix.hookspecs import Clock
from channelmix.testing.simulator import Answer

from channelmix_twitter.demo_facts import facts
from channelmix_twitter.simulator import XSimulator, rates
from channelmix_twitter.simulator_world import Direct, Post, User

APP, CHANNELS = "x", ("tweets", "billing-tweets")
BILLING = "1400000000000000777"
BUDGET = 200.0
SENDING = ("POST /2/tweets", "POST /messages")
TROUBLE = 0.15
"""How often something goes wrong on the way."""
TALK = "Bei den Stadtwerken geht mal wieder niemand ans Telefon, und das seit Stunden."
RULE = '"stadtwerken" -is:reply'
POINTER = "Für dieses Thema ist {account} da, dort hilft man sofort weiter."


@define(eq=False, kw_only=True)
class TwitterDemo:
    """Two accounts with their customers, some of whom choose the wrong one."""

    clock: Clock
    seed: int
    sim: XSimulator = field(init=False)
    _random: Random = field(init=False)
    _ours: list[Post] = field(factory=list, init=False)
    _theirs: list[Post | Direct] = field(factory=list, init=False)
    _talk: list[str] = field(factory=list, init=False)
    _coming: list[Callable[[], None]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the accounts."""
        self.sim = XSimulator(clock=self.clock)
        self.sim.open(BILLING, "stadtwerke_bill", "Stadtwerke Rechnung")
        self._random = Random(f"x {self.seed}")  # noqa: S311 - a play, not a secret

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[str]:
        """Be on the wire, and tell by webhook what happens."""
        async with self.sim.online() as url:
            telling = asyncio.create_task(self.sim.run(), name="x webhooks")
            try:
                yield url
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return an app with two accounts."""
        gate = self.sim.gate
        app = {
            "consumer_key": gate.consumer_key,
            "consumer_secret": gate.consumer_secret,
            "budget": BUDGET,
        }
        told = {"topics": ["outage"], "wrong_topic": "point", "pointer": POINTER, "search": [RULE]}
        more = (told, {"topics": ["billing"], "wrong_topic": "move"})
        channels = {
            name: {**self._account(user), "api_url": url, **settings}
            for name, user, settings in zip(CHANNELS, self.sim.ours, more, strict=True)
        }
        return {"apps": {APP: app}, "channels": channels}

    def _account(self, user: User) -> Mapping[str, Any]:
        token, secret = self.sim.gate.signing(user)
        return {
            "app": APP,
            "user_id": user.id,
            "handle": user.username,
            "known_as": f"@{user.username}",
            "access_token": token,
            "access_token_secret": secret,
        }

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

    def facts(self) -> Facts:
        """Say what X saw."""
        return facts(self.sim, self._talk)

    # --- what happens ---------------------------------------------------------------------------

    def _next(self) -> Callable[[], None]:
        """Choose what happens next: everything once, in some order, and then all over again."""
        if not self._ours:
            return self._post
        if not self._coming:
            often = [self._mention] * 6 + [self._direct] * 3 + [self._reply] * 4
            rare = [
                *(self._photo, self._quote, self._talk_about_us, self._edit, self._follow_up),
                *(self._post, self._native, self._silent, self._both, self._praise, self._insult),
            ]
            self._coming = often + rare
            self._random.shuffle(self._coming)
        return self._coming.pop()

    def _someone(self) -> str:
        return self._random.choice(phrases.PEOPLE)

    def _account_name(self) -> str:
        return f"@{self._random.choice(self.sim.ours).username}"

    def _post(self) -> None:
        text = phrases.POSTS[len(self._ours) % len(phrases.POSTS)]
        number = len(self._ours) // len(phrases.POSTS)
        again = f" ({number + 1})" if number else ""
        self._ours.append(self.sim.native(self.sim.ours[0], None, f"{text}{again}"))

    def _mention(self) -> None:
        words = self._random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS))
        self._theirs.append(self.sim.say(self._someone(), f"{self._account_name()} {words}"))

    def _reply(self) -> None:
        text = self._random.choice((*phrases.QUESTIONS, *phrases.ANSWERS_TO_OTHERS))
        below = self._random.choice([*self._ours[-3:], *self._posts()[-3:]])
        self._theirs.append(self.sim.reply(below, self._someone(), text))

    def _praise(self) -> None:
        text = self._random.choice(phrases.PRAISE)
        self._theirs.append(self.sim.reply(self._ours[-1], self._someone(), text))

    def _insult(self) -> None:
        text = self._random.choice(phrases.INSULTS)
        self._theirs.append(self.sim.reply(self._ours[-1], self._someone(), text))

    def _direct(self) -> None:
        text, to = self._random.choice(phrases.QUESTIONS), self._random.choice(self.sim.ours)
        self._theirs.append(self.sim.write(self._someone(), text, to=to))

    def _photo(self) -> None:
        text = self._random.choice(phrases.PHOTO_TEXTS) or "Siehe Foto."
        picture = self.sim.picture(self.sim.account)
        self.sim.say(self._someone(), f"{self._account_name()} {text}", media=[picture.id])

    def _quote(self) -> None:
        text = self._random.choice(phrases.COMPLAINTS)
        self._theirs.append(self.sim.quote(self._ours[-1], self._someone(), text))

    def _talk_about_us(self) -> None:
        """Let somebody talk about us who does not address us: X takes no answer of ours."""
        self._talk.append(self.sim.say(self._someone(), TALK, push=False).id)

    def _both(self) -> None:
        """Let somebody ask both accounts at once."""
        names = " ".join(f"@{one.username}" for one in self.sim.ours)
        self.sim.say(self._someone(), f"{names} {self._random.choice(phrases.QUESTIONS)}")

    def _posts(self) -> list[Post]:
        return [
            one for one in self._theirs if isinstance(one, Post) and one.id in self.sim.world.posts
        ]

    def _edit(self) -> None:
        if not (posts := self._posts()):
            return self._mention()
        post = posts[-1]
        self._theirs.append(self.sim.edit(post, f"{post.text} (PS: eilt!)"))
        return None

    def _follow_up(self) -> None:
        """Let somebody ask again who asked before."""
        if not (posts := self._posts()):
            return self._mention()
        post = self._random.choice(posts[-6:])
        text = self._random.choice(phrases.FOLLOW_UPS)
        self._theirs.append(self.sim.reply(post, post.author.name, f"{self._named(post)} {text}"))
        return None

    def _named(self, post: Post) -> str:
        """Return who of us a post speaks to; its author alone would be talking to nobody."""
        ours = [one.username for one in self.sim.ours if one in post.mentions]
        return f"@{ours[0]}" if ours else self._account_name()

    def _native(self) -> None:
        """Let a colleague answer in X's own app."""
        asked = [one for one in self._posts() if self.sim.ours[0] in one.mentions]
        if not asked:
            return self._mention()
        self.sim.native(self.sim.ours[0], asked[-1], phrases.OUR_OWN_APP)
        return None

    def _silent(self) -> None:
        """Let something be said that no webhook tells of."""
        words = self._random.choice(phrases.QUESTIONS)
        if self._random.random() < 0.5:  # noqa: PLR2004 - one half
            self.sim.write(self._someone(), words, push=False)
        else:
            self.sim.say(self._someone(), f"{self._account_name()} {words}", push=False)

    # --- what goes wrong ------------------------------------------------------------------------

    def _twist(self) -> Callable[[], Any]:
        """Choose how webhooks arrive, and perhaps something that goes wrong with our calls."""
        if self._random.random() >= TROUBLE:
            return self.sim.flush
        on = self._random.choice(SENDING)
        match self._random.randrange(5):
            case 0:
                return lambda: self.sim.flush(repeat=2)
            case 1:
                return lambda: self.sim.flush(backwards=True)
            case 2:
                self.sim.fault("close_after_accept", on=on)
            case 3:
                self.sim.fault("error_after_accept", on=on)
            case _:
                soon = int(self.clock.now().timestamp()) + 60
                told = Answer(status=429, body={"title": "Too Many"}, headers=rates(100, 0, soon))
                self.sim.fault("error_before_accept", on=on, answer=told)
        return self.sim.flush
