"""What should not come: each is answered clearly, kept, and takes nothing else along."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import attrs
import pytest
from channelmix import Channel, RetryLater, hook
from channelmix.errors import Misconfigured, NotFound, Refused
from channelmix.hookspecs import Plugin
from channelmix.records import Assign, Assignment, Fate, Labels, Received, WebhookRequest
from channelmix.secrets import Secret
from channelmix.store import schema as s

QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}


def request(body, key="good"):
    return WebhookRequest(method="POST", headers={"x-key": key}, body=body)


async def test_a_wrong_signature_stores_nothing(open_desk):
    async with open_desk() as desk:
        answer = await desk.receive("toy", request(json.dumps([QUESTION]).encode(), key="bad"))
        assert answer.status == 401
        assert (await desk.ledger()).arrived == 0


@pytest.mark.parametrize(
    "body", [b'[{"id": ', b"\xff\xfe", b"", b"[" * 2000 + b"]" * 2000, b'"text"', b"null", b"\x00"]
)
async def test_what_cannot_be_read_is_kept_in_quarantine(open_desk, body, settle):
    async with open_desk() as desk:
        assert (await desk.receive("toy", request(body))).status == 200
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"quarantined": 1}


@pytest.fixture
async def toy(open_desk):
    """The toy's class, to be broken or derived from."""
    async with open_desk(work=False) as desk:
        return type(desk.registry.get("toy"))


SHARED = {
    "apps": {"shared": {"network": "toy"}},
    "channels": {
        "a": {"network": "toy", "account_id": "acme", "app": "shared"},
        "b": {"network": "toy", "account_id": "other", "app": "shared"},
    },
}


async def test_what_could_not_be_cut_is_cut_once_the_plugin_is_mended(
    open_desk, push, toy, monkeypatch, settle
):
    events = [{**QUESTION, "id": one, "account": one} for one in ("acme", "other", "nobody")]
    async with open_desk(**SHARED) as desk:
        with monkeypatch.context() as broken:
            broken.delattr(toy, "_event")
            assert (await push(desk, *events, app="shared")).status == 200
            await settle(desk)
            assert await desk.replay() == {"quarantined": 1}
            await settle(desk)
            assert (await desk.ledger()).fates == {"quarantined": 1}
        assert await desk.replay() == {"quarantined": 1}
        await settle(desk)
        await push(desk, *events, app="shared")
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"fetched": 1, "ticket": 2, "unrouted": 1}
        assert (ledger.arrived, ledger.repeated) == (1 + 3 + 3, 3)
        assert {one.channel for one in await desk.tickets()} == {"a", "b"}


async def test_a_part_with_the_hash_of_the_whole_as_its_key_is_stored_too(
    open_desk, push, toy, monkeypatch, settle
):
    good = toy._event

    def hashed_whole(self, one):
        key = hashlib.sha256(json.dumps([one]).encode()).hexdigest()
        return attrs.evolve(good(self, one), key=key)

    async with open_desk() as desk:
        with monkeypatch.context() as broken:
            broken.delattr(toy, "_event")
            await push(desk, QUESTION)
            await settle(desk)
        monkeypatch.setattr(toy, "_event", hashed_whole)
        await desk.replay()
        await settle(desk)
        assert (await desk.ledger()).fates == {"fetched": 1, "ticket": 1}


async def test_rubbish_instead_of_events_is_quarantined(open_desk, push, toy, monkeypatch, settle):
    monkeypatch.setattr(toy, "_event", lambda self, one: "rubbish")
    async with open_desk() as desk:
        await push(desk, QUESTION)
        await settle(desk)
        reason = "quarantined: toy.split: returned a str as an event"
        assert (await desk.ledger()).reasons == {reason: 1}


async def test_a_channel_that_cannot_open_shuts_out_no_other(open_desk, push, toy, settle, until):
    class Shut(Channel):
        @hook
        async def open(self, services):
            if self.name == "a":
                raise Misconfigured("the token is for another page")

    async with open_desk(classes={"toy": type("Shut", (Shut, toy), {})}, **SHARED) as desk:
        assert (await push(desk, {**QUESTION, "account": "other"}, app="shared")).status == 200
        await settle(desk)
        assert [one.channel for one in await desk.tickets()] == ["b"]
        assert (await push(desk, {**QUESTION, "account": "acme"}, app="shared")).status == 200
        assert (await desk.ledger()).unsettled == 1


class Nasty(BaseException):
    """Nobody expects this one."""


@pytest.mark.parametrize("error", [KeyError, Nasty, SystemExit])
async def test_receive_that_raises_is_a_500_and_the_next_app_is_served(
    open_desk: Any, push: Any, toy: Any, settle: Any, error: Any
) -> None:
    class Raising(toy):  # type: ignore[misc]  # known to a fixture only
        network = "raising"

        @hook
        def receive(self, request: WebhookRequest) -> Received:
            raise error("no receive")

    channels = {"calm": {"network": "toy"}, "wild": {"network": "raising"}}
    async with open_desk(classes={"raising": Raising}, channels=channels) as desk:
        answer = await push(desk, QUESTION, app="wild")
        assert answer.status == 500
        assert "no receive" not in answer.body
        assert (await push(desk, QUESTION, app="calm")).status == 200
        await settle(desk)
        assert (await desk.ledger()).fates == {"ticket": 1}


async def test_assign_that_raises_leaves_it_to_the_rule_of_the_core(open_desk, push, settle):
    class Raising(Plugin):
        @hook
        async def assign(self, request: Assign) -> Assignment | None:
            raise Nasty

    options = {"classes": {"wild": Raising}, "plugins": {"wild": {}}, "agents": {"anna": {}}}
    async with open_desk(**options) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        (line,) = await desk.tickets()
        assert line.agent == "anna"


async def test_no_channel_left_means_come_again(open_desk, push, toy):
    class Shut(Channel):
        @hook
        async def open(self, services):
            raise Misconfigured("no page has a token")

    async with open_desk(classes={"toy": type("Shut", (Shut, toy), {})}, **SHARED) as desk:
        assert (await push(desk, QUESTION, app="shared")).status == 503


@attrs.frozen(kw_only=True)
class Guarded:
    token: Secret
    account_id: str = "acme"


async def test_no_secret_comes_out_in_the_text_of_an_error(
    open_desk, toy, monkeypatch, until, caplog
):
    monkeypatch.setenv("TOY_TOKEN", "s3cr3tvalue")

    class Telling(Channel):
        Config = Guarded

        @hook
        async def poll(self, wanted):
            raise RetryLater(f"GET /?t={self.config.token.reveal()}")

    channels = {"toy": {"network": "toy", "token": {"env": "TOY_TOKEN"}}}
    async with open_desk(
        classes={"toy": type("Telling", (Telling, toy), {})}, channels=channels
    ) as desk:

        async def noted():
            return any(one["error"] for one in (await desk.channels())[0].sources)

        await until(desk, noted)
        (line,) = await desk.channels()
        assert "GET /?t=" in str(line)
        assert "s3cr3tvalue" not in str(line) + caplog.text


async def test_one_bad_event_of_a_thousand_harms_only_itself(open_desk, push, settle):
    events: list[Any] = [{"id": f"c{n}", "by": f"p{n}", "text": "?"} for n in range(1000)]
    events[500] = {"type": "bug", "id": "x"}
    events[501] = 17
    async with open_desk() as desk:
        assert (await push(desk, *events)).status == 200
        await settle(desk, seconds=60)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 998, "quarantined": 2}
        assert any("KeyError" in reason for reason in ledger.reasons)


async def test_an_event_that_cannot_be_applied_is_quarantined_alone(
    open_desk, push, monkeypatch, settle
):
    from channelmix.store import items

    original = items.write_messages

    def poisonous(connection, folded):
        if any(item == "c2" for _, item in folded):
            raise ValueError("poison")
        original(connection, folded)

    async with open_desk() as desk:
        with monkeypatch.context() as patched:
            patched.setattr(items, "write_messages", poisonous)
            await push(desk, QUESTION, {"id": "c2", "by": "ben"}, {"id": "c3", "by": "cem"})
            await settle(desk)
        assert (await desk.ledger()).fates == {"ticket": 2, "quarantined": 1}
        assert await desk.replay() == {"quarantined": 1}
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.fates == {"ticket": 3}
        assert ledger.adds_up, ledger.balances


async def test_an_unknown_app_and_an_unknown_account(open_desk, push, settle):
    async with open_desk() as desk:
        with pytest.raises(NotFound, match="no app nowhere"):
            await desk.receive("nowhere", request(b"[]"))
        await push(desk, {**QUESTION, "account": "other"})
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.reasons == {"unrouted: no channel has account other": 1}
        assert await desk.replay() == {}


async def test_what_had_no_channel_is_routed_once_it_has(open_desk, push, toy_settings, settle):
    one = {"toy": {"network": "toy", "account_id": "acme", "app": "shared"}}
    two = {**one, "new": {"network": "toy", "account_id": "other", "app": "shared"}}
    apps = {"shared": {"network": "toy"}}
    async with open_desk(channels=one, apps=apps) as desk:
        await push(desk, {**QUESTION, "account": "other"}, app="shared")
        await settle(desk)
        assert (await desk.ledger()).fates == {"unrouted": 1}
    async with open_desk(channels=two, apps=apps) as desk:
        assert await desk.replay() == {"unrouted": 1}
        await settle(desk)
        assert [one.channel for one in await desk.tickets()] == ["new"]
        with pytest.raises(Refused, match="ticket: only"):
            await desk.replay(fates=[Fate.TICKET])


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["👩‍👩‍👧‍👦 🇩🇪", "שלום עולם", "a\x00b", "\ud800", "x" * 100_000, None, ""]
)
async def test_every_text_makes_a_ticket(open_desk, push, text, settle):
    async with open_desk() as desk:
        await push(desk, {**QUESTION, "text": text})
        await settle(desk)
        (line,) = await desk.tickets()
        assert line.subject
        (message,) = (await desk.ticket(line.id)).messages
        expected = text and text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
        assert message.text == expected
        assert (await desk.ledger()).adds_up


async def test_what_no_database_takes_is_replaced_wherever_it_stands(open_desk, push, settle):
    odd = "\x00\ud800"
    asked = {"id": f"c{odd}", "by": f"eva{odd}", "thread": f"post{odd}", "text": f"Where?{odd}"}
    async with open_desk() as desk:
        await push(
            desk, asked, {**asked, "type": "edit", "text": f"When?{odd}", "at": 1_800_000_000}
        )
        await settle(desk)
        (line,) = await desk.tickets()
        assert (line.subject, line.customer) == ("When?\ufffd\ufffd", "Eva\ufffd\ufffd")
        await desk.reply(line.id, f"Soon{odd}", agent=f"anna{odd}")
        await settle(desk)
        native = {"type": "echo", "id": f"n{odd}", "by": "acme", "text": odd, "at": 1_900_000_000}
        await push(desk, {**native, "thread": asked["thread"], "parent": asked["id"]})
        await settle(desk)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 1, "applied": 1, "context": 1}
        messages = (await desk.ticket(line.id)).messages
        assert [one.id for one in messages] == ["c\ufffd\ufffd", "n\ufffd\ufffd"]
        assert [one.text for one in desk.registry.get("toy").arrived] == ["Soon\ufffd\ufffd"]


@pytest.mark.parametrize("at", [-62_000_000_000, 0, 250_000_000_000])
async def test_absurd_times_do_no_harm(open_desk, push, at, settle):
    async with open_desk(service_levels=[{"first_response": "1h"}]) as desk:
        await push(desk, {**QUESTION, "at": at})
        await settle(desk)
        (line,) = await desk.tickets()
        assert line.waiting_since <= desk.clock.now()


class Rubbish(Plugin):
    """Whatever can go wrong in a plugin that is asked about everything."""

    @hook
    async def classify(self, request):
        text = request.message.text or ""
        if "raise" in text:
            raise SystemExit(3)
        if "type" in text:
            return "service"
        if "leak" in text:
            self.leaked = asyncio.create_task(asyncio.sleep(3600))
        return Labels()


async def test_a_plugin_that_misbehaves_costs_nobody_a_ticket(open_desk, push, settle):
    rubbish = {"classes": {"rubbish": Rubbish}, "plugins": {"rubbish": {}}}
    async with open_desk(**rubbish) as desk:
        texts = ["raise", "wrong type", "leak", "fine"]
        await push(desk, *[{"id": f"c{n}", "by": f"p{n}", "text": t} for n, t in enumerate(texts)])
        await settle(desk)
        assert len(await desk.tickets()) == 4
        desk.registry.get("rubbish").leaked.cancel()


async def test_rubbish_instead_of_inbounds_is_quarantined(open_desk, push, monkeypatch, settle):
    async with open_desk() as desk:
        toy = type(desk.registry.get("toy"))
        monkeypatch.setattr(toy, "_inbound", lambda self, one: "rubbish")
        await push(desk, QUESTION)
        await settle(desk)
        assert (await desk.ledger()).reasons == {
            "quarantined: toy.ingest: returned a str as an inbound": 1
        }


@pytest.mark.slow
async def test_a_hook_that_fails_again_and_again_is_paused_and_shown(
    open_desk, push, settle, until
):
    async with open_desk() as desk:
        desk.registry.get("toy").poll_faults = [ValueError("bug")] * 50

        async def paused():
            now = desk.clock.now()
            due = s.sources.update().values(next_at=now)
            await desk.store.write(lambda c: c.execute(due))
            return (await desk.channels())[0].state == "paused"

        await until(desk, paused, seconds=30)
        assert (await desk.channels())[0].breakers == ("poll",)
        await push(desk, QUESTION)
        await settle(desk)
        assert len(await desk.tickets()) == 1


async def test_the_store_going_away_is_no_success(open_desk, push, monkeypatch, settle):
    from channelmix.store import journal

    def full(_connection, _arrival):
        raise OSError("disk full")

    async with open_desk() as desk:
        with monkeypatch.context() as patched:
            patched.setattr(journal, "append", full)
            with pytest.raises(OSError, match="disk full"):
                await push(desk, QUESTION)
        assert (await push(desk, QUESTION)).status == 200
        await settle(desk)
        assert len(await desk.tickets()) == 1
