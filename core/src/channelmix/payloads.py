"""Reading JSON that a network wrote: bounded in depth, and surprised by no type.

For the `split` and `ingest` of plugins. The standard library's decoder, because it takes lone
surrogates and any integer; its encoder writes them escaped, so that what was decoded can always
be stored and decoded again. Text is kept as it came: the core's store cleans.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from channelmix.errors import InvalidPayload

Json = dict[str, Any]

MAX_DEPTH = 100
"""Ten times what networks send, and far from where Python's own stack ends."""
MAX_ID = 512
EARLIEST = datetime(2004, 2, 4, tzinfo=UTC)
"""The oldest of the networks opened then: no event is older."""
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MILLISECONDS = 10**12
"""A time from here on is in milliseconds, one below in seconds."""


def decode(body: bytes) -> Any:
    """Return what the JSON in `body` says.

    Raises: `InvalidPayload` for what is no JSON or is nested more than `MAX_DEPTH` deep.
    """
    try:
        value = json.loads(body)
    except ValueError as error:
        raise InvalidPayload(f"the payload cannot be read as JSON: {error}") from None
    except RecursionError:
        pass
    else:
        if not _deep(value):
            return value
    raise InvalidPayload(f"the payload is nested more than {MAX_DEPTH} deep")


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for one in level for child in _children(one)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def encode(value: Any, *, sort: bool = False) -> bytes:
    """Return `value` as compact JSON in ASCII."""
    return json.dumps(value, separators=(",", ":"), sort_keys=sort).encode("ascii")


def digest(value: Any) -> str:
    """Name a JSON value by its content, in 64 hex digits."""
    return hashlib.sha256(encode(value, sort=True)).hexdigest()


def obj(value: Any) -> Json:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def array(value: Any) -> list[Any]:
    """Return `value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def objects(value: Any) -> list[Json]:
    """Return the objects in an array."""
    return [one for one in array(value) if isinstance(one, dict)]


def ident(value: Any) -> str | None:
    """Return an id as a string: networks send them as strings and as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value if 0 < len(value) <= MAX_ID else None


def first(value: Json, *keys: str) -> str | None:
    """Return the first id there is under `keys`."""
    return next((found for key in keys if (found := ident(value.get(key)))), None)


def words(value: Any) -> str | None:
    """Return a text, None where there is none or it is empty."""
    return value if isinstance(value, str) and value else None


def flag(value: Any) -> bool | None:
    """Return a yes or no, None where the network does not say."""
    return value if isinstance(value, bool) else None


def label(value: Any) -> str:
    """Return a name that the network made, fit for a reason that is shown and counted."""
    return re.sub(r"[^\w.-]", "", value, flags=re.ASCII)[:40] if isinstance(value, str) else "none"


def moment(value: Any, now: datetime) -> datetime | None:
    """Return an aware time from seconds, milliseconds or ISO 8601.

    None for what is no time, or one before `EARLIEST` or a day after `now`.
    """
    try:
        found = _time(value)
    except (ValueError, OverflowError, OSError):
        return None
    latest = now + timedelta(days=1) if now > EARLIEST else LATEST
    return found if found and EARLIEST <= found <= latest else None


def _time(value: Any) -> datetime | None:
    if isinstance(value, str) and not value.isdecimal():
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number = float(value)
    return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS else number, UTC)
