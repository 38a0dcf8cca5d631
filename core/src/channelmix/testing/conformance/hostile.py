"""Hostile input, made of a plugin's own fixtures: always the same, and always bad.

Random mutations find more in the long run; these are few, and each time the same, so that a
plugin which passed today passes tomorrow.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from math import gcd
from typing import Any

DEEP = 1_000
HUGE = 5_000_000
"""Bytes of the largest payload."""
FEW = 3
"""How many fixtures are blown up to `HUGE`: it takes time, and one shows as much as all."""
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    10**400,
    "",
    "x" * 600,
    "nul\x00nul",
    "\ud800",
    "http://[",
    "9999-99-99T99:99:99Z",
    [],
    {},
    [None],
    {"id": None, "data": {"data": []}},
)
"""What stands, one after the other, where something else belongs."""

_MISSING = object()
_HERE = "put it in here"
_QUOTED = json.dumps(_HERE).encode()

Path_ = tuple[str | int, ...]
Mutant = tuple[str, bytes]
"""What was done to a payload, and what it has become."""


def mutants(body: bytes, *, most: int, huge: bool) -> Iterator[Mutant]:
    """Spoil one payload in every way; of what is done to its JSON at most `most`."""
    yield from _as_bytes(body, huge=huge)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    wrong = _places(document)
    for path, value in wrong[:: _step(len(wrong), most)]:
        what = "missing" if value is _MISSING else f"replaced by {value!r:.40}"
        yield f"{_shown(path)} {what}", _changed(document, path, value)
    yield from _as_texts(document, huge=huge)


def texts(body: bytes, said: str, instead: str) -> Iterator[bytes]:
    """Put `instead` in the place of `said`, wherever it is a value of its own in the JSON.

    In HTML it is what a reader sees of the value, and becomes the one paragraph of it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    for path, value in _walk(document):
        if path and value == said:
            yield _changed(document, path, instead)
        elif path and isinstance(value, str) and "<" in value and _seen(value) == _packed(said):
            yield _changed(document, path, f"<p>{instead}</p>")


class _Reader(HTMLParser):
    """Collects what a reader sees of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        """Take a text between tags, its entities resolved."""
        self.texts.append(data)


def _seen(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _packed("".join(reader.texts))


def _packed(text: str) -> str:
    """Leave out white space: how tags become line breaks is the plugin's to say."""
    return "".join(text.split())


def _as_bytes(body: bytes, *, huge: bool) -> Iterator[Mutant]:
    for part in range(8):
        at = len(body) * part // 8
        yield f"cut after {at} bytes", body[:at]
        yield f"NUL at {at}", body[:at] + b"\x00" + body[at:]
        yield f"broken UTF-8 at {at}", body[:at] + b"\xc3\x28\xff" + body[at:]
    yield "twice over", body + body
    yield "only spaces", b" " * 10
    for opening, closing in (b"[]", b"{}"):
        deep = b"[" if opening == ord("[") else b'{"a":'
        yield f"{DEEP} deep", deep * DEEP + b"1" + bytes([closing]) * DEEP
        yield f"{DEEP * 100} deep", deep * (DEEP * 100)
    for scalar in (b"null", b"0", b'""', b"[]", b"{}", b"[[]]", b"NaN"):
        yield scalar.decode(), scalar
    if huge:
        yield f"{HUGE} bytes of it", body * (HUGE // max(1, len(body)) + 1)


def _as_texts(document: Any, *, huge: bool) -> Iterator[Mutant]:
    paths = [path for path, value in _walk(document) if path and isinstance(value, str)]
    for path in paths[:: max(1, len(paths) // FEW)]:
        # Put in as text: no encoder goes as deep.
        body = _changed(document, path, value=_HERE)
        yield f"{_shown(path)} {DEEP} deep", body.replace(_QUOTED, b"[" * DEEP + b"]" * DEEP)
        if huge:
            yield f"{_shown(path)} {HUGE} characters", body.replace(_HERE.encode(), b"x" * HUGE)


def _places(document: Any) -> list[tuple[Path_, Any]]:
    """Pair each place with everything that can happen there."""
    places = [path for path, _ in _walk(document) if path]
    return [(path, value) for path in places for value in (_MISSING, *ODD)]


def _walk(value: Any, here: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    yield here, value
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(one, (*here, key))


def _changed(document: Any, path: Path_, value: Any) -> bytes:
    """Write the document down with another value in one place; the document itself stays."""
    *above, last = path
    holder = document
    for key in above:
        holder = holder[key]
    before = copy.copy(holder)
    if value is _MISSING:
        del holder[last]
    else:
        holder[last] = value
    try:
        return json.dumps(document).encode()
    finally:
        holder.clear()
        holder.update(before) if isinstance(holder, dict) else holder.extend(before)


def _step(length: int, most: int) -> int:
    """Return a step that visits at most so many, and in the end every odd value somewhere."""
    step = max(1, -(-length // most))
    while step > 1 and gcd(step, len(ODD) + 1) > 1:
        step += 1
    return step


def _shown(path: Sequence[str | int]) -> str:
    return "/".join(str(one) for one in path)
