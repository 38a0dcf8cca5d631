"""How long a post is as X counts it, whether it has a link, and how a long one is cut.

Source: X's page "Counting characters": at most 280 weighted characters after composing (NFC);
most of Latin, Cyrillic, Greek, Hebrew and Arabic script counts 1, everything else 2, an emoji
of whatever length 2, a link 23.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the parser finds its data through pkg_resources, deprecated
    from twitter_text import extract_urls, parse_tweet

POST = 280
LONG_POST = 25_000
"""For accounts with X Premium ("Longer posts")."""
NUMBER = len(" 99/99")
"""What the number at the end of a part takes, at most."""
MAX_PARTS = 25

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_EMOJI = re.compile("[\u00a9\u00ae](?!\ufe0f)")
"""These two are characters of the first range; only with U+FE0F are they emoji.

twitter-text-parser takes them for emoji in any case and counts 2.
"""
_NO_DOMAIN = re.compile(r"(?<![\w.-])(?:[\w-]+\.){60,}[\w-]*")
"""More labels than any domain has; the parser takes minutes over thousands of them."""
_WINDOW = 5000
"""How many characters one post of a thread may have at most, links included."""


def count(text: str) -> int:
    """Return the weighted length of a post."""
    whole = _NOT_EMOJI.sub("c", _readable(text))
    return int(parse_tweet(whole).weightedLength)


def valid(text: str) -> bool:
    """Say whether twitter-text itself, without our corrections, takes a text for a post."""
    return bool(parse_tweet(text).valid)


def _readable(text: str) -> str:
    """Return a text of the same weight that the parser can read, and in time.

    It fails on a lone surrogate, which cannot be sent anyway: U+FFFD weighs the same.
    """
    whole = _SURROGATE.sub("\ufffd", text)
    return _NO_DOMAIN.sub(lambda found: found[0].replace(".", "c"), whole)


def has_link(text: str) -> bool:
    """Say whether X makes a link of anything in `text`: such a post costs more."""
    return bool(extract_urls(_readable(text)))


def thread(text: str, limit: int = POST) -> tuple[str, ...]:
    """Cut a text into posts for a thread, each with its number at the end (`… 2/3`).

    Cuts between paragraphs, sentences or words, whichever is the last that fits; a single word
    that does not fit is cut inside. Returns the text itself where it fits.
    Raises: `ValueError` for a text of more than `MAX_PARTS` posts.
    """
    if count(text) <= limit:
        return (text,)
    parts = list(_cut(text.strip(), limit - NUMBER))
    if len(parts) > MAX_PARTS:
        raise ValueError(f"{len(parts)} posts; a thread has {MAX_PARTS} at the most")
    return tuple(f"{part} {number}/{len(parts)}" for number, part in enumerate(parts, 1))


def _cut(rest: str, room: int) -> Iterator[str]:
    while count(rest) > room:
        end = _fitting(rest, room)
        part = rest[:end].rstrip()
        yield part
        rest = rest[end:].lstrip()
    if rest:
        yield rest


def _fitting(text: str, room: int) -> int:
    """Return where to cut: the best break in the second half of what fits, else any."""
    most = _longest(text, room)
    for pattern in (r"\n\s*\n", r"[.!?…][\"”)]?\s", r"\s"):
        breaks = [one.end() for one in re.finditer(pattern, text[: most + 1])]
        fitting = [one for one in breaks if most // 2 < one <= most + 1]
        if fitting:
            return fitting[-1]
    breaks = [one.end() for one in re.finditer(r"\s", text[: most + 1])]
    return breaks[-1] if breaks else most


def _longest(text: str, room: int) -> int:
    """Return how many characters from the start fit; a longer text weighs no less."""
    low, high = 1, min(len(text), _WINDOW)
    while low < high:
        middle = (low + high + 1) // 2
        if count(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low
