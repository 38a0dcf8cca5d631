"""A blog's part in `channelmix demo`: how-tos, and what people write below them."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from random import Random
from typing import Any

import httpx
from attrs import define, field
from channelmix.demo import Arrived, Facts, Pause, phrases
from channelmix.hookspecs import Clock
from channelmix.testing.simulator import Arrival

from channelmix_blog.simulator import BlogSimulator
from channelmix_blog.simulator_world import Comment, Post

CHANNEL = "blog"
TROUBLE = 0.15
"""How often something goes wrong with one of our calls."""
HOW_TOS = (
    ("Heizung entlüften in vier Schritten", "Heizung"),
    ("Den Zählerstand richtig ablesen", "Zähler"),
    ("WLAN im ganzen Haus", "Internet"),
    ("How to read your bill", "billing"),
)
Act = Callable[[], None]


@define(eq=False, kw_only=True)
class BlogDemo:
    """A WordPress blog with its readers; all is found by polls."""

    clock: Clock
    seed: int
    sim: BlogSimulator = field(init=False)
    _random: Random = field(init=False)
    _posts: list[Post] = field(factory=list, init=False)
    _theirs: list[Comment] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the blog."""
        self.sim = BlogSimulator(clock=self.clock)
        self._random = Random(f"blog {self.seed}")  # noqa: S311 - a play, not a secret

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[str]:
        """Be on the wire."""
        async with self.sim.online() as url:
            yield url

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return one blog."""
        return {"channels": {CHANNEL: {"api_url": url, **self.sim.section}}}

    def subscribe(self, base_url: str) -> None:
        """Tell nothing: a blog has no webhooks."""

    async def play(self, events: int, pause: Pause) -> None:
        """Let people do so many things."""
        for _ in range(events):
            self._next()()
            self._twist()
            await pause()

    async def flush(self) -> None:
        """There is no webhook to wait for."""

    def _next(self) -> Act:
        if not self._posts:
            return self._publish
        often = [self._ask] * 6 + [self._praise] * 2
        return self._random.choice([*often, self._publish, self._edit, self._held])

    # --- what happens ---------------------------------------------------------------------------

    def _publish(self) -> None:
        title, topic = HOW_TOS[len(self._posts) % len(HOW_TOS)]
        self._posts.append(self.sim.post(title, f"<p>{title}: so geht es.</p>", topic))

    def _say(self, text: str, **more: Any) -> None:
        post = self._random.choice(self._posts[-3:])
        name = self._random.choice(phrases.PEOPLE)
        self._theirs.append(self.sim.comment(post, name, text, **more))

    def _ask(self) -> None:
        self._say(self._random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS)))

    def _praise(self) -> None:
        self._say(self._random.choice(phrases.PRAISE))

    def _held(self) -> None:
        self._say(self._random.choice(phrases.QUESTIONS), status="hold")

    def _edit(self) -> None:
        """Let the blog's people correct a comment, as readers cannot."""
        if self._theirs:
            self._random.choice(self._theirs[-12:]).content += " (Nachtrag: eilt!)"

    def _twist(self) -> None:
        """Let perhaps something go wrong with the next of our replies."""
        if self._random.random() >= TROUBLE:
            return
        if self._random.random() < 0.5:  # noqa: PLR2004 - one or the other
            self.sim.fault("close_after_accept", on="POST /comments")
        else:
            self.sim.fault("error_after_accept", on="POST /comments")

    # --- what the blog saw ----------------------------------------------------------------------

    def facts(self) -> Facts:
        """Say what has happened so far, from the blog's own record."""
        said = frozenset(str(one.id) for one in self._theirs)
        effects = [one for one in self.sim.sent if _took_effect(one)]
        return Facts(
            told=0,
            repeated=0,
            said=said,
            silent=said,
            replies=tuple(
                _arrived(one) for one in effects if one.request.path.endswith("/comments")
            ),
            hidden=frozenset(
                found[1]
                for one in effects
                if (found := re.search(r"/comments/(\d+)$", one.request.path))
                and json.loads(one.request.body).get("status") == "hold"
            ),
        )


def _took_effect(arrival: Arrival) -> bool:
    answer = arrival.answer
    return (
        arrival.request.method == "POST"
        and answer is not None
        and httpx.codes.is_success(answer.status)
    )


def _arrived(arrival: Arrival) -> Arrived:
    said = json.loads(arrival.request.body)
    made = arrival.answer.body["id"] if arrival.answer else ""
    return Arrived(id=str(made), target=str(said["parent"]), text=html.unescape(said["content"]))
