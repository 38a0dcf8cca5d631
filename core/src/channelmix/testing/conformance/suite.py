"""`Conformance`: subclass it in four lines, and the whole kit runs on your plugin."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import frozen

from channelmix import __version__
from channelmix.errors import ChannelmixError
from channelmix.hookspecs import Plugin
from channelmix.testing.conformance.offline import offline
from channelmix.testing.conformance.registry import Check, DoesNotApply, registered
from channelmix.testing.conformance.subject import Subject, why
from channelmix.testing.simulator import Simulator

MOST = 12
"""How many findings of one check are told."""

Status = Literal["passed", "failed", "warned", "deviates", "skipped"]


class ConformanceWarning(UserWarning):
    """A check that is new fails: from the next minor version on it is an error."""


class NotConform(AssertionError):
    """A check failed; the text has a line for each finding, and what to do."""


@frozen(kw_only=True)
class Result:
    """What came of one check."""

    check: Check
    status: Status
    findings: tuple[str, ...] = ()
    """What is wrong, or why it was skipped or deviates."""


class Conformance:
    """The whole kit, for one plugin: a subclass in your tests says which.

    pytest runs it like any other class of tests, and `channelmix conform` finds it. Each check is a
    method; what does not apply is skipped, with the reason.
    """

    plugin: ClassVar[type[Plugin]]
    """The class under test."""
    config: ClassVar[Mapping[str, Any]] = {}
    """A good section of the configuration, those keys included that channels of one app share.

    Where the simulator is talked to, its `section` lies over this, and its `vault` wins over
    optional secrets that only stand here.
    """
    fixtures: ClassVar[Path | None] = None
    """The folder with payloads, each beside what it means. None: no payload is checked."""
    simulator: ClassVar[type[Simulator] | None] = None
    """The network, simulated. Without one, polls and replies are not checked."""
    level: ClassVar[int] = 4
    """The last level that is asked for, while a plugin is being written."""
    deviations: ClassVar[Mapping[str, str]] = {}
    """Why some checks need not pass, by id. A reason that is not needed any more is a failure."""

    def __init_subclass__(cls, **more: Any) -> None:
        """Refuse a suite in which checks are missing without a reason."""
        super().__init_subclass__(**more)
        if wrong := list(left_out(cls)):
            raise TypeError("; ".join(wrong))


def checks() -> tuple[Check, ...]:
    """Return every check there is, by id."""
    from channelmix.testing.conformance import (  # noqa: F401, PLC0415 - importing registers
        level1,
        level2_changes,
        level2_hostile,
        level2_polls,
        level2_reading,
        level2_webhooks,
        level3,
        level3_access,
        level3_places,
        level4,
    )

    return registered()


def left_out(suite: type[Conformance]) -> Iterator[str]:
    """Yield which checks a suite lacks or replaces without a written reason."""
    known = {one.id: one for one in checks()}
    for one in known.values():
        same = inspect.getattr_static(suite, one.name, None) is vars(Conformance).get(one.name)
        if not same and not suite.deviations.get(one.id, "").strip():
            yield (
                f"{suite.__qualname__} leaves out or replaces {one.id} ({one.title}): "
                f'say why in `deviations`, {{"{one.id}": "..."}}'
            )
    for key, reason in suite.deviations.items():
        if key not in known:
            yield f"{suite.__qualname__}.deviations: there is no check {key}"
        elif not str(reason).strip():
            yield f"{suite.__qualname__}.deviations: {key} needs a reason"


def run(suite: type[Conformance], *, level: int | None = None) -> Iterator[Result]:
    """Run every check up to a level on a plugin, and yield what came of each."""
    for one in checks():
        if one.level <= (level or suite.level):
            yield outcome(suite, one)


def outcome(suite: type[Conformance], one: Check) -> Result:
    """Run one check, whatever it does."""
    reason = suite.deviations.get(one.id)
    if one.level > suite.level:
        return Result(check=one, status="skipped", findings=("this level is not asked for",))
    findings, applies = _findings(suite, one)
    if not applies:
        return Result(check=one, status="skipped", findings=findings)
    if reason is not None:
        if findings:
            return Result(check=one, status="deviates", findings=(reason,))
        useless = f"it passes: take it out of `deviations` ({reason})"
        return Result(check=one, status="failed", findings=(useless,))
    if not findings:
        return Result(check=one, status="passed")
    new = one.only_warns(__version__)
    return Result(check=one, status="warned" if new else "failed", findings=findings)


def _findings(suite: type[Conformance], one: Check) -> tuple[tuple[str, ...], bool]:
    """Return what is wrong, or why the check does not apply; and whether it does."""
    replaced = inspect.getattr_static(suite, one.name, None)
    if replaced is not vars(Conformance).get(one.name):
        return _replaced(suite, replaced), True
    with offline() as attempts:
        try:
            subject = Subject(suite)
            if missing := [why for need in one.needs if (why := need(subject))]:
                return (missing[0],), False
            found = asyncio.run(_collected(one, subject))
        except DoesNotApply as reason:
            return (str(reason),), False
        except Exception as error:  # noqa: BLE001 - whatever a plugin does is a finding
            found = [_said(error)]
    found += [f"it tried to reach {where}" for where in dict.fromkeys(attempts)]
    return tuple(found), True


def _replaced(suite: type[Conformance], method: Any) -> tuple[str, ...]:
    """Run what stands in a check's place, if anything does."""
    if not inspect.isfunction(method):
        return ("it is left out",)
    try:
        done = method(suite())
        if inspect.iscoroutine(done):
            asyncio.run(done)
    except Exception as error:  # noqa: BLE001 - whatever it does, it is told
        return (_said(error),)
    return ("it is replaced",)


async def _collected(one: Check, subject: Subject) -> list[str]:
    found = one.run(subject)
    if isinstance(found, Iterator):
        return list(islice(found, MOST))
    told: list[str] = []
    try:
        async for line in found:
            told.append(line)
            if len(told) == MOST:
                break
    except DoesNotApply:
        if not told:
            raise
    except Exception as error:  # noqa: BLE001 - as above; what was found before it counts as well
        told.append(_said(error))
    finally:
        await found.aclose()  # type: ignore[attr-defined]  # every check is a generator
    return told


def _said(error: Exception) -> str:
    text = " ".join(why(error).split())
    return text if isinstance(error, ChannelmixError) else f"{type(error).__name__}: {text}"


def explain(result: Result) -> str:
    """Write what failed and what to do, as a person reads it."""
    lines = [f"{result.check.id}: {result.check.title}", ""]
    lines += [f"  - {one}" for one in result.findings]
    return "\n".join([*lines, "", *_remedy(result.check)])


def _remedy(one: Check) -> Sequence[str]:
    return one.docstring.splitlines()[1:]


def _method(one: Check) -> Any:
    def test(self: Conformance) -> None:
        import pytest  # noqa: PLC0415 - the command line runs the kit without it

        result = outcome(type(self), one)
        if result.status == "failed":
            raise NotConform(explain(result))
        if result.status == "warned":
            warnings.warn(explain(result), ConformanceWarning, stacklevel=1)
        elif result.status in {"skipped", "deviates"}:
            pytest.skip("; ".join(result.findings))

    test.__name__ = one.name
    test.__qualname__ = f"Conformance.{one.name}"
    test.__doc__ = one.docstring
    return test


for _one in checks():
    setattr(Conformance, _one.name, _method(_one))
