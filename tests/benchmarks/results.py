"""One line of the table, the table itself, and the file with every figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal, Self

from attrs import field, frozen
from rich.console import Console
from rich.table import Table

SIGNS = {"least": "≥", "most": "≤"}


@frozen(kw_only=True)
class Bound:
    """What a ratio must be at the least, or at the most."""

    sense: Literal["least", "most"]
    value: float

    def holds(self, ratio: float) -> bool:
        """Say whether `ratio` keeps to it."""
        return ratio >= self.value if self.sense == "least" else ratio <= self.value

    def __str__(self) -> str:
        """Show it as the table does."""
        return f"{SIGNS[self.sense]} {self.value:g}"


@frozen(kw_only=True)
class Usage:
    """Processor time over wall time of the two sides of a wire; 1.0 is one full core."""

    server: float
    generator: float


@frozen(kw_only=True)
class Result:
    """What one comparison came to. Without a bound it is only reported."""

    name: str
    ratio: float
    runs: int
    absolute: Mapping[str, float]
    """Medians, each with its unit in its name."""
    bound: Bound | None = None
    cpu: Usage | None = None
    """While ours was measured."""
    reference_cpu: Usage | None = None
    samples: Sequence[float] = field(factory=tuple)
    """The ratio of each run."""

    @classmethod
    def of(
        cls, name: str, samples: Sequence[float], absolute: Mapping[str, float], **rest: Any
    ) -> Self:
        """Make a result whose ratio is the median of its samples."""
        return cls(
            name=name,
            ratio=median(samples),
            runs=len(samples),
            samples=samples,
            absolute=absolute,
            **rest,
        )

    @property
    def ok(self) -> bool:
        """Whether the bound is kept."""
        return self.bound is None or self.bound.holds(self.ratio)


def usage_of(samples: Sequence[Usage]) -> Usage:
    """Return the medians."""
    return Usage(
        server=median(one.server for one in samples),
        generator=median(one.generator for one in samples),
    )


def cpu_each(samples: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Show the server's processor time of one event, in seconds: reference and ours.

    On a machine that others use, too, this says more than how many events there are in a second.
    """
    names = "reference CPU µs each", "ours CPU µs each"
    sides = zip(*samples, strict=True)
    return {name: median(side) * 1e6 for name, side in zip(names, sides, strict=True)}


def plain(result: Result) -> dict[str, Any]:
    """Turn a result into what the file holds."""
    bound = result.bound
    return {
        "name": result.name,
        "ratio": round(result.ratio, 4),
        "bound": None if bound is None else {"sense": bound.sense, "value": bound.value},
        "ok": result.ok,
        "runs": result.runs,
        "absolute": {name: _short(value) for name, value in result.absolute.items()},
        "cpu": _cpu(result.cpu),
        "reference_cpu": _cpu(result.reference_cpu),
        "samples": [round(one, 4) for one in result.samples],
    }


def write(results: Sequence[Result], file: Path) -> None:
    """Write the file, a list of results."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([plain(one) for one in results], indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table."""
    table = Table("what", "ratio", "bound", "ok", "runs", "figures", "CPU server / generator")
    for one in results:
        figures = "\n".join(f"{name} {_short(value):,g}" for name, value in one.absolute.items())
        verdict = "-" if one.bound is None else "yes" if one.ok else "[red]no"
        bound = "reported" if one.bound is None else str(one.bound)
        table.add_row(
            one.name, f"{one.ratio:.2f}", bound, verdict, str(one.runs), figures, _both(one)
        )
    console.print(table)


def _both(result: Result) -> str:
    """Show the processor time of ours, and of the reference beneath."""
    lines = [("ours", result.cpu), ("reference", result.reference_cpu)]
    return "\n".join(
        f"{name} {one.server:.0%} / {one.generator:.0%}" for name, one in lines if one is not None
    )


def _cpu(usage: Usage | None) -> dict[str, float] | None:
    if usage is None:
        return None
    return {"server": round(usage.server, 3), "generator": round(usage.generator, 3)}


def _short(value: float) -> float:
    """Round to four digits that say something."""
    return float(f"{value:.4g}")
