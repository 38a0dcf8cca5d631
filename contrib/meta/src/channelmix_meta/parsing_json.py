"""What an item of Meta's networks needs beside the core's `payloads`: who, when, in which list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen
from channelmix.payloads import Json, ident, moment, obj, objects, words
from channelmix.records import Identity


def data(value: Any) -> list[Json]:
    """Return the objects of a Graph list, `{"data": […]}`."""
    return objects(obj(value).get("data"))


def person(value: Any) -> Identity | None:
    """Return who `{id, name, username}` is, None without an id."""
    found = ident(obj(value).get("id"))
    if found is None:
        return None
    return Identity(id=found, name=words(value.get("name")), handle=words(value.get("username")))


@frozen(kw_only=True)
class Context:
    """What an item needs to know of what it came in."""

    account: str
    """The account whose own content is ours; empty where nothing says."""
    now: datetime
    """When the event arrived; nothing in it can be much later."""
    at: datetime
    """When the network says that it happened, else `now`."""
    app_id: str | None = None
    handle: str | None = None
    """The account's name at the network, where answers may name it by that alone."""
    source: str = "webhook"

    def moment(self, value: Any) -> datetime:
        """Return the time `value` means, `at` where it means none."""
        return moment(value, self.now) or self.at

    def is_own(self, who: Identity | None) -> bool:
        """Say whether `who` is the account itself."""
        if who is None:
            return False
        return who.id == self.account or (self.handle is not None and who.handle == self.handle)
