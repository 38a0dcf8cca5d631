"""The help library: what we published that helps, and the words it is found by.

The words are made in Python, so that both databases find the same: SQLite in an FTS5 table,
PostgreSQL in `tsvector` columns. Each is a table `article_words` with the id of an article, which
only this module knows; the migration makes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from channelmix.projection import Folded
from channelmix.records import Article, Deletion, Road, minutes
from channelmix.store import items
from channelmix.store import schema as s
from channelmix.store.dialect import among, upsert
from channelmix.store.types import clean
from channelmix.words import words

PLACES = ("title", "text")
"""Where a word may stand."""
MOST = 2000
"""How many articles a word is looked for in, the newest: one that is in more tells little."""

LAG = minutes(5)
"""How long a list of a network may still show what was deleted."""
WORDS, LONGEST = 10_000, 64
"""How many words an article is found by, and how many characters of each."""


@frozen(kw_only=True)
class ArticleLine:
    """An article in the help library."""

    id: int
    channel: str
    article: Article


@frozen(kw_only=True)
class Match:
    """Which articles have a word that begins like this, by where it stands in them."""

    title: frozenset[int]
    text: frozenset[int]


# --- writing --------------------------------------------------------------------------------

_IDS = sa.select(s.articles.c.channel, s.articles.c.external_id, s.articles.c.id).where(
    among("items", s.articles.c.channel, s.articles.c.external_id)
)
_FORGET = s.articles.delete().where(among("ids", s.articles.c.id))
_FORGET_WORDS: Mapping[str, Any] = {
    # An FTS5 table has no column to be asked by but its own `rowid`.
    "sqlite": sa.text("DELETE FROM article_words WHERE rowid = :id"),
    "postgresql": sa.text("DELETE FROM article_words WHERE id = :id"),
}
_KEEP_WORDS: Mapping[str, Any] = {
    "sqlite": sa.text("INSERT INTO article_words (rowid, title, text) VALUES (:id, :title, :text)"),
    "postgresql": sa.text(
        "INSERT INTO article_words (id, title, text) VALUES (:id,"
        " array_to_tsvector(string_to_array(:title, ' ')),"
        " array_to_tsvector(string_to_array(:text, ' ')))"
    ),
}


def keep(
    connection: sa.Connection,
    told: Iterable[items.Told],
    folded: Mapping[items.Item, Folded],
) -> None:
    """Take articles into the library, and out of it what was taken back.

    Of several versions the one that arrived last counts, and whether that is after it was taken
    back: a video that was private may be shown again.
    """
    newest: dict[items.Item, tuple[datetime, Article]] = {}
    gone: set[items.Item] = {item for item, one in folded.items() if one.deleted_at is not None}
    for one in sorted(told, key=lambda one: (one.event.received_at, one.event.id)):
        if isinstance(one.inbound, Deletion):
            gone.add(one.item)
            newest.pop(one.item, None)
        elif isinstance(one.inbound, Article) and _is_there(one, folded[one.item]):
            gone.discard(one.item)
            newest[one.item] = one.event.received_at, one.inbound
    before = _ids(connection, {*newest, *gone})
    _forget(connection, [before[item] for item in gone if item in before])
    _write(connection, newest)


def _is_there(told: items.Told, folded: Folded) -> bool:
    """Say whether an article was there when it was told: a list tells what is, a push what was."""
    gone_at, event = folded.deleted_at, told.event
    return gone_at is None or (event.road is Road.POLL and event.received_at > gone_at + LAG)


def _ids(connection: sa.Connection, of: Collection[items.Item]) -> dict[items.Item, int]:
    """Return the row ids of articles that are there."""
    if not of:
        return {}
    rows = connection.execute(_IDS, {"items": sorted(of)})
    return {(channel, external_id): number for channel, external_id, number in rows}


def _forget(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Take articles out."""
    if ids:
        connection.execute(_FORGET, {"ids": sorted(ids)})
        _execute(connection, _FORGET_WORDS, [{"id": one} for one in ids])


def _write(
    connection: sa.Connection, newest: Mapping[items.Item, tuple[datetime, Article]]
) -> None:
    """Write articles and their words."""
    if not newest:
        return
    rows = [_row(item, at, article) for item, (at, article) in sorted(newest.items())]
    upsert(connection, s.articles, rows, key=["channel", "external_id"])
    ids = _ids(connection, newest)
    _execute(connection, _FORGET_WORDS, [{"id": one} for one in ids.values()])
    _execute(
        connection,
        _KEEP_WORDS,
        [
            {"id": ids[item], "title": _words(article.title), "text": _words(_rest(article))}
            for item, (_, article) in newest.items()
        ],
    )


def _row(item: items.Item, at: datetime, article: Article) -> dict[str, Any]:
    """Turn an article into a row."""
    return {
        "channel": item[0],
        "external_id": item[1],
        "title": article.title,
        "text": article.text,
        "url": article.url,
        "thumbnail": article.thumbnail,
        "language": article.language,
        "topics": article.topics,
        "published_at": article.published_at,
        "seen_at": at,
    }


def _rest(article: Article) -> str:
    """Say what an article is found by beside its title."""
    return "\n".join([article.text or "", *article.topics])


def _words(text: str) -> str:
    """Write the words of a text, each once; PostgreSQL takes neither any number nor any length."""
    known = dict.fromkeys(word[:LONGEST] for word in words(clean(text)))
    return " ".join(islice(known, WORDS))


def _execute(
    connection: sa.Connection, by_dialect: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    if rows:
        connection.execute(by_dialect[connection.dialect.name], list(rows))


# --- finding --------------------------------------------------------------------------------

_MATCH: Mapping[tuple[str, str], Any] = {
    ("sqlite", "title"): sa.text(
        "SELECT rowid FROM article_words WHERE article_words MATCH 'title : \"' || :word || '\" *'"
        " ORDER BY rowid DESC LIMIT :most"
    ),
    ("sqlite", "text"): sa.text(
        "SELECT rowid FROM article_words WHERE article_words MATCH 'text : \"' || :word || '\" *'"
        " ORDER BY rowid DESC LIMIT :most"
    ),
    ("postgresql", "title"): sa.text(
        "SELECT id FROM article_words WHERE title @@ CAST('''' || :word || ''':*' AS tsquery)"
        " ORDER BY id DESC LIMIT :most"
    ),
    ("postgresql", "text"): sa.text(
        "SELECT id FROM article_words WHERE text @@ CAST('''' || :word || ''':*' AS tsquery)"
        " ORDER BY id DESC LIMIT :most"
    ),
}


def match(connection: sa.Connection, beginnings: Iterable[str]) -> dict[str, Match]:
    """Say for each beginning of a word, see `words`, which articles have it and where."""
    dialect = connection.dialect.name
    found = {}
    for word in beginnings:
        wanted = {"word": word, "most": MOST}
        title, text = (
            frozenset(connection.execute(_MATCH[dialect, place], wanted).scalars())
            for place in PLACES
        )
        found[word] = Match(title=title, text=text)
    return found


def count(connection: sa.Connection) -> int:
    """Return how many articles there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(s.articles)).scalar_one()


def articles(
    connection: sa.Connection,
    *,
    ids: Collection[int] | None = None,
    channel: str | None = None,
    limit: int = 100,
) -> list[ArticleLine]:
    """List articles, the newest first: all, or those with these ids."""
    table = s.articles
    query = sa.select(table).order_by(table.c.published_at.desc(), table.c.id).limit(limit)
    if channel is not None:
        query = query.where(table.c.channel == channel)
    if ids is not None:
        query = query.where(table.c.id.in_(sorted(ids)))
    return [_line(row) for row in connection.execute(query)]


def _line(row: Any) -> ArticleLine:
    """Make an article of its row."""
    return ArticleLine(
        id=row.id,
        channel=row.channel,
        article=Article(
            id=row.external_id,
            title=row.title,
            url=row.url,
            published_at=row.published_at,
            text=row.text,
            thumbnail=row.thumbnail,
            language=row.language,
            topics=tuple(row.topics),
        ),
    )
