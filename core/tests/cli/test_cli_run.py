from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from channelmix.cli.working import without_webhooks
from channelmix.config import load

Command = Callable[..., Any]
RUN = [sys.executable, "-c", "from channelmix.cli import main; main()", "run", "--port", "0"]
HIDE_WEB = (
    "import importlib.metadata as m; found = m.entry_points;"
    "m.entry_points = lambda **k: () if k.get('group') == 'channelmix.web' else found(**k);"
)


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run the desk; whatever happens, it does not outlive the test."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str], what: str) -> str:
    assert process.stdout is not None
    name, url, *_ = process.stdout.readline().split()
    assert name == what
    return url


@pytest.mark.slow
def test_without_its_server_the_desk_does_not_start_and_says_why(configured: Path) -> None:
    file = configured / "channelmix.toml"
    absent = "postgresql://anna:hunter2@127.0.0.1:1/desk"
    file.write_text(file.read_text().replace("sqlite:///desk.db", absent))
    with running(*RUN) as process:
        _, log = process.communicate(timeout=120)
    (line,) = log.splitlines()
    assert process.returncode == 1
    assert line.startswith("store postgresql://anna:***@127.0.0.1:1/desk: ")
    assert "refused" in line


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_run_serves_until_told_to_stop(
    configured: Path, letters: Path, command: Command, told: signal.Signals
) -> None:
    with running(*RUN) as process, httpx.Client(trust_env=False) as client:
        assert client.get(address(process, "health")).json()["status"] == "ok"
        webhook = address(process, "webhook")
        assert webhook.endswith("/webhooks/letters")
        stamp = {"x-stamp": "red-stamp-of-1843"}
        assert client.post(webhook, headers=stamp, content=letters.read_bytes()).text == "thanks"
        assert client.post(webhook, content=letters.read_bytes()).status_code == 401
        process.send_signal(told)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert all(json.loads(line)["event"] for line in log.splitlines())
    assert "webhook.refused" in log
    assert "red-stamp" not in log
    assert command("ledger", "--json").json["stored"] == 4


@pytest.mark.slow
def test_run_without_the_web_package_says_so_and_stops_well(configured: Path) -> None:
    code = (
        HIDE_WEB + "from channelmix.cli import main; main(['run', '--log-json', '--no-supervise'])"
    )
    with running(sys.executable, "-c", code) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("channelmix-web is not installed")
        assert json.loads(process.stderr.readline())["event"] == "channel.ok"
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_an_address_that_is_taken_is_one_line(configured: Path, command: Command) -> None:
    pytest.importorskip("channelmix_web", reason="the server is a package of its own")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("run", "--port", port, "--no-supervise")
    assert done.code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.err.splitlines()[-1]


def test_without_webhooks_no_channel_waits_for_a_push(configured: Path) -> None:
    assert load("channelmix.toml").channels["letters"].push
    assert not without_webhooks(load("channelmix.toml")).channels["letters"].push
