import pytest
from channelmix_mastodon import text

AT = '<span class="h-card"><a href="https://a.example/@b" class="u-url mention">@<span>b</span></a>'


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>One</p><p>Two<br />three</p>", "One\n\nTwo\nthree"),
        ("<p>Fish &amp; chips &lt;3 &#128591;</p>", "Fish & chips <3 🙏"),
        (f"<p>{AT}</span> hello</p>", "@b hello"),
        (
            (
                '<a href="https://a.example/long"><span class="invisible">https://</span>'
                '<span class="ellipsis">a.example</span><span class="invisible">/long</span></a>'
            ),
            "https://a.example/long",
        ),
        ('<a href="https://a.example/x">here</a>.', "here (https://a.example/x)."),
        ('<a href="https://a.example/t/x" class="mention hashtag">#<span>x</span></a>', "#x"),
        ("<p>Look:</p><ul><li>one</li><li>two</li></ul>", "Look:\n\n- one\n- two"),
        ("<blockquote><p>said</p></blockquote><p>no</p>", "said\n\nno"),
        ("without any tag, a < b & c", "without any tag, a < b & c"),
        ("<p> kept </p>", " kept "),
        ("<![x", "<![x"),
        ("", ""),
    ],
)
def test_html_becomes_what_a_person_reads(html: str, shown: str) -> None:
    assert text.read(html) == shown


@pytest.mark.parametrize(
    ("said", "length"),
    [
        ("Yes.", 4),
        ("https://a.example/" + "x" * 300, 23),
        ("http://a.de", 23),
        ("see https://a.example, please", 4 + 23 + 7),
        ("@mira@kunden.example hello", len("@mira hello")),
        ("@mira hello", len("@mira hello")),
        ("mail mira@kunden.example", len("mail mira@kunden.example")),
        ("🙏🏽", 2),
    ],
)
def test_length_is_counted_as_the_server_does(said: str, length: int) -> None:
    assert text.count(said) == length


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("@mira@kunden.example yes", True),
        ("yes, @Mira@Kunden.example.", True),
        ("@mira yes", False),
        ("@mira@kunden.example.org yes", False),
    ],
)
def test_a_mention_is_known(said: str, *, named: bool) -> None:
    assert text.mentions(said, "mira@kunden.example") is named
