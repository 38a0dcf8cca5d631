"""A feed, RSS or Atom, as plain entries. Nothing is ever fetched from here.

Sources: RSS 2.0, RFC 4287 (Atom), the modules content, wfw, media and thr as WordPress and Blogger
write them. feedparser knows their dialects; that it is well-formed XML without entities of its own
is made sure of first, because it forgives what is not and would blow up the rest.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from xml.etree.ElementTree import ParseError

import feedparser
from channelmix.errors import InvalidPayload
from channelmix.payloads import Json, obj, objects, words
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from channelmix_blog.client import LONGEST
from channelmix_blog.markup import picture, plain, web

ELEMENTS = 20_000
"""How many elements a feed may have: a thousand posts, or four seconds of feedparser's work."""
_ROOTS = frozenset({"rss", "feed", "RDF"})
_ODD = (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError)


def read(body: bytes, url: str) -> list[Json]:
    """Return the entries of a feed that came from `url`.

    Each has `id`, `link`, `title`, `html` or `text`, `published` (ISO 8601), `author`,
    `author_url`, `picture`, `tags`, `language`, `comments` (the feed of its comments) and `on` (for
    a comment: the address of its post), None or empty where it is not told.

    Raises: `InvalidPayload` for what is too long, no XML, no feed, or carries entities.
    """
    _refuse(body)
    # A file, never bytes or text: those it might take for a name or an address to fetch.
    try:
        parsed = feedparser.parse(
            io.BytesIO(body.strip()),
            response_headers={"content-location": url},
            resolve_relative_uris=False,
            sanitize_html=False,
        )
    except _ODD as error:
        raise InvalidPayload(f"the feed cannot be read: {type(error).__name__}") from error
    language = words(dict.get(parsed.feed, "language"))
    return [one for entry in parsed.entries if (one := _entry(entry, url, language))]


def _refuse(body: bytes) -> None:
    if len(body) > LONGEST:
        raise InvalidPayload(f"the feed is longer than {LONGEST // 1_000_000} MB")
    try:
        root = fromstring(body.strip())
    except DefusedXmlException as error:
        raise InvalidPayload(f"the feed is refused: {type(error).__name__}") from error
    except ParseError as error:
        raise InvalidPayload(f"the feed is not XML: {error}") from error
    except (ValueError, LookupError, RecursionError) as error:
        raise InvalidPayload(f"the feed is not XML: {type(error).__name__}") from error
    name = str(root.tag).rpartition("}")[2]
    if name not in _ROOTS:
        raise InvalidPayload(f"this is no feed, RSS or Atom: it begins with <{name[:40]}>")
    if sum(1 for _ in root.iter()) > ELEMENTS:
        raise InvalidPayload(f"the feed has more than {ELEMENTS} elements")


def _entry(entry: dict[str, Any], url: str, language: str | None) -> Json | None:
    """Read one entry; one that is broken does not take the others along."""
    try:
        return _read(entry, url, language)
    except _ODD:
        return None


def _read(entry: dict[str, Any], url: str, language: str | None) -> Json:
    get: Callable[[str], Any] = partial(dict.get, entry)  # feedparser's own look-up warns
    content = next(iter(objects(get("content"))), None) or obj(get("summary_detail"))
    said, kind = words(content.get("value")), str(content.get("type"))
    link = web(get("link"), url)
    return {
        "id": words(get("id")) or link,
        "link": link,
        "title": _title(obj(get("title_detail"))),
        "html": said if kind != "text/plain" else None,
        "text": said if kind == "text/plain" else None,
        "published": _time(get("published_parsed") or get("updated_parsed")),
        "author": words(get("author")),
        "author_url": web(obj(get("author_detail")).get("href"), url),
        "picture": _picture(get, said or "", link or url),
        "tags": [term for one in objects(get("tags")) if (term := words(one.get("term")))],
        "language": words(content.get("language")) or language,
        "comments": web(get("wfw_commentrss"), url),
        "on": web(obj(get("thr_in-reply-to")).get("href"), url),
    }


def _title(detail: Mapping[str, Any]) -> str | None:
    title = words(detail.get("value"))
    return plain(title) if title and detail.get("type") != "text/plain" else title


def _picture(get: Callable[[str], Any], html: str, base: str) -> str | None:
    """Return the picture that the entry names, or else the first in its text."""
    named = [*objects(get("media_thumbnail")), *filter(_is_picture, objects(get("media_content")))]
    named += [{"url": one.get("href")} for one in objects(get("links")) if _is_picture(one)]
    found = [address for one in named if (address := web(words(one.get("url")), base))]
    return found[0] if found else picture(html, base)


def _is_picture(media: Mapping[str, Any]) -> bool:
    return media.get("medium") == "image" or str(media.get("type")).startswith("image/")


def _time(parsed: Any) -> str | None:
    if not parsed:
        return None
    year, month, day, hour, minute, second = tuple(parsed)[:6]
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).isoformat()
