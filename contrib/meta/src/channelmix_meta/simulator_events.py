"""What every simulated account tells by webhook, shaped as Meta's webhook reference says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from channelmix.testing.simulator import Event

from channelmix_meta.simulator_world import Conversation, Person


def body(events: Sequence[Event], name_of_object: str) -> bytes:
    """Put events into one body: ASCII only, a backslash before each slash, as Meta writes it."""
    entries = [
        _entry(name, list(group))
        for name, group in itertools.groupby(events, lambda one: str(one.content["list"]))
    ]
    text = json.dumps({"object": name_of_object, "entry": entries}, separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def _entry(name: str, events: Sequence[Event]) -> dict[str, Any]:
    seconds = events[-1].at.timestamp()
    time = int(seconds) if name == "changes" else int(seconds * 1000)
    items = [one.content["item"] for one in events]
    return {"id": events[0].account, "time": time, name: items}


def change(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Make the content of an event about the account's public side."""
    kept = {name: one for name, one in value.items() if one is not None}
    return {"list": "changes", "item": {"field": field, "value": kept}}


def messaging(
    conversation: Conversation, account: Person, at: datetime, *, own: bool, **what: Any
) -> dict[str, Any]:
    """Tell of something in a conversation; `standby` if another app controls the conversation."""
    sender, recipient = conversation.person, account
    if own:
        sender, recipient = account, conversation.person
    item = {
        "sender": {"id": sender.id},
        "recipient": {"id": recipient.id},
        "timestamp": int(at.timestamp() * 1000),
        **what,
    }
    return {"list": "standby" if conversation.owner else "messaging", "item": item}


def message(
    note_id: str, text: str | None, attachments: Iterable[Mapping[str, Any]], **more: Any
) -> dict[str, Any]:
    """Make the `message` part of a messaging event."""
    parts = {"mid": note_id, "text": text, "attachments": list(attachments) or None, **more}
    return {name: one for name, one in parts.items() if one is not None}
