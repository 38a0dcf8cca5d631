"""A Mastodon server, simulated on the wire. What it would refuse, this refuses."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import timedelta
from email import message_from_bytes
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from attrs import define, field
from channelmix.records import Kind
from channelmix.testing.simulator import (
    Answer,
    Outcome,
    Request,
    Simulator,
    Spoken,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SERVER = "social.example"
FIRST = 103254962155278888
LIMIT = 300
LONGEST = 500
FILES = 4
ALL = ("read", "write", "follow", "push", "profile")
TYPES = {
    **dict.fromkeys(("image/png", "image/jpeg", "image/webp", "image/gif", "image/heic"), "image"),
    **dict.fromkeys(("video/mp4", "video/webm", "video/quicktime"), "video"),
    **dict.fromkeys(("audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav", "audio/flac"), "audio"),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/x-m4a"), "audio"),
}
LINK = re.compile(r"https?://[^\s<>\"]+")
ADDRESSED = re.compile(r"^@[\w.-]+(@[\w.-]+)? ")
REMOTE = re.compile(r"(?<![\w/])@(\w+)@[\w.-]*\w")
INVALID = Answer(status=401, body={"error": "The access token is invalid"})
MISSING = Answer(status=404, body={"error": "Record not found"})
NOT_ALLOWED = Answer(status=403, body={"error": "This action is outside the authorized scopes"})


def _bad(words: str) -> Answer:
    return Answer(status=422, body={"error": f"Validation failed: {words}"})


@define(eq=False, kw_only=True, slots=False)
class MastodonSimulator(Simulator):
    """One server with our account, which has posted once, and somebody on another server."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.MENTION, Kind.COMMENT, Kind.DIRECT_MESSAGE)
    account: str = f"stadtwerke@{SERVER}"
    token: str = "token-of-the-account"  # noqa: S105 - an invented one
    scopes: str = "read write"
    processing: int = 1
    """How often a film or a sound is said to be still processed."""
    statuses: dict[str, dict[str, Any]] = field(factory=dict)
    typed: dict[str, str] = field(factory=dict)
    notifications: list[dict[str, Any]] = field(factory=list)
    media: dict[str, dict[str, Any]] = field(factory=dict)
    waiting: dict[str, int] = field(factory=dict)
    idempotency: dict[str, str] = field(factory=dict)
    apps: dict[str, dict[str, str]] = field(factory=dict)
    codes: dict[str, dict[str, str]] = field(factory=dict)
    left: int = LIMIT
    posted: int = 0

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this server."""
        return {"server": f"https://{SERVER}", "account": self.account}

    @property
    def vault(self) -> Mapping[str, Mapping[str, Any]]:
        """What a channel holds that has logged in."""
        return {"token": {"access_token": self.token}}

    @property
    def us(self) -> dict[str, Any]:
        """Our account."""
        return self._account("14715", self.account.partition("@")[0], "Stadtwerke")

    @property
    def them(self) -> dict[str, Any]:
        """A customer with the longest name there is, on another server."""
        return self._account(
            "971724", "mira_sommer_aus_der_hafenstadt@kunden.example", "Mira Sommer"
        )

    def _account(self, number: str, acct: str, name: str) -> dict[str, Any]:
        user, _, server = acct.partition("@")
        url = f"https://{server or SERVER}/@{user}"
        return {"id": number, "username": user, "acct": acct, "display_name": name, "url": url}

    def customer(self, kind: Kind, text: str) -> str:
        """Let a customer mention us, answer our post, or write to us alone."""
        above = self._ours()["id"] if kind is Kind.COMMENT else None
        visibility = "direct" if kind is Kind.DIRECT_MESSAGE else "public"
        status = self.post(self.them, text, visibility=visibility, above=above, to=self.us)
        self.notify("mention", status)
        self.record(kind, status["id"], status)
        return str(status["id"])

    def _ours(self) -> dict[str, Any]:
        for status in self.statuses.values():
            if status["account"]["id"] == self.us["id"] and status["visibility"] == "public":
                return status
        return self.post(self.us, "The heating works again.")

    def notify(self, kind: str, status: dict[str, Any] | None, by: Any = None) -> None:
        """Let a notification come up."""
        one = {
            "id": str(34975535 + len(self.notifications)),
            "type": kind,
            "created_at": self._now(),
            "account": by or self.them,
        }
        self.notifications.append({**one, "of": status["id"] if status else None})

    def edit(self, number: str, text: str) -> None:
        """Let somebody edit a post."""
        status = self.statuses[number]
        self.typed[number] = text
        status["content"] = _html(text, status["mentions"])
        status["edited_at"] = self._now()

    def delete(self, number: str) -> None:
        """Let somebody delete a post; its notification goes with it."""
        del self.statuses[number], self.typed[number]
        self.notifications = [one for one in self.notifications if one["of"] != number]

    def spoken(self) -> Sequence[Spoken]:
        """Return what our account answered and did not delete, without whom it is addressed to."""
        return [
            Spoken(
                id=one["id"],
                text=ADDRESSED.sub("", self.typed[one["id"]]),
                attachments=len(one["media_attachments"]),
            )
            for one in self.statuses.values()
            if one["account"]["id"] == self.us["id"] and one["in_reply_to_id"]
        ]

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how the server says no."""
        reset = (self.clock.now() + timedelta(minutes=2)).isoformat()
        limits = {
            "x-ratelimit-limit": str(LIMIT),
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": reset,
        }
        refusals: dict[str, Answer] = {
            "throttled": Answer(status=429, body={"error": "Too many requests"}, headers=limits),
            "unauthorized": INVALID,
            "refused": _bad("Text can't be blank"),
        }
        return refusals.get(outcome)

    def sends(self, request: Request) -> bool:
        """Say whether a request says, changes or deletes something."""
        return request.method != "GET" and request.path.startswith("/api/v1/statuses")

    def consent(self, url: str) -> Mapping[str, str]:
        """Let a person agree."""
        asked = dict(parse_qsl(urlsplit(url).query))
        app = self.apps[asked["client_id"]]
        if asked["redirect_uri"] not in app["redirect_uris"].split("\n"):
            raise ValueError("The requested redirect uri is malformed or doesn't match")
        if asked["response_type"] != "code" or asked["code_challenge_method"] != "S256":
            raise ValueError("The server asks for code and S256")
        if not set(asked["scope"].split()) <= set(app["scopes"].split()):
            raise ValueError("The requested scope is invalid, unknown, or malformed.")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request; keys that stand several times in the query become one, with commas."""
        if scope["type"] == "http":
            query = parse_qs(scope["query_string"].decode())
            joined = urlencode({name: ",".join(values) for name, values in query.items()})
            scope = {**scope, "query_string": joined.encode()}
        await super().__call__(scope, receive, send)

    async def answer(self, request: Request) -> Answer:
        """Do what the API does."""
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "POST", ["api", "v1", "apps"]:
                return self._register(dict(parse_qsl(request.body.decode())))
            case "POST", ["oauth", "token"]:
                return self._exchange(dict(parse_qsl(request.body.decode())))
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return INVALID
        self.left -= 1
        answer = self._route(request, parts)
        reset = (self.clock.now() + timedelta(minutes=5)).isoformat()
        limits = {
            "x-ratelimit-limit": str(LIMIT),
            "x-ratelimit-remaining": str(self.left),
            "x-ratelimit-reset": reset,
        }
        return Answer(status=answer.status, body=answer.body, headers=limits)

    def _route(self, request: Request, parts: list[str]) -> Answer:  # noqa: PLR0911 - one each
        match request.method, parts:
            case "GET", ["api", "v1", "accounts", "verify_credentials"]:
                return Answer(body=self.us)
            case "GET", ["api", "v1", "apps", "verify_credentials"]:
                return Answer(body={"name": "channelmix", "scopes": self.scopes.split()})
            case "GET", ["api", "v1", "notifications"]:
                return self._notified(request.query)
            case "GET", ["api", "v1", "accounts", number, "statuses"]:
                every = [one for one in self.statuses.values() if one["account"]["id"] == number]
                return Answer(body=_page(every, request.query, 20, 40))
            case _, ["api", "v1", "statuses", *rest]:
                return self._status(request, rest)
            case _, ["api", "v1" | "v2", "media", *rest]:
                return self._medium(request, rest)
        return Answer(status=404, body={"error": "Not Found"})

    def _status(self, request: Request, rest: list[str]) -> Answer:  # noqa: PLR0911 - one each
        if request.method == "GET" and not rest:
            ids = request.query.get("id[]", "").split(",")
            return Answer(body=[self.statuses[one] for one in ids if one in self.statuses])
        if request.method == "POST" and not rest:
            return self._create(json.loads(request.body), request.headers)
        if not rest or rest[0] not in self.statuses:
            return MISSING
        number = rest[0]
        ours = self.statuses[number]["account"]["id"] == self.us["id"]
        match request.method, rest[1:]:
            case "GET", []:
                return Answer(body=self.statuses[number])
            case "GET", ["context"]:
                return Answer(body={"ancestors": self._above(number), "descendants": []})
            case "GET", ["source"]:
                source = {"id": number, "text": self.typed[number], "spoiler_text": ""}
                return Answer(body=source)
            case "PUT", [] if ours:
                return self._update(number, json.loads(request.body))
            case "DELETE", [] if ours:
                gone = {**self.statuses[number], "text": self.typed[number]}
                self.delete(number)
                return Answer(body=gone)
        return MISSING

    def _notified(self, query: Mapping[str, str]) -> Answer:
        types = query.get("types[]", "").split(",") if "types[]" in query else None
        found = [
            {
                **{name: value for name, value in one.items() if name != "of"},
                **({"status": self.statuses[one["of"]]} if one["of"] else {}),
            }
            for one in self.notifications
            if types is None or one["type"] in types
        ]
        return Answer(body=_page(found, query, 40, 80))

    def _above(self, number: str) -> list[dict[str, Any]]:
        above: list[dict[str, Any]] = []
        while (number := self.statuses[number]["in_reply_to_id"]) in self.statuses:
            above.insert(0, self.statuses[number])
        return above

    def _create(self, said: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        key = headers.get("idempotency-key")
        if key and self.idempotency.get(key) in self.statuses:
            return Answer(body=self.statuses[self.idempotency[key]])
        files = said.get("media_ids") or []
        if refusal := self._refuses(said, files):
            return refusal
        above = said.get("in_reply_to_id")
        if above is not None and above not in self.statuses:
            words = "The post you are trying to reply to does not appear to exist."
            return Answer(status=404, body={"error": words})
        status = self.post(
            self.us,
            said["status"].strip(),
            visibility=said.get("visibility") or "public",
            above=above,
            to=self.them if f"@{self.them['acct']}" in said["status"] else None,
        )
        status["media_attachments"] = [self.media[one] for one in files]
        self.record("answer", status["id"], status, own=True)
        if key:
            self.idempotency[key] = status["id"]
        return Answer(body=status)

    def _update(self, number: str, said: Mapping[str, Any]) -> Answer:
        files = said.get("media_ids") or []
        if refusal := self._refuses(said, files):
            return refusal
        self.edit(number, said["status"].strip())
        self.statuses[number]["media_attachments"] = [self.media[one] for one in files]
        return Answer(body=self.statuses[number])

    def _refuses(self, said: Mapping[str, Any], files: Sequence[str]) -> Answer | None:
        text = said.get("status")
        checks: list[tuple[Callable[[], bool], str]] = [
            (lambda: isinstance(text, str) and bool(text.strip() or files), "Text can't be blank"),
            (lambda: _length(str(text)) <= LONGEST, f"Text character limit of {LONGEST} exceeded"),
            (
                lambda: said.get("visibility") in VISIBILITIES,
                "Visibility is not included in the list",
            ),
            (lambda: len(files) <= FILES, "Cannot attach more than 4 files"),
            (lambda: all(one in self.media for one in files), "Media does not exist"),
            (lambda: not any(self.waiting.get(one) for one in files), PROCESSING),
            (lambda: len(files) <= 1 or self._pictures(files), "Cannot attach a video to a post"),
        ]
        return next((_bad(words) for holds, words in checks if not holds()), None)

    def _pictures(self, files: Sequence[str]) -> bool:
        return all(self.media[one]["type"] == "image" for one in files)

    def _medium(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "GET" and rest and rest[0] in self.media:
            number = rest[0]
            if self.waiting.get(number):
                self.waiting[number] -= 1
                return Answer(status=206, body={**self.media[number], "url": None})
            return Answer(body=self.media[number])
        if request.method != "POST" or not request.path.startswith("/api/v2/"):
            return MISSING
        kind = request.headers.get("content-type", "")
        message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
        form = {
            str(one.get_param("name", header="content-disposition")): one
            for one in message.walk()
            if not one.is_multipart()
        }
        file = form.get("file")
        if file is None or not file.get_filename() or file.get_content_type() not in TYPES:
            return _bad("File content type is invalid, File is invalid")
        number = str(22348641 + len(self.media))
        medium = {
            "id": number,
            "type": TYPES[file.get_content_type()],
            "url": f"https://files.{SERVER}/{number}",
            "remote_url": None,
            "description": form["description"].get_payload() if "description" in form else None,
        }
        self.media[number] = medium
        self.waiting[number] = 0 if medium["type"] == "image" else self.processing
        if not self.waiting[number]:
            return Answer(body=medium)
        return Answer(status=202, body={**medium, "url": None})

    def _register(self, form: Mapping[str, str]) -> Answer:
        if not form.get("client_name") or not urlsplit(form.get("redirect_uris", "")).scheme:
            return _bad("Redirect URI must be an absolute URI.")
        app = {**form, "client_id": secrets.token_urlsafe(9), "client_secret": "of-the-app"}
        if any(one.partition(":")[0] not in ALL for one in form.get("scopes", "read").split()):
            return _bad("Scopes doesn't match configured on the server.")
        self.apps[app["client_id"]] = app
        return Answer(body={**app, "redirect_uris": [form["redirect_uris"]], "name": "channelmix"})

    def _exchange(self, form: Mapping[str, str]) -> Answer:
        app = self.apps.get(form.get("client_id", ""))
        if app is None or form.get("client_secret") != app["client_secret"]:
            return Answer(status=401, body={"error": "invalid_client"})
        asked = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        same = all(asked.get(name) == form.get(name) for name in ("redirect_uri", "client_id"))
        if not asked or not same or asked["code_challenge"] != proof:
            return Answer(status=400, body={"error": "invalid_grant"})
        self.scopes = asked["scope"]
        token = {"access_token": self.token, "token_type": "Bearer", "scope": asked["scope"]}
        return Answer(body={**token, "created_at": 1573979017})

    def post(
        self,
        by: dict[str, Any],
        text: str,
        *,
        visibility: str = "public",
        above: str | None = None,
        to: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Let somebody post something."""
        self.posted += 1
        number = str(FIRST + self.posted)
        mentions = [{name: to[name] for name in ("id", "username", "url", "acct")}] if to else []
        ours = by["id"] == self.us["id"]
        status = {
            "id": number,
            "created_at": self._now(),
            "in_reply_to_id": above,
            "in_reply_to_account_id": self.statuses[above]["account"]["id"] if above else None,
            "sensitive": False,
            "spoiler_text": "",
            "visibility": visibility,
            "language": "en",
            "uri": f"{by['url']}/{number}",
            "url": f"{by['url']}/{number}",
            "edited_at": None,
            "content": _html(text, mentions),
            "reblog": None,
            "application": {"name": "channelmix", "website": None} if ours else None,
            "account": by,
            "media_attachments": [],
            "mentions": mentions,
            "tags": [],
            "emojis": [],
            "card": None,
            "poll": None,
        }
        self.statuses[number], self.typed[number] = status, text
        return status

    def _now(self) -> str:
        return self.clock.now().isoformat()


VISIBILITIES = ("public", "unlisted", "private", "direct", None)
PROCESSING = "Cannot attach files that have not finished processing. Try again in a moment!"


def _page(
    every: Sequence[Mapping[str, Any]], query: Mapping[str, str], usual: int, most: int
) -> list[Mapping[str, Any]]:
    """Return a page, newest first: with `min_id` the oldest ones after it."""
    size = min(int(query.get("limit", usual)), most)
    lower = int(query.get("min_id") or query.get("since_id") or 0)
    upper = int(query.get("max_id") or 10**30)
    found = [one for one in every if lower < int(one["id"]) < upper]
    found.sort(key=lambda one: int(one["id"]))
    page = found[:size] if "min_id" in query else found[-size:]
    return page[::-1]


def _length(text: str) -> int:
    return len(REMOTE.sub(r"@\1", LINK.sub("_" * 23, text)))


def _html(text: str, mentions: Sequence[Mapping[str, Any]]) -> str:
    body = html.escape(text, quote=False)
    for one in mentions:
        shown = f"@<span>{one['username']}</span>"
        link = (
            f'<span class="h-card"><a href="{one["url"]}" class="u-url mention">{shown}</a></span>'
        )
        body = body.replace(f"@{one['acct']}", link)
    paragraphs = body.replace("\r\n", "\n").split("\n\n")
    return "".join("<p>{}</p>".format(one.replace("\n", "<br />")) for one in paragraphs)
