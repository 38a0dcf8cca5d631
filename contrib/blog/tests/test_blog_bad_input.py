"""What is no feed, too long, or a bomb: refused with one clear line, and nothing is lost."""

import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from channelmix.config import load
from channelmix.errors import ConfigError, InvalidPayload, Rejected, RetryLater
from channelmix.records import Article, Ignored, Message, RawEvent
from channelmix.testing.simulator import Answer
from channelmix_blog import feed, markup, parsing
from channelmix_blog.client import LONGEST

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><rss version="2.0"><channel>&l9;</channel></rss>'
OUTSIDE = (
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    '<rss version="2.0"><channel><item><title>&e;</title></item></channel></rss>'
)
BLOWN_UP = (
    f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><rss><channel>{"&a;" * 50_000}</channel></rss>'
)
ITEM = "<item><title>T</title><link>https://b.example.org/t</link>{}</item>"


def rss(items: str) -> bytes:
    return f'<rss version="2.0"><channel>{items}</channel></rss>'.encode()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the feed is not XML"),
        (b"Not found", "the feed is not XML: syntax error: line 1"),
        (b"{}", "the feed is not XML"),
        (b"<html><body>moved</body></html>", "this is no feed, RSS or Atom: it begins with <html>"),
        (b"<!DOCTYPE html><html><br></html>", "the feed is not XML: mismatched tag: line 1"),
        (rss(ITEM)[:60], "the feed is not XML"),
        (rss("<item>\xff</item>")[:-20] + b"\xff\xfe", "the feed is not XML"),
        (BOMB.encode(), "the feed is refused: EntitiesForbidden"),
        (BOMB.encode("utf-16"), "the feed is refused: EntitiesForbidden"),
        (OUTSIDE.encode(), "the feed is refused: EntitiesForbidden"),
        (BLOWN_UP.encode(), "the feed is refused: EntitiesForbidden"),
        (b'<?xml version="1.0" encoding="none-such"?><rss/>', "the feed is not XML"),
        (rss(" " * LONGEST), "the feed is longer than 5 MB"),
        (rss("<x/>" * 30_000), "the feed has more than 20000 elements"),
    ],
)
async def test_what_is_no_feed_is_refused_and_loses_nothing(on_stage, body, told) -> None:
    with pytest.raises(InvalidPayload, match=told) as error:
        feed.read(body, "https://b.example.org/feed/")
    assert "\n" not in str(error.value)
    async with on_stage(feed="feed/", comments_feed="comments/feed/") as b:
        b.sim.comment(b.sim.post("Vorher"), "Mira", "Vorher?")
        read = [*await b.walk("articles"), *await b.walk()]
        cursors = dict(b.cursors)
        b.sim.comment(b.sim.post("Indessen"), "Mira", "Indessen?")
        for path, source in (("/feed/", "articles"), ("/comments/feed/", "comments")):
            b.sim.answers[path] = Answer(body=body, content_type="application/rss+xml")
            with pytest.raises(InvalidPayload):
                await b.walk(source)
        assert b.cursors == cursors
        b.sim.answers.clear()
        read += [*await b.walk("articles"), *await b.walk()]
    assert [one.title for one in read if isinstance(one, Article)] == ["Vorher", "Indessen"]
    assert [one.text for one in read if isinstance(one, Message)] == ["Vorher?", "Indessen?"]


@pytest.mark.parametrize("packed", [False, True])
async def test_no_more_is_read_than_is_needed_to_refuse_it(on_stage, monkeypatch, packed) -> None:
    """A feed of 50 MB is left after 5, also if it comes as 50 KB that unpack to that."""
    taken, whole = 0, httpx.Response.aiter_raw

    async def counted(answer: httpx.Response) -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in whole(answer):
            taken += len(chunk)
            yield chunk

    body = b"<rss>" + b" " * 50_000_000
    monkeypatch.setattr(httpx.Response, "aiter_raw", counted)
    async with on_stage(feed="feed/") as b:
        headers = {"Content-Encoding": "gzip"} if packed else {}
        sent = gzip.compress(body) if packed else body
        b.sim.answers["/feed/"] = Answer(body=sent, headers=headers)
        tracemalloc.start()
        with pytest.raises(InvalidPayload, match="GET /feed/: longer than 5 MB"):
            await b.walk("articles")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert taken < LONGEST + 1_000_000
    if packed:  # else the server here, which has to send it, holds more
        assert most < 4 * LONGEST


async def test_a_packed_feed_is_unpacked(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        b.sim.post("Eins")
        body = gzip.compress(b.sim.world.feed().encode())
        b.sim.answers["/feed/"] = Answer(body=body, headers={"Content-Encoding": "gzip"})
        assert [one.title for one in await b.walk("articles")] == ["Eins"]
        assert b.sim.sent[0].request.headers["accept-encoding"] == "gzip"
        b.sim.answers["/feed/"] = Answer(body=b"no", headers={"Content-Encoding": "gzip"})
        with pytest.raises(RetryLater, match="cannot be unpacked"):
            await b.walk("articles")


def test_a_feed_may_name_a_dtd_as_old_ones_do() -> None:
    dtd = b'<!DOCTYPE rss PUBLIC "-//N//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss-0.91.dtd">\n'
    assert len(feed.read(dtd + rss(ITEM), "https://b.example.org/")) == 1


def test_spaces_before_a_feed_do_no_harm() -> None:
    head = b'\n\n  <?xml version="1.0"?>'
    assert len(feed.read(head + rss(ITEM), "https://b.example.org/")) == 1


@pytest.mark.parametrize(
    "more",
    [
        "<pubDate>yesterday</pubDate>",
        "<pubDate>Tue, 99 Nov 99999 99:99:99 +9999</pubDate>",
        "<guid></guid>",
        f"<guid>{'x' * 5000}</guid>",
        "<link>http://[</link>",
        "<category/><category></category>",
        '<enclosure url="http://[" type="image/png"/>',
        '<description>&lt;img src="http://["&gt;</description>',
        f"<description>&amp;#{'9' * 6000};</description>",
        "<author>@@((</author>",
    ],
)
def test_an_odd_entry_is_read_as_far_as_it_goes(more) -> None:
    entries = feed.read(rss(ITEM.format(more) + ITEM.format("")), "https://b.example.org/feed/")
    event, other = (parsing.entry_event(one, "articles") for one in entries)
    for one in (event, other):
        [inbound] = parsing.ingest(one, CONFIG).inbounds
        assert isinstance(inbound, Article | Ignored)
        assert len(getattr(inbound, "id", "x")) <= 512
    assert isinstance(inbound, Article)


CONFIG = (
    load({"channels": {"b": {"network": "blog", "url": "https://b.example.org"}}})
    .channels["b"]
    .config
)


@pytest.mark.parametrize(
    ("comment", "kind"),
    [
        ({}, Ignored),
        ({"code": "rest_no_route"}, Ignored),
        ({"id": 1, "post": 2}, Ignored),
        ({"id": 1, "post": 2, "content": {"rendered": ""}}, Ignored),
        ({"id": 1, "post": 2, "content": {"rendered": "x"}, "_embedded": {"up": 5}}, Message),
        ({"id": 1, "post": 2, "content": {"rendered": "x"}, "author_avatar_urls": []}, Message),
        ({"id": True, "post": 2, "content": {"rendered": "x"}}, Ignored),
    ],
)
def test_an_odd_comment_is_read_or_ignored_aloud(comment, kind) -> None:
    raw = RawEvent(key="1", body=json.dumps({"comment": comment}).encode())
    [inbound] = parsing.ingest(raw, CONFIG).inbounds
    assert isinstance(inbound, kind)


@pytest.mark.parametrize("body", [b"<html>no</html>", b"null", b"[" * 5000, b""])
async def test_an_answer_that_is_no_json_is_no_answer(b, body) -> None:
    await b.walk()
    b.sim.answers["/wp-json/wp/v2/comments"] = Answer(body=body)
    cursors = dict(b.cursors)
    with pytest.raises(RetryLater, match="the answer is no JSON: is the REST API on"):
        await b.walk()
    assert b.cursors == cursors


async def test_where_wordpress_is_not_it_says_so(b) -> None:
    body = {"code": "rest_no_route", "message": "No route", "data": {"status": 404}}
    b.sim.answers["/wp-json/wp/v2/users/me"] = Answer(status=404, body=body)
    with pytest.raises(Rejected, match="is it WordPress, with its REST API on"):
        await b.walk()


async def test_a_server_that_wants_a_rest_gets_it(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        b.sim.answers["/feed/"] = Answer(status=503, body=b"", headers={"Retry-After": "600"})
        with pytest.raises(RetryLater) as error:
            await b.walk("articles")
        assert error.value.after == timedelta(minutes=10)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        "&a",
        "<!--",
        "</",
        "<script>",
        "<script></s",
        "<a b='",
        "<?",
        "<p>\n</p> ",
        "<b> ",
    ],
)
def test_no_markup_takes_long_to_read(piece) -> None:
    """Half a megabyte of it; the standard library's parser takes minutes for some of these."""
    html = piece * (500_000 // len(piece))
    started = time.process_time()
    markup.plain(html)
    markup.picture(html, "https://b.example.org/")
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Nur Text\n so wie er ist", "Nur Text\n so wie er ist"),
        ("<p>Eins\nzwei</p>\n<p>drei<br />\nvier</p>\n", "Eins zwei\n\ndrei\nvier"),
        ("a &lt;b&gt; &amp;amp; &#8230; &nope; 3 < 4", "a <b> &amp; … &nope; 3 < 4"),
        ("<ul><li>eins</li>\n<li>zwei</li></ul>", "eins\nzwei"),
        ("x<script>alert(1)</script>y<!-- z --><style>p{}", "xy"),
        ("Gut <img class='emoji' alt='🙂' src='x.png'>", "Gut 🙂"),
        ("<a title='a > b' href=\"x\">Link</a>", "Link"),
        (f"&#{'9' * 6000};<b>x</b>", "\N{REPLACEMENT CHARACTER}x"),
    ],
)
def test_html_becomes_the_text_that_people_see(html, text) -> None:
    assert markup.plain(html) == text


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"url": "blog.example.org"}, "url is the blog's address"),
        ({"url": "ftp://blog.example.org"}, "url is the blog's address"),
        ({"feed": "file:///etc/passwd"}, "feed is an address"),
        ({"comments_feed": ""}, "comments_feed is an address"),
        ({"language": "de-DE"}, "language is a short code, like de"),
        ({"backfill_days": -1}, "backfill_days cannot be negative"),
        ({"wordpress": True, "user": "x"}, "user and application_password go together"),
        ({"wordpress": True, "application_password": "x"}, "go together"),
        (
            {"url": "http://b.org", "wordpress": True, "user": "x", "application_password": "x"},
            "wants an https url",
        ),
        ({"wordpres": True}, "wordpress"),
    ],
)
def test_mistakes_in_the_configuration_are_named(section, told) -> None:
    said = {"network": "blog", "url": "https://blog.example.org", **section}
    with pytest.raises(ConfigError) as error:
        load({"channels": {"b": said}})
    [problem] = error.value.problems
    assert told in problem
    assert problem.startswith("channels.b")
