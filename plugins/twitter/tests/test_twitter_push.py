from datetime import timedelta
from typing import Any

import pytest
from channelmix.records import Poll, WebhookRequest, minutes
from channelmix.testing.server import serve
from channelmix.testing.simulator import Answer
from channelmix_twitter.config import EVENTS


@pytest.fixture
async def hook(s: Any) -> Any:
    """Take webhooks as the app's endpoint does, and say whether it is to fail."""
    state = {"broken": False, "taken": [], "plugin": s.x}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        from urllib.parse import parse_qsl

        request = WebhookRequest(
            method=scope["method"],
            query=dict(parse_qsl(scope["query_string"].decode())),
            headers={name.decode(): value.decode() for name, value in scope["headers"]},
            body=body,
        )
        answer = await s.desk.receive("acme", request)
        status = 503 if state["broken"] else answer.status
        if status == 200 and scope["method"] == "POST":
            state["taken"].append(body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer.body.encode()})

    async with serve(app) as url:
        from attrs import evolve
        from channelmix.config import Secret

        for plugin in (s.x, s.billing):
            plugin.app = evolve(
                plugin.app, webhook_url=f"{url}/x", bearer_token=Secret(s.sim.gate.bearer)
            )
        yield state


async def test_the_webhook_is_registered_and_subscribed_to(s: Any, hook: Any) -> None:
    await s.x.renew(s.x.services)
    await s.billing.renew(s.billing.services)
    assert [one["valid"] for one in s.sim.hooks.values()] == [True]
    told = {(one["event_type"], one["filter"]["user_id"]) for one in s.sim.subscriptions}
    assert told == {(kind, one.id) for kind in EVENTS for one in s.sim.ours}
    calls = len(s.sim.sent)
    await s.x.renew(s.x.services)
    assert {one.request.method for one in s.sim.sent[calls:]} == {"GET"}


async def test_events_arrive_and_are_stored(s: Any, hook: Any) -> None:
    await s.x.renew(s.x.services)
    await s.billing.renew(s.billing.services)
    s.sim.say("Ole Brandt", "@stadtwerke_bill meine Rechnung?")
    await s.sim.flush(repeat=2)
    assert len(hook["taken"]) == 2
    assert all(one.accepted for one in s.sim.delivered)
    books = await s.desk.ledger()
    assert books.stored == 1


async def test_an_event_that_the_plan_does_not_have_leaves_the_others(s: Any, hook: Any) -> None:
    unknown = Answer(status=400, body={"title": "Invalid Request"})
    s.sim.refuse(unknown, on="POST /2/activity/subscriptions")
    await s.x.renew(s.x.services)
    assert {one["event_type"] for one in s.sim.subscriptions} == set(EVENTS) - {min(EVENTS)}


@pytest.mark.parametrize("app_settings", [{"budget": 10.0}], indirect=True)
async def test_what_webhooks_cost_is_counted(s: Any, hook: Any) -> None:
    await s.x.renew(s.x.services)
    s.sim.say("Ole Brandt", "@stadtwerke hört mich jemand?")
    s.sim.write("Ole Brandt", "Und hier?")
    await s.sim.flush(repeat=2)
    assert (await s.x.budget.state()).spent == pytest.approx(0.005 + 0.010)
    own = s.sim.native(s.us, None, "Wir öffnen um neun.")
    s.sim.removed(own)
    await s.sim.flush()
    assert (await s.x.budget.state()).spent == pytest.approx(0.015 + 0.005)


async def test_what_was_missed_is_asked_for_again(s: Any, hook: Any) -> None:
    await s.x.renew(s.x.services)
    hook["broken"] = True
    s.clock.advance(minutes(10))
    s.sim.say("Ole Brandt", "@stadtwerke hört mich jemand?")
    await s.sim.flush()
    [registered] = s.sim.hooks.values()
    registered["valid"] = False
    assert (await s.x.check(s.x.services)).findings[-1].level == "block"
    hook["broken"] = False
    s.clock.advance(minutes(10))
    await s.x.renew(s.x.services)
    assert registered["valid"]
    await s.sim.flush()
    [replay] = s.sim.replays
    assert replay["from_date"] == "202611030900"
    assert any(b"jemand" in one for one in hook["taken"])


async def test_a_plan_without_replay_does_without(s: Any, hook: Any) -> None:
    await s.x.renew(s.x.services)
    [registered] = s.sim.hooks.values()
    registered["valid"] = False
    s.sim.refuse(Answer(status=403, body={"title": "Forbidden"}), on="POST /2/webhooks/replay")
    await s.x.renew(s.x.services)
    assert registered["valid"]
    assert s.sim.replays == []


async def test_a_webhook_that_cannot_be_had_stops_nothing(s: Any, hook: Any) -> None:
    hook["broken"] = True
    s.sim.refuse(Answer(status=403, body={"title": "Forbidden"}), on="POST /2/webhooks")
    renewed = await s.x.renew(s.x.services)
    assert renewed.expires_at is not None
    assert len((await s.x.poll(Poll(source="mentions"))).events) == 1


async def test_check_says_what_is_missing(s: Any) -> None:
    found = await s.x.check(s.x.services)
    assert [(one.level, one.code) for one in found.findings] == [("warn", "webhook")]
    s.us.username = "stadtwerke_neu"
    found = await s.x.check(s.x.services)
    assert [one.code for one in found.findings] == ["handle", "webhook"]
    await s.x.vault.put(await s.billing.vault.get())
    found = await s.x.check(s.x.services)
    assert [(one.level, one.code) for one in found.findings] == [("block", "account")]
    await s.x.vault.put({})
    found = await s.x.check(s.x.services)
    assert [(one.level, one.code) for one in found.findings] == [("block", "token")]


async def test_check_knows_the_webhook(s: Any, hook: Any) -> None:
    async def codes() -> list[tuple[str, str]]:
        found = (await s.x.check(s.x.services)).findings
        return [(one.level, one.text.split()[0]) for one in found]

    assert [one for one, _ in await codes()] == ["warn"]
    await s.x.renew(s.x.services)
    assert await codes() == []
    s.sim.subscriptions.pop()
    assert await codes() == [("warn", "not")]
    s.clock.advance(timedelta(minutes=1))
