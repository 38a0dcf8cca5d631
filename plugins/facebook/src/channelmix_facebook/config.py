"""What a page and its app at Meta need to be told."""

from __future__ import annotations

import re
from typing import Any

from attrs import Attribute, frozen
from channelmix.config import Secret, setting

VERSION = "v26.0"
"""The newest version of the Graph API that this package was tested with."""


def _page_id(_: object, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[0-9]+", value):
        raise ValueError(f"{attribute.name} is the page's number (Page, About, Page transparency)")


def _version(_: object, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"v[0-9]+\.[0-9]+", value):
        raise ValueError(f"{attribute.name} looks like {VERSION}")


def _days(_: object, attribute: Attribute[Any], value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} cannot be negative")


@frozen(kw_only=True)
class FacebookConfig:
    """One page."""

    page_id: str = setting(help="The page's number, as a string.", validator=_page_id)
    access_token: Secret = setting(help="The page access token, best one that never expires.")
    version: str = setting(
        default=VERSION, help="The version of the Graph API that is called.", validator=_version
    )
    backfill_days: int = setting(
        default=2, help="How many days back the very first poll looks.", validator=_days
    )


@frozen(kw_only=True)
class FacebookApp:
    """The app at Meta that several pages can share."""

    app_secret: Secret = setting(help="The app secret (App settings, Basic).")
    verify_token: Secret = setting(help="A word of your own, typed in again at Webhooks.")
    app_id: str | None = setting(
        default=None, help="The app's number; with it, replies sent through this app are known."
    )
