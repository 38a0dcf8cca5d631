"""What a blog needs to be told."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, frozen
from channelmix.config import Secret, setting

POSTS = "posts"
"""As `comments_feed`: each post's own."""


def _root(_: object, attribute: Attribute[Any], value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError(f"{attribute.name} is the blog's address, like https://blog.example.org")


def _address(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and (not value or urlsplit(value).scheme not in {"", "http", "https"}):
        raise ValueError(f"{attribute.name} is an address, or a path below url, like feed/")


def _language(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not re.fullmatch(r"[a-z]{2,3}", value):
        raise ValueError(f"{attribute.name} is a short code, like de")


def _not_negative(_: object, attribute: Attribute[Any], value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} cannot be negative")


def _with_user(blog: BlogConfig, _attribute: Attribute[Any], value: Secret | None) -> None:
    if (value is None) != (blog.user is None):
        raise ValueError("user and application_password go together")
    host = urlsplit(blog.url).hostname
    if value is not None and not blog.url.startswith("https://") and host != "127.0.0.1":
        raise ValueError("an application password wants an https url")


@frozen(kw_only=True)
class BlogConfig:
    """One blog."""

    url: str = setting(
        help="The blog's address.", validator=_root, example="https://blog.example.org"
    )
    feed: str | None = setting(
        default=None,
        help="The address of its RSS or Atom feed; left out, the one that its page names.",
        validator=_address,
    )
    comments_feed: str | None = setting(
        default=None,
        help='The address of the feed of all comments, or "posts" for each post\'s own.',
        validator=_address,
    )
    wordpress: bool = setting(
        default=False,
        help="Read the comments through WordPress's REST API, as with an application password.",
    )
    user: str | None = setting(default=None, help="The WordPress user who answers.")
    application_password: Secret | None = setting(
        default=None, help="An application password of that user.", validator=_with_user
    )
    authors: tuple[str, ...] = setting(
        default=(), help="The names under which you comment yourselves."
    )
    language: str | None = setting(
        default=None,
        help="The language it is in, like de; left out, what the feed says.",
        validator=_language,
    )
    backfill_days: int = setting(
        default=2,
        help="How many days back the first look at comments goes.",
        validator=_not_negative,
    )
