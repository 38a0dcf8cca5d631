"""Answers from the help library: which article answers a question, and how to say so."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import sqlalchemy as sa
from attrs import frozen

from channelmix.records import Limits, Suggestion
from channelmix.store import library
from channelmix.store.library import ArticleLine, Match
from channelmix.words import beginnings, telling

SOURCE = "library"
IN_TEXT = 0.4
"""What a word counts in the text of an article, beside 1 in its title."""
SAME_TOPIC = 0.5
OTHER_LANGUAGE = 0.3
"""What a hit in a language that the customer does not write is worth."""
NEAR = 0.05
"""What it counts that an article is on the customer's own network, so they need not leave it."""
LEAST = 0.25
"""What is less sure than this is not offered."""
MOST = 5
LOOKED_AT = 200
"""How many articles with the most points are judged by topic and language, too."""
SHORTEST_TITLE = 12
"""What is left of a title that is cut further says nothing."""


@frozen(kw_only=True)
class Question:
    """What an answer is looked for."""

    text: str
    network: str | None = None
    topic: str | None = None
    language: str | None = None


def find(
    connection: sa.Connection,
    question: Question,
    networks: Mapping[str, str],
    *,
    most: int = MOST,
    least: float = LEAST,
) -> list[tuple[float, ArticleLine]]:
    """Return the articles that answer a question best, each with how sure that is, 0 to 1.

    `networks` tells the network of each channel. A word counts by how few articles have it.
    At most `LOOKED_AT` are returned, whatever `most` says.
    """
    matches = library.match(connection, beginnings(question.text))
    total = max(library.count(connection), 1)
    points: dict[int, float] = {}
    for word, one in matches.items():
        told = _rarity(one, total) * telling(word)
        for article in one.title | one.text:
            counts = told if article in one.title else told * IN_TEXT
            points[article] = points.get(article, 0) + counts
    best = heapq.nlargest(LOOKED_AT, points, key=lambda article: (points[article], -article))
    lines = library.articles(connection, ids=best, limit=LOOKED_AT)
    judged = [(_sure(points[line.id], line, question, networks), line) for line in lines]
    found = [(sure, line) for sure, line in judged if sure >= least]
    return sorted(found, key=lambda one: (-one[0], one[1].id))[:most]


def _rarity(one: Match, total: int) -> float:
    """Say how much a word tells, 0 to 1: 1 that only one article has it, little that all have."""
    having = max(len(one.title | one.text), 1)
    return math.log((total + 1) / having) / math.log(total + 1)


def _sure(
    points: float, line: ArticleLine, question: Question, networks: Mapping[str, str]
) -> float:
    """Turn the points of an article into how sure it is that it answers the question."""
    article = line.article
    if question.topic is not None and question.topic in article.topics:
        points += SAME_TOPIC
    if question.language and article.language and not _same(question.language, article.language):
        points *= OTHER_LANGUAGE
    sure = points / (points + 1)
    near = question.network is not None and networks.get(line.channel) == question.network
    return min(1.0, sure + NEAR) if near and sure >= LEAST else sure


def _same(one: str, other: str) -> bool:
    """Compare languages by their first part: `de-AT` is `de`."""
    return one.lower().split("-")[0] == other.lower().split("-")[0]


def suggestions(
    found: Sequence[tuple[float, ArticleLine]], limits: Limits | None
) -> list[Suggestion]:
    """Say each article as an answer that the channel takes."""
    return [
        Suggestion(
            text=said(line.article.title, line.article.url, limits),
            source=f"{SOURCE}:{line.channel}",
            confidence=round(sure, 3),
            article=line.article,
        )
        for sure, line in found
    ]


def said(title: str, url: str, limits: Limits | None) -> str:
    """Write title and link so that they fit; what cannot be tapped there is short to type."""
    link = url if limits is None or limits.links else _typed(url)
    if limits is None or limits.text is None:
        return f"{title}: {link}"
    for end in range(len(title), min(len(title), SHORTEST_TITLE) - 1, -1):
        head = title if end == len(title) else title[: end - 1].rstrip() + "…"
        text = f"{head}: {link}"
        if limits.count(text) <= limits.text:
            return text
    return link


def _typed(url: str) -> str:
    """Write an address as people type it."""
    parts = urlsplit(url)
    place = parts._replace(scheme="", netloc="").geturl()
    return f"{parts.netloc.removeprefix('www.')}{place}".rstrip("/")
