"""The watchdog: notices an event loop that stands still, says whose code holds it, ends it.

Two watch, because each sees what the other cannot. A thread of our own names plugin, hook and
place in the log while the loop stands still; it is blind while C code keeps the interpreter lock,
as a regular expression that never ends does. `faulthandler`'s timer needs no lock: it writes the
stack of every thread and ends the process. Whoever started the process reads what it wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from time import monotonic
from types import FrameType, TracebackType
from typing import Self

from attrs import define, field, frozen

from channelmix import guard
from channelmix.calling import Calling, read
from channelmix.hookspecs import Plugin
from channelmix.log import get_logger

STDERR = 2
TASK = "channelmix-watchdog"
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)')


@frozen
class Frame:
    """One line of a stack."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """Return it as it stands in every log line."""
        return f"{PurePath(self.file).name}:{self.line} {self.function}"


@frozen(kw_only=True)
class Culprit:
    """Whose code runs, and where."""

    plugins: tuple[str, ...]
    """Names of channels and plugins; several if it cannot be told which of one class it is."""
    hook: str
    place: str


def blame(
    calling: tuple[str, str] | None, stack: Sequence[Frame], homes: Mapping[str, str]
) -> Culprit | None:
    """Say whose code runs; None if it is nobody's that can be named.

    `calling` is the note of what is called, `stack` has the innermost frame first, and `homes`
    are the files or folders of the plugins' code. Without a note it is a task that a plugin
    started by itself.
    """
    if calling is not None:
        plugin, hook = calling
        inner = [one for one in stack if one.file != guard.__file__]
        own = [one for one in inner if plugin in homes and _within(one, homes[plugin])]
        return Culprit(plugins=(plugin,), hook=hook, place=_place(own or inner))
    for one in stack:
        if plugins := tuple(name for name, home in homes.items() if _within(one, home)):
            return Culprit(plugins=plugins, hook="a task of its own", place=str(one))
    return None


def _place(stack: Sequence[Frame]) -> str:
    return str(stack[0]) if stack else "a place that is not known"


def _within(frame: Frame, home: str) -> bool:
    return frame.file == home or frame.file.startswith(home + os.sep)


def homes(plugins: Mapping[str, type[Plugin]]) -> dict[str, str]:
    """Return where the code of each plugin is: the folder of its package, or its file."""
    found = {}
    for name, cls in plugins.items():
        top = cls.__module__.partition(".")[0]
        module = sys.modules.get(top)
        path = next(iter(getattr(module, "__path__", ())), getattr(module, "__file__", None))
        if path is not None and top != "channelmix":  # all stacks have frames of the core
            found[name] = path
    return found


def parse(text: str, thread: int) -> list[Frame]:
    """Return the stack of one thread from what `faulthandler` wrote."""
    _, _, rest = text.partition(f"hread 0x{thread:016x} ")
    return list(_frames_of(rest.splitlines()[1:]))


def _frames_of(lines: Iterable[str]) -> Iterator[Frame]:
    for line in lines:
        if not line.startswith("  "):
            return
        if found := _FRAME.fullmatch(line):
            yield Frame(found["file"], int(found["line"]), found["function"])


def _walk(frame: FrameType | None) -> Iterator[Frame]:
    while frame is not None:
        yield Frame(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back


def end_after(seconds: float, *, stack: int = STDERR) -> None:
    """End this process with status 1 then, unless told otherwise before, whatever it does.

    The stack of every thread is written to the file descriptor `stack` first.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=stack)


@define(eq=False, kw_only=True)
class Watchdog:
    """Watches the loop that it is entered in.

    After `notice` seconds of standing still it logs `loop.stands_still`, once, with the culprit;
    after `patience` seconds it ends the process (never, if that is None).
    """

    calling: Calling
    homes: Mapping[str, str]
    notice: float = 1.0
    patience: float | None = None
    stack: int = STDERR
    """The file descriptor for the stack of a process that is ended."""
    _beaten: float = field(factory=monotonic, init=False)
    _last: bool = field(default=False, init=False)
    _ended: threading.Event = field(factory=threading.Event, init=False)
    _beating: asyncio.Task[None] | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        self._beating = asyncio.create_task(self._beat(), name=TASK)
        loop_thread = threading.get_ident()
        threading.Thread(target=self._watch, args=[loop_thread], name=TASK, daemon=True).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching. What `last` has set goes on."""
        self._ended.set()
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        if self.patience is not None and not self._last:
            faulthandler.cancel_dump_traceback_later()

    def last(self, seconds: float) -> None:
        """Give the process so long to come to its end by itself."""
        self._last = True
        end_after(seconds, stack=self.stack)

    async def _beat(self) -> None:
        """Show that the loop turns."""
        while True:
            self._beaten = monotonic()
            if self.patience is not None and not self._last:
                end_after(self.patience, stack=self.stack)
            await asyncio.sleep(self.notice / 2)

    def _watch(self, loop_thread: int) -> None:
        """Look now and then when the loop has turned last."""
        said = 0.0
        while not self._ended.wait(self.notice / 4):
            beaten = self._beaten
            if monotonic() - beaten > self.notice * 1.5 and said != beaten:
                self._say(loop_thread)
                said = beaten

    def _say(self, loop_thread: int) -> None:
        """Log whose code holds the loop."""
        calling = read(self.calling.memory)
        stack = list(_walk(sys._current_frames().get(loop_thread)))  # noqa: SLF001 - documented, and the only way
        culprit = blame(calling, stack, self.homes)
        told = {"plugin": ", ".join(culprit.plugins), "hook": culprit.hook} if culprit else {}
        place = culprit.place if culprit else _place(stack)
        get_logger().error("loop.stands_still", **told, place=place)
