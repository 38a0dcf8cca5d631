"""What an Instagram account needs to be told."""

from __future__ import annotations

import re
from typing import Any, Literal

from attrs import Attribute, frozen
from channelmix.config import Secret, setting
from channelmix_meta.config import VERSION, a_number, a_version, not_negative


def _handle(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not re.fullmatch(r"[a-z0-9._]{1,30}", value):
        raise ValueError(f"{attribute.name} is the account's name without @, in lower case")


@frozen(kw_only=True)
class InstagramConfig:
    """One professional account."""

    account_id: str = setting(
        help="The professional account's number (17841…), as webhooks name it.",
        validator=a_number,
    )
    login: Literal["facebook", "instagram"] = setting(
        default="facebook",
        help="Where the account was connected: Facebook (page token) or Instagram itself.",
    )
    access_token: Secret = setting(
        default=Secret(),
        help="A token of your own; left out, the one that `channelmix connect` brings.",
    )
    username: str | None = setting(
        default=None,
        help="The account's name, without @: tells own comments where only names come.",
        validator=_handle,
    )
    version: str = setting(
        default=VERSION, help="The version of the Graph API that is called.", validator=a_version
    )
    backfill_days: int = setting(
        default=2, help="How many days back the very first poll looks.", validator=not_negative
    )
