"""A sound plugin for an invented network. Each defect in the tests changes one place of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx
from attrs import Attribute, define, field, frozen
from channelmix.config import Secret, setting
from channelmix.errors import (
    AuthorizationLost,
    InvalidPayload,
    PluginError,
    Rejected,
    RetryLater,
    Uncertain,
    WindowClosed,
)
from channelmix.hookspecs import Channel, Services, hook
from channelmix.http import was_not_sent
from channelmix.records import (
    Action,
    Allowance,
    AttachmentKind,
    Checked,
    Connect,
    Connected,
    Deletion,
    Echo,
    Edit,
    Finding,
    Found,
    Identity,
    Ignored,
    Inbound,
    Ingested,
    Kind,
    Limits,
    Message,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Received,
    Renewed,
    Source,
    Split,
    WebhookRequest,
    WebhookResponse,
    minutes,
)

KINDS = {"comment": Kind.COMMENT, "private": Kind.DIRECT_MESSAGE}
WINDOW = timedelta(hours=24)
Json = dict[str, Any]


def _board(_: object, attribute: Attribute[Any], value: str) -> None:
    if not value.isalnum():
        raise ValueError(f"{attribute.name} has letters and digits only")


def units(text: str) -> int:
    """Count as the board does: in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@frozen(kw_only=True)
class NoticeboardConfig:
    """One board."""

    board: str = setting(help="The board.", validator=_board)
    password: Secret = setting(help="What renews its tokens.")
    secret: Secret = setting(help="What signs its webhooks.")
    calls: int = setting(default=0, help="How many calls a day may cost; 0: any number.")


@define(eq=False, kw_only=True, slots=False)
class Noticeboard(Channel):
    """One notice board."""

    network: ClassVar[str] = "noticeboard"
    Config: ClassVar[type] = NoticeboardConfig
    account_field: ClassVar[str] = "board"
    sources = (Source(name="notes", every=minutes(2)),)
    limits = (
        Limits(
            actions={Action.PUBLIC_REPLY},
            kinds={Kind.COMMENT},
            text=280,
            count=units,
            attachments=1,
            media={AttachmentKind.IMAGE},
        ),
        Limits(
            actions={Action.PRIVATE_REPLY},
            kinds={Kind.DIRECT_MESSAGE},
            text=500,
            count=units,
            window=WINDOW,
        ),
        Limits(actions={Action.HIDE}, kinds={Kind.COMMENT}),
    )

    config: NoticeboardConfig
    seen: set[str] = field(factory=set)

    @hook
    async def open(self, services: Services) -> None:
        """Get ready."""
        services.log.info("open", board=self.account)

    @hook
    async def close(self, services: Services) -> None:
        """Let go."""
        self.seen.clear()

    @hook
    async def check(self, services: Services) -> Checked:
        """Ask whether the token holds."""
        try:
            await self._get("/me", {}, reply=True)
        except AuthorizationLost as lost:
            finding = Finding(level="block", code="token", text=str(lost))
            return Checked(findings=(finding,))
        return Checked()

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        """Check the signature, or answer the handshake."""
        secret = self.config.secret.reveal().encode()
        if request.method == "GET":
            challenge = request.query.get("challenge", "")
            if not challenge:
                return Received.refuse("no handshake", status=400)
            proof = hmac.new(secret, challenge.encode(), hashlib.sha256).hexdigest()
            return Received(response=WebhookResponse(body=json.dumps({"proof": proof})))
        given = request.headers.get("x-board-signature", "").encode("utf-8", "surrogatepass")
        wanted = hmac.new(secret, request.body, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(given, wanted):
            return Received.refuse("bad signature")
        return Received(payload=request.body)

    @hook
    def split(self, payload: Payload) -> Split:
        """Cut a webhook body, or a page of notes."""
        document = _object(_decoded(payload.body))
        if payload.source == "webhook":
            board = str(document.get("board", ""))
            return Split(events=tuple(_event(one, board) for one in _list(document, "events")))
        notes = _list(document, "notes")
        return Split(events=tuple(_event({"type": "note.added", "note": one}, "") for one in notes))

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        """Say what one event means."""
        return Ingested(inbounds=(self._meaning(_object(_decoded(event.body))),))

    def _meaning(self, document: Json) -> Inbound:
        note, what = _object(document.get("note")), _text(document, "type")
        if what not in {"note.added", "note.edited", "note.removed"}:
            return Ignored(reason="unknown event")
        if not isinstance(note.get("id"), str) or not note["id"]:
            raise InvalidPayload("a note without an id")
        if what == "note.removed":
            return Deletion(id=note["id"], at=_time(note), thread=_text(note, "thread"))
        if what == "note.edited":
            revision = str(note.get("rev", ""))
            return Edit(id=note["id"], at=_time(note), revision=revision, text=_text(note, "text"))
        return self._message(note)

    def _message(self, note: Json) -> Inbound:
        by = _object(note.get("by"))
        own = by.get("id") == self.account
        message = Message(
            id=note["id"],
            kind=KINDS.get(str(note.get("kind")), Kind.COMMENT),
            thread=_text(note, "thread") or note["id"],
            sent_at=_time(note),
            author=Identity(id=str(by["id"]), name=_text(by, "name")) if by.get("id") else None,
            text=_text(note, "text"),
            url=_text(note, "link"),
            own=own,
            revision=str(note.get("rev", "")),
        )
        return Echo(message=message, token=_text(note, "key")) if own else message

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        """Read the next page of notes."""
        answer = await self._get("/notes", {"after": str(wanted.cursor or 0)})
        payload = Payload(body=json.dumps(answer).encode(), source=wanted.source)
        page = self.split(payload)
        after = answer.get("last", wanted.cursor)
        return Polled(events=page.events, cursor=after, more=bool(answer.get("more")))

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        """Write a note, or hide one."""
        target = outgoing.target
        if target is None:
            raise Rejected("there is nothing to answer")
        if outgoing.action is Action.HIDE:
            await self._post(f"/notes/{target.id}/hide", {})
            return Receipt()
        self._refuse_late(outgoing)
        note = {"thread": target.thread, "text": outgoing.text, "key": outgoing.token}
        for one in outgoing.attachments:
            note["picture"] = base64.b64encode(Path(str(one.path)).read_bytes()).decode()
        answer = await self._post("/notes", note)
        return Receipt(ids=(str(answer["id"]),))

    def _refuse_late(self, outgoing: Outgoing) -> None:
        opened = outgoing.window_opened_at
        direct = outgoing.action is Action.PRIVATE_REPLY
        if direct and (opened is None or self.clock.now() > opened + WINDOW):
            raise WindowClosed("a private note is possible for 24 hours only")

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        """Look for a note with our key."""
        answer = await self._get("/notes", {"after": "0", "key": outgoing.token}, reply=True)
        ids = [str(one["id"]) for one in answer["notes"] if one["id"] not in outgoing.taken]
        return Found(status="found" if ids else "absent", ids=tuple(ids[:1]))

    # access

    @property
    def allowance(self) -> Allowance | None:
        """What the configuration allows."""
        calls = self.config.calls
        return Allowance(unit="calls", amount=calls, period="day") if calls else None

    @hook
    async def connect(self, request: Connect) -> Connected:
        """Log in with a code."""
        if request.callback is None:
            query = urlencode({"redirect_uri": request.redirect_uri, "state": "state-1"})
            return Connected(url=f"{self._url('/consent')}?{query}", memory={"state": "state-1"})
        if "code" not in request.callback:
            raise Rejected("the person said no")
        kept = await self._token({"code": request.callback["code"]})
        await self.services.vault.put(kept)
        return Connected(account=self.account)

    @hook
    async def renew(self, services: Services) -> Renewed:
        """Renew the token ten minutes before it ends."""
        kept = await services.vault.refresh(self._refreshed, stale=self._ends)
        return Renewed(expires_at=datetime.fromisoformat(kept["ends"]))

    def _ends(self, kept: Mapping[str, Any] | None) -> bool:
        soon = self.clock.now() + timedelta(minutes=10)
        return kept is None or datetime.fromisoformat(kept["ends"]) <= soon

    async def _refreshed(self, kept: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if kept is None:
            raise AuthorizationLost("not connected")
        return await self._token({"refresh": kept["refresh"]})

    async def _token(self, asked: Json) -> Mapping[str, Any]:
        asked = {**asked, "password": self.config.password.reveal()}
        try:
            answer = await self.http.post(self._url("/token"), json=asked)
        except httpx.RequestError as error:
            raise RetryLater(f"POST /token: {type(error).__name__}") from error
        return self._read(answer, "/token", RetryLater)

    # calls

    async def _get(self, path: str, query: Mapping[str, str], *, reply: bool = False) -> Json:
        await self._pay(reply=reply)
        headers = await self._headers()
        try:
            answer = await self.http.get(self._url(path), params=query, headers=headers)
        except httpx.RequestError as error:
            raise RetryLater(f"GET {path}: {type(error).__name__}") from error
        return self._read(answer, path, RetryLater)

    async def _post(self, path: str, note: Json) -> Json:
        await self._pay(reply=True)
        headers = await self._headers()
        try:
            answer = await self.http.post(self._url(path), json=note, headers=headers)
        except httpx.TransportError as error:
            if was_not_sent(error):
                raise RetryLater(f"POST {path}: {type(error).__name__}") from error
            raise Uncertain(f"POST {path}: {type(error).__name__}") from error
        return self._read(answer, path, Uncertain)

    def _url(self, path: str) -> str:
        return f"{self.api_url or 'https://board.example'}{path}"

    async def _pay(self, *, reply: bool) -> None:
        await self.services.budget.spend(1, reply=reply)

    async def _headers(self) -> dict[str, str]:
        kept = await self.services.vault.get()
        if kept is None:
            raise AuthorizationLost("not connected")
        return {"Authorization": f"Bearer {kept['access']}"}

    def _read(self, answer: httpx.Response, path: str, lost: type[PluginError]) -> Json:
        if answer.is_server_error:
            raise lost(f"{path}: HTTP {answer.status_code}")
        said = _object(_answered(answer))
        if answer.is_success:
            return said
        code = said.get("code")
        if code == "slow_down":
            raise RetryLater(f"{path}: slow down", after=timedelta(seconds=int(said["seconds"])))
        if code == "token":
            raise AuthorizationLost(f"{path}: the token does not hold")
        if code == "closed":
            raise WindowClosed(f"{path}: too late")
        raise Rejected(f"{path}: refused ({str(code)[:20]})")


def _answered(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {}


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload("this is not JSON") from error


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(document: Json, name: str) -> Iterator[Json]:
    values = document.get(name)
    yield from (one for one in (values if isinstance(values, list) else []) if one)


def _text(document: Json, name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _time(note: Json) -> datetime:
    try:
        return datetime.fromtimestamp(float(note["at"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise InvalidPayload("a note without a time") from None


def _event(document: Any, board: str) -> RawEvent:
    body = json.dumps(document, sort_keys=True).encode()
    return RawEvent(key=hashlib.sha256(body).hexdigest(), body=body, account=board)
