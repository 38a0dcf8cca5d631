"""Whatever the network may send one day: parsing says what it means, or that it cannot be read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from channelmix.errors import InvalidPayload
from channelmix.records import Inbound, Payload
from channelmix_facebook.parsing import ingest, split
from hypothesis import assume, given
from hypothesis import strategies as st

FIXTURES = Path(__file__).parent / "fixtures"
SOURCES = st.sampled_from(["webhook", "feed", "tagged", "comment", "conversation", "ratings"])
Path_ = tuple[str | int, ...]


def delivery(**lists: list[Any]) -> dict[str, Any]:
    return {"object": "page", "entry": [{"id": "500", "time": 1750000200, **lists}]}


def documents() -> Iterator[Any]:
    loaded = {path.stem: json.loads(path.read_bytes()) for path in FIXTURES.glob("*.json")}
    for value in loaded["feed"].values():
        yield delivery(changes=[{"field": "feed", "value": value}])
    for field, value in loaded["elsewhere"].values():
        yield delivery(changes=[{"field": field, "value": value}])
    sides = {"sender": {"id": "41"}, "recipient": {"id": "500"}, "timestamp": 1750000000000}
    for item in loaded["messenger"].values():
        yield delivery(messaging=[{**sides, **item}], standby=[{**sides, **item}])
    yield from loaded["graph"].values()


DOCUMENTS = list(documents())
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(
        ["", "\ud800", "\x00", "x" * 600, "http://[", "71_1", "1e400", 10**400, 10**13]
    ),
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
        return [
            one for event in events for one in ingest(event, account="500", app_id="7").inbounds
        ]
    except InvalidPayload as error:
        return str(error)


@given(mutants(), SOURCES)
def test_it_means_something_or_is_said_to_be_unreadable(document: Any, source: str) -> None:
    body = json.dumps(document).encode()
    found = meaning(body, source)
    assert isinstance(found, str) or all(isinstance(one, get_args(Inbound)) for one in found)
    assert found == meaning(body, source)


@given(mutants(), SOURCES)
def test_every_event_means_something_alone_and_can_be_split_again(
    document: Any, source: str
) -> None:
    body = json.dumps(document).encode()
    try:
        events = split(Payload(body=body, source=source)).events
    except InvalidPayload:
        return
    assert events == split(Payload(body=body, source=source)).events
    for event in events:
        assert isinstance(json.loads(event.body), dict)
        assert event.source == source
        try:
            assert ingest(event, account="").inbounds
        except InvalidPayload as error:
            assert "without its id" in str(error)  # noqa: PT017 - either outcome is right


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    assert meaning(body, "webhook") is not None


@given(st.sampled_from([one for one in DOCUMENTS if isinstance(one, dict) and "entry" in one]))
def test_a_webhook_means_the_same_whole_and_in_parts(document: Any) -> None:
    events = split(Payload(body=json.dumps(document).encode())).events
    again = [one for event in events for one in split(Payload(body=event.body)).events]
    assert again == list(events)
