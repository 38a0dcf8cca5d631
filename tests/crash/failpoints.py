"""Where a process is killed: a file named like a place kills the first one that comes by there.

Taking the file and naming who took it is one rename, so each file kills exactly one process, and
the folder afterwards says who was killed where.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from attrs import frozen
from channelmix import reconciling
from channelmix.dispatch import Dispatch
from channelmix.intake import Intake
from channelmix.pipeline import Pipeline
from channelmix.store import apply, journal, outbox

PLACES = {
    "receiving": ("in the transaction", "stored, not answered"),
    "leasing": ("in the transaction", "leased, not read"),
    "applying": ("in the transaction", "committed"),
    "sending": ("in the transaction", "claimed, not called"),
    "waiting": ("request arrived, not taken", "request taken, not answered", "answered"),
    "reconciling": ("taken up, not asked", "seen, not recorded", "in the transaction"),
}
"""For each phase the places in it."""
ARRIVED = ("waiting", "request arrived, not taken")
TAKEN = ("waiting", "request taken, not answered")
"""These two only the network can tell; it kills from outside."""

Place = tuple[str, str]


@frozen
class Failpoints:
    """The folder with the files."""

    folder: Path

    def arm(self, place: Place) -> None:
        """Let the next process that comes by `place` be killed."""
        self._file(place).touch()

    def pending(self) -> list[Place]:
        """Return the places where nobody has come by yet."""
        return [place for place in self.places() if self._file(place).exists()]

    def places(self) -> list[Place]:
        """Return every place."""
        return [(phase, place) for phase, places in PLACES.items() for place in places]

    def passed(self, place: Place, process: int | None = None) -> bool:
        """Kill `process`, or this one, if the place is armed; say whether it was."""
        victim = process or os.getpid()
        if any(self.folder.glob(f"*={victim}")):  # it is dying elsewhere: nobody dies twice
            return False
        file = self._file(place)
        try:
            file.rename(self.folder / f"{file.name}={victim}")
        except FileNotFoundError:
            return False
        os.kill(victim, signal.SIGKILL)
        return True

    def killed(self) -> dict[int, Place]:
        """Return where each killed process was, by its id."""
        names = {self._file(place).name: place for place in self.places()}
        found = (one.name.split("=") for one in self.folder.iterdir() if "=" in one.name)
        return {int(process): names[name] for name, process in found}

    def _file(self, place: Place) -> Path:
        return self.folder / f"{place[0]} - {place[1]}"


def install(points: Failpoints) -> None:
    """Let this process come by its places: wrap the functions of the core that stand there."""

    def inside(module: Any, name: str, phase: str, worked: Callable[[Any], object] = bool) -> None:
        _after(module, name, lambda: points.passed((phase, "in the transaction")), worked)

    inside(journal, "append", "receiving", lambda _: True)
    inside(journal, "lease", "leasing", lambda leased: leased.events)
    inside(apply, "apply", "applying")
    inside(outbox, "claim", "sending")
    _wait_after(Intake, "_append", lambda: points.passed(("receiving", "stored, not answered")))
    _wait_after(Pipeline, "_apply", lambda: points.passed(("applying", "committed")))
    _around_reading(points)
    _around_calls(points)
    _recording_what_was_seen(points)


def _after(
    owner: Any, name: str, come_by: Callable[[], object], worked: Callable[[Any], object]
) -> None:
    """Come by when a function has done something, by what it returns."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **options: Any) -> Any:
        done = original(*args, **options)
        if worked(done):
            come_by()
        return done

    setattr(owner, name, wrapped)


def _wait_after(owner: Any, name: str, come_by: Callable[[], object]) -> None:
    """Come by when a coroutine has ended."""
    original = getattr(owner, name)

    @wraps(original)
    async def wrapped(*args: Any, **options: Any) -> Any:
        done = await original(*args, **options)
        come_by()
        return done

    setattr(owner, name, wrapped)


def _around_reading(points: Failpoints) -> None:
    original = Pipeline._read

    def reading(self: Pipeline, event: Any) -> Any:
        points.passed(("leasing", "leased, not read"))
        return original(self, event)

    Pipeline._read = reading  # type: ignore[method-assign]  # this process is there to be killed


def _around_calls(points: Failpoints) -> None:
    places = {
        "reply": (("sending", "claimed, not called"), ("waiting", "answered")),
        "reconcile": (
            ("reconciling", "taken up, not asked"),
            ("reconciling", "seen, not recorded"),
        ),
    }
    original = Dispatch.addressed

    async def calling(self: Dispatch, plugin: str, hook: str, request: object) -> Any:
        if hook not in places:
            return await original(self, plugin, hook, request)
        before, after = places[hook]
        points.passed(before)
        answer = await original(self, plugin, hook, request)
        points.passed(after)
        return answer

    Dispatch.addressed = calling  # type: ignore[method-assign,assignment]  # as above


def _recording_what_was_seen(points: Failpoints) -> None:
    original = reconciling.Reconciler._seen

    def seen(self: reconciling.Reconciler, *args: Any) -> Any:
        outcome = original(self, *args)

        def recorded(connection: Any) -> Any:
            fresh = outcome(connection)
            points.passed(("reconciling", "in the transaction"))
            return fresh

        return recorded

    reconciling.Reconciler._seen = seen  # type: ignore[method-assign,assignment]  # as above
