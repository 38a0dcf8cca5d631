"""Tokens: connected, kept, renewed weeks before they end, and never in an address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from attrs import evolve
from channelmix.config import Secret
from channelmix.errors import AuthorizationLost, Misconfigured, Rejected, RetryLater
from channelmix.records import Connect, Poll
from channelmix_instagram.tokens import EARLY

BACK = "http://127.0.0.1:8917/callback"


@pytest.fixture
async def at(stage: Any) -> Any:
    """The account with log-in at Instagram."""
    async with stage("instagram") as s:
        yield s


def used(s: Any) -> str:
    """Return the token of the last call."""
    found: str = s.sim.sent[-1].request.headers["authorization"]
    return found.removeprefix("Bearer ")


def without_token(s: Any) -> None:
    s.channel.config = evolve(s.channel.config, access_token=Secret())


async def connect(s: Any) -> Any:
    first = await s.channel.connect(Connect(redirect_uri=BACK))
    assert first.url is not None
    callback = s.sim.desk.agree(first.url)
    return await s.channel.connect(Connect(redirect_uri=BACK, callback=callback))


# connecting


async def test_a_person_is_sent_to_instagram_with_what_we_need(at: Any) -> None:
    step = await at.channel.connect(Connect(redirect_uri=BACK))
    parts = urlsplit(step.url)
    query = dict(parse_qsl(parts.query))
    assert parts.path == "/oauth/authorize"
    assert query["scope"].split(",") == [
        "instagram_business_basic",
        "instagram_business_manage_comments",
        "instagram_business_manage_messages",
    ]
    assert (query["client_id"], query["redirect_uri"]) == (at.sim.app_id, BACK)
    assert query["response_type"] == "code"
    assert len(query["state"]) > 24
    assert at.sim.app_secret not in step.url
    at.channel.api_url = None
    real = await at.channel.connect(Connect(redirect_uri=BACK))
    assert real.url.startswith("https://www.instagram.com/oauth/authorize?")


async def test_who_agreed_is_connected_and_gets_webhooks(at: Any) -> None:
    without_token(at)
    at.sim.fields.clear()
    done = await connect(at)
    assert (done.url, done.account) == (None, at.sim.username)
    assert done.expires_at == at.clock.now() + timedelta(days=60)
    assert {"comments", "messages", "live_comments"} <= at.sim.fields
    await at.channel.poll(Poll(source="media"))
    assert used(at) == at.vault.values["token"]["access_token"]


async def test_who_does_not_agree_is_told(at: Any) -> None:
    callback = {"error": "access_denied"}
    with pytest.raises(Rejected, match="did not agree: access_denied"):
        await at.channel.connect(Connect(redirect_uri=BACK, callback=callback))


async def test_a_code_counts_once(at: Any) -> None:
    first = await at.channel.connect(Connect(redirect_uri=BACK))
    callback = at.sim.desk.agree(first.url)
    again = Connect(redirect_uri=BACK, callback=callback)
    await at.channel.connect(again)
    with pytest.raises(Rejected):
        await at.channel.connect(again)


async def test_another_account_is_refused_and_nothing_is_kept(at: Any) -> None:
    at.channel.config = evolve(at.channel.config, account_id="17841499999999999")
    with pytest.raises(Rejected, match="log in as that"):
        await connect(at)
    assert at.vault.values == {}


async def test_without_the_instagram_app_it_cannot_work(at: Any) -> None:
    at.channel.app = evolve(at.channel.app, instagram_app_id=None)
    with pytest.raises(Misconfigured, match="instagram_app_id"):
        await at.channel.connect(Connect(redirect_uri=BACK))


# connecting at Facebook


@pytest.fixture
async def page(stage: Any) -> Any:
    """The account with log-in at Facebook."""
    async with stage("facebook") as s:
        without_token(s)
        yield s


async def test_at_facebook_the_linked_pages_token_is_found_and_kept(page: Any) -> None:
    page.sim.fields.clear()
    first = await page.channel.connect(Connect(redirect_uri=BACK))
    parts = urlsplit(first.url)
    assert parts.path == "/v26.0/dialog/oauth"
    assert "instagram_manage_messages" in dict(parse_qsl(parts.query))["scope"].split(",")
    done = await connect(page)
    assert (done.account, done.expires_at) == (page.sim.username, None)
    assert page.vault.values["token"]["access_token"] == page.sim.access_token
    assert page.sim.fields == {"feed"}
    await page.channel.poll(Poll(source="media"))
    assert (await page.channel.renew(page.channel.services)).again_in is None


async def test_a_page_that_has_the_app_keeps_its_fields(page: Any) -> None:
    before = set(page.sim.fields)
    await connect(page)
    assert page.sim.fields == before


async def test_whose_pages_are_not_linked_is_refused_and_told(page: Any) -> None:
    page.sim.linked = False
    with pytest.raises(Rejected, match=r"Stadtbad \(no account\).*log in as that"):
        await connect(page)
    assert page.vault.values == {}


async def test_at_facebook_a_code_counts_once_too(page: Any) -> None:
    first = await page.channel.connect(Connect(redirect_uri=BACK))
    callback = page.sim.desk.agree(first.url)
    again = Connect(redirect_uri=BACK, callback=callback)
    await page.channel.connect(again)
    with pytest.raises(Rejected, match="no token for this code"):
        await page.channel.connect(again)


async def test_without_the_app_nobody_logs_in_at_facebook(page: Any) -> None:
    page.channel.app = evolve(page.channel.app, app_id=None)
    with pytest.raises(Misconfigured, match="app_id"):
        await page.channel.connect(Connect(redirect_uri=BACK))


# renewing


async def test_an_idle_channel_never_loses_its_token(at: Any) -> None:
    """Nothing but the timer runs, for a year."""
    start = at.clock.now()
    while at.clock.now() - start < timedelta(days=365):
        renewed = await at.channel.renew(at.channel.services)
        assert renewed.expires_at - at.clock.now() > timedelta(days=28)
        at.clock.advance(renewed.again_in)
    await at.channel.poll(Poll(source="media"))
    refreshed = [one for one in at.sim.sent if one.request.path == "/refresh_access_token"]
    assert 11 <= len(refreshed) <= 14


async def test_a_token_is_renewed_weeks_before_it_ends_and_not_before(at: Any) -> None:
    await at.channel.renew(at.channel.services)
    first = at.vault.values["token"]["access_token"]
    at.clock.advance(timedelta(days=60) - EARLY - timedelta(hours=1))
    await at.channel.renew(at.channel.services)
    assert at.vault.values["token"]["access_token"] == first
    at.clock.advance(timedelta(hours=2))
    await at.channel.renew(at.channel.services)
    assert at.vault.values["token"]["access_token"] != first


async def test_a_token_of_today_is_left_alone_until_tomorrow(at: Any) -> None:
    young = at.sim.desk.issue(at.clock.now())
    at.channel.config = evolve(at.channel.config, access_token=Secret(young))
    renewed = await at.channel.renew(at.channel.services)
    assert (renewed.expires_at, renewed.again_in) == (None, timedelta(days=1))
    at.clock.advance(timedelta(days=1, minutes=1))
    assert (await at.channel.renew(at.channel.services)).expires_at is not None


async def test_a_new_token_in_the_file_counts_more_than_what_is_kept(at: Any) -> None:
    await at.channel.renew(at.channel.services)
    new = at.sim.desk.issue(at.clock.now())
    at.channel.config = evolve(at.channel.config, access_token=Secret(new))
    await at.channel.poll(Poll(source="media"))
    assert used(at) == new


async def test_a_passing_fault_is_tried_again(at: Any) -> None:
    at.sim.fault("error_before_accept", on="GET /refresh_access_token")
    with pytest.raises(RetryLater):
        await at.channel.renew(at.channel.services)
    assert (await at.channel.renew(at.channel.services)).expires_at is not None


async def test_a_token_that_has_ended_asks_for_a_person(at: Any) -> None:
    at.clock.advance(timedelta(days=61))
    with pytest.raises(AuthorizationLost, match="expired"):
        await at.channel.renew(at.channel.services)


async def test_without_any_token_it_says_what_to_do(at: Any) -> None:
    without_token(at)
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await at.channel.poll(Poll(source="media"))
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await at.channel.renew(at.channel.services)
    (finding,) = (await at.channel.check(at.channel.services)).findings
    assert (finding.level, finding.code) == ("block", "token")


async def test_what_instagram_calls_a_token_must_be_one(at: Any, monkeypatch: Any) -> None:
    from channelmix.testing.simulator import Answer
    from channelmix_instagram.simulator_login import Desk

    monkeypatch.setattr(Desk, "_told", lambda *_: Answer(body={"access_token": None}))
    with pytest.raises(RetryLater, match="holds no token"):
        await at.channel.renew(at.channel.services)
    assert at.vault.values == {}


# secrets


async def test_no_token_is_shown_and_the_secret_stands_in_one_address_only(at: Any) -> None:
    """Meta documents the exchange for a long token with the secret in its query, nothing else."""
    await connect(at)
    await at.channel.renew(at.channel.services)
    paths = [one.request.path for one in at.sim.sent if at.sim.app_secret in str(one.request.query)]
    assert paths == ["/access_token"]
    shown = repr(at.channel.access(at.channel.services))
    assert not [token for token in (*at.sim.desk.issued, at.sim.app_secret) if token in shown]


# health


async def test_a_healthy_account_has_no_findings(s: Any) -> None:
    await s.channel.renew(s.channel.services)
    checked = await s.channel.check(s.channel.services)
    assert checked.findings == ()
    assert (checked.token_expires_at is not None) is s.channel.at_instagram


async def test_check_says_what_to_do(s: Any) -> None:
    s.channel.config = evolve(s.channel.config, username=None)
    s.sim.fields.clear()
    s.sim.permissions -= {"instagram_manage_messages"}
    found = {one.code: one.text for one in (await s.channel.check(s.channel.services)).findings}
    assert "POST /me/subscribed_apps" in found["webhook"]
    assert f'"{s.sim.username}"' in found["username"]
    assert ("grant instagram_manage_messages" in found.get("permission", "")) is (
        not s.channel.at_instagram
    )


async def test_missing_fields_are_named(at: Any) -> None:
    at.sim.fields -= {"live_comments", "standby"}
    (finding,) = (await at.channel.check(at.channel.services)).findings
    assert finding.text.startswith("subscribe to live_comments, standby")


async def test_check_of_a_dead_token(s: Any) -> None:
    s.sim.token_problem = 460
    (finding,) = (await s.channel.check(s.channel.services)).findings
    assert (finding.level, finding.code) == ("block", "token")
