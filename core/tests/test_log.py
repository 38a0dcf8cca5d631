"""What is logged: to whom it goes, and that no secret is in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from attrs import frozen
from channelmix.log import SecretMask, configure, get_logger
from hypothesis import given
from hypothesis import strategies as st

SECRET = "EAAB/geheim+42"


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@frozen
class Carrier:
    inside: str


WAYS = [
    {"plain": SECRET},
    {"text": f"GET /me?x={SECRET}&y=1"},
    {"quoted": "EAAB%2Fgeheim%2B42"},
    {"nested": {"a": [{"b": (SECRET,)}]}},
    {"keyed": {SECRET: 1}},
    {"raw": SECRET.encode()},
    {"thing": Carrier(SECRET)},
    {"error": ValueError(SECRET)},
    {"several": {SECRET}},
]


@pytest.mark.parametrize("output", ["json", "text"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: next(iter(way)))
def test_a_known_secret_does_not_come_out(
    way: dict[str, object], output: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    configure(json=output == "json")
    get_logger(SecretMask([SECRET])).info("said", **way)
    line = capsysbinary.readouterr().err.decode()
    assert "said" in line
    assert "***" in line
    assert "geheim" not in line


def test_a_secret_in_an_exception_does_not_come_out(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    configure(json=True)
    log = get_logger(SecretMask([SECRET]), channel="page")
    try:
        int(SECRET)
    except ValueError:
        log.exception("went wrong at %s", SECRET)
    line = json.loads(capsysbinary.readouterr().err)
    assert line["error"] == "ValueError: invalid literal for int() with base 10: '***'"
    assert line["event"] == "went wrong at ***"
    assert line["channel"] == "page"
    assert line["trace"][-1].endswith("test_a_secret_in_an_exception_does_not_come_out")


def test_a_telling_name_is_enough(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    configure(json=True)
    sent = {"Authorization": "Bearer x", "X-Hub-Signature-256": "sha256=x", "Accept": "*/*"}
    get_logger().warning("w", access_token="abc", headers=sent, code=190, token_expires_at=1)
    line = json.loads(capsysbinary.readouterr().err)
    assert line["access_token"] == "***"
    assert line["headers"] == {
        "Authorization": "***",
        "X-Hub-Signature-256": "***",
        "Accept": "*/*",
    }
    assert (line["code"], line["token_expires_at"]) == (190, 1)


@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_survives_wherever_it_stands(secret: str, before: str, after: str) -> None:
    mask = SecretMask([secret])
    assert secret not in mask.text(before + secret + after).replace("***", "\0")


def test_a_secret_within_a_longer_one_leaves_no_rest() -> None:
    assert SecretMask(["abcd", "abcd-efgh"]).text("x abcd-efgh y abcd") == "x *** y ***"


def test_what_is_no_secret_stays(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    configure(json=True, level="warning")
    log = get_logger(SecretMask(["", "abc"]))
    log.info("not wanted at this level")
    log.warning("kept", text="abc", number=1.5, nothing=None, odd="\ud800")
    log.warning("kept", text="abc", number=1.5, nothing=None)
    odd, kept = capsysbinary.readouterr().err.splitlines()
    assert b"kept" in odd
    assert json.loads(kept)["text"] == "abc"


def test_without_configuration_it_goes_to_the_standard_library(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    get_logger(SecretMask([SECRET]), channel="page").warning("said", what=SECRET)
    assert caplog.record_tuples == [
        ("channelmix", logging.WARNING, "said channel='page' what='***'")
    ]
    assert capsys.readouterr().out == ""


def test_a_logger_made_early_follows_the_program_that_is_configured_later() -> None:
    log = get_logger(SecretMask([SECRET]))
    with structlog.testing.capture_logs() as quiet:
        log.warning("before")
    lines: list[structlog.typing.EventDict] = []

    def keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        lines.append(event)
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    log.warning("after", what=SECRET)
    assert [line["event"] for line in quiet] == ["before"]
    assert lines == [{"event": "after", "what": "***"}]
