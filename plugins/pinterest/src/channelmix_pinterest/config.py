"""What an account and its app at Pinterest need to be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import Attribute, frozen
from channelmix.config import Secret, setting

SCOPES = ("boards:read", "boards:write", "pins:read", "pins:write", "user_accounts:read")
"""What the calls of this package need, by the `security` of each in Pinterest's API document."""
_USERNAME = re.compile(r"[A-Za-z0-9_]{3,30}")
_DIGITS = re.compile(r"[0-9]+")


def _username(_: object, attribute: Attribute[Any], value: str) -> None:
    if not _USERNAME.fullmatch(value):
        raise ValueError(f"{attribute.name} is the name in pinterest.com/NAME/, without an @")


def _board(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not _DIGITS.fullmatch(value):
        raise ValueError(f"{attribute.name} is the board's number, see `channelmix check --online`")


def _boards(_: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    for topic, board in value.items():
        if not _DIGITS.fullmatch(board):
            raise ValueError(f"{attribute.name}: {topic} needs the board's number, not its name")


@frozen(kw_only=True)
class PinterestConfig:
    """One account."""

    username: str = setting(help="The account's name, as in its address.", validator=_username)
    board: str | None = setting(
        default=None, help="The number of the board for pins of no topic.", validator=_board
    )
    boards: Mapping[str, str] = setting(
        factory=dict, help="For each topic, the number of its board.", validator=_boards
    )
    access_token: Secret | None = setting(
        default=None, help="A token made by hand; left out, `channelmix connect` fetches one."
    )


@frozen(kw_only=True)
class PinterestApp:
    """The app at Pinterest that several accounts can share."""

    client_id: str = setting(help="The app's number (My apps).")
    client_secret: Secret = setting(help="The app secret key.")
