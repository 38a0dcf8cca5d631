"""Topics, and service or not, by words that the configuration lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from attrs import define, field, frozen
from channelmix.config import setting
from channelmix.hookspecs import Plugin, hook
from channelmix.records import Classify, Label, Labels

__version__ = "0.1.0"

CONFIDENCE = 0.6
"""Words are a hint: whoever knows better (a model, a person) is to have the last word."""


@frozen(kw_only=True)
class KeywordsConfig:
    """Words by what they mean. `*` at an end of a word stands for any letters (`*rechnung*`)."""

    topics: Mapping[str, tuple[str, ...]] = setting(
        factory=dict, help='Words for each topic, like { billing = ["bill", "*rechnung*"] }.'
    )
    service: tuple[str, ...] = setting(default=(), help="Words of who wants something from us.")
    no_service: tuple[str, ...] = setting(default=(), help="Words of who wants nothing.")


@define(eq=False, kw_only=True, slots=False)
class Keywords(Plugin):
    """Labels a message with the topic that most of its words speak for."""

    Config: ClassVar[type] = KeywordsConfig

    config: KeywordsConfig
    _topics: Mapping[str, re.Pattern[str]] = field(init=False)
    _service: Mapping[str, re.Pattern[str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make one pattern of each list."""
        listed = self.config
        self._topics = {name: pattern(words) for name, words in listed.topics.items() if words}
        service = {"yes": listed.service, "no": listed.no_service}
        self._service = {name: pattern(words) for name, words in service.items() if words}

    @hook
    async def classify(self, request: Classify) -> Labels | None:
        """Label a customer's message; None where no word speaks."""
        labels = tuple(self._labels(request.message.text or ""))
        return Labels(labels=labels) if labels else None

    def _labels(self, text: str) -> Iterator[Label]:
        for name, patterns in (("topic", self._topics), ("service", self._service)):
            if found := most(patterns, text):
                yield Label(name=name, value=found, confidence=CONFIDENCE)


def pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds any of `words`, whole, in either case."""
    return re.compile("|".join(map(_word, words)), re.IGNORECASE)


def _word(word: str) -> str:
    before = r"\w*" if word.startswith("*") else ""
    after = r"\w*" if word.endswith("*") else ""
    return rf"(?<!\w){before}{re.escape(word.strip('*'))}{after}(?!\w)"


def most(patterns: Mapping[str, re.Pattern[str]], text: str) -> str | None:
    """Return the name with the most hits, the first of equals; None without any."""
    hits = {name: len(one.findall(text)) for name, one in patterns.items()}
    best = max(hits, key=lambda name: hits[name], default=None)
    return best if best is not None and hits[best] else None
