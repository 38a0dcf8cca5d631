"""The checks of the conformance kit, as its registry has them."""

from __future__ import annotations

from itertools import groupby

from channelmix.testing.conformance import Check, checks
from channelmix.testing.conformance.quality import RULES
from markdown import linked, table
from markdown import page as joined

LEVELS = {1: "It loads", 2: "It is correct", 3: "It replies well", 4: "It is well kept"}


def page() -> str:
    """Describe every check by level, each with what to do when it fails."""
    parts = []
    for level, some in groupby(checks(), lambda one: one.level):
        parts.append(f"## Level {level}: {LEVELS[level].lower()}")
        parts += [_check(one) for one in some]
    return joined(parts)


def _check(one: Check) -> str:
    title, _, remedy = one.docstring.partition("\n")
    told = linked(remedy.strip())
    since = f"Since {one.since}."
    if one.fails_from != one.since:
        since = f"Since {one.since}; before {one.fails_from} it only warns."
    return joined([f"### {one.id}", f"**{title}**", told, since])


def rules() -> str:
    """List the rules of `quality.toml`."""
    return table(["rule", "means"], [(f"`{name}`", rule.text) for name, rule in RULES.items()])
