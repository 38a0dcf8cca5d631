"""`quality.toml`: what a plugin does of what a good channel does, rule by rule.

    owner = "Who answers for this package, and how to reach them"

    [rules.signature]
    status = "done"                                # or "todo", or "exempt"
    where = "signing.py: over the raw bytes"       # for `done`: the file, and what is in it
    [rules.reconcile]
    status = "exempt"
    reason = "the network shows nobody what was sent"   # for `todo` and `exempt`

Rules of your own may stand beside those that are asked for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from channelmix.hints import did_you_mean
from channelmix.testing.conformance import needs
from channelmix.testing.conformance.subject import Subject

FILE = "quality.toml"
STATUSES = {"done": "where", "todo": "reason", "exempt": "reason"}
"""Each status, and what has to stand beside it."""
_NAMED = re.compile(r"[\w./-]+\.(?:py|json|toml|md)\b")


@frozen
class Rule:
    """One thing that a good channel does."""

    text: str
    applies: Callable[[Subject], str | None]


RULES: Mapping[str, Rule] = {
    "signature": Rule("Webhooks are proved, over the raw bytes.", needs.implements("receive")),
    "challenge": Rule("The network's handshake is answered.", needs.implements("receive")),
    "one-event-per-item": Rule("A payload is cut into items.", needs.implements("split")),
    "unknown-content": Rule("What is not known is ignored aloud.", needs.implements("ingest")),
    "bad-input": Rule("Whatever comes does no harm.", needs.implements("ingest")),
    "recorded-payloads": Rule("It was held against real payloads.", needs.implements("ingest")),
    "edits-and-deletions": Rule("What changes is followed.", needs.implements("ingest")),
    "own-content": Rule("What we said is known as ours.", needs.implements("ingest")),
    "push-and-poll-are-one-item": Rule("Both roads name it alike.", needs.implements("poll")),
    "secrets": Rule("No secret shows, is logged or stored.", lambda _: None),
    "rate-limits": Rule("It slows down before it is told to.", needs.implements("poll")),
    "outcomes": Rule("Each refusal has its outcome, by code.", needs.implements("reply")),
    "reconcile": Rule("An uncertain reply is looked for.", needs.implements("reply")),
    "text-length": Rule("Length is counted as there.", needs.implements("reply")),
    "windows": Rule("Reply windows are declared.", needs.implements("reply")),
    "attachments": Rule("Attachments come in and go out.", needs.implements("reply")),
    "health": Rule("`check` says what is missing.", needs.network),
}
"""The rules by name, and to whom they apply."""


def problems(subject: Subject, folder: Path) -> Iterator[str]:
    """Yield what is wrong with the file."""
    try:
        said = tomllib.loads((folder / FILE).read_text("utf-8"))
    except FileNotFoundError:
        yield f"there is no {FILE}"
        return
    except (ValueError, RecursionError) as error:
        yield f"{FILE}: {error}"
        return
    rules = said.get("rules")
    if not isinstance(rules, Mapping):
        yield f"{FILE}: it has no [rules.NAME]"
        return
    for name, rule in RULES.items():
        if rule.applies(subject) is None and name not in rules:
            yield f"{FILE}: nothing is said of {name} ({rule.text})"
    for name, rule in rules.items():
        yield from (f"{FILE}: {name}: {line}" for line in _wrong(rule, folder))


def _wrong(rule: Any, folder: Path) -> Iterator[str]:
    status = rule.get("status") if isinstance(rule, Mapping) else None
    if status not in STATUSES:
        yield f"status is one of {', '.join(STATUSES)}{did_you_mean(str(status), STATUSES)}"
        return
    said = rule.get(STATUSES[status])
    if not isinstance(said, str) or not said.strip():
        yield f"{status} needs `{STATUSES[status]}`"
        return
    for name in _NAMED.findall(said) if status == "done" else ():
        if not any(folder.rglob(Path(name).name)):
            yield f"it names {name}, which is not there"
