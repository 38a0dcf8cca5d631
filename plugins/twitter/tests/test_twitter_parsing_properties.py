"""Whatever X may send one day: parsing says what it means, or that it cannot be read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from channelmix.errors import InvalidPayload
from channelmix.records import Inbound, Payload
from channelmix_twitter.parsing import ingest, split
from channelmix_twitter.parsing_context import Context
from hypothesis import assume, given
from hypothesis import strategies as st

FIXTURES = Path(__file__).parent / "payloads"
SOURCES = st.sampled_from(["webhook", "mentions", "direct", "timeline", "search", "conversation"])
CONTEXT = Context(
    account="1400000000000000001",
    now=datetime(1970, 1, 1, tzinfo=UTC),
    handle="stadtwerke",
    siblings=frozenset({"1400000000000000777"}),
)
Path_ = tuple[str | int, ...]


def documents() -> Iterator[Any]:
    for path in sorted(FIXTURES.glob("*.json")):
        if not path.name.endswith(".expected.json"):
            told = json.loads(path.read_bytes())
            yield told.get("body", told)


DOCUMENTS = list(documents())
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "\ud800", "\x00", "x" * 600, "http://[", "1-2", 10**400, 10**13, -1]),
    st.text(),
    st.sampled_from([[], {}, [None], {"id": None}, {"data": [None]}, {"data": {"data": []}}]),
    st.integers(1, 200).map(lambda depth: json.loads("[" * depth + "]" * depth)),
    st.sampled_from(DOCUMENTS),
)


def paths(value: Any, here: Path_ = ()) -> Iterator[Path_]:
    yield here
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(one, (*here, key))


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """Draw one of our fixtures with keys missing and other things where they do not belong."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(0, 4))):
        places = [one for one in paths(document) if one]
        assume(places)
        *above, last = draw(st.sampled_from(places))
        holder = document
        for key in above:
            holder = holder[key]
        if draw(st.booleans()):
            holder[last] = copy.deepcopy(draw(ODD))
        else:
            del holder[last]
    return document


def meaning(body: bytes, source: str) -> list[Inbound] | str:
    try:
        events = split(Payload(body=body, source=source)).events
        return [one for event in events for one in ingest(event, CONTEXT).inbounds]
    except InvalidPayload as error:
        return str(error)


@given(mutants(), SOURCES)
def test_it_means_something_or_is_said_to_be_unreadable(document: Any, source: str) -> None:
    body = json.dumps(document).encode()
    found = meaning(body, source)
    assert isinstance(found, str) or all(isinstance(one, get_args(Inbound)) for one in found)
    assert found == meaning(body, source)


@given(mutants(), SOURCES)
def test_every_event_means_something_alone(document: Any, source: str) -> None:
    body = json.dumps(document).encode()
    try:
        events = split(Payload(body=body, source=source)).events
    except InvalidPayload:
        return
    for event in events:
        assert isinstance(json.loads(event.body), dict)
        assert event.source == source
        try:
            assert ingest(event, CONTEXT).inbounds
        except InvalidPayload as error:
            assert "id" in str(error) or "no object" in str(error)  # noqa: PT017 - either is right


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    assert meaning(body, "webhook") is not None
