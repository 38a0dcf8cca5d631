"""Pinterest on the wire, for tests and for the demo: one account, its boards and pins.

    sim = PinterestSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channel
        pin = sim.pin("A lamp in ten minutes")
        sim.comment(pin)                     # only the count tells of it

It answers as the API document says (release 5.23.0): paging by bookmark, counts only with
`pin_metrics`, none in trial access, rate categories, token life, media that is processed first.
It refuses what the document does not have, and every call for comments: there is none.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field
from channelmix.testing.simulator import Answer, Event, Outcome, Request, Simulator, Spoken

from channelmix_pinterest.client import category
from channelmix_pinterest.config import SCOPES

_READ = frozenset({"boards:read", "pins:read"})
_WRITE = _READ | {"boards:write", "pins:write"}
_CALLS: tuple[tuple[str, str, frozenset[str], frozenset[str]], ...] = (
    ("GET", r"pins", frozenset({"bookmark", "page_size", "pin_metrics", "pin_filter"}), _READ),
    ("POST", r"pins", frozenset(), _WRITE),
    ("GET", r"pins/(?P<pin>\d+)", frozenset({"pin_metrics"}), _READ),
    ("PATCH", r"pins/(?P<pin>\d+)", frozenset(), _WRITE),
    ("DELETE", r"pins/(?P<pin>\d+)", frozenset(), _WRITE),
    (
        "GET",
        r"pins/(?P<pin>\d+)/analytics",
        frozenset({"start_date", "end_date", "metric_types", "app_types", "split_field"}),
        _READ,
    ),
    ("GET", r"boards", frozenset({"bookmark", "page_size", "privacy"}), frozenset({"boards:read"})),
    ("GET", r"boards/(?P<board>\d+)", frozenset(), frozenset({"boards:read"})),
    ("GET", r"user_account", frozenset(), frozenset({"user_accounts:read"})),
    ("POST", r"media", frozenset(), frozenset({"pins:read", "pins:write"})),
    ("GET", r"media/(?P<media>\d+)", frozenset(), frozenset({"pins:read"})),
)
"""Method, path, what the query may name, and the scopes it takes."""
_CREATE = {"title": 100, "description": 800, "link": 2048, "alt_text": 500}
"""The texts of a pin and how long they may be."""
_METRICS = {
    "IMPRESSION",
    "OUTBOUND_CLICK",
    "PIN_CLICK",
    "SAVE",
    "SAVE_RATE",
    "TOTAL_COMMENTS",
    "TOTAL_REACTIONS",
}
ACCESS_LIFE, REFRESH_LIFE = timedelta(days=30), timedelta(days=60)


class RefusedError(Exception):
    """Pinterest's answer to what it does not do."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"code": self.code, "message": str(self)}


@define(kw_only=True)
class Pin:
    """A pin as the network has it."""

    id: str
    board: str
    created: datetime
    title: str | None = None
    description: str | None = None
    link: str | None = None
    alt_text: str | None = None
    media: dict[str, Any] | None = None
    comments: int = 0
    reactions: int = 0


@define(eq=False, kw_only=True, slots=False)
class PinterestSimulator(Simulator):
    """One simulated account."""

    account: str = "stadtwerke_musterstadt"
    client_id: str = "1234567"
    client_secret: str = "simulated-app-secret"  # noqa: S105 - the simulator's own, opens nothing
    trial: bool = False
    """Trial access: no metrics."""
    scopes: set[str] = field(factory=lambda: set(SCOPES))
    remaining: dict[str, int] = field(factory=dict)
    """For a rate category, how many calls are left of this minute."""
    processing: int = 1
    """How often a video is still being processed when it is asked about."""
    incomplete: bool = False
    """The list of pins is empty for once, though they are there."""
    pins: dict[str, Pin] = field(factory=dict)
    boards: dict[str, str] = field(factory=lambda: {"900001": "How-to", "900002": "Garden"})
    _access: dict[str, datetime] = field(factory=dict)
    _refresh: dict[str, datetime] = field(factory=dict)
    _codes: dict[str, str] = field(factory=dict)
    _media: dict[str, list[Any]] = field(factory=dict)
    _number: int = 700_000_000_000_000_000

    # --- what the conformance kit asks ----------------------------------------------------------

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this simulator."""
        return {
            "username": self.account,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "board": "900001",
        }

    @property
    def vault(self) -> Mapping[str, Mapping[str, Any]]:
        """What the vault of a connected channel holds."""
        return {"token": self.connected()}

    def connected(self) -> dict[str, str]:
        """Give out tokens as a channel keeps them."""
        refresh = f"pinr_simulated_{self._next()}"
        now = self.clock.now()
        self._refresh[refresh] = now + REFRESH_LIFE
        return {
            "access_token": self.token(),
            "refresh_token": refresh,
            "expires_at": (now + ACCESS_LIFE).isoformat(),
            "refresh_expires_at": (now + REFRESH_LIFE).isoformat(),
        }

    def consent(self, url: str) -> Mapping[str, str]:
        """Let the account's owner say yes at the log-in page."""
        query = dict(parse_qsl(urlsplit(url).query))
        return {"code": self.grant(query["redirect_uri"]), "state": query["state"]}

    def spoken(self) -> Sequence[Spoken]:
        """Return the pins of the account."""
        return [Spoken(id=one.id, text=one.description) for one in self.pins.values()]

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how Pinterest says no; there is no window."""
        refusals = {
            "throttled": RefusedError(429, 8, "You have exceeded your rate limit."),
            "unauthorized": RefusedError(401, 2, "Authentication failed."),
            "refused": RefusedError(403, 29, "You are not permitted to access that resource."),
        }
        error = refusals.get(outcome)
        return Answer(status=error.status, body=error.body()) if error else None

    # --- what happens there ---------------------------------------------------------------------

    def pin(self, title: str | None, *, media: bool = True, board: str = "900001") -> Pin:
        """Let the account have a pin."""
        made = Pin(id=self._next(), board=board, created=self.clock.now(), title=title)
        if media:
            url = f"https://i.pinimg.com/600x/{made.id}.jpg"
            images = {"600x": {"width": 600, "height": 900, "url": url}}
            made.media = {"media_type": "image", "images": images}
        self.pins[made.id] = made
        return made

    def comment(self, pin: Pin, count: int = 1) -> None:
        """Let people comment; below zero: delete what they wrote."""
        pin.comments = max(pin.comments + count, 0)
        self.record("comment", pin.id, {}, push=False)

    def react(self, pin: Pin, count: int = 1) -> None:
        """Let people react."""
        pin.reactions += count
        self.record("reaction", pin.id, {}, push=False)

    def token(self, *, life: timedelta = ACCESS_LIFE) -> str:
        """Give out an access token."""
        made = f"pina_simulated_{self._next()}"
        self._access[made] = self.clock.now() + life
        return made

    def grant(self, redirect_uri: str) -> str:
        """Let the account's owner say yes at the log-in page; return the code."""
        code = f"code{self._next()}"
        self._codes[code] = redirect_uri
        return code

    def revoke(self) -> None:
        """Let the account's owner take the app's access back."""
        self._access.clear()
        self._refresh.clear()

    # --- the base class asks --------------------------------------------------------------------

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Pinterest tells nothing of pins by webhook."""
        raise NotImplementedError

    async def answer(self, request: Request) -> Answer:
        """Answer one call, or take an upload."""
        if request.path == "/upload":
            return self._take_upload(request)
        try:
            return self._answer(request)
        except RefusedError as error:
            headers = {"x-ratelimit-reset": "30"} if error.status == 429 else {}  # noqa: PLR2004 - HTTP's
            return Answer(status=error.status, body=error.body(), headers=headers)

    def _answer(self, request: Request) -> Answer:
        path = request.path.removeprefix("/v5/")
        if request.method == "POST" and path == "oauth/token":
            return Answer(body=self._oauth(request))
        found, allowed, scopes = _find(request.method, path)
        self._authentic(request)
        self._rate(request.method, path)
        if missing := scopes - self.scopes:
            raise RefusedError(403, 7, f"Your application lacks the scopes {sorted(missing)}")
        if unknown := set(request.query) - allowed:
            raise RefusedError(400, 1, f"Invalid parameters: {sorted(unknown)}")
        head = path.partition("/")[0]
        name = f"_{request.method.lower()}_{head}" + (
            "_analytics" if path.endswith("/analytics") else ""
        )
        act: Callable[[Request, Mapping[str, str]], Answer] = getattr(self, name)
        answer = act(request, found)
        left = self.remaining.get(category(request.method, path))
        headers = (
            {} if left is None else {"x-ratelimit-remaining": str(left), "x-ratelimit-reset": "30"}
        )
        return Answer(status=answer.status, body=answer.body, headers=headers)

    def _authentic(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._access.get(given, self.clock.now()) <= self.clock.now():
            raise RefusedError(401, 2, "Authentication failed.")

    def _rate(self, method: str, path: str) -> None:
        name = category(method, path)
        if name not in self.remaining:
            return
        if self.remaining[name] == 0:
            raise RefusedError(429, 8, "You have exceeded your rate limit. Try again later.")
        self.remaining[name] -= 1

    # --- tokens ---------------------------------------------------------------------------------

    def _oauth(self, request: Request) -> dict[str, Any]:
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            raise RefusedError(401, 2, "Authentication failed.")
        form = dict(parse_qsl(request.body.decode()))
        if form.get("grant_type") == "authorization_code":
            if self._codes.pop(form.get("code", ""), None) != form.get("redirect_uri"):
                raise RefusedError(400, 283, "Invalid authorization code")
        elif form.get("grant_type") == "refresh_token":
            ends = self._refresh.pop(form.get("refresh_token", ""), None)
            if ends is None or ends <= self.clock.now():
                raise RefusedError(400, 283, "Invalid refresh token")
        else:
            raise RefusedError(400, 1, "Invalid grant_type")
        refresh = f"pinr_simulated_{self._next()}"
        self._refresh[refresh] = self.clock.now() + REFRESH_LIFE
        return {
            "response_type": form["grant_type"],
            "access_token": self.token(),
            "token_type": "bearer",
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "scope": " ".join(sorted(self.scopes)),
            "refresh_token": refresh,
            "refresh_token_expires_in": int(REFRESH_LIFE.total_seconds()),
            "refresh_token_expires_at": int(self._refresh[refresh].timestamp()),
        }

    # --- calls ----------------------------------------------------------------------------------

    def _get_user_account(self, _request: Request, _found: Mapping[str, str]) -> Answer:
        return Answer(body={"username": self.account, "account_type": "BUSINESS", "id": "42"})

    def _get_boards(self, request: Request, found: Mapping[str, str]) -> Answer:
        if "board" not in found:
            boards = [{"id": one, "name": name} for one, name in self.boards.items()]
            return self._page(request, boards)
        if found["board"] not in self.boards:
            raise RefusedError(404, 40, "Board not found.")
        return Answer(body={"id": found["board"], "name": self.boards[found["board"]]})

    def _get_pins(self, request: Request, found: Mapping[str, str]) -> Answer:
        metrics = request.query.get("pin_metrics") == "true"
        if "pin" in found:
            return Answer(body=self._show(self._pin(found), metrics=metrics))
        listed = () if self.incomplete else self.pins.values()
        newest = sorted(listed, key=lambda one: one.id, reverse=True)
        return self._page(request, [self._show(one, metrics=metrics) for one in newest])

    def _page(self, request: Request, items: Sequence[Mapping[str, Any]]) -> Answer:
        size = request.query.get("page_size", "25")
        if not size.isdigit() or not 1 <= int(size) <= 250:  # noqa: PLR2004 - the documented maximum
            raise RefusedError(400, 1, "page_size must be between 1 and 250")
        start = self._start(request.query.get("bookmark"))
        end = start + int(size)
        bookmark = base64.urlsafe_b64encode(f"at {end}".encode()).decode()
        body = {"items": items[start:end], "bookmark": bookmark if end < len(items) else None}
        return Answer(body=body)

    def _start(self, bookmark: str | None) -> int:
        try:
            return int(
                base64.urlsafe_b64decode(bookmark or "YXQgMA==").decode().removeprefix("at ")
            )
        except ValueError as error:
            raise RefusedError(400, 1, "Invalid bookmark") from error

    def _show(self, pin: Pin, *, metrics: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": pin.id,
            "created_at": pin.created.strftime("%Y-%m-%dT%H:%M:%S"),
            "board_id": pin.board,
            "title": pin.title,
            "description": pin.description,
            "link": pin.link,
            "alt_text": pin.alt_text,
            "is_owner": True,
            "media": pin.media,
            "pin_metrics": None,
        }
        if metrics and not self.trial:
            lifetime = {"pin_click": 7, "impression": 120, "clickthrough": 3}
            lifetime |= {"reaction": pin.reactions, "comment": pin.comments}
            shown["pin_metrics"] = {"90d": {"pin_click": 7}, "lifetime_metrics": lifetime}
        return shown

    def _get_pins_analytics(self, request: Request, found: Mapping[str, str]) -> Answer:
        pin, query = self._pin(found), request.query
        if missing := {"start_date", "end_date", "metric_types"} - set(query):
            raise RefusedError(400, 400, f"Missing parameters: {sorted(missing)}")
        start = datetime.fromisoformat(query["start_date"]).date()
        if start < (self.clock.now() - timedelta(days=90)).date():
            raise RefusedError(400, 400, "start_date is more than 90 days back")
        wanted = query["metric_types"].split(",")
        if set(wanted) - _METRICS:
            raise RefusedError(400, 400, "Invalid pins analytics parameters.")
        known = {"IMPRESSION": 120, "SAVE": 9, "PIN_CLICK": 7, "OUTBOUND_CLICK": 3}
        known |= {"TOTAL_COMMENTS": pin.comments, "TOTAL_REACTIONS": pin.reactions}
        summary = {name: known.get(name, 0) for name in wanted}
        return Answer(body={"all": {"summary_metrics": summary, "daily_metrics": []}})

    def _post_pins(self, request: Request, _found: Mapping[str, str]) -> Answer:
        content = _object(request)
        self._check_texts(content)
        if content.get("board_id") not in self.boards:
            raise RefusedError(404, 40, "Board not found.")
        made = self.pin(content.get("title"), board=content["board_id"])
        try:
            made.media = self._media_of(content.get("media_source"))
        except RefusedError:
            del self.pins[made.id]
            raise
        for name in _CREATE:
            setattr(made, name, content.get(name))
        self.record("pin", made.id, {}, own=True, push=False)
        return Answer(status=201, body=self._show(made, metrics=False))

    def _patch_pins(self, request: Request, found: Mapping[str, str]) -> Answer:
        content, pin = _object(request), self._pin(found)
        self._check_texts(content)
        for name in _CREATE.keys() & content.keys():
            setattr(pin, name, content[name])
        return Answer(body=self._show(pin, metrics=False))

    def _delete_pins(self, _request: Request, found: Mapping[str, str]) -> Answer:
        del self.pins[self._pin(found).id]
        return Answer(status=204, body=b"")

    def _post_media(self, request: Request, _found: Mapping[str, str]) -> Answer:
        if _object(request) != {"media_type": "video"}:
            raise RefusedError(400, 1, "media_type must be video")
        media = self._next()
        self._media[media] = ["registered", self.processing]
        parameters = {"key": f"uploads/{media}", "policy": "cG9saWN5", "x-amz-signature": "00ff"}
        return Answer(
            status=201,
            body={
                "media_id": media,
                "media_type": "video",
                "upload_url": f"{self.base_url}/upload",
                "upload_parameters": {**parameters, "Content-Type": "multipart/form-data"},
            },
        )

    def _get_media(self, _request: Request, found: Mapping[str, str]) -> Answer:
        state = self._media.get(found["media"])
        if state is None:
            raise RefusedError(404, 2200, "Media not found.")
        if state[0] == "processing":
            state[1] -= 1
            if state[1] < 0:
                state[0] = "succeeded"
        return Answer(body={"media_id": found["media"], "media_type": "video", "status": state[0]})

    def spoil(self) -> None:
        """Let every upload so far fail in processing."""
        for state in self._media.values():
            state[0] = "failed"

    def _take_upload(self, request: Request) -> Answer:
        head = f"content-type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
        parts: dict[str, Any] = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts()
        }
        media = (parts.get("key") or b"").decode().removeprefix("uploads/")
        if media not in self._media or not parts.get("file") or "policy" not in parts:
            return Answer(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        self._media[media][0] = "processing"
        return Answer(status=204, body=b"")

    def _media_of(self, source: Any) -> dict[str, Any]:
        given = source if isinstance(source, dict) else {}
        match given.get("source_type"):
            case "image_url" if str(given.get("url")).startswith("http"):
                return {"media_type": "image", "images": {}}
            case "image_base64" if given.get("content_type") in {"image/jpeg", "image/png"}:
                with contextlib.suppress(binascii.Error, TypeError):
                    if base64.b64decode(given.get("data", ""), validate=True):
                        return {"media_type": "image", "images": {}}
            case "video_id" if self._media.get(given.get("media_id", ""), [""])[0] == "succeeded":
                return {"media_type": "video", "images": {}}
        raise RefusedError(400, 235, "Invalid media_source")

    def _check_texts(self, content: Mapping[str, Any]) -> None:
        known = {*_CREATE, "board_id", "board_section_id", "media_source", "parent_pin_id"}
        if unknown := set(content) - known:
            raise RefusedError(400, 1, f"Invalid parameters: {sorted(unknown)}")
        for name, most in _CREATE.items():
            if len(content.get(name) or "") > most:
                raise RefusedError(400, 1, f"'{name}' is too long: {most} characters")

    def _pin(self, found: Mapping[str, str]) -> Pin:
        if found["pin"] not in self.pins:
            raise RefusedError(404, 50, "Pin not found.")
        return self.pins[found["pin"]]

    def _next(self) -> str:
        self._number += 1
        return str(self._number)


def _find(method: str, path: str) -> tuple[Mapping[str, str], frozenset[str], frozenset[str]]:
    for verb, form, allowed, scopes in _CALLS:
        match = re.fullmatch(form, path)
        if verb == method and match:
            return match.groupdict(), allowed, scopes
    raise RefusedError(404, 404, f"There is no {method} /{path}")


def _object(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError as error:
        raise RefusedError(400, 1, "The body is not JSON") from error
    if not isinstance(content, dict):
        raise RefusedError(400, 1, "The body is not an object")
    return content
