"""YouTube's part in `channelmix demo`: one channel, and what people write below its videos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from attrs import define, field
from channelmix.demo import Arrived, Facts, phrases
from channelmix.demo.polled import Act, PolledDemo
from channelmix.testing.simulator import Answer, Arrival

from channelmix_youtube.simulator import YouTubeSimulator
from channelmix_youtube.simulator_world import Comment, RefusedError, Video

CHANNEL = "tube"
TROUBLE = 0.15
"""How often something goes wrong with one of our calls."""
FILMS = (
    "Zählerstand ablesen in einer Minute",
    "WLAN: der beste Platz für den Router",
    "Abschlag anpassen im Portal",
)
"""What the channel has before anybody asks."""
NEWS = ("A tour of the waterworks", "Sommerfest im Wasserwerk", "Glasfaser für die Südstadt")


@define(eq=False, kw_only=True)
class YouTubeDemo(PolledDemo):
    """A channel with its viewers. No webhook tells of comments: all are found by polls."""

    name: ClassVar[str] = "youtube"
    sim: YouTubeSimulator = field(init=False)
    _ours: list[Video] = field(factory=list, init=False)
    _theirs: list[Comment] = field(factory=list, init=False)
    _coming: list[Act] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the channel."""
        self.sim = YouTubeSimulator(clock=self.clock)
        for title in FILMS:
            self._ours.append(self.sim.video(title))

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return one channel that is a project of its own."""
        channel = {
            "api_url": url,
            "channel_id": self.sim.account,
            "client_id": self.sim.client_id,
            "client_secret": self.sim.client_secret,
            "refresh_token": self.sim.connected()["refresh_token"],
        }
        return {"channels": {CHANNEL: channel}}

    def choose(self) -> Act:
        """Choose what happens next: everything once, in some order, and then all over again."""
        if not self._coming:
            often = [self._comment] * 6 + [self._reply, self._praise] * 2
            self._coming = [*often, self._film, self._edit, self._insult, self._held]
            self.random.shuffle(self._coming)
        return self._coming.pop()

    # --- what happens ---------------------------------------------------------------------------

    def _film(self) -> None:
        self._ours.append(self.sim.video(NEWS[len(self._ours) % len(NEWS)]))

    def _say(self, text: str, **more: Any) -> None:
        video = self.random.choice(self._ours[-3:])
        self._theirs.append(self.sim.comment(video, self._someone(), text, **more))

    def _someone(self) -> str:
        return "@" + self.random.choice(phrases.PEOPLE).replace(" ", "").casefold()

    def _comment(self) -> None:
        self._say(self.random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS)))

    def _praise(self) -> None:
        self._say(self.random.choice(phrases.PRAISE))

    def _insult(self) -> None:
        self._say(self.random.choice(phrases.INSULTS))

    def _held(self) -> None:
        self._say(self.random.choice(phrases.QUESTIONS), status="heldForReview")

    def _reply(self) -> None:
        public = [one for one in self._theirs[-12:] if one.status == "published"]
        if not public:
            return self._comment()
        below = self.random.choice(public)
        text = self.random.choice(phrases.ANSWERS_TO_OTHERS)
        self._theirs.append(self.sim.answer_to(below, self._someone(), text))
        return None

    def _edit(self) -> None:
        if not self._theirs:
            return self._comment()
        comment = self.random.choice(self._theirs[-12:])
        return self.sim.edit(comment, f"{comment.text} (Nachtrag: eilt!)")

    def twist(self) -> None:
        """Let perhaps something go wrong with the next of our replies."""
        if self.random.random() >= TROUBLE:
            return
        match self.random.randrange(3):
            case 0:
                self.sim.fault("close_after_accept", on="POST /comments")
            case 1:
                self.sim.fault("error_after_accept", on="POST /comments")
            case _:
                body = RefusedError(403, "rateLimitExceeded").body()
                answer = Answer(status=403, body=body)
                self.sim.fault("error_before_accept", on="POST /comments", answer=answer)

    # --- what the channel saw -------------------------------------------------------------------

    def facts(self) -> Facts:
        """Say what has happened so far, from the channel's own record."""
        said = frozenset(one.id for one in self._theirs)
        effects = [one for one in self.sim.sent if _took_effect(one)]
        return Facts(
            told=0,
            repeated=0,
            said=said,
            silent=said,
            replies=tuple(_arrived(one) for one in effects if _is_reply(one)),
            hidden=frozenset(
                one.request.query["id"]
                for one in effects
                if one.request.query.get("moderationStatus") == "heldForReview"
                and one.request.method == "POST"
            ),
        )


def _took_effect(arrival: Arrival) -> bool:
    return arrival.answer is not None and httpx.codes.is_success(arrival.answer.status)


def _is_reply(arrival: Arrival) -> bool:
    return arrival.request.method == "POST" and arrival.request.path.endswith("/comments")


def _arrived(arrival: Arrival) -> Arrived:
    snippet = json.loads(arrival.request.body)["snippet"]
    made = arrival.answer.body["id"] if arrival.answer else ""
    return Arrived(id=made, target=snippet["parentId"], text=snippet["textOriginal"])
