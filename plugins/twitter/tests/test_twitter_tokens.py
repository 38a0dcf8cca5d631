import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from attrs import evolve
from channelmix.config import Secret
from channelmix.errors import AuthorizationLost, Misconfigured, Rejected, RetryLater
from channelmix.records import Connect, Poll, minutes
from channelmix.testing.simulator import Answer

BACK = "http://127.0.0.1:8765/callback"


async def visit(s: Any, url: str) -> dict[str, str]:
    """Go where a person would be sent, and return the query that they come back with."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(url)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == BACK
    return dict(parse_qsl(back.query))


async def log_in(s: Any, plugin: Any) -> Any:
    asked = await plugin.connect(Connect(redirect_uri=BACK))
    callback = await visit(s, asked.url)
    return await plugin.connect(Connect(redirect_uri=BACK, callback=callback, memory=asked.memory))


@pytest.mark.parametrize("auth", ["oauth2", "oauth1"])
async def test_a_person_is_led_in(s: Any, auth: str) -> None:
    s.x.config = evolve(s.x.config, auth=auth)
    await s.x.vault.put({})
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await s.x.poll(Poll(source="mentions"))
    s.sim.gate.visitor = s.us
    done = await log_in(s, s.x)
    assert (done.url, done.account) == (None, "@stadtwerke")
    assert len((await s.x.poll(Poll(source="mentions"))).events) == 1
    if auth == "oauth1":
        assert s.sim.sent[-1].request.headers["authorization"].startswith("OAuth ")
        assert (await s.x.reply(s.answer(s.mention))).ids


async def test_the_wrong_account_is_not_taken(s: Any) -> None:
    before = await s.x.vault.get()
    s.sim.gate.visitor = s.sim.world.person("Mira Sommer")
    for auth in ("oauth2", "oauth1"):
        s.x.config = evolve(s.x.config, auth=auth)
        with pytest.raises(Rejected, match="log in as @stadtwerke"):
            await log_in(s, s.x)
    assert dict(await s.x.vault.get()) == dict(before)


async def test_who_says_no_is_not_connected(s: Any) -> None:
    for auth in ("oauth2", "oauth1"):
        s.x.config = evolve(s.x.config, auth=auth)
        with pytest.raises(Rejected, match="did not let us in"):
            await log_in(s, s.x)


async def test_an_answer_to_another_question_is_refused(s: Any) -> None:
    s.sim.gate.visitor = s.us
    asked = await s.x.connect(Connect(redirect_uri=BACK))
    callback = await visit(s, asked.url)
    forged = {**callback, "state": "another"}
    with pytest.raises(Rejected):
        await s.x.connect(Connect(redirect_uri=BACK, callback=forged, memory=asked.memory))
    # A code is good for thirty seconds, and for one use.
    s.clock.advance(timedelta(seconds=31))
    with pytest.raises(Rejected, match="invalid_request"):
        await s.x.connect(Connect(redirect_uri=BACK, callback=callback, memory=asked.memory))


async def test_the_verifier_proves_who_asked(s: Any) -> None:
    s.sim.gate.visitor = s.us
    asked = await s.x.connect(Connect(redirect_uri=BACK))
    query = dict(parse_qsl(urlsplit(asked.url).query))
    assert query["code_challenge_method"] == "S256"
    assert asked.memory["verifier"] not in asked.url
    memory = {**asked.memory, "verifier": "guessed"}
    with pytest.raises(Rejected):
        await s.x.connect(
            Connect(redirect_uri=BACK, callback=await visit(s, asked.url), memory=memory)
        )


async def test_what_is_missing_for_a_log_in(s: Any) -> None:
    s.x.app = evolve(s.x.app, client_id="")
    with pytest.raises(Misconfigured, match="client_id"):
        await s.x.connect(Connect(redirect_uri=BACK))


async def test_the_next_token_is_stored_before_it_is_used(s: Any) -> None:
    before = await s.x.vault.get()
    s.clock.advance(timedelta(hours=1, minutes=56))
    await s.x.poll(Poll(source="mentions"))
    after = await s.x.vault.get()
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    used = s.sim.sent[-1].request.headers["authorization"]
    assert used == f"Bearer {after['access_token']}"


async def test_one_at_a_time_renews(s: Any) -> None:
    s.clock.advance(timedelta(hours=1, minutes=58))
    await asyncio.gather(*(s.x.poll(Poll(source="mentions")) for _ in range(5)))
    assert s.calls().count("POST /2/oauth2/token") == 1


async def test_a_refresh_token_used_twice_asks_for_a_person(s: Any) -> None:
    kept = dict(await s.x.vault.get())
    s.clock.advance(timedelta(hours=3))
    await s.x.poll(Poll(source="mentions"))
    # A process died between X's answer and our commit: the old token is all there is.
    await s.x.vault.put(kept)
    with pytest.raises(AuthorizationLost, match="connect this account again"):
        await s.x.poll(Poll(source="mentions"))


@pytest.mark.slow
@pytest.mark.parametrize("connected", [True, False])
async def test_a_crash_while_renewing_locks_nobody_out_who_has_both_keys(
    s: Any,
    connected: bool,  # noqa: FBT001 - parametrized
) -> None:
    token, secret = s.sim.gate.signing(s.us)
    if connected:
        s.x.config = evolve(s.x.config, auth="oauth1")
        s.sim.gate.visitor = s.us
        await log_in(s, s.x)
        s.x.config = evolve(s.x.config, auth="oauth2")
    else:
        s.x.config = evolve(
            s.x.config, access_token=Secret(token), access_token_secret=Secret(secret)
        )
    kept = dict(await s.x.vault.get())
    s.clock.advance(timedelta(hours=3))
    await s.x.poll(Poll(source="mentions"))
    assert s.sim.sent[-1].request.headers["authorization"].startswith("Bearer ")
    # A process died between X's answer and our commit.
    await s.x.vault.put(kept)
    asked = s.calls().count("POST /2/oauth2/token")
    assert (await s.x.reply(s.answer(s.mention))).ids
    assert len((await s.x.poll(Poll(source="mentions"))).events) == 1
    assert s.sim.sent[-1].request.headers["authorization"].startswith("OAuth ")
    assert s.calls().count("POST /2/oauth2/token") == asked + 1
    assert (await s.x.renew(s.x.services)).expires_at is None
    found = (await s.x.check(s.x.services)).findings
    assert ("warn", "spare") in [(one.level, one.code) for one in found]
    # Whoever connects it again by OAuth 2.0 is back.
    s.sim.gate.visitor = s.us
    await log_in(s, s.x)
    await s.x.poll(Poll(source="mentions"))
    assert s.sim.sent[-1].request.headers["authorization"].startswith("Bearer ")


async def test_a_token_endpoint_in_trouble_is_no_loss(s: Any) -> None:
    s.clock.advance(timedelta(hours=3))
    for status, outcome in ((503, RetryLater), (429, RetryLater), (401, AuthorizationLost)):
        s.sim.refuse(Answer(status=status, body={}), on="POST /2/oauth2/token")
        with pytest.raises(outcome):
            await s.x.poll(Poll(source="mentions"))
    s.sim.refuse(Answer(status=401, body={"error": "invalid_client"}), on="POST /2/oauth2/token")
    with pytest.raises(Misconfigured, match="client_secret"):
        await s.x.poll(Poll(source="mentions"))
    assert len((await s.x.poll(Poll(source="mentions"))).events) == 1


async def test_an_idle_channel_is_renewed_in_time(s: Any) -> None:
    first = await s.x.renew(s.x.services)
    assert first.expires_at == s.clock.now() + timedelta(hours=2)
    for _ in range(6):
        s.clock.advance(first.again_in)
        renewed = await s.x.renew(s.x.services)
        assert renewed.expires_at > s.clock.now() + minutes(30)
    assert s.calls().count("POST /2/oauth2/token") >= 1


async def test_a_token_from_the_console_needs_no_log_in(s: Any) -> None:
    token, secret = s.sim.gate.signing(s.us)
    s.x.config = evolve(s.x.config, access_token=Secret(token), access_token_secret=Secret(secret))
    await s.x.vault.put({})
    assert len((await s.x.poll(Poll(source="mentions"))).events) == 1
    s.x.config = evolve(s.x.config, access_token_secret=Secret("wrong"))
    with pytest.raises(AuthorizationLost):
        await s.x.poll(Poll(source="mentions"))


async def test_no_secret_is_shown(s: Any) -> None:
    kept = await s.x.vault.get()
    await s.x.poll(Poll(source="mentions"))
    shown = repr((s.x, s.x.api(), s.x._rotating, s.x.app, s.x.config))
    secrets = [*kept.values(), s.sim.gate.consumer_secret, s.sim.gate.client_secret]
    assert not [one for one in secrets if "of-the-simulator" in one and one in shown]
