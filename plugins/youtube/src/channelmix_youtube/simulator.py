"""YouTube on the wire, for tests and for the demo: one channel, its videos, the hub.

    sim = YouTubeSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channel
        video = sim.video("Changing a lamp")
        sim.comment(video, "Mira", "Which screwdriver?")

It answers as the Data API documents: parts, paging by token, quota with its refusals, threads
that show some of their replies only, what is held seen by the owner alone. It refuses parameters
that do not exist. Simulators of channels of one project share a `Project`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import httpx
from attrs import define, field
from channelmix.records import Kind, WebhookRequest
from channelmix.testing.simulator import (
    NO_TRUST,
    Answer,
    Event,
    Outcome,
    Request,
    Simulator,
    Spoken,
)

from channelmix_youtube import simulator_world as world
from channelmix_youtube.atom import TOPIC
from channelmix_youtube.config import SCOPE
from channelmix_youtube.simulator_world import (
    ME,
    Comment,
    Project,
    RefusedError,
    Said,
    Video,
    World,
)
from channelmix_youtube.videos import uploads

_T = TypeVar("_T")
_PAGED = frozenset({"part", "maxResults", "pageToken"})
PARAMS: Mapping[tuple[str, str], frozenset[str]] = {
    ("GET", "commentThreads"): _PAGED
    | {"allThreadsRelatedToChannelId", "videoId", "id", "order", "textFormat", "moderationStatus"}
    | {"searchTerms", "channelId"},
    ("POST", "commentThreads"): frozenset({"part"}),
    ("GET", "comments"): _PAGED | {"id", "parentId", "textFormat"},
    ("POST", "comments"): frozenset({"part"}),
    ("PUT", "comments"): frozenset({"part"}),
    ("DELETE", "comments"): frozenset({"id"}),
    ("POST", "comments/setModerationStatus"): frozenset({"id", "moderationStatus", "banAuthor"}),
    ("GET", "playlistItems"): _PAGED | {"playlistId", "id", "videoId"},
    ("GET", "videos"): _PAGED | {"id"},
    ("GET", "channels"): _PAGED | {"mine", "id"},
    ("GET", "search"): _PAGED | {"q", "type", "order", "publishedAfter", "channelId", "eventType"},
    ("GET", "liveChat/messages"): _PAGED | {"liveChatId", "hl", "profileImageSize"},
    ("POST", "liveChat/messages"): frozenset({"part"}),
    ("DELETE", "liveChat/messages"): frozenset({"id"}),
    ("GET", "liveBroadcasts"): _PAGED | {"broadcastStatus", "broadcastType", "id", "mine"},
}
"""What each call may name: YouTube's reference pages."""
MOST = {"liveChat/messages": 2000, "commentThreads": 100, "comments": 100, "videos": 50}
TEXT = 10_000


@define(eq=False, kw_only=True, slots=False)
class YouTubeSimulator(Simulator):
    """One simulated channel."""

    account: str = ME
    client_id: str = "simulated.apps.googleusercontent.com"
    client_secret: str = "simulated-client-secret"  # noqa: S105 - the simulator's own, opens nothing
    hub_secret: str = "simulated-hub-secret"  # noqa: S105 - as above
    """What our subscription at the hub named."""
    project: Project = field(factory=Project)
    world: World = field(factory=World)
    scopes: set[str] = field(factory=lambda: {SCOPE})
    refusals: dict[str, RefusedError] = field(factory=dict)
    """For a method and path (`GET commentThreads`), what is refused now."""
    subscriptions: dict[str, datetime] = field(factory=dict)
    """Callback, and until when the hub tells it."""
    _access: dict[str, datetime] = field(factory=dict)
    _refresh: set[str] = field(factory=set)
    _codes: dict[str, tuple[str, str]] = field(factory=dict)
    _stale: set[str] = field(factory=set)

    # --- what the conformance kit asks ----------------------------------------------------------

    kinds: ClassVar[Sequence[Kind]] = (Kind.COMMENT,)

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this simulator."""
        return {
            "channel_id": self.account,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "hub_secret": self.hub_secret,
            "live": True,
        }

    @property
    def vault(self) -> Mapping[str, Mapping[str, Any]]:
        """What the vault of a connected channel holds."""
        return {"token": self.connected()}

    def consent(self, url: str) -> Mapping[str, str]:
        """Let the owner say yes at Google's page."""
        query = dict(parse_qsl(urlsplit(url).query))
        code = self.grant(query["redirect_uri"], query["code_challenge"])
        return {"code": code, "state": query["state"]}

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody comment below a video of ours."""
        if kind is not Kind.COMMENT:
            raise NotImplementedError(kind)
        mine = [one for one in self.world.videos.values() if one.owner == self.account]
        return self.comment(mine[-1] if mine else self.video("News"), "@mira", text).id

    def spoken(self) -> Sequence[Spoken]:
        """Return our comments that everybody sees."""
        return [
            Spoken(id=one.id, text=one.text)
            for one in self.world.comments.values()
            if one.author == self.account and one.status == "published"
        ]

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how YouTube says no; its replies have no window."""
        refusals = {
            "throttled": RefusedError(403, "rateLimitExceeded"),
            "unauthorized": RefusedError(401, "authError"),
            "refused": RefusedError(403, "forbidden"),
        }
        error = refusals.get(outcome)
        return Answer(status=error.status, body=error.body()) if error else None

    def handshake(self) -> tuple[WebhookRequest, str] | None:
        """Return the hub's question."""
        query = {"hub.mode": "subscribe", "hub.topic": f"{TOPIC}{self.account}"}
        query |= {"hub.challenge": "simulated-challenge", "hub.lease_seconds": "864000"}
        return WebhookRequest(method="GET", query=query), "simulated-challenge"

    # --- what happens there ---------------------------------------------------------------------

    def video(
        self, title: str, *, owner: str | None = None, live: bool = False, **more: Any
    ) -> Video:
        """Publish a video, of ours unless it has another owner; `more` are fields of `Video`."""
        made = Video(
            id=f"vid{self.world.number():08d}",
            owner=owner or self.account,
            title=title,
            published=self.clock.now(),
            **more,
        )
        self.world.videos[made.id] = made
        if live:
            made.chat = f"chat-{made.id}"
            self.world.chats[made.chat] = []
        if made.owner == self.account:
            content = {"video": made.id, "title": title, "at": world.stamp(made.published)}
            self.record("video", made.id, content, own=True)
        return made

    def comment(
        self,
        video: Video,
        name: str,
        text: str,
        *,
        status: str = "published",
        image: str | None = None,
        author: str | None = None,
    ) -> Comment:
        """Let somebody begin a thread below a video."""
        made = self._made(f"Ug{self.world.number():022d}AaABAg", video.id, name, text, author)
        made.status, made.image = status, image
        self.record("comment", made.id, {}, own=made.author == self.account, push=False)
        return made

    def answer_to(
        self, top: Comment, name: str, text: str, *, author: str | None = None
    ) -> Comment:
        """Let somebody reply below a comment."""
        top = top.top or top
        number = self.world.number()
        made = self._made(f"{top.id}.9{number:020d}", top.video, name, text, author)
        made.top = top
        top.replies.append(made)
        self.record("reply", made.id, {}, own=made.author == self.account, push=False)
        return made

    def edit(self, comment: Comment, text: str) -> None:
        """Let an author change a comment."""
        comment.text, comment.updated = text, max(self.clock.now(), world.soon(comment.updated))
        self.record("edit", comment.id, {}, push=False)

    def remove(self, comment: Comment) -> None:
        """Let an author delete a comment, with what stands below it."""
        for one in (comment, *comment.replies):
            del self.world.comments[one.id]
        if comment.top is not None:
            comment.top.replies.remove(comment)
        self.record("remove", comment.id, {}, push=False)

    def say(self, video: Video, name: str, text: str, *, author: str | None = None) -> Said:
        """Let somebody write into the chat of a stream."""
        made = Said(
            id=f"LCC.{self.world.number():030d}",
            chat=str(video.chat),
            author=author or person(name),
            name=name,
            text=text,
            at=self.clock.now(),
        )
        self.world.chats[made.chat].append(made)
        self.record("chat", made.id, {}, own=made.author == self.account, push=False)
        return made

    def unsay(self, said: Said) -> None:
        """Let a moderator remove a message of the chat."""
        gone = Said(**{**_fields(said), "id": f"{said.id}.gone", "text": None, "removes": said.id})
        self.world.chats[said.chat].append(gone)

    def end(self, video: Video) -> None:
        """End a stream."""
        self.world.chats.pop(str(video.chat))
        video.chat = None

    def spoil_pages(self) -> None:
        """Let every page token so far go stale."""
        self._stale.add("all")

    def connected(self) -> dict[str, str]:
        """Return what the vault of a connected channel has."""
        refresh = f"1//simulated-refresh-{self.world.number()}"
        self._refresh.add(refresh)
        ends = self.clock.now() + timedelta(hours=1)
        return {
            "access_token": self._token(),
            "refresh_token": refresh,
            "expires_at": ends.isoformat(),
        }

    def grant(self, redirect_uri: str, challenge: str) -> str:
        """Let the owner say yes at Google's page; return the code."""
        code = f"4/simulated-{self.world.number()}"
        self._codes[code] = (redirect_uri, challenge)
        return code

    def revoke(self) -> None:
        """Let the owner take the access back."""
        self._access.clear()
        self._refresh.clear()

    # --- the base class asks --------------------------------------------------------------------

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Make a notice of the hub and sign it with our secret."""
        entries = "".join(
            f"<entry><id>yt:video:{one.content['video']}</id>"
            f"<yt:videoId>{one.content['video']}</yt:videoId>"
            f"<yt:channelId>{self.account}</yt:channelId>"
            f"<title>{escape(str(one.content['title']))}</title>"
            f"<published>{one.content['at']}</published><updated>{one.content['at']}</updated></entry>"
            for one in events
        )
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
            f'xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'
        ).encode()
        digest = hmac.new(self.hub_secret.encode(), body, hashlib.sha1).hexdigest()
        return body, {"content-type": "application/atom+xml", "x-hub-signature": f"sha1={digest}"}

    async def answer(self, request: Request) -> Answer:
        """Answer one call."""
        try:
            if request.path == "/token":
                return Answer(body=self._oauth(dict(parse_qsl(request.body.decode()))))
            if request.path == "/subscribe":
                return await self._subscribe(dict(parse_qsl(request.body.decode())))
            return self._call(request, request.path.removeprefix("/youtube/v3/"))
        except RefusedError as error:
            return Answer(status=error.status, body=error.body())

    def _call(self, request: Request, path: str) -> Answer:
        allowed = PARAMS.get((request.method, path))
        if allowed is None:
            raise RefusedError(404, "notFound", f"There is no {request.method} {path}")
        self._authentic(request)
        self.project.pay(request.method, path, self.clock.now())
        if refusal := self.refusals.get(f"{request.method} {path}"):
            raise refusal
        if unknown := set(request.query) - allowed:
            raise RefusedError(400, "unknownParameter", f"Unknown name {sorted(unknown)}")
        if "part" in allowed and not request.query.get("part"):
            raise RefusedError(400, "missingRequiredParameter", "part")
        name = f"_{request.method.lower()}_{path.replace('/', '_')}"
        act: Callable[[Request], Answer] = getattr(self, name)
        return act(request)

    def _authentic(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._access.get(given, self.clock.now()) <= self.clock.now():
            raise RefusedError(401, "authError", "Invalid Credentials")
        if SCOPE not in self.scopes:
            raise RefusedError(403, "insufficientPermissions", "Insufficient Permission")

    # --- reading --------------------------------------------------------------------------------

    # The names of these methods are the calls they answer.

    def _get_commentThreads(self, request: Request) -> Answer:  # noqa: N802 - see above
        query = request.query
        status = query.get("moderationStatus", "published")
        if "id" in query:
            if {"moderationStatus", "order", "searchTerms"} & set(query):
                raise RefusedError(400, "invalidFilters", "not to be used with id")
            found = [one for one in self._named(query["id"]) if one.top is None]
        elif "videoId" in query:
            video = self.world.videos.get(query["videoId"])
            if video is None:
                raise RefusedError(404, "videoNotFound")
            if video.comments_off:
                raise RefusedError(403, "commentsDisabled")
            found = [
                one for one in self.world.threads(video.owner, status) if one.video == video.id
            ]
        elif query.get("allThreadsRelatedToChannelId") == self.account:
            found = list(self.world.threads(self.account, status))
        else:
            raise RefusedError(404, "channelNotFound")

        def show(one: Comment) -> dict[str, Any]:
            return world.show_thread(
                one,
                me=self.account,
                plain=_plain(query),
                replies="replies" in query["part"].split(","),
                status=status,
                by_id="id" in query,
            )

        return self._page(request, "commentThreadListResponse", found, show)

    def _named(self, ids: str) -> list[Comment]:
        """Find comments by their ids: none of them, if one is not there. A rejected one is not."""
        found = [self.world.comments.get(one) for one in ids.split(",")]
        there = [one for one in found if one is not None and one.status != "rejected"]
        if len(there) < len(found):
            raise RefusedError(404, "commentNotFound")
        return there

    def _get_comments(self, request: Request) -> Answer:
        query = request.query
        if "parentId" in query:
            top = self.world.comments.get(query["parentId"])
            if top is None:
                raise RefusedError(404, "commentNotFound")
            found = world.replies_of(top, "published")
        elif {"maxResults", "pageToken"} & set(query):
            raise RefusedError(400, "invalidFilters", "not to be used with id")
        else:
            found = self._named(query.get("id", ""))

        def show(one: Comment) -> dict[str, Any]:
            return world.show_comment(
                one, me=self.account, plain=_plain(query), by_id="id" in query
            )

        return self._page(request, "commentListResponse", found, show)

    def _get_playlistItems(self, request: Request) -> Answer:  # noqa: N802 - see above
        if request.query.get("playlistId") != uploads(self.account):
            raise RefusedError(404, "playlistNotFound")
        newest = sorted(self._ours(), key=lambda one: (one.published, one.id), reverse=True)
        return self._videos(request, newest, "playlistItem")

    def _get_videos(self, request: Request) -> Answer:
        wanted = request.query.get("id", "").split(",")
        if len(wanted) > MOST["videos"]:
            raise RefusedError(400, "invalidFilters", "too many ids")
        if "maxResults" in request.query:  # the reference: "not supported … with the id parameter"
            raise RefusedError(400, "incompatibleParameters", "id and maxResults")
        found = [self.world.videos[one] for one in wanted if one in self.world.videos]
        seen = [one for one in found if one.owner == self.account or one.privacy != "private"]
        parts = request.query["part"].split(",")
        items = [world.show_video(one, "video", parts) for one in seen]
        return Answer(body={"kind": "youtube#videoListResponse", "items": items})

    def _get_liveBroadcasts(self, request: Request) -> Answer:  # noqa: N802 - see above
        if "mine" in request.query and "broadcastStatus" in request.query:
            raise RefusedError(400, "incompatibleParameters")
        return self._videos(request, [one for one in self._ours() if one.chat], "liveBroadcast")

    def _ours(self) -> list[Video]:
        return [one for one in self.world.videos.values() if one.owner == self.account]

    def _videos(self, request: Request, found: Sequence[Video], kind: str) -> Answer:
        return self._page(
            request, f"{kind}ListResponse", found, lambda one: world.show_video(one, kind)
        )

    def _get_channels(self, request: Request) -> Answer:
        mine = {"kind": "youtube#channel", "id": self.account}
        return self._page(request, "channelListResponse", [mine], lambda one: one)

    def _get_search(self, request: Request) -> Answer:
        query = request.query
        after = datetime.fromisoformat(query["publishedAfter"])
        found = [
            one
            for one in self.world.videos.values()
            if query["q"].casefold() in one.title.casefold()
            and one.published >= after
            and one.privacy == "public"
        ]
        return self._videos(request, found, "searchResult")

    def _get_liveChat_messages(self, request: Request) -> Answer:  # noqa: N802 - see above
        chat = self.world.chats.get(request.query.get("liveChatId", ""))
        if chat is None:
            raise RefusedError(403, "liveChatEnded")
        start = self._start(request.query.get("pageToken"))
        body = {
            "kind": "youtube#liveChatMessageListResponse",
            "pollingIntervalMillis": 5000,
            "nextPageToken": _token(len(chat)),
            "items": [world.show_said(one, me=self.account) for one in chat[start:]],
        }
        return Answer(body=body)

    def _page(
        self,
        request: Request,
        kind: str,
        found: Sequence[_T],
        show: Callable[[_T], dict[str, Any]],
    ) -> Answer:
        """Show the part of a list that is asked for."""
        path = request.path.removeprefix("/youtube/v3/")
        most = MOST.get(path, 50)
        size = request.query.get("maxResults", "20" if path.startswith("comment") else "5")
        if not size.isdigit() or not 1 <= int(size) <= most:
            raise RefusedError(400, "invalidParameter", f"maxResults is 1 to {most}")
        start = self._start(request.query.get("pageToken"))
        page = [show(one) for one in found[start : start + int(size)]]
        digest = hashlib.sha256(json.dumps(page).encode()).hexdigest()[:20]
        if request.headers.get("if-none-match") == digest:
            return Answer(status=304, body=b"")
        body: dict[str, Any] = {"kind": f"youtube#{kind}", "etag": digest, "items": page}
        body["pageInfo"] = {"totalResults": len(found), "resultsPerPage": int(size)}
        if start + int(size) < len(found):
            body["nextPageToken"] = _token(start + int(size))
        return Answer(body=body)

    def _start(self, token: str | None) -> int:
        if token is None:
            return 0
        with contextlib.suppress(ValueError):
            found = base64.urlsafe_b64decode(token).decode()
            if found.startswith("at ") and "all" not in self._stale:
                return int(found.removeprefix("at "))
        self._stale.clear()
        raise RefusedError(400, "invalidPageToken")

    # --- writing --------------------------------------------------------------------------------

    def _post_comments(self, request: Request) -> Answer:
        snippet = _snippet(request)
        top = self.world.comments.get(str(snippet.get("parentId")))
        if "parentId" not in snippet:
            raise RefusedError(400, "parentIdMissing")
        if top is None:
            raise RefusedError(404, "parentCommentNotFound")
        if top.top is not None:
            raise RefusedError(400, "operationNotSupported", "A reply cannot be replied to.")
        if top.status != "published":
            raise RefusedError(400, "parentCommentIsPrivate")
        made = self.answer_to(top, "@stadtwerke", _said(snippet), author=self.account)
        return Answer(body=world.show_comment(made, me=self.account, plain=False, by_id=True))

    def _post_commentThreads(self, request: Request) -> Answer:  # noqa: N802 - see above
        snippet = _snippet(request)
        video = self.world.videos.get(str(snippet.get("videoId")))
        if video is None:
            raise RefusedError(404, "videoNotFound")
        if video.comments_off:
            raise RefusedError(403, "commentsDisabled")
        if snippet.get("channelId") not in {None, video.owner}:
            raise RefusedError(400, "invalidChannelId")
        top = (snippet.get("topLevelComment") or {}).get("snippet") or {}
        made = self.comment(video, "@stadtwerke", _said(top), author=self.account)
        return Answer(body=world.show_thread(made, me=self.account, plain=False, by_id=True))

    def _put_comments(self, request: Request) -> Answer:
        snippet, comment = (
            _snippet(request),
            self.world.comments.get(_content(request).get("id", "")),
        )
        if comment is None:
            raise RefusedError(404, "commentNotFound")
        if comment.author != self.account:
            raise RefusedError(403, "forbidden")
        self.edit(comment, _said(snippet))
        return Answer(body=world.show_comment(comment, me=self.account, plain=False, by_id=True))

    def _delete_comments(self, request: Request) -> Answer:
        comment = self.world.comments.get(request.query.get("id", ""))
        if comment is None:
            raise RefusedError(404, "commentNotFound")
        if comment.author != self.account:
            raise RefusedError(403, "forbidden")
        self.remove(comment)
        return Answer(status=204, body=b"")

    def _post_comments_setModerationStatus(self, request: Request) -> Answer:  # noqa: N802 - see above
        status = request.query.get("moderationStatus", "")
        if status not in {"published", "heldForReview", "rejected"}:
            raise RefusedError(400, "invalidModerationStatus")
        ban = request.query.get("banAuthor") == "true"
        if ban and status != "rejected":
            raise RefusedError(400, "banWithoutReject")
        for wanted in request.query.get("id", "").split(","):
            comment = self.world.comments.get(wanted)
            if comment is None:
                raise RefusedError(404, "commentNotFound")
            comment.status = status
            if ban:
                self.world.banned.add(comment.author)
        return Answer(status=204, body=b"")

    def _post_liveChat_messages(self, request: Request) -> Answer:  # noqa: N802 - see above
        snippet = _snippet(request)
        chat = str(snippet.get("liveChatId"))
        if chat not in self.world.chats:
            raise RefusedError(403, "liveChatEnded")
        text = (snippet.get("textMessageDetails") or {}).get("messageText")
        if snippet.get("type") != "textMessageEvent" or not text or len(text) > 200:  # noqa: PLR2004 - a chat's limit
            raise RefusedError(400, "messageTextInvalid")
        video = next(one for one in self.world.videos.values() if one.chat == chat)
        made = self.say(video, "@stadtwerke", text, author=self.account)
        return Answer(body=world.show_said(made, me=self.account))

    def _delete_liveChat_messages(self, request: Request) -> Answer:  # noqa: N802 - see above
        wanted = request.query.get("id", "")
        for said in [one for chat in self.world.chats.values() for one in chat]:
            if said.id == wanted and said.text is not None:
                self.unsay(said)
                return Answer(status=204, body=b"")
        raise RefusedError(404, "liveChatMessageNotFound")

    # --- tokens and the hub ---------------------------------------------------------------------

    def _oauth(self, form: Mapping[str, str]) -> dict[str, Any]:
        if (form.get("client_id"), form.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            raise RefusedError(401, "invalid_client")
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") not in self._refresh:
                return self._no_grant()
            return {"access_token": self._token(), "expires_in": 3599, "token_type": "Bearer"}
        expected = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if expected != (form.get("redirect_uri"), challenge):
            return self._no_grant()
        kept = self.connected()
        return {**kept, "expires_in": 3599, "scope": SCOPE, "token_type": "Bearer"}

    def _no_grant(self) -> dict[str, Any]:
        raise RefusedError(400, "invalid_grant", "Bad Request")

    def _token(self) -> str:
        made = f"ya29.simulated-{self.world.number()}"
        self._access[made] = self.clock.now() + timedelta(hours=1)
        return made

    async def _subscribe(self, form: Mapping[str, str]) -> Answer:
        """Ask back whether the subscription is meant, as the hub does, then tell of new videos."""
        callback = form.get("hub.callback", "")
        if form.get("hub.topic") != f"{TOPIC}{self.account}":
            return Answer(status=400, body=b"invalid topic", content_type="text/plain")
        challenge = f"challenge-{self.world.number()}"
        query = {name: form[name] for name in ("hub.mode", "hub.topic", "hub.lease_seconds")}
        async with httpx.AsyncClient(trust_env=False, verify=NO_TRUST) as http:
            answer = await http.get(callback, params={**query, "hub.challenge": challenge})
        if answer.text != challenge:
            return Answer(status=409, body=b"not confirmed", content_type="text/plain")
        self.hub_secret = form.get("hub.secret", "")
        lease = timedelta(seconds=int(form.get("hub.lease_seconds", "432000")))
        self.subscriptions[callback] = self.clock.now() + lease
        self.webhook = callback
        return Answer(status=202, body=b"", content_type="text/plain")

    # --- making ---------------------------------------------------------------------------------

    def _made(
        self, comment_id: str, video: str, name: str, text: str, author: str | None
    ) -> Comment:
        now = self.clock.now()
        who = author or person(name)
        if who in self.world.banned:
            raise RefusedError(403, "forbidden", f"{name} is banned")
        made = Comment(
            id=comment_id, video=video, author=who, name=name, text=text, published=now, updated=now
        )
        self.world.comments[made.id] = made
        return made


def person(name: str) -> str:
    """Return the channel id of somebody by name."""
    return "UC" + hashlib.sha256(name.encode()).hexdigest()[:22]


def _fields(said: Said) -> dict[str, Any]:
    return {name: getattr(said, name) for name in ("chat", "author", "name", "at")}


def _plain(query: Mapping[str, str]) -> bool:
    return query.get("textFormat") == "plainText"


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(f"at {start}".encode()).decode()


def _content(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError as error:
        raise RefusedError(400, "parseError") from error
    return content if isinstance(content, dict) else {}


def _snippet(request: Request) -> dict[str, Any]:
    found = _content(request).get("snippet")
    return found if isinstance(found, dict) else {}


def _said(snippet: Mapping[str, Any]) -> str:
    text = snippet.get("textOriginal")
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(400, "commentTextRequired")
    if len(text) > TEXT:
        raise RefusedError(400, "commentTextTooLong")
    return text
