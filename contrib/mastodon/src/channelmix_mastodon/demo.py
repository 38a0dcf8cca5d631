"""Mastodon's part in `channelmix demo`: one account, and who mentions it and writes to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from attrs import define, field
from channelmix.demo import Arrived, Facts, phrases
from channelmix.demo.polled import Act, PolledDemo
from channelmix.testing.simulator import Arrival

from channelmix_mastodon import simulator_world as world
from channelmix_mastodon.simulator import MastodonSimulator
from channelmix_mastodon.simulator_gate import EVERY, throttled

CHANNEL = "fediverse"
SERVERS = ("kunden.example", "musterstadt.example")
TROUBLE = 0.15
"""How often something goes wrong with one of our calls."""
POST = "POST /api/v1/statuses"


@define(eq=False, kw_only=True)
class MastodonDemo(PolledDemo):
    """An account with people on other servers. Nothing is pushed: all is found by polls."""

    name: ClassVar[str] = "mastodon"
    sim: MastodonSimulator = field(init=False)
    _ours: list[world.Json] = field(factory=list, init=False)
    _theirs: list[world.Json] = field(factory=list, init=False)
    _coming: list[Act] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        self.sim = MastodonSimulator(clock=self.clock)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return one account that is an app of its own."""
        token = {"access_token": self.sim.gate.token}
        return {"channels": {CHANNEL: {"api_url": url, **self.sim.section, **token}}}

    def choose(self) -> Act:
        """Choose what happens next: everything once, in some order, and then all over again."""
        if not self._ours:
            return self._post
        if not self._coming:
            often = [self._mention] * 5 + [self._reply, self._direct] * 3
            self._coming = [*often, self._post, self._praise, self._edit, self._native]
            self.random.shuffle(self._coming)
        return self._coming.pop()

    # --- what happens ---------------------------------------------------------------------------

    def _post(self) -> None:
        text = phrases.POSTS[len(self._ours) % len(phrases.POSTS)]
        self._ours.append(self.sim.post(self.sim.us, text))

    def _say(self, text: str, **more: Any) -> None:
        status = self.sim.post(self._someone(), f"@stadtwerke {text}", to=self.sim.us, **more)
        self.sim.notify("mention", status)
        self._theirs.append(status)

    def _someone(self) -> world.Json:
        number = self.random.randrange(len(phrases.PEOPLE))
        name = phrases.PEOPLE[number]
        user = "".join(filter(str.isascii, filter(str.isalnum, name.casefold())))
        acct = f"{user}@{SERVERS[number % len(SERVERS)]}"
        return world.account(str(971724 + number), acct, name)

    def _mention(self) -> None:
        self._say(self.random.choice((*phrases.QUESTIONS, *phrases.COMPLAINTS)))

    def _direct(self) -> None:
        self._say(self.random.choice(phrases.QUESTIONS), visibility="direct")

    def _praise(self) -> None:
        self._say(self.random.choice(phrases.PRAISE), above=self._ours[-1]["id"])

    def _reply(self) -> None:
        below = self.random.choice(self._ours[-3:])
        self._say(self.random.choice(phrases.QUESTIONS), above=below["id"])

    def _edit(self) -> None:
        if not self._theirs:
            return self._mention()
        number = self.random.choice(self._theirs[-12:])["id"]
        return self.sim.edit(number, f"{self.sim.typed[number]} (Nachtrag: eilt!)")

    def _native(self) -> None:
        """Let a colleague answer in another app."""
        asked = [one for one in self._theirs if one["visibility"] == "public"]
        if not asked:
            return self._mention()
        text = f"@{asked[-1]['account']['acct']} {phrases.OUR_OWN_APP}"
        answer = self.sim.post(self.sim.us, text, above=asked[-1]["id"], to=asked[-1]["account"])
        answer["application"]["name"] = "Web"
        return None

    def twist(self) -> None:
        """Let perhaps something go wrong with the next of our answers."""
        if self.random.random() >= TROUBLE:
            return
        match self.random.randrange(3):
            case 0:
                self.sim.fault("close_after_accept", on=POST)
            case 1:
                self.sim.fault("error_after_accept", on=POST)
            case _:
                answer = throttled(EVERY.headers(EVERY.most, self.clock.now()))
                self.sim.fault("error_before_accept", on=POST, answer=answer)

    # --- what the account saw -------------------------------------------------------------------

    def facts(self) -> Facts:
        """Say what has happened so far, from the server's own record."""
        said = frozenset(one["id"] for one in self._theirs)
        arrived = {one.id: one for one in map(_arrived, filter(_is_answer, self.sim.sent))}
        replies = tuple(arrived.values())
        return Facts(told=0, repeated=0, said=said, silent=said, replies=replies)


def _is_answer(arrival: Arrival) -> bool:
    sent = f"{arrival.request.method} {arrival.request.path}" == POST
    return sent and arrival.answer is not None and httpx.codes.is_success(arrival.answer.status)


def _arrived(arrival: Arrival) -> Arrived:
    body = json.loads(arrival.request.body)
    made = arrival.answer.body["id"] if arrival.answer else ""
    return Arrived(id=made, target=body["in_reply_to_id"], text=body["status"])
