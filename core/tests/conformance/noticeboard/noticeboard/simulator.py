"""The invented board on the wire: a network's simulator in a page of code."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field
from channelmix.records import Kind, WebhookRequest
from channelmix.testing.simulator import Answer, Event, Outcome, Request, Simulator, Spoken

CODES: Mapping[Outcome, tuple[int, dict[str, Any]]] = {
    "throttled": (429, {"code": "slow_down", "seconds": 30}),
    "unauthorized": (401, {"code": "token"}),
    "window_closed": (403, {"code": "closed"}),
    "refused": (422, {"code": "rude"}),
}
TEXT = {"comment": 280, "private": 500}
PAGE = 4


@define(eq=False, kw_only=True, slots=False)
class NoticeboardSimulator(Simulator):
    """One board with its notes."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.COMMENT, Kind.DIRECT_MESSAGE)
    account: str = "b1"
    notes: list[dict[str, Any]] = field(factory=list)
    ends: dict[str, datetime] = field(factory=dict)
    """When each token ends."""
    tokens: int = 0

    @property
    def section(self) -> Mapping[str, Any]:
        """What a channel has to know."""
        secrets = {"password": "board-password-1", "secret": "board-secret-1"}
        return {"board": self.account, **secrets}

    @property
    def vault(self) -> Mapping[str, Mapping[str, Any]]:
        """A token that holds for an hour."""
        return {"token": self._token()}

    def _token(self) -> dict[str, Any]:
        self.tokens += 1
        ends = self.clock.now() + timedelta(hours=1)
        self.ends[f"board-token-{self.tokens}"] = ends
        access, refresh = f"board-token-{self.tokens}", f"board-refresh-{self.tokens}"
        return {"access": access, "refresh": refresh, "ends": ends.isoformat()}

    def consent(self, url: str) -> Mapping[str, str]:
        """Agree."""
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        return {"code": "board-code-1", "state": state}

    def sends(self, request: Request) -> bool:
        """Say that what is posted is said, but for asking for a token."""
        return request.method == "POST" and request.path != "/token"

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody write a note."""
        name = "comment" if kind is Kind.COMMENT else "private"
        return str(self._add(name, f"t-{name}", "c1", text)["id"])

    def _add(self, kind: str, thread: str, by: str, text: str, **more: Any) -> dict[str, Any]:
        number = len(self.notes) + 1
        note = {
            "id": f"n{number}",
            "kind": kind,
            "thread": thread,
            "text": text,
            "rev": 0,
            "at": int(self.clock.now().timestamp()),
            "by": {"id": by, "name": f"Name of {by}"},
            "link": f"https://board.example/n{number}",
            "number": number,
            **more,
        }
        self.notes.append(note)
        event = {"event": f"e{number}", "type": "note.added", "note": note}
        self.record("note add", note["id"], event, own=by == self.account)
        return note

    def customer_edits(self, ident: str, text: str) -> None:
        """Let somebody write a note anew."""
        self._change(ident, "note.edited", text)

    def customer_deletes(self, ident: str) -> None:
        """Let somebody take a note away."""
        self._change(ident, "note.removed", "")

    def _change(self, ident: str, what: str, text: str) -> None:
        note = next(one for one in self.notes if one["id"] == ident)
        note |= {"text": text, "rev": note["rev"] + 1, "at": int(self.clock.now().timestamp())}
        number = len(self.events()) + 1
        self.record(what, ident, {"event": f"e{number}", "type": what, "note": dict(note)})

    def spoken(self) -> Sequence[Spoken]:
        """Return the board's own notes."""
        return [
            Spoken(
                id=one["id"],
                text=one["text"],
                attachments=int("picture" in one),
                private=one["kind"] == "private",
            )
            for one in self.notes
            if one["by"]["id"] == self.account
        ]

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how the board says no."""
        status, body = CODES[outcome]
        return Answer(status=status, body=body)

    def handshake(self) -> tuple[WebhookRequest, str] | None:
        """Ask whether somebody knows the secret."""
        proof = hmac.new(b"board-secret-1", b"word", hashlib.sha256).hexdigest()
        request = WebhookRequest(method="GET", query={"challenge": "word"})
        return request, json.dumps({"proof": proof})

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Sign the body."""
        body = json.dumps(
            {"board": self.account, "events": [one.content for one in events]}
        ).encode()
        digest = hmac.new(b"board-secret-1", body, hashlib.sha256).hexdigest()
        return body, {"Content-Type": "application/json", "X-Board-Signature": digest}

    async def answer(self, request: Request) -> Answer:
        """Carry out one request."""
        if request.path == "/token":
            return self._renew(json.loads(request.body))
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.ends or self.ends[token] <= self.clock.now():
            return Answer(status=401, body={"code": "token"})
        return self._routed(request)

    def _routed(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/me":
                return Answer(body={"board": self.account})
            case "GET", "/notes":
                return self._page(request.query)
            case "POST", "/notes":
                return self._write(json.loads(request.body))
            case "POST", path if path.endswith("/hide"):
                return Answer(body={})
        return Answer(status=404, body={"code": "nothing"})

    def _renew(self, asked: Mapping[str, str]) -> Answer:
        good = {"board-code-1", *(one.replace("token", "refresh") for one in self.ends)}
        known = asked.get("code") or asked.get("refresh")
        if asked.get("password") != "board-password-1" or known not in good:
            return Answer(status=401, body={"code": "token"})
        return Answer(body=self._token())

    def _page(self, query: Mapping[str, str]) -> Answer:
        after = int(query["after"])
        found = [one for one in self.notes if one["number"] > after]
        if "key" in query:
            found = [one for one in found if one.get("key") == query["key"]]
        page = found[:PAGE]
        last = page[-1]["number"] if page else after
        return Answer(body={"notes": page, "last": last, "more": len(found) > PAGE})

    def _write(self, asked: Mapping[str, Any]) -> Answer:
        kind, text = asked["thread"].removeprefix("t-"), asked["text"]
        size = len(text.encode("utf-16-le")) // 2
        if size > TEXT[kind] or not (text or "picture" in asked):
            return Answer(status=422, body={"code": "length"})
        more = {name: asked[name] for name in ("key", "picture") if name in asked}
        return Answer(
            body={"id": self._add(kind, asked["thread"], self.account, text, **more)["id"]}
        )
