"""Vaults: what a network hands out is kept before it is used, and one at a time asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from channelmix import AuthorizationLost, RetryLater, loops, vault
from channelmix.errors import StoreError
from channelmix.log import SecretMask, get_logger
from channelmix.loops import Bell
from channelmix.store import schema as s
from channelmix.store import tokens
from channelmix.store.engine import Store
from channelmix.testing.clock import FakeClock
from channelmix.vault import HOLD, StoredVault, Vaults

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
FIRST = {"access_token": "access-of-round-0", "refresh_token": "refresh-0", "round": 0}


@attrs.define(eq=False)
class Network:
    """A network whose refresh tokens are good for one use."""

    round: int = 0
    asked: int = 0
    wait: asyncio.Event | None = None
    inside: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def renew(self, current: Any) -> dict[str, Any]:
        self.asked += 1
        if current["round"] != self.round:
            raise AuthorizationLost("this refresh token was used before")
        self.round += 1
        self.inside.set()
        if self.wait is not None:
            await self.wait.wait()
        return {
            "access_token": f"access-of-round-{self.round}",
            "refresh_token": f"refresh-{self.round}",
            "round": self.round,
        }

    def stale(self, current: Any) -> bool:
        return current is None or current["round"] < 1


@attrs.define(eq=False)
class Process:
    """What one process has of a desk."""

    store: Store
    vaults: Vaults
    mine: StoredVault


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def process(database: str, clock: FakeClock) -> Iterator[Callable[..., Process]]:
    with contextlib.ExitStack() as opened:

        def start(owner: str, channel: str = "x") -> Process:
            store, bell = Store(database), Bell()
            store.open()
            opened.callback(store.close)
            loop = asyncio.get_running_loop()
            store.watch(lambda: loop.is_closed() or loop.call_soon_threadsafe(bell.ring))
            mask = SecretMask()
            vaults = Vaults(store=store, clock=clock, bell=bell, mask=mask, owner=owner)
            return Process(store, vaults, StoredVault(vaults=vaults, channel=channel))

        yield start


@pytest.fixture
async def one(process: Callable[..., Process]) -> AsyncIterator[Process]:
    started = process("one")
    await started.mine.put(FIRST)
    yield started
    await started.vaults.close(5)


async def test_what_is_put_is_there_for_every_process_and_for_this_channel_alone(one, process):
    two = process("two")
    assert await two.mine.get() == FIRST
    assert await two.mine.get("other") is None
    assert await process("two", channel="y").mine.get() is None
    await two.mine.put({"code": "a"}, "other")
    await two.mine.put({"code": "b"}, "other")
    assert (await one.mine.get("other"), await one.mine.get()) == ({"code": "b"}, FIRST)


async def test_what_is_not_stale_is_not_renewed(one):
    network = Network(round=1)
    await one.mine.put({**FIRST, "round": 1})
    assert (await one.mine.refresh(network.renew, stale=network.stale))["round"] == 1
    assert network.asked == 0


async def test_the_first_value_is_fetched_the_same_way(process):
    async def fetch(current: Any) -> dict[str, Any]:
        return {"was": current}

    fresh = process("one").mine
    assert await fresh.refresh(fetch, stale=lambda current: current is None) == {"was": None}
    assert await fresh.get() == {"was": None}


async def test_many_who_ask_at_once_in_several_processes_renew_once(one, process):
    network, two = Network(), process("two")
    asking = [
        process_.mine.refresh(network.renew, stale=network.stale) for process_ in [one, two] * 10
    ]
    got = await asyncio.gather(*asking)
    assert network.asked == 1
    assert {value["access_token"] for value in got} == {"access-of-round-1"}


async def test_who_waits_for_another_process_is_woken_by_it(one, process, monkeypatch):
    waiting, asleep = loops.wait, asyncio.Event()

    async def until_rung(event: asyncio.Event, _seconds: float) -> None:
        asleep.set()
        await waiting(event, 60)

    monkeypatch.setattr(vault, "wait", until_rung)
    network, two = Network(wait=(answer := asyncio.Event())), process("two")
    asking = [asyncio.ensure_future(one.mine.refresh(network.renew, stale=network.stale))]
    await network.inside.wait()
    asking += [asyncio.ensure_future(two.mine.refresh(network.renew, stale=network.stale))]
    await asleep.wait()
    answer.set()
    async with asyncio.timeout(15):
        assert [value["round"] for value in await asyncio.gather(*asking)] == [1, 1]


async def test_the_answer_is_stored_before_anybody_has_it(one, monkeypatch):
    network, writing = Network(), one.store.write
    log = []

    async def write(job: Any) -> Any:
        done = await writing(job)
        kept = await one.mine.get()
        log.append(kept["round"])
        return done

    monkeypatch.setattr(one.store, "write", write)
    await one.mine.refresh(network.renew, stale=network.stale)
    assert log[-2:] == [1, 1]  # stored, then released; only then returned
    assert 0 in log  # when it was leased


async def test_a_hook_that_is_cancelled_loses_no_answer(one):
    network = Network(wait=(answer := asyncio.Event()))
    asking = asyncio.ensure_future(one.mine.refresh(network.renew, stale=network.stale))
    await network.inside.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    answer.set()
    await one.vaults.close(5)
    assert (await one.mine.get())["round"] == 1
    assert (await one.mine.refresh(network.renew, stale=network.stale))["round"] == 1


async def test_a_store_that_is_away_for_a_while_loses_no_answer(one, monkeypatch):
    network, putting = Network(), tokens.put
    failures: list[int] = []

    def away(*arguments: Any, **more: Any) -> Any:
        if len(failures) < 2:
            failures.append(1)
            raise StoreError("away")
        return putting(*arguments, **more)

    monkeypatch.setattr(tokens, "put", away)
    monkeypatch.setattr(vault, "store_pause", lambda _failures: 0)
    assert (await one.mine.refresh(network.renew, stale=network.stale))["round"] == 1
    assert len(failures) == 2
    assert (await one.mine.get())["round"] == 1


async def test_errors_of_the_network_come_through_and_leave_it_free(one, process):
    network = Network(round=7)
    with pytest.raises(AuthorizationLost, match="used before"):
        await one.mine.refresh(network.renew, stale=network.stale)
    network.round = 0
    assert (await process("two").mine.refresh(network.renew, stale=network.stale))["round"] == 1


async def test_a_network_that_takes_too_long_is_asked_later(one, monkeypatch):
    monkeypatch.setattr(vault, "RENEW_SECONDS", 0)
    network = Network(wait=asyncio.Event())
    with pytest.raises(RetryLater, match="takes long"):
        await one.mine.refresh(network.renew, stale=network.stale)
    assert await one.mine.get() == FIRST


@pytest.mark.slow
async def test_a_process_that_died_is_waited_for_until_its_lease_ends(
    one, process, clock, monkeypatch
):
    network, dead = Network(), process("dead")
    assert await dead.vaults._lease(tokens.Key("x", "token"))
    with monkeypatch.context() as hasty:
        hasty.setattr(vault, "PATIENCE", 0.05)
        with pytest.raises(RetryLater, match="another process renews the token of x") as caught:
            await one.mine.refresh(network.renew, stale=network.stale)
        assert caught.value.after == HOLD
    asking = asyncio.ensure_future(one.mine.refresh(network.renew, stale=network.stale))
    clock.advance(HOLD + timedelta(seconds=1))
    assert (await asking)["round"] == 1
    again = process("dead")  # its successor has its name, and need not wait
    await one.mine.put({**FIRST, "round": 1})
    assert await dead.vaults._lease(tokens.Key("x", "token"))
    renewed = await again.mine.refresh(network.renew, stale=lambda current: current["round"] < 2)
    assert renewed["round"] == 2


async def test_a_new_log_in_wins_over_a_renewal_under_way(one, process):
    network = Network(wait=(answer := asyncio.Event()))
    asking = asyncio.ensure_future(one.mine.refresh(network.renew, stale=network.stale))
    await network.inside.wait()
    person = {"access_token": "of-the-new-log-in", "round": 9}
    await process("two").mine.put(person)
    answer.set()
    assert await asking == person
    assert await one.mine.get() == person


# --- secrets -----------------------------------------------------------------------------------


async def test_what_is_kept_shows_nowhere(one, process, caplog):
    network, two = Network(), process("two")
    got = await two.mine.refresh(network.renew, stale=network.stale)
    assert repr(got) == "{'access_token': ***, 'refresh_token': ***, 'round': ***}"
    secret, old = got["access_token"], FIRST["access_token"]
    assert secret == "access-of-round-1"
    for mask in (two.vaults.mask, one.vaults.mask):
        await one.mine.get()
        assert mask.text(f"{secret} and {old}") == "*** and ***"
    get_logger(two.vaults.mask).warning("said", what=f"refresh-1 of {secret}")
    assert "said what='*** of ***'" in caplog.text
    assert "access-of" not in repr(two) + repr(one)


def test_the_mask_learns_what_looks_secret_and_leaves_words_alone():
    mask = SecretMask(["given-secret"])
    mask.learn({"token_type": "bearer", "scope": "read write", "refresh_token": "r-77", "n": 5})
    mask.learn({"nested": [{"value": "x" * 16}, "a long text with words"]})
    told = f"given-secret bearer read write r-77 {'x' * 16} a long text with words"
    assert mask.text(told) == "*** bearer read write *** *** a long text with words"


@pytest.mark.slow
def test_the_mask_forgets_tokens_that_are_long_dead():
    mask = SecretMask(["given-secret"])
    for number in range(1000):
        mask.learn({"token": f"token-{number:04}"})
    assert mask.text("token-0999 token-0800 given-secret") == "*** *** ***"
    assert mask.text("token-0001") == "token-0001"


async def test_no_view_and_no_other_table_has_what_a_vault_keeps(open_desk, push, settle, until):
    async with open_desk() as desk:
        toy = desk.registry.get("toy")
        await push(desk, {"id": "c1", "by": "eva", "text": "Where is it?"})
        await settle(desk)
        await toy.vault.put({"access_token": "very-secret-token"})
        toy.faults = [AuthorizationLost("refused: very-secret-token")]
        (ticket,) = await desk.tickets()
        await desk.reply(ticket.id, "Here", agent="anna")

        async def refused() -> bool:
            return "refused: ***" in repr(await desk.outbox() + await desk.channels())

        def everything(connection: Any) -> str:
            tables = [table for table in s.metadata.sorted_tables if table is not s.tokens]
            return str([connection.execute(table.select()).all() for table in tables])

        await until(desk, refused)
        shown = [await desk.ticket(ticket.id), await desk.outbox(), await desk.channels()]
        shown += [await desk.store.read(everything), toy]
        assert "very-secret-token" not in repr(shown)
