"""A desk in a process of its own, with invented plugins that it finds by entry point."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

SECRETS = {"calm": "calm-secret-4711", "wild": "wild-secret-0815"}
METADATA = "Metadata-Version: 2.1\nName: invented-networks\nVersion: 1.0\n"
ENTRY_POINTS = """
[channelmix.v1]
calm = hostile_networks:Calm
wild = hostile_networks:Wild
meddler = hostile_networks:Meddler
frozen = frozen_import:Anything
leaving = leaving_import:Anything
crashing = crashing_import:Anything
failing = failing_import:Anything
quitting = quitting_import:Anything
"""
PACE = 0.02
"""Seconds between two events of the customers: the desk is to survive, not to be measured."""
MODULES = {
    "frozen_import": "import threading\nthreading.Event().wait()",
    "leaving_import": "import os\nos._exit(0)",
    "crashing_import": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "failing_import": "import no_such_module",
    "quitting_import": "raise SystemExit('not today')",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder for a desk; the invented plugins are installed."""
    site = tmp_path / "site"
    info = site / "invented_networks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    source = Path(__file__).with_name("hostile_networks.py")
    (site / source.name).write_text(source.read_text())
    for name, code in MODULES.items():
        (site / f"{name}.py").write_text(code)
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *([known] if known else [])]))
    monkeypatch.syspath_prepend(str(site))
    here = tmp_path / "here"
    here.mkdir()
    return here


class Running:
    """A `channelmix run`; what it writes can be waited for."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]  # the same for every worker
        command = [sys.executable, "-m", "channelmix", "run", "--port", str(self.port), *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=[stream])
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._lines.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def line(self, *words: str, after: int = 0, seconds: float = 60) -> str:
        """Wait for a line with all of `words`, the first one after so many lines."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [one for one in self._lines[after:] if all(word in one for word in words)]
            return bool(found) or not any(one.is_alive() for one in self._readers)

        with self._news:
            self._news.wait_for(there, timeout=seconds)
        assert found, f"no line with {words}:\n{self.output}"
        return found[0]

    def log(self, event: str, *words: str, after: int = 0) -> dict[str, Any]:
        """Wait for a line of the log."""
        found: dict[str, Any] = json.loads(self.line(f'"event":"{event}"', *words, after=after))
        return found

    def up(self, *, after: int = 0) -> None:
        """Wait until it takes webhooks."""
        self.line("webhook ", f":{self.port}/webhooks/calm ", after=after)

    def webhook(self, app: str) -> str:
        """Return the webhook address of an app."""
        return f"http://127.0.0.1:{self.port}/webhooks/{app}"

    def worker(self) -> int:
        """Return the process id of the worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text())

    def seen(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def ended(self, *, seconds: float = 60) -> int:
        """Wait until nobody holds its output any more: it, and all that it started, has ended."""
        for reader in self._readers:
            reader.join(seconds)
            assert not reader.is_alive(), self.output
        return self.process.wait(seconds)

    def stop(self) -> int:
        """Tell it to stop, and wait for that."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()


Run = Callable[..., Running]


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    """Start a desk; whatever happens, it does not outlive the test."""
    started: list[Running] = []

    def start(*options: str) -> Running:
        started.append(Running(folder, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.terminate()
        one.ended()


@pytest.fixture
def configure(folder: Path) -> Callable[..., None]:
    """Write a configuration: a calm channel, and a wild one for each mood."""

    def write(*moods: str, more: str = "") -> None:
        text = '[desk]\nstore = "sqlite:///desk.db"\n'
        for name, network in ({"calm": "calm"} | dict.fromkeys(moods, "wild")).items():
            text += f'[channels.{name}]\nnetwork = "{network}"\naccount = "{name}"\n'
            text += f'secret = "{SECRETS[network]}"\nmood = "{name}"\n'
        (folder / "channelmix.toml").write_text(text + more)
        # Only `run` survives any import whatever, so the commands beside it do without.
        (folder / "beside.toml").write_text(text)

    return write


def send(client: httpx.Client, url: str, *events: dict[str, str], network: str = "calm") -> int:
    """Send signed events to a webhook; return the status of the answer."""
    body = json.dumps(events).encode()
    signature = hmac.new(SECRETS[network].encode(), body, hashlib.sha256).hexdigest()
    return client.post(url, content=body, headers={"x-signature": signature}).status_code


@pytest.fixture
def tell() -> Iterator[Callable[..., int]]:
    """Send events to the webhook of a wild channel, as the network would."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield lambda url, *events: send(client, url, *events, network="wild")


class Customers:
    """They write to the calm channel all the while; what is not answered 200 is sent again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._enough = threading.Event()
        self._more = threading.Condition()
        self._said: list[str] = []
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._enough.wait(PACE):
                name = f"calm-{len(self._said)}"
                try:
                    status = send(client, self._url, {"id": name, "text": name})
                except httpx.TransportError:
                    continue
                if status == 200:
                    with self._more:
                        self._said.append(name)
                        self._more.notify_all()

    def wait_for_more(self, count: int = 20) -> None:
        """Wait until so many more events were taken."""
        with self._more:
            wanted = len(self._said) + count
            assert self._more.wait_for(lambda: len(self._said) >= wanted, timeout=60)

    def leave(self) -> set[str]:
        """Stop, and return the ids of all events that were answered 200."""
        self._enough.set()
        self._thread.join(60)
        return set(self._said)


@pytest.fixture
def customers() -> Iterator[Callable[[str], Customers]]:
    """Let customers write to an address until the test ends."""
    all_: list[Customers] = []

    def come(url: str) -> Customers:
        all_.append(Customers(url))
        return all_[-1]

    yield come
    for one in all_:
        one.leave()


@pytest.fixture
def ask(folder: Path) -> Callable[..., Any]:
    """Ask the command line, beside the running desk."""

    def answer(*words: str) -> Any:
        command = [sys.executable, "-m", "channelmix", "--config", "beside.toml", *words, "--json"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False)
        return json.loads(done.stdout)

    return answer


@pytest.fixture
def accounted(ask: Callable[..., Any]) -> Callable[..., None]:
    """Wait until all is settled but what must wait; then every event has its one ticket."""

    def check(channel: str, ids: set[str], *, unsettled: int = 0) -> None:
        deadline = monotonic() + 60
        while (ledger := ask("ledger"))["unsettled"] > unsettled:
            assert monotonic() < deadline, ledger
        assert ledger["adds_up"]
        assert ledger["unsettled"] == unsettled
        tickets = ask("tickets", "--channel", channel, "--limit", "1000000")
        # A subject is a line of at most 80 characters.
        shown = [one if len(one) <= 80 else f"{one[:79]}…" for one in ids]
        assert sorted(one["subject"] for one in tickets) == sorted(shown)

    return check
