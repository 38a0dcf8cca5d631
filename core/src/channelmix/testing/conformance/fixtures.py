"""Fixtures: payloads as the network sends them, each beside what it means.

    comment.json             what came, byte for byte (any ending; left out, the body is empty)
    comment.expected.json    {"events": [{"inbounds": [{"type": "message", "id": "7", ...}]}]}

Beside `events`, a description may have
- `source`: the source that was polled, where the payload is the answer to a poll (`webhook`),
- `request`: `method` (`POST`), `headers` and `query` of the webhook, which then goes through
  `receive` first, and
- `response`: `status` (200) and `body` of the answer that the network must get.
An event that cannot be read is `{"unreadable": true}`. Fields with their default are left out.
`channelmix conform --record` writes `events` where a description lacks them: read them, then
commit them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import msgspec
from attrs import field, frozen

from channelmix.errors import ChannelmixError
from channelmix.hints import did_you_mean
from channelmix.records import INBOUNDS, Inbound

ENDING = ".expected.json"
ARRIVED = datetime(2030, 1, 1, tzinfo=UTC)
"""When every fixture arrives: after whatever time stands in it."""

_TYPES = {cls: name for name, cls in INBOUNDS.items()}
_UNREADABLE = {"unreadable": True}


class BadFixture(ChannelmixError):
    """A fixture that cannot be used; the text names the file and what to do."""


@frozen(kw_only=True)
class Asked:
    """The webhook request around a payload."""

    method: str = "POST"
    headers: Mapping[str, str] = field(factory=dict)
    query: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Answered:
    """What the network must get for it."""

    status: int = 200
    body: str | None = None


@frozen(kw_only=True)
class Case:
    """One fixture."""

    name: str
    body: bytes = field(repr=False)
    source: str = "webhook"
    request: Asked | None = None
    response: Answered | None = None
    events: Sequence[Mapping[str, Any]] | None = None
    """As `written` writes them; None: nobody has said yet."""


def read(folder: Path) -> tuple[Case, ...]:
    """Read a folder of fixtures, by name.

    Raises: `BadFixture`.
    """
    if not folder.is_dir():
        raise BadFixture(f"{folder}: there is no such folder of fixtures")
    names = {path.name.removesuffix(ENDING) for path in folder.glob(f"*{ENDING}")}
    payloads = {path.stem: path for path in _payloads(folder)}
    return tuple(_case(folder, name, payloads.get(name)) for name in sorted(names | set(payloads)))


def _payloads(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.endswith(ENDING) and path.suffix != ".md":
            yield path


def _case(folder: Path, name: str, payload: Path | None) -> Case:
    path = folder / f"{name}{ENDING}"
    said = _described(path) if path.exists() else {}
    try:
        return Case(
            name=name,
            body=payload.read_bytes() if payload else b"",
            source=msgspec.convert(said.get("source", "webhook"), str),
            request=msgspec.convert(said.get("request"), Asked | None),
            response=msgspec.convert(said.get("response"), Answered | None),
            events=None if "events" not in said else [_event(one) for one in said["events"]],
        )
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadFixture(f"{path}: {error}") from error


def _described(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadFixture(f"{path}: this is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise BadFixture(f"{path}: write an object with `events` in it")
    known = {"events", "source", "request", "response"}
    for key in sorted(set(said) - known):
        raise BadFixture(f"{path}: unknown key {key}{did_you_mean(key, known)}")
    return said


def _event(said: Mapping[str, Any]) -> dict[str, Any]:
    """Bring what somebody wrote into the form that `written` has, so that both can be compared."""
    if said == _UNREADABLE:
        return dict(said)
    return {"inbounds": [plain(_inbound(one)) for one in said["inbounds"]]}


def _inbound(said: Mapping[str, Any]) -> Inbound:
    cls = INBOUNDS.get(said.get("type", ""))
    if cls is None:
        raise ValueError(f"an inbound's `type` is one of {', '.join(INBOUNDS)}")
    known = {one.name for one in attrs.fields(cls)} | {"type"}
    for key in sorted(set(said) - known):
        raise ValueError(f"a {said['type']} has no {key}{did_you_mean(key, known)}")
    made: Inbound = msgspec.convert({key: one for key, one in said.items() if key != "type"}, cls)
    return made


def written(inbounds: Sequence[Inbound] | None) -> dict[str, Any]:
    """Write down what one raw event means; None: it cannot be read."""
    if inbounds is None:
        return dict(_UNREADABLE)
    return {"inbounds": [plain(one) for one in inbounds]}


def plain(value: Any) -> Any:
    """Turn a record into JSON values, without the fields that have their default."""
    if attrs.has(type(value)):
        told = {} if type(value) not in _TYPES else {"type": _TYPES[type(value)]}
        for one in attrs.fields(type(value)):
            if (given := getattr(value, one.name)) != one.default:
                told[one.name] = plain(given)
        return told
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Enum():
            return value.value
        case tuple() | list():
            return [plain(one) for one in value]
    return value


def record(folder: Path, case: Case, events: Sequence[Sequence[Inbound] | None]) -> Path:
    """Write the `events` of a case that has none yet; return where."""
    path = folder / f"{case.name}{ENDING}"
    said = _described(path) if path.exists() else {}
    said["events"] = [written(one) for one in events]
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return path


def differences(expected: Any, got: Any, at: str = "") -> Iterator[str]:
    """Yield where two values that were written down differ."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in [*expected, *(one for one in got if one not in expected)]:
            yield from differences(expected.get(key), got.get(key), f"{at}.{key}" if at else key)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for number, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(one, other, f"{at}[{number}]")
    elif expected != got:
        yield f"{at}: expected {_brief(expected)}, got {_brief(got)}"


def _brief(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:200]} …"  # noqa: PLR2004 - about two lines
