"""Near misses: what somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_FEW = 8


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be, None if there is none."""
    lower = {name.lower(): name for name in sorted(known)}
    near = get_close_matches(word.lower(), lower, n=1)
    return lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean x?`, or what there is where nothing is near, or nothing at all."""
    names = sorted(known)
    if near := near_miss(word, names):
        return f"; did you mean {near}?"
    return f" (there is: {', '.join(names)})" if 0 < len(names) <= _FEW else ""
