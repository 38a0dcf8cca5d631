"""Words: the same for any database, without accents and endings."""

from __future__ import annotations

import pytest
from channelmix.words import UMLAUT, beginnings, words
from hypothesis import example, given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Zähler ablesen: so geht's!", ["zahler", "ablesen", "so", "geht", "s"]),
        ("TAŞINMA Taş\u0131nma", ["tasinma", "tasinma"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("\uff46\uff55\uff4c\uff4c snake_case 42", ["full", "snake", "case", "42"]),
        ("電気料金 2026年", ["電気", "気料", "料金", "2026", "年"]),
        ("요금 안내", ["요금", "안내"]),
    ],
)
def test_words(text, found):
    assert list(words(text)) == found


def test_what_is_looked_for():
    assert beginnings("Wo finde ich die Rechnungen? Die Rechnungen!") == [
        "finde",
        "ich",
        "die",
        "rechnun",
    ]
    assert beginnings("Zaehler, neue Tuer, Quelle") == [
        "zaehl",
        "zahle",
        "neue",
        "tuer",
        "tur",
        "quell",
    ]
    assert beginnings("電気料金") == ["電気", "気料", "料金"]
    assert len(beginnings(" ".join(f"w{n}x" for n in range(99)))) == 24


@given(st.text())
@example("\0\ud800_'\":*")
def test_words_are_found_by_how_they_begin_and_need_no_escape(text):
    known = list(words(text))
    assert all(one.isalnum() for one in known)
    meant = [*known, *(UMLAUT.sub("", one) for one in known)]
    for wanted in beginnings(text):
        assert any(one.startswith(wanted) for one in meant)
    assert list(words(" ".join(known))) == known
