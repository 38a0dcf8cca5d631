"""Recorded answers of the Data API: what each holds, by reading, and what comes of it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from channelmix.records import Ignored, Message, Payload
from channelmix_youtube import parsing

RECORDED = Path(__file__).resolve().parents[4] / "shared/recorded/youtube"
COMMENT, VIDEO = "message comment", "message mention"
EXPECTED = {
    "activities/activities_by_mine_p1.json": {"ignored activity": 1},
    "activities/activities_by_mine_p2.json": {"ignored activity": 1},
    "captions/captions_by_video.json": {"ignored caption": 2},
    "captions/update_response.json": {"ignored caption": 1},
    "channel_info_multi.json": {"ignored channel": 2},
    "channel_sections/channel_sections_by_channel.json": {"ignored channelSection": 3},
    "channel_sections/insert_resp.json": {"ignored channelSection": 1},
    "channels/info_multiple.json": {"ignored channel": 2},
    "comment_threads/comment_threads_by_channel.json": {COMMENT: 2},
    "comment_threads/comment_threads_multi.json": {COMMENT: 2},
    "comment_threads/comment_threads_with_search.json": {COMMENT: 1},
    "comment_threads/insert_response.json": {COMMENT: 1},
    "comments/comments_by_parent_paged_1.json": {COMMENT: 2},
    "comments/comments_single.json": {COMMENT: 1},
    "comments/insert_response.json": {COMMENT: 1},
    "error_response.json": {"ignored an error": 1},
    "members/membership_levels.json": {"ignored membershipsLevel": 2},
    "playlist_items/insert_response.json": {VIDEO: 1},
    "playlist_items/playlist_items_multi.json": {VIDEO: 2},
    "playlist_items/playlist_items_paged_1.json": {VIDEO: 10},
    "playlist_items/playlist_items_paged_2.json": {VIDEO: 3},
    "playlist_items/playlist_items_single.json": {VIDEO: 1},
    "playlists/insert_response.json": {"ignored playlist": 1},
    "playlists/playlists_mine.json": {"ignored playlist": 2},
    "playlists/playlists_multi.json": {"ignored playlist": 2},
    "playlists/playlists_paged_1.json": {"ignored playlist": 10},
    "playlists/playlists_paged_2.json": {"ignored playlist": 10},
    "search/search_by_keywords_p1.json": {VIDEO: 25},
    "search/search_by_location.json": {VIDEO: 5},
    "search/search_by_mine.json": {VIDEO: 2},
    "subscriptions/subscription_zero.json": {},
    "subscriptions/subscriptions_by_channel_p1.json": {"ignored subscription": 5},
    "subscriptions/subscriptions_by_mine_filter.json": {"ignored subscription": 2},
    "subscriptions/subscriptions_by_mine_p1.json": {"ignored subscription": 9},
    "videos/videos_chart_paged_1.json": {VIDEO: 5},
    "videos/videos_chart_paged_2.json": {VIDEO: 3},
    "videos/videos_info_multi.json": {VIDEO: 2},
    "videos/videos_info_single.json": {VIDEO: 1},
    "videos/videos_myrating_paged_1.json": {VIDEO: 2},
    "videos/videos_myrating_paged_2.json": {VIDEO: 1},
}
"""Whose channel is ours is in none of them, so every video is somebody else's."""


@pytest.fixture(scope="module")
def recorded():
    if not RECORDED.is_dir():
        pytest.skip("the recorded answers are not beside this repository")
    return RECORDED


def got(body) -> dict[str, int]:
    events = parsing.split(Payload(body=body)).events
    inbounds: list[Any] = []
    for event in events:
        inbounds += parsing.ingest(event, channel_id="UC0").inbounds
    return dict(
        Counter(
            f"ignored {one.reason}"
            if isinstance(one, Ignored)
            else f"{type(one).__name__.lower()} {one.kind}"
            for one in inbounds
        )
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_answer(recorded, name) -> None:
    assert got((recorded / name).read_bytes()) == EXPECTED[name]


def test_every_recorded_file_is_in_the_table(recorded) -> None:
    found = {str(one.relative_to(recorded)) for one in recorded.rglob("*.json")}
    assert found == set(EXPECTED)


def test_a_recorded_comment_says_all_it_has(recorded) -> None:
    body = (recorded / "comment_threads/comment_threads_by_channel.json").read_bytes()
    (event, *_) = parsing.split(Payload(body=body)).events
    (told,) = parsing.ingest(event, channel_id="UC0").inbounds
    assert isinstance(told, Message)
    assert (told.text, told.id) == ("Hello", "UgyUBI0HsgL9emxcZpR4AaABAg")
    assert told.sent_at.isoformat() == "2019-06-23T02:49:00+00:00"
