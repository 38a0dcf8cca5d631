"""What goes to the terminal or into a pipe: tables for people, JSON for machines."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 10_000
"""Columns of a pipe: nothing in it is cut."""
# They would turn round what stands after them, the table as well.
_DIRECTIONS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def console(*, err: bool = False) -> Console:
    """Return a console for standard output, or standard error."""
    plain = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not plain.is_terminal:
        plain.width = PIPE_WIDTH
    return plain


def table(*columns: str, title: str | None = None) -> Table:
    """Make a table; the column whose name ends with `*` gives way where there is little room."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", title=title)
    made.title_justify = "left"
    for name in columns:
        made.add_column(name.rstrip("*").upper(), no_wrap=not name.endswith("*"))
    return made


def row(into: Table, *cells: object, style: str | None = None) -> None:
    """Add a row. A text is cut at the end rather than wrapped."""
    into.add_row(*(_cell(cell) for cell in cells), style=style)


def _cell(value: object) -> Text:
    text = "" if value is None else " ".join(safe(str(value)).split())
    return Text(text, no_wrap=True, overflow="ellipsis")


def show(one: Table, *, empty: str) -> None:
    """Print a table, or what to say if there is nothing in it."""
    out = console()
    if one.row_count:
        out.print(one)
    else:
        out.print(empty)


def say(*lines: str) -> None:
    """Print lines of text; a terminal wraps them between words."""
    out = console()
    for line in lines:
        out.print(Text(safe(line)))


def safe(text: str) -> str:
    """Take out what would steer a terminal: customers write these texts."""
    return "".join(char if _harmless(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _harmless(char: str) -> bool:
    if char in "\n\t":
        return True
    return unicodedata.category(char) not in {"Cc", "Cs"} and char not in _DIRECTIONS


def print_json(value: Any, *, lines: bool = False) -> None:
    """Print one JSON document; with `lines` each value of an iterable on a line of its own."""
    for one in value if lines else [value]:
        text = json.dumps(plain(one), ensure_ascii=False, indent=None if lines else 2)
        # A lone surrogate has no UTF-8; escaped it is still the same JSON.
        click.echo(text.encode("utf-8", "backslashreplace"))


def plain(value: Any) -> Any:
    """Turn records into dicts, lists and texts."""
    return msgspec.to_builtins(value, enc_hook=str)


def when(moment: datetime | None, zone: ZoneInfo) -> str:
    """Write a time as people of the desk read it; nothing for None."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    this_year = local.year == datetime.now(zone).year
    return f"{local:%d %b %H:%M}" if this_year else f"{local:%d %b %Y %H:%M}"


def counted(number: int, thing: str) -> str:
    """Write `1 channel`, `2 channels`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def listed(words: Iterable[object]) -> str:
    """Write words one after the other, without the empty ones."""
    return " · ".join(str(word) for word in words if word)
