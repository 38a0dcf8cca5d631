"""Logging in: step by step, only with the answer to what was asked, and with a word for a no."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from channelmix import Rejected, hook
from channelmix.errors import NotFound, PluginFault, Refused
from channelmix.records import Connect, Connected

HOME = "http://127.0.0.1:8917/callback"
ENDS = datetime(2027, 1, 2, tzinfo=UTC)


@pytest.fixture
def classes(toy: Any) -> dict[str, Any]:
    @attrs.define(eq=False, kw_only=True, slots=False)
    class Joining(toy):  # type: ignore[misc]  # known to a fixture only
        address: str = attrs.field(default="https://toy.example/agree?state=s-1", init=False)

        @hook
        async def connect(self, request: Connect) -> Connected:
            if request.callback is None:
                return Connected(url=self.address, memory={"verifier": "v-1"})
            if request.callback["code"] != "good":
                raise Rejected(f"the code {request.callback['code']} is no good")
            await self.vault.put({"access_token": request.memory["verifier"]})
            return Connected(account="Acme", expires_at=ENDS)

    return {"toy": Joining}


def answer(asked: Connected, **query: str) -> Connect:
    return Connect(redirect_uri=HOME, callback=query, memory=asked.memory)


async def test_two_steps_connect_a_channel_and_let_it_be_polled_at_once(open_desk, classes, until):
    async with open_desk(classes=classes) as desk:
        toy = desk.registry.get("toy")

        async def polled():
            return (await desk.channels())[0].last_poll_at

        await until(desk, polled)
        before = await polled()
        asked = await desk.connect("toy", Connect(redirect_uri=HOME))
        assert asked.url == "https://toy.example/agree?state=s-1"
        done = await desk.connect("toy", answer(asked, state="s-1", code="good"))
        assert (done.url, done.account) == (None, "Acme")
        assert await toy.vault.get() == {"access_token": "v-1"}
        (line,) = await desk.channels()
        assert line.token_expires_at == ENDS

        async def polled_again():
            return await polled() > before

        await until(desk, polled_again)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"code": "good"}, "no answer to the address"),
        ({"code": "good", "state": "s-2"}, "no answer to the address"),
        ({"code": "good", "state": "\udcff"}, "no answer to the address"),
        ({"state": "s-1", "error": "access_denied"}, "says no: access_denied$"),
        (
            {"state": "s-1", "error": "a", "error_description": "not\nnow"},
            "says no: a not now$",
        ),
    ],
)
async def test_an_answer_to_something_else_or_a_no_is_refused(open_desk, classes, query, why):
    async with open_desk(classes=classes, work=False) as desk:
        asked = await desk.connect("toy", Connect(redirect_uri=HOME))
        with pytest.raises(Refused, match=why):
            await desk.connect("toy", answer(asked, **query))
        with pytest.raises(Refused, match="no answer"):
            await desk.connect("toy", Connect(redirect_uri=HOME, callback=query))
        assert await desk.registry.get("toy").vault.get() is None


async def test_oauth_1_has_a_token_for_a_state(open_desk, classes):
    async with open_desk(classes=classes, work=False) as desk:
        desk.registry.get("toy").address = "https://toy.example/agree?oauth_token=t-1"
        asked = await desk.connect("toy", Connect(redirect_uri=HOME))
        with pytest.raises(Refused, match="no answer"):
            await desk.connect("toy", answer(asked, oauth_token="t-2", code="good"))
        done = await desk.connect("toy", answer(asked, oauth_token="t-1", code="good"))
        assert done.url is None


async def test_an_address_whose_answer_could_be_forged_is_a_bug(open_desk, classes):
    async with open_desk(classes=classes, work=False) as desk:
        desk.registry.get("toy").address = "https://toy.example/agree"
        with pytest.raises(PluginFault, match=r"toy.connect: gives an address without state or"):
            await desk.connect("toy", Connect(redirect_uri=HOME))


async def test_who_cannot_be_connected_is_named(open_desk):
    async with open_desk(work=False) as desk:
        with pytest.raises(NotFound, match="toy does not implement connect"):
            await desk.connect("toy", Connect(redirect_uri=HOME))
        with pytest.raises(NotFound, match="there is no channel other"):
            await desk.connect("other", Connect(redirect_uri=HOME))


async def test_what_a_log_in_brings_shows_in_no_error(open_desk, classes):
    code = "code-that-is-long-enough"
    async with open_desk(classes=classes, work=False) as desk:
        asked = await desk.connect("toy", Connect(redirect_uri=HOME))
        request = answer(asked, state="s-1", code=code)
        with pytest.raises(Rejected) as refused:
            await desk.connect("toy", request)
        assert str(refused.value) == "the code *** is no good"
        assert "v-1" not in repr(asked) + repr(request)
        assert code not in repr(request)
