"""What others recorded, file by file: what we expect by reading it, and what it becomes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from channelmix.records import Payload
from channelmix_instagram.parsing import ingest, split
from channelmix_meta.testing_stage import brief

RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "meta"

OWN, COMMENT, ARTICLE = "own post", "message comment", "article"
EXPECTED = {
    "python-facebook/instagram/comments/comment_fields.json": [COMMENT],
    "python-facebook/instagram/comments/comments_fields.json": [COMMENT] * 2,
    "python-facebook/instagram/comments/replies.json": [COMMENT],
    "python-facebook/instagram/discovery/medias_p1.json": ["ignored: another account's profile"],
    "python-facebook/instagram/discovery/medias_p2.json": ["ignored: another account's profile"],
    "python-facebook/instagram/discovery/user_fields.json": ["ignored: another account's profile"],
    "python-facebook/instagram/hashtags/hashtag_top_medias_p2.json": [OWN, ARTICLE] * 25,
    "python-facebook/instagram/hashtags/hashtags_info.json": ["ignored: hashtag or profile"] * 2,
    "python-facebook/instagram/medias/children.json": [OWN] * 2,
    "python-facebook/instagram/medias/comments_p1.json": [COMMENT] * 2,
    "python-facebook/instagram/medias/comments_p2.json": [COMMENT] * 2,
    "python-facebook/instagram/medias/insights.json": ["ignored: insight"] * 3,
    "python-facebook/instagram/medias/insights_new.json": ["ignored: insight"],
    "python-facebook/instagram/medias/media_default.json": [OWN, ARTICLE],
    "python-facebook/instagram/medias/medias_fields.json": [OWN, ARTICLE] * 2,
    "python-facebook/instagram/medias/product_tags.json": ["ignored: product"],
    "python-facebook/instagram/publish/container_info.json": ["ignored: container"],
    "python-facebook/instagram/publish/containers_info.json": ["ignored: container"] * 2,
    "python-facebook/instagram/publish/create_photo.json": ["ignored: no content asked for"],
    "python-facebook/instagram/publish/publish_container.json": ["ignored: no content asked for"],
    "python-facebook/instagram/publish/publish_limit_resp.json": ["ignored: publishing limit"],
    "python-facebook/instagram/stories/stories_default.json": [OWN] * 3,
    "python-facebook/instagram/stories/stories_fields_p1.json": [OWN] * 2,
    "python-facebook/instagram/stories/stories_fields_p2.json": [OWN],
    "python-facebook/instagram/stories/stories_info.json": [OWN] * 2,
    "python-facebook/instagram/users/available_catalogs.json": ["ignored: catalogue"],
    "python-facebook/instagram/users/catalog_product_search.json": ["ignored: product"],
    "python-facebook/instagram/users/content_publish_limit.json": ["ignored: publishing limit"],
    "python-facebook/instagram/users/hashtag_search.json": ["ignored: hashtag or profile"],
    "python-facebook/instagram/users/live_medias.json": [OWN],
    "python-facebook/instagram/users/medias_p1.json": [OWN] * 2,
    "python-facebook/instagram/users/medias_p2.json": [OWN, ARTICLE] * 2,
    "python-facebook/instagram/users/mentioned_comment.json": ["message mention"],
    "python-facebook/instagram/users/product_appeal.json": ["ignored: product"],
    "python-facebook/instagram/users/user_fields.json": ["ignored: profile"],
    "python-facebook/instagram/users/user_insights.json": ["ignored: insight"] * 3,
    "python-facebook/instagram/users/user_insights_new.json": ["ignored: insight"],
    "restfb/instagram/audio-response.json": ["ignored: audio"],
    "restfb/instagram/container.json": ["ignored: container"],
    "restfb/instagram/container_no_copyright.json": ["ignored: container"],
    "restfb/instagram/content_publishing_limit.json": ["ignored: publishing limit"],
    "restfb/instagram/ig_login_exception.json": ["ignored: graph error"],
    "restfb/instagram/media-carousel.json": [OWN, ARTICLE],
    "restfb/instagram/media-image.json": [OWN, ARTICLE],
    "restfb/instagram/media-with-boost-ads.json": ["ignored: boosted media"],
    "restfb/instagram/mentioned-media.json": ["message mention"],
    "restfb/instagram/messaging-attachment-unsupported.json": ["message direct_message"],
    "restfb/instagram/messaging-seen.json": ["delivery_status"],
    "restfb/instagram/user.json": ["ignored: profile"],
    # Both have the entry id 0 and the text of Meta's own sample: the dashboard's Test button.
    "restfb/instagram/wh-comments-2021.json": ["ignored: dashboard test"],
    "restfb/instagram/wh-mentions.json": ["ignored: dashboard test"],
    "restfb/v10_0/instagram-message.json": ["message story_reply"],
}


@pytest.fixture(scope="module")
def recorded() -> dict[str, bytes]:
    if not RECORDED.is_dir():
        pytest.skip("the recorded payloads are not beside this repository")
    files = [path for path in RECORDED.rglob("*.json") if "instagram" in str(path)]
    return {str(path.relative_to(RECORDED)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_payload(name: str, recorded: dict[str, bytes]) -> None:
    events = split(Payload(body=recorded[name])).events
    found = [brief(one) for event in events for one in ingest(event, account="").inbounds]
    assert Counter(found) == Counter(EXPECTED[name])


def test_every_recorded_file_is_in_the_table(recorded: dict[str, bytes]) -> None:
    assert recorded.keys() == EXPECTED.keys()


def test_nothing_that_a_customer_said_is_lost(recorded: dict[str, bytes]) -> None:
    """Whatever has a text or an attachment in it is a message; the profiles of others are none."""
    said = (b'"text"', b'"caption"', b'"attachments"', b'"message":')
    for name, body in recorded.items():
        if any(word in body for word in said) and "discovery" not in name and "wh-" not in name:
            kinds = " ".join(EXPECTED[name])
            assert "message" in kinds or "own" in kinds or "error" in kinds, name
