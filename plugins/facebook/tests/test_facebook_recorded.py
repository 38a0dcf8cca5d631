"""What others recorded, file by file: what we expect by reading it, and what it becomes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from channelmix.records import Payload
from channelmix_facebook.parsing import ingest, split
from channelmix_meta.testing_stage import brief

RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "meta"
FOLDERS = ("shapes", "restfb", "python-facebook")

EXPECTED = {
    "python-facebook/base/discovery_medias_p1.json": ["ignored: instagram object"],
    "python-facebook/base/full_connecions_p1.json": ["message post"] * 5,
    "python-facebook/base/full_connecions_p2.json": ["message post"] * 3,
    "python-facebook/base/long_term_token.json": ["ignored: token"],
    "python-facebook/base/object_data.json": ["ignored: page"],
    "python-facebook/base/objects_default.json": ["ignored: profile or page"] * 2,
    "python-facebook/base/threads_user_token.json": ["ignored: token"],
    "python-facebook/base/token_info.json": ["ignored: token"],
    "python-facebook/base/user_accounts_token.json": ["ignored: page"],
    "python-facebook/facebook/comments/comment_info.json": ["message comment"],
    "python-facebook/facebook/comments/comments_info.json": ["message comment"] * 2,
    "python-facebook/facebook/comments/comments_p1.json": ["message comment"] * 10,
    "python-facebook/facebook/comments/comments_p2.json": ["message comment"] * 5,
    "python-facebook/facebook/comments/create_resp.json": ["message comment"],
    "python-facebook/facebook/messages/messages_info.json": ["message direct_message"] * 2,
    "python-facebook/facebook/pages/multi_default_fields.json": ["ignored: page"] * 2,
    "python-facebook/facebook/pages/multi_pages.json": ["ignored: page"] * 2,
    "python-facebook/facebook/pages/search_pages.json": ["ignored: photo or page without an author"]
    * 5,
    "python-facebook/facebook/pages/single_fields_page.json": ["ignored: page"],
    "python-facebook/facebook/photos/photos_info_fields.json": [
        "ignored: photo or page without an author"
    ]
    * 2,
    "python-facebook/facebook/posts/feed_fields_p1.json": ["message post"] * 5,
    "python-facebook/facebook/posts/feed_fields_p2.json": ["message post"] * 5,
    "python-facebook/facebook/posts/feeds_default_fields_p1.json": ["message post"] * 5,
    "python-facebook/facebook/posts/multi_posts_data.json": ["message post"] * 2
    + ["message comment"] * 16,
    "python-facebook/facebook/posts/single_post_data.json": ["message post"],
    "python-facebook/facebook/posts/single_post_data_fields.json": ["message post"],
    "python-facebook/facebook/users/user_accounts_p1.json": ["ignored: page"] * 4,
    "python-facebook/facebook/users/user_accounts_p2.json": ["ignored: page"] * 2,
    "python-facebook/facebook/users/users_default.json": ["ignored: profile"] * 2,
    "restfb/graph/batch/batch-simple.json": ["ignored: batch answer"] * 2,
    "restfb/graph/exampleError.json": ["ignored: graph error"],
    "restfb/graph/exampleErrorNew.json": ["ignored: graph error"],
    "restfb/graph/exampleOauthError.json": ["ignored: graph error"],
    "restfb/graph/v2_11/opengraphrating-issue878.json": ["message review"],
    "restfb/graph/v2_2/comment_canHide.json": ["message comment"],
    "restfb/graph/v2_5/message-with-share.json": ["message direct_message"],
    "restfb/graph/v2_5/messages-with-attachments.json": ["message direct_message"] * 5,
    "restfb/graph/v2_6/sendresponse.json": ["ignored: send answer"],
    "restfb/graph/v2_7/page-with-whsub.json": ["ignored: page"],
    "restfb/graph/v2_9/comment-messagetags.json": ["ignored: no content asked for"],
    "restfb/graph/v2_9/userprofile.json": ["ignored: profile"],
    "restfb/graph/v3_2/page-with-ratings.json": ["ignored: page"],
    "restfb/graph/v7_0/message-eu.json": ["message direct_message"],
    "restfb/send/messenger-profile-settings.json": ["ignored: unknown object"],
    "restfb/v10_0/from-as-page.json": ["ignored: page"],
    "restfb/v10_0/from-as-user.json": ["ignored: profile"],
    "restfb/v10_0/instagram-message.json": ["message story_reply"],
    "restfb/v10_0/message-with-generic-template.json": ["message direct_message"],
    "restfb/webhooks/feed-album-add.json": ["own post"],
    "restfb/webhooks/feed-comment-add-25.json": ["echo comment"],
    "restfb/webhooks/feed-comment-add-with-photo.json": ["echo comment"],
    "restfb/webhooks/feed-comment-add-with-video.json": ["echo comment"],
    "restfb/webhooks/feed-comment-edited-25.json": ["edit"],
    "restfb/webhooks/feed-comment-hide.json": ["edit"],
    "restfb/webhooks/feed-comment-unhide.json": ["edit"],
    "restfb/webhooks/feed-event-add.json": ["own post"],
    "restfb/webhooks/feed-like-add-comment-25.json": ["reaction"],
    "restfb/webhooks/feed-like-remove-25.json": ["reaction"],
    "restfb/webhooks/feed-photo-add-message.json": ["own post", "article"],
    "restfb/webhooks/feed-photo-edited-message.json": ["edit", "article"],
    "restfb/webhooks/feed-photo-hide-message.json": ["edit"],
    "restfb/webhooks/feed-photo-remove-25.json": ["deletion"],
    "restfb/webhooks/feed-post-add-25.json": ["message post"],
    "restfb/webhooks/feed-post-hide.json": ["edit"],
    "restfb/webhooks/feed-post-remove-25.json": ["deletion"],
    "restfb/webhooks/feed-post-unhide.json": ["edit"],
    "restfb/webhooks/feed-reaction-add-reply.json": ["reaction"],
    "restfb/webhooks/feed-reaction-add.json": ["reaction"],
    "restfb/webhooks/feed-reaction-remove.json": ["reaction"],
    "restfb/webhooks/feed-share-hide.json": ["edit"],
    "restfb/webhooks/feed-share-unhide.json": ["edit"],
    "restfb/webhooks/feed-status-add-25.json": ["own post"],
    "restfb/webhooks/feed-status-edited-25.json": ["edit"],
    "restfb/webhooks/feed-two-entries-25.json": [
        "ignored: unknown field: parking",
        "ignored: unknown field: payment_options",
    ],
    "restfb/webhooks/feed-video-mute.json": ["ignored: verb: mute"],
    "restfb/webhooks/feed-video-unblock.json": ["ignored: verb: unblock"],
    "restfb/webhooks/leadgen.json": ["ignored: unknown field: leadgen"],
    "restfb/webhooks/mention-comment-add.json": ["message mention"],
    "restfb/webhooks/messaging-airline-itinerary-template.json": ["message direct_message"],
    "restfb/webhooks/messaging-approles.json": ["ignored: thread control"],
    "restfb/webhooks/messaging-button-template.json": ["message direct_message"],
    "restfb/webhooks/messaging-delivery-basic.json": ["delivery_status"],
    "restfb/webhooks/messaging-message-basic-echo.json": ["echo direct_message"],
    "restfb/webhooks/messaging-message-basic.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-edits.json": ["edit"],
    "restfb/webhooks/messaging-message-isunsupported.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-location-attachment.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-1.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-2.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-3.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-5.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-6.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-duration-2.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-email-2.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-email.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-location.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-phone.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-temperature.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-url-2.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-nlp-volume.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-product-template-2.json": ["message direct_message"],
    "restfb/webhooks/messaging-message-quickreply.json": ["message direct_message"],
    "restfb/webhooks/messaging-optin-userref.json": ["ignored: optin"],
    "restfb/webhooks/messaging-payment.json": ["ignored: payment"],
    "restfb/webhooks/messaging-policy-callback-block.json": ["ignored: policy enforcement"],
    "restfb/webhooks/messaging-policy-callback-unblock.json": ["ignored: policy enforcement"],
    "restfb/webhooks/messaging-postback-basic.json": ["message direct_message"],
    "restfb/webhooks/messaging-postback-chat.json": ["message direct_message"],
    "restfb/webhooks/messaging-reaction-1.json": ["reaction"],
    "restfb/webhooks/messaging-reaction-2.json": ["reaction"],
    "restfb/webhooks/messaging-read-basic.json": ["delivery_status"],
    "restfb/webhooks/messaging-request-thread-control.json": ["ignored: thread control"],
    "restfb/webhooks/permission-granted.wh-1.json": ["ignored: not a page: permissions"],
    "restfb/webhooks/ratings-comment-add-25.json": ["lookup"],
    "restfb/webhooks/ratings-like-add-40.json": ["reaction"],
    "restfb/webhooks/ratings-like-remove-25.json": ["reaction"],
    "restfb/webhooks/ratings-rating-add-31.json": ["message review"],
    "restfb/webhooks/ratings-rating-remove-25.json": ["deletion"],
    "restfb/webhooks/ratings-reaction-edit.json": ["reaction"],
    "restfb/webhooks/user-email.json": ["ignored: not a page: user"],
    "restfb/webhooks/user-location-add.json": ["ignored: not a page: user"],
    "restfb/webhooks/user-movies-add.json": ["ignored: not a page: user"],
    "restfb/webhooks/user-workhistory.json": ["ignored: not a page: user"],
    "shapes/dashboard-test-button.json": ["ignored: dashboard test"],
    "shapes/feed-comment-add.json": ["message comment"],
    "shapes/feed-comment-edited.json": ["edit"],
    "shapes/feed-comment-hide.json": ["edit"],
    "shapes/feed-comment-photo-add-no-message.json": ["message comment"],
    "shapes/feed-comment-remove.json": ["deletion"],
    "shapes/feed-comment-reply-add.json": ["message comment"],
    "shapes/feed-comment-unhide.json": ["edit"],
    "shapes/feed-own-comment-add.json": ["echo comment"],
    "shapes/feed-photo-add.json": ["own post", "article"],
    "shapes/feed-post-remove.json": ["deletion"],
    "shapes/feed-reaction-add.json": ["reaction"],
    "shapes/feed-status-add.json": ["own post"],
    "shapes/feed-video-add-unpublished.json": ["ignored: unpublished"],
    "shapes/messenger-text.json": ["message direct_message"],
}


@pytest.fixture(scope="module")
def recorded() -> dict[str, bytes]:
    if not RECORDED.is_dir():
        pytest.skip("the recorded payloads are not beside this repository")
    files = [path for folder in FOLDERS for path in (RECORDED / folder).rglob("*.json")]
    mine = [path for path in files if "instagram" not in path.parent.parts]
    return {str(path.relative_to(RECORDED)): path.read_bytes() for path in mine}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_payload(name: str, recorded: dict[str, bytes]) -> None:
    events = split(Payload(body=recorded[name])).events
    found = [brief(one) for event in events for one in ingest(event, account="").inbounds]
    assert Counter(found) == Counter(EXPECTED[name])


def test_every_recorded_file_is_in_the_table(recorded: dict[str, bytes]) -> None:
    mine = {name for name in recorded if "/instagram/" not in name}
    assert mine == EXPECTED.keys()
