"""Lengths after X's page "Counting characters": every class of text that it names."""

import time

import pytest
from channelmix_twitter.text import MAX_PARTS, POST, count, has_link, thread
from hypothesis import given
from hypothesis import strategies as st

CASES = {
    "latin": ("Guten Morgen", 12),
    "umlauts": ("äöüßÄÖÜ", 7),
    "cyrillic, greek, hebrew, arabic": ("привет γειά שלום مرحبا", 22),
    "chinese": ("你好世界", 8),
    "japanese, both syllabaries": ("ひらカタ", 8),
    "korean": ("안녕하세요", 10),
    "thai is of the first range": ("สวัสดี", 6),
    "composed and decomposed are one": ("e\u0301" * 3, 3),
    "a mark that composes with nothing": ("q\u0323", 2),
    "several marks: what they compose to is outside of the first range": ("a\u0323\u0302\u0301", 3),
    "general punctuation": ("\u2013\u2014\u2018\u201c", 4),
    "the bullet and the ellipsis are outside": ("\u2022\u2026\u20ac", 6),
    "zero width joiner and spaces": ("\u200d\u2009", 2),
    "line ends": ("a\nb\r\nc", 5),
    "emoji": ("😷", 2),
    "emoji with a skin tone": ("👍🏽", 2),
    "a family": ("👨\u200d👩\u200d👧\u200d👦", 2),
    "a flag": ("🇩🇪", 2),
    "a flag of a country in a country": (
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        2,
    ),
    "a keycap": ("1\ufe0f\u20e3", 2),
    "a heart with its selector": ("\u2764\ufe0f", 2),
    "a profession": ("👩\u200d🚒", 2),
    "emoji side by side": ("😷😷👍🏽", 6),
    "a copyright sign is a character": ("\u00a9\u00ae", 2),
    "a copyright sign as an emoji": ("\u00a9\ufe0f", 2),
    "outside of the first plane": ("\U0001d4b3", 2),
    "a link": ("https://stadtwerke.de", 23),
    "a link without a scheme": ("stadtwerke.de", 23),
    "a long link": ("https://stadtwerke.de/" + "a" * 500 + "?x=1&y=2#z", 23),
    "a link with a port": ("http://stadtwerke.de:8080/a", 23),
    "a link with an umlaut": ("https://müller.de", 23),
    "a link in parentheses": ("(https://stadtwerke.de)", 25),
    "a link at the end of a sentence": ("Hier: https://stadtwerke.de.", 30),
    "a short link of X's own": ("https://t.co/abc123DEF4", 23),
    "a short link that cannot be one": ("https://t.co/" + "a" * 50, 63),
    "two links": ("stadtwerke.de stadtwerke.com", 47),
    "links beside other scripts": ("これはhttps://stadtwerke.deです", 33),
    "an address of mail is no link": ("hilfe@stadtwerke.de", 19),
    "an unknown ending is no link": ("datei.pdf", 9),
    "a name and a tag": ("@stadtwerke #strom", 18),
    "a lone surrogate": ("a\ud800", 3),
    "nothing": ("", 0),
}


@pytest.mark.parametrize("name", CASES)
def test_length(name: str) -> None:
    text, length = CASES[name]
    assert count(text) == length


def test_what_has_a_link() -> None:
    assert has_link("siehe stadtwerke.de")
    assert has_link("siehe https://stadtwerke.com/hilfe")
    assert not has_link("siehe datei.pdf, 3.14, hilfe@stadtwerke.de")


@pytest.mark.parametrize(
    "text",
    [".".join("ab" * 3000), "a." * 6000, "http://" + "a." * 6000, "a" * 20_000, "😷" * 5000],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    count(text)
    assert time.process_time() - began < 2


def test_what_fits_stays_whole() -> None:
    assert thread("kurz") == ("kurz",)
    assert thread("a" * 280) == ("a" * 280,)
    assert len(thread("a" * 281)) == 2


@pytest.mark.slow
def test_a_thread_is_cut_where_sentences_end() -> None:
    first, second = thread("Ein Satz. " * 20 + "\n\n" + "Noch einer. " * 15)
    assert first.endswith("Ein Satz. 1/2")
    assert second.startswith("Noch einer.")
    with pytest.raises(ValueError, match="at the most"):
        thread("wort " * 2000)


@given(st.text(min_size=1, max_size=1500))
def test_every_part_fits_and_nothing_is_lost(text: str) -> None:
    parts = thread(text)
    assert len(parts) <= MAX_PARTS
    assert all(count(one) <= POST for one in parts)
    if len(parts) > 1:
        bare = [one.rpartition(" ")[0] for one in parts]
        assert "".join("".join(bare).split()) == "".join(text.split())
