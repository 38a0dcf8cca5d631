"""Importing plugins so that a command survives an import that hangs, exits or crashes.

The command goes on in a copy of this process, which imports; what is left behind only waits for
its end. When all is well that costs a fork, and nothing is imported twice.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import FrameType

import click
from attrs import define

from channelmix import probe
from channelmix.cli.call import Call
from channelmix.discovery import Installed, installed
from channelmix.errors import PluginUnavailable

STOPPED = 130
"""The exit code of what was interrupted, as shells know it."""


def broken(call: Call, names: Iterable[str] = ()) -> Mapping[str, str]:
    """Import the plugins that the configuration names, and `names`; return why some must not be.

    By entry point name; each is told in a line, too. Everything after this may happen in another
    process: call it before threads, event loops and open files.
    """
    if not call.apart:
        return call.broken
    call.apart = False
    found = installed()
    wanted = sorted({*probe.named(call.config), *names} & set(found))
    pending = [found[name] for name in wanted if found[name].problem is None]
    while pending:
        copy = _Copy.of(pending)
        if copy is None:
            return call.broken
        bad, why = copy.lost()
        line = probe.line(bad, why)
        click.echo(line, err=True)
        call.broken[bad.name] = line
        pending.remove(bad)
    return call.broken


@define
class _Copy:
    """The process that goes on with the command, seen from the one that waits for it."""

    pid: int
    told: int
    pending: Sequence[Installed]

    @classmethod
    def of(cls, pending: Sequence[Installed]) -> _Copy | None:
        """Copy this process; return None in the copy, once it has imported everything."""
        sys.stdout.flush()
        sys.stderr.flush()
        told, tell = os.pipe()
        pid = os.fork()
        if pid:
            os.close(tell)
            return cls(pid, told, pending)
        os.close(told)
        for one in pending:
            with suppress(PluginUnavailable):  # seen again, and told, where it is needed
                one.load()
            os.write(tell, b".")
        os.close(tell)
        return None

    def lost(self) -> tuple[Installed, str]:
        """Return what stopped the copy while it imported; where nothing does, exit as it exits."""
        # Ctrl-C reaches both; who asks only this one to end means the copy.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._pass_on)
        try:
            for one in self.pending:
                if not select.select([self.told], [], [], probe.SECONDS)[0]:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return one, f"takes longer than {probe.SECONDS:g} s to import"
                if not os.read(self.told, 1):
                    code = self._ended()
                    if code in {STOPPED, -signal.SIGTERM}:
                        raise click.exceptions.Exit(STOPPED)
                    return one, probe.exited(code)
        finally:
            os.close(self.told)
        code = self._ended()
        raise click.exceptions.Exit(code if code >= 0 else 128 - code)

    def _ended(self) -> int:
        """Wait for the copy's end; return its exit code, for a signal a negative one."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _pass_on(self, told: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, told)
