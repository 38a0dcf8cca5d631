"""A Mastodon server, simulated on the wire. What it would refuse, this refuses.

Sources: Mastodon's documentation, the methods `statuses`, `media`, `notifications` and
`accounts`. Words that it leaves open are those of the server's own code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email import message_from_bytes
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode

from attrs import define, field
from channelmix.records import Kind
from channelmix.testing.server import Receive, Scope, Send
from channelmix.testing.simulator import Answer, Outcome, Request, Simulator, Spoken

from channelmix_mastodon import simulator_world as world
from channelmix_mastodon.simulator_gate import EVERY, Gate, error, invalid, throttled
from channelmix_mastodon.simulator_world import SERVER, Json

FIRST = 103254962155278888
LONGEST = 500
FILES = 4
AT_ONCE = 20
"""How many posts one call may ask for by their ids."""
REMEMBERED = timedelta(hours=1)
"""How long an Idempotency-Key is kept."""
TYPES = {
    **dict.fromkeys(("image/png", "image/jpeg", "image/webp", "image/gif", "image/heic"), "image"),
    **dict.fromkeys(("video/mp4", "video/webm", "video/quicktime"), "video"),
    **dict.fromkeys(("audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav", "audio/flac"), "audio"),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/x-m4a"), "audio"),
}
VISIBILITIES = ("public", "unlisted", "private", "direct", None)
MENTION = re.compile(r"(?<![\w/])@([\w.-]*\w(?:@[\w.-]*\w)?)")
ADDRESSED = re.compile(r"^@[\w.-]+(@[\w.-]+)? ")
MISSING = error(404, "Record not found")
PROCESSING = "Cannot attach files that have not finished processing. Try again in a moment!"
MIXED = "Cannot attach a video to a post that already contains images"
NO_THREAD = "The post you are trying to reply to does not appear to exist."


@define(eq=False, kw_only=True, slots=False)
class MastodonSimulator(Simulator):
    """One server with our account, which has posted once, and somebody on another server."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.MENTION, Kind.COMMENT, Kind.DIRECT_MESSAGE)
    account: str = f"stadtwerke@{SERVER}"
    processing: int = 1
    """How often a film or a sound is said to be still processed."""
    gate: Gate = field(init=False)
    statuses: dict[str, Json] = field(factory=dict)
    typed: dict[str, str] = field(factory=dict)
    notifications: list[Json] = field(factory=list)
    media: dict[str, Json] = field(factory=dict)
    waiting: dict[str, int] = field(factory=dict)
    attached: dict[str, str] = field(factory=dict)
    idempotency: dict[str, tuple[datetime, str]] = field(factory=dict)
    posted: int = 0

    def __attrs_post_init__(self) -> None:
        """Open the gate."""
        self.gate = Gate(clock=self.clock)

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this server."""
        return {"server": f"https://{SERVER}", "account": self.account}

    @property
    def vault(self) -> Mapping[str, Mapping[str, Any]]:
        """What a channel holds that has logged in."""
        return {"token": {"access_token": self.gate.token}}

    @property
    def us(self) -> Json:
        """Our account."""
        return world.account("14715", self.account.partition("@")[0], "Stadtwerke")

    @property
    def them(self) -> Json:
        """A customer with the longest name there is, on another server."""
        acct = "mira_sommer_aus_der_hafenstadt@kunden.example"
        return world.account("971724", acct, "Mira Sommer")

    # --- what people do -------------------------------------------------------------------------

    def customer(self, kind: Kind, text: str) -> str:
        """Let a customer mention us, answer our post, or write to us alone."""
        above = self._ours()["id"] if kind is Kind.COMMENT else None
        visibility = "direct" if kind is Kind.DIRECT_MESSAGE else "public"
        status = self.post(self.them, text, visibility=visibility, above=above, to=self.us)
        self.notify("mention", status)
        self.record(kind, status["id"], status)
        return str(status["id"])

    def _ours(self) -> Json:
        for status in self.statuses.values():
            if status["account"]["id"] == self.us["id"] and status["visibility"] == "public":
                return status
        return self.post(self.us, "The heating works again.")

    def notify(self, kind: str, status: Json | None) -> None:
        """Let a notification come up."""
        number = str(34975535 + len(self.notifications))
        one = {"id": number, "type": kind, "created_at": world.written(self.clock.now())}
        about = {"group_key": f"ungrouped-{number}", "account": status and status["account"]}
        self.notifications.append({**one, **about, "of": status["id"] if status else None})

    def post(
        self,
        by: Json,
        text: str,
        *,
        visibility: str = "public",
        above: str | None = None,
        to: Json | None = None,
    ) -> Json:
        """Let somebody post something."""
        self.posted += 1
        number = str(FIRST + self.posted)
        status = world.status(
            number,
            by,
            text,
            at=self.clock.now(),
            visibility=visibility,
            above=self.statuses[above] if above else None,
            to=to,
            app="channelmix" if by["id"] == self.us["id"] else None,
        )
        self.statuses[number], self.typed[number] = status, text
        return status

    def edit(self, number: str, text: str) -> None:
        """Let somebody edit a post."""
        status = self.statuses[number]
        self.typed[number] = text
        status["content"] = world.rich(text, status["mentions"])
        status["edited_at"] = world.written(self.clock.now())

    def delete(self, number: str) -> None:
        """Let somebody delete a post; its notification goes with it."""
        del self.statuses[number], self.typed[number]
        self.notifications = [one for one in self.notifications if one["of"] != number]

    def spoken(self) -> Sequence[Spoken]:
        """Return what our account answered to somebody, without whom it is addressed to.

        What mentions nobody tells nobody, and as a direct message nobody can see it.
        """
        return [
            Spoken(
                id=one["id"],
                text=ADDRESSED.sub("", self.typed[one["id"]]),
                attachments=len(one["media_attachments"]),
            )
            for one in self.statuses.values()
            if one["account"]["id"] == self.us["id"] and one["in_reply_to_id"] and one["mentions"]
        ]

    def consent(self, url: str) -> Mapping[str, str]:
        """Let a person agree."""
        return self.gate.consent(url)

    # --- the API --------------------------------------------------------------------------------

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how the server says no."""
        refusals: dict[str, Answer] = {
            "throttled": throttled(EVERY.headers(EVERY.most, self.clock.now())),
            "unauthorized": error(401, "The access token is invalid"),
            "refused": invalid("Text can't be blank"),
        }
        return refusals.get(outcome)

    def sends(self, request: Request) -> bool:
        """Say whether a request says, changes or deletes something."""
        return request.method != "GET" and request.path.startswith("/api/v1/statuses")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request; keys that stand several times in the query become one, with commas."""
        if scope["type"] == "http":
            query = parse_qs(scope["query_string"].decode())
            joined = urlencode({name: ",".join(values) for name, values in query.items()})
            scope = {**scope, "query_string": joined.encode()}
        await super().__call__(scope, receive, send)

    async def answer(self, request: Request) -> Answer:
        """Do what the API does."""
        if request.path == "/oauth/token":
            return self.gate.exchange(dict(parse_qsl(request.body.decode())))
        refused, headers = self.gate.count(request)
        if refused is not None:
            return refused
        if (request.method, request.path) == ("POST", "/api/v1/apps"):
            answer = self.gate.register(dict(parse_qsl(request.body.decode())))
        else:
            answer = self.gate.refuses(request) or self._route(request)
        told = {**headers, **answer.headers}
        return Answer(status=answer.status, body=answer.body, headers=told)

    def _route(self, request: Request) -> Answer:  # noqa: PLR0911 - one each
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "GET", ["api", "v1", "accounts", "verify_credentials"]:
                return Answer(body=self.us)
            case "GET", ["api", "v1", "apps", "verify_credentials"]:
                return Answer(body={"name": "channelmix", "scopes": self.gate.scopes.split()})
            case "GET", ["api", "v1", "notifications"]:
                return self._notified(request)
            case "GET", ["api", "v1", "accounts", number, "statuses"]:
                every = [one for one in self.statuses.values() if one["account"]["id"] == number]
                return world.page(every, request, self.base_url, 20, 40)
            case _, ["api", "v1", "statuses", *rest]:
                return self._status(request, rest)
            case _, ["api", "v1" | "v2", "media", *rest]:
                return self._medium(request, rest)
        return error(404, "Not Found")

    def _status(self, request: Request, rest: list[str]) -> Answer:  # noqa: PLR0911 - one each
        if request.method == "GET" and not rest:
            ids = request.query.get("id[]", "").split(",")
            if len(ids) > AT_ONCE:
                return error(422, "Mastodon::ValidationError")
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

    def _notified(self, request: Request) -> Answer:
        types = request.query.get("types[]", "").split(",") if "types[]" in request.query else None
        found = [
            {
                **{name: value for name, value in one.items() if name != "of"},
                **({"status": self.statuses[one["of"]]} if one["of"] else {}),
            }
            for one in self.notifications
            if types is None or one["type"] in types
        ]
        return world.page(found, request, self.base_url, 40, 80)

    def _above(self, number: str) -> list[Json]:
        above: list[Json] = []
        while (number := self.statuses[number]["in_reply_to_id"]) in self.statuses:
            above.insert(0, self.statuses[number])
        return above

    def _create(self, said: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        above = said.get("in_reply_to_id")
        if above is not None and above not in self.statuses:
            return error(404, NO_THREAD)
        key = headers.get("idempotency-key")
        if key and (before := self._before(key)):
            return Answer(body=self.statuses[before]) if before in self.statuses else MISSING
        if refusal := self._refuses(said, None):
            return refusal
        status = self.post(
            self.us,
            said["status"].strip(),
            visibility=said.get("visibility") or "public",
            above=above,
            to=self._mentioned(said["status"]),
        )
        self._attach(status, said)
        self.record("answer", status["id"], status, own=True)
        if key:
            self.idempotency[key] = (self.clock.now(), status["id"])
        return Answer(body=status)

    def _mentioned(self, text: str) -> Json | None:
        """Return the first account that a text names, of those who have written here."""
        known = {one["account"]["acct"]: one["account"] for one in self.statuses.values()}
        named = (known.get(one) for one in MENTION.findall(text))
        return next((one for one in named if one and one["id"] != self.us["id"]), None)

    def _before(self, key: str) -> str | None:
        """Return what was posted with this key within the hour, even if it was deleted since."""
        at, number = self.idempotency.get(key, (None, None))
        return number if at and self.clock.now() - at < REMEMBERED else None

    def _update(self, number: str, said: Mapping[str, Any]) -> Answer:
        if refusal := self._refuses(said, number):
            return refusal
        self.edit(number, said["status"].strip())
        self._attach(self.statuses[number], said)
        return Answer(body=self.statuses[number])

    def _attach(self, status: Json, said: Mapping[str, Any]) -> None:
        files = said.get("media_ids") or []
        status["media_attachments"] = [self.media[one] for one in files]
        self.attached.update(dict.fromkeys(files, status["id"]))

    def _refuses(self, said: Mapping[str, Any], number: str | None) -> Answer | None:
        """Return why no post can be made of this, or why the post cannot be changed into it."""
        text, files = said.get("status"), said.get("media_ids") or []
        if words := self._misfits(files, number):
            return error(422, words)
        if said.get("visibility") not in VISIBILITIES:
            return invalid("Visibility is not included in the list")
        if not isinstance(text, str) or not (text.strip() or files):
            return invalid("Text can't be blank")
        if world.length(text) > LONGEST:
            return invalid(f"Text character limit of {LONGEST} exceeded")
        return None

    def _misfits(self, files: Sequence[str], number: str | None) -> str | None:
        free = {one for one in self.media if self.attached.get(one, number) == number}
        if len(files) > FILES:
            return f"Cannot attach more than {FILES} files"
        if lost := [one for one in files if one not in free]:
            return f"Media {', '.join(lost)} not found or already attached to another post"
        if len(files) > 1 and any(self.media[one]["type"] != "image" for one in files):
            return MIXED
        return PROCESSING if any(self.waiting.get(one) for one in files) else None

    def _medium(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "GET" and rest and rest[0] in self.media:
            number = rest[0]
            if self.waiting.get(number):
                self.waiting[number] -= 1
                return Answer(status=206, body={**self.media[number], "url": None})
            return Answer(body=self.media[number])
        if request.method != "POST" or not request.path.startswith("/api/v2/"):
            return MISSING
        form = _multipart(request)
        file = form.get("file")
        if file is None or not file.get_filename() or file.get_content_type() not in TYPES:
            return invalid("File content type is invalid, File is invalid")
        number = str(22348641 + len(self.media))
        described = form["description"].get_payload() if "description" in form else None
        medium = world.medium(number, TYPES[file.get_content_type()], described)
        self.media[number] = medium
        self.waiting[number] = 0 if medium["type"] == "image" else self.processing
        if not self.waiting[number]:
            return Answer(body=medium)
        return Answer(status=202, body={**medium, "url": None})


def _multipart(request: Request) -> Mapping[str, Any]:
    kind = request.headers.get("content-type", "")
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    return {
        str(one.get_param("name", header="content-disposition")): one
        for one in message.walk()
        if not one.is_multipart()
    }
