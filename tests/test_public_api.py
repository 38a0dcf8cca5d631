"""No break of the public interface without a word, and no removal without a date."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from channelmix import __version__

api = import_module("tests.public_api")
LINES = ["channelmix.records.Poll.source str", "channelmix.records.Poll.cursor Any = None"]
GONE = "channelmix.records.Poll.cursor"
ANNOUNCED = {GONE: {"deprecated": "0.3", "removed": "0.5", "instead": "`place`"}}


def test_nothing_is_broken_unannounced() -> None:
    if api.released():
        breaks = api.broken(api.recorded(), api.lines(), api.announced(), __version__)
        assert not breaks, "announce it in core/removals.toml, or take the change back"


def test_the_record_is_up_to_date() -> None:
    assert api.recorded() == api.lines(), "run: make api"


def test_it_lists_hooks_records_errors_keys_and_commands() -> None:
    names = {line.partition(" ")[0] for line in api.lines()}
    wanted = {
        "channelmix.hookspecs.Hooks.poll",
        "channelmix.records.Kind.POST",
        "channelmix.records.Message.text",
        "channelmix.errors.RetryLater.__init__",
        "channelmix.desk.Desk.receive",
        "channelmix.toml:desk.store",
        "cli:outbox-cancel:outbox_id",
        "cli:run:--port",
    }
    assert wanted <= names, wanted - names


@pytest.mark.parametrize(
    ("current", "found"),
    [
        pytest.param(LINES, [], id="the same"),
        pytest.param([*LINES, "channelmix.records.Poll.more bool = False"], [], id="added"),
        pytest.param(LINES[:1], LINES[1:], id="taken away"),
        pytest.param([LINES[0], f"{GONE} str"], LINES[1:], id="another type"),
    ],
)
def test_what_counts_as_a_break(current: list[str], found: list[str]) -> None:
    assert api.broken(LINES, current, {}, "0.5.0") == found


@pytest.mark.parametrize(("version", "good"), [("0.4.9", False), ("0.5.0", True), ("1.0", True)])
def test_an_announced_removal_waits_for_its_version(version: str, *, good: bool) -> None:
    assert (api.broken(LINES, LINES[:1], ANNOUNCED, version) == []) is good


def test_every_announcement_gives_two_minor_versions_of_warning() -> None:
    for name, one in {**api.announced(), **ANNOUNCED}.items():
        since, until = api.numbers(one["deprecated"]), api.numbers(one["removed"])
        assert until[0] > since[0] or until[1] >= since[1] + 2, name
        assert one["instead"], name


def test_a_release_makes_the_record_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "api.txt"
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    record.write_text("channelmix.records.Gone class(object)\n")
    monkeypatch.setattr(api, "CORE", tmp_path)
    monkeypatch.setattr(api, "RECORD", record)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [0.1.0] - 2026-12-01\n")
    assert api.main() == 1
    assert "channelmix.records.Gone" in capsys.readouterr().err
    assert api.recorded() == ["channelmix.records.Gone class(object)"]
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    assert api.main() == 0
    assert api.recorded() == api.lines()
