"""Comments under the incidents of a status page, as a channel."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, TypeVar

import httpx
import msgspec
from attrs import define, frozen
from channelmix import (
    AuthorizationLost,
    Channel,
    InvalidPayload,
    Rejected,
    RetryLater,
    hook,
    records,
)
from channelmix.config import Secret, setting
from channelmix.errors import PluginError
from channelmix.http import was_not_sent
from channelmix.records import Kind, Source, minutes

HOST = "https://api.statuspage.example"
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Wire = TypeVar("Wire")


@frozen(kw_only=True)
class StatusPageConfig:
    """One status page."""

    page_id: str = setting(help="The page's id.")
    token: Secret = setting(help="An API token with the scope `comments`.")
    webhook_secret: Secret = setting(help="The secret that you typed in at Webhooks.")


@frozen(kw_only=True)
class Comment:
    """A comment, on the wire. `change` is in webhooks only."""

    id: str
    incident: str
    author: records.Identity
    text: str
    created_at: Time
    updated_at: Time
    version: int
    url: str
    change: str = "created"


@frozen(kw_only=True)
class Page:
    """A webhook body, or one page of a list, on the wire."""

    comments: list[dict[str, Any]]
    next: str | None = None


def decode(body: bytes, wire: type[Wire], otherwise: type[PluginError]) -> Wire:
    """Read JSON as `wire`. Raises: `otherwise` where it is something else."""
    try:
        return msgspec.convert(json.loads(body), wire)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise otherwise(f"this is no {wire.__name__} as it is documented") from error


@define(eq=False, kw_only=True, slots=False)
class StatusPage(Channel):
    """The comments of one status page."""

    network: ClassVar[str] = "statuspage"
    Config: ClassVar[type] = StatusPageConfig
    account_field: ClassVar[str] = "page_id"
    sources = (Source(name="comments", every=minutes(2), sweep=minutes(30)),)

    config: StatusPageConfig

    @hook
    def split(self, payload: records.Payload) -> records.Split:
        """Cut a page of comments: each is an event, known by its content."""
        page = decode(payload.body, Page, InvalidPayload)
        return records.Split(events=tuple(self._event(one) for one in page.comments))

    def _event(self, comment: dict[str, Any]) -> records.RawEvent:
        body = json.dumps(comment, sort_keys=True).encode()
        key = hashlib.sha256(body).hexdigest()
        return records.RawEvent(key=key, body=body, account=self.account)

    @hook
    def ingest(self, event: records.RawEvent) -> records.Ingested:
        """Say what one comment means."""
        comment = decode(event.body, Comment, InvalidPayload)
        return records.Ingested(inbounds=(self._inbound(comment),))

    def _inbound(self, comment: Comment) -> records.Inbound:
        if comment.change == "deleted":
            return records.Deletion(id=comment.id, thread=comment.incident, at=comment.updated_at)
        if comment.change == "updated":
            return records.Edit(
                id=comment.id,
                thread=comment.incident,
                at=comment.updated_at,
                revision=str(comment.version),
                text=comment.text,
            )
        if comment.change != "created":
            return records.Ignored(reason="unknown change")
        own = comment.author.id == self.account
        message = records.Message(
            id=comment.id,
            kind=Kind.COMMENT,
            thread=comment.incident,
            sent_at=comment.created_at,
            author=comment.author,
            text=comment.text,
            url=comment.url,
            own=own,
            revision=str(comment.version),
        )
        return records.Echo(message=message) if own else message

    @hook
    def receive(self, request: records.WebhookRequest) -> records.Received:
        """Let through what is signed with the page's webhook secret."""
        secret = self.config.webhook_secret.reveal().encode()
        wanted = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
        given = request.headers.get("x-statuspage-signature", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode()):
            return records.Received.refuse("bad signature")
        return records.Received(payload=request.body)

    @hook
    async def poll(self, wanted: records.Poll) -> records.Polled:
        """Read one page of the comments, oldest first."""
        after = {"after": wanted.cursor} if wanted.cursor else {}
        path = f"/v1/pages/{self.account}/comments"
        answer = await self._call("GET", path, otherwise=RetryLater, params=after)
        page = decode(answer.content, Page, RetryLater)
        events = tuple(self._event(one) for one in page.comments)
        return records.Polled(events=events, cursor=page.next or wanted.cursor, more=bool(events))

    async def _call(
        self, method: str, path: str, *, otherwise: type[PluginError], **more: Any
    ) -> httpx.Response:
        """Call the API. Raises: `otherwise` where nobody knows whether the network acted."""
        headers = {"Authorization": f"Bearer {self.config.token.reveal()}"}
        where = f"{method} {path}"
        try:
            url = (self.api_url or HOST) + path
            answer = await self.http.request(method, url, headers=headers, **more)
        except httpx.TransportError as error:
            kind = RetryLater if was_not_sent(error) else otherwise
            raise kind(f"{where}: {type(error).__name__}") from error
        if not answer.is_success:
            raise _refusal(answer, f"{where}: HTTP {answer.status_code}", otherwise)
        return answer


def _refusal(answer: httpx.Response, reason: str, otherwise: type[PluginError]) -> PluginError:
    """Say what the host must do about an answer that is no success."""
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return AuthorizationLost(f"{reason}: make a new token and put it into `token`")
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        seconds = answer.headers.get("retry-after", "")
        after = timedelta(seconds=int(seconds) if seconds.isdecimal() else 60)
        return RetryLater(reason, after=after)
    return Rejected(reason) if answer.is_client_error else otherwise(reason)
