from datetime import timedelta

import pytest
from channelmix.errors import Rejected
from channelmix.records import Article, Echo, Poll
from channelmix.testing.simulator import Answer
from channelmix_blog import feed

PICTURED = '<p>So <b>geht</b> es &amp; nicht anders.</p><p><img src="/ventil.jpg" /></p>'


async def test_an_article_is_read_whole(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        post = b.sim.post("Heizung & Co", PICTURED, "Heizung", "Sparen")
        [article] = await b.walk("articles")
    assert article == Article(
        id=f"https://blog.example.org/?p={post.id}",
        title="Heizung & Co",
        url=f"https://blog.example.org/{post.slug}/",
        published_at=post.published,
        text="So geht es & nicht anders.",
        thumbnail="https://blog.example.org/ventil.jpg",
        language="de",
        topics=("Heizung", "Sparen"),
    )


async def test_what_is_configured_outranks_the_language_of_the_feed(on_stage) -> None:
    async with on_stage(feed="feed/", language="en") as b:
        b.sim.post("Bleeding radiators")
        [article] = await b.walk("articles")
    assert article.language == "en"


async def test_an_unchanged_feed_is_not_sent_again(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        b.sim.post("Eins")
        assert len(await b.walk("articles")) == 1
        assert await b.walk("articles") == []
        assert [one.answer.status for one in b.sim.sent if one.answer] == [200, 304]


async def test_a_date_serves_where_there_is_no_etag(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        date = "Tue, 03 Nov 2026 09:00:00 GMT"
        body = b.sim.world.feed().encode()
        b.sim.answers["/feed/"] = Answer(body=body, headers={"Last-Modified": date})
        await b.walk("articles")
        b.sim.answers["/feed/"] = Answer(status=304, body=b"")
        await b.walk("articles")
        assert b.sim.sent[-1].request.headers["if-modified-since"] == date


async def test_only_what_is_new_or_changed_is_told(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        first = b.sim.post("Eins")
        await b.walk("articles")
        b.sim.post("Zwei")
        assert [one.title for one in await b.walk("articles")] == ["Zwei"]
        first.title = "Eins, neu"
        [changed] = await b.walk("articles")
        assert (changed.title, changed.id) == (
            "Eins, neu",
            f"https://blog.example.org/?p={first.id}",
        )


async def test_what_leaves_the_feed_is_not_gone(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        for number in range(25):
            b.clock.advance(timedelta(hours=1))
            b.sim.post(f"Nummer {number}")
            assert [type(one) for one in await b.walk("articles")] == [Article]
        b.sim.world.posts.clear()
        assert await b.walk("articles") == []


async def test_the_blogs_page_names_its_feed(on_stage) -> None:
    async with on_stage(language="de") as b:
        b.sim.post("Eins")
        assert len(await b.walk("articles")) == 1
        assert b.calls() == ["GET /", "GET /feed/"]
        b.sim.answers["/"] = Answer(body=b"<html>nothing</html>", content_type="text/html")
        with pytest.raises(Rejected, match="names no feed: write its address down"):
            await b.walk("articles")


async def test_a_feed_that_moved_is_named_and_not_followed(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        there = "http://127.0.0.1:9/internal?token=abc"
        b.sim.answers["/feed/"] = Answer(status=301, body=b"", headers={"Location": there})
        with pytest.raises(
            Rejected, match=r"it has moved to http://127\.0\.0\.1:9/internal: write"
        ):
            await b.walk("articles")
        assert b.calls() == ["GET /feed/"]


async def test_comments_of_a_feed_take_no_answer(on_stage) -> None:
    async with on_stage(feed="feed/", comments_feed="comments/feed/", authors=["Anna"]) as b:
        post = b.sim.post("Lampe wechseln")
        asked = b.sim.comment(post, "Mira", "Geht's auch mit < 40 Watt?\nOder nicht?")
        b.sim.comment(post, "Anna", "Ja.")
        theirs, ours = sorted(await b.walk(), key=lambda one: isinstance(one, Echo))
    link = f"https://blog.example.org/{post.slug}/"
    assert theirs.text == "Geht\N{RIGHT SINGLE QUOTATION MARK}s auch mit < 40 Watt?\nOder nicht?"
    assert (theirs.thread, theirs.url) == (link, f"{link}#comment-{asked.id}")
    assert "open the comment at the blog" in theirs.no_reply
    assert theirs.thread_text == "Comment on Lampe wechseln by Mira"
    assert isinstance(ours, Echo)


async def test_the_same_name_is_one_person_below_one_post_only(on_stage) -> None:
    async with on_stage(feed="feed/", comments_feed="comments/feed/") as b:
        posts = [b.sim.post("Eins"), b.sim.post("Zwei")]
        for post in (*posts, posts[0]):
            b.sim.comment(post, "Mira", f"Wie? {b.clock.now()}")
            b.clock.advance(timedelta(minutes=1))
        found = await b.walk()
    by_thread = {(one.thread, one.author.id) for one in found}
    assert len(found) == 3
    assert len(by_thread) == 2


async def test_the_first_look_goes_back_some_days_only(on_stage) -> None:
    async with on_stage(comments_feed="comments/feed/", backfill_days=1) as b:
        post = b.sim.post("Lampe")
        b.sim.comment(post, "Mira", "Alt")
        b.clock.advance(timedelta(days=3))
        b.sim.comment(post, "Mira", "Neu")
        assert [one.text for one in await b.walk()] == ["Neu"]
        b.sim.comment(post, "Ole", "Neuer")
        assert [one.text for one in await b.walk()] == ["Neuer"]


async def test_each_post_has_a_feed_of_its_own(on_stage) -> None:
    async with on_stage(feed="feed/", comments_feed="posts") as b:
        posts = [b.sim.post("Eins"), b.sim.post("Zwei")]
        for post in posts:
            b.sim.comment(post, "Mira", f"Zu {post.title}")
        assert {one.text for one in await b.walk()} == {"Zu Eins", "Zu Zwei"}
        assert len(b.calls()) == 3
        b.sim.comment(posts[1], "Ole", "Noch was")
        assert [one.text for one in await b.walk()] == ["Noch was"]
        b.sim.comment(b.sim.post("Drei"), "Ole", "Zum dritten")
        assert [one.text for one in await b.walk()] == ["Zum dritten"]


async def test_what_is_switched_off_asks_nothing(on_stage) -> None:
    async with on_stage(feed="feed/") as b:
        for source in ("comments", "changes"):
            polled = await b.channel.poll(Poll(source=source))
            assert polled.again_in == timedelta(days=1)
        assert b.calls() == []


def test_blogger_says_what_a_comment_is_about() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom"
      xmlns:thr="http://purl.org/syndication/thread/1.0"><entry><id>tag:blogger.com,1:c</id>
      <title>Re</title><content type="html">Wie &amp;lt; was?</content>
      <link rel="alternate" href="https://b.example.org/a.html?showComment=1#c1"/>
      <author><name>Mira</name><uri>https://mira.example.org/</uri></author>
      <thr:in-reply-to href="https://b.example.org/a.html" ref="tag:1"/></entry></feed>"""
    [entry] = feed.read(body, "https://b.example.org/feeds/comments/default")
    assert entry["on"] == "https://b.example.org/a.html"
    assert (entry["author"], entry["author_url"]) == ("Mira", "https://mira.example.org/")
