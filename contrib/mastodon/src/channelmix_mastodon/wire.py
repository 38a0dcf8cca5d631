"""What Mastodon sends, as far as it is read here.

Source: the pages of the entities in Mastodon's documentation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from attrs import frozen
from channelmix.errors import InvalidPayload, PluginError
from channelmix.payloads import decode

Time = Annotated[datetime, msgspec.Meta(tz=True)]
Wire = TypeVar("Wire")


@frozen(kw_only=True)
class Account:
    """Somebody; `acct` has no server where it is this one."""

    id: str
    acct: str
    display_name: str = ""
    url: str | None = None


@frozen(kw_only=True)
class Media:
    """An attachment. `url` is None while it is being processed."""

    id: str
    type: str
    url: str | None = None
    remote_url: str | None = None
    description: str | None = None


@frozen(kw_only=True)
class Option:
    """A choice of a poll."""

    title: str


@frozen(kw_only=True)
class Vote:
    """A poll below a post."""

    options: tuple[Option, ...]


@frozen(kw_only=True)
class Application:
    """What a post was written with."""

    name: str


@frozen(kw_only=True)
class Status:
    """A post."""

    id: str
    created_at: Time
    account: Account
    content: str
    visibility: str
    url: str | None = None
    in_reply_to_id: str | None = None
    in_reply_to_account_id: str | None = None
    spoiler_text: str = ""
    sensitive: bool = False
    language: str | None = None
    media_attachments: tuple[Media, ...] = ()
    mentions: tuple[Account, ...] = ()
    edited_at: Time | None = None
    poll: Vote | None = None
    application: Application | None = None
    reblog: dict[str, Any] | None = None


@frozen(kw_only=True)
class Notification:
    """Something of concern to the account. A type may come with no post, or its post be gone."""

    id: str
    type: str
    created_at: Time
    status: Status | None = None


@frozen(kw_only=True)
class Stamp:
    """What every item of a list has, and posts have more."""

    id: str
    created_at: Time
    edited_at: str | None = None


@frozen(kw_only=True)
class Gone:
    """A post that is not shown any more, and when that was noticed."""

    payload: str
    noticed_at: Time


@frozen(kw_only=True)
class Ancestor:
    """A post of which only the id matters."""

    id: str


@frozen(kw_only=True)
class Context:
    """What stands above a post, the oldest first."""

    ancestors: tuple[Ancestor, ...]


@frozen(kw_only=True)
class Source:
    """A post of our own as it was typed."""

    id: str
    text: str
    spoiler_text: str = ""


@frozen(kw_only=True)
class Registered:
    """The app that was registered at the server."""

    client_id: str
    client_secret: str


@frozen(kw_only=True)
class App:
    """An app, with what it may do from 4.3 on."""

    scopes: tuple[str, ...] | None = None


@frozen(kw_only=True)
class Token:
    """What a log-in brings."""

    access_token: str


def read(body: bytes, kind: type[Wire], otherwise: type[PluginError] = InvalidPayload) -> Wire:
    """Read JSON as `kind`. Raises: `otherwise` where it is something else."""
    try:
        return convert(decode(body), kind)
    except InvalidPayload as error:
        raise otherwise(str(error)) from error


def convert(item: Any, kind: type[Wire]) -> Wire:
    """Read an item as `kind`. Raises: `InvalidPayload` where it is something else."""
    try:
        return msgspec.convert(item, kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidPayload(f"this is no {kind.__name__} as it is documented") from error


def stamp(item: Any) -> Stamp | None:
    """Read id and time of an item, None where it has none: it is read closer later."""
    try:
        return convert(item, Stamp)
    except InvalidPayload:
        return None
