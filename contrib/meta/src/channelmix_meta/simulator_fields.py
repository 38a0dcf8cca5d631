"""Reading `fields` and parameters of a simulated Graph API; what does not exist is refused.

The real one lets some unknown parameters pass in silence. This one does not, so that a misspelt
name is found here and not by a customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Factory, frozen

FILES = frozenset({"source", "filedata"})
"""Parameters that are files: Meta's lists do not name them, its pages on uploads do."""
EVERYWHERE = frozenset({"appsecret_proof"})
READING = frozenset({"fields", "limit", "after", "before"})


class UnknownNameError(Exception):
    """A field or parameter that does not exist."""


@frozen(kw_only=True)
class Field:
    """One wanted field: `comments.limit(2){id}`."""

    name: str
    params: Mapping[str, str] = Factory(dict)
    below: tuple[Field, ...] | None = None


@frozen(kw_only=True)
class Catalogue:
    """Everything that one network's Graph API knows, by type of object."""

    fields: Mapping[str, frozenset[str]]
    edges: Mapping[str, Mapping[str, str]]
    """The lists below each type of object, with the type of what they hold."""
    params: Mapping[tuple[str, str, str | None], frozenset[str]]
    """By method, type and list: what each call takes beyond `fields`, paging and proof."""

    def check_params(
        self, method: str, kind: str, edge: str | None, params: Mapping[str, Any]
    ) -> None:
        """Refuse parameters that the call does not take. Raises: `UnknownNameError`."""
        if method != "GET" and (method, kind, edge) not in self.params:
            raise UnknownNameError(f"Unsupported {method.lower()} request: {kind}/{edge or ''}")
        known = self.params.get((method, kind, edge), frozenset()) | EVERYWHERE
        unknown = set(params) - known - (READING if method == "GET" else frozenset())
        if unknown:
            raise UnknownNameError(f"Unknown parameter: {', '.join(sorted(unknown))}")

    def listed(self, kind: str, edge: str) -> str:
        """Return the type of what a list holds. Raises: `UnknownNameError`."""
        if edge not in self.edges.get(kind, {}):
            raise _no_field(kind, edge)
        return self.edges[kind][edge]

    def check_fields(self, kind: str, fields: Iterable[Field]) -> None:
        """Refuse fields that a type does not have, down to the last level.

        Raises: `UnknownNameError`.
        """
        for one in fields:
            below = self.edges.get(kind, {}).get(one.name)
            if below is not None:
                self.check_params("GET", kind, one.name, one.params)
                self.check_fields(below, one.below or ())
            elif one.name not in self.fields[kind]:
                raise _no_field(kind, one.name)


def _no_field(kind: str, name: str) -> UnknownNameError:
    return UnknownNameError(f"Tried accessing nonexisting field ({name}) on node type ({kind})")


_TOKEN = re.compile(r"(?P<name>\w+)(?P<params>(?:\.\w+\([^()]*\))*)(?P<open>\{)?|(?P<mark>[,}])")
_PARAM = re.compile(r"\.(\w+)\(([^()]*)\)")


def parse(text: str) -> tuple[Field, ...]:
    """Read the field expansion of a `fields` parameter (Meta's "Field Expansion")."""
    fields, end = _level(text, 0)
    if end != len(text):
        raise UnknownNameError(f"Syntax error at character {end} of fields")
    return fields


def _level(text: str, at: int) -> tuple[tuple[Field, ...], int]:
    fields: list[Field] = []
    while match := _TOKEN.match(text, at):
        if match["mark"] == "}":
            break
        at = match.end()
        if match["name"]:
            below = None
            if match["open"]:
                below, at = _level(text, at)
                at += 1
            params = dict(_PARAM.findall(match["params"]))
            fields.append(Field(name=match["name"], params=params, below=below))
    return tuple(fields), at
