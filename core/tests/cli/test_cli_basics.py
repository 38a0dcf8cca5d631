from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from channelmix.cli import COMMANDS, channelmix
from channelmix.cli.output import safe

Command = Callable[..., Any]
FLOOR = "import attrs, pluggy, click"
HELP = "from channelmix.cli import main; main(['--help'])"
HEAVY = ["rich", "httpx", "sqlalchemy", "structlog", "cattrs", "msgspec", "channelmix.records"]


def cpu_seconds(code: str) -> float:
    """Return the processor time of a new interpreter; compiled files are kept, as for users."""
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_help_takes_little_more_than_what_it_cannot_do_without() -> None:
    # In turn, so that a machine that slows down slows both.
    pairs = [(cpu_seconds(FLOOR), cpu_seconds(HELP)) for _ in range(10)]
    assert min(one for _, one in pairs) <= 1.5 * min(one for one, _ in pairs)


def test_help_imports_nothing_heavy() -> None:
    look = f"import sys, atexit; atexit.register(lambda: print({HEAVY} & sys.modules.keys()))"
    code = f"{look.replace(str(HEAVY), f'set({HEAVY})')}; {HELP}"
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_of_itself_what_the_help_says_of_it(name: str) -> None:
    found = channelmix.get_command(click.Context(channelmix), name)
    assert found is not None
    assert found.name == name
    assert (found.help or "").startswith(COMMANDS[name][1].removesuffix("."))


def test_without_a_command_there_is_help(command: Command) -> None:
    done = command()
    assert done.code == 0
    assert all(name in done.out for name in COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            ["tickts"],
            2,
            "there is no command tickts; did you mean tickets? (see channelmix --help)",
        ),
        (["show"], 2, "Missing argument 'ID'. (see channelmix show --help)"),
        (["show", "0"], 2, "Invalid value for 'ID': 0 is not in the range x>=1."),
        (["assign", "1"], 2, "say one of --agent"),
        (["set", "1"], 2, "say at least one of --topic"),
        (["outbox", "resolve", "1"], 2, "say --sent or --not-sent"),
        (["show", "1"], 1, "there is no ticket 1"),
        (["close", "9"], 1, "there is no ticket 9"),
        (["assign", "1", "--agent", "zoe"], 1, "there is no agent zoe"),
        (["outbox", "retry", "1"], 1, "outbox 1"),
        (["review", "lettres", "Hi"], 1, "there is no channel lettres"),
        (
            ["replay", "--channel", "lettres"],
            1,
            "there is no channel lettres; did you mean letters?",
        ),
        (
            ["-c", "nowhere.toml", "tickets"],
            2,
            "there is no such file; `channelmix init` writes one",
        ),
    ],
)
def test_an_error_is_one_line(
    configured: Path, command: Command, arguments: list[str], code: int, line: str
) -> None:
    done = command(*arguments)
    assert done.code == code
    assert line in done.error
    assert not done.out


def test_every_mistake_in_the_file_has_its_line(configured: Path, command: Command) -> None:
    Path("channelmix.toml").write_text("[desk]\nnme = 'x'\n[channels.a]\nnetwork = 'papr'\n")
    done = command("tickets")
    assert done.code == 2
    assert [line.split(":")[0] for line in done.err.splitlines()] == [
        "desk.nme",
        "channels.a.network",
    ]


def test_the_environment_may_name_the_configuration(
    configured: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNELMIX_CONFIG", str(configured / "channelmix.toml"))
    monkeypatch.chdir(configured.parent)
    assert command("tickets").code == 0


def test_reading_needs_no_secret_of_a_network(
    configured: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAPER_STAMP")
    assert command("tickets").code == 0


def test_a_secret_address_of_the_database_is_needed(configured: Path, command: Command) -> None:
    Path("channelmix.toml").write_text('[desk]\nstore = { env = "NOT_SET_AT_ALL" }\n')
    done = command("tickets")
    assert (done.code, done.error) == (
        2,
        "desk.store: environment variable NOT_SET_AT_ALL is not set",
    )


def test_a_store_that_cannot_be_used_is_one_line(configured: Path, command: Command) -> None:
    Path("desk.db").mkdir()
    done = command("tickets")
    assert done.code == 1
    assert "desk.db" in done.error


def test_a_bug_shows_its_place_only_on_request(
    configured: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channelmix.cli.desks.settings_of", lambda _: 1 / 0)
    done = command("tickets")
    assert (done.code, "ZeroDivisionError" in done.error) == (1, True)
    with pytest.raises(ZeroDivisionError):
        channelmix.main(["--debug", "tickets"], standalone_mode=False)


def test_what_would_steer_a_terminal_is_taken_out() -> None:
    assert safe("a\x1b[2J\x00\u202eb\ud83d") == "a\ufffd[2J\ufffd\ufffdb\ufffd"
    assert (
        safe("zwei\nZeilen \u05e9\u05dc\u05d5\u05dd 👩‍🚒")
        == "zwei\nZeilen \u05e9\u05dc\u05d5\u05dd 👩‍🚒"
    )
