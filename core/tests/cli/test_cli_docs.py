from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples(name: str) -> list[list[str]]:
    """Return every command that a page shows, in its order."""
    page = (DOCS / "how-to" / name).read_text()
    lines = "".join(BLOCK.findall(page)).splitlines()
    assert all(line.startswith("$ channelmix ") for line in lines)
    return [shlex.split(line)[2:] for line in lines]


@pytest.mark.slow
def test_every_command_of_the_page_works_as_it_is_shown(
    configured: Path, letters: Path, work: Callable[..., None], command: Command
) -> None:
    configuration = Path("channelmix.toml").read_text().replace("letters", "page")
    Path("channelmix.toml").unlink()
    Path("payload.json").write_bytes(letters.read_bytes())
    Path("headers.txt").write_text("X-Stamp: red-stamp-of-1843")
    for arguments in examples("command-line.md"):
        if arguments == ["check"]:  # by then the reader has filled in the starter file
            Path("channelmix.toml").write_text(configuration)
            work(letters.read_bytes())
        done = command(*arguments)
        assert (done.code, done.err) == (0, ""), arguments


def test_publishing_with_approval_works_as_it_is_shown(configured: Path, command: Command) -> None:
    approved = "[channels.pins]\napproval = true\napprovers = ['press']"
    configuration = Path("channelmix.toml").read_text().replace("[channels.letters]", approved)
    press = "[teams.press]\nagents = ['mehmet']\n[agents.mehmet]\n"
    Path("channelmix.toml").write_text(configuration + press)
    Path("lamp.png").write_bytes(b"png")
    for arguments in examples("approve.md"):
        done = command(*arguments)
        assert (done.code, done.err) == (0, ""), arguments
    [line] = command("outbox", "--json").json
    assert (line["state"], line["by"], line["approved_by"]) == ("queued", "anna", "mehmet")
