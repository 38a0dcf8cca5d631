"""Run the crash test by hand: `python -m tests.crash sqlite` (or a PostgreSQL URL)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import asdict
from channelmix import log

from tests.crash.defects import DEFECTS
from tests.crash.run import Plan, opened
from tests.crash.verdict import Verdict, judge


async def crash(plan: Plan) -> Verdict:
    """Play a run and judge it."""
    async with opened(plan) as run:
        await run.play()
        return await judge(run)


def table(verdict: Verdict) -> str:
    """Return what a person reads."""
    lines = [f"{'phase':<12} {'place':<30} kills"]
    for phase, places in verdict.kills.items():
        lines += [f"{phase:<12} {place:<30} {kills:>5}" for place, kills in places.items()]
    lines += [f"{what:<43} {count:>5}" for what, count in verdict.facts.items()]
    return "\n".join([*lines, *verdict.complaints])


def main() -> None:
    """Print the table; write the verdict; exit with 1 if there is a complaint."""
    asking = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    asking.add_argument("store", help="`sqlite` or the URL of a database that may be filled.")
    asking.add_argument("--events", type=int, default=2000)
    asking.add_argument("--replies", type=int, default=300)
    asking.add_argument("--times", type=int, default=4, help="How often each place kills.")
    asking.add_argument("--seed", type=int, default=1)
    asking.add_argument("--defect", choices=sorted(DEFECTS))
    asking.add_argument("--folder", type=Path, help="Where databases and logs stay.")
    asking.add_argument("--output", type=Path, help="Where to write the verdict as JSON.")
    asked = asking.parse_args()
    log.configure(json=True, level="critical")
    with TemporaryDirectory(prefix="channelmix-crash-") as made:
        folder = asked.folder or Path(made)
        folder.mkdir(exist_ok=True)
        store = f"sqlite:///{folder / 'desk.db'}" if asked.store == "sqlite" else asked.store
        given = ("events", "replies", "times", "seed", "defect")
        plan = Plan(store=store, folder=folder, **{name: getattr(asked, name) for name in given})
        verdict = asyncio.run(crash(plan))
    print(table(verdict))  # noqa: T201 - it is a command
    if asked.output:
        asked.output.write_text(json.dumps(asdict(verdict)))
    sys.exit(bool(verdict.complaints))


if __name__ == "__main__":
    main()
