"""Logging in, keeping the access, the hub, the configuration."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve
from channelmix.config import Secret, load
from channelmix.errors import AuthorizationLost, Rejected, RetryLater
from channelmix.records import Connect, WebhookRequest
from channelmix_youtube.client import midnight
from channelmix_youtube.config import SCOPE, YouTubeConfig

BACK = "http://127.0.0.1:8765/"
TOPIC = "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UCstadtwerkeMusterstadt1"


async def test_a_person_logs_in_with_pkce(y) -> None:
    y.vault.values.clear()
    first = await y.channel.connect(Connect(redirect_uri=BACK))
    query = {name: one for name, (one,) in parse_qs(urlsplit(first.url).query).items()}
    assert (query["scope"], query["access_type"], query["code_challenge_method"]) == (
        SCOPE,
        "offline",
        "S256",
    )
    code = y.sim.grant(BACK, query["code_challenge"])
    step = Connect(redirect_uri=BACK, callback={"code": code}, memory=first.memory)
    assert (await y.channel.connect(step)).url is None
    await y.walk()
    assert first.memory["verifier"] not in first.url


async def test_another_verifier_gets_no_access(y) -> None:
    first = await y.channel.connect(Connect(redirect_uri=BACK))
    code = y.sim.grant(BACK, parse_qs(urlsplit(first.url).query)["code_challenge"][0])
    step = Connect(redirect_uri=BACK, callback={"code": code}, memory={"verifier": "stolen"})
    with pytest.raises(Rejected, match="invalid_grant"):
        await y.channel.connect(step)
    with pytest.raises(Rejected, match="access_denied"):
        await y.channel.connect(Connect(redirect_uri=BACK, callback={"error": "access_denied"}))


async def test_an_access_that_ends_is_renewed(y) -> None:
    before = (await y.vault.get())["access_token"]
    y.clock.advance(timedelta(minutes=56))
    await y.walk()
    assert (await y.vault.get())["access_token"] != before


async def test_a_revoked_grant_asks_for_a_person(y) -> None:
    y.sim.revoke()
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await y.walk()
    y.clock.advance(timedelta(hours=2))
    with pytest.raises(AuthorizationLost, match=r"invalid_grant.*channelmix connect"):
        await y.walk()
    y.vault.values.clear()
    with pytest.raises(AuthorizationLost, match="not connected"):
        await y.walk()


async def test_a_refresh_token_from_the_configuration_is_enough(y) -> None:
    given = y.vault.values.pop("token")["refresh_token"]
    y.channel.config = evolve(y.channel.config, refresh_token=Secret(given))
    await y.walk()
    assert (await y.vault.get())["refresh_token"] == given


async def test_a_token_endpoint_that_is_away_is_no_lost_access(y) -> None:
    y.clock.advance(timedelta(hours=2))
    y.sim.fault("error_before_accept", on="POST /token")
    with pytest.raises(RetryLater):
        await y.walk()


async def test_missing_scope_and_somebody_elses_channel_are_named(y) -> None:
    found = (await y.channel.check(y.channel.services)).findings
    assert [one.code for one in found] == []
    y.channel.config = YouTubeConfig(channel_id="UC" + "x" * 22)
    found = (await y.channel.check(y.channel.services)).findings
    assert [(one.level, one.code) for one in found] == [("block", "channel")]
    y.sim.scopes.clear()
    found = (await y.channel.check(y.channel.services)).findings
    assert [one.code for one in found] == ["token"]


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2026, 7, 1, 6, 59, tzinfo=UTC), datetime(2026, 7, 1, 7, 0, tzinfo=UTC)),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), datetime(2026, 7, 2, 7, 0, tzinfo=UTC)),
        (datetime(2026, 12, 1, 7, 30, tzinfo=UTC), datetime(2026, 12, 1, 8, 0, tzinfo=UTC)),
        # Clocks go forward on 8 March 2026 and back on 1 November 2026, at two in the morning.
        (datetime(2026, 3, 8, 9, 0, tzinfo=UTC), datetime(2026, 3, 9, 7, 0, tzinfo=UTC)),
        (datetime(2026, 11, 1, 8, 0, tzinfo=UTC), datetime(2026, 11, 2, 8, 0, tzinfo=UTC)),
    ],
)
def test_the_quota_is_whole_again_at_midnight_in_california(now, then) -> None:
    assert midnight(now) == then


# --- the hub --------------------------------------------------------------------------------


def ask(y, **query):
    return y.channel.receive(WebhookRequest(method="GET", query=query))


def test_the_hub_is_answered_when_it_asks_for_a_channels_feed(y) -> None:
    asked = {"hub.mode": "subscribe", "hub.topic": TOPIC, "hub.challenge": "abc"}
    assert ask(y, **asked).response.body == "abc"
    for wrong in (
        {"hub.topic": "https://evil.org/feed"},
        {"hub.mode": "publish"},
        {"hub.mode": "unsubscribe"},  # anybody can ask the hub for it
        {"hub.challenge": ""},
        {"hub.challenge": "<script>" * 100},
    ):
        assert ask(y, **{**asked, **wrong}).refused


def post(y, body, signature):
    headers = {"x-hub-signature": signature}
    return y.channel.receive(WebhookRequest(method="POST", headers=headers, body=body))


def test_a_notice_must_be_signed(y) -> None:
    digest = hmac.new(b"a word of ours", b"<feed/>", hashlib.sha1).hexdigest()
    assert post(y, b"<feed/>", f"sha1={digest}").payload == b"<feed/>"
    for body, signature in (
        (b"<feed />", f"sha1={digest}"),
        (b"<feed/>", ""),
        (b"<feed/>", digest),
    ):
        assert post(y, body, signature).refused == "bad signature"


async def test_the_subscription_is_renewed_and_brings_new_videos(y) -> None:
    from channelmix.testing.server import serve

    notices = []

    async def app(scope, receive, send):
        body = (await receive()).get("body", b"")
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        request = WebhookRequest(method=scope["method"], headers=headers, query=query, body=body)
        received = y.channel.receive(request)
        notices.append(received)
        await send(
            {"type": "http.response.start", "status": received.response.status, "headers": []}
        )
        await send({"type": "http.response.body", "body": received.response.body.encode()})

    async with serve(app) as url:
        y.channel.app = evolve(y.channel.app, callback=f"{url}/webhooks/tube")
        await y.channel.renew(y.channel.services)
        assert y.sim.subscriptions == {f"{url}/webhooks/tube": y.clock.now() + timedelta(days=10)}
        film = y.sim.video("Neu & gut")
        await y.sim.flush()
    from channelmix.records import Lookup, Payload

    (event,) = y.channel.split(Payload(body=notices[-1].payload)).events
    assert y.channel.ingest(event).inbounds == (Lookup(source="video", argument=film.id),)
    assert event.account == y.sim.account


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"channel_id": "@stadtwerke"}, "channel_id begins with UC"),
        ({"quota": -1}, "quota cannot be negative"),
        ({"callback": "ftp://x"}, "callback is the https address"),
    ],
)
def test_a_wrong_setting_is_named(change, what) -> None:
    section = {
        "network": "youtube",
        "channel_id": "UC" + "x" * 22,
        "client_id": "1",
        "client_secret": "x",
    }
    with pytest.raises(Exception, match=what):
        load({"channels": {"tube": {**section, **change}}})
