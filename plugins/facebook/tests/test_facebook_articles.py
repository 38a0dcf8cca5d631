"""Photos and videos on our page, by webhook and in Graph answers, as articles."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from channelmix.records import Article, Deletion, Edit, Inbound, Message, Payload, RawEvent
from channelmix_facebook.parsing import ingest, split

PAGE, POST = "500", "500_90"
MADE = datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)
TEXT = "Changing a lamp\nIn ten minutes."
PICTURE = "https://scontent.fbcdn.net/v/lamp.jpg"
WEBHOOK = {
    "item": "photo",
    "verb": "add",
    "post_id": POST,
    "photo_id": "90",
    "link": PICTURE,
    "from": {"id": PAGE, "name": "Stadtwerke Musterstadt"},
    "message": TEXT,
    "published": 1,
    "created_time": int(MADE.timestamp()),
}
GRAPH = {
    "id": POST,
    "message": TEXT,
    "created_time": "2025-06-15T15:06:40+0000",
    "from": {"id": PAGE},
    "permalink_url": f"https://www.facebook.com/{POST}",
    "is_hidden": False,
    "is_published": True,
    "status_type": "added_photos",
    "full_picture": PICTURE,
    "attachments": {"data": [{"media_type": "photo", "media": {"image": {"src": PICTURE}}}]},
}
ARTICLE = Article(
    id=POST,
    title="Changing a lamp",
    url=f"https://www.facebook.com/{POST}",
    published_at=MADE,
    text=TEXT,
    thumbnail=PICTURE,
)
VIDEO = {"media_type": "video", "media": {"source": "https://video.fbcdn.net/lamp.mp4"}}


def events(body: Any, source: str = "webhook") -> tuple[RawEvent, ...]:
    return split(Payload(body=json.dumps(body).encode(), source=source)).events


def means(body: Any, source: str = "webhook") -> list[Inbound]:
    arrived = [evolve(one, received_at=datetime.now(UTC)) for one in events(body, source)]
    return [told for one in arrived for told in ingest(one, account=PAGE).inbounds]


def pushed(**more: Any) -> list[Inbound]:
    change = {"field": "feed", "value": WEBHOOK | more}
    entry = {"id": PAGE, "time": int(MADE.timestamp()) + 60, "changes": [change]}
    return means({"object": "page", "entry": [entry]})


def swept(**more: Any) -> list[Inbound]:
    return means({"data": [GRAPH | more]}, "feed")


def articles(told: list[Inbound]) -> list[Article]:
    return [one for one in told if isinstance(one, Article)]


@pytest.mark.parametrize("road", [pushed, swept])
def test_a_photo_of_ours_is_an_article_beside_the_post(road: Any) -> None:
    post, article = road()
    assert isinstance(post, Message)
    assert post.own
    assert article == ARTICLE


def test_a_video_of_ours_is_an_article_with_a_still_picture() -> None:
    (article,) = articles(swept(attachments={"data": [VIDEO]}))
    assert article.thumbnail == PICTURE
    still = {**VIDEO, "media": {"image": {"src": "https://x.fbcdn.net/s.jpg"}}}
    (article,) = articles(swept(full_picture=None, attachments={"data": [still]}))
    assert article.thumbnail == "https://x.fbcdn.net/s.jpg"
    (article,) = articles(pushed(item="video", photo_id=None, video_id="9", link="https://x/v.mp4"))
    assert article.thumbnail is None


@pytest.mark.parametrize(
    "more",
    [
        {"message": None},
        {"message": " \n"},
        {"from": {"id": "41", "name": "A visitor"}},
        {"link": None, "photo_id": None, "item": "status"},
        {"photo_id": None, "link": "https://example.org", "item": "share"},
        {"published": 0},
        {"verb": "hide"},
        {"is_hidden": True},
    ],
    ids=str,
)
def test_a_webhook_that_brings_no_article(more: dict[str, Any]) -> None:
    assert articles(pushed(**more)) == []


@pytest.mark.parametrize(
    "more",
    [
        {"message": None},
        {"from": {"id": "41"}},
        {"full_picture": None, "attachments": None},
        {"attachments": {"data": [{"media_type": "link", "url": "https://example.org"}]}},
        {"is_published": False},
        {"is_hidden": True},
    ],
    ids=str,
)
def test_a_post_in_the_feed_that_is_no_article(more: dict[str, Any]) -> None:
    told = swept(**more)
    assert (len(told), articles(told)) == (1, [])


def test_an_edit_brings_the_article_anew_where_it_tells_all() -> None:
    told = pushed(verb="edited", message="Changing a bulb\nIn ten minutes.")
    assert [type(one) for one in told] == [Edit, Article]
    assert articles(told)[0].title == "Changing a bulb"
    assert articles(pushed(verb="edited", message=None)) == []
    assert articles(pushed(verb="edited", published=0)) == []


def test_a_deletion_takes_it_out() -> None:
    (gone,) = pushed(verb="remove", message=None, link=None)
    assert isinstance(gone, Deletion)
    assert gone.id == POST


@pytest.mark.parametrize("text", ["Changing a bulb\nIn ten minutes.", "Changing a lamp\nIn one."])
def test_only_a_changed_text_is_a_new_version(text: str) -> None:
    def key(**more: Any) -> str:
        (event,) = events({"data": [GRAPH | more]}, "feed")
        return event.key

    signed = f"{PICTURE}?oh=1&oe=2"
    assert key(updated_time="2025-06-16T00:00:00+0000", full_picture=signed) == key()
    assert key(message=text) != key()
    assert articles(swept(message=text)) != articles(swept())


def test_a_long_first_line_is_cut_for_the_title() -> None:
    (article,) = articles(swept(message="a" * 300))
    assert (article.title, article.text) == ("a" * 99 + "…", "a" * 300)
