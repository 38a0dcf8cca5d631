from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from channelmix.errors import AuthorizationLost, Rejected, RetryLater
from channelmix.records import Deletion, Echo, Kind, Message, Poll, RawEvent, minutes
from channelmix.testing.simulator import Answer

SEARCH = {"search": ["stadtwerke strom"]}
LATER = timedelta(minutes=1)


def said(plugin: Any, events: Iterable[RawEvent]) -> list[Any]:
    return [one for event in events for one in plugin.ingest(event).inbounds]


async def drained(plugin: Any, source: str, cursor: Any = None) -> tuple[list[Any], Any]:
    """Poll a source to its end."""
    found: list[Any] = []
    while True:
        polled = await plugin.poll(Poll(source=source, cursor=cursor))
        found += polled.events
        cursor = polled.cursor
        if not polled.more:
            return found, cursor


async def test_mentions_are_read_once(s: Any) -> None:
    s.clock.advance(LATER)
    events, cursor = await drained(s.x, "mentions")
    [found] = said(s.x, events)
    assert (found.id, found.text, found.author.name) == (
        s.mention.id,
        "@stadtwerke wo ist mein Paket?",
        "Mira Sommer",
    )
    assert cursor == {"since": s.mention.id}
    assert (await drained(s.x, "mentions", cursor))[0] == []
    s.sim.say("Ole Brandt", "@stadtwerke und meins?")
    again, _ = await drained(s.x, "mentions", cursor)
    assert [one.text for one in said(s.x, again)] == ["@stadtwerke und meins?"]
    assert s.sim.sent[-1].request.query["since_id"] == s.mention.id


async def test_the_tip_of_a_list_is_read_again(s: Any) -> None:
    events, cursor = await drained(s.x, "mentions")
    assert len(events) == 1
    assert cursor == {}
    again, _ = await drained(s.x, "mentions", cursor)
    assert [one.key for one in again] == [one.key for one in events]


async def test_a_long_list_is_read_page_by_page(s: Any) -> None:
    for number in range(240):
        s.sim.say("Ole Brandt", f"@stadtwerke Frage {number}")
    s.clock.advance(LATER)
    first = await s.x.poll(Poll(source="mentions"))
    assert (len(first.events), first.more) == (100, True)
    events, cursor = await drained(s.x, "mentions", first.cursor)
    assert len(events) == 141
    assert cursor == {"since": list(s.sim.world.posts)[-1]}


async def test_a_page_token_that_went_stale(s: Any) -> None:
    for number in range(120):
        s.sim.say("Ole Brandt", f"@stadtwerke Frage {number}")
    s.clock.advance(LATER)
    first = await s.x.poll(Poll(source="mentions"))
    s.sim.reading.expired.add(first.cursor["token"])
    events, _ = await drained(s.x, "mentions", first.cursor)
    assert len(said(s.x, events)) == 121


async def test_what_was_said_after_the_walk_began_is_not_lost(s: Any) -> None:
    for number in range(120):
        s.sim.say("Ole Brandt", f"@stadtwerke Frage {number}")
    s.clock.advance(LATER)
    first = await s.x.poll(Poll(source="mentions"))
    late = s.sim.say("Clara Nguyen", "@stadtwerke und ich?")
    s.clock.advance(LATER)
    _, cursor = await drained(s.x, "mentions", first.cursor)
    events, _ = await drained(s.x, "mentions", cursor)
    assert [one.id for one in said(s.x, events)] == [late.id]


async def test_direct_messages_without_since(s: Any) -> None:
    for number in range(30):
        s.sim.write("Ole Brandt", f"Frage {number}")
    s.clock.advance(LATER)
    events, cursor = await drained(s.x, "direct")
    assert len(events) == 31
    s.sim.write("Ole Brandt", "noch eine")
    calls = len(s.sim.sent)
    again, _ = await drained(s.x, "direct", cursor)
    assert [one.text for one in said(s.x, again)] == ["noch eine"]
    assert len(s.sim.sent) == calls + 1
    await s.x.reply(s.answer(s.note, "Danke."))
    own, _ = await drained(s.x, "direct", cursor)
    assert any(isinstance(one, Echo) for one in said(s.x, own))


async def test_our_own_timeline(s: Any) -> None:
    ours = s.sim.native(s.us, None, "Wir öffnen um neun.")
    s.sim.native(s.us, s.mention, "Schon gelöst.")
    events, _ = await drained(s.x, "timeline")
    echo, message = said(s.x, events)
    assert (message.id, message.own, message.kind) == (ours.id, True, Kind.POST)
    assert isinstance(echo, Echo)
    assert echo.message.text == "Schon gelöst."


async def test_quotes_are_found_by_search(s: Any) -> None:
    ours = s.sim.native(s.us, None, "Wir öffnen um neun.")
    s.sim.quote(ours, "Clara Nguyen", "Das ist zu spät!")
    events, _ = await drained(s.x, "quotes")
    [found] = said(s.x, events)
    assert (found.kind, found.no_reply) == (Kind.MENTION, None)
    assert found.text.startswith("Das ist zu spät!")


async def test_an_answer_without_our_name_is_found_by_search(s: Any) -> None:
    ours = s.sim.native(s.us, None, "Wir öffnen um neun.")
    s.sim.reply(ours, "Clara Nguyen", "Und wer um acht kommt?", named=False)
    s.sim.reply(ours, "Ole Brandt", "Gut so!")
    assert "Und wer" not in str(said(s.x, (await drained(s.x, "mentions"))[0]))
    [found] = said(s.x, (await drained(s.x, "quotes"))[0])
    assert (found.kind, found.text, found.parent) == (
        Kind.COMMENT,
        "Und wer um acht kommt?",
        ours.id,
    )


async def test_talk_is_found_by_rules_and_nothing_else(s: Any, monkeypatch: Any) -> None:
    assert (await s.x.poll(Poll(source="search"))).events == ()
    assert s.calls() == []
    _search(s.x, monkeypatch, "stadtwerke strom", "#musterstadt")
    s.sim.say("Clara Nguyen", "Die Stadtwerke sagen, der Strom kommt um acht wieder")
    s.sim.say("Clara Nguyen", "Grüße aus #musterstadt")
    s.sim.say("Clara Nguyen", "Etwas anderes")
    s.sim.native(s.us, None, "Stadtwerke: Strom ist wieder da")
    events, _ = await drained(s.x, "search")
    found = said(s.x, events)
    assert [one.text[:8] for one in found] == ["Grüße au", "Die Stad"]
    assert all(one.no_reply for one in found)


def _search(plugin: Any, monkeypatch: Any, *rules: str) -> None:
    from attrs import evolve

    monkeypatch.setattr(plugin, "config", evolve(plugin.config, search=rules))


async def test_a_cursor_that_x_does_not_take_any_more(s: Any, monkeypatch: Any) -> None:
    _search(s.x, monkeypatch, "strom")
    s.sim.say("Clara Nguyen", "Strom weg")
    s.clock.advance(LATER)
    _, cursor = await drained(s.x, "search")
    s.clock.advance(timedelta(days=8))
    fresh = s.sim.say("Ole Brandt", "Strom schon wieder weg")
    s.clock.advance(LATER)
    events, cursor = await drained(s.x, "search", cursor)
    assert [one.id for one in said(s.x, events)] == [fresh.id]
    assert cursor == {"since": fresh.id}


async def test_a_conversation_is_completed(s: Any) -> None:
    begin = s.sim.say("Clara Nguyen", "Seit Tagen kein Internet.")
    middle = s.sim.reply(begin, "Clara Nguyen", "Niemand hebt ab.")
    last = s.sim.reply(middle, "Clara Nguyen", "@stadtwerke bitte melden!")
    s.sim.reply(begin, "Ole Brandt", "Bei mir auch nicht")
    events, _ = await drained(s.x, "mentions")
    lookup = next(one for one in said(s.x, events) if not isinstance(one, Message))
    polled = await s.x.poll(Poll(source=lookup.source, argument=lookup.argument))
    found = said(s.x, polled.events)
    assert [one.id for one in found] == [last.id, middle.id, begin.id]
    assert {one.thread for one in found} == {begin.id}


async def test_a_post_is_looked_up(s: Any) -> None:
    polled = await s.x.poll(Poll(source="post", argument=s.mention.id))
    assert said(s.x, polled.events)[0].id == s.mention.id
    with pytest.raises(Rejected):
        await s.x.poll(Poll(source="post", argument="7"))
    with pytest.raises(Rejected):
        await s.x.poll(Poll(source="post"))
    with pytest.raises(Rejected):
        await s.x.poll(Poll(source="conversation", argument="7"))


async def test_a_deleted_parent_spoils_nothing(s: Any) -> None:
    begin = s.sim.say("Clara Nguyen", "Seit Tagen kein Internet.")
    s.sim.reply(begin, "Ole Brandt", "@stadtwerke bei mir auch")
    s.sim.remove(begin)
    events, _ = await drained(s.x, "mentions")
    assert s.sim.sent[-1].answer.body["errors"][0]["title"] == "Not Found Error"
    assert said(s.x, events)[0].text.endswith("auch")


async def test_throttled_and_unauthorized(s: Any) -> None:
    for _ in range(15):
        await s.x.poll(Poll(source="direct"))
    with pytest.raises(RetryLater) as later:
        await s.x.poll(Poll(source="direct"))
    assert later.value.after == minutes(15)
    s.sim.refuse(Answer(status=500, body={}), on="GET /mentions")
    s.x.http.timeout = 60
    await s.x.vault.put({})
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await s.x.poll(Poll(source="mentions"))


async def test_what_is_left_of_a_limit_is_spread(s: Any) -> None:
    for _ in range(13):
        polled = await s.x.poll(Poll(source="direct"))
        assert polled.again_in is None
    for left in (1, 0):
        polled = await s.x.poll(Poll(source="direct"))
        assert polled.again_in == minutes(15) / max(left, 1)


# money


@pytest.mark.slow
@pytest.mark.parametrize(
    "app_settings", [{"budget": 10.0, "period": "day", "reserve": 0.5}], indirect=True
)
async def test_what_is_read_is_paid_for(s: Any) -> None:
    for number in range(9):
        s.sim.say("Ole Brandt", f"@stadtwerke Frage {number}")
    s.clock.advance(LATER)
    _, cursor = await drained(s.x, "mentions")
    spent = (await s.desk.registry.get("x").budget.state()).spent
    assert spent == pytest.approx(100 * 0.001)
    for _ in range(90):
        await drained(s.x, "mentions", cursor)
    # 90 empty answers cost nothing: ten posts, and one page of change that pays for the next.
    assert (await s.x.budget.state()).spent == pytest.approx((10 + 100) * 0.001)


@pytest.mark.parametrize(
    "app_settings", [{"budget": 1.0, "period": "day", "reserve": 0.6}], indirect=True
)
async def test_a_nearly_spent_budget_saves_replies_before_searches(
    s: Any, monkeypatch: Any
) -> None:
    _search(s.x, monkeypatch, "strom")
    await s.x.poll(Poll(source="mentions"))
    while (await s.x.budget.state()).left_for_polls > 0.05:
        await s.x.budget.spend(0.05)
    with pytest.raises(RetryLater, match="kept for mentions"):
        await s.x.poll(Poll(source="search"))
    await s.x.poll(Poll(source="mentions"))
    await s.x.budget.spend((await s.x.budget.state()).left_for_polls)
    with pytest.raises(RetryLater, match="budget"):
        await s.x.poll(Poll(source="mentions"))
    assert (await s.x.reply(s.answer(s.mention))).ids
    link = "Bitte hier: https://stadtwerke.de"
    assert (await s.x.reply(s.answer(s.mention, link))).ids
    calls = len(s.sim.sent)
    for number in range(2):
        await s.x.reply(s.answer(s.mention, f"{link}/{number}"))
    with pytest.raises(RetryLater, match="budget"):
        await s.x.reply(s.answer(s.mention, f"{link}/x"))
    assert len(s.sim.sent) == calls + 2


@pytest.mark.parametrize("app_settings", [{"budget": 10.0, "period": "day"}], indirect=True)
async def test_a_call_that_is_put_off_is_paid_once(s: Any) -> None:
    for _ in range(3):
        s.sim.refuse(Answer(status=429, body={}), on="POST /2/tweets")
        with pytest.raises(RetryLater):
            await s.x.reply(s.answer(s.mention))
    await s.x.reply(s.answer(s.mention))
    assert (await s.x.budget.state()).spent == pytest.approx(0.01)


@pytest.mark.parametrize("app_settings", [{"budget": 10.0, "period": "day"}], indirect=True)
async def test_the_change_of_yesterday_pays_nothing_today(s: Any) -> None:
    await s.x.poll(Poll(source="mentions"))
    s.clock.advance(timedelta(days=1))
    await s.x.poll(Poll(source="mentions"))
    assert (await s.x.budget.state()).spent == pytest.approx(0.1)


async def test_the_cost_of_a_poll_is_known_before(s: Any) -> None:
    assert {one.name: one.cost for one in s.x.sources if one.cost} == pytest.approx(
        {"mentions": 0.1, "timeline": 0.1, "direct": 0.25, "quotes": 0.5}
    )


async def test_the_cost_is_known_before(s: Any) -> None:
    from channelmix.records import Action, Draft

    limits = s.x.limits[0]
    target = s.as_message(s.mention)

    def cost(text: str, **more: Any) -> float:
        draft = Draft(channel="x", action=Action.PUBLIC_REPLY, text=text, target=target, **more)
        return float(limits.cost(draft))

    assert cost("Danke") == pytest.approx(0.01)
    assert cost("stadtwerke.de/hilfe") == pytest.approx(0.2)
    assert cost("wort " * 150, thread=True) == pytest.approx(0.01 + 2 * 0.015)
    found = await s.desk.review(
        Draft(channel="x", action=Action.PUBLIC_REPLY, text="stadtwerke.de", target=target)
    )
    assert {"cost", "link"} <= {one.code for one in found}


# what is gone


@pytest.fixture
def asking(s: Any) -> Any:
    """Give the app a token of its own."""
    from attrs import evolve
    from channelmix.config import Secret

    s.x.app = evolve(s.x.app, bearer_token=Secret(s.sim.gate.bearer))
    return s.x


def withdrawn(*known: str, cursor: Any = None) -> Poll:
    return Poll(source="withdrawn", known=known, cursor=cursor)


async def test_what_is_gone_is_asked_for_in_one_job(s: Any, asking: Any) -> None:
    private = s.sim.say("Ole Brandt", "@stadtwerke hallo")
    private.author.protected = True
    s.sim.remove(lost := s.sim.say("Clara Nguyen", "@stadtwerke weg damit"))
    s.sim.compliance.slow = 1
    begun = await asking.poll(withdrawn(s.mention.id, private.id, lost.id, "kein-beitrag"))
    [ids] = s.sim.compliance.uploads.values()
    assert ids == [s.mention.id, private.id, lost.id]
    waits = await asking.poll(withdrawn(cursor=begun.cursor))
    assert (waits.events, waits.cursor) == ((), begun.cursor)
    done = await asking.poll(withdrawn(cursor=waits.cursor))
    assert [(type(one), one.id) for one in said(asking, done.events)] == [
        (Deletion, private.id),
        (Deletion, lost.id),
    ]
    assert (done.cursor, done.again_in) == (None, timedelta(days=1))


async def test_where_nobody_can_be_asked_nothing_goes_wrong(s: Any, asking: Any) -> None:
    from attrs import evolve

    assert (await s.billing.poll(withdrawn("7"))).again_in == timedelta(days=1)
    assert (await asking.poll(withdrawn())).again_in == timedelta(days=1)
    assert s.calls() == []
    for status in (401, 403, 409):
        s.sim.refuse(Answer(status=status, body={}), on="POST /2/compliance/jobs")
        assert (await asking.poll(withdrawn("7"))).cursor is None
    assert (await asking.poll(withdrawn(cursor={"job": "7"}))).cursor is None
    begun = await asking.poll(withdrawn("7"))
    s.sim.compliance.jobs[begun.cursor["job"]]["status"] = "failed"
    assert (await asking.poll(withdrawn(cursor=begun.cursor))).cursor is None
    asking.config = evolve(asking.config, withdrawn_days=0)
    assert (await asking.poll(withdrawn("8"))).again_in == timedelta(days=1)


def test_where_somebody_was_is_no_reason_to_forget_what_they_said() -> None:
    from channelmix_twitter.withdrawn import _events

    lines = [
        '{"id": "7", "action": "delete", "reason": "scrub_geo"}',
        '{"id": "8", "action": "delete", "reason": "suspended"}',
        '{"id": "", "action": "delete", "reason": "deleted"}',
        "<Error/>",
    ]
    assert len(list(_events("\n".join(lines)))) == 1
