"""Small pieces of Markdown, and the text of a docstring with its names turned into links."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence

from channelmix import errors, records
from channelmix.registry import HOOKS
from channelmix.testing import clock, lent, simulator, stage
from channelmix.testing.conformance import Conformance

PAGES: Mapping[str, str] = {
    **{name: "records.md" for name in vars(records) if name[0].isupper()},
    **{name: "errors.md" for name in vars(errors) if name[0].isupper()},
    **dict.fromkeys(HOOKS, "hooks.md"),
    **{
        name: "testing.md"
        for module in (clock, lent, simulator, stage)
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and name[0] != "_"
    },
    Conformance.__name__: "testing.md",
}
"""The page of the reference on which a name has its heading."""
_RAISES = re.compile(r"\bRaises: ")


def linked(text: str) -> str:
    """Turn `` `Name` `` into a link where the reference has that name."""
    return re.sub(
        r"(?<!`)`([A-Za-z]+)`(?!`)",
        lambda found: f"[`{found[1]}`]({_anchor(found[1])})" if found[1] in PAGES else found[0],
        text,
    )


def _anchor(name: str) -> str:
    return f"{PAGES[name]}#{name.lower()}"


def docstring(thing: object) -> str:
    """Return the docstring of a class or function as Markdown, what it raises on a line of its own.

    Raises: `ValueError` where there is none.
    """
    text = inspect.getdoc(thing)
    if not text:
        raise ValueError(f"{thing!r} has no docstring")
    return linked(_RAISES.sub("\n\n**Raises:** ", text))


def code(text: str) -> str:
    """Return a block of Python."""
    return f"```python\n{text}\n```"


def cell(text: str) -> str:
    """Return `text` as it stands in one cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without the columns that are empty; nothing where it has no rows."""
    columns = [(name, *column) for name, *column in zip(head, *rows, strict=True) if any(column)]
    if not columns:
        return ""
    first, *others = [f"| {' | '.join(map(cell, row))} |" for row in zip(*columns, strict=True)]
    return "\n".join([first, "| --- " * len(columns) + "|", *others])


def page(parts: Iterable[str]) -> str:
    """Join blocks with blank lines, leaving empty ones out."""
    return "\n\n".join(part for part in parts if part)
