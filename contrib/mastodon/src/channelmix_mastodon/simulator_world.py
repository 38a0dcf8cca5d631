"""What the simulated server shows: accounts, posts, pages, in the form of its documentation."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from channelmix.testing.simulator import Answer, Request

SERVER = "social.example"
LINK = re.compile(r"https?://[^\s<>\"]+")
REMOTE = re.compile(r"(?<![\w/])@(\w+)@[\w.-]*\w")
Json = dict[str, Any]


def account(number: str, acct: str, name: str) -> Json:
    """Return an account; `acct` has no server where it is this one."""
    user, _, server = acct.partition("@")
    picture = f"https://files.{SERVER}/{{}}/original/missing.png"
    return {
        "id": number,
        "username": user,
        "acct": acct,
        "display_name": name,
        "locked": False,
        "bot": False,
        "discoverable": True,
        "group": False,
        "created_at": "2022-11-05T00:00:00.000Z",
        "note": "",
        "url": f"https://{server or SERVER}/@{user}",
        **dict.fromkeys(("avatar", "avatar_static"), picture.format("avatars")),
        **dict.fromkeys(("header", "header_static"), picture.format("headers")),
        "followers_count": 12,
        "following_count": 34,
        "statuses_count": 56,
        "last_status_at": "2026-11-02",
        "emojis": [],
        "fields": [],
    }


def status(
    number: str,
    by: Json,
    text: str,
    *,
    at: datetime,
    visibility: str,
    above: Json | None,
    to: Json | None,
    app: str | None,
) -> Json:
    """Return a post. Which app it was written with, other servers do not say."""
    mentions = [{name: to[name] for name in ("id", "username", "url", "acct")}] if to else []
    return {
        "id": number,
        "created_at": written(at),
        "in_reply_to_id": above["id"] if above else None,
        "in_reply_to_account_id": above["account"]["id"] if above else None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": visibility,
        "language": "en",
        "uri": f"{by['url'].replace('@', 'users/')}/statuses/{number}",
        "url": f"{by['url']}/{number}",
        **dict.fromkeys(("replies_count", "reblogs_count", "favourites_count", "quotes_count"), 0),
        "edited_at": None,
        **dict.fromkeys(("favourited", "reblogged", "muted", "bookmarked"), False),
        "content": rich(text, mentions),
        "filtered": [],
        "reblog": None,
        **({"application": {"name": app, "website": None}} if app else {}),
        "account": by,
        "media_attachments": [],
        "mentions": mentions,
        "tags": [],
        "emojis": [],
        "card": None,
        "poll": None,
        "quote": None,
    }


def medium(number: str, kind: str, description: str | None) -> Json:
    """Return an attachment."""
    url = f"https://files.{SERVER}/media_attachments/files/{{}}/{number}"
    return {
        "id": number,
        "type": kind,
        "url": url.format("original"),
        "preview_url": url.format("small"),
        "remote_url": None,
        "meta": {},
        "description": description,
        "blurhash": None,
    }


def written(at: datetime) -> str:
    """Return a time as the server writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def length(text: str) -> int:
    """Count as the server does."""
    return len(REMOTE.sub(r"@\1", LINK.sub("_" * 23, text)))


def rich(text: str, mentions: Sequence[Mapping[str, Any]]) -> str:
    """Return the HTML of what was typed."""
    body = html.escape(text, quote=False)
    for one in mentions:
        shown = f"@<span>{one['username']}</span>"
        link = f'<a href="{one["url"]}" class="u-url mention">{shown}</a>'
        body = body.replace(f"@{one['acct']}", f'<span class="h-card">{link}</span>')
    paragraphs = body.replace("\r\n", "\n").split("\n\n")
    return "".join("<p>{}</p>".format(one.replace("\n", "<br />")) for one in paragraphs)


def page(every: Sequence[Json], request: Request, base: str, usual: int, most: int) -> Answer:
    """Return a page, newest first, and where the next ones are.

    With `min_id` these are the oldest ones after it, with `since_id` the newest ones after it.
    """
    query = request.query
    size = min(int(query.get("limit", usual)), most)
    lower = int(query.get("min_id") or query.get("since_id") or 0)
    upper = int(query.get("max_id") or 10**30)
    found = [one for one in every if lower < int(one["id"]) < upper]
    found.sort(key=lambda one: int(one["id"]))
    shown = (found[:size] if "min_id" in query else found[-size:])[::-1]
    if not shown:
        return Answer(body=[])
    kept = [
        (name, one)
        for name, value in query.items()
        if name not in {"max_id", "min_id", "since_id"}
        for one in (value.split(",") if name.endswith("[]") else [value])
    ]
    ways = [("prev", "min_id", shown[0]["id"])]
    if len(shown) == size:
        ways.insert(0, ("next", "max_id", shown[-1]["id"]))
    address = f"{base}{request.path}"
    links = [f'<{address}?{urlencode([*kept, (key, at)])}>; rel="{way}"' for way, key, at in ways]
    return Answer(body=shown, headers={"link": ", ".join(links)})
