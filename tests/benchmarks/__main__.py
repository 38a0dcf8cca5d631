"""Measure, print the table, write the file, and fail where a bound is missed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console

from tests.benchmarks.children import ROOT
from tests.benchmarks.measuring import FULL, QUICK, Plan, unpinned_afterwards
from tests.benchmarks.results import Result, show, write

BUILD = ROOT / "build"
Bench = Callable[[Plan, Path], list[Result]]
BENCHES: Mapping[str, str] = {
    "intake": "bench_intake:intake",
    "draining": "bench_intake:draining",
    "road": "bench_road:road",
    "growth": "bench_growth:growth",
    "postgresql": "bench_postgresql:workers",
    "dispatch": "bench_dispatch:collect",
    "memory": "bench_memory:memory",
    "imports": "bench_imports:imports",
}


def measured(names: Iterable[str], plan: Plan, console: Console) -> list[Result]:
    """Run benches, each in a folder of its own, which stays where a bench fails.

    Not in the system's temporary folder: that may be memory, where nothing is durable.
    """
    results = []
    for name in names:
        console.print(f"measuring {name} …", style="dim")
        module, _, function = BENCHES[name].partition(":")
        bench: Bench = getattr(import_module(f"tests.benchmarks.{module}"), function)
        folder = BUILD / f"bench-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with unpinned_afterwards():
            results += bench(plan, folder)
        shutil.rmtree(folder)
    return results


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHES)), help="Just this one.")
@click.option("--quick", is_flag=True, help="Few runs and few events: only to see that it works.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=BUILD / "bench.json",
    help="Where the figures go; left out: build/bench.json.",
)
def bench(only: tuple[str, ...], output: Path, *, quick: bool) -> None:
    """Measure channelmix beside what a person would write by hand."""
    console = Console(stderr=True)
    results = measured(only or BENCHES, QUICK if quick else FULL, console)
    report(results, output, console)


def report(results: Sequence[Result], output: Path, console: Console) -> None:
    """Show and write results; exit with 1 where a bound is missed."""
    write(results, output)
    show(results, Console())
    if missed := [one.name for one in results if not one.ok]:
        console.print(f"missed: {'; '.join(missed)}", style="red")
        sys.exit(1)


if __name__ == "__main__":
    bench()
