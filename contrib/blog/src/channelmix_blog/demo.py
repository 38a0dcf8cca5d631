"""A blog's part in `channelmix demo`: how-tos, and what people write below them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from attrs import define, field
from channelmix.demo import Arrived, Facts, phrases
from channelmix.demo.polled import Act, PolledDemo
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


@define(eq=False, kw_only=True)
class BlogDemo(PolledDemo):
    """A WordPress blog with its readers; all is found by polls."""

    name: ClassVar[str] = "blog"
    sim: BlogSimulator = field(init=False)
    _posts: list[Post] = field(factory=list, init=False)
    _theirs: list[Comment] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the blog."""
        self.sim = BlogSimulator(clock=self.clock)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return one blog."""
        return {"channels": {CHANNEL: {"api_url": url, **self.sim.section}}}

    def choose(self) -> Act:
        """Choose what happens next."""
        if not self._posts:
            return self._publish
        often = [self._ask] * 6 + [self._praise] * 2
        return self.random.choice([*often, self._publish, self._edit, self._held])

    # --- what happens ---------------------------------------------------------------------------

    def _publish(self) -> None:
        title, topic = HOW_TOS[len(self._posts) % len(HOW_TOS)]
        self._posts.append(self.sim.post(title, f"<p>{title}: so geht es.</p>", topic))

    def _say(self, text: str, **more: Any) -> None:
        post = self.random.choice(self._posts[-3:])
        name = self.random.choice(phrases.PEOPLE)
        self._theirs.append(self.sim.comment(post, name, text, **more))

    def _ask(self) -> None:
        self._say(self.random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS)))

    def _praise(self) -> None:
        self._say(self.random.choice(phrases.PRAISE))

    def _held(self) -> None:
        self._say(self.random.choice(phrases.QUESTIONS), status="hold")

    def _edit(self) -> None:
        """Let the blog's people correct a comment, as readers cannot."""
        if self._theirs:
            self.random.choice(self._theirs[-12:]).content += " (Nachtrag: eilt!)"

    def twist(self) -> None:
        """Let perhaps something go wrong with the next of our replies."""
        if self.random.random() >= TROUBLE:
            return
        if self.random.random() < 0.5:  # noqa: PLR2004 - one or the other
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
