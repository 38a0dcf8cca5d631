"""The suite itself: what is left out needs a reason, new checks warn, nothing gets out."""

from __future__ import annotations

import socket
import warnings
from pathlib import Path
from typing import Any

import attrs
import pytest
from channelmix import __version__
from channelmix.hookspecs import Plugin
from channelmix.records import INBOUNDS, Deletion, Ignored, Limits
from channelmix.testing.conformance import (
    Conformance,
    ConformanceWarning,
    NotConform,
    checks,
    fixtures,
    hostile,
    run,
    suite,
)
from channelmix.testing.conformance.offline import Outside, offline
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.replying import exactly

CHECKS = {one.id: one for one in checks()}
LENGTH = CHECKS["C302"].name


def test_every_check_can_be_looked_up_and_says_what_to_do() -> None:
    assert list(CHECKS) == sorted(CHECKS)
    for one in CHECKS.values():
        assert one.level == int(one.id[1])
        assert one.since.count(".") == 1
        assert one.title.endswith(".")
        assert len(one.docstring.splitlines()) > 2, one.id
        assert getattr(Conformance, one.name).__doc__ == one.docstring


@pytest.mark.parametrize("instead", [None, lambda _self: None])
def test_a_check_is_neither_deleted_nor_replaced_in_silence(board: Any, instead: Any) -> None:
    with pytest.raises(TypeError, match="leaves out or replaces C302"):
        board.suite(**{LENGTH: instead})


@pytest.mark.parametrize(
    ("deviations", "wrong"),
    [({"C302": " "}, "C302 needs a reason"), ({"C999": "because"}, "no check C999")],
)
def test_a_reason_is_written_and_is_of_a_check(board: Any, deviations: Any, wrong: str) -> None:
    with pytest.raises(TypeError, match=wrong):
        board.suite(deviations=deviations)


def test_a_deviation_with_its_reason_is_shown_and_not_a_failure(board: Any) -> None:
    board.change("noticeboard/plugin.py", "        self._refuse_late(outgoing)\n", "")
    reason = "the board answers at any time"
    made = board.suite(deviations={"C306": reason})
    result = suite.outcome(made, CHECKS["C306"])
    assert (result.status, result.findings) == ("deviates", (reason,))
    with pytest.raises(pytest.skip.Exception, match=reason):
        getattr(made(), CHECKS["C306"].name)()


def test_a_reason_that_is_not_needed_any_more_fails(board: Any) -> None:
    made = board.suite(deviations={"C306": "the board answers at any time"})
    result = suite.outcome(made, CHECKS["C306"])
    assert result.status == "failed"
    assert "take it out of `deviations`" in result.findings[0]


def test_what_replaces_a_check_for_a_reason_is_run(board: Any) -> None:
    ran = []

    def mine(self: Any) -> None:
        ran.append(self)

    made = board.suite(deviations={"C302": "counted elsewhere"}, **{LENGTH: mine})
    assert suite.outcome(made, CHECKS["C302"]).status == "deviates"
    assert len(ran) == 1


def test_a_failure_names_findings_and_remedy(board: Any) -> None:
    board.change("CHANGELOG.md", "- Comments and private notes.", "")
    with pytest.raises(NotConform) as raised:
        getattr(board.suite()(), CHECKS["C403"].name)()
    text = str(raised.value)
    assert "CHANGELOG.md says nothing below its headings" in text
    assert "has a heading for each version" in text


def test_a_new_check_warns_until_the_next_minor_version(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.change("CHANGELOG.md", "- Comments and private notes.", "")
    made, running = board.suite(), ".".join(__version__.split(".")[:2])
    major, minor = (int(part) for part in running.split("."))
    new = attrs.evolve(CHECKS["C403"], since=f"{major}.{minor + 1}")
    monkeypatch.setattr(suite, "__version__", f"{major}.{minor + 1}.3")
    assert suite.outcome(made, new).status == "warned"
    assert suite.outcome(made, CHECKS["C403"]).status == "failed"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        suite._method(new)(made())
    assert [one.category for one in caught] == [ConformanceWarning]
    monkeypatch.setattr(suite, "__version__", f"{major}.{minor + 2}.0")
    assert suite.outcome(made, new).status == "failed"


def test_a_check_needs_an_id_of_its_own_and_a_remedy() -> None:
    def c403_again(_subject: Any) -> Any:
        """A title.

        A remedy.
        """

    def c499_bare(_subject: Any) -> Any:
        """Only a title."""

    for one in (c403_again, c499_bare):
        with pytest.raises(ValueError, match="please"):
            check(since="0.1")(one)


@pytest.mark.slow
def test_what_does_not_apply_follows_from_the_plugin(board: Any) -> None:
    plugin = "noticeboard/plugin.py"
    source = (board.folder / plugin).read_text()
    start, end = source.index("    @hook\n    async def reply"), source.index("    # access")
    board.change(plugin, source[start:end], "")
    limits = source[source.index("    limits = (") : source.index("    config: Noticeboard")]
    board.change(plugin, limits, "")
    skipped = {
        one.check.id: one.findings[0]
        for one in run(board.suite(), level=3)
        if one.status == "skipped"
    }
    assert {"C208", *(f"C3{number:02}" for number in range(1, 13))} <= set(skipped)
    assert skipped["C301"] == "it declares no reply"


@pytest.mark.slow
def test_a_plugin_that_is_no_network_is_asked_what_concerns_it() -> None:
    class Idle(Plugin):
        """It does nothing."""

    made = type("Suite", (Conformance,), {"plugin": Idle, "level": 2})
    by_status: dict[str, set[str]] = {}
    for one in run(made):
        by_status.setdefault(one.status, set()).add(one.check.id)
    assert by_status["failed"] == {"C102"}  # it is not installed
    assert {one for one in CHECKS if one.startswith("C2")} <= by_status["skipped"]


@pytest.mark.slow
def test_a_level_that_is_not_asked_for_is_not_run(board: Any) -> None:
    made = board.suite(level=1)
    assert {one.check.level for one in run(made)} == {1}
    assert suite.outcome(made, CHECKS["C201"]).status == "skipped"


# no way out


def test_nothing_outside_of_this_machine_is_reached() -> None:
    with offline() as attempts:
        with pytest.raises(Outside, match=r"192\.0\.2\.1"):
            socket.create_connection(("192.0.2.1", 80), timeout=1)
        with pytest.raises(Outside, match=r"board\.example"):
            socket.getaddrinfo("board.example", 443)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(Outside):
            one.sendto(b"x", ("192.0.2.1", 53))
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
    assert attempts == ["192.0.2.1", "board.example", "192.0.2.1"]


def test_a_plugin_that_hides_its_attempt_is_found_out(board: Any) -> None:
    board.change(
        "noticeboard/plugin.py",
        '        services.log.info("open", board=self.account)',
        "        import socket\n\n        try:\n"
        '            socket.create_connection(("192.0.2.1", 80), 1)\n'
        "        except OSError:\n            pass",
    )
    result = suite.outcome(board.suite(), CHECKS["C110"])
    assert result.findings == ("it tried to reach 192.0.2.1",)


# fixtures


@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("own.expected.json", "{", "own.expected.json: this is not JSON"),
        ("own.expected.json", "[" * 100_000, "own.expected.json: this is not JSON"),
        ("own.expected.json", "[]", "write an object with `events`"),
        ("own.expected.json", '{"evnets": []}', "unknown key evnets; did you mean events?"),
        ("own.expected.json", '{"events": [{"inbounds": [{"type": "x"}]}]}', "`type` is one of"),
        ("own.expected.json", '{"events": 7}', "own.expected.json"),
        ("own.expected.json", '{"events": [7]}', "own.expected.json"),
        (
            "own.expected.json",
            '{"events": [{"inbounds": [{"type": "ignored", "raeson": "x"}]}]}',
            "a ignored has no raeson; did you mean reason?",
        ),
        ("new.json", "{", "new: nobody has said what it means"),
    ],
)
def test_a_fixture_that_cannot_be_used_is_one_clear_line(
    board: Any, file: str, text: str, wrong: str
) -> None:
    (board.folder / "fixtures" / file).write_text(text)
    result = suite.outcome(board.suite(), CHECKS["C201"])
    assert result.status == "failed"
    assert any(wrong in one for one in result.findings), result.findings
    assert not any("\n" in one for one in result.findings)


def test_a_folder_of_fixtures_that_is_not_there_is_named(board: Any) -> None:
    result = suite.outcome(board.suite(fixtures=Path("nowhere")), CHECKS["C201"])
    assert "nowhere: there is no such folder of fixtures" in result.findings[0]


def test_what_is_recorded_is_what_is_compared(tmp_path: Path) -> None:
    meaning = (Ignored(reason="x"), Deletion(id="1", at=fixtures.ARRIVED))
    (tmp_path / "one.json").write_text("{}")
    [case] = fixtures.read(tmp_path)
    fixtures.record(tmp_path, case, [meaning, None])
    [case] = fixtures.read(tmp_path)
    assert case.events == [fixtures.written(meaning), fixtures.written(None)]
    assert set(INBOUNDS) > {"ignored", "deletion"}


# hostile input and long texts


def test_hostile_input_is_the_same_each_time_and_leaves_nothing_out() -> None:
    body = b'{"a": {"b": [1, "two"]}, "text": "Hallo"}'
    made = list(hostile.mutants(body, most=1000, huge=True))
    assert made == list(hostile.mutants(body, most=1000, huge=True))
    said = " ".join(what for what, _ in made)
    for each in ("missing", "NUL", "broken UTF-8", "1000 deep", "cut after"):
        assert each in said
    bodies = [one for _, one in made]
    assert max(map(len, bodies)) >= hostile.HUGE
    assert any(b"\\ud800" in one for one in bodies)
    assert b'{"a": {"b": [1]}, "text": "Hallo"}' in bodies
    few = list(hostile.mutants(body, most=10, huge=False))
    assert len(few) < 60


@pytest.mark.parametrize("unit", ["a", "🙏🏽", "ab"])
def test_the_longest_text_is_exactly_as_long_as_it_may_be(unit: str) -> None:
    limits = Limits(actions=(), text=281, count=lambda text: len(text.encode("utf-16-le")) // 2)
    text = exactly(limits, unit)
    assert limits.count(text) == 281
    assert text.startswith(unit)
