"""Our own videos: context of what is asked below them, and articles of the help library."""

import json
from datetime import timedelta

import pytest
from channelmix.records import Article, Deletion, Kind, Message, Poll
from channelmix_youtube.simulator_world import RefusedError

TURNS = timedelta(hours=6)


def articles(inbounds):
    return {one.id: one for one in inbounds if isinstance(one, Article)}


def context(inbounds):
    return {one.id: one for one in inbounds if isinstance(one, Message) and one.own}


def gone(inbounds):
    return [one.id for one in inbounds if isinstance(one, Deletion)]


async def round_of(y):
    """Let a list and the details behind it have their turns."""
    told = []
    for _ in range(2):
        y.clock.advance(TURNS)
        told += await y.walk("videos")
    return told


async def test_our_videos_are_context(y) -> None:
    told = context(await y.walk("videos"))[y.video.id]
    assert (told.own, told.kind, told.text) == (True, Kind.POST, "Lampe wechseln")
    y.clock.advance(TURNS)
    for number in range(60):
        y.sim.video(f"Film {number}")
    assert len(context(await round_of(y))) == 61


async def test_a_video_of_ours_is_an_article(y) -> None:
    film = y.sim.video(
        "Zählerstand & Co.",
        description="So wird abgelesen.",
        language="de-AT",
        tags=["zaehler", "strom"],
    )
    assert articles(await y.walk("videos"))[film.id] == Article(
        id=film.id,
        title="Zählerstand & Co.",
        url=f"https://youtu.be/{film.id}",
        published_at=film.published,
        text="So wird abgelesen.",
        thumbnail=f"https://i.ytimg.com/vi/{film.id}/mq.jpg",
        language="de",
        topics=("zaehler", "strom"),
    )


@pytest.mark.parametrize("privacy", ["unlisted", "private"])
async def test_what_not_everybody_sees_is_no_article_until_it_is_public(y, privacy) -> None:
    film = y.sim.video("Noch geheim", privacy=privacy)
    told = await y.walk("videos")
    assert (set(articles(told)), gone(told)) == ({y.video.id}, [])
    assert film.id in context(told)
    told = await round_of(y)
    assert gone(told) == []
    film.privacy = "public"
    assert film.id in articles(await round_of(y))


@pytest.mark.parametrize("privacy", ["unlisted", "private"])
async def test_what_is_made_private_is_taken_out(y, privacy) -> None:
    await y.walk("videos")
    y.video.privacy = privacy
    told = await round_of(y)
    assert told == [Deletion(id=y.video.id, at=y.clock.now(), thread=y.video.id)]
    assert await round_of(y) == []


async def test_what_goes_and_comes_back_again_is_told_each_time(y) -> None:
    await y.walk("videos")
    keys, told = [], []
    for privacy in ("private", "public", "private", "public"):
        y.video.privacy = privacy
        for _ in range(2):  # the list, then the details
            y.clock.advance(TURNS)
            polled = await y.channel.poll(Poll(source="videos", cursor=y.cursors["videos"]))
            y.cursors["videos"] = polled.cursor
            new = [one for one in polled.events if y.video.id in one.key and "Item" not in one.key]
            keys += [one.key for one in new]
            told += [type(y.channel.ingest(one).inbounds[-1]) for one in new]
    assert told == [Deletion, Article, Deletion, Article]
    assert len(set(keys)) == len(keys)


async def test_what_is_deleted_is_taken_out_once(y) -> None:
    y.sim.video("Bleibt")
    await y.walk("videos")
    del y.sim.world.videos[y.video.id]
    assert gone(await round_of(y)) == [y.video.id]
    assert gone(await round_of(y)) == []


async def test_a_stream_is_an_article_once_it_is_over(y) -> None:
    stream = y.sim.video("Live aus dem Werk", live=True)
    assert stream.id not in articles(await y.walk("videos"))
    y.sim.end(stream)
    assert stream.id in articles(await round_of(y))


@pytest.mark.parametrize("part", ["title", "description", "tags", "language"])
async def test_a_changed_video_comes_in_a_new_version_and_an_unchanged_one_does_not(
    y, part
) -> None:
    async def look():
        polled = await y.channel.poll(Poll(source="video", argument=y.video.id))
        (event,) = polled.events
        return event.key, articles(y.channel.ingest(event).inbounds)[y.video.id]

    before = await look()
    y.clock.advance(TURNS)
    assert await look() == before
    setattr(y.video, part, ["neu"] if part == "tags" else "neu")
    key, article = await look()
    assert key != before[0]
    assert article != before[1]


async def test_a_day_of_videos_costs_four_units(y) -> None:
    for number in range(120):
        y.sim.video(f"Film {number}")
    await y.walk("videos")
    assert y.calls() == ["GET playlistItems"] * 3 + ["GET videos"] * 3
    y.sim.sent.clear()
    y.clock.advance(TURNS)
    new = y.sim.video("Neu")
    told = []
    for _ in range(4):
        y.clock.advance(TURNS)
        told += await y.walk("videos")
    calls = [one for one in y.calls() if one != "POST /token"]  # Google charges nothing for it
    assert calls == ["GET playlistItems", "GET videos"] * 2
    assert new.id in articles(told)


async def test_all_videos_are_looked_at_round_and_round(y) -> None:
    films = [y.sim.video(f"Film {number}") for number in range(120)]
    await y.walk("videos")
    for film in films:
        film.privacy = "private"
    told = [one for _ in range(3) for one in gone(await round_of(y))]
    assert sorted(told) == [film.id for film in films]


async def test_a_cursor_that_knows_no_videos_begins_with_all_of_them(y) -> None:
    y.cursors["videos"] = {"since": "2027-01-01T00:00:00Z", "etag": "old"}
    assert y.video.id in articles(await y.walk("videos"))


async def test_a_stale_page_of_the_list_begins_the_walk_anew(y) -> None:
    for number in range(60):
        y.sim.video(f"Film {number}")
    first = await y.channel.poll(Poll(source="videos"))
    y.cursors["videos"] = json.loads(json.dumps(first.cursor))
    y.sim.spoil_pages()
    await y.walk("videos")
    assert len(articles(await y.walk("videos"))) == 61


async def test_a_channel_without_videos_is_asked_rarely(y) -> None:
    y.sim.refusals["GET playlistItems"] = RefusedError(404, "playlistNotFound")
    assert await y.walk("videos") == []
    assert y.again_in == timedelta(days=1)
    y.sim.refusals.clear()
    assert y.video.id in articles(await y.walk("videos"))


async def test_the_same_cursor_brings_the_same_keys(y) -> None:
    first = await y.channel.poll(Poll(source="videos"))
    saved = json.dumps(first.cursor)
    told = [
        [one.key for one in (await y.channel.poll(Poll(source="videos", cursor=cursor))).events]
        for cursor in (first.cursor, first.cursor, json.loads(saved))
    ]
    assert told[0] == told[1] == told[2]
    assert json.dumps(first.cursor) == saved
