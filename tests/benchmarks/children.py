"""Processes of a bench: started, asked by lines of JSON, and ended with their input."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
Commands = Mapping[str, Callable[..., Awaitable[Any]]]
END_SECONDS = 30


class Child:
    """A module of this package in a process of its own. What it says first is `hello`."""

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        self._name = module
        self._log = log
        self._errors = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        said = self._read()["result"]
        self.hello, self.commands = said["hello"], frozenset(said["commands"])

    def ask(self, name: str, **arguments: Any) -> Any:
        """Let it carry out one command, and return what it says."""
        self.start(name, **arguments)
        return self.finish()

    def start(self, name: str, **arguments: Any) -> None:
        """Let it begin with a command."""
        self._input.write(json.dumps([name, arguments]) + "\n")
        self._input.flush()

    def finish(self) -> Any:
        """Wait for the end of the command, and return what it says."""
        return self._read()["result"]

    def cpu(self) -> float:
        """Return the processor time of all its threads so far, in seconds."""
        self.start("")
        seconds: float = self._read()["cpu"]
        return seconds

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._input.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._output.close()
            self._errors.close()

    @property
    def _input(self) -> Any:
        return self._process.stdin

    @property
    def _output(self) -> Any:
        return self._process.stdout

    def _read(self) -> dict[str, Any]:
        line = self._output.readline()
        if not line:
            self._process.wait()
            tail = self._log.read_text(errors="replace").splitlines()[-20:]
            raise RuntimeError("\n".join([f"{self._name} ended early:", *tail]))
        answer: dict[str, Any] = json.loads(line)
        return answer


async def obey(commands: Commands, hello: Any) -> None:
    """In the child: say hello, then answer the parent until it closes the pipe."""
    _say({"hello": hello, "commands": list(commands)})
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, arguments = json.loads(line)
        _say(await commands[name](**arguments) if name else None)


def _say(result: Any) -> None:
    sys.stdout.write(json.dumps({"result": result, "cpu": time.process_time()}) + "\n")
    sys.stdout.flush()
