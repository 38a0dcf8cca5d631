"""X on the wire, for tests and for the demo: our accounts, their people, X's refusals.

    sim = XSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channels
        sim.webhook = "http://127.0.0.1:8000/webhooks/x"
        sim.say("Mira Sommer", "@stadtwerke where is my parcel?")
        await sim.flush()                    # or let `sim.run()` deliver in a task

It answers as X's API v2 documents, and refuses what that does not know: parameters, fields,
answers to who did not mention the account, texts that are too long, signatures that are wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import httpx
from attrs import define, field
from channelmix.testing.simulator import NO_TRUST, Answer, Event, Request, Simulator

from channelmix_twitter import simulator_shapes as shapes
from channelmix_twitter.signing import SIGNATURE, sign
from channelmix_twitter.simulator_compliance import Compliance
from channelmix_twitter.simulator_oauth import Gate
from channelmix_twitter.simulator_reading import (
    Reading,
    RefusedError,
    asked,
    forbidden,
    gone,
    invalid,
)
from channelmix_twitter.simulator_world import Direct, Medium, Post, User, World
from channelmix_twitter.simulator_writing import Writing

LIMITS: Mapping[str, int] = {
    "mentions": 300,
    "search": 300,
    "timeline": 900,
    "posts": 900,
    "post": 100,
    "delete": 50,
    "hide": 50,
    "directs": 15,
    "direct": 15,
    "media": 1875,
    "me": 75,
    "webhooks": 450,
    "subscriptions": 500,
    "compliance": 150,
}
"""Calls of one account in 15 minutes (X's page "Rate limits")."""
WINDOW = timedelta(minutes=15)
EVENTS = frozenset(
    [
        "post.create",
        "post.delete",
        "post.mention.create",
        "post.reply.create",
        "post.quote.create",
        "dm.received",
        "dm.sent",
        "dm.read",
        "chat.received",
        "chat.sent",
        "like.create",
    ]
)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(56)
Route = tuple[str, str, str, Callable[..., Any]]


@define(eq=False, kw_only=True, slots=False)
class XSimulator(Simulator):
    """X with our accounts on it; the first is `account`."""

    account: str = "1400000000000000001"
    handle: str = "stadtwerke"
    batch: int = 1
    world: World = field(factory=World)
    gate: Gate = field(init=False)
    reading: Reading = field(init=False)
    writing: Writing = field(init=False)
    compliance: Compliance = field(init=False)
    hooks: dict[str, dict[str, Any]] = field(factory=dict)
    subscriptions: list[dict[str, Any]] = field(factory=list)
    replays: list[dict[str, Any]] = field(factory=list)
    ours: list[User] = field(factory=list)
    _calls: dict[tuple[str, str], list[datetime]] = field(factory=dict)
    _refusals: list[tuple[str, Answer]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Open the first account."""
        self.gate = Gate(now=self.clock.now)
        self.reading = Reading(world=self.world, now=self.clock.now)
        self.writing = Writing(world=self.world, witness=self, now=self.clock.now)
        self.compliance = Compliance(world=self.world)
        self.open(self.account, self.handle, "Stadtwerke Musterstadt")

    def open(self, user_id: str, handle: str, name: str) -> User:
        """Open another account of ours."""
        self.ours.append(self.world.add(User(id=user_id, name=name, username=handle)))
        return self.ours[-1]

    @contextlib.asynccontextmanager
    async def online(self, *, port: int = 0) -> AsyncIterator[str]:
        """Be on the wire, on the loopback interface, and give the base URL."""
        async with super().online(port=port) as url:
            self.reading.base = url
            yield url

    # --- the script -----------------------------------------------------------------------------

    def say(self, who: str, text: str, *, push: bool = True, **more: Any) -> Post:
        """Let somebody post something; who is mentioned or answered hears of it."""
        post = self.world.post(self.world.person(who), text, self.clock.now(), **more)
        self._tell_all(post, push=push)
        return post

    def reply(self, above: Post, who: str, text: str, **more: Any) -> Post:
        """Let somebody answer a post; with `named=False` without the names X puts before it."""
        return self.say(who, text, replied_to=above.id, **more)

    def quote(self, quoted: Post, who: str, text: str, *, push: bool = True) -> Post:
        """Let somebody quote a post."""
        address = f"https://x.com/{quoted.author.username}/status/{quoted.id}"
        return self.say(who, f"{text} {address}", push=push, quoted=quoted.id)

    def edit(self, post: Post, text: str, *, push: bool = True) -> Post:
        """Let somebody edit a post: it gets a new id."""
        made = self.world.edit(post, text, self.clock.now())
        self._tell_all(made, push=push)
        return made

    def remove(self, post: Post) -> None:
        """Let somebody take a post back; X tells nobody but its author."""
        del self.world.posts[post.id]

    def write(
        self,
        who: str,
        text: str | None,
        *,
        to: User | None = None,
        media: Sequence[Medium] = (),
        push: bool = True,
    ) -> Direct:
        """Let somebody write a direct message."""
        recipient = to or self.ours[0]
        made = self.world.direct(self.world.person(who), recipient, text, self.clock.now())
        made.media = [one.id for one in media]
        self._tell_direct(made, recipient, push=push)
        return made

    def native(self, account: User, above: Post | None, text: str) -> Post:
        """Let a colleague post in X's own app."""
        made = self.world.post(
            account, text, self.clock.now(), replied_to=above.id if above else None
        )
        self.posted(made)
        return made

    def picture(self, owner: str) -> Medium:
        """Make a photo that somebody can attach."""
        found = self.world.number(self.clock.now())
        medium = Medium(
            id=found, owner=owner, mime="image/png", category="tweet_image", total=len(PICTURE)
        )
        medium.pieces, medium.finished = {0: PICTURE}, True
        self.world.media[found] = medium
        return medium

    def refuse(self, answer: Answer, *, on: str) -> None:
        """Let the next request that matches `on` (`POST /2/tweets`) be answered so."""
        self._refusals.append((on, answer))

    # --- webhooks -------------------------------------------------------------------------------

    def _tell_all(self, post: Post, *, push: bool) -> None:
        for account in self.ours:
            for kind in self._concerns(post, account):
                self._tell_post(kind, post, account, push=push)

    def _concerns(self, post: Post, account: User) -> Iterator[str]:
        """Yield the events of a post: X tells of an answer that names us as both."""
        if post.author.id == account.id:
            yield "post.create"
            return
        if account in post.mentions:
            yield "post.mention.create"
        if post.answered is not None and post.answered.id == account.id:
            yield "post.reply.create"
        quoted = self.world.posts.get(post.quoted or "")
        if quoted is not None and quoted.author.id == account.id:
            yield "post.quote.create"

    def _tell_post(self, kind: str, post: Post, account: User, *, push: bool) -> None:
        payload = shapes.post(post, self.world, shapes.ALL["tweet.fields"])
        includes = shapes.includes([post], self.world, shapes.ALL, self.base_url)
        content = {"payload": payload, "includes": includes}
        own = post.author.id == account.id
        self._tell(kind, post.history[0], account, post.id, content, own=own, push=push)

    def _tell_direct(self, direct: Direct, other: User, *, push: bool) -> None:
        for account in self.ours:
            if account.id in direct.conversation.split("-"):
                kind = "dm.sent" if direct.sender.id == account.id else "dm.received"
                content = {"payload": shapes.legacy(direct, other, self.base_url)}
                own, uuid = kind == "dm.sent", f"-{direct.id[:18]}{len(self._events)}"
                self._tell(kind, direct.id, account, uuid, content, own=own, push=push)

    def _tell(
        self,
        kind: str,
        subject: str,
        account: User,
        uuid: str,
        content: Mapping[str, Any],
        *,
        own: bool,
        push: bool,
    ) -> None:
        """Record what happened, and let a webhook tell it to whom has subscribed."""
        data = {"event_uuid": uuid, "filter": {"user_id": account.id}, "event_type": kind}
        hears = not self.hooks or any(
            one["event_type"] == kind and one["filter"]["user_id"] == account.id
            for one in self.subscriptions
        )
        self.record(
            kind, subject, {**data, "tag": "channelmix", **content}, own=own, push=push and hears
        )

    def posted(self, post: Post) -> None:
        """Tell of a post of ours, and of it to our other accounts."""
        self._tell_all(post, push=True)

    def removed(self, post: Post) -> None:
        """Tell of a post of ours that is gone."""
        content = {"payload": {"id": post.id, "author_id": post.author.id}}
        self._tell(
            "post.delete", post.history[0], post.author, f"-{post.id}", content, own=True, push=True
        )

    def wrote(self, direct: Direct) -> None:
        """Tell of a direct message of ours."""
        others = [one for one in direct.conversation.split("-") if one != direct.sender.id]
        self._tell_direct(direct, self.world.users[others[0]], push=True)

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Put one event into a signed body."""
        body = json.dumps({"data": events[0].content}).encode()
        signature = sign(self.gate.consumer_secret, body)
        return body, {"content-type": "application/json", SIGNATURE: signature}

    # --- requests -------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Answer:
        """Carry out one request, as its path says."""
        for on, told in self._refusals:
            method, _, path = on.partition(" ")
            if request.method == method and request.path.endswith(path):
                self._refusals.remove((on, told))
                return told
        try:
            return await self._answer(request)
        except RefusedError as refused:
            return Answer(
                status=refused.status,
                body=refused.body,
                headers=refused.headers,
                content_type="application/problem+json",
            )

    async def _answer(self, request: Request) -> Answer:
        if (found := self._without_key(request)) is not None:
            return found
        if (found := self._private(request)) is not None:
            return found
        for method, pattern, limit, call in self._routes():
            match = re.fullmatch(pattern, request.path)
            if match and request.method == method:
                me = self.gate.who(request, self.base_url)
                headers = self._count(me, limit)
                told = call(me, request, *match.groups())
                body = await told if asyncio.iscoroutine(told) else told
                created = method == "POST" and ("/messages" in pattern or pattern == "/2/tweets")
                return Answer(status=201 if created else 200, body=body, headers=headers)
        raise gone(request.path)

    def _without_key(self, request: Request) -> Answer | None:
        """Answer what is asked before there is a token."""
        gate, base = self.gate, self.base_url
        if request.path.startswith("/media/"):
            medium = self.world.media.get(request.path.rpartition("/")[2])
            if medium is None:
                raise gone(request.path)
            return _bytes(medium)
        if request.path.startswith("/compliance/"):
            return self.compliance.transfer(request)
        calls: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/i/oauth2/authorize"): lambda: gate.authorize(request.query),
            ("POST", "/2/oauth2/token"): lambda: gate.token(request),
            ("POST", "/oauth/request_token"): lambda: gate.request_token(request, base),
            ("GET", "/oauth/authorize"): lambda: gate.authorize1(request.query),
            ("POST", "/oauth/access_token"): lambda: gate.access_token(request, base),
        }
        call = calls.get((request.method, request.path))
        return call() if call else None

    def _private(self, request: Request) -> Answer | None:
        """Answer who asks for a file of a direct message, by OAuth 1.0a and 2.0 elsewhere."""
        match = re.fullmatch(
            r"/(1\.1/ton/data/dm|2/dm_conversations/media)/(\d+)/(\d+)/[\w.-]+", request.path
        )
        if match is None or request.method != "GET":
            return None
        me = user(self.gate.who(request, self.base_url))
        by1 = request.headers["authorization"].startswith("OAuth ")
        if by1 != (match[1][0] == "1"):
            raise forbidden("Unsupported Authentication")
        return _bytes(self.reading.file(me, match[2], match[3]))

    def _count(self, me: User | None, limit: str) -> dict[str, str]:
        """Count a call; too many are refused. Returns the headers that say how many are left."""
        now, most = self.clock.now(), LIMITS[limit]
        calls = self._calls.setdefault((me.id if me else "app", limit), [])
        calls[:] = [at for at in calls if now - at < WINDOW]
        reset = int(((calls[0] if calls else now) + WINDOW).timestamp())
        if len(calls) >= most:
            refused = RefusedError(429, "Too Many Requests", "Too Many Requests")
            refused.headers = rates(most, 0, reset)
            raise refused
        calls.append(now)
        return rates(most, most - len(calls), reset)

    def _routes(self) -> tuple[Route, ...]:
        read, write = self.reading, self.writing
        return (
            ("GET", "/2/users/me", "me", lambda me, r: read.me(user(me), r.query)),
            ("GET", r"/2/users/(\d+)/mentions", "mentions", self._mentions),
            ("GET", r"/2/users/(\d+)/tweets", "timeline", self._timeline),
            (
                "GET",
                "/2/tweets/search/recent",
                "search",
                lambda me, r: read.search(user(me), r.query),
            ),
            ("GET", "/2/tweets", "posts", lambda _, r: read.posts(r.query)),
            ("POST", "/2/tweets", "post", lambda me, r: write.post(user(me), _json(r))),
            (
                "DELETE",
                r"/2/tweets/(\d+)",
                "delete",
                lambda me, _, one: write.delete(user(me), one),
            ),
            (
                "PUT",
                r"/2/tweets/(\d+)/hidden",
                "hide",
                lambda me, r, one: write.hide(user(me), one, _json(r)),
            ),
            ("GET", "/2/dm_events", "directs", lambda me, r: read.directs(user(me), r.query)),
            ("GET", r"/2/dm_conversations/with/(\d+)/dm_events", "directs", self._directs_with),
            (
                "GET",
                r"/2/dm_conversations/([\d-]+)/dm_events",
                "directs",
                lambda me, r, one: read.directs(user(me), r.query, one),
            ),
            (
                "POST",
                r"/2/dm_conversations/with/(\d+)/messages",
                "direct",
                lambda me, r, one: write.direct_to(user(me), one, _json(r)),
            ),
            (
                "POST",
                r"/2/dm_conversations/([\d-]+)/messages",
                "direct",
                lambda me, r, one: write.direct_in(user(me), one, _json(r)),
            ),
            (
                "POST",
                "/2/media/upload/initialize",
                "media",
                lambda me, r: write.initialize(user(me), _json(r)),
            ),
            ("POST", r"/2/media/upload/(\d+)/append", "media", self._append),
            (
                "POST",
                r"/2/media/upload/(\d+)/finalize",
                "media",
                lambda me, _, one: write.finalize(user(me), one),
            ),
            ("GET", "/2/media/upload", "media", lambda me, r: read.upload(user(me), r.query)),
            ("POST", "/2/compliance/jobs", "compliance", self._add_job),
            ("GET", r"/2/compliance/jobs/(\d+)", "compliance", self._look_at_job),
            ("GET", "/2/webhooks", "webhooks", self._list_hooks),
            ("POST", "/2/webhooks", "webhooks", self._add_hook),
            ("PUT", r"/2/webhooks/(\d+)", "webhooks", self._check_hook),
            ("POST", "/2/webhooks/replay", "webhooks", self._replay),
            ("GET", "/2/activity/subscriptions", "subscriptions", self._list_subscriptions),
            ("POST", "/2/activity/subscriptions", "subscriptions", self._subscribe),
        )

    def _mentions(self, me: User | None, request: Request, whose: str) -> Any:
        return self.reading.mentions(self._user(me, whose), request.query)

    def _timeline(self, me: User | None, request: Request, whose: str) -> Any:
        return self.reading.timeline(self._user(me, whose), request.query)

    def _user(self, me: User | None, whose: str) -> User:
        user(me)
        if whose not in self.world.users:
            raise gone(f"user with id: [{whose}]")
        return self.world.users[whose]

    def _directs_with(self, me: User | None, request: Request, other: str) -> Any:
        pair = sorted((user(me).id, other), key=lambda one: (len(one), one))
        return self.reading.directs(user(me), request.query, "-".join(pair))

    def _append(self, me: User | None, request: Request, found: str) -> Any:
        parts = multipart(request)
        index = parts.get("segment_index", b"").decode()
        return self.writing.append(user(me), found, index, parts.get("media", b""))

    def _add_job(self, me: User | None, request: Request) -> Any:
        _app_only(me)
        number = self.world.number(self.clock.now())
        return self.compliance.create(_json(request), self.base_url, number)

    def _look_at_job(self, me: User | None, _: Request, number: str) -> Any:
        _app_only(me)
        return self.compliance.look(number)

    # the webhook, and who is told what

    def _list_hooks(self, me: User | None, request: Request) -> Any:
        _app_only(me)
        asked(request.query, "webhooks")
        told: dict[str, Any] = {"meta": {"result_count": len(self.hooks)}}
        return {**told, "data": list(self.hooks.values())} if self.hooks else told

    async def _add_hook(self, me: User | None, request: Request) -> Any:
        _app_only(me)
        url = str(_json(request).get("url", ""))
        if not await self._answers(url):
            raise invalid("url", url, "CrcValidationFailed")
        hook = {"id": self.world.number(self.clock.now()), "url": url, "valid": True}
        self.hooks[str(hook["id"])] = hook
        self.webhook = url
        return {"data": hook}

    async def _check_hook(self, me: User | None, _: Request, found: str) -> Any:
        _app_only(me)
        hook = self.hooks.get(found)
        if hook is None:
            raise gone(f"webhook {found}")
        hook["valid"] = await self._answers(hook["url"])
        return {"data": {"valid": hook["valid"]}}

    async def _answers(self, url: str) -> bool:
        """Ask a webhook whether it knows the secret (CRC)."""
        token = "challenge-of-the-simulator"  # noqa: S105 - signed for everybody to see
        async with httpx.AsyncClient(trust_env=False, verify=NO_TRUST) as http:
            try:
                answer = await http.get(url, params={"crc_token": token})
                told = answer.json().get("response_token")
            except (httpx.RequestError, ValueError):
                return False
        return bool(told == sign(self.gate.consumer_secret, token.encode()))

    def _replay(self, me: User | None, request: Request) -> Any:
        _app_only(me)
        body = _json(request)
        times = [str(body.get(name, "")) for name in ("from_date", "to_date")]
        if body.get("webhook_id") not in self.hooks or not all(
            re.fullmatch(r"\d{12}", one) for one in times
        ):
            raise invalid("from_date", times, "A replay needs a webhook and two times")
        self.replays.append(body)
        begin, end = (datetime.strptime(f"{one}+0000", "%Y%m%d%H%M%z") for one in times)
        missed = [one for one in self._events if begin <= one.at <= end + timedelta(minutes=1)]
        self._pending.extend(missed)
        self._ready.set()
        return {
            "data": {"job_id": str(len(self.replays)), "created_at": "2026-11-03T09:00:00.000Z"}
        }

    def _list_subscriptions(self, _: User | None, request: Request) -> Any:
        asked(request.query, "subscriptions")
        meta = {"total_subscriptions": len(self.subscriptions)}
        return {"data": self.subscriptions, "meta": meta} if self.subscriptions else {"meta": meta}

    def _subscribe(self, me: User | None, request: Request) -> Any:
        body = _json(request)
        kind, whose = str(body.get("event_type")), str((body.get("filter") or {}).get("user_id"))
        if kind not in EVENTS or set(body) - {"event_type", "filter", "tag", "webhook_id"}:
            raise invalid("event_type", kind, "There is no such event")
        if kind.startswith(("dm.", "chat.")) and user(me).id != whose:
            raise forbidden("Private events need the consent of who they are about.")
        made = {**body, "subscription_id": self.world.number(self.clock.now())}
        self.subscriptions.append(made)
        return {
            "data": {"subscription": made},
            "meta": {"total_subscriptions": len(self.subscriptions)},
        }


def rates(limit: int, left: int, reset: int) -> dict[str, str]:
    """Return the headers that say how a limit stands."""
    told = {"limit": limit, "remaining": left, "reset": reset}
    return {f"x-rate-limit-{name}": str(value) for name, value in told.items()}


def _bytes(medium: Medium) -> Answer:
    content = b"".join(medium.pieces[one] for one in sorted(medium.pieces))
    return Answer(body=content, content_type=medium.mime)


def user(me: User | None) -> User:
    """Return who asks; the app alone is not enough. Raises: `RefusedError`."""
    if me is None:
        kind = "https://api.twitter.com/2/problems/unsupported-authentication"
        raise RefusedError(403, "Unsupported Authentication", "Use a user's token", kind=kind)
    return me


def _app_only(me: User | None) -> None:
    if me is not None:
        raise forbidden("Webhooks are the app's own: use its bearer token")


def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:
        raise invalid("body", "", "The body is no JSON") from error
    if not isinstance(body, dict):
        raise invalid("body", "", "The body is no JSON object")
    return body


def multipart(request: Request) -> dict[str, bytes]:
    """Return the fields of a form with files."""
    head = f"content-type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    whole = BytesParser(policy=HTTP).parsebytes(head + request.body)
    told = {}
    for part in whole.iter_parts() if whole.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            told[name] = content
    return told
