"""What a YouTube channel and its project at Google need to be told."""

from __future__ import annotations

import re
from typing import Any

from attrs import Attribute, frozen
from channelmix.config import Secret, setting

SCOPE = "https://www.googleapis.com/auth/youtube.force-ssl"
"""What reading held comments and all writing needs, by YouTube's "Authentication" guide."""


def _channel_id(_: object, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"UC[A-Za-z0-9_-]{22}", value):
        raise ValueError(f"{attribute.name} begins with UC (YouTube, Settings, Advanced settings)")


def _not_negative(_: object, attribute: Attribute[Any], value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} cannot be negative")


def _https(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not value.startswith(("https://", "http://127.0.0.1")):
        raise ValueError(f"{attribute.name} is the https address of this app's webhooks")


@frozen(kw_only=True)
class YouTubeConfig:
    """One YouTube channel."""

    channel_id: str = setting(
        help="The channel's id, as in its address.",
        validator=_channel_id,
        example="UCxxxxxxxxxxxxxxxxxxxxxx",
    )
    refresh_token: Secret | None = setting(
        default=None, help="A refresh token got elsewhere; else `channelmix connect` fetches one."
    )
    search: tuple[str, ...] = setting(
        default=(), help="Words by which videos of others that mention us are searched for."
    )
    live: bool = setting(default=False, help="Watch the chat of a running live stream.")
    backfill_days: int = setting(
        default=2, help="How many days back the very first poll looks.", validator=_not_negative
    )


@frozen(kw_only=True)
class YouTubeApp:
    """The project at Google that several channels can share, with its quota."""

    client_id: str = setting(help="The OAuth client's id (Google Cloud, Credentials).")
    client_secret: Secret = setting(help="The OAuth client's secret.")
    quota: int = setting(
        default=10_000, help="Units a day of the project's quota.", validator=_not_negative
    )
    reserve: int = setting(
        default=7_500,
        help="How many of these units are kept for replies, 50 for each.",
        validator=_not_negative,
    )
    searches: int = setting(
        default=100, help="Searches a day: a bucket of their own.", validator=_not_negative
    )
    callback: str | None = setting(
        default=None, help="The public address of this app's webhooks.", validator=_https
    )
    hub_secret: Secret | None = setting(
        default=None, help="A word of your own that signs what the hub sends."
    )
