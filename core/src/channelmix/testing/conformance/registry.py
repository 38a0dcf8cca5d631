"""The checks by their ids: what each asks, to whom it applies, and what to do when it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from inspect import cleandoc
from typing import Any

from attrs import frozen

FIRST = "0.1"
"""The version that the kit itself came with: its checks fail from the start."""

Need = Callable[[Any], str | None]
"""Asked of a `Subject`: why a check does not apply to it, None if it does."""
Run = Callable[[Any], Iterator[str] | AsyncIterator[str]]
"""Yields a line for each thing that is wrong with a `Subject`; none: the check passes."""


class DoesNotApply(Exception):
    """Raised by a check that finds out on the way that it has nothing to look at: the reason."""


_CHECKS: dict[str, Check] = {}


@frozen(kw_only=True)
class Check:
    """One check of the kit."""

    id: str
    """A letter and three digits, `C203`; the first digit is the level."""
    level: int
    """1: it loads, 2: it reads correctly, 3: it replies well, 4: it is well kept."""
    since: str
    """The version of channelmix that it came with. It only warns until the next minor version."""
    title: str
    """What is asked, in one line."""
    docstring: str
    """The title, and what to do when the check fails."""
    name: str
    """The method of a `Conformance` that runs it."""
    needs: tuple[Need, ...]
    run: Run

    @property
    def fails_from(self) -> str:
        """The version from which on it fails, and does not only warn."""
        major, minor = _minor(self.since)
        return self.since if self.since == FIRST else f"{major}.{minor + 1}"

    def only_warns(self, running: str) -> bool:
        """Say whether it is too new to fail, under the version of channelmix that runs."""
        return self.since != FIRST and _minor(self.since) >= _minor(running)


def check(*needs: Need, since: str) -> Callable[[Run], Run]:
    """Register a check. Its id is how the function's name begins: `c203_ingest_is_pure`."""

    def register(run: Run) -> Run:
        name = getattr(run, "__name__", "")
        docstring = cleandoc(run.__doc__ or "")
        title, _, remedy = docstring.partition("\n")
        made = Check(
            id=name.partition("_")[0].upper(),
            level=int(name[1]),
            since=since,
            title=title.strip(),
            docstring=docstring,
            name=f"test_{name}",
            needs=needs,
            run=run,
        )
        if made.id in _CHECKS or not remedy.strip():
            raise ValueError(f"{name}: an id of its own and a docstring with the remedy, please")
        _CHECKS[made.id] = made
        return run

    return register


def registered() -> tuple[Check, ...]:
    """Return what is registered so far, by id."""
    return tuple(_CHECKS[one] for one in sorted(_CHECKS))


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split(".")[:2])
