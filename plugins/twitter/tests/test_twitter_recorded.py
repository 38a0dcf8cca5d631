"""What others recorded and X documents, file by file: expected by reading, and what it becomes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from channelmix.records import INBOUNDS, Echo, Ignored, Inbound, Message

RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "x"
NAMES = {kind: name for name, kind in INBOUNDS.items()}

EXPECTED = {
    "api-answers/test_asyncclient_get_users_mentions_0.json": ["message mention"] * 2,
    "api-answers/test_client_create_and_delete_tweet_0.json": ["message post"],
    "api-answers/test_client_create_and_delete_tweet_1.json": ["ignored: answer"],
    "api-answers/test_client_get_me_0.json": ["ignored: profile"],
    "api-answers/test_client_get_tweets_0.json": ["message post"] * 2,
    "api-answers/test_client_get_users_0.json": ["ignored: profile"] * 2,
    "api-answers/test_client_get_users_mentions_0.json": ["message mention"] * 10,
    "api-answers/test_client_hide_and_unhide_reply_1.json": ["ignored: answer"],
    "api-answers/test_client_search_recent_tweets_0.json": ["message post"] * 10,
    "api-answers/test_manage_and_lookup_direct_messages_0.json": ["ignored: send answer"],
    "api-answers/test_manage_and_lookup_direct_messages_1.json": ["ignored: send answer"],
    "api-answers/test_manage_and_lookup_direct_messages_3.json": ["ignored: empty answer"],
    "documented/dm/Delete_a_message.json": ["ignored: answer"],
    "documented/dm/MessageCreate.json": ["message direct_message"],
    "documented/dm/MessageCreate_2.json": ["message direct_message"],
    "documented/errors/Error_response_format.json": ["ignored: error answer"],
    "documented/errors/Operational_disconnect.json": ["ignored: error answer"],
    "documented/errors/Partial_errors.json": ["message post"],
    "documented/errors/Too_many_connections.json": ["ignored: error answer"],
    "documented/media/Finalize_upload.json": ["ignored: media upload"],
    "documented/media/Initialize_chunked_upload.json": ["ignored: media upload"],
    "documented/stream/Embedding_rule_matches.json": ["message post"],
    "documented/stream/webhook_Linking_your_Filtered_Stream_instance_to_your_webhook.json": [
        "ignored: webhook"
    ],
    "documented/stream/webhook_Linking_your_Filtered_Stream_instance_to_your_webhook_2.json": [
        "message post"
    ],
    "documented/stream/webhook_Retrieving_webhooks_linked_to_Filtered_Stream.json": [
        "ignored: webhook"
    ],
    "documented/stream/webhook_Unlinking_your_webhook_from_Filtered_Stream.json": [
        "ignored: answer"
    ],
    "documented/webhooks/Create_a_webhook.json": ["ignored: webhook"],
    "documented/webhooks/Delete_a_webhook.json": ["ignored: answer"],
    "documented/webhooks/How_the_CRC_works.json": ["ignored: challenge"],
    "documented/webhooks/Validate_and_re_enable_a_webhook.json": ["ignored: webhook"],
    "documented/webhooks/View_webhooks.json": ["ignored: webhook"],
    "documented/webhooks/View_webhooks_2.json": ["ignored: empty answer"],
    "documented/xaa/Event_envelope.json": ["ignored: post.create"],
    "documented/xaa/broadcast.chat.json": ["own comment"],
    "documented/xaa/broadcast.end.json": ["ignored: broadcast.end"],
    "documented/xaa/broadcast.start.json": ["ignored: broadcast.start"],
    "documented/xaa/chat.received.json": ["message direct_message"],
    "documented/xaa/chat.sent.json": ["echo direct_message"],
    "documented/xaa/dm.received.json": ["message direct_message"],
    "documented/xaa/dm.sent.json": ["echo direct_message"],
    "documented/xaa/follow.follow.json": ["ignored: follow.follow"],
    "documented/xaa/follow.unfollow.json": ["ignored: follow.unfollow"],
    "documented/xaa/like.create.json": ["reaction"],
    "documented/xaa/news.new.json": ["ignored: news.new"],
    "documented/xaa/oauth.revoke.json": ["ignored: oauth.revoke"],
    "documented/xaa/post.create.json": ["own post"],
    "documented/xaa/post.delete.json": ["deletion"],
    "documented/xaa/post.mention.create.json": ["message mention"],
    "documented/xaa/post.quote.create.json": ["message mention"],
    "documented/xaa/post.reply.create.json": ["message comment"],
    "documented/xaa/post.repost.create.json": ["ignored: repost"],
    "documented/xaa/profile.update.banner_picture.json": ["ignored: profile.update.banner_picture"],
    "documented/xaa/profile.update.bio.json": ["ignored: profile.update.bio"],
    "documented/xaa/profile.update.geo.json": ["ignored: profile.update.geo"],
    "documented/xaa/profile.update.profile_picture.json": [
        "ignored: profile.update.profile_picture"
    ],
    "documented/xaa/profile.update.screenname.json": ["ignored: profile.update.screenname"],
    "documented/xaa/profile.update.url.json": ["ignored: profile.update.url"],
    "documented/xaa/spaces.end.json": ["ignored: spaces.end"],
    "documented/xaa/spaces.start.json": ["ignored: spaces.start"],
    "documented/xaa_mgmt/Creating_a_subscription.json": ["ignored: unknown delivery"],
    "documented/xaa_mgmt/Delete_subscription.json": ["ignored: answer"],
    "documented/xaa_mgmt/Getting_user_IDs.json": ["ignored: profile"],
    "documented/xaa_mgmt/profile.update.bio.json": ["ignored: subscription"],
    "documented/xaa_mgmt/profile.update.bio_2.json": ["ignored: profile.update.bio"],
    "documented/xaa_mgmt/profile.update.bio_3.json": ["ignored: subscription"],
    "documented/xaa_mgmt/profile.update.bio_4.json": ["ignored: subscription"] * 2,
    "documented/xaa_mgmt/profile.update.bio_5.json": ["ignored: subscription"],
}
"""Every file: two create and get a post, so who said it is not told; in two, nothing is said."""


def brief(one: Inbound) -> str:
    match one:
        case Message():
            return f"{'own' if one.own else 'message'} {one.kind}"
        case Echo():
            return f"echo {one.message.kind}"
        case Ignored():
            return f"ignored: {one.reason}"
        case _:
            return NAMES[type(one)]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    if not RECORDED.is_dir():
        pytest.skip("the recorded payloads are not beside this repository")
    files = {str(path.relative_to(RECORDED)): path for path in RECORDED.rglob("*.json")}
    return {name: body(json.loads(path.read_bytes())) for name, path in files.items()}


def body(document: Any) -> Any:
    """Return what X sent; recorded exchanges have the request beside it."""
    return document["response"]["body"] if "response" in document else document


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_payload(name: str, recorded: dict[str, Any], read: Any) -> None:
    source = "mentions" if "get_users_mentions" in name else "webhook"
    found = [brief(one) for one in read(recorded[name], source=source)]
    assert Counter(found) == Counter(EXPECTED[name])


def test_every_recorded_file_is_in_the_table(recorded: dict[str, Any]) -> None:
    assert recorded.keys() == EXPECTED.keys()


def test_nothing_that_somebody_said_is_ignored(recorded: dict[str, Any]) -> None:
    ignored = {name for name, found in EXPECTED.items() if found[0].startswith("ignored")}
    saying = {name for name in ignored if '"text"' in json.dumps(recorded[name])}
    # A repost repeats what its author said before.
    assert saying == {"documented/xaa/post.repost.create.json"}


@pytest.mark.slow
def test_the_command_says_the_same(recorded: dict[str, Any]) -> None:
    """`channelmix ingest` over the files as they lie there, exchanges with their requests."""
    files = [str(RECORDED / name) for name in recorded]
    command = [sys.executable, "-m", "channelmix", "ingest", "twitter", "--json", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=RECORDED)
    told: dict[str, Counter[str]] = {name: Counter() for name in recorded}
    for line in map(json.loads, done.stdout.splitlines()):
        name = str(Path(line["file"]).relative_to(RECORDED))
        told[name].update([f"ignored: {line['ignored']}"] if "ignored" in line else ["said"])
    expected = {
        name: Counter(one if one.startswith("ignored") else "said" for one in found)
        for name, found in EXPECTED.items()
    }
    assert told == expected
