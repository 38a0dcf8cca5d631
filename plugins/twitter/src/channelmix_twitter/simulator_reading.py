"""What a simulated X lets be read, and how it refuses ("Posts", "Direct Messages" references)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from channelmix_twitter import simulator_shapes as shapes
from channelmix_twitter.parsing_direct import age
from channelmix_twitter.simulator_search import QueryError, compiled
from channelmix_twitter.simulator_world import Direct, Medium, Post, User, World

SEARCHED = timedelta(days=7)
DIRECT_KEPT = timedelta(days=30)
NEWEST = 800
QUERY = 512
PROBLEM = "https://api.twitter.com/2/problems/"
_POSTS = {"tweet.fields", "user.fields", "media.fields", "expansions"}
_LIST = {"max_results", "pagination_token", "since_id", "until_id", "start_time", "end_time"}
PARAMS: Mapping[str, frozenset[str]] = {
    "mentions": frozenset(_POSTS | _LIST),
    "tweets": frozenset(_POSTS | _LIST | {"exclude"}),
    "search": frozenset(_POSTS | _LIST | {"query", "next_token"}),
    "ids": frozenset(_POSTS | {"ids"}),
    "directs": frozenset(
        {"dm_event.fields", "user.fields", "media.fields", "expansions", "tweet.fields"}
        | {"max_results", "pagination_token", "event_types"}
    ),
    "me": frozenset({"user.fields", "tweet.fields", "expansions"}),
    "upload": frozenset({"command", "media_id"}),
    "webhooks": frozenset({"webhook_config.fields"}),
    "subscriptions": frozenset({"max_results", "pagination_token"}),
}


class RefusedError(Exception):
    """What X answers instead: a status and a problem."""

    def __init__(
        self, status: int, title: str, detail: str, *, kind: str = "about:blank", **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers: Mapping[str, str] = {}
        self.body = {"title": title, "detail": detail, "type": kind, "status": status, **more}


def invalid(name: str, value: object, detail: str) -> RefusedError:
    """Refuse a parameter."""
    errors = [{"parameters": {name: [str(value)]}, "message": detail}]
    kind = f"{PROBLEM}invalid-request"
    return RefusedError(400, "Invalid Request", detail, kind=kind, errors=errors)


def forbidden(detail: str) -> RefusedError:
    """Refuse what is not allowed."""
    return RefusedError(403, "Forbidden", detail)


def gone(what: str) -> RefusedError:
    """Refuse what is not there."""
    kind = f"{PROBLEM}resource-not-found"
    return RefusedError(404, "Not Found Error", f"Could not find {what}.", kind=kind)


def asked(query: Mapping[str, str], call: str) -> dict[str, frozenset[str]]:
    """Return the fields that are asked for. Raises: `RefusedError` for names X does not know."""
    for name in query:
        if name not in PARAMS[call]:
            raise invalid(
                name, query[name], f"The query parameter [{name}] is not one of the known"
            )
    told = {}
    for name, known in shapes.ALL.items():
        told[name] = frozenset(query[name].split(",")) if query.get(name) else frozenset()
        for one in told[name] - known:
            raise invalid(name, one, f"The `{name}` query parameter value [{one}] is not one of")
    return told


@define(kw_only=True)
class Reading:
    """Reads for whoever asks."""

    world: World
    now: Callable[[], datetime]
    base: str = ""
    expired: set[str] = field(factory=set)
    """Page tokens that X does not take any more."""

    def mentions(self, me: User, query: Mapping[str, str]) -> Any:
        """List posts that mention somebody; X puts the answered before each answer."""
        found = [
            one
            for one in self.world.posts.values()
            if me in one.mentions and one.author.id != me.id and not self._hidden(one, me)
        ]
        return self._page(found[-NEWEST:], query, "mentions", least=5)

    def timeline(self, me: User, query: Mapping[str, str]) -> Any:
        """List somebody's own posts."""
        found = [one for one in self.world.posts.values() if one.author.id == me.id]
        if "retweets" in query.get("exclude", ""):
            found = [one for one in found if not one.retweeted]
        return self._page(found, query, "tweets", least=5)

    def search(self, me: User, query: Mapping[str, str]) -> Any:
        """Search the last seven days."""
        words = query.get("query", "")
        if not 0 < len(words) <= QUERY:
            raise invalid("query", words, f"The query has 1 to {QUERY} characters")
        try:
            test = compiled(words)
        except QueryError as error:
            raise invalid("query", words, str(error)) from error
        oldest = self.now() - SEARCHED
        start = query.get("start_time")
        if start and datetime.fromisoformat(start) < oldest:
            raise invalid("start_time", start, "'start_time' must be on or after seven days ago")
        since = query.get("since_id")
        if since and age(since) < age(self._floor(oldest)):
            raise invalid("since_id", since, "'since_id' must be a tweet id created after then")
        found = [
            one
            for one in self.world.posts.values()
            if one.created >= oldest and test(one) and not self._hidden(one, me)
        ]
        return self._page(found, query, "search", least=10)

    def _floor(self, at: datetime) -> str:
        return str((int(at.timestamp() * 1000) - 1_288_834_974_657) << 22)

    def _hidden(self, one: Post, me: User) -> bool:
        return one.author.protected and me not in one.mentions

    def posts(self, query: Mapping[str, str]) -> Any:
        """Read posts by id."""
        fields = asked(query, "ids")
        ids = query.get("ids", "").split(",")
        if not ids[0]:
            raise invalid("ids", "", "The `ids` query parameter can not be empty")
        found = [self.world.posts[one] for one in ids if one in self.world.posts]
        told = self._told(found, fields)
        lost = [shapes.missing(one) for one in ids if one not in self.world.posts]
        return {**told, "errors": [*told.get("errors", []), *lost]} if lost else told

    def directs(self, me: User, query: Mapping[str, str], conversation: str | None = None) -> Any:
        """List direct messages, of all conversations or of one."""
        fields = asked(query, "directs")
        oldest = self.now() - DIRECT_KEPT
        found = [
            one
            for one in self.world.directs.values()
            if me.id in one.conversation.split("-")
            and conversation in {None, one.conversation}
            and one.created >= oldest
        ]
        shown, meta = self._cut(found, query, least=1)
        told: dict[str, Any] = {"meta": meta}
        if shown:
            told["data"] = [
                shapes.direct(one, self.world, fields["dm_event.fields"]) for one in shown
            ]
            told["includes"] = self._beside(shown, fields)
        return told

    def _beside(self, shown: Sequence[Direct], fields: Mapping[str, frozenset[str]]) -> Any:
        told: dict[str, Any] = {}
        if "sender_id" in fields["expansions"]:
            people = {one.sender.id: one.sender for one in shown}
            told["users"] = [shapes.user(one, fields["user.fields"]) for one in people.values()]
        if "attachments.media_keys" in fields["expansions"]:
            media = [
                shapes.medium(
                    self.world.media[key],
                    fields["media.fields"],
                    shapes.private(one, key, self.base),
                )
                for one in shown
                for key in one.media
            ]
            told |= {"media": media} if media else {}
        return told

    def file(self, me: User, direct: str, found: str) -> Medium:
        """Return a file of a direct message, to who takes part in the conversation."""
        note = self.world.directs.get(direct)
        if note is None or found not in note.media or me.id not in note.conversation.split("-"):
            raise gone(f"media {found}")
        return self.world.media[found]

    def me(self, me: User, query: Mapping[str, str]) -> Any:
        """Say who asks."""
        return {"data": shapes.user(me, asked(query, "me")["user.fields"])}

    def upload(self, me: User, query: Mapping[str, str]) -> Any:
        """Say how far X is with a file."""
        asked(query, "upload")
        medium = self.world.media.get(query.get("media_id", ""))
        if medium is None or medium.owner != me.id or not medium.finished:
            raise invalid("media_id", query.get("media_id"), "There is no such media")
        medium.looks = max(medium.looks - 1, 0)
        return {"data": processed(medium)}

    def _page(
        self, found: Sequence[Post], query: Mapping[str, str], call: str, *, least: int
    ) -> Any:
        fields = asked(query, call)
        since, start = query.get("since_id"), query.get("start_time")
        found = [
            one
            for one in found
            if (since is None or age(one.id) > age(since))
            and (start is None or one.created >= datetime.fromisoformat(start))
        ]
        shown, meta = self._cut(found, query, least=least)
        return {**self._told(shown, fields), "meta": meta}

    def _cut(self, found: Sequence[Any], query: Mapping[str, str], *, least: int) -> Any:
        """Return a page, newest first, and what is said of it."""
        size = query.get("max_results", "10" if least > 1 else "100")
        if not size.isdecimal() or not least <= int(size) <= 100:  # noqa: PLR2004 - X's largest page
            detail = (
                f"The `max_results` query parameter value [{size}] is not between {least} and 100"
            )
            raise invalid("max_results", size, detail)
        name = "next_token" if "next_token" in query else "pagination_token"
        token = query.get(name, "")
        if token in self.expired or (token and not token.startswith("page")):
            self.expired.discard(token)
            raise invalid(name, token, "The token is not valid")
        newest = sorted(found, key=lambda one: age(one.id), reverse=True)
        begin = token.removeprefix("page")
        rest = [one for one in newest if not begin or age(one.id) < age(begin)]
        shown = rest[: int(size)]
        meta: dict[str, Any] = {"result_count": len(shown)}
        if shown:
            meta |= {"newest_id": shown[0].id, "oldest_id": shown[-1].id}
        if len(rest) > len(shown):
            meta["next_token"] = f"page{shown[-1].id}"
        return shown, meta

    def _told(self, shown: Sequence[Post], fields: Mapping[str, frozenset[str]]) -> dict[str, Any]:
        if not shown:
            return {}
        told: dict[str, Any] = {
            "data": [shapes.post(one, self.world, fields["tweet.fields"]) for one in shown]
        }
        if beside := shapes.includes(shown, self.world, fields, self.base):
            told["includes"] = beside
        if lost := shapes.errors(shown, self.world, fields):
            told["errors"] = lost
        return told


def processed(medium: Medium) -> dict[str, Any]:
    """Say of a file how far X is with it."""
    told: dict[str, Any] = {
        "id": medium.id,
        "media_key": medium.key,
        "size": sum(map(len, medium.pieces.values())),
        "expires_after_secs": 86400,
    }
    if medium.mime.startswith("video"):
        info = (
            {"state": "in_progress", "check_after_secs": 5}
            if medium.looks
            else {"state": "succeeded"}
        )
        told["processing_info"] = info
    return told
