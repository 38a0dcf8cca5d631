"""A blog on the wire, for tests and for the demo: its page, its feeds, WordPress's REST API.

    sim = BlogSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channel
        post = sim.post("Changing a lamp")
        sim.comment(post, "Mira", "Which screwdriver?")

It answers as the REST API Handbook documents: parameters, paging headers, what wants a log-in, who
may moderate, and the codes of its refusals. It refuses parameters that do not exist.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from attrs import define, field
from channelmix.records import Kind
from channelmix.testing.simulator import Answer, Event, Outcome, Request, Simulator, Spoken

from channelmix_blog.simulator_world import ME, Comment, Post, World

_LIST = (
    frozenset({"context", "page", "per_page", "offset", "order", "orderby", "search", "_embed"})
    | {"after", "before", "author", "author_email", "author_exclude", "exclude", "include"}
    | {"parent", "parent_exclude", "post", "status", "type", "password", "_fields"}
)
"""What a list may be asked for: the handbook's page "Comments" and its global parameters."""
_WRITE = frozenset({"author", "author_email", "author_ip", "author_name", "author_url"}) | {
    "author_user_agent",
    "content",
    "date",
    "date_gmt",
    "id",
    "meta",
    "parent",
    "post",
    "status",
}
_PROTECTED = {"author", "author_exclude", "author_email", "status", "type"}
"""What only who may edit posts may ask for."""
_STATUSES = {"approve", "approved", "hold", "spam", "trash"}
LONGEST = 65_525
"""Bytes of a stored comment."""


class RefusedError(Exception):
    """WordPress's answer to what it does not do."""

    def __init__(self, status: int, code: str, message: str | None = None) -> None:
        super().__init__(message or code)
        self.status = status
        self.code = code

    def answer(self) -> Answer:
        """Return it as WordPress writes it."""
        body = {"code": self.code, "message": str(self), "data": {"status": self.status}}
        return Answer(status=self.status, body=body)


@define(eq=False, kw_only=True, slots=False)
class BlogSimulator(Simulator):
    """One simulated blog."""

    account: str = "https://blog.example.org"
    user: str = "service"
    password: str = "simu late dapp pass word 1234"  # noqa: S105 - the simulator's own, opens nothing
    capabilities: set[str] = field(factory=lambda: {"edit_posts", "moderate_comments"})
    answers: dict[str, Answer] = field(factory=dict)
    """For a path, what is answered in place of everything else."""
    world: World = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Open the blog."""
        self.world = World(root=f"{self.account}/", name="Stadtwerke Musterstadt")

    # --- what the conformance kit asks ----------------------------------------------------------

    kinds: ClassVar[Sequence[Kind]] = (Kind.COMMENT,)

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this simulator."""
        return {
            "url": self.account,
            "wordpress": True,
            "user": self.user,
            "application_password": self.password,
        }

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody comment on the newest post."""
        if kind is not Kind.COMMENT:
            raise NotImplementedError(kind)
        posts = list(self.world.posts.values())
        post = posts[-1] if posts else self.post("Lampe wechseln")
        return str(self.comment(post, "Mira Sommer", text).id)

    def spoken(self) -> Sequence[Spoken]:
        """Return our comments that everybody sees."""
        return [Spoken(id=str(one.id), text=one.text) for one in self.ours()]

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how WordPress says no; its comments have no window."""
        refusals = {
            "throttled": RefusedError(400, "comment_flood", "You are posting too quickly."),
            "unauthorized": RefusedError(401, "incorrect_password"),
            "refused": RefusedError(403, "rest_comment_closed", "Comments are closed."),
        }
        error = refusals.get(outcome)
        return error.answer() if error else None

    # --- what happens there ---------------------------------------------------------------------

    def post(self, title: str, content: str = "<p>So geht es.</p>", *tags: str) -> Post:
        """Publish a post."""
        number = self.world.number()
        slug = re.sub(r"\W+", "-", title.lower()).strip("-")
        made = Post(
            id=number,
            slug=f"{slug}-{number}",
            title=title,
            content=content,
            published=self.clock.now(),
            tags=tags,
        )
        self.world.posts[number] = made
        self.record("post", str(number), {}, own=True, push=False)
        return made

    def comment(self, post: Post, name: str, text: str, **more: Any) -> Comment:
        """Let somebody comment; `more` are fields of `Comment`."""
        email = f"{name.replace(' ', '.').lower()}@example.org"
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        fields: dict[str, Any] = {"email": email, "content": escaped, **more}
        made = Comment(
            id=self.world.number(),
            post=post,
            name=name,
            date=self.clock.now().replace(microsecond=0),
            **fields,
        )
        self.world.comments[made.id] = made
        self.record("comment", str(made.id), {}, own=made.author == ME, push=False)
        return made

    def ours(self) -> list[Comment]:
        """Return our comments that everybody sees."""
        return [one for one in self.world.public()[::-1] if one.author == ME]

    # --- the base class asks --------------------------------------------------------------------

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Refuse: a blog has no webhooks."""
        raise NotImplementedError

    async def answer(self, request: Request) -> Answer:
        """Answer one call."""
        path = request.path
        if path in self.answers:
            return self.answers[path]
        try:
            if path.startswith("/wp-json/wp/v2/"):
                return self._rest(request, path.removeprefix("/wp-json/wp/v2/"))
            return self._page(request, path)
        except RefusedError as error:
            return error.answer()

    # --- pages and feeds ------------------------------------------------------------------------

    def _page(self, request: Request, path: str) -> Answer:
        if path == "/":
            page = self.world.page().encode()
            return Answer(body=page, content_type="text/html; charset=UTF-8")
        if path == "/feed/":
            return _feed(request, self.world.feed())
        if path == "/comments/feed/":
            return _feed(request, self.world.comments_feed())
        for post in self.world.posts.values():
            if path == f"/{post.slug}/feed/":
                return _feed(request, self.world.comments_feed(post))
        return Answer(status=404, body=b"<html>Not found</html>", content_type="text/html")

    # --- REST -----------------------------------------------------------------------------------

    def _rest(self, request: Request, path: str) -> Answer:
        me = self._who(request)
        route, _, rest = path.partition("/")
        name = f"_{request.method.lower()}_{route}" + ("_one" if rest else "")
        act: Callable[[Request, int, str], Answer] | None = getattr(self, name, None)
        if act is None:
            raise RefusedError(404, "rest_no_route", "No route was found matching the URL.")
        return act(request, me, rest)

    def _who(self, request: Request) -> int:
        given = request.headers.get("authorization")
        if given is None:
            return 0
        user, _, password = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
        if user != self.user:
            raise RefusedError(401, "invalid_username", "Unknown username.")
        if password.replace(" ", "") != self.password.replace(" ", ""):
            raise RefusedError(401, "incorrect_password", "The password is incorrect.")
        return ME

    def _may(self, me: int, capability: str) -> bool:
        return me == ME and capability in self.capabilities

    def _get_users_one(self, request: Request, me: int, rest: str) -> Answer:
        if not me or rest != "me":
            raise RefusedError(401, "rest_not_logged_in", "You are not currently logged in.")
        shown: dict[str, Any] = {"id": ME, "name": "Stadtwerke Musterstadt", "slug": self.user}
        if request.query.get("context") == "edit":
            shown["capabilities"] = dict.fromkeys(self.capabilities, True)
        return Answer(body=shown)

    def _get_comments(self, request: Request, me: int, _rest: str) -> Answer:
        query = request.query
        self._may_list(query, me)
        found = [one for one in self.world.comments.values() if self._listed(one, query, me)]
        found.sort(key=lambda one: (one.date, one.id), reverse=query.get("order") != "asc")
        size, page = int(query.get("per_page", "10")), int(query.get("page", "1"))
        if not 1 <= size <= 100 or page < 1:  # noqa: PLR2004 - the documented maximum
            raise RefusedError(400, "rest_invalid_param", "Invalid parameter(s): per_page")
        edit, embed = query.get("context") == "edit", "_embed" in query
        shown = [
            self.world.show(one, edit=edit, embed=embed)
            for one in found[size * (page - 1) : size * page]
        ]
        headers = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(-(-len(found) // size))}
        return Answer(body=shown, headers=headers)

    def _may_list(self, query: Mapping[str, str], me: int) -> None:
        if unknown := set(query) - _LIST:
            raise RefusedError(400, "rest_invalid_param", f"Not known: {sorted(unknown)}")
        forbidden = 403 if me else 401
        if query.get("context") == "edit" and not self._may(me, "moderate_comments"):
            raise RefusedError(forbidden, "rest_forbidden_context")
        if _PROTECTED & set(query) and not self._may(me, "edit_posts"):
            raise RefusedError(forbidden, "rest_forbidden_param", "Query parameter not permitted")

    def _listed(self, one: Comment, query: Mapping[str, str], me: int) -> bool:
        statuses = {"all": {"approved", "hold"}, "approve": {"approved"}}
        wanted = statuses.get(query.get("status", "approve"), {query.get("status")})
        equal = {"post": one.post.id, "parent": one.parent, "author": one.author}
        return (
            one.status in wanted
            and self._readable(one, me)
            and ("after" not in query or one.date > _time(query["after"]))
            and ("before" not in query or one.date < _time(query["before"]))
            and all(query.get(name, str(value)) == str(value) for name, value in equal.items())
        )

    def _readable(self, one: Comment, me: int) -> bool:
        return one.status == "approved" or (
            bool(me) and (one.author == me or self._may(me, "moderate_comments"))
        )

    def _get_comments_one(self, request: Request, me: int, rest: str) -> Answer:
        one = self._one(rest)
        if not self._readable(one, me):
            raise RefusedError(403 if me else 401, "rest_cannot_read")
        return Answer(body=self.world.show(one, edit=False, embed="_embed" in request.query))

    def _one(self, rest: str) -> Comment:
        one = self.world.comments.get(int(rest)) if rest.isdecimal() else None
        if one is None:
            raise RefusedError(404, "rest_comment_invalid_id", "Invalid comment ID.")
        return one

    def _post_comments(self, request: Request, me: int, _rest: str) -> Answer:
        said = _body(request)
        if not me:
            raise RefusedError(401, "rest_comment_login_required")
        post = self.world.posts.get(said.get("post", 0))
        if post is None:
            raise RefusedError(403, "rest_comment_invalid_post_id")
        if post.closed:
            raise RefusedError(403, "rest_comment_closed", "Comments are closed for this item.")
        content, parent = self._content(said), said.get("parent", 0)
        for one in self.world.comments.values():
            if (one.post, one.parent, one.author, one.content) == (post, parent, me, content):
                raise RefusedError(409, "comment_duplicate", "Duplicate comment detected.")
        status = "approved" if self._may(me, "moderate_comments") else "hold"
        more = {"author": me, "parent": parent, "status": status, "content": content}
        made = self.comment(post, "Stadtwerke Musterstadt", "", **more)
        return Answer(status=201, body=self.world.show(made, edit=True, embed=False))

    def _content(self, said: Mapping[str, Any]) -> str:
        content = said.get("content")
        if not isinstance(content, str) or not content:
            raise RefusedError(400, "rest_comment_content_invalid", "Invalid comment content.")
        if len(content.encode()) > LONGEST:
            raise RefusedError(400, "comment_content_column_length")
        return content

    def _post_comments_one(self, request: Request, me: int, rest: str) -> Answer:
        one, said = self._one(rest), _body(request)
        self._may_edit(me, "rest_cannot_edit")
        if "content" in said:
            one.content = self._content(said)
        if "status" in said:
            status = {"approve": "approved"}.get(said["status"], said["status"])
            if said["status"] not in _STATUSES or status == one.status:
                raise RefusedError(500, "rest_comment_failed_edit")
            one.status = status
        return Answer(body=self.world.show(one, edit=True, embed=False))

    def _delete_comments_one(self, _request: Request, me: int, rest: str) -> Answer:
        one = self._one(rest)
        self._may_edit(me, "rest_cannot_delete")
        if one.status == "trash":
            raise RefusedError(410, "rest_already_trashed")
        one.status = "trash"
        return Answer(body=self.world.show(one, edit=True, embed=False))

    def _may_edit(self, me: int, code: str) -> None:
        if not self._may(me, "moderate_comments"):
            raise RefusedError(403 if me else 401, code)


def _feed(request: Request, feed: str) -> Answer:
    """Send a feed, or that it is as it was."""
    body = feed.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Answer(status=304, body=b"", headers=headers)
    return Answer(body=body, headers=headers, content_type="application/rss+xml; charset=UTF-8")


def _body(request: Request) -> dict[str, Any]:
    try:
        said = json.loads(request.body)
    except ValueError as error:
        raise RefusedError(400, "rest_invalid_json") from error
    if not isinstance(said, dict) or set(said) - _WRITE:
        raise RefusedError(400, "rest_invalid_param", "Invalid parameter(s)")
    return said


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedError(400, "rest_invalid_param", "Invalid parameter(s): after") from error
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
