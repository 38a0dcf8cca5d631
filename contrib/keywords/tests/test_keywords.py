from datetime import UTC, datetime
from typing import Any

import pytest
from channelmix.config import load
from channelmix.records import Classify, Kind, Message
from channelmix_keywords import Keywords, KeywordsConfig, pattern

CONFIG = KeywordsConfig(
    topics={"billing": ("bill", "*rechnung*", "mahn*"), "outage": ("strom", "internet")},
    service=("wann", "help"),
    no_service=("danke",),
)


async def labels(text: str | None, config: KeywordsConfig = CONFIG) -> dict[str, str]:
    nothing: Any = None
    plugin = Keywords(name="keywords", config=config, services=nothing)
    at = datetime(2026, 11, 3, tzinfo=UTC)
    message = Message(id="1", kind=Kind.MENTION, thread="1", sent_at=at, text=text)
    found = await plugin.classify(Classify(channel="x", message=message))
    return {one.name: one.value for one in found.labels} if found else {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Wann kommt meine Stromrechnung?", {"topic": "billing", "service": "yes"}),
        ("My BILL is wrong, help", {"topic": "billing", "service": "yes"}),
        ("Strom weg, Internet weg, und die Rechnung kommt", {"topic": "outage"}),
        ("Danke!", {"service": "no"}),
        ("Die Mahnung kam, der Strom nicht", {"topic": "billing"}),
        ("Stromer fahren billig", {}),
        ("", {}),
        (None, {}),
    ],
)
async def test_labels(text: str | None, found: dict[str, str]) -> None:
    assert await labels(text) == found


async def test_without_words_there_is_nothing_to_say() -> None:
    assert await labels("Strom", KeywordsConfig()) == {}
    assert await labels("Strom", KeywordsConfig(topics={"billing": ()})) == {}


def test_words_are_no_patterns() -> None:
    assert pattern(("a.b",)).search("a.b")
    assert not pattern(("a.b",)).search("axb")


def test_it_is_configured_by_its_section() -> None:
    told = {"plugins": {"keywords": {"topics": {"billing": ["bill"]}, "service": ["help"]}}}
    settings = load(told)
    assert settings.plugins["keywords"].config.topics == {"billing": ("bill",)}
