from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from channelmix.errors import Rejected
from channelmix.records import Connect

OURS = "http://127.0.0.1:8917/callback"


async def test_a_log_in_registers_an_app_and_keeps_the_token(at: Any) -> None:
    await at.vault.put({})
    asked = await at.plugin.connect(Connect(redirect_uri=OURS))
    query = parse_qs(urlsplit(asked.url or "").query)
    assert query["state"] == [asked.memory["state"]]
    secrets = {asked.memory["client_secret"], asked.memory["verifier"]}
    assert not any(one in (asked.url or "") for one in secrets)
    back = at.server.consent(asked.url or "")
    done = await at.plugin.connect(Connect(redirect_uri=OURS, callback=back, memory=asked.memory))
    assert (done.url, done.account) == (None, "@stadtwerke@social.example")
    assert (await at.plugin.check(at.plugin.services)).findings == ()
    await at.poll("own")


@pytest.mark.parametrize("back", [{"state": "forged", "code": "1"}, {"error": "access_denied"}, {}])
async def test_a_forged_or_refused_way_back_is_rejected(at: Any, back: dict[str, str]) -> None:
    asked = await at.plugin.connect(Connect(redirect_uri=OURS))
    answer = {"state": asked.memory["state"], **back}
    with pytest.raises(Rejected):
        await at.plugin.connect(Connect(redirect_uri=OURS, callback=answer, memory=asked.memory))


async def test_a_code_is_good_for_its_own_log_in_only(at: Any) -> None:
    first = await at.plugin.connect(Connect(redirect_uri=OURS))
    second = await at.plugin.connect(Connect(redirect_uri=OURS))
    code = at.server.consent(first.url or "")["code"]
    back = {"code": code, "state": second.memory["state"]}
    with pytest.raises(Rejected, match="400"):
        await at.plugin.connect(Connect(redirect_uri=OURS, callback=back, memory=second.memory))


async def test_another_account_is_refused_and_nothing_is_kept(at: Any) -> None:
    await at.vault.put({})
    at.server.account = "somebody@social.example"
    asked = await at.plugin.connect(Connect(redirect_uri=OURS))
    back = at.server.consent(asked.url or "")
    with pytest.raises(Rejected, match="logged in as @somebody"):
        await at.plugin.connect(Connect(redirect_uri=OURS, callback=back, memory=asked.memory))
    assert not await at.vault.get()


async def test_check_names_what_is_missing(at: Any) -> None:
    at.server.gate.scopes = "read write:statuses"
    (finding,) = (await at.plugin.check(at.plugin.services)).findings
    assert (finding.level, finding.code) == ("block", "scopes")
    assert "write:media" in finding.text
    at.server.gate.scopes, at.server.account = "read write", "somebody@social.example"
    (finding,) = (await at.plugin.check(at.plugin.services)).findings
    assert finding.code == "account"
