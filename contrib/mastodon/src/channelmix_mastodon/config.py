"""What the section of a channel says."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, frozen
from channelmix.config import Secret, setting

ADDRESS = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?@[a-z0-9.-]+(:[0-9]+)?")


def _address(_instance: Any, attribute: Attribute[Any], value: str) -> None:
    if not ADDRESS.fullmatch(value):
        message = (
            f"`{attribute.name}` is written name@server, in lower case and without the first @"
        )
        raise ValueError(message)


def _server(_instance: Any, attribute: Attribute[Any], value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.netloc or parts.path not in {"", "/"} or parts.query:
        raise ValueError(f"`{attribute.name}` is an address like https://social.example")


def _days(_instance: Any, attribute: Attribute[Any], value: int) -> None:
    if not 0 <= value <= 90:  # noqa: PLR2004 - a quarter of a year
        raise ValueError(f"`{attribute.name}` is between 0 and 90")


@frozen(kw_only=True)
class MastodonConfig:
    """One account on one Mastodon server."""

    server: str = setting(
        help="The address of the server that the account is on.",
        validator=_server,
        example="https://social.example",
    )
    account: str = setting(
        help="The account's whole name in lower case, without the first @.",
        validator=_address,
        example="stadtwerke@social.example",
    )
    access_token: Secret | None = setting(
        help="An access token from Preferences, Development; left out: log in with `connect`.",
        default=None,
    )
    app_name: str = setting(
        help="What the account's list of authorised apps, and its posts, call this desk.",
        default="channelmix",
    )
    backfill_days: int = setting(
        help="How many days the very first poll looks back.", default=2, validator=_days
    )
    watch_days: int = setting(
        help="For how many days posts are watched for edits and deletions.",
        default=7,
        validator=_days,
    )
