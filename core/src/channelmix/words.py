"""The words of a text, as the help library finds them: the same for any database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
)
"""Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
UMLAUT = re.compile("(?<=[ao])e|(?<=[^aeqo]u)e")
"""The `e` of an umlaut that is written without its dots."""
SHORTEST = 3
"""Shorter words tell nothing, where words are written apart."""
WHOLE = 5
"""Words up to here are looked for as they are; of longer ones the endings are left off."""


def words(text: str) -> Iterator[str]:
    """Yield the words of a text in its order: small, without accents, dots and `ß`.

    Where a script writes no spaces, every two neighbouring characters are a word.
    """
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(char for char in parts if not unicodedata.category(char).startswith("M"))
    # What is written in capitals, or on a foreign keyboard, has lost the difference.
    for word in _WORD.findall(unicodedata.normalize("NFC", bare).replace("\u0131", "i")):
        place = 0
        for run in _UNSPACED.finditer(word):
            yield from filter(None, [word[place : run.start()]])
            chars = run.group()
            yield from (chars[at : at + 2] for at in range(max(len(chars) - 1, 1)))
            place = run.end()
        yield from filter(None, [word[place:]])


def beginnings(text: str, *, most: int = 24) -> list[str]:
    """Return how the words of a question begin, each once: what to look for in articles.

    "Rechnungen" is to find "Rechnung", and "Zähler" the "Zählerstand": so endings are left off,
    and any ending may follow. Who writes "Zaehler" means "Zähler", perhaps.
    """
    kept = {
        _stem(one): None
        for word in words(text)
        if len(word) >= SHORTEST or _UNSPACED.match(word)
        for one in (word, UMLAUT.sub("", word))
    }
    return list(kept)[:most]


def telling(beginning: str) -> float:
    """Say how much a word tells by its length, up to 1: short ones mostly hold others together."""
    return 1.0 if _UNSPACED.match(beginning) else min(1.0, len(beginning) / (WHOLE + 1))


def _stem(word: str) -> str:
    """Leave off what may be an ending."""
    return word if len(word) <= WHOLE else word[: max(WHOLE, len(word) * 3 // 4)]
