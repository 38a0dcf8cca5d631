"""The stage for the tests of a plugin's author, and the simulator on it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from channelmix.errors import RetryLater
from channelmix.records import Action, Deletion, Kind, minutes
from channelmix.testing.stage import on_stage


@pytest.fixture
def staged(board: Any) -> Any:
    suite: Any = board.suite()
    return lambda **changes: on_stage(suite.plugin, suite.config, suite.simulator, **changes)


async def test_a_question_is_heard_and_answered(staged: Any) -> None:
    async with staged() as stage:
        question = await stage.heard(Kind.COMMENT, "Where is my parcel?")
        receipt = await stage.answered(question, "Under way.")
        stage.clock.advance(minutes(1))
        [echo] = await stage.came()
        assert echo.message.id in receipt.ids
        assert [one.text for one in stage.sim.spoken()] == ["Under way."]
        assert stage.vault.values["token"]["access"] == "board-token-1"
        assert [one["event"] for one in stage.logged] == ["open"]


async def test_only_what_is_new_comes(staged: Any) -> None:
    async with staged() as stage:
        said = await stage.heard(Kind.COMMENT, "Where is my parcel?")
        assert await stage.came() == []
        stage.sim.customer_deletes(said.id)
        assert [type(one) for one in await stage.came()] == [Deletion]


async def test_the_answer_to_a_direct_message_is_private(staged: Any) -> None:
    async with staged() as stage:
        public = await stage.heard(Kind.COMMENT, "Hello")
        private = await stage.heard(Kind.DIRECT_MESSAGE, "Hello")
        assert stage.outgoing(public, "x").action is Action.PUBLIC_REPLY
        made = [stage.outgoing(private, "x"), stage.outgoing(private, "x")]
        assert {one.action for one in made} == {Action.PRIVATE_REPLY}
        assert len({one.token for one in made}) == 2
        await stage.answered(public, action=Action.HIDE)
        assert stage.sim.sent[-1].request.path.endswith("/hide")


async def test_a_fault_comes_as_the_core_sees_it(staged: Any) -> None:
    async with staged() as stage:
        question = await stage.heard(Kind.COMMENT, "Hello")
        stage.sim.deny("throttled")
        with pytest.raises(RetryLater):
            await stage.answered(question, "x")


async def test_settings_can_be_changed_and_what_does_not_come_is_said(staged: Any) -> None:
    async with staged(calls=7) as stage:
        assert stage.plugin.config.calls == 7
        stage.sim.customer = lambda _kind, _text: "never"
        with pytest.raises(LookupError, match="comment never"):
            await stage.heard(Kind.COMMENT, "Hello")


async def test_a_plugin_stands_alone_without_a_simulator(board: Any) -> None:
    suite: Any = board.suite()
    async with on_stage(suite.plugin, suite.config) as stage:
        assert stage.sim is None
        assert stage.plugin.account == "b1"


async def test_a_query_keeps_keys_that_come_again(staged: Any) -> None:
    async with staged() as stage, httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"{stage.sim.base_url}/x?types[]=mention&types[]=quote&empty=")
        query = stage.sim.sent[-1].request.query
        assert query.get_list("types[]") == ["mention", "quote"]
        assert (query["empty"], dict(query)) == ("", {"types[]": "mention", "empty": ""})
