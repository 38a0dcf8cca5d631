from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def secrets(environ: pytest.MonkeyPatch, text: str) -> None:
    """Set every variable that a starter file names."""
    for section in tomllib.loads(text)["channels"].values():
        for value in section.values():
            if isinstance(value, dict) and "env" in value:
                environ.setenv(value["env"], "invented-secret")


@pytest.mark.slow
def test_the_starter_file_loads_once_its_secrets_are_set(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("init").code == 0
    written = (folder / "channelmix.toml").read_text()
    assert "PAPER_STAMP is not set" in command("check").err
    secrets(monkeypatch, written)
    done = command("check")
    assert (done.code, done.err) == (0, "")
    assert "channelmix.toml is in order" in done.out
    assert "invented-secret" not in done.out


@pytest.mark.slow
def test_the_starter_file_has_every_setting_with_its_help(folder: Path, command: Command) -> None:
    command("init", "other.toml")
    written = (folder / "other.toml").read_text()
    assert '# The box number.\nbox = "1234567890"  # required\n' in written
    assert '# The stamp on every letter.\nstamp = { env = "PAPER_STAMP" }  # required' in written
    assert '#timezone = "UTC"' in written
    assert "\n#push = true\n" in written


@pytest.mark.slow
def test_the_starter_file_is_right_with_every_line_taken_out_of_its_comment(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("init")
    lines = (folder / "channelmix.toml").read_text().splitlines()
    examples = [line.removeprefix("#") for line in lines if not line.startswith("# ")]
    text = "\n".join(line for line in examples if not line.endswith("= ..."))
    secrets(monkeypatch, text)
    (folder / "channelmix.toml").write_text(text.replace('"NAME"', '"paper"'))
    assert command("check").code == 0


@pytest.mark.slow
def test_a_setting_that_only_its_plugin_knows_leaves_the_channel_off(
    folder: Path, command: Command
) -> None:
    plugin = folder.parent / "site" / "invented_paper.py"
    plugin.write_text(plugin.read_text().replace("value.isdigit()", "value == 'A7'"))
    command("init")
    section = tomllib.loads((folder / "channelmix.toml").read_text())["channels"]["paper"]
    assert section["enabled"] is False
    assert "box" not in section


@pytest.mark.slow
def test_no_file_is_overwritten_unasked(folder: Path, command: Command) -> None:
    (folder / "channelmix.toml").write_text("mine")
    done = command("init")
    assert (done.code, done.error) == (
        1,
        "channelmix.toml is there already; --force overwrites it",
    )
    assert (folder / "channelmix.toml").read_text() == "mine"
    assert command("init", "--force").code == 0
    assert "[channels.paper]" in (folder / "channelmix.toml").read_text()


def test_a_folder_that_is_not_there_is_one_line(folder: Path, command: Command) -> None:
    done = command("init", "nowhere/channelmix.toml")
    assert (done.code, done.error) == (1, "nowhere/channelmix.toml: No such file or directory")


def test_plugins_are_listed_without_importing_them(folder: Path, command: Command) -> None:
    found = {one["name"]: one for one in command("plugins", "--json").json}
    assert found["paper"] == {
        "name": "paper",
        "distribution": "paper",
        "version": "1.0",
        "value": "invented_paper:Paper",
        "problem": None,
    }
    assert "invented_paper" not in sys.modules
    assert "invented_paper:Paper" in command("plugins").out


def test_the_schema_knows_what_is_installed(folder: Path, command: Command) -> None:
    schema = command("schema").json
    channels = schema["properties"]["channels"]["additionalProperties"]["anyOf"]
    (paper,) = [one for one in channels if one["properties"]["network"].get("const") == "paper"]
    assert paper["properties"]["box"] == {"type": "string", "description": "The box number."}
    assert {"box", "stamp", "network"} <= set(paper["required"])


@pytest.mark.slow
def test_a_broken_plugin_is_named_and_keeps_nobody_else_from_working(
    configured: Path, command: Command
) -> None:
    (configured.parent / "site" / "invented_paper.py").write_text("import no_such_module")
    for arguments in (["check"], ["check", "--json"]):
        done = command(*arguments)
        assert done.code == 1
        assert "No module named 'no_such_module'" in done.out
    assert "paper: invented_paper:Paper" in command("schema").err
    command("init", "again.toml")
    assert "# paper cannot be used:" in (configured / "again.toml").read_text()


def test_a_plugin_that_breaks_the_contract_is_found_by_check(
    configured: Path, command: Command
) -> None:
    plugin = configured.parent / "site" / "invented_paper.py"
    plugin.write_text(plugin.read_text().replace("async def check", "def check"))
    done = command("check")
    assert done.code == 1
    assert "check: must be `async def`" in done.out


def test_check_online_asks_the_network(configured: Path, command: Command) -> None:
    done = command("check", "--online")
    assert done.code == 0
    assert "the post is slow" in done.out
    assert "The token of letters holds until 02 Jan 2099 04:04." in done.out
    (finding,) = command("check", "--online", "--json").json["findings"]
    assert finding == {
        "channel": "letters",
        "level": "warn",
        "code": "late",
        "text": "the post is slow",
    }


def test_check_online_fails_when_the_network_cannot_be_asked(
    configured: Path, command: Command
) -> None:
    plugin = configured.parent / "site" / "invented_paper.py"
    broken = plugin.read_text().replace("return Checked(", "raise Rejected('closed') or Checked(")
    plugin.write_text(broken)
    done = command("check", "--online")
    assert done.code == 1
    assert "Rejected" in done.out
    assert "closed" in done.out
