"""Holding requests against Meta's own lists of fields and parameters, for tests."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, frozen

from channelmix_meta.simulator_fields import FILES, READING, Catalogue, Field

GENERIC = READING | {"appsecret_proof"}
"""What every call takes: Meta's pages on field expansion, paging and secure requests."""


@frozen(kw_only=True)
class Contract:
    """Meta's lists, by type of object. Types without a list are not checked."""

    nodes: Mapping[str, Any]
    catalogue: Catalogue
    """What the simulator knows: which list holds which type."""
    unlisted: Collection[tuple[str, str]] = ()
    """Fields that other pages of Meta's show."""
    spelt: Mapping[str, Sequence[str]] = Factory(dict)
    """Lists that Meta names in more than one way."""

    @classmethod
    def read(cls, folder: Path, files: Mapping[str, str], **more: Any) -> Contract:
        """Read the lists, each from the file of that name."""
        nodes = {
            kind: json.loads((folder / f"{name}.json").read_text()) for kind, name in files.items()
        }
        return cls(nodes=nodes, **more)

    def names(self, kind: str) -> set[str]:
        """Return fields and readable lists of a type."""
        node = self.nodes[kind]
        edges = {api.get("endpoint") for api in node["apis"] if api["method"] == "GET"}
        return {one["name"] for one in node["fields"]} | edges

    def params(self, method: str, kind: str, edge: str | None) -> set[str]:
        """Return the parameters of a call. Raises: `LookupError` where there is no such call."""
        spelt = self.spelt.get(edge or "", [edge])
        for api in self.nodes[kind]["apis"]:
            if api["method"] == method and api.get("endpoint") in spelt:
                return {one["name"] for one in api["params"]}
        raise LookupError(f"{method} {kind}/{edge}")

    def unknown(self, kind: str, fields: tuple[Field, ...]) -> Iterator[str]:
        """Find the fields that a type does not have, down to the last level."""
        if kind not in self.nodes:
            return
        for one in fields:
            if one.name not in self.names(kind) and (kind, one.name) not in self.unlisted:
                yield f"{kind}.{one.name}"
            below = self.catalogue.edges.get(kind, {}).get(one.name)
            if below in self.nodes:
                known = self.params("GET", kind, one.name) | GENERIC
                yield from (f"{kind}.{one.name}({name})" for name in set(one.params) - known)
                yield from self.unknown(str(below), one.below or ())

    def wrong(self, method: str, kind: str, edge: str | None, params: Collection[str]) -> set[str]:
        """Return the parameters that a call does not take. Raises: `LookupError`."""
        if kind not in self.nodes:
            return set()
        return set(params) - self.params(method, kind, edge) - GENERIC - FILES

    def invented(self) -> Iterator[str]:
        """Find what the simulator knows and Meta does not."""
        for kind in self.nodes:
            names = self.catalogue.fields[kind] | set(self.catalogue.edges.get(kind, ()))
            yield from self.unknown(kind, tuple(Field(name=name) for name in names))
        for (method, kind, edge), params in self.catalogue.params.items():
            for name in self.wrong(method, kind, edge, params):
                yield f"{method} {kind}/{edge or ''}: {name}"
