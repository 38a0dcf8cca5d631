"""Logging in, and keeping the access alive."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from channelmix.config import Secret, load
from channelmix.errors import AuthorizationLost, Rejected, RetryLater
from channelmix.records import Connect, Poll
from channelmix_pinterest.config import SCOPES, PinterestConfig

BACK = "http://127.0.0.1:8765/"


async def test_a_person_logs_in(p) -> None:
    p.vault.values.clear()
    first = await p.channel.connect(Connect(redirect_uri=BACK))
    query = parse_qs(urlsplit(first.url).query)
    assert query["redirect_uri"] == [BACK]
    assert query["scope"] == [",".join(SCOPES)]
    assert len(query["state"][0]) > 20
    code = p.sim.grant(BACK)
    done = await p.channel.connect(Connect(redirect_uri=BACK, callback={"code": code}))
    assert done.url is None
    assert done.expires_at == p.clock.now() + timedelta(days=60)
    await p.channel.poll(Poll(source="pins"))


async def test_a_person_who_says_no_and_a_code_that_is_none(p) -> None:
    for callback in ({"error": "access_denied"}, {"code": "invented"}):
        with pytest.raises(Rejected):
            await p.channel.connect(Connect(redirect_uri=BACK, callback=callback))


async def test_tokens_are_renewed_long_before_they_end(p) -> None:
    before = dict(await p.vault.get())
    renewed = await p.channel.renew(p.channel.services)
    assert await p.vault.get() == before  # nothing ends soon
    p.clock.advance(timedelta(days=21))
    renewed = await p.channel.renew(p.channel.services)
    assert renewed.expires_at == p.clock.now() + timedelta(days=60)
    kept = await p.vault.get()
    assert kept["refresh_token"] != before["refresh_token"]
    assert kept["access_token"] != before["access_token"]


async def test_an_access_that_has_ended_is_renewed_when_it_is_used(p) -> None:
    p.clock.advance(timedelta(days=31))
    await p.channel.poll(Poll(source="pins"))


async def test_a_refresh_token_that_is_used_up_asks_for_a_person(p) -> None:
    p.clock.advance(timedelta(days=61))
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await p.channel.renew(p.channel.services)


async def test_a_network_that_is_away_is_no_lost_access(p) -> None:
    p.clock.advance(timedelta(days=21))
    p.sim.fault("error_before_accept", on="POST /oauth/token")
    with pytest.raises(RetryLater):
        await p.channel.renew(p.channel.services)


async def test_a_channel_that_is_not_connected_says_so(p) -> None:
    p.vault.values.clear()
    with pytest.raises(AuthorizationLost, match="not connected"):
        await p.channel.poll(Poll(source="pins"))
    assert (await p.channel.renew(p.channel.services)).expires_at is None


async def test_check_names_what_is_wrong(p) -> None:
    assert (await p.channel.check(p.channel.services)).findings == ()
    p.channel.config = PinterestConfig(username="somebody", board="77")
    found = (await p.channel.check(p.channel.services)).findings
    assert [(one.level, one.code) for one in found] == [("block", "account"), ("warn", "board")]
    p.channel.config = PinterestConfig(username="somebody", access_token=Secret("invented"))
    found = (await p.channel.check(p.channel.services)).findings
    assert [one.code for one in found] == ["token"]
    assert "invented" not in found[0].text


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"username": "@lamp"}, "username"),
        ({"board": "How-to"}, "number"),
        ({"boards": {"garden": "Garden"}}, "garden"),
    ],
)
def test_a_wrong_setting_is_named(change, what) -> None:
    section = {"network": "pinterest", "username": "lamps", "client_id": "1", "client_secret": "x"}
    with pytest.raises(Exception, match=what):
        load({"channels": {"pins": {**section, **change}}})
