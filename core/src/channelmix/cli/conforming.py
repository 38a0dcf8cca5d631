"""`channelmix conform`: the conformance kit, for people and for machines."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from channelmix.cli import desks, output
from channelmix.cli.call import Call
from channelmix.errors import PluginUnavailable

if TYPE_CHECKING:
    from channelmix.testing.conformance import Check, Result
    from channelmix.testing.conformance.finding import Wanted

LEVELS = {1: "loads", 2: "correct", 3: "replies well", 4: "well kept"}
_STYLES = {"failed": "red", "warned": "yellow", "deviates": "yellow", "skipped": "dim"}


@frozen(kw_only=True)
class Report:
    """What came of one plugin."""

    wanted: Wanted
    results: Sequence[Result] = ()

    @property
    def failed(self) -> bool:
        """Whether anything keeps it from being conform."""
        return bool(self.wanted.problem) or any(one.status == "failed" for one in self.results)


@click.command("conform")
@click.argument("what", required=False)
@click.option("--level", type=click.IntRange(1, 4), help="Only up to this level.")
@click.option("--record", is_flag=True, help="Write what new fixtures mean, to be read and kept.")
@desks.as_json
@click.pass_obj
def conform_command(
    call: Call, what: str | None, *, level: int | None, record: bool, as_json: bool
) -> None:
    """Say whether a plugin does what every plugin has to do.

    WHAT is a folder with a plugin's source, a channel of the configuration, or the name of an
    installed plugin or package; left out, the folder here, or else everything installed. The suite
    is the subclass of Conformance in the plugin's tests. Exits with 1 if a check fails.
    """
    desks.quiet(call)
    try:
        from channelmix.testing.conformance.finding import wanted  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        text = f"{error.name} is missing: pip install 'channelmix[testing]'"
        raise PluginUnavailable(text) from None
    found = wanted(what, _networks(call))
    if record:
        for one in found:
            _record(one)
        return
    done = [_report(one, level) for one in found]
    if as_json:
        output.print_json([_told(one) for one in done])
    else:
        for report in done:
            _print(report)
    if any(one.failed for one in done):
        click.get_current_context().exit(1)


def _networks(call: Call) -> Mapping[str, str]:
    """Name the network of each channel in the configuration, which may have any mistake."""
    try:
        channels = tomllib.loads(call.config.read_text("utf-8-sig")).get("channels", {})
        return {name: str(one.get("network")) for name, one in channels.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _report(one: Wanted, level: int | None) -> Report:
    from channelmix.testing.conformance import run  # noqa: PLC0415 - an extra

    if one.suite is None:
        return Report(wanted=one)
    return Report(wanted=one, results=tuple(run(one.suite, level=level)))


def _record(one: Wanted) -> None:
    from channelmix.testing.conformance.fixtures import record  # noqa: PLC0415 - an extra
    from channelmix.testing.conformance.subject import Subject  # noqa: PLC0415 - as above

    if one.suite is None or one.suite.fixtures is None:
        output.say(f"{one.name}: {one.problem or 'its suite names no folder of fixtures'}")
        return
    subject = Subject(one.suite)
    living = subject.raw()
    for case in subject.cases:
        if case.events is None:
            path = record(one.suite.fixtures, case, asyncio.run(living.meanings(case)))
            output.say(f"wrote {path}: read it, it is what the plugin makes of it now")


def _told(one: Report) -> dict[str, Any]:
    return {
        "plugin": one.wanted.name,
        "problem": one.wanted.problem,
        "note": one.wanted.note,
        "conform": not one.failed,
        "checks": [
            {
                "id": each.check.id,
                "level": each.check.level,
                "since": each.check.since,
                "status": each.status,
                "title": each.check.title,
                "findings": list(each.findings),
            }
            for each in one.results
        ],
    }


def _print(one: Report) -> None:
    listing = output.table("check", "result", "what*", title=one.wanted.name)
    for each in one.results:
        style = _STYLES.get(each.status)
        output.row(listing, each.check.id, each.status, each.check.title, style=style)
        for line in each.findings:
            output.row(listing, "", "", f"- {line}", style=style)
    output.show(listing, empty=one.wanted.name)
    for each in one.results:
        if each.status == "failed":
            output.say("", f"{each.check.id}: {_remedy(each.check)}")
    output.say("", *(line for line in (one.wanted.note, one.wanted.problem) if line))
    if one.results:
        output.say(*_levels(one.results))


def _remedy(check: Check) -> str:
    return " ".join(check.docstring.split("\n", 1)[1].split())


def _levels(results: Iterable[Result]) -> Iterator[str]:
    """Say of each level how it stands."""
    by_level: dict[int, list[Result]] = {}
    for one in results:
        by_level.setdefault(one.check.level, []).append(one)
    for level, some in by_level.items():
        counts = {name: sum(one.status == name for one in some) for name in ("passed", *_STYLES)}
        said = output.listed(f"{count} {name}" for name, count in counts.items() if count)
        yield f"level {level}, {LEVELS[level]}: {said}"
