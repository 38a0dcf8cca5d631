"""What single payloads mean, also odd ones."""

import json
from typing import Any

import pytest
from channelmix.errors import InvalidPayload
from channelmix.records import Echo, Ignored, Lookup, Message, Payload
from channelmix_youtube import parsing
from hypothesis import given
from hypothesis import strategies as st

ME = "UCstadtwerkeMusterstadt1"


def read(document, source="webhook"):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    events = parsing.split(Payload(body=body, source=source)).events
    return [one for event in events for one in parsing.ingest(event, channel_id=ME).inbounds]


def comment(**snippet):
    given = {"publishedAt": "2026-11-01T10:00:00Z", "updatedAt": "2026-11-01T10:00:00Z"}
    return {"kind": "youtube#comment", "id": "Ugx", "snippet": {**given, **snippet}}


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("it&#39;s &lt;b&gt; &amp; more", "it's <b> & more"),
        ("one<br>two<br />three", "one\ntwo\nthree"),
        (
            '<a href="https://x.org/?a=1&amp;b=2">https://x.org/?a=1&amp;b=2</a>',
            "https://x.org/?a=1&b=2",
        ),
        ("<b>bold</b> and <i>so</i>", "bold and so"),
    ],
)
def test_html_becomes_text_where_the_original_is_missing(shown, text) -> None:
    (told,) = read(comment(textDisplay=shown))
    assert told.text == text


def test_the_original_goes_first_and_plain_text_stays() -> None:
    (told,) = read(comment(textDisplay="a &amp; b", textOriginal="a & b"))
    assert told.text == "a & b"
    body = {"resource": comment(textDisplay="a &amp; <b>"), "plain": True}
    (told,) = parsing.ingest(parsing.event(body, "comments"), channel_id=ME).inbounds
    assert isinstance(told, Message)
    assert told.text == "a &amp; <b>"


def test_a_picture_without_a_word_is_a_message() -> None:
    (told,) = read(comment(textDisplay="", imageUrl="https://yt3.x/a.png"))
    assert (told.text, told.attachments[0].url) == (None, "https://yt3.x/a.png")


def test_a_comment_without_an_author_is_kept() -> None:
    (told,) = read(comment(textDisplay="hi"))
    assert told.author is None


def test_a_thread_that_takes_no_reply_says_so() -> None:
    thread: dict[str, Any] = {"kind": "youtube#commentThread", "id": "Ugx"}
    thread["snippet"] = {
        "videoId": "v1",
        "canReply": False,
        "topLevelComment": comment(textDisplay="x"),
    }
    (told,) = read({"items": [thread]})
    assert told.no_reply
    assert told.thread == "v1"


def test_our_own_comment_is_an_echo() -> None:
    (told,) = read(comment(textDisplay="x", authorChannelId={"value": ME}))
    assert isinstance(told, Echo)


@pytest.mark.parametrize("kind", ["youtube#channel", "youtube#subscription", "youtube#error", None])
def test_what_is_no_ones_words_is_ignored_by_name(kind) -> None:
    (told,) = read({"kind": kind, "id": "x", "snippet": {}})
    assert isinstance(told, Ignored)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 5000])
def test_what_is_no_json_object_is_invalid(body) -> None:
    with pytest.raises(InvalidPayload):
        read(body)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<feed>&b;</feed>"
)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"<feed", BOMB, b"<feed>" + b"x" * 1_000_001, b"<?xml encoding='none'?><a/>"],
)
def test_what_is_no_atom_is_invalid(body) -> None:
    with pytest.raises(InvalidPayload):
        read(body)


def test_a_notice_is_looked_up_and_routed_by_its_channel() -> None:
    body = (
        b'<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
        b'xmlns="http://www.w3.org/2005/Atom"><entry><yt:videoId>v1</yt:videoId>'
        b"<yt:channelId>UC1</yt:channelId><updated>2026-11-01T10:00:00Z</updated></entry></feed>"
    )
    (event,) = parsing.split(Payload(body=body)).events
    assert event.account == "UC1"
    assert read(body) == [Lookup(source="video", argument="v1")]


def test_a_deleted_video_is_a_deletion() -> None:
    body = (
        b'<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">'
        b'<at:deleted-entry ref="yt:video:v1" when="2026-11-01T10:00:00+00:00"><at:by><uri>'
        b"https://www.youtube.com/channel/UC1</uri></at:by></at:deleted-entry></feed>"
    )
    (event,) = parsing.split(Payload(body=body)).events
    assert event.account == "UC1"
    (told,) = read(body)
    assert (told.id, told.at.isoformat()) == ("v1", "2026-11-01T10:00:00+00:00")


SNIPPET = ["updatedAt", "authorChannelId", "publishedAt", "textDisplay", "moderationStatus"]
ITEM = ["kind", "id", "snippet", "items", "replies", "comments", "topLevelComment", "value"]
OTHER = ["thumbnails", "authorDetails", "displayMessage", "videoId", "resourceId", "contentDetails"]
NAMES = st.sampled_from([*ITEM, *SNIPPET, *OTHER])
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


def _nested(inner):
    return st.lists(inner) | st.dictionaries(NAMES, inner)


ODD = st.recursive(PLAIN, _nested, max_leaves=20)
KINDS = st.sampled_from(
    ["comment", "commentThread", "liveChatMessage", "video", "playlistItem", "searchResult"]
)


@pytest.mark.slow
@given(kind=KINDS, odd=st.dictionaries(st.sampled_from(["id", "snippet", "replies"]), ODD))
def test_whatever_comes_means_something_or_is_said_to_be_unreadable(kind, odd) -> None:
    try:
        told = read({**odd, "kind": f"youtube#{kind}"})
    except InvalidPayload:
        return
    assert all(one.id if isinstance(one, Message) else one for one in told)
