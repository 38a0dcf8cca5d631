"""The status page, simulated on the wire."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import define, field
from channelmix.records import Kind
from channelmix.testing.simulator import Answer, Event, Outcome, Request, Simulator, Spoken

REFUSALS: Mapping[Outcome, Answer] = {
    "throttled": Answer(status=429, body={"error": "slow down"}, headers={"retry-after": "30"}),
    "unauthorized": Answer(status=401, body={"error": "unknown token"}),
    "refused": Answer(status=422, body={"error": "comments are closed"}),
}
PAGE = 2
LONGEST = 500


@define(eq=False, kw_only=True, slots=False)
class StatusPageSimulator(Simulator):
    """One status page with one incident."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.COMMENT,)
    token: str = "token-of-the-page"  # noqa: S105 - an invented one
    secret: str = "secret-of-the-webhook"  # noqa: S105 - an invented one
    comments: list[dict[str, Any]] = field(factory=list)
    """Everything that was said, in its order."""
    replies: dict[str, str] = field(factory=dict)
    """Which comment each answer is for."""

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this page."""
        return {"page_id": self.account, "token": self.token, "webhook_secret": self.secret}

    def customer(self, kind: Kind, text: str) -> str:  # noqa: ARG002 - there is only one kind
        """Let a customer comment on the incident."""
        comment = self._add("u1", "Mira Sommer", text)
        self.record("comment", comment["id"], comment)
        return str(comment["id"])

    def spoken(self) -> Sequence[Spoken]:
        """Return what the page's own account said."""
        ours = [one for one in self.comments if one["author"]["id"] == self.account]
        return [Spoken(id=one["id"], text=one["text"]) for one in ours]

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how the page says no."""
        return REFUSALS.get(outcome)

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Sign a webhook body."""
        body = json.dumps({"comments": [one.content for one in events]}).encode()
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return body, {"x-statuspage-signature": signature}

    async def answer(self, request: Request) -> Answer:
        """Do what the API does."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return REFUSALS["unauthorized"]
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["v1", "pages", self.account, "comments"]:
                return self._list(self.comments, request.query.get("after", ""))
            case "GET", ["v1", "comments", id_, "replies"]:
                return self._list(
                    [one for one in self.comments if self.replies.get(one["id"]) == id_]
                )
            case "POST", ["v1", "comments", id_, "replies"]:
                return self._reply(id_, json.loads(request.body))
        return Answer(status=404, body={"error": "no such address"})

    def _list(self, comments: Sequence[dict[str, Any]], after: str | None = None) -> Answer:
        if after is None:
            return Answer(body={"comments": comments})
        rest = [one for one in comments if not after or int(one["id"]) > int(after)][:PAGE]
        return Answer(body={"comments": rest, "next": rest[-1]["id"] if rest else None})

    def _reply(self, id_: str, said: Mapping[str, str]) -> Answer:
        if all(one["id"] != id_ for one in self.comments):
            return Answer(status=404, body={"error": "no such comment"})
        if not 0 < len(said["text"]) <= LONGEST:
            return Answer(status=422, body={"error": f"1 to {LONGEST} characters"})
        comment = self._add(self.account, "Status page", said["text"])
        self.replies[comment["id"]] = id_
        self.record("answer", comment["id"], comment, own=True)
        return Answer(status=201, body=comment)

    def _add(self, author: str, name: str, text: str) -> dict[str, Any]:
        number = str(len(self.comments) + 1)
        now = self.clock.now().isoformat()
        comment = {
            "id": number,
            "incident": "i1",
            "author": {"id": author, "name": name},
            "text": text,
            "created_at": now,
            "updated_at": now,
            "version": 1,
            "url": f"https://statuspage.example/i1#{number}",
        }
        self.comments.append(comment)
        return comment
