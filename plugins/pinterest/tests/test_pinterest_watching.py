"""What the plugin notices of our pins, and what it makes of it."""

import json
from datetime import timedelta

import pytest
from channelmix.errors import AuthorizationLost, InvalidPayload, RetryLater
from channelmix.records import Deletion, Ignored, Kind, Message, Payload, Poll, RawEvent, Reaction
from channelmix.testing.simulator import Answer


def alerts(inbounds):
    return [one for one in inbounds if isinstance(one, Message) and not one.own]


async def test_what_stands_there_when_we_begin_is_context_and_no_news(p) -> None:
    pin = p.sim.pin("Lampe wechseln")
    p.sim.comment(pin, 4)
    own, _article = await p.sweep()
    assert (own.own, own.kind, own.id, own.thread) == (True, Kind.POST, pin.id, pin.id)
    assert own.url == f"https://www.pinterest.com/pin/{pin.id}/"
    assert own.sent_at == p.clock.now()


async def test_new_comments_are_one_request_that_names_the_pin(p) -> None:
    pin = p.sim.pin("Lampe wechseln")
    await p.sweep()
    p.sim.comment(pin, 2)
    p.sim.react(pin, 5)
    (alert,) = alerts(await p.sweep())
    assert alert.text == (
        "2 new comments on pin “Lampe wechseln”; 2 in all, 5 reactions; the last 30 days: "
        "120 impressions, 9 saves, 7 clicks on the pin, 3 clicks on its link"
    )
    assert alert.no_reply
    assert alert.url == f"https://www.pinterest.com/pin/{pin.id}/"
    assert (alert.kind, alert.thread) == (Kind.COMMENT, pin.id)
    p.sim.comment(pin)
    (later,) = alerts(await p.sweep())
    assert later.id != alert.id
    assert (later.thread, later.author) == (alert.thread, alert.author)


async def test_a_pin_that_came_later_began_without_comments(p) -> None:
    await p.sweep()
    p.sim.comment(p.sim.pin("Neu"))
    assert len(alerts(await p.sweep())) == 1


async def test_without_a_change_there_is_no_event(p) -> None:
    p.sim.pin("Lampe")
    await p.sweep()
    assert await p.sweep() == []


async def test_a_count_that_falls_is_no_news_and_the_next_rise_is(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    p.sim.comment(pin, 3)
    (first,) = alerts(await p.sweep())
    p.sim.comment(pin, -1)
    assert alerts(await p.sweep()) == []
    p.sim.comment(pin, 1)
    (second,) = alerts(await p.sweep())
    assert "1 new comment on" in second.text
    assert second.id != first.id  # the same count as before, and news all the same


async def test_reactions_alone_ask_for_nothing(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    p.sim.react(pin, 3)
    _own, _article, reaction = await p.sweep()
    assert isinstance(reaction, Reaction)
    assert (reaction.target, reaction.name) == (pin.id, "3 reactions")


async def test_without_metrics_nothing_rises_and_nothing_is_lost(p) -> None:
    pin = p.sim.pin("Lampe")
    p.sim.comment(pin)
    await p.sweep()
    p.sim.trial = True
    p.sim.comment(pin)
    assert alerts(await p.sweep()) == []
    p.sim.trial = False
    (alert,) = alerts(await p.sweep())
    assert alert.text.startswith("1 new comment on")


async def test_without_analytics_the_request_stands(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    p.sim.comment(pin)
    p.sim.fault("error_before_accept", on="GET /analytics")
    (alert,) = alerts(await p.sweep())
    assert alert.text == "1 new comment on pin “Lampe”; 1 in all, 0 reactions"


async def test_a_pin_without_media_or_title_is_a_pin(p) -> None:
    p.sim.pin(None, media=False)
    (own,) = await p.sweep()
    assert (own.text, own.attachments) == (None, ())


async def test_a_deleted_pin_is_forgotten(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    del p.sim.pins[pin.id]
    (gone,) = await p.sweep()
    assert gone == Deletion(id=pin.id, at=p.clock.now(), thread=pin.id)


async def test_an_incomplete_list_deletes_nothing_and_floods_nobody(p) -> None:
    pins = [p.sim.pin(f"Pin {number}") for number in range(7)]
    for pin in pins:
        p.sim.comment(pin, 4)
    await p.sweep()
    p.clock.advance(timedelta(hours=5))
    p.sim.incomplete = True
    for _ in range(3):
        assert await p.sweep() == []
    asked = [one.request.path for one in p.sim.sent if one.request.path.startswith("/v5/pins/")]
    assert len(asked) == 15  # five in each walk
    assert len(set(asked)) == 7  # each of them in its turn
    p.sim.incomplete = False
    assert await p.sweep() == []
    p.sim.comment(pins[0])
    (alert,) = alerts(await p.sweep())
    assert alert.text.startswith("1 new comment on")


async def test_an_old_pin_that_is_listed_again_is_no_news(p) -> None:
    pin = p.sim.pin("Lampe")
    p.sim.comment(pin, 4)
    del p.sim.pins[pin.id]
    await p.sweep()
    p.clock.advance(timedelta(hours=5))
    await p.sweep()
    p.sim.pins[pin.id] = pin
    told = await p.sweep()
    assert (told[0].id, alerts(told)) == (pin.id, [])


async def test_one_refusal_hides_no_other_analytics(p) -> None:
    pins = [p.sim.pin(f"Pin {number}") for number in range(2)]
    await p.sweep()
    for pin in pins:
        p.sim.comment(pin)
    answer = Answer(status=404, body={"code": 50, "message": "Pin not found."})
    p.sim.fault("error_before_accept", on="GET /analytics", answer=answer)
    told = [one.text for one in alerts(await p.sweep())]
    assert ["impressions" in one for one in told] == [False, True]


async def test_all_pages_are_read(p) -> None:
    pins = [p.sim.pin(f"Pin {number}") for number in range(251)]
    assert {one.id for one in await p.sweep()} == {pin.id for pin in pins}
    assert [one.request.query.get("page_size") for one in p.sim.sent] == ["250"] * 3


async def test_the_same_cursor_brings_the_same_keys_and_survives_json(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    p.sim.comment(pin)
    cursor = json.loads(json.dumps(p.cursor))
    first = await p.channel.poll(Poll(source="pins", cursor=cursor))
    p.clock.advance(timedelta(minutes=5))
    again = await p.channel.poll(Poll(source="pins", cursor=cursor))
    assert [one.key for one in first.events] == [one.key for one in again.events]


async def test_a_stale_bookmark_begins_the_walk_anew(p) -> None:
    p.sim.pin("Lampe")
    await p.sweep()
    stale = {**p.cursor, "bookmark": "nonsense"}
    polled = await p.channel.poll(Poll(source="pins", cursor=stale))
    assert polled.events == ()
    p.cursor = polled.cursor
    assert await p.sweep() == []  # nothing is taken for gone


async def test_many_pins_are_watched_less_often(p) -> None:
    await p.sweep()
    assert p.again_in == timedelta(minutes=30)
    p.cursor["pages"] = 20
    await p.sweep()
    assert p.again_in == timedelta(days=1) * 21 / 500


async def test_a_category_that_is_used_up_rests_and_the_others_do_not(p) -> None:
    p.sim.remaining = {"org_read": 1, "org_write": 5}
    await p.channel.poll(Poll(source="pins"))
    with pytest.raises(RetryLater) as caught:
        await p.channel.poll(Poll(source="pins"))
    assert caught.value.after == timedelta(seconds=30)
    assert len(p.sim.sent) == 1  # Pinterest was not asked again, not for the boards either
    await p.channel.reply(p.outgoing())
    p.clock.advance(timedelta(seconds=31))
    p.sim.remaining = {}
    await p.channel.poll(Poll(source="pins"))


async def test_a_throttle_says_until_when(p) -> None:
    p.sim.remaining = {"org_read": 0}
    with pytest.raises(RetryLater) as caught:
        await p.channel.poll(Poll(source="pins"))
    assert caught.value.after == timedelta(seconds=30)


async def test_a_revoked_access_asks_for_a_person(p) -> None:
    p.sim.revoke()
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await p.channel.poll(Poll(source="pins"))


def test_an_answer_of_the_api_can_be_read_by_itself(p) -> None:
    pins = [{"id": "7", "title": "A", "created_at": "2026-11-01T10:10:40"}, {"title": "no id"}]
    events = p.channel.split(Payload(body=json.dumps({"items": pins}).encode())).events
    own, nothing = (p.channel.ingest(one).inbounds[0] for one in events)
    assert own.sent_at.isoformat() == "2026-11-01T10:10:40+00:00"
    assert nothing == Ignored(reason="not a pin")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"items": 3}', b"[" * 3000, b"\xff"])
def test_what_cannot_be_read_is_said_to_be(p, body) -> None:
    with pytest.raises(InvalidPayload):
        p.channel.split(Payload(body=body))


@pytest.mark.parametrize(
    "body",
    [
        {"pin": None},
        {"pin": {"id": 7}},
        {"pin": {"id": "7", "media": [], "created_at": 5, "title": 3}, "now": "x", "before": [1]},
        {"pin": {"id": "7", "media": {"images": {"a": 3}}}, "now": [True, None]},
    ],
)
def test_odd_content_does_no_harm(p, body) -> None:
    event = RawEvent(key="k", body=json.dumps(body).encode())
    assert all(
        one.own if isinstance(one, Message) else one for one in p.channel.ingest(event).inbounds
    )
