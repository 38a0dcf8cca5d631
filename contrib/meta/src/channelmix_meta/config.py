"""What an app at Meta needs to be told, and checks of settings that its networks share."""

from __future__ import annotations

import re
from typing import Any

from attrs import Attribute, frozen
from channelmix.config import Secret, setting

VERSION = "v26.0"
"""The newest version of the Graph API that this package was tested with."""


@frozen(kw_only=True)
class MetaApp:
    """An app at Meta. Pages and Instagram accounts can share one, and its webhook address."""

    app_secret: Secret = setting(help="The app secret (App settings, Basic).")
    verify_token: Secret = setting(help="A word of your own, typed in again at Webhooks.")
    app_id: str | None = setting(
        default=None, help="The app's number; with it, replies sent through this app are known."
    )
    instagram_app_id: str | None = setting(
        default=None, help="For log-in at Instagram: the Instagram app id (Instagram, API setup)."
    )
    instagram_app_secret: Secret = setting(
        default=Secret(), help="For log-in at Instagram: the Instagram app secret."
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets with which webhooks may be signed."""
        return (self.app_secret.reveal(), self.instagram_app_secret.reveal())


def a_number(_: object, attribute: Attribute[Any], value: str) -> None:
    """Refuse what is no id of Meta's. Raises: `ValueError`."""
    if not re.fullmatch(r"[0-9]+", value):
        raise ValueError(f"{attribute.name} is a number, in quotes: {attribute.metadata['help']}")


def a_version(_: object, attribute: Attribute[Any], value: str) -> None:
    """Refuse what is no version of the Graph API. Raises: `ValueError`."""
    if not re.fullmatch(r"v[0-9]+\.[0-9]+", value):
        raise ValueError(f"{attribute.name} looks like {VERSION}")


def not_negative(_: object, attribute: Attribute[Any], value: int) -> None:
    """Refuse a negative number. Raises: `ValueError`."""
    if value < 0:
        raise ValueError(f"{attribute.name} cannot be negative")
